# SPDX-License-Identifier: MIT
"""ONNX voices as the scripts of sherpa-onnx write them: metadata in the graph, texts beside it.

The original code's models are those of Piper's trainer, which has the same modules; a wrapper
makes the graph's inputs and node paths those of the scripts.
"""
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import common
import onnx_voice

ENGLISH = "_;:,.!?'- abdefhijklmnopstuvwzæðəɛɪŋʃʊʌθˈː"
LEXICON = {
    "hello": "h ə l ˈ ə ʊ", "world": "w ˈ ɛ l d", "the": "ð ə", "fox": "f ˈ ʌ k s",
    "it's": "ɪ t s", "well-known": "w ɛ l n ˈ ə ʊ n", "a": "ˈ ɛ ɪ", "b": "b ˈ i ː",
    "Fox": "f", "odd": "ˈ ʌ d", "new": "n j ˈ u ː", "york": "j ˈ ʌ ː k",
}
LETTERS = "_ abcdefghijklmnopqrstuvwxyz'-é"

VOICES = {
    "sherpa-lexicon": dict(
        seed=51, symbols=ENGLISH, speakers=3,
        model=dict(
            inter_channels=8, hidden_channels=16, filter_channels=24, resblock="1",
            resblock_kernel_sizes=(3, 5), resblock_dilation_sizes=((1, 3, 5), (1, 3, 5)),
            upsample_rates=(4, 4), upsample_initial_channel=16, upsample_kernel_sizes=(8, 8),
            n_speakers=3, gin_channels=6),
        metadata=dict(model_type="vits", comment="vctk", language="English", add_blank=1,
                      n_speakers=3, sample_rate=22050, punctuation="; : , . ! ?"),
        cases=[dict(symbols="həlˈəʊ, wˈɛld.", speaker=2, noise_scale=0.667, length_scale=1.2)],
    ),
    "sherpa-characters": dict(
        seed=53, symbols=LETTERS, speakers=1,
        model=dict(
            inter_channels=12, hidden_channels=12, filter_channels=20, resblock="2",
            resblock_kernel_sizes=(3, 7), resblock_dilation_sizes=((1, 2), (3, 12)),
            upsample_rates=(8, 2), upsample_initial_channel=12, upsample_kernel_sizes=(16, 4)),
        metadata=dict(model_type="vits", comment="mms", frontend="characters", add_blank=1,
                      language="English", n_speakers=1, sample_rate=16000),
        cases=[dict(symbols="café fox", noise_scale=0.667, length_scale=1.0)],
    ),
}

GEOMETRY = dict(spec_channels=17, segment_size=8, n_heads=2, n_layers=1, kernel_size=3,
                p_dropout=0.1, use_sdp=False)
DURATION_CHANNELS = 20  # the original's 256 would be most of the file


