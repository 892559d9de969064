# SPDX-License-Identifier: MIT
"""results.py LOG.json: how many tests of Meson's log passed, failed and were skipped."""
import json
import pathlib
import sys


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    log = pathlib.Path(sys.argv[1])
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        result = json.loads(line)["result"]
        counts["passed" if result in ("OK", "EXPECTEDFAIL") else
               "skipped" if result == "SKIP" else "failed"] += 1
    print(*counts.values())


main()
