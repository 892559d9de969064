# SPDX-License-Identifier: MIT
"""What a step of training computes, from the checkpoints that are here already.

Modules and weights are those of checkpoint.py; the pass is the trainer's own, in double precision
and without dropout, with all that it draws given. Only the alignment search, which that package
leaves to be compiled, is written out.
"""
import sys
import types
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers.audio_utils import mel_filter_bank

import checkpoint
import common
import discriminators

SEGMENT = 8  # frames
MELS = 5

CASES = {
    "vits-single": dict(seed=71, ids=[11, 7, 4], frames=[37, 21, 12], starts=[29, 3, 0]),
    "vits-speakers": dict(seed=72, ids=[5, 9], frames=[14, 26], starts=[6, 11], speakers=[2, 0]),
    "piper-ckpt-speakers": dict(seed=73, ids=[6, 13, 1, 8], frames=[25, 31, 8, 8],
                                starts=[17, 10, 0, 0], speakers=[1, 2, 0, 1]),
}


# ---- what is given -------------------------------------------------------------------------

def _load(out, name):
    """The model of a checkpoint, with what its file holds, in double precision."""
    spec = checkpoint.VOICES[name]
    model = checkpoint._build(spec)
    path, = (p for pattern in ("G_*.pth", "**/*.ckpt") for p in (out / name).glob(pattern))
    state = torch.load(path, weights_only=False)
    state = state.get("model") or state["state_dict"]
    for prefix in ("module.", "model_g."):
        if any(key.startswith(prefix) for key in state):
            state = {key[len(prefix):]: value for key, value in state.items()
                     if key.startswith(prefix)}
    model.load_state_dict({key: value.double() for key, value in state.items()})
    return spec, model.double().eval()


def _judges(out):
    state = torch.load(out / "discriminators" / "D_weight.pth", weights_only=True)["model"]
    judges = discriminators.All(torch.nn.utils.weight_norm).eval()
    judges.load_state_dict(state)
    return judges.double()


def _spectrogram(y, n_fft, hop):
    pad = int((n_fft - hop) / 2)
    y = torch.nn.functional.pad(y, (pad, pad), mode="reflect").squeeze(1)
    spec = torch.stft(y, n_fft, hop, window=torch.hann_window(n_fft, dtype=y.dtype), center=False,
                      return_complex=True)
    return torch.sqrt(torch.view_as_real(spec).pow(2).sum(-1) + 1e-6)


def _mel(spec, n_fft, rate):
    bank = mel_filter_bank(n_fft // 2 + 1, MELS, 0.0, rate / 2, rate, norm="slaney",
                           mel_scale="slaney")
    return torch.log(torch.clamp(torch.from_numpy(bank.T).to(spec) @ spec, min=1e-5))


def _inputs(spec, case, n_fft, hop):
    rng = np.random.default_rng(case["seed"])
    most, longest = max(case["ids"]), max(case["frames"])
    batch = len(case["ids"])
    ids = torch.from_numpy(rng.integers(1, 30, (batch, most)))
    audio = 0.2 * common.normal(rng, (batch, 1, longest * hop))
    audio = torch.nn.functional.avg_pool1d(audio, 3, 1, 1)
    for i, (n, frames) in enumerate(zip(case["ids"], case["frames"])):
        ids[i, n:] = 0
        audio[i, :, frames * hop:] = 0
    channels = spec["model"]["inter_channels"]
    given = dict(
        ids=ids, ids_lengths=torch.tensor(case["ids"]), audio=audio,
        frames_lengths=torch.tensor(case["frames"]), starts=torch.tensor(case["starts"]),
        noise_z=common.normal(rng, (batch, channels, longest)),
        noise_dp=common.normal(rng, (batch, 2, most)))
    # Beyond what the splines reach, and u near 0 and 1.
    for k, v in enumerate((-7.0, 6.5, 8.0)):
        given["noise_dp"][0, k % 2, k + 1] = v
    given["spec"] = _spectrogram(audio.double(), n_fft, hop).float()
    assert given["spec"].shape[-1] == longest
    for i, frames in enumerate(case["frames"]):
        given["spec"][i, :, frames:] = 0
    if "speakers" in case:
        given["sid"] = torch.tensor(case["speakers"])
    return given


