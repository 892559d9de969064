# SPDX-License-Identifier: MIT
"""Small voices with random weights as Hugging Face stores them, and what they compute."""
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrize
from transformers import VitsConfig, VitsModel, VitsTokenizer

import common

GAINS = [
    (r"^flow\..*conv_post$", 0.5),
    (r"cond", 0.5),
    (r"duration_predictor\.(post_)?flows\..*conv_proj$", 2.0),
    (r"duration_predictor\.proj$", 0.45),
    (r"decoder\.resblocks", 0.6),
    (r"decoder\.conv_post$", 0.5),
]

SHARED = dict(
    num_hidden_layers=2, num_attention_heads=2, layerdrop=0.0, hidden_dropout=0.0,
    attention_dropout=0.0, activation_dropout=0.0, duration_predictor_dropout=0.0,
)

VOICES = {
    "hf-sdp": dict(
        seed=11, half=False,
        config=dict(
            hidden_size=16, flow_size=12, ffn_dim=36, spectrogram_bins=33,
            prior_encoder_num_wavenet_layers=2, posterior_encoder_num_wavenet_layers=1,
            upsample_initial_channel=24, upsample_rates=[8, 2, 2],
            upsample_kernel_sizes=[16, 4, 4], sampling_rate=22050, speaking_rate=1.1),
        # As in the published MMS voices, id 0 is both a letter and the blank.
        letters="k'zyuavixptngwforcqhj-dsmlbe ",
        pad="k",
        cases=[dict(text="hi fox", noise_scale=0.667, noise_scale_duration=0.8),
               dict(text="some odd words were-spoken", noise_scale=0.5, noise_scale_duration=0.9),
               dict(ids=[7], noise_scale=0.667, noise_scale_duration=0.8)],
        conversion=dict(frames=37),
    ),
    "hf-dp-speakers": dict(
        seed=13, half=True,
        config=dict(
            hidden_size=48, flow_size=32, ffn_dim=56, ffn_kernel_size=4, spectrogram_bins=17,
            use_stochastic_duration_prediction=False, duration_predictor_filter_channels=40,
            num_speakers=4, speaker_embedding_size=10, prior_encoder_num_flows=3,
            prior_encoder_num_wavenet_layers=2, posterior_encoder_num_wavenet_layers=1,
            wavenet_kernel_size=3, wavenet_dilation_rate=2, upsample_initial_channel=40,
            upsample_rates=[5, 4], upsample_kernel_sizes=[11, 8], resblock_kernel_sizes=[3, 5],
            resblock_dilation_sizes=[[1, 2], [2, 6]], sampling_rate=16000),
        letters="_ abcdefghijklmnopqrstuvwxyz.,!?ñé",
        pad="_",
        cases=[dict(text="Olé, fox!", speaker=0, noise_scale=0.667),
               dict(text="a mañana. some more words are spoken here", speaker=2, noise_scale=0.4,
                    speaking_rate=0.8),
               dict(ids=[5], speaker=3, noise_scale=0.667)],
        conversion=dict(source=1, target=3, frames=21),
        revoice=dict(source=1, target=3, samples=6007),
    ),
}


def weight_normed(model):
    return [m for m in model.modules() if parametrize.is_parametrized(m, "weight")]


def fold(model):
    """Replace weight normalisation by the plain weight it stands for."""
    for module in weight_normed(model):
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def trace(model, ids, rng, dp_noise=None, speaker=None):
    """Run the model on ids and return every stage, [B, C, T]."""
    parts = dict(text=model.text_encoder, dp=model.duration_predictor, flow=model.flow,
                 dec=model.decoder)
    ids = torch.as_tensor(ids).reshape(1, -1)
    with torch.no_grad(), common.captured(**parts) as seen, \
            common.injected(rng, dp_noise) as drawn:
        result = model(ids, speaker_id=speaker)
    text = seen["text"][1]
    logw = seen["dp"][1]
    stages = dict(
        ids=ids, enc=text.last_hidden_state.transpose(1, 2),
        m=text.prior_means.transpose(1, 2), logs=text.prior_log_variances.transpose(1, 2),
        logw=logw, durations=common.durations_of(logw, 1.0 / model.speaking_rate),
        noise_z=drawn["z"], z_p=seen["flow"][0][0], z=seen["dec"][0][0], wave=seen["dec"][1])
    if dp_noise is not None:
        stages["noise_dp"] = dp_noise
    assert torch.equal(stages["wave"].squeeze(1), result.waveform)
    return stages


def _build(spec, vocab_size):
    config = VitsConfig(vocab_size=vocab_size, pad_token_id=0, **SHARED, **spec["config"])
    model = VitsModel(config).eval()
    common.randomise(model, spec["seed"], GAINS)
    rng = np.random.default_rng(spec["seed"] + 100)
    common.shape_prior(model.text_encoder.project, rng)
    predictor = model.duration_predictor
    with torch.no_grad():
        if config.use_stochastic_duration_prediction:
            for flows in (predictor.flows, predictor.post_flows):
                common.shape_affine(flows[0].translate, flows[0].log_scale)
        else:
            predictor.proj.bias.fill_(0.85)
    return model


