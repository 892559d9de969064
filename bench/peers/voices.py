# SPDX-License-Identifier: MIT
"""Voices of Piper's qualities with random weights, made with the trainer of piper-tts."""
import sys
from pathlib import Path

import numpy as np
import onnx
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "golden"))
import common  # noqa: E402
import onnx_voice  # noqa: E402

SYMBOLS = 256
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
}


def ids_of(count, seed):
    """Symbols as Piper makes them of phonemes: a start, a pad after each one, an end."""
    rng = np.random.default_rng(seed)
    ids = [1, 0]
    while len(ids) < count - 1:
        ids += [int(rng.integers(3, SYMBOLS)), 0]
    return ids + [2]


@torch.no_grad()
def logw_of(model, ids):
    """Log durations without noise."""
    x = torch.tensor([ids])
    with common.captured(dp=model.dp) as seen:
        model.infer(x, torch.tensor([len(ids)]), noise_scale=0.0, length_scale=1.0,
                    noise_scale_w=0.0)
    return seen["dp"][1]


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
        n_vocab=SYMBOLS, spec_channels=513, segment_size=8192, n_heads=2, n_layers=6,
        kernel_size=3, p_dropout=0.1, use_sdp=True, inter_channels=shape["channels"],
        hidden_channels=shape["channels"], filter_channels=shape["filter_channels"],
        **shape["decoder"]).eval()
    rng = np.random.default_rng(seed)
    common.randomise(model, seed, onnx_voice.GAINS)
    common.shape_prior(model.enc_p.proj, rng)
    affine = model.dp.flows[0]
    common.shape_affine(affine.m, affine.logs)
    common.settle_affine(affine.m, affine.logs, logw_of(model, ids_of(400, seed)))
    return model


def write(model, quality, path):
    """The ONNX file, and the JSON beside it."""
    shape = QUALITIES[quality]
    hop = int(np.prod(shape["decoder"]["upsample_rates"]))
    onnx_voice.export(model, path)
    about = onnx_voice.describe(
        dict(sample_rate=shape["rate"], quality=quality, voice="en-us", phoneme_type="espeak",
             inference=dict(noise_scale=0.667, length_scale=1, noise_w=0.8), speakers=[]), hop)
    about["num_symbols"] = SYMBOLS
    common.save_json(f"{path}.json", about)


def with_durations(path):
    """The same graph, whose second output is the frames of each symbol: the result of its Ceil."""
    graph = onnx.load(path)
    ceil, = (node for node in graph.graph.node if node.op_type == "Ceil")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(ceil.output[0]))
    return graph.SerializeToString()
