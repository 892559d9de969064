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

import agree

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
    return agree.by_case(result)


def main():
    with tempfile.TemporaryDirectory() as name:
        first, second = (quick(pathlib.Path(name), which) for which in ("first", "second"))
    quiet, far = agree.compare(first, second)
    for key, ratio, most in far:
        print(f"{key}: {ratio:.2f} times the first run's, {most:.2f} at most")
    print(f"{quiet} cases were quiet in both runs, {len(far)} of them differ by more than their "
          "drift and 10 %")
    if quiet < ENOUGH:
        print(f"fewer than {ENOUGH}: the machine is too busy to compare two runs")
        return SKIPPED
    return 1 if far else 0


sys.exit(main())
