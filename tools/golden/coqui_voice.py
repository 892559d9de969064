# SPDX-License-Identifier: MIT
"""Voices with random weights as Coqui stores them, made and run by its own package.

Coqui's package wants many others, for training, audio and plots: empty modules stand for those
that a model does not call. To install it: pip install --no-deps coqui-tts coqui-tts-trainer
coqpit-config
"""
import importlib.abc
import importlib.machinery
import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import onnx
import onnxruntime
import torch

import common
import sherpa_voice

UNUSED = ("torchaudio", "torchcodec", "monotonic_alignment_search", "soundfile", "librosa",
          "anyascii", "six")

GAINS = [
    (r"^flow\..*\.post$", 0.5),
    (r"cond", 0.5),
    (r"^duration_predictor\.(post_)?flows\.\d\.proj$", 2.0),
    (r"^duration_predictor\.proj$", 0.45),
    (r"^waveform_decoder\.resblocks", 0.6),
    (r"^waveform_decoder\.conv_post$", 0.5),
]

SHARED = dict(out_channels=9, num_heads_text_encoder=2, num_layers_text_encoder=1,
              num_layers_posterior_encoder=1, init_discriminator=False)
DURATION_CHANNELS = 14  # the 192 and 256 of Coqui would be most of the file

VOICES = {
    # Characters, several languages and speakers; the predictor does not hear the speaker.
    "coqui-languages": dict(
        seed=61, languages={"de": 0, "en": 1, "fr-fr": 2}, speakers={"ann": 0, "bob": 1},
        args=dict(
            hidden_channels=12, hidden_channels_ffn_text_encoder=20, num_layers_flow=2,
            kernel_size_flow=3, dilation_rate_flow=2, resblock_type_decoder="2",
            resblock_kernel_sizes_decoder=[3, 5],
            resblock_dilation_sizes_decoder=[[1, 2], [2, 6]], upsample_rates_decoder=[5, 4],
            upsample_kernel_sizes_decoder=[11, 8], upsample_initial_channel_decoder=12,
            use_sdp=True, use_speaker_embedding=True, speakers_file="speakers.pth",
            speaker_embedding_channels=6, use_language_embedding=True, embedded_language_dim=4,
            language_ids_file="language_ids.json", condition_dp_on_speaker=False),
        config=dict(use_phonemes=False, text_cleaner="multilingual_cleaners",
                    characters=dict(
                        characters_class="TTS.tts.models.vits.VitsCharacters", pad="_",
                        eos="&", bos="*", blank=None, characters="abcdefghijklmnoéüß",
                        phonemes=None, punctuations="!',.?- ", is_unique=True, is_sorted=True)),
        cases=[dict(text="Café, bin da.", speaker=1, language=2),
               dict(text="ein kind", speaker=0, language=0)],
    ),
    # Phonemes, plain durations, the speaker and the language in them.
    "coqui-phonemes": dict(
        seed=62, languages={"en": 0, "pt-br": 1}, speakers={"x": 0, "y": 1, "z": 2},
        args=dict(
            hidden_channels=16, hidden_channels_ffn_text_encoder=24, num_layers_flow=2,
            resblock_kernel_sizes_decoder=[3],
            resblock_dilation_sizes_decoder=[[1, 3, 5]], upsample_rates_decoder=[4, 4],
            upsample_kernel_sizes_decoder=[8, 8], upsample_initial_channel_decoder=16,
            use_sdp=False, use_speaker_embedding=True,
            speakers_file="speakers.json", speaker_embedding_channels=5,
            use_language_embedding=True, embedded_language_dim=2,
            language_ids_file="language_ids.json"),
        config=dict(use_phonemes=True, phonemizer="espeak", phoneme_language="en-us",
                    text_cleaner="phoneme_cleaners", enable_eos_bos_chars=True,
                    characters=dict(
                        characters_class="TTS.tts.utils.text.characters.IPAPhonemes",
                        pad="<PAD>", eos="<EOS>", bos="<BOS>", blank="<BLNK>",
                        characters="ʃabdəˈh", phonemes="aɪbkdəʊˈhlofsʌ", punctuations="!,. ",
                        is_unique=False, is_sorted=True)),
        cases=[dict(ids="həlˈəʊ, fˈʌs.", speaker=2, language=1)],
    ),
    # Speakers known by vectors of recordings, of which one has two.
    "coqui-vectors": dict(
        seed=64, recordings={"b/1": "bob", "a/1": "ann", "a/2": "ann"},
        args=dict(
            hidden_channels=8, hidden_channels_ffn_text_encoder=12, num_layers_flow=1,
            resblock_type_decoder="2", resblock_kernel_sizes_decoder=[3],
            resblock_dilation_sizes_decoder=[[1, 3]], upsample_rates_decoder=[4, 2],
            upsample_kernel_sizes_decoder=[8, 4], upsample_initial_channel_decoder=12,
            use_sdp=False, use_d_vector_file=True, d_vector_dim=6,
            d_vector_file=["speakers.json"]),
        config=dict(use_phonemes=False, add_blank=False,
                    characters=dict(
                        characters_class="TTS.tts.utils.text.characters.Graphemes",
                        pad="_", eos="~", bos="^", blank=None, characters="zyxabcdefgho",
                        phonemes=None, punctuations="!. ", is_unique=True, is_sorted=True)),
        cases=[dict(text="oha, fox.", speaker=1)],
    ),
    # One speaker, as the exporter for ONNX and sherpa-onnx's scripts write it as well.
    "coqui-single": dict(
        seed=63, onnx=True,
        args=dict(
            hidden_channels=8, hidden_channels_ffn_text_encoder=12, num_layers_flow=1,
            resblock_kernel_sizes_decoder=[3],
            resblock_dilation_sizes_decoder=[[1, 3, 5]], upsample_rates_decoder=[8],
            upsample_kernel_sizes_decoder=[16], upsample_initial_channel_decoder=12, use_sdp=True),
        config=dict(use_phonemes=True, phonemizer="espeak", phoneme_language="en",
                    text_cleaner="english_cleaners",
                    characters=dict(
                        characters_class="TTS.tts.models.vits.VitsCharacters", pad="_",
                        eos=None, bos=None, blank="<BLNK>", characters="abcdefg",
                        phonemes="aɪbkdəʊˈhlofsʌ", punctuations=";:,.!? ", is_unique=False,
                        is_sorted=True)),
        cases=[dict(ids="həlˈəʊ, fˈʌks!")],
    ),
}