# ---- the pass ------------------------------------------------------------------------------

def _path(value):
    """The likeliest monotonic path through value [frames, ids]."""
    frames, n = value.shape
    best = np.full((frames, n), -np.inf)
    for y in range(frames):
        for x in range(max(0, n + y - frames), min(n, y + 1)):
            stay = best[y - 1, x] if y > 0 and x < y else -np.inf
            come = best[y - 1, x - 1] if y > 0 and x > 0 else -np.inf
            best[y, x] = value[y, x] + (0.0 if y == 0 else max(stay, come))
    path = np.zeros((frames, n))
    x = n - 1
    for y in range(frames - 1, -1, -1):
        path[y, x] = 1
        if x > 0 and y > 0 and (x == y or best[y - 1, x] < best[y - 1, x - 1]):
            x -= 1
    return path


def _maximum_path(value, mask):
    rng = np.random.default_rng(0)
    result = np.zeros(value.shape)
    for b, v in enumerate(value.numpy()):
        frames, n = int(mask[b, :, 0].sum()), int(mask[b, 0].sum())
        v = v[:frames, :n]
        result[b, :frames, :n] = _path(v)
        for _ in range(20):
            near = v * (1 + 1e-5 * rng.standard_normal(v.shape))
            assert np.array_equal(_path(near), result[b, :frames, :n]), "two paths: change the seed"
    return torch.from_numpy(result).to(value)


def _drawn(given, durations):
    """torch's generators, for the noises and the place of the segment in the order of the pass."""
    most = (given["frames_lengths"] - SEGMENT + 1).double()
    return dict(
        randn=lambda *shape, **_: given["noise_dp"].to(durations),
        randn_like=lambda x, **_: given["noise_z"].to(durations),
        rand=lambda *shape, **_: (given["starts"] + 0.5) / most)


@torch.no_grad()
def _pass(model, judges, given, n_fft, hop, rate):
    """Every loss, and what they come of."""
    module = types.ModuleType("piper.train.vits.monotonic_align")
    module.maximum_path = _maximum_path
    sys.modules["piper.train.vits.monotonic_align"] = module
    from piper.train.vits.commons import slice_segments
    from piper.train.vits.losses import kl_loss

    kind = next(model.parameters()).dtype
    model.segment_size = SEGMENT
    kept = {name: getattr(torch, name) for name in ("randn", "randn_like", "rand")}
    for name, draw in _drawn(given, kind).items():
        setattr(torch, name, draw)
    try:
        with common.captured(text=model.enc_p, dp=model.dp) as seen:
            wave, dur, attn, starts, x_mask, y_mask, latent = model(
                given["ids"], given["ids_lengths"], given["spec"].to(kind),
                given["frames_lengths"], given.get("sid"))
    finally:
        for name, function in kept.items():
            setattr(torch, name, function)
    assert torch.equal(starts, given["starts"])
    z, z_p, m_p, logs_p, m_q, logs_q = latent
    enc, m, logs, _ = seen["text"][1]
    # The original's KL runs in single precision: here its formula.
    kl = kl_loss(z_p.float(), logs_q.float(), m_p.float(), logs_p.float(), y_mask.float())
    terms = logs_p - logs_q - 0.5 + 0.5 * (z_p - m_p) ** 2 * torch.exp(-2 * logs_p)
    exact = (terms * y_mask).sum() / y_mask.sum()
    assert abs(float(kl - exact)) < 1e-4 * abs(float(exact)), (kl, exact)
    mel = slice_segments(_mel(given["spec"].to(kind), n_fft, rate), starts, SEGMENT)
    mel_hat = _mel(_spectrogram(wave, n_fft, hop), n_fft, rate)
    predictor = seen["dp"][1]
    real = slice_segments(given["audio"].to(kind), starts * hop, SEGMENT * hop)
    said = discriminators.losses(judges.to(kind)(real), judges(wave))
    losses = torch.cat([torch.stack([dur.sum(), exact, (mel - mel_hat).abs().mean()]), said])
    # What the generator makes small.
    whole = losses[0] + losses[1] + 45 * losses[2] + losses[3] + losses[5]
    return dict(
        enc=enc, m=m, logs=logs, m_q=m_q, logs_q=logs_q, z=z, z_p=z_p, m_p=m_p * y_mask,
        logs_p=logs_p * y_mask, durations=attn.sum(2).squeeze(1), wave=wave, mel=mel,
        mel_hat=mel_hat, predictor=predictor, losses=torch.cat([losses, whole[None]]))


