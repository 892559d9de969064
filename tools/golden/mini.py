# SPDX-License-Identifier: MIT
"""The embedded voice: what its stored half-precision weights compute."""
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import VitsConfig, VitsModel

import common
import hf

SENTENCES = 3
NOISY = 1  # the sentence that is also spoken with noise


def load(folder, file="model.safetensors", config="config.json"):
    """Build VitsModel with the file's weights in float32, weight norm folded or not."""
    values = json.loads((folder / config).read_text())
    model = VitsModel(VitsConfig(**values)).eval()
    weights = {k.replace("weight_g", "parametrizations.weight.original0")
                .replace("weight_v", "parametrizations.weight.original1"): v.float()
               for k, v in load_file(folder / file).items()}
    if not any("original0" in k for k in weights):
        hf.fold(model)
    model.load_state_dict(weights)
    return model


def speak(model, ids, rng=None, dp_noise=None):
    """All stages, without the batch axis, as the fp32 references are stored."""
    if rng is None:
        rng = np.random.default_rng(0)
        dp_noise = torch.zeros(1, 2, len(ids))
        model.noise_scale = model.noise_scale_duration = 0.0
        model.speaking_rate = 1.0
    stages = hf.trace(model, ids, rng, dp_noise)
    return {name: value[0].squeeze(0) if name in ("logw", "durations", "wave") else value[0]
            for name, value in stages.items()}


def _compare(folder, index, prefix, stages):
    """Whether the durations agree with the fp32 reference, and how near the wave is."""
    wave = np.load(folder / f"{index}_{prefix}_wave.npy")
    durations = np.load(folder / f"{index}_{prefix}_durations.npy")
    same = np.array_equal(durations, stages["durations"].numpy())
    ratio = common.snr(wave, stages["wave"]) if wave.shape == tuple(stages["wave"].shape) else None
    w = torch.exp(stages["logw"])
    margin = float((w - torch.round(w)).abs().min())
    return f"durations equal {same}, ceil margin {margin:.1e}, SNR {ratio}", same, ratio


def _verify_fp32(voices):
    """The same loader must reproduce the fp32 references before its results count."""
    folder = voices / "mini-fp32"
    for prefix, file, config in (("sdp", "model.safetensors", "config.json"),
                                 ("dp", "model_dp.safetensors", "config_dp.json")):
        for index in range(SENTENCES):
            ids = np.load(folder / "ref" / f"{index}_ids.npy")
            stages = speak(load(folder, file, config), ids)
            text, same, ratio = _compare(folder / "ref", index, prefix, stages)
            print(f"fp32 weights, {prefix} {index}: {text}")
            assert same and ratio > 80


def _write_half(voices, out):
    reference = voices / "mini-fp32" / "ref"
    for index in range(SENTENCES):
        ids = np.load(reference / f"{index}_ids.npy")
        stages = speak(load(voices / "mini"), ids)
        print(f"fp16 weights, sdp {index} against fp32: "
              f"{_compare(reference, index, 'sdp', stages)[0]}")
        common.save(out, f"{index}_", m=stages["m"], logs=stages["logs"])
        common.save(out, f"{index}_sdp_",
                    **{k: stages[k] for k in ("logw", "durations", "z", "wave")})


def _write_noisy(voices, out):
    model = load(voices / "mini")
    ids = np.load(voices / "mini-fp32" / "ref" / f"{NOISY}_ids.npy")
    rng = np.random.default_rng(21)
    noise = torch.from_numpy(rng.standard_normal((1, 2, len(ids))).astype(np.float32))
    stages = speak(model, ids, rng, noise)
    batched = {k: v.reshape(1, 1, -1) for k, v in stages.items() if k in ("ids", "wave")}
    common.check("mini, noisy", {**stages, **batched}, 1.0 / model.speaking_rate, 256)
    names = ("noise_dp", "noise_z", "logw", "durations", "z_p", "z", "wave")
    common.save(out, f"{NOISY}_noisy_", **{k: stages[k] for k in names})


def write_all(out, arguments):
    if arguments.voices is None:
        raise SystemExit("mini needs --voices, the folder that holds mini and mini-fp32")
    voices = Path(arguments.voices)
    folder = Path(out) / "mini"
    _verify_fp32(voices)
    shutil.copytree(voices / "mini-fp32" / "ref", folder / "ref", dirs_exist_ok=True,
                    copy_function=shutil.copyfile)
    _write_half(voices, folder / "ref16")
    _write_noisy(voices, folder / "ref16")