class _Unused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in UNUSED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__spec__, module.__path__, module.__name__ = spec, [], spec.name
        module.string_types = str
        return module

    def exec_module(self, module):
        pass


def _classes():
    if not any(isinstance(finder, _Unused) for finder in sys.meta_path):
        sys.meta_path.append(_Unused())
    from TTS.tts.configs.shared_configs import CharactersConfig
    from TTS.tts.configs.vits_config import VitsConfig
    from TTS.tts.models.vits import Vits, VitsArgs
    return CharactersConfig, VitsConfig, Vits, VitsArgs


@torch.no_grad()
def _build(spec, folder):
    characters_config, vits_config, vits, vits_args = _classes()
    from TTS.tts.layers.glow_tts.duration_predictor import DurationPredictor
    from TTS.tts.layers.vits.stochastic_duration_predictor import StochasticDurationPredictor

    args = dict(SHARED, **spec["args"])
    for key in ("speakers_file", "language_ids_file"):
        if key in args:
            args[key] = str(folder / args[key])
    if "d_vector_file" in args:
        args["d_vector_file"] = [str(folder / name) for name in args["d_vector_file"]]
    settings = dict(spec["config"], characters=characters_config(**spec["config"]["characters"]))
    config = vits_config(model_args=vits_args(**args), **settings)
    config.audio.hop_length = int(np.prod(args["upsample_rates_decoder"]))
    config.audio.sample_rate = 16000
    model = vits.init_from_config(config)

    languages = model.embedded_language_dim
    if args["use_sdp"]:
        on_speaker = args.get("condition_dp_on_speaker", True)
        model.duration_predictor = StochasticDurationPredictor(
            args["hidden_channels"], DURATION_CHANNELS, 3, 0.5, 4,
            cond_channels=model.embedded_speaker_dim if on_speaker else 0,
            language_emb_dim=languages)
    else:
        model.duration_predictor = DurationPredictor(
            args["hidden_channels"], DURATION_CHANNELS, 3, 0.5,
            cond_channels=model.embedded_speaker_dim, language_emb_dim=languages)
    model.eval()
    common.randomise(model, spec["seed"], GAINS)
    common.shape_prior(model.text_encoder.proj, np.random.default_rng(spec["seed"] + 100))
    if args["use_sdp"]:
        affine = model.duration_predictor.flows[0]
        common.shape_affine(affine.translation, affine.log_scale)
    else:
        model.duration_predictor.proj.bias.fill_(0.85)
    return model


def _ids(model, case):
    tokenizer = model.tokenizer
    if "text" in case:
        return tokenizer.text_to_ids(case["text"])
    ids = tokenizer.encode(case["ids"])
    ids = tokenizer.intersperse_blank_char(ids)
    return tokenizer.pad_with_bos_eos(ids) if tokenizer.use_eos_bos else ids


