# SPDX-License-Identifier: MIT
"""Checkpoints as training code saves them, with random weights, and what they compute.

The modules are those of Piper's trainer, which kept the original code's names, sizes and training
side; files and configurations are written as the original, MMS-TTS and Piper write them.
"""
import pathlib
from pathlib import Path

import numpy as np
import torch

import common
import onnx_voice

PUNCTUATION = ';:,.!?¡¿—…"«»“” '
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
IPA = ("ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃ"
       "ˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ")
ORIGINAL = "_" + PUNCTUATION + LETTERS + IPA
assert len(ORIGINAL) == 178

GAINS = [
    (r"^flow\..*\.post$", 0.5),
    (r"cond", 0.5),
    (r"^dp\.(post_)?flows\.\d\.proj$", 2.0),
    (r"^dp\.proj$", 0.45),
    (r"^dec\.resblocks", 0.6),
    (r"^dec\.conv_post$", 0.5),
]

BASE = dict(n_heads=2, n_layers=2, kernel_size=3, p_dropout=0.1)
SMALL = dict(
    inter_channels=8, hidden_channels=8, filter_channels=20, resblock="1",
    resblock_kernel_sizes=[3, 5], resblock_dilation_sizes=[[1, 3, 5], [1, 2, 3]],
    upsample_rates=[4, 4], upsample_initial_channel=16, upsample_kernel_sizes=[8, 8])
# The second block takes the first two dilations, whatever follows them.
WIDE = dict(
    inter_channels=12, hidden_channels=12, filter_channels=20, resblock="2",
    resblock_kernel_sizes=[3, 7, 5], resblock_dilation_sizes=[[1, 2], [2, 6, 9], [3, 5]],
    upsample_rates=[5, 2, 2], upsample_initial_channel=24, upsample_kernel_sizes=[11, 4, 4])

VOICES = {
    "vits-single": dict(
        seed=51, kind="vits", model={**BASE, **SMALL}, dtype=torch.float32, step=3000,
        symbols=ORIGINAL, cleaners=["english_cleaners2"],
        cases=[dict(text="həlˈoʊ, wˈɜːld!", noise_scale=0.667, length_scale=1.0, noise_w=0.8),
               dict(text="ðɪs ɪz ɐnˈʌðɚ", noise_scale=0.4, length_scale=1.2, noise_w=0.6)]),
    # Names of speakers and symbols in the configuration, as relatives of the original write them;
    # the older stream of PyTorch; names as several GPUs make them.
    "vits-speakers": dict(
        seed=52, kind="vits", model={**BASE, **WIDE, "use_sdp": False, "gin_channels": 6},
        dtype=torch.bfloat16, step=200, prefix="module.", stream=True, predictor=20,
        symbols="_,.!? abcdefghijklmnopqrstuvwxyz", listed=True, cleaners=["basic_cleaners"],
        speakers=["ann", "bob", "cy"],
        cases=[dict(text="hi there.", speaker=0, noise_scale=0.667, length_scale=1.0),
               dict(text="third, of them", speaker=2, noise_scale=0.5, length_scale=0.9)]),
    "mms": dict(
        seed=53, kind="mms", dtype=torch.float16, step=100000,
        model={**BASE, **SMALL, "hidden_channels": 12, "n_heads": 3, "inter_channels": 10},
        symbols="k'zyuavixptngwforcqhj-dsmlbe ",
        cases=[dict(text="hi fox", noise_scale=0.667, length_scale=1.0, noise_w=0.8),
               dict(text="more-spoken words", noise_scale=0.5, length_scale=1.0, noise_w=0.9)]),
    "piper-ckpt": dict(
        seed=54, kind="piper", model={**BASE, **WIDE}, dtype=torch.float16,
        phoneme_type="espeak", cases=[
            dict(text="həlˈo, fˈɪʃ.", noise_scale=0.667, length_scale=1.0, noise_w=0.8)]),
    "piper-ckpt-speakers": dict(
        seed=55, kind="piper", model={**BASE, **SMALL, "gin_channels": 7}, dtype=torch.float16,
        phoneme_type="text", speakers=["ann", "bob", "cy"], cases=[
            dict(text="hi there, fox.", speaker=1, noise_scale=0.333, length_scale=1.0,
                 noise_w=0.5)]),
}

RATES = {"vits": 22050, "mms": 16000, "piper": 22050}


