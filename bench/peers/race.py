# SPDX-License-Identifier: MIT
"""Run clvits and another runtime in turns, compare what they say, and count."""
import array
import contextlib
import errno
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

REST = 0.05  # seconds before a turn, and between looks at whether this process is at rest
WARM = 2     # turns of each that are not counted
FORMAT = "clvits-bench 1"
MOST = 1e-3  # of the largest sample, that two runtimes' audio may differ by: 60 dB
MOST_HALVES = 10 ** (-45 / 20)  # 45 dB, where one computes in halves, as the library's own tests
SPREAD = 0.1  # of a side's own runs, from which on they were disturbed, as clvits-bench has it

# What bounds the threads of PoCL's device, by version: clvits bounds those of its CPU path alone.
POCL_THREADS = "POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"


class Clvits:
    """The program clvits-peer, a command at a time. When it has ended, the next ids start it."""

    def __init__(self, program, *words, threads):
        self.command = [program, *words, str(threads)]
        self.environment = {**os.environ, **{name: str(threads) for name in POCL_THREADS}}
        self._start()

    def _start(self):
        self.process = subprocess.Popen(self.command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=self.environment)
        self.device = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{Path(self.command[0]).name} ended, with code "
                               f"{self.process.wait()}; what it said stands above")
        return line.strip()

    def ask(self, command):
        with contextlib.suppress(BrokenPipeError): # the missing answer says it
            print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def set_ids(self, ids, batch=1):
        if self.process.poll() is not None:
            self.close()
            self._start()
        self.ask(f"batch {batch}")
        self.ask("ids " + " ".join(map(str, ids)))

    def go(self):
        return float(self.ask("go").split()[0])

    def result(self, scratch):
        """Durations and samples of one more run."""
        durations = [int(word) for word in self.ask("go").split()[2:]]
        self.ask(f"save {scratch}")
        wave = array.array("f", Path(scratch).read_bytes())
        os.remove(scratch)
        return durations, wave

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def _rest():
    """Wait until no thread of the runtimes in this process looks for work any more: ONNX Runtime's
    do for a tenth of a second, and would have taken clvits' processors."""
    for _ in range(20):
        began = time.process_time()
        time.sleep(REST)
        if time.process_time() - began <= REST / 10:
            return


def _turn(runtime):
    _rest()
    return runtime.go()


