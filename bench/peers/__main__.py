# SPDX-License-Identifier: MIT
"""clvits against ONNX Runtime (and PyTorch): same voice, symbols, threads and machine, in turns."""
import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ["numpy", "onnx", "onnxruntime", "piper-tts", "torch"]
QUALITIES = ("x-low", "medium", "high")


def parse():
    parser = argparse.ArgumentParser(
        prog="peers", description=__doc__,
        epilog="Voices have Piper's geometries and random weights; noise is off. Exit codes: 0 "
               "done, 1 a peer said something else than clvits, 2 bad arguments.")
    parser.add_argument("--build", type=Path, default=Path("build"),
                        help="Meson's build folder, which holds clvits-peer and gets the voices "
                             "and the Python packages (build)")
    parser.add_argument("--python", type=Path,
                        help="an interpreter that has the packages; nothing is installed then")
    parser.add_argument("--torch", action="store_true", help="race PyTorch as well")
    parser.add_argument("--voices", default="medium", help=f"of {', '.join(QUALITIES)} (medium)")
    parser.add_argument("--threads", default="1", help="as in 1,3 (1)")
    parser.add_argument("--symbols", default="139", help="in the text, as in 13,139,901 (139)")
    parser.add_argument("--pairs", type=int, default=15, help="of runs (15)")
    parser.add_argument("--device", default="cpu", help="what clvits runs on (cpu)")
    parser.add_argument("--json", type=Path, help="a result of clvits-bench to add to, or a new "
                                                  "file")
    arguments = parser.parse_args()
    arguments.voices = arguments.voices.split(",")
    unknown = [voice for voice in arguments.voices if voice not in QUALITIES]
    if unknown:
        parser.error(f"--voices {unknown[0]}: choose from {', '.join(QUALITIES)}")
    for name in ("threads", "symbols"):
        try:
            setattr(arguments, name, [int(n) for n in getattr(arguments, name).split(",")])
        except ValueError:
            parser.error(f"--{name}: whole numbers with commas between")
        if min(getattr(arguments, name)) < 1:
            parser.error(f"--{name}: numbers from 1")
    if arguments.pairs < 1:
        parser.error("--pairs: at least 1")
    return arguments


def interpreter(arguments):
    """The Python that has the packages: the given one, or an environment in the build folder."""
    if arguments.python:
        return arguments.python
    folder = arguments.build.resolve() / "peers" / "python"
    ready = folder / "ready"
    if not ready.exists():
        print(f"peers: installing {', '.join(PACKAGES)} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *PACKAGES], check=True)
        ready.touch()
    return folder / "bin" / "python"


def show(result):
    settings = f" ({result['settings']})" if result.get("settings") else ""
    ratio = result["ratio"]
    same = result["durations_equal"] and result["samples_equal"]
    difference = f"difference {result['error']:.0e}" if same else "NOT THE SAME AUDIO"
    print(f"{result['voice']}, {result['ids']} symbols, {result['audio']:.2f} s, "
          f"{result['threads']} thread(s): clvits {1e3 * result['clvits']['median']:.1f} ms, "
          f"{result['peer']} {result['version']}{settings} "
          f"{1e3 * result['other']['median']:.1f} ms; {ratio['median']:.2f} times faster "
          f"({ratio['min']:.2f} to {ratio['max']:.2f}); {difference}", flush=True)
    return same


def main():
    arguments = parse()
    arguments.clvits = arguments.build / "bench" / "peers" / "clvits-peer"
    if not arguments.clvits.exists():
        print(f"peers: there is no {arguments.clvits}; build clvits, and say where with --build",
              file=sys.stderr)
        return 2
    if os.environ.get("CLVITS_PEERS_READY") != "1":
        python = interpreter(arguments)
        environment = {**os.environ, "CLVITS_PEERS_READY": "1"}
        return subprocess.run([python, HERE, *sys.argv[1:]], env=environment).returncode
    arguments.work = arguments.build / "peers"
    arguments.work.mkdir(parents=True, exist_ok=True)
    import race  # late: it needs the packages
    same = True
    for voice in arguments.voices:
        for symbols in arguments.symbols:
            for threads in arguments.threads:
                results = race.race(arguments, voice, symbols, threads)
                same = all([show(result) for result in results]) and same
                if arguments.json:
                    race.append(arguments.json, results)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
