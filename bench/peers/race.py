# SPDX-License-Identifier: MIT
"""Run clvits and another runtime in turns, compare what they say, and count."""
import array
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

REST = 0.05  # seconds before a turn, in which the other runtime's threads stop spinning
WARM = 2     # turns of each that are not counted


class Clvits:
    """The program clvits-peer, a command at a time."""

    def __init__(self, program, voice, device, threads):
        self.process = subprocess.Popen([program, voice, device, str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.device = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("peers: clvits-peer ended, with code "
                             f"{self.process.wait()}; what it said stands above")
        return line.strip()

    def ask(self, command):
        print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def set_ids(self, ids):
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
        self.process.stdin.close()
        self.process.wait()


def _turn(runtime):
    time.sleep(REST)
    return runtime.go()


def _times(samples):
    ordered = sorted(samples)
    late = ordered[(len(ordered) * 95 + 99) // 100 - 1]
    return dict(runs=len(samples), min=ordered[0], median=statistics.median(ordered), p95=late,
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
    return dict(clvits=_times(ours), other=_times(theirs),
                ratio=dict(median=statistics.median(ratios), min=min(ratios), max=max(ratios)))


def agree(clvits, other, scratch):
    """Whether both said the same: frames of every symbol, number of samples, largest difference
    over the largest sample; and the number of samples."""
    frames, wave = clvits.result(scratch)
    frames_other, wave_other = other.result()
    same = len(wave) == len(wave_other)
    error = None
    if same and len(wave):
        largest = max(map(abs, wave_other)) or 1.0
        error = max(abs(a - b) for a, b in zip(wave, wave_other)) / largest
    return dict(durations_equal=list(frames) == list(frames_other), samples_equal=same,
                error=error), len(wave)


def race(clvits, others, case, count, scratch):
    """A result against every other runtime, each as soon as it is there, for one case: voice, rate,
    ids, seconds, threads.

    others: (settings or None, a function that opens the runtime). One that cannot run loses its
    own row, with a reason.
    """
    for settings, open_other in others:
        about = {"voice": case["voice"], "random": True, "ids": len(case["ids"]),
                 "wanted": case["seconds"], "threads": case["threads"], "device": clvits.device}
        try:
            other = open_other()
            about = {"peer": other.name, "version": other.version,
                     **({"settings": settings} if settings else {}), **about}
            for runtime in (clvits, other):
                runtime.set_ids(case["ids"])
            same, samples = agree(clvits, other, scratch)
            yield {**about, "audio": samples / case["rate"], **same,
                   **pairs(clvits, other, count)}
        except Exception as error:  # whatever a foreign runtime raises
            reason = (str(error).strip() or type(error).__name__).split("\n")[0]
            yield {"settings": settings, **about, "failed": reason[:300]}


def append(path, results):
    """Put results into a file of clvits-bench; the same race run again replaces the old one."""
    path = Path(path)
    if path.exists():
        run = json.loads(path.read_text(encoding="utf-8"))
    else:
        run = {"format": "clvits-bench 1", "devices": []}

    def key(r):
        return tuple(r.get(k) for k in ("peer", "settings", "voice", "ids", "threads", "device"))

    done = [r for r in results if "failed" not in r]
    fresh = {key(r) for r in done}
    run["peers"] = [r for r in run.get("peers", []) if key(r) not in fresh] + done
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(run) + "\n", encoding="utf-8")
    part.replace(path)
