# SPDX-License-Identifier: MIT
"""Piper voices with random weights, exported to ONNX the way Piper's trainer does.

The model comes from the trainer in the piper-tts package, so that names, node paths and the
exporter's quirks are the real ones; only sizes and weights are ours.
"""
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

import common

GAINS = [
    (r"^flow\..*\.post$", 0.5),
    (r"cond", 0.5),
    (r"^dp\.flows\.\d\.proj$", 2.0),
    (r"^dec\.resblocks", 0.6),
    (r"^dec\.conv_post$", 0.5),
]

GEOMETRY = dict(
    spec_channels=17, segment_size=8, n_heads=2, n_layers=2, kernel_size=3, p_dropout=0.1,
    use_sdp=True,
)

PHONEMES = "_^$ !',.?abcdefghijklmnopqrstuvwxyzæðŋɐəɛɪʃʊˈː"

VOICES = {
    "piper-single": dict(
        seed=31, phoneme_type="espeak", voice="en-us", quality="low", sample_rate=16000,
        inference=dict(noise_scale=0.667, length_scale=1, noise_w=0.8),
        model=dict(
            inter_channels=12, hidden_channels=12, filter_channels=40, resblock="2",
            resblock_kernel_sizes=(3, 5, 7), resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
            upsample_rates=(8, 4), upsample_initial_channel=32, upsample_kernel_sizes=(16, 8)),
        speakers=[],
        cases=[dict(phonemes="həlˈo, fˈɪʃ.", noise_scale=0.667, length_scale=1.0, noise_w=0.8),
               dict(phonemes="sʊmð ˈɪŋ lˈɛŋðiɐ wɛnt bˈaɪ!", noise_scale=0.4,
                    length_scale=1.3, noise_w=0.6)],
    ),
    "piper-multi": dict(
        seed=32, phoneme_type="text", voice="en-us", quality="high", sample_rate=22050,
        inference=dict(noise_scale=0.333, length_scale=1, noise_w=0.333),
        model=dict(
            inter_channels=16, hidden_channels=16, filter_channels=36, resblock="1",
            resblock_kernel_sizes=(3, 7, 11),
            resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
            upsample_rates=(4, 4, 2), upsample_initial_channel=24,
            upsample_kernel_sizes=(8, 8, 4), n_speakers=4, gin_channels=10),
        speakers=["ann", "bob", "cy", "dee"],
        cases=[dict(phonemes="hi there, fox.", speaker=1, noise_scale=0.333, length_scale=1.0,
                    noise_w=0.5),
               dict(phonemes="the third of them spoke?", speaker=3,
                    noise_scale=0.6, length_scale=0.9, noise_w=0.8)],
    ),
}

# Parameters made equal on purpose: the exporter merges initializers of equal value, so a name
# that a reader looks for may be absent and a node's input carry another one.
TWINS = [
    "enc_p.encoder.attn_layers.{}.conv_k.bias",   # zero in both
    "enc_p.encoder.norm_layers_1.{}.gamma",       # one in both
    "dp.flows.3.convs.norms_1.{}.beta",           # zero in both
]
FLOW_TWINS = ("flow.flows.2.enc.in_layers.1.bias", "flow.flows.4.enc.in_layers.1.bias")


@torch.no_grad()
def _build(spec):
    from piper.train.vits.models import SynthesizerTrn
    model = SynthesizerTrn(n_vocab=len(PHONEMES), **GEOMETRY, **spec["model"]).eval()
    common.randomise(model, spec["seed"], GAINS)
    rng = np.random.default_rng(spec["seed"] + 100)
    common.shape_prior(model.enc_p.proj, rng)
    common.shape_affine(model.dp.flows[0].m, model.dp.flows[0].logs)
    parameters = dict(model.named_parameters())
    for pattern in TWINS:
        for layer in (0, 1):
            parameters[pattern.format(layer)].fill_(1.0 if pattern.endswith("gamma") else 0.0)
    if spec["speakers"]:
        parameters[FLOW_TWINS[1]].copy_(parameters[FLOW_TWINS[0]])
    return model


def ids_of(phonemes):
    """Piper's sequence: start, pad, then every phoneme and a pad, end."""
    ids = [PHONEMES.index("^"), 0]
    for phoneme in phonemes:
        if phoneme in PHONEMES:
            ids += [PHONEMES.index(phoneme), 0]
    return ids + [PHONEMES.index("$")]


# ---- PyTorch -------------------------------------------------------------------------------

def trace(model, ids, case, rng, dp_noise):
    """Run the model on ids and return every stage, [B, C, T]."""
    ids = torch.tensor([ids])
    sid = None if case.get("speaker") is None else torch.tensor([case["speaker"]])
    parts = dict(text=model.enc_p, dp=model.dp, flow=model.flow, dec=model.dec)
    with torch.no_grad(), common.captured(**parts) as seen, \
            common.injected(rng, dp_noise) as drawn:
        model.infer(ids, torch.tensor([ids.shape[1]]), sid=sid, noise_scale=case["noise_scale"],
                    length_scale=case["length_scale"], noise_scale_w=case.get("noise_w", 0.0))
    enc, m, logs, _ = seen["text"][1]
    logw = seen["dp"][1]
    return dict(ids=ids, noise_dp=dp_noise, enc=enc, m=m, logs=logs, logw=logw,
                durations=common.durations_of(logw, case["length_scale"]), noise_z=drawn["z"],
                z_p=seen["flow"][0][0], z=seen["dec"][0][0], wave=seen["dec"][1])


# ---- ONNX ----------------------------------------------------------------------------------

