# SPDX-License-Identifier: MIT
"""clvits against ONNX Runtime (and PyTorch): same voice, symbols, threads and machine, in turns."""
import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import race

HERE = Path(__file__).resolve().parent
RUNTIMES = ["numpy", "onnxruntime"]
ALIGNERS = ["numpy", "monotonic-alignment-search"]
MAKERS = ["onnx", "onnxscript", "piper-tts", "torch"]
QUALITIES = ("x-low", "medium", "high", "base", "mms")
TRIES = 3
MOST_BATCH = 64  # of clvits-peer


def _numbers(parser, name, text, kind):
    try:
        values = [kind(word) for word in text.split(",")]
    except ValueError:
        parser.error(f"--{name}: numbers with commas between")
    if min(values) <= 0:
        parser.error(f"--{name}: numbers above 0")
    return values


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="peers", description=__doc__,
        epilog="Voices have the geometries of Piper's, of VITS base (high's, with fewer symbols) "
               "and of MMS, and random weights; noise is off. ONNX Runtime runs as by default, as "
               "Piper's program sets it (no optimisation of the graph, no arena, no memory "
               "pattern) and, on one thread, as libpiper does (basic optimisation, no arena, no "
               "memory pattern). Exit codes: 0 done, 1 a peer said something else than clvits, 2 "
               "bad arguments, 3 something could not run.")
    parser.add_argument("--build", type=Path, default=Path("build"),
                        help="Meson's build folder, which holds clvits-peer and gets the voices "
                             "and the Python packages (build)")
    parser.add_argument("--python", type=Path,
                        help="an interpreter that has the packages; nothing is installed then")
    parser.add_argument("--torch", action="store_true",
                        help="race PyTorch as well: eager, and with its decoder compiled, which "
                             "takes minutes")
    parser.add_argument("--torch-device", choices=("cpu", "cuda"),
                        help="of PyTorch: cpu, or cuda where it finds such a GPU; clvits runs on "
                             "that of --device (cpu)")
    parser.add_argument("--torch-dtype", choices=("fp32", "fp16"),
                        help="of PyTorch's flow and decoder; that of clvits is "
                             "CLVITS_PRECISION's (fp32)")
    parser.add_argument("--batch", default="1",
                        help=f"how many times the text is spoken at once, {MOST_BATCH} at most, as "
                             "in 1,16 (1)")
    parser.add_argument("--alignment", action="store_true",
                        help="instead of speech race alignment search, against the Cython search "
                             "of the package monotonic-alignment-search")
    parser.add_argument("--voices", default="medium", help=f"of {', '.join(QUALITIES)} (medium)")
    parser.add_argument("--threads", default="1,all", help="as in 1,3,all (1,all)")
    parser.add_argument("--seconds", default="1,5,30", help="of speech, about (1,5,30)")
    parser.add_argument("--pairs", type=int, default=15, help="of runs (15)")
    parser.add_argument("--device", default="cpu",
                        help="what clvits runs on, as clvits speak takes it (cpu)")
    parser.add_argument("--install-only", action="store_true",
                        help="only install what races; another time will race")
    parser.add_argument("--json", type=Path, help="a result of clvits-bench to add to, or a new "
                                                  "file")
    arguments = parser.parse_args(argv)
    arguments.voices = arguments.voices.split(",")
    unknown = [voice for voice in arguments.voices if voice not in QUALITIES]
    if unknown:
        parser.error(f"--voices {unknown[0]}: choose from {', '.join(QUALITIES)}")
    count = len(os.sched_getaffinity(0))
    threads = _numbers(parser, "threads", arguments.threads.replace("all", str(count)), int)
    arguments.threads = list(dict.fromkeys(threads))
    _numbers(parser, "seconds", arguments.seconds, float)
    arguments.seconds = arguments.seconds.split(",")
    arguments.batch = list(dict.fromkeys(_numbers(parser, "batch", arguments.batch, int)))
    if max(arguments.batch) > MOST_BATCH:
        parser.error(f"--batch: {MOST_BATCH} at most")
    for name in ("torch_device", "torch_dtype"):
        if getattr(arguments, name) and not arguments.torch:
            parser.error(f"--{name.replace('_', '-')}: of PyTorch, which races with --torch")
    if arguments.alignment and (arguments.torch or arguments.batch != [1]):
        parser.error("--alignment: races neither PyTorch nor batches of texts")
    if arguments.pairs < 1:
        parser.error("--pairs: at least 1")
    return arguments


# ---- packages ------------------------------------------------------------------------------

def attempt(command, tries=TRIES, rest=5.0):
    """Run it again while it fails: networks do."""
    for left in range(tries - 1, -1, -1):
        if subprocess.run(command, check=False).returncode == 0:
            return True
        if left:
            print(f"peers: that failed; trying again, {left} more times", file=sys.stderr)
            time.sleep(rest)
    return False


def install(folder, name, packages):
    """Packages in an environment of their own, once; the interpreter, or None."""
    ready = folder / f"{name}-ready"
    if not ready.exists():
        race.say(f"peers: installing {', '.join(packages)} into {folder}")
        there = (folder / "bin" / "python").exists()
        if not there and subprocess.run([sys.executable, "-m", "venv", folder],
                                        check=False).returncode:
            print(f"peers: no environment for packages could be made in {folder}; --python names "
                  "an interpreter that has them", file=sys.stderr)
            return None
        if not attempt([folder / "bin" / "python", "-m", "pip", "install", "-q", *packages]):
            print(f"peers: {', '.join(packages)} could not be installed", file=sys.stderr)
            return None
        ready.touch()
    return folder / "bin" / "python"


