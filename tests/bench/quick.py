#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""quick.py PROGRAM: a quick run of everything, on two processors and with nothing built before,
ends within its minute, and two of them agree where they say that nothing disturbed them. Skipped
where too little went undisturbed to tell."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
SKIPPED, ENOUGH = 77, 20
CACHES = ("CLVITS_CACHE", "POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR", "CUDA_CACHE_PATH")


def quick(folder, name):
    """The run's results."""
    path = folder / f"{name}.json"
    two = sorted(os.sched_getaffinity(0))[:2]
    cache = folder / f"{name}-cache"
    cache.mkdir()
    start = time.monotonic()
    done = subprocess.run([PROGRAM, "--quick", "--json", str(path)], text=True,
                          env={**os.environ, **{c: str(cache) for c in CACHES}},
                          stdout=subprocess.PIPE, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, two))
    taken = time.monotonic() - start
    print(done.stdout)
    print(f"{taken:.1f} s")
    assert done.returncode == 0, done.returncode
    stated = re.match(r"\d+ devices?, about (\d+) s, a minute at most\n", done.stdout)
    assert stated and taken <= 60, taken
    assert taken < 2 * float(stated.group(1)) + 10, "it states its time well"
    result = json.loads(path.read_text())
    assert result["complete"]
    return {(r["device"], r["name"]): r for r in result["results"]}


def main():
    with tempfile.TemporaryDirectory() as name:
        first, second = (quick(pathlib.Path(name), which) for which in ("first", "second"))
    quiet = far = 0
    for key, one in first.items():
        other = second.get(key)
        times = [(r.get("device_seconds") or r.get("host_seconds")) for r in (one, other) if r]
        if len(times) < 2 or not all(times) or one["noisy"] or other["noisy"]:
            continue
        if times[0]["median"] <= 20e-6: # a timer's own error
            continue
        quiet += 1
        ratio = times[1]["median"] / times[0]["median"]
        # The clock drifts in every run, by less than what would be called noisy.
        most = 1.1 * max(1 + r["noise"]["drift"] for r in (one, other))
        if not 1 / most < ratio < most:
            far += 1
            print(f"{key}: {ratio:.2f} times the first run's, {most:.2f} at most")
    print(f"{quiet} cases were quiet in both runs, {far} of them differ by more than their drift "
          "and 10 %")
    if quiet < ENOUGH:
        print(f"fewer than {ENOUGH}: the machine is too busy to compare two runs")
        return SKIPPED
    return 1 if far else 0


sys.exit(main())