@torch.no_grad()
def _stochastic(dp, given, stages, g):
    """nll and logq by themselves, and what they come of; checks the sum with the module's."""
    x, w = stages["enc"], stages["durations"].unsqueeze(1)
    mask = (torch.arange(x.shape[-1]) < given["ids_lengths"][:, None]).unsqueeze(1).to(x)
    text = dp.pre(x) if g is None else dp.pre(x) + dp.cond(g)
    text = dp.proj(dp.convs(text, mask)) * mask
    seen = dp.post_proj(dp.post_convs(dp.post_pre(w), mask)) * mask

    def through(flows, z, g):
        total = 0
        for flow in flows:
            z, logdet = flow(z, mask, g=g)
            total = total + logdet
        return z, total

    noise = given["noise_dp"].to(x) * mask
    log_2pi = np.log(2 * np.pi)
    z_q, logdet_q = through(dp.post_flows, noise, text + seen)
    z_u, v = z_q.split(1, 1)
    u = torch.sigmoid(z_u)
    logistic = torch.nn.functional.logsigmoid
    logdet_q = logdet_q + ((logistic(z_u) + logistic(-z_u)) * mask).sum((1, 2))
    logq = (-0.5 * (log_2pi + noise ** 2) * mask).sum((1, 2)) - logdet_q
    z0 = torch.log(torch.clamp((w - u) * mask, min=1e-5)) * mask
    z, logdet = through(dp.flows, torch.cat([z0, v], 1), text)
    logdet = logdet - z0.sum((1, 2))
    nll = (0.5 * (log_2pi + z ** 2) * mask).sum((1, 2)) - logdet
    error = float((nll + logq - stages["predictor"]).abs().max())
    assert error < 1e-9 * float(nll.abs().max()), error
    return dict(z_u=z_u * mask, z_dp=z, logq=logq, nll=nll)


def write(out, name):
    case = CASES[name]
    spec, model = _load(out, name)
    hop = int(np.prod(spec["model"]["upsample_rates"]))
    rate, n_fft = checkpoint.RATES[spec["kind"]], 16
    given = _inputs(spec, case, n_fft, hop)
    judges = _judges(out)
    stages = _pass(model, judges, given, n_fft, hop, rate)
    g = model.emb_g(given["sid"]).unsqueeze(-1) if "sid" in given else None
    if model.use_sdp:
        stages.update(_stochastic(model.dp, given, stages, g))
    single = _pass(model.float(), judges, given, n_fft, hop, rate)
    assert torch.equal(single["durations"], stages["durations"].float())
    print(name, "losses", stages["losses"].tolist(), "float32 is off by",
          (single["losses"] / stages["losses"] - 1).abs().tolist())
    print("   durations", stages["durations"].int().tolist())
    tensors = {key: (value.int() if not value.is_floating_point() else value.float()).contiguous()
               for key, value in {**given, **stages}.items()}
    folder = Path(out) / "training"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / f"{name}.safetensors")


def write_all(out, _arguments):
    for name in CASES:
        write(Path(out), name)
