#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""converted.py PROGRAM: voices that `clvits convert --to hf` wrote, as transformers speaks them.

Every golden voice that the format can express, and the embedded one, with the noise of the golden
files: durations equal to those, samples within 80 dB.
"""
import importlib.util
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
GOLDEN = SOURCE / "tests" / "golden"
# Converted voice, references, cases: stem, speaker, noise scale, noise w, length scale.
VOICES = [
    (GOLDEN / "hf-sdp", GOLDEN / "hf-sdp/ref",
     [("0", None, 0.667, 0.8, None), ("1", None, 0.5, 0.9, None), ("2", None, 0.667, 0.8, None)]),
    (GOLDEN / "hf-dp-speakers", GOLDEN / "hf-dp-speakers/ref",
     [("0", 0, 0.667, 0, None), ("1", 2, 0.4, 0, 1 / 0.8), ("2", 3, 0.667, 0, None)]),
    (GOLDEN / "piper-multi/model.onnx", GOLDEN / "piper-multi/ref",
     [("0", 1, 0.333, 0.5, 1), ("1", 3, 0.6, 0.8, 0.9), ("1_ort", 3, 0, 0, 0.9)]),
    (GOLDEN / "sherpa-lexicon/model.onnx", GOLDEN / "sherpa-lexicon/ref",
     [("0", 2, 0.667, 0, 1), ("1", 1, 0.4, 0, 1.2)]),
    (GOLDEN / "vits-single", GOLDEN / "vits-single/ref",
     [("0", None, 0.667, 0.8, 1), ("1", None, 0.4, 0.6, 1.2)]),
    (GOLDEN / "mms", GOLDEN / "mms/ref",
     [("0", None, 0.667, 0.8, 1), ("1", None, 0.5, 0.9, 1)]),
    (GOLDEN / "piper-ckpt-speakers/lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt",
     GOLDEN / "piper-ckpt-speakers/ref", [("0", 1, 0.333, 0.5, 1)]),
    (SOURCE / "lib/voices/mini", GOLDEN / "mini/ref16",
     [("0_sdp", None, 0, 0, 1), ("1_sdp", None, 0, 0, 1), ("2_sdp", None, 0, 0, 1),
      ("1_noisy", None, 0.333, 0.5, 1 / 0.9)]),
]


def load(program, voice, folder, options):
    """Convert, and load with transformers; what only training uses may be missing."""
    from transformers import VitsModel
    subprocess.run([program, "convert", "-q", "--to", "hf", *options, voice, folder], check=True)
    model, about = VitsModel.from_pretrained(folder, output_loading_info=True)
    training = ("posterior_encoder.", "duration_predictor.post_", "duration_predictor.flows.1.")
    missing = [k for k in about["missing_keys"] if not k.startswith(training)]
    assert not missing and not about["unexpected_keys"] and not about["mismatched_keys"], about
    assert "--with-training" not in options or not about["missing_keys"], about["missing_keys"]
    return model.eval()


def array(folder, stem, name):
    import numpy as np
    path = folder / f"{stem}_{name}.npy"
    return np.load(path) if path.exists() else None


def speak(model, ids, reference, case):
    """Durations and samples with the reference's noise."""
    import numpy as np
    import torch
    import common
    stem, speaker, noise_scale, noise_w, length_scale = case
    noise_dp, noise_z = (array(reference, stem, name) for name in ("noise_dp", "noise_z"))
    if noise_dp is None:
        noise_dp = np.zeros((1, 2, len(ids)), np.float32)
    model.noise_scale, model.noise_scale_duration = noise_scale, noise_w
    model.speaking_rate = model.config.speaking_rate if length_scale is None else 1 / length_scale
    noise_dp = torch.from_numpy(noise_dp).reshape(1, 2, -1)
    drawn = None if noise_z is None else torch.from_numpy(noise_z)
    kept = common.normal
    common.normal = lambda _, shape: torch.zeros(*shape) if drawn is None else drawn.reshape(shape)
    try:
        with torch.no_grad(), common.captured(dp=model.duration_predictor) as seen, \
                common.injected(None, noise_dp):
            wave = model(torch.from_numpy(ids).reshape(1, -1), speaker_id=speaker).waveform
    finally:
        common.normal = kept
    return common.durations_of(seen["dp"][1], 1 / model.speaking_rate).numpy().ravel(), wave.numpy()


def check(program, voice, reference, cases, options, least):
    import numpy as np
    import common
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "voice"
        model = load(program, voice, folder, options)
        for case in cases:
            stem = case[0]
            texts = reference.parent / "ref" if reference.name == "ref16" else reference
            ids = array(texts, stem.split("_")[0], "ids").ravel()
            durations, wave = speak(model, ids, reference, case)
            np.testing.assert_array_equal(durations, array(reference, stem, "durations").ravel())
            ratio = common.snr(array(reference, stem, "wave"), wave)
            print(f"{voice.parent.name}/{voice.name} {' '.join(options)} {stem}: durations equal, "
                  f"{ratio:.1f} dB")
            assert ratio >= least
        check_tokenizer(folder, reference)


def check_tokenizer(folder, reference):
    """Texts of the golden files become the ids that they have there."""
    from transformers import AutoTokenizer
    index = reference / "index.json"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.phonemize = False  # where it would, the texts are phonemes
    for i, case in enumerate(json.loads(index.read_text()) if index.exists() else []):
        if "text" in case:
            ids = tokenizer(case["text"])["input_ids"]
            assert ids == array(reference, i, "ids").ravel().tolist(), (case, ids)


def require(*names):
    """End where a package is not installed, with the command that installs all of them."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"converted.py: {', '.join(missing)} missing; pip install {' '.join(names)}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    require("numpy", "torch", "transformers")
    warnings.filterwarnings("ignore")
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for voice, reference, cases in VOICES:
        check(sys.argv[1], voice, reference, cases, [], 80)
        check(sys.argv[1], voice, reference, cases, ["--precision", "fp16"], 45)
        if voice.suffix != ".onnx":
            check(sys.argv[1], voice, reference, cases, ["--with-training"], 80)


if __name__ == "__main__":
    main()
