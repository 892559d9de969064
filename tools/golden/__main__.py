# SPDX-License-Identifier: MIT
"""Write the golden files that the tests compare against: python3 tools/golden --help."""
import argparse
import importlib
import warnings
from pathlib import Path

# Name on the command line: module, what it writes. A module must not be called like a package
# it imports.
SETS = {
    "hf": ("hf", "Hugging Face voices with random weights"),
    "coqui": ("coqui_voice", "voices of Coqui with random weights"),
    "mini": ("mini", "references of the embedded voice (needs --voices)"),
    "piper": ("onnx_voice", "Piper voices with random weights, as ONNX"),
    "checkpoint": ("checkpoint", "checkpoints of training code with random weights"),
    "ops": ("ops", "single operators"),
    "spectrogram": ("spectrogram", "a recording's spectrograms (needs --voices)"),
    "training": ("training", "a step of training of the checkpoints"),
    "discriminators": ("discriminators", "discriminators with random weights"),
    "torch": ("torch_file", "files of PyTorch, in both forms"),
    "sherpa": ("sherpa_voice", "voices of sherpa-onnx with random weights, as ONNX"),
}


def main():
    default = Path(__file__).resolve().parents[2] / "tests" / "golden"
    parser = argparse.ArgumentParser(
        prog="golden", description=__doc__,
        epilog="sets: " + "; ".join(f"{name}: {text}" for name, (_, text) in SETS.items()))
    parser.add_argument("sets", nargs="+", choices=[*SETS, "all"], help="what to write")
    parser.add_argument("--out", type=Path, default=default, help="folder (tests/golden)")
    parser.add_argument("--voices", type=Path, help="folder with ljspeech/, mini/ and mini-fp32/")
    parser.add_argument("--threads", type=int, default=2, help="PyTorch threads (2)")
    arguments = parser.parse_args()

    warnings.filterwarnings("ignore")
    import torch  # late, so that --help needs nothing installed
    torch.set_num_threads(arguments.threads)
    for name in SETS if "all" in arguments.sets else arguments.sets:
        importlib.import_module(SETS[name][0]).write_all(arguments.out, arguments)


if __name__ == "__main__":
    main()