def spread(samples):
    """The middle half of the times over the median."""
    ordered, count = sorted(samples), len(samples)
    return (ordered[count * 3 // 4] - ordered[count // 4]) / statistics.median(ordered)


def disturbed(result):
    """Whether one of both sides did not take as long in one run as in another."""
    return any(spread(result[side].get("samples") or [1.0]) > SPREAD
               for side in ("clvits", "other"))


def _times(samples):
    ordered = sorted(samples)
    late = ordered[(len(ordered) * 95 + 99) // 100 - 1]
    return dict(runs=len(samples), min=ordered[0], median=statistics.median(ordered), p95=late,
                spread=float(f"{spread(samples):.5g}"),
                samples=[float(f"{s:.5g}") for s in samples])


def pairs(clvits, other, count):
    """Alternating runs; who begins changes with every pair, so that drift favours nobody."""
    for runtime in (clvits, other) * WARM:
        _turn(runtime)
    ours, theirs = [], []
    for index in range(count):
        if index % 2:
            theirs.append(_turn(other))
            ours.append(_turn(clvits))
        else:
            ours.append(_turn(clvits))
            theirs.append(_turn(other))
    ratios = [b / a for a, b in zip(ours, theirs)]
    times = dict(clvits=_times(ours), other=_times(theirs))
    return dict(times, noisy=disturbed(times),
                ratio=dict(median=statistics.median(ratios), min=min(ratios), max=max(ratios)))


def shown(result):
    """How many times as fast clvits was, and whether that was disturbed."""
    ratio = result["ratio"]
    return (f"{ratio['median']:.2f} times faster ({ratio['min']:.2f} to {ratio['max']:.2f})"
            f"{' ~, disturbed' if result['noisy'] else ''}")


def agree(clvits, other, scratch):
    """Whether both said the same: frames of every symbol, number of samples, largest difference
    over the largest sample, and what is "wrong" if anything is; and the number of samples."""
    frames, wave = clvits.result(scratch)
    frames_other, wave_other = other.result()
    same = len(wave) == len(wave_other)
    finite = all(map(math.isfinite, wave)) and all(map(math.isfinite, wave_other))
    out = dict(durations_equal=list(frames) == list(frames_other), samples_equal=same, error=None)
    if same and finite and len(wave):
        largest = max(map(abs, wave_other)) or 1.0
        out["error"] = max(abs(a - b) for a, b in zip(wave, wave_other)) / largest
    if not same:
        out["wrong"] = f"{len(wave)} samples, and {len(wave_other)} of the other"
    elif not len(wave):
        out["wrong"] = "no samples"
    elif not finite:
        out["wrong"] = "samples that are no numbers"
    elif not out["durations_equal"]:
        out["wrong"] = "other durations"
    elif out["error"] > getattr(other, "most", MOST):
        out["wrong"] = f"differs by {out['error']:.0e} of the largest sample"
    return out, len(wave)


def race(clvits, others, case, count, scratch):
    """A result against every other runtime, each as soon as it is there, for one case: voice, rate,
    ids, seconds, threads, and how many of these texts at once.

    others: (name, settings or None, a function that opens the runtime). One that cannot run loses
    its own row, with a reason, and so does one that says something else, which is not timed.
    """
    for name, settings, open_other in others:
        about = {"peer": name, **({"settings": settings} if settings else {}),
                 "voice": case["voice"], "random": True, "ids": len(case["ids"]),
                 "wanted": case["seconds"], "threads": case["threads"], "device": clvits.device,
                 **({"batch": case["batch"]} if case["batch"] > 1 else {}),
                 "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        try:
            other = open_other()
            about["version"] = other.version
            for runtime in (clvits, other):
                runtime.set_ids(case["ids"], case["batch"])
            same, samples = agree(clvits, other, scratch)
            times = {} if "wrong" in same else pairs(clvits, other, count)
            yield {**about, "audio": samples / case["rate"], **same, **times}
        except Exception as error:  # whatever a foreign runtime raises
            reason = (str(error).strip() or type(error).__name__).split("\n")[0]
            yield {**about, "failed": reason[:300]}


class Failed(Exception):
    """What is wrong with what was given, in words: a file, a folder, a program."""


def say(text):
    """A line of standard output, at once."""
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None  # would be flushed again, in vain
        raise Failed("standard output was closed by what reads it"
                     if isinstance(error, BrokenPipeError) else
                     f"standard output cannot be written: {error.strerror}") from None


def _read(path):
    """The results of clvits-bench in a file, or those of a new one; a device might not end."""
    try:
        if not path.exists():
            return {"format": FORMAT, "devices": []}
        if not path.is_file():
            raise Failed(f"{path} is there and is not a regular file")
        run = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Failed(f"{path} is damaged: {error}") from None
    peers = run.get("peers", []) if isinstance(run, dict) and run.get("format") == FORMAT else None
    if not isinstance(peers, list) or not all(isinstance(peer, dict) for peer in peers):
        raise Failed(f"{path} is not a result of clvits-bench")
    return run


@contextlib.contextmanager
def _part_of(path):
    """What to write and where it belongs then, through links; what fails is said of the path."""
    target = Path(os.path.realpath(path))
    part = target.with_name(target.name + ".part")
    try:
        try:
            yield part, target
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}") from None


def _write(part, run):
    part.write_text(json.dumps(run, allow_nan=False) + "\n", encoding="utf-8")


def check(path):
    """Raise unless append() can have the file: better now than after the first race."""
    path = Path(path)
    run = _read(path)
    if path.exists() and not os.access(path, os.W_OK):
        raise Failed(f"{path} cannot be written: {os.strerror(errno.EACCES)}")
    with _part_of(path) as (part, _):
        _write(part, run)


def append(path, results):
    """Put results into a file of clvits-bench; the same race run again replaces the old one."""
    path = Path(path)
    run = _read(path)

    def key(r):
        return tuple(r.get(k) for k in ("peer", "settings", "voice", "ids", "threads", "device",
                                        "batch"))

    fresh = {key(r) for r in results}
    run["peers"] = [r for r in run.get("peers", []) if key(r) not in fresh] + results
    with _part_of(path) as (part, target):
        _write(part, run)
        part.replace(target)