@torch.no_grad()
def _build(spec):
    from piper.train.vits.models import DurationPredictor, PosteriorEncoder, SynthesizerTrn
    said = dict(spec["model"])
    model = SynthesizerTrn(
        n_vocab=len(spec.get("symbols", onnx_voice.PHONEMES)), spec_channels=9, segment_size=8,
        n_speakers=len(spec.get("speakers", [])), **said).eval()
    # What the code fixes at 16 layers, and below at 256 channels, would be most of the file.
    model.enc_q = PosteriorEncoder(
        9, said["inter_channels"], said["hidden_channels"], 5, 1, 2,
        gin_channels=said.get("gin_channels", 0)).eval()
    if spec.get("predictor"):
        model.dp = DurationPredictor(said["hidden_channels"], spec["predictor"], 3, 0.5,
                                     gin_channels=said.get("gin_channels", 0)).eval()
    common.randomise(model, spec["seed"], GAINS)
    rng = np.random.default_rng(spec["seed"] + 100)
    common.shape_prior(model.enc_p.proj, rng)
    if model.use_sdp:
        for flows in (model.dp.flows, model.dp.post_flows):
            common.shape_affine(flows[0].m, flows[0].logs)
    else:
        model.dp.proj.bias.fill_(0.85)
    return model


def _ids(spec, text):
    if spec["kind"] == "piper":
        return onnx_voice.ids_of(text)
    ids = [0]
    for character in text:
        # As the original's dictionary: of two equal symbols the later one.
        ids += [spec["symbols"].rindex(character), 0]
    return ids


def _run(model, spec, index):
    case = dict(spec["cases"][index])
    case.setdefault("noise_w", 0.0)
    ids = _ids(spec, case["text"])
    rng = np.random.default_rng(spec["seed"] * 1000 + index)
    noise = common.duration_noise(rng, len(ids)) if model.use_sdp else None
    stages = onnx_voice.trace(model, ids, case, rng, noise)
    if noise is None:
        del stages["noise_dp"]
    return case, stages


# ---- files ---------------------------------------------------------------------------------

def _optimizer(state):
    """As AdamW leaves it, for some of the parameters."""
    def moments(name):
        zeros = torch.zeros_like(state[name])
        return {"step": torch.tensor(10.0), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}

    few = [name for name in state if state[name].numel() < 20][:3]
    return {"state": {i: moments(name) for i, name in enumerate(few)},
            "param_groups": [{"lr": 2e-4, "betas": (0.8, 0.99), "eps": 1e-9, "weight_decay": 0.01,
                              "amsgrad": False, "initial_lr": 2e-4, "params": [0, 1, 2]}]}


def _discriminator(rng):
    """The first tensors of one, which are enough to see what it is."""
    shapes = {"discriminators.0.convs.0.bias": (16,),
              "discriminators.0.convs.0.weight_g": (16, 1, 1),
              "discriminators.0.convs.0.weight_v": (16, 1, 15)}
    return {name: common.normal(rng, shape) for name, shape in shapes.items()}


def _save_run(spec, folder, state):
    """G_STEP.pth, with an older one that must not be taken, D_STEP.pth and config.json."""
    said = {key: value for key, value in spec["model"].items()}
    said.update(n_layers_q=3, use_spectral_norm=False)
    data = dict(
        training_files="filelists/train.txt.cleaned", text_cleaners=spec.get("cleaners", []),
        max_wav_value=32768.0, sampling_rate=RATES[spec["kind"]], filter_length=16,
        hop_length=int(np.prod(said["upsample_rates"])), win_length=16, n_mel_channels=80,
        mel_fmin=0.0, mel_fmax=None, add_blank=True, n_speakers=len(spec.get("speakers", [])),
        cleaned_text=True)
    config = dict(train=dict(learning_rate=2e-4, segment_size=8192, c_mel=45), data=data,
                  model=said)
    if spec["kind"] == "mms":
        data["training_files"] = "train.ltr.uroman"
        folder.joinpath("vocab.txt").write_text(
            "".join(symbol + "\n" for symbol in spec["symbols"]), encoding="utf-8")
    if spec.get("listed"):
        config.update(symbols=list(spec["symbols"]), speakers=spec["speakers"])
    common.save_json(folder / "config.json", config)

    prefix = spec.get("prefix", "")
    state = {prefix + name: value for name, value in state.items()}
    whole = dict(model=state, iteration=1000, optimizer=_optimizer(state), learning_rate=2e-4)
    save = dict(_use_new_zipfile_serialization=not spec.get("stream", False))
    torch.save(whole, folder / f"G_{spec['step']}.pth", **save)
    rng = np.random.default_rng(spec["seed"] + 200)
    if spec["kind"] == "vits":
        judge = dict(model=_discriminator(rng), iteration=1000, optimizer={}, learning_rate=2e-4)
        torch.save(judge, folder / f"D_{spec['step']}.pth", **save)


