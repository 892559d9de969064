# SPDX-License-Identifier: MIT
"""voices.py FOLDER QUALITY SECONDS...: a voice of one of Piper's qualities, or of VITS base's or
MMS's geometry, with random weights, made with the trainer of piper-tts, and texts of about so many
seconds.

Writes QUALITY.onnx and its JSON, QUALITY.durations.onnx, which also says the frames of each symbol,
and QUALITY.texts.json, the symbols of each text.
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "golden"))
import common  # noqa: E402
import onnx_voice  # noqa: E402

SMALL = dict(resblock="2", resblock_kernel_sizes=(3, 5, 7),
             resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)), upsample_rates=(8, 8, 4),
             upsample_initial_channel=256, upsample_kernel_sizes=(16, 16, 8))
LARGE = dict(resblock="1", resblock_kernel_sizes=(3, 7, 11),
             resblock_dilation_sizes=((1, 3, 5),) * 3, upsample_rates=(8, 8, 2, 2),
             upsample_initial_channel=512, upsample_kernel_sizes=(16, 16, 4, 4))

QUALITIES = {
    "x-low": dict(rate=16000, channels=96, filter_channels=384, decoder=SMALL),
    "medium": dict(rate=22050, channels=192, filter_channels=768, decoder=SMALL),
    "high": dict(rate=22050, channels=192, filter_channels=768, decoder=LARGE),
    # High's geometry is VITS base's; these have other rates and tables of symbols.
    "base": dict(rate=22050, channels=192, filter_channels=768, decoder=LARGE, symbols=178),
    "mms": dict(rate=16000, channels=192, filter_channels=768, decoder=LARGE, symbols=40),
}


OFF = 0.05  # of the length that a text should have
TRIES = 1000  # texts, until one has it


def symbols_of(quality):
    return QUALITIES[quality].get("symbols", 256)


def ids_of(count, seed, symbols):
    """Symbols as Piper makes them of phonemes: a start, a pad after each one, an end."""
    rng = np.random.default_rng(seed)
    ids = [1, 0]
    while len(ids) < count - 1:
        ids += [int(rng.integers(3, symbols)), 0]
    return ids + [2]


@torch.no_grad()
def logw_of(model, ids):
    """Log durations without noise."""
    x, _, _, mask = model.enc_p(torch.tensor([ids]), torch.tensor([len(ids)]))
    return model.dp(x, mask, reverse=True, noise_scale=0.0)


def margin_of(model, ids):
    """How far the duration that lies nearest to a whole number is from it, in frames."""
    frames = torch.exp(logw_of(model, ids))
    return float((frames - torch.round(frames)).abs().min())


@torch.no_grad()
def build(quality, seed=7):
    """The model: durations of 1 to 8 frames, a waveform that is neither silent nor clipped."""
    from piper.train.vits.models import SynthesizerTrn
    shape = QUALITIES[quality]
    model = SynthesizerTrn(
        n_vocab=symbols_of(quality), spec_channels=513, segment_size=8192, n_heads=2, n_layers=6,
        kernel_size=3, p_dropout=0.1, use_sdp=True, inter_channels=shape["channels"],
        hidden_channels=shape["channels"], filter_channels=shape["filter_channels"],
        **shape["decoder"]).eval()
    rng = np.random.default_rng(seed)
    common.randomise(model, seed, onnx_voice.GAINS)
    common.shape_prior(model.enc_p.proj, rng)
    affine = model.dp.flows[0]
    common.shape_affine(affine.m, affine.logs)
    common.settle_affine(affine.m, affine.logs,
                         logw_of(model, ids_of(400, seed, symbols_of(quality))))
    return model


def write(model, quality, path):
    """The ONNX file, and the JSON beside it."""
    shape = QUALITIES[quality]
    hop = int(np.prod(shape["decoder"]["upsample_rates"]))
    # Durations were settled without noise; with it, a symbol could last for minutes.
    onnx_voice.export(model, path, scales=(0.0, 1.0, 0.0))
    about = onnx_voice.describe(
        dict(sample_rate=shape["rate"], quality=quality, voice="en-us", phoneme_type="espeak",
             inference=dict(noise_scale=0.667, length_scale=1, noise_w=0.8), speakers=[]), hop)
    about["num_symbols"] = symbols_of(quality)
    about["phoneme_id_map"] = {phoneme: ids for phoneme, ids in about["phoneme_id_map"].items()
                               if max(ids) < symbols_of(quality)}
    common.save_json(f"{path}.json", about)


def add_durations(path):
    """The same graph, whose second output is the frames of each symbol: the result of its Ceil."""
    graph = onnx.load(path)
    ceil, = (node for node in graph.graph.node if node.op_type == "Ceil")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(ceil.output[0]))
    onnx.save(graph, path.with_suffix(".durations.onnx"))


def text_of(model, quality, seconds):
    """Symbols that take so long, of durations that no rounding error can change."""
    shape = QUALITIES[quality]
    frames = seconds * shape["rate"] / int(np.prod(shape["decoder"]["upsample_rates"]))
    count = 5 + frames / 5
    for seed in range(TRIES):
        ids = ids_of(max(5, round(count)), seed, symbols_of(quality))
        found = float(torch.ceil(torch.exp(logw_of(model, ids))).sum())
        if abs(found - frames) <= OFF * frames and margin_of(model, ids) > 2e-4:
            return ids
        count += (frames - found) / found * count / 2
    raise SystemExit(f"no text of {seconds:g} s was found for the voice {quality}")


def main():
    folder, quality, seconds = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    warnings.filterwarnings("ignore")
    model, path = build(quality), folder / f"{quality}.onnx"
    texts = {s: text_of(model, quality, float(s)) for s in seconds}
    if not path.with_suffix(".durations.onnx").exists():
        write(build(quality), quality, path)
        add_durations(path)
    (folder / f"{quality}.texts.json").write_text(
        json.dumps({"rate": QUALITIES[quality]["rate"], "texts": texts}), encoding="utf-8")


if __name__ == "__main__":
    main()