def export(model, path, scales=(0.667, 1.0, 0.8)):
    """Export with the trainer's settings: opset 15, the tracing exporter, its input names.

    The traced run speaks with these scales; the file takes any.
    """
    model.dec.remove_weight_norm()
    infer = model.infer

    def forward(text, lengths, scales, sid=None):
        return infer(text, lengths, noise_scale=scales[0], length_scale=scales[1],
                     noise_scale_w=scales[2], sid=sid)[0].unsqueeze(1)

    usual, model.forward = model.forward, forward
    torch.manual_seed(1234)
    ids = torch.randint(0, model.n_vocab, (1, 50))
    sid = torch.tensor([0]) if model.n_speakers > 1 else None
    torch.onnx.export(
        model, (ids, torch.tensor([50]), torch.tensor(scales), sid), str(path),
        opset_version=15, dynamo=False, input_names=["input", "input_lengths", "scales", "sid"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch_size", 1: "phonemes"},
                      "input_lengths": {0: "batch_size"},
                      "output": {0: "batch_size", 2: "time"}})
    model.forward = usual


def _run_onnx(path, ids, case):
    """Wave and durations of ONNX Runtime at zero noise; the durations leave the only Ceil."""
    graph = onnx.load(path)
    ceil, = (node for node in graph.graph.node if node.op_type == "Ceil")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(ceil.output[0]))
    session = onnxruntime.InferenceSession(graph.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    feeds = {"input": np.array([ids]), "input_lengths": np.array([len(ids)]),
             "scales": np.array([0.0, case["length_scale"], 0.0], np.float32)}
    if case.get("speaker") is not None:
        feeds["sid"] = np.array([case["speaker"]])
    wave, durations = session.run(None, feeds)
    return wave.reshape(1, 1, -1), durations


def describe(spec, hop):
    """The JSON beside the ONNX file, as Piper writes it."""
    return {
        "dataset": "golden",
        "audio": {"sample_rate": spec["sample_rate"], "quality": spec["quality"]},
        "espeak": {"voice": spec["voice"]},
        "language": {"code": "en-us"},
        "inference": spec["inference"],
        "phoneme_type": spec["phoneme_type"],
        "phoneme_map": {},
        "phoneme_id_map": {phoneme: [i] for i, phoneme in enumerate(PHONEMES)},
        "num_symbols": len(PHONEMES),
        "num_speakers": max(len(spec["speakers"]), 1),
        "speaker_id_map": {name: i for i, name in enumerate(spec["speakers"])},
        "piper_version": "1.0.0",
        "hop_length": hop,
    }


# ---- files ---------------------------------------------------------------------------------

def _run_case(model, spec, index):
    case = spec["cases"][index]
    ids = ids_of(case["phonemes"])
    rng = np.random.default_rng(spec["seed"] * 1000 + index)
    return trace(model, ids, case, rng, common.duration_noise(rng, len(ids)))


def _write_case(model, path, name, index, spec, hop):
    case = spec["cases"][index]
    stages = _run_case(model, spec, index)
    common.check(f"{name}/{index}", stages, case["length_scale"], hop)
    common.save(path.parent / "ref", f"{index}_", **stages)

    ids = ids_of(case["phonemes"])
    case = {**case, "noise_scale": 0.0, "noise_w": 0.0}
    silent = trace(model, ids, case, np.random.default_rng(0), torch.zeros(1, 2, len(ids)))
    common.check(f"{name}/{index} zero noise", silent, case["length_scale"], hop)
    wave, durations = _run_onnx(path, ids, case)
    assert np.array_equal(durations, silent["durations"].float().numpy())
    error = float(np.abs(wave - silent["wave"].numpy()).max())
    print(f"{name}/{index}: ONNX Runtime against PyTorch, largest difference {error:.1e}")
    assert error < 1e-4
    common.save(path.parent / "ref", f"{index}_ort_", durations=durations, wave=wave)


def _parameters(model):
    """What inference needs, by its name, with weight normalisation folded."""
    state = model.state_dict()
    for name, v in list(state.items()):
        if name.endswith("weight_v"):
            del state[name]
            g = state.pop(name[:-1] + "g")
            state[name[:-2]] = g * v / v.flatten(1).norm(dim=1).view_as(g)
    training = ("enc_q.", "dp.post_", "dp.flows.1.")
    return {name: x for name, x in sorted(state.items()) if not name.startswith(training)}


def _write_state(model, path):
    """A line per tensor: name, shape, and sums of x, of |x| and of x (1 + i mod 97)."""
    with open(path, "w", encoding="ascii") as out:
        for name, x in _parameters(model).items():
            shape = ",".join(map(str, x.shape))
            x = x.double().flatten()
            ramp = 1 + torch.arange(x.numel()) % 97
            sums = " ".join(f"{float(s):.9g}" for s in (x.sum(), x.abs().sum(), (x * ramp).sum()))
            out.write(f"{name} {shape} {sums}\n")


def write(out, name):
    spec = VOICES[name]
    path = Path(out) / name / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    hop = int(np.prod(spec["model"]["upsample_rates"]))
    model = _build(spec)
    affine = model.dp.flows[0]
    common.settle_affine(affine.m, affine.logs, _run_case(model, spec, 1)["logw"])
    export(model, path)
    path.parent.joinpath("ref").mkdir(exist_ok=True)
    _write_state(model, path.parent / "ref" / "state.txt")
    common.save_json(path.with_suffix(".onnx.json"), describe(spec, hop))
    for index in range(len(spec["cases"])):
        _write_case(model, path, name, index, spec, hop)
    common.save_json(path.parent / "ref" / "index.json", spec["cases"])


def write_all(out, _arguments):
    for name in VOICES:
        write(out, name)