class Wrapper(torch.nn.Module):
    """The module that the scripts export, whose name comes first in the paths of all nodes."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, x_lengths, noise_scale=1, length_scale=1, noise_scale_w=1.0, sid=None,
                max_len=None):
        return self.model.infer(x=x, x_lengths=x_lengths, sid=sid, noise_scale=noise_scale,
                                length_scale=length_scale, noise_scale_w=noise_scale_w,
                                max_len=max_len)[0]


@torch.no_grad()
def _build(spec):
    from piper.train.vits.models import DurationPredictor, SynthesizerTrn
    model = SynthesizerTrn(n_vocab=len(spec["symbols"]), **GEOMETRY, **spec["model"])
    model.dp = DurationPredictor(spec["model"]["hidden_channels"], DURATION_CHANNELS, 3, 0.5,
                                 gin_channels=spec["model"].get("gin_channels", 0))
    model.eval()
    common.randomise(model, spec["seed"], onnx_voice.GAINS + [(r"^dp\.proj$", 0.45)])
    common.shape_prior(model.enc_p.proj, np.random.default_rng(spec["seed"] + 100))
    model.dp.proj.bias.fill_(0.85)
    return model


def _ids(spec, case):
    ids = [0]
    for symbol in case["symbols"]:
        ids += [spec["symbols"].index(symbol), 0]
    return ids


def set_metadata(path, metadata):
    graph = onnx.load(path)
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(graph, path)


def write_tokens(path, symbols):
    path.write_text("".join(f"{symbol} {i}\n" for i, symbol in enumerate(symbols)),
                    encoding="utf-8")


def _export(model, path):
    names = ["x", "x_length", "noise_scale", "length_scale", "noise_scale_w", "sid"]
    ones = [torch.tensor([1.0]) for _ in range(3)]
    values = [torch.ones(1, 20, dtype=torch.int64), torch.tensor([20]), *ones, torch.tensor([0])]
    count = 6 if model.n_speakers > 1 else 5
    torch.manual_seed(1234)
    torch.onnx.export(
        Wrapper(model).eval(), tuple(values[:count]), str(path), opset_version=13, dynamo=False,
        input_names=names[:count], output_names=["y"],
        dynamic_axes={"x": {0: "N", 1: "L"}, "x_length": {0: "N"}, "y": {0: "N", 2: "L"}})


def _trace(model, ids, case, rng):
    stages = onnx_voice.trace(model, ids, case, rng, None)
    del stages["noise_dp"]
    return stages


def _run_onnx(path, ids, case):
    """The wave of ONNX Runtime at zero noise."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {"x": np.array([ids]), "x_length": np.array([len(ids)]),
             "noise_scale": np.zeros(1, np.float32), "noise_scale_w": np.zeros(1, np.float32),
             "length_scale": np.array([case["length_scale"]], np.float32)}
    if case.get("speaker") is not None:
        feeds["sid"] = np.array([case["speaker"]])
    wanted = {node.name for node in session.get_inputs()}
    return session.run(None, {k: v for k, v in feeds.items() if k in wanted})[0].reshape(1, 1, -1)


def _run_case(model, spec, index):
    case = spec["cases"][index]
    ids = _ids(spec, case)
    rng = np.random.default_rng(spec["seed"] * 1000 + index)
    return _trace(model, ids, case, rng)


def _write_case(model, path, name, index, spec, hop):
    case = spec["cases"][index]
    stages = _run_case(model, spec, index)
    common.check(f"{name}/{index}", stages, case["length_scale"], hop)
    common.save(path.parent / "ref", f"{index}_", **stages)

    ids = _ids(spec, case)
    case = {**case, "noise_scale": 0.0}
    silent = _trace(model, ids, case, np.random.default_rng(0))
    common.check(f"{name}/{index} zero noise", silent, case["length_scale"], hop)
    wave = _run_onnx(path, ids, case)
    error = float(np.abs(wave - silent["wave"].numpy()).max())
    print(f"{name}/{index}: ONNX Runtime against PyTorch, largest difference {error:.1e}")
    assert error < 1e-4
    common.save(path.parent / "ref", f"{index}_ort_", durations=silent["durations"], wave=wave)


def write(out, name):
    spec = VOICES[name]
    path = Path(out) / name / "model.onnx"
    path.parent.joinpath("ref").mkdir(parents=True, exist_ok=True)
    hop = int(np.prod(spec["model"]["upsample_rates"]))
    model = _build(spec)
    _export(model, path)
    set_metadata(path, spec["metadata"])
    write_tokens(path.parent / "tokens.txt", spec["symbols"])
    if "frontend" not in spec["metadata"]:
        (path.parent / "lexicon.txt").write_text(
            "".join(f"{word} {symbols}\n" for word, symbols in LEXICON.items()), encoding="utf-8")
    for index in range(len(spec["cases"])):
        _write_case(model, path, name, index, spec, hop)
    common.save_json(path.parent / "ref" / "index.json", spec["cases"])


def write_all(out, _arguments):
    for name in VOICES:
        write(out, name)