def _tokenizer(spec, folder):
    vocab = {letter: i for i, letter in enumerate(spec["letters"])}
    folder.mkdir(parents=True, exist_ok=True)
    common.save_json(folder / "vocab.json", vocab)
    tokenizer = VitsTokenizer(folder / "vocab.json", pad_token=spec["pad"], add_blank=True,
                              normalize=True, phonemize=False, is_uroman=False, language="eng")
    tokenizer.save_pretrained(folder)
    return tokenizer


def _write_weights(model, spec, folder):
    """Store as Hugging Face does, then leave in `model` exactly the values a reader gets."""
    if spec["half"]:
        fold(model)
        model.half()
    model.save_pretrained(folder)
    model.float()
    if not spec["half"]:
        # The other spelling of the same weights, as older versions wrote it.
        old = {k.replace("parametrizations.weight.original0", "weight_g")
                .replace("parametrizations.weight.original1", "weight_v"): v
               for k, v in load_file(folder / "model.safetensors").items()}
        save_file(old, folder / "model_weight_g.safetensors", metadata={"format": "pt"})


def _run_case(model, spec, tokenizer, index):
    case = dict(spec["cases"][index])
    ids = case.get("ids") or tokenizer(case["text"])["input_ids"]
    model.noise_scale = case["noise_scale"]
    model.noise_scale_duration = case.get("noise_scale_duration", 0.0)
    model.speaking_rate = case.get("speaking_rate", model.config.speaking_rate)
    rng = np.random.default_rng(spec["seed"] * 1000 + index)
    stochastic = model.config.use_stochastic_duration_prediction
    noise = common.duration_noise(rng, len(ids)) if stochastic else None
    stages = trace(model, ids, rng, noise, case.get("speaker"))
    case["speaking_rate"] = model.speaking_rate
    return case, stages


def _convert(model, rng, frames, source=None, target=None):
    """Voice conversion: posterior of a spectrogram, through the flow and back as another.

    Without speakers it is the same voice again.
    """
    spec = common.normal(rng, (1, model.config.spectrogram_bins, frames)).abs()
    mask = torch.ones(1, 1, frames)
    g_source, g_target = (None if i is None else model.embed_speaker.weight[[i]].unsqueeze(-1)
                          for i in (source, target))
    with torch.no_grad(), common.injected(rng) as drawn:
        z, m_q, logs_q = model.posterior_encoder(spec, mask, g_source)
        z_p = model.flow(z, mask, g_source)
        z_hat = model.flow(z_p, mask, g_target, reverse=True)
        wave = model.decoder(z_hat, g_target)
    return dict(spec=spec, noise=drawn["z"], m_q=m_q, logs_q=logs_q, z=z, z_p=z_p, z_hat=z_hat,
                wave=wave)


def _spectrogram(wave, n_fft, hop):
    """Magnitudes as training sees them: reflected at both ends, none of the frames centred."""
    edge = (n_fft - hop) // 2
    wave = torch.nn.functional.pad(wave, (edge, edge), mode="reflect").squeeze(1)
    parts = torch.stft(wave, n_fft, hop, n_fft, torch.hann_window(n_fft), center=False,
                       return_complex=True)
    return torch.sqrt(parts.real ** 2 + parts.imag ** 2 + 1e-6)


def _revoice(model, rng, hop, source, target, samples):
    """The same of speech, or what passes for it, at the posterior's mean."""
    heard = common.normal(rng, (1, 1, samples), 0.2)
    spec = _spectrogram(heard, 2 * (model.config.spectrogram_bins - 1), hop)
    mask = torch.ones(1, 1, spec.shape[2])
    g_source, g_target = (model.embed_speaker.weight[[i]].unsqueeze(-1) for i in (source, target))
    with torch.no_grad():
        _, mean, _ = model.posterior_encoder(spec, mask, g_source)
        z_p = model.flow(mean, mask, g_source)
        wave = model.decoder(model.flow(z_p, mask, g_target, reverse=True), g_target)
    return dict(heard=heard, spec=spec, z_p=z_p, wave=wave)


def write(out, name):
    spec = VOICES[name]
    folder = Path(out) / name
    tokenizer = _tokenizer(spec, folder)
    model = _build(spec, len(spec["letters"]))
    if model.config.use_stochastic_duration_prediction:
        affine = model.duration_predictor.flows[0]
        _, stages = _run_case(model, spec, tokenizer, 1)
        common.settle_affine(affine.translate, affine.log_scale, stages["logw"])
    _write_weights(model, spec, folder)
    hop = int(np.prod(model.config.upsample_rates))
    cases = []
    for index in range(len(spec["cases"])):
        case, stages = _run_case(model, spec, tokenizer, index)
        common.check(f"{name}/{index}", stages, 1.0 / case["speaking_rate"], hop)
        common.save(folder / "ref", f"{index}_", **stages)
        cases.append(case)
    if "conversion" in spec:
        case = spec["conversion"]
        rng = np.random.default_rng(spec["seed"] * 1000 + 500)
        common.save(folder / "ref", "vc_", **_convert(model, rng, **case))
        cases.append(dict(conversion=case))
    if "revoice" in spec:
        case = spec["revoice"]
        rng = np.random.default_rng(spec["seed"] * 1000 + 600)
        common.save(folder / "ref", "rv_", **_revoice(model, rng, hop, **case))
        cases.append(dict(revoice=case))
    common.save_json(folder / "ref" / "index.json", cases)


def write_all(out, _arguments):
    for name in VOICES:
        write(out, name)