def _trace(model, ids, case, rng, dp_noise, noise_scale):
    """Run the model on ids and return every stage, [B, C, T]."""
    model.inference_noise_scale = noise_scale
    model.inference_noise_scale_dp = 0.8 if noise_scale else 0.0
    inputs = dict(x_lengths=torch.tensor([len(ids)]), d_vectors=None, durations=None,
                  speaker_ids=None, language_ids=None)
    for key, name in (("speaker_ids", "speaker"), ("language_ids", "language")):
        if name in case:
            inputs[key] = torch.tensor([case[name]])
    if "speaker" in case and model.args.use_d_vector_file:
        manager = model.speaker_manager
        name = sorted(manager.name_to_id)[case["speaker"]]
        inputs["d_vectors"] = torch.FloatTensor(manager.get_mean_embedding(name)).unsqueeze(0)
        inputs["speaker_ids"] = None
    parts = dict(text=model.text_encoder, dp=model.duration_predictor, flow=model.flow,
                 dec=model.waveform_decoder)
    with torch.no_grad(), common.captured(**parts) as seen, \
            common.injected(rng, dp_noise) as drawn:
        model.inference(torch.tensor([ids]), inputs)
    enc, m, logs, _ = seen["text"][1]
    logw = seen["dp"][1]
    stages = dict(ids=torch.tensor([ids]), enc=enc, m=m, logs=logs, logw=logw,
                  durations=common.durations_of(logw, 1.0), noise_z=drawn["z"],
                  z_p=seen["flow"][0][0], z=seen["dec"][0][0], wave=seen["dec"][1])
    if model.args.use_sdp:
        stages["noise_dp"] = dp_noise
    return stages


def _run_case(model, spec, index, noise_scale=0.667):
    case = spec["cases"][index]
    ids = _ids(model, case)
    rng = np.random.default_rng(spec["seed"] * 1000 + index)
    noise = common.duration_noise(rng, len(ids)) if noise_scale else torch.zeros(1, 2, len(ids))
    return _trace(model, ids, case, rng, noise, noise_scale)


# ---- files ---------------------------------------------------------------------------------

def _config(model):
    """What Coqui saves beside and in a model, with paths as on another machine, of training."""
    config = json.loads(model.config.to_json())
    for part in (config, config["model_args"]):
        for key in ("speakers_file", "language_ids_file"):
            if part.get(key):
                part[key] = "/home/trainer/run/" + Path(part[key]).name
        if part.get("d_vector_file"):
            part["d_vector_file"] = ["/home/trainer/run/" + Path(part["d_vector_file"][0]).name]
    return config


def _write_ids(folder, name, ids):
    if name.endswith(".pth"):
        torch.save(ids, folder / name)
    else:
        common.save_json(folder / name, ids)


def _export(model, spec, folder, hop):
    """The graph of the package's exporter, the noise that it fixes being none."""
    path = folder / "model.onnx"
    model.inference_noise_scale = model.inference_noise_scale_dp = 0.0
    model.export_onnx(str(path), verbose=False)
    vocabulary = model.tokenizer.characters
    sherpa_voice.set_metadata(path, dict(
        model_type="vits", comment="coqui", language="English", voice="en-us", has_espeak=1,
        add_blank=1, blank_id=vocabulary.blank_id, n_speakers=0, use_eos_bos=0,
        bos_id=vocabulary.bos_id, eos_id=vocabulary.eos_id, pad_id=vocabulary.pad_id,
        sample_rate=model.config.audio.sample_rate))
    tokens = vocabulary._char_to_id
    (folder / "tokens.txt").write_text("".join(f"{c} {i}\n" for c, i in tokens.items()),
                                       encoding="utf-8")
    silent = _run_case(model, spec, 0, 0.0)
    common.check(f"{folder.name}/0 zero noise", silent, 1.0, hop)
    ids = silent["ids"].numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wave = session.run(None, {"input": ids, "input_lengths": np.array([ids.size]),
                              "scales": np.array([0.0, 1.0, 0.0], np.float32)})[0]
    error = float(np.abs(wave.reshape(1, 1, -1) - silent["wave"].numpy()).max())
    print(f"{folder.name}: ONNX Runtime against PyTorch, largest difference {error:.1e}")
    assert error < 1e-4
    common.save(folder / "ref", "0_ort_", durations=silent["durations"],
                wave=wave.reshape(1, 1, -1))


def write(out, name):
    spec = VOICES[name]
    folder = Path(out) / name
    (folder / "ref").mkdir(parents=True, exist_ok=True)
    for key, ids in (("speakers_file", "speakers"), ("language_ids_file", "languages")):
        if ids in spec:
            _write_ids(folder, spec["args"][key], spec[ids])
    if "recordings" in spec:
        rng = np.random.default_rng(spec["seed"])
        common.save_json(folder / "speakers.json", {
            clip: dict(name=name, embedding=rng.standard_normal(6).round(4).tolist())
            for clip, name in spec["recordings"].items()})
    model = _build(spec, folder)
    if model.args.use_sdp:
        affine = model.duration_predictor.flows[0]
        common.settle_affine(affine.translation, affine.log_scale,
                             _run_case(model, spec, 0)["logw"])
    hop = model.config.audio.hop_length
    torch.save({"config": _config(model), "model": model.state_dict(), "step": 1},
               folder / "model.pth")
    common.save_json(folder / "config.json", _config(model))
    for index in range(len(spec["cases"])):
        stages = _run_case(model, spec, index)
        common.check(f"{name}/{index}", stages, 1.0, hop)
        common.save(folder / "ref", f"{index}_", **stages)
    if spec.get("onnx"):
        _export(model, spec, folder, hop)
    common.save_json(folder / "ref" / "index.json", spec["cases"])


def write_all(out, _arguments):
    for name in VOICES:
        write(out, name)