def _save_piper(spec, folder, state):
    """A Lightning checkpoint in its usual place below the configuration."""
    said = {key: tuple(map(tuple, value)) if key == "resblock_dilation_sizes" else value
            for key, value in spec["model"].items()}
    said["upsample_rates"] = str(tuple(said["upsample_rates"]))  # as from the command line
    hop = int(np.prod(spec["model"]["upsample_rates"]))
    speakers = spec.get("speakers", [])
    parameters = dict(
        num_symbols=len(onnx_voice.PHONEMES), num_speakers=max(len(speakers), 1),
        sample_rate=RATES["piper"], hop_length=hop, filter_length=16, use_sdp=True,
        dataset=[pathlib.PurePosixPath("/data/dataset.jsonl")], learning_rate=2e-4,
        betas=(0.8, 0.99), **said)
    rng = np.random.default_rng(spec["seed"] + 200)
    tensors = {"model_g." + name: value for name, value in state.items()}
    tensors.update({"model_d." + name: value for name, value in _discriminator(rng).items()})
    place = folder / "lightning_logs" / "version_0" / "checkpoints"
    place.mkdir(parents=True, exist_ok=True)
    torch.save({
        "epoch": 5, "global_step": 1000, "pytorch-lightning_version": "1.7.7",
        "state_dict": tensors, "loops": {}, "callbacks": {}, "optimizer_states": [{}, {}],
        "lr_schedulers": [], "hparams_name": "kwargs", "hyper_parameters": parameters,
    }, place / "epoch=5-step=1000.ckpt")
    described = dict(
        sample_rate=RATES["piper"], quality="medium", voice="en-us", speakers=speakers,
        inference=dict(noise_scale=0.667, length_scale=1, noise_w=0.8),
        phoneme_type=spec["phoneme_type"])
    common.save_json(folder / "config.json", onnx_voice.describe(described, hop))


def write(out, name):
    spec = VOICES[name]
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    model = _build(spec)
    if model.use_sdp:
        affine = model.dp.flows[0]
        _, stages = _run(model, spec, len(spec["cases"]) - 1)
        common.settle_affine(affine.m, affine.logs, stages["logw"])
    state = {key: value.to(spec["dtype"]) for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.float() for key, value in state.items()})
    (_save_piper if spec["kind"] == "piper" else _save_run)(spec, folder, state)

    hop = int(np.prod(spec["model"]["upsample_rates"]))
    cases = []
    for index in range(len(spec["cases"])):
        case, stages = _run(model, spec, index)
        common.check(f"{name}/{index}", stages, case["length_scale"], hop)
        common.save(folder / "ref", f"{index}_", **stages)
        cases.append(case)
    common.save_json(folder / "ref" / "index.json", cases)


# Models that only look like VITS, by a tensor each that VITS does not have, in the containers that
# their code saves: a function of the dict of tensors.
_RUN = lambda state: dict(model=state, iteration=1, optimizer={}, learning_rate=1e-4)  # noqa: E731
RELATIVES = {
    "melotts": (["enc_p.tone_emb.weight"], _RUN),
    "vits2": (["flow.flows.0.pre_transformer.attn_layers.0.conv_q.weight"], _RUN),
    "mb-istft": (["dec.subband_conv_post.weight_g"], _RUN),
    "so-vits-svc": (["enc_p.f0_emb.weight"], _RUN),
    "rvc": (["enc_p.emb_phone.weight"], lambda state: dict(
        weight=state, config=[1025, 32, 192], info="10epoch", sr="40k", f0=1, version="v2")),
    "gpt-sovits": (["enc_p.text_embedding.weight"], lambda state: dict(weight=state, config={})),
    "icefall": (["generator.text_encoder.emb.weight"], lambda state: dict(model=state, epoch=1)),
    "espnet": (["tts.generator.text_encoder.emb.weight"], lambda state: state),
}


def write_relatives(folder):
    """Tiny files, most of them with the table that makes them look like VITS."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (tensors, wrap) in RELATIVES.items():
        state = {"enc_p.emb.weight": torch.zeros(2, 2)} if name in ("melotts", "vits2") else {}
        state.update({tensor: torch.zeros(2, 2) for tensor in tensors})
        torch.save(wrap(state), folder / f"{name}.pth")
    vocoder = {"conv_pre.weight_g": torch.zeros(2, 1, 1), "ups.0.bias": torch.zeros(2)}
    torch.save({"generator": vocoder}, folder / "hifigan.pth")
    torch.save({"fc.weight": torch.zeros(2, 2)}, folder / "unknown.pth")
    torch.save([1, 2], folder / "list.pth")


def write_all(out, _arguments):
    for name in VOICES:
        write(out, name)
    write_relatives(Path(out) / "relatives")
