# SPDX-License-Identifier: MIT
"""What every set of golden files shares: seeded weights, known noise, arrays on disk."""
import contextlib
import json
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn


def normal(rng, shape, std=1.0):
    """Normal numbers from numpy, whose stream does not change with PyTorch's version."""
    return torch.from_numpy((rng.standard_normal(tuple(shape)) * std).astype(np.float32))


def save(folder, prefix="", **arrays):
    """Write each array as <prefix><name>.npy: ids, durations, lengths as integers."""
    integers = {"ids": np.int64, "durations": np.int32, "lengths": np.int32}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if isinstance(array, torch.Tensor):
            array = array.detach().numpy()
        kind = integers.get(name.split("_")[-1], np.float32)
        np.save(folder / f"{prefix}{name}.npy", np.ascontiguousarray(array, dtype=kind))


def save_json(path, value):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


# ---- weights -------------------------------------------------------------------------------

def _fan_in(module, shape):
    if isinstance(module, nn.ConvTranspose1d):
        return shape[0] * shape[2] / module.stride[0]
    return float(np.prod(shape[1:]))


def _weight_norm_pair(module):
    """The (g, v) parameters of a weight-normed module, in either of PyTorch's two spellings."""
    if hasattr(module, "parametrizations"):
        return module.parametrizations.weight.original0, module.parametrizations.weight.original1
    if hasattr(module, "weight_g"):
        return module.weight_g, module.weight_v
    return None


def _fill_linear(module, rng, gain):
    pair = _weight_norm_pair(module)
    shape = pair[1].shape if pair else module.weight.shape
    weight = normal(rng, shape, gain / np.sqrt(_fan_in(module, shape)))
    if pair:
        # v is scaled away from g so that forgetting the norm shows.
        g, v = pair
        g.copy_(weight.flatten(1).norm(dim=1).reshape(g.shape))
        scale = torch.from_numpy(rng.uniform(0.5, 2.0, len(weight)).astype(np.float32))
        v.copy_(weight * scale.reshape(-1, *[1] * (weight.dim() - 1)))
    else:
        module.weight.copy_(weight)
    if module.bias is not None:
        module.bias.copy_(normal(rng, module.bias.shape, 0.1))


@torch.no_grad()
def randomise(model, seed, gains):
    """Give every parameter a seeded value, none of them zero or one.

    VITS starts its flows, splines and norms at zero or one, which would hide mistakes. `gains`
    lists (regular expression on the module's name, gain); the first match counts, else 1.
    """
    rng = np.random.default_rng(seed)
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d, nn.Linear)):
            gain = next((g for pattern, g in gains if re.search(pattern, name)), 1.0)
            _fill_linear(module, rng, gain)
        elif isinstance(module, nn.Embedding):
            module.weight.copy_(normal(rng, module.weight.shape, module.embedding_dim ** -0.5))
        elif type(module).__name__ == "LayerNorm":
            gamma = module.gamma if hasattr(module, "gamma") else module.weight
            beta = module.beta if hasattr(module, "beta") else module.bias
            gamma.copy_(1 + normal(rng, gamma.shape, 0.2))
            beta.copy_(normal(rng, beta.shape, 0.1))
        elif hasattr(module, "emb_rel_k"):
            for table in (module.emb_rel_k, module.emb_rel_v):
                table.copy_(normal(rng, table.shape, table.shape[-1] ** -0.5))


@torch.no_grad()
def shape_prior(project, rng):
    """Text-encoder projection: means of unit size, log deviations around -0.7."""
    half = project.weight.shape[0] // 2
    project.weight[half:] *= 0.3
    project.bias[half:] = -0.7 + normal(rng, (half,), 0.1)


@torch.no_grad()
def shape_affine(translate, log_scale):
    """First flow of the stochastic predictor, not yet fitted to the splines behind it."""
    translate.copy_(torch.tensor([[-2.3], [0.3]]))
    log_scale.copy_(torch.tensor([[1.0], [-0.2]]))


@torch.no_grad()
def settle_affine(translate, log_scale, logw):
    """From a run's logw, move that flow so that durations are mostly 1 to 8 frames.

    One decimal keeps the values the same on every machine.
    """
    value = logw.flatten() * torch.exp(log_scale[0]) + translate[0]
    scale = round(float(torch.log(value.std() / 0.55)), 1)
    log_scale[0] = scale
    translate[0] = round(float(value.mean() - 0.8 * np.exp(scale)), 1)


# ---- noise ---------------------------------------------------------------------------------

def duration_noise(rng, length):
    """Unit noise [1, 2, length] with outliers: what passes ±5 takes the splines' linear tails.

    Channel 0 becomes the log duration, so only its negative tail keeps durations short.
    """
    noise = rng.standard_normal((1, 2, length)).astype(np.float32)
    if length > 4:
        noise[0, 0, length // 2] = -7.5
        noise[0, 1, length // 3] = 8.25
        noise[0, 1, length // 4] = -9.0
    return torch.from_numpy(noise)


@contextlib.contextmanager
def injected(rng, dp_noise=None):
    """Make torch.randn return dp_noise and torch.randn_like draw from rng; yield what was drawn."""
    drawn = {}

    def randn(*shape, **_):
        assert tuple(shape) == tuple(dp_noise.shape), (shape, dp_noise.shape)
        return dp_noise.clone()

    def randn_like(tensor, **_):
        assert "z" not in drawn, "the prior is sampled once"
        drawn["z"] = normal(rng, tensor.shape)
        return drawn["z"]

    kept = torch.randn, torch.randn_like
    torch.randn, torch.randn_like = randn, randn_like
    try:
        yield drawn
    finally:
        torch.randn, torch.randn_like = kept


@contextlib.contextmanager
def captured(**modules):
    """Record inputs and output of named modules during a run."""
    seen = {}

    def keep(name):
        def hook(_module, inputs, output):
            seen[name] = (inputs, output)
        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


# ---- checks --------------------------------------------------------------------------------

def durations_of(logw, length_scale):
    return torch.ceil(torch.exp(logw) * length_scale).int()


def check(name, stages, length_scale, hop):
    """Refuse a case that a correct implementation could fail, or that tests little."""
    w = torch.exp(stages["logw"]) * length_scale
    margin = float((w - torch.round(w)).abs().min())
    wave = stages["wave"]
    frames = int(stages["durations"].sum())
    peak, rms = float(wave.abs().max()), float(wave.pow(2).mean().sqrt())
    print(f"{name}: ids {stages['ids'].shape[-1]}, frames {frames}, "
          f"durations {int(stages['durations'].min())}..{int(stages['durations'].max())}, "
          f"ceil margin {margin:.1e}, wave peak {peak:.2f} rms {rms:.2f}")
    assert wave.shape[-1] == max(frames, 1) * hop, (wave.shape, frames, hop)
    assert margin > 2e-4, "a duration lies on the edge of ceil: change the seed"
    assert peak < 0.99 and rms > 0.02, "silent or saturated wave: change the gains"


def snr(reference, other):
    """Signal-to-noise ratio in dB of `other` against `reference`."""
    reference, other = (np.asarray(a, np.float64).ravel() for a in (reference, other))
    error = np.sum((reference - other) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(np.sum(reference ** 2) / error)
