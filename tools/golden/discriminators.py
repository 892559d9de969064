# SPDX-License-Identifier: MIT
"""Discriminators of narrow channels with random weights, and what they make of two waveforms.

One of scale and five of period (Kong et al. 2020, Kim et al. 2021), written from the papers'
descriptions: their strides, kernels and groups with fewer channels.
"""
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import common

PERIODS = (2, 3, 5, 7, 11)
SLOPE = 0.1
BATCH, SAMPLES, SEED = 2, 337, 4100

# Of each convolution: channels in and out, kernel, stride, groups.
SCALE = [(1, 4, 15, 1, 1), (4, 8, 41, 4, 2), (8, 16, 41, 4, 4), (16, 16, 41, 4, 8),
         (16, 16, 41, 4, 4), (16, 16, 5, 1, 1), (16, 1, 3, 1, 1)]
PERIOD = [(1, 2, 5, 3), (2, 4, 5, 3), (4, 8, 5, 3), (8, 12, 5, 3), (12, 12, 5, 1), (12, 1, 3, 1)]


class Discriminator(nn.Module):
    """period 0: one of scale."""

    def __init__(self, period, norm):
        super().__init__()
        self.period = period
        if period:
            made = [nn.Conv2d(i, o, (k, 1), (s, 1), padding=((k - 1) // 2, 0))
                    for i, o, k, s in PERIOD]
        else:
            made = [nn.Conv1d(i, o, k, s, groups=g, padding=k // 2) for i, o, k, s, g in SCALE]
        self.convs = nn.ModuleList(norm(conv) for conv in made[:-1])
        self.conv_post = norm(made[-1])

    def forward(self, x):
        if self.period:
            x = functional.pad(x, (0, -x.shape[-1] % self.period), "reflect")
            x = x.reshape(x.shape[0], 1, -1, self.period)
        maps = []
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), SLOPE)
            maps.append(x)
        return maps + [self.conv_post(x)]


class All(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.discriminators = nn.ModuleList(Discriminator(p, norm) for p in (0,) + PERIODS)

    def forward(self, x):
        return [one(x) for one in self.discriminators]


@torch.no_grad()
def randomise(model, seed):
    """Every parameter, and the vectors of spectral norms, which stay where training left them."""
    rng = np.random.default_rng(seed)
    for name, value in sorted(model.state_dict().items()):
        if name.endswith(("weight_u", "weight_v")) and value.dim() == 1:
            value.copy_(functional.normalize(common.normal(rng, value.shape), dim=0))
        elif name.endswith("weight_g"):
            value.copy_(1.5 + common.normal(rng, value.shape, 0.3))
        else:
            spread = 0.1 if name.endswith("bias") else 1.0
            value.copy_(common.normal(rng, value.shape, spread))
    for name, value in model.state_dict().items():
        if not name.endswith("weight_orig"):
            continue
        # As training has them: near the largest singular value, so that scores keep their size.
        u, v = (dict(model.named_buffers())[name[:-4] + which] for which in "uv")
        matrix = value.reshape(len(value), -1)
        for _ in range(3):
            v.copy_(functional.normalize(matrix.T @ u, dim=0))
            u.copy_(functional.normalize(matrix @ v, dim=0))


def flat(maps):
    """Maps one after the other, in rows of channels: [B, T, C], with [B, T/p * p, C] of periods."""
    rows = [x.movedim(1, -1).reshape(len(x), -1, x.shape[1]) for of in maps for x in of]
    return torch.cat([x.flatten() for x in rows])


def losses(real, fake):
    """Of the generator, of the discriminators, of the feature maps."""
    score = sum(torch.mean((1 - f[-1]) ** 2) for f in fake)
    judge = sum(torch.mean((1 - r[-1]) ** 2) + torch.mean(f[-1] ** 2) for r, f in zip(real, fake))
    maps = sum(torch.mean(torch.abs(a - b)) for r, f in zip(real, fake) for a, b in zip(r, f))
    return torch.stack([score, judge, 2 * maps])


@torch.no_grad()
def write_all(out, _arguments):
    folder = pathlib.Path(out) / "discriminators"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    waves = common.normal(rng, (2, BATCH, 1, SAMPLES), 0.3)
    common.save(folder, waves=waves[:, :, 0])
    for name, norm in (("weight", nn.utils.weight_norm), ("spectral", nn.utils.spectral_norm)):
        model = All(norm).eval()
        randomise(model, SEED + 1)
        torch.save(dict(model=model.state_dict(), iteration=1000, optimizer={},
                        learning_rate=2e-4), folder / f"D_{name}.pth",
                   _use_new_zipfile_serialization=name == "weight")
        model.double()
        real, fake = (model(wave.double()) for wave in waves)
        if name == "weight":
            common.save(folder, maps=torch.cat([flat(real), flat(fake)]),
                        losses=losses(real, fake))
        else:
            common.save(folder, scores=flat([[maps[-1]] for maps in real]))