def run_python(python, *words, **options):
    """Its exit code."""
    try:
        return subprocess.run([python, *words], check=False, **options).returncode
    except OSError as error:
        raise race.Failed(f"{python} cannot be run: {error.strerror}") from None


def interpreter(arguments, name, packages):
    if arguments.python:
        return arguments.python
    return install(arguments.build.resolve() / "peers" / "python", name, packages)


# ---- voices --------------------------------------------------------------------------------

def texts_of(folder, quality, seconds):
    """Rate and texts of a voice that is there, with texts of all these lengths; or None."""
    try:
        about = json.loads((folder / f"{quality}.texts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    there = (folder / f"{quality}.durations.onnx").exists()
    return about if there and all(s in about["texts"] for s in seconds) else None


def make_voices(arguments):
    """Whether every voice is there in the end; only making one needs PyTorch."""
    for quality in arguments.voices:
        if texts_of(arguments.work, quality, arguments.seconds):
            continue
        python = interpreter(arguments, "makers", MAKERS)
        race.say(f"peers: making the voice {quality}")
        if not python or run_python(python, HERE / "voices.py", arguments.work, quality,
                                    *arguments.seconds):
            print(f"peers: the voice {quality} could not be made", file=sys.stderr)
            return False
    return True


# ---- the race ------------------------------------------------------------------------------

def show(result):
    settings = f" ({result['settings']})" if result.get("settings") else ""
    times = f"{result['batch']} times " if "batch" in result else ""
    head = f"{result['voice']}, {times}{result['ids']} symbols, {result['threads']} thread(s): "
    if "failed" in result:
        race.say(f"{head}{result['peer']}{settings} could not run: {result['failed']}")
        return 3
    if "wrong" in result:
        race.say(f"{head}{result['peer']} {result['version']}{settings}: NOT THE SAME AUDIO: "
                 f"{result['wrong']}")
        return 1
    race.say(f"{head}{result['audio']:.2f} s, clvits {1e3 * result['clvits']['median']:.1f} ms, "
             f"{result['peer']} {result['version']}{settings} "
             f"{1e3 * result['other']['median']:.1f} ms; {race.shown(result)}; "
             f"difference {result['error']:.0e}")
    return 0


def run(arguments):
    if arguments.alignment:
        import alignment
        return alignment.run(arguments)
    import runtimes  # late: it needs the packages
    codes, torch_as = {0}, None
    if arguments.torch:
        torch_as = arguments.torch_device or "cpu", arguments.torch_dtype or "fp32"
        runtimes.check_device(torch_as[0])
    for quality in arguments.voices:
        path = str(arguments.work / f"{quality}.onnx")
        about = texts_of(arguments.work, quality, arguments.seconds)
        for threads in arguments.threads:
            try:
                clvits = race.Clvits(arguments.clvits, path, arguments.device,
                                       threads=threads)
            except RuntimeError as error:
                race.say(f"{quality}, {threads} thread(s): {error}")
                codes.add(3)
                continue
            others = runtimes.others(path, quality, threads, torch_as)
            for seconds, batch in itertools.product(arguments.seconds, arguments.batch):
                case = {"voice": quality, "rate": about["rate"], "ids": about["texts"][seconds],
                        "seconds": float(seconds), "threads": threads, "batch": batch}
                for result in race.race(clvits, others, case, arguments.pairs,
                                        str(arguments.work / "clvits.f32")):
                    codes.add(show(result))
                    if arguments.json:
                        race.append(arguments.json, [result])
            clvits.close()
    return 1 if 1 in codes else max(codes)


def main():
    arguments = parse(sys.argv[1:])
    arguments.clvits = arguments.build / "bench" / "peers" / "clvits-peer"
    arguments.searcher = arguments.build / "bench" / "peers" / "clvits-search-peer"
    arguments.work = arguments.build / "peers"
    if os.environ.get("CLVITS_PEERS_READY") == "1":
        return run(arguments)
    program = arguments.searcher if arguments.alignment else arguments.clvits
    if not program.exists():
        print(f"peers: there is no {program}; build clvits, and say where with --build",
              file=sys.stderr)
        return 2
    if arguments.json:
        race.check(arguments.json)
    try:
        arguments.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise race.Failed(f"the folder {arguments.work} cannot be made: {error.strerror}") from None
    python = interpreter(arguments, "aligners", ALIGNERS) if arguments.alignment else \
        interpreter(arguments, "runtimes", RUNTIMES)
    if arguments.install_only:
        return 0 if python else 3
    if not python or not (arguments.alignment or make_voices(arguments)):
        return 3
    if arguments.torch and not interpreter(arguments, "makers", MAKERS):
        return 3
    environment = {**os.environ, "CLVITS_PEERS_READY": "1"}
    code = run_python(python, HERE, *sys.argv[1:], env=environment)
    return code if code >= 0 else 3


def guarded():
    """main(), whose exit code 1 means one thing alone."""
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # whatever is missing, full or forbidden
        named = isinstance(error, OSError) and error.strerror and error.filename
        reason = f"{error.filename}: {error.strerror}" if named else str(error)
        reason = " ".join(reason.split()) or type(error).__name__
        print(f"peers: {reason}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(guarded())
