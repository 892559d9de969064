#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether two runs of the same cases agree where they say that nothing disturbed them.

agree.py SAMPLE: what that finds in runs whose times are made up."""
import copy
import json
import pathlib
import sys

SHORT = 20e-6  # seconds, below which a timer's own error counts


def compare(first, second):
    """How many cases were quiet in both, and which of them differ by more than their clocks drifted
    and 10 %: (device, name), ratio, most that would do."""
    quiet, far = 0, []
    for key, one in first.items():
        other = second.get(key)
        times = [(r.get("device_seconds") or r.get("host_seconds")) for r in (one, other) if r]
        if len(times) < 2 or not all(times) or one["noisy"] or other["noisy"]:
            continue
        if times[0]["median"] <= SHORT:
            continue
        quiet += 1
        ratio = times[1]["median"] / times[0]["median"]
        # The clock drifts in every run, by less than what would be called noisy.
        most = 1.1 * max(1 + r["noise"]["drift"] for r in (one, other))
        if not 1 / most < ratio < most:
            far.append((key, ratio, most))
    return quiet, far


def by_case(result):
    return {(r["device"], r["name"]): r for r in result["results"]}


def scaled(run, factor, **changes):
    """The run with other times, every case changed so."""
    run = copy.deepcopy(run)
    for record in run.values():
        for times in filter(None, (record.get("device_seconds"), record.get("host_seconds"))):
            for key in ("min", "median", "p95"):
                times[key] *= factor
        record.update(changes)
    return run


def main():
    sample = by_case(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    calm = {"noisy": False, "noise": {"drift": 0.0}}
    first = scaled({key: r for key, r in sample.items() if r["verdict"] == "ok"}, 1, **calm)
    quiet, far = compare(first, first)
    assert quiet > 10 and not far, (quiet, far)
    for factor in (0.95, 1.08):
        assert compare(first, scaled(first, factor, **calm)) == (quiet, []), factor
    for factor in (0.8, 1.2):
        found, far = compare(first, scaled(first, factor, **calm))
        assert found == quiet and len(far) == quiet, (factor, found, len(far))
    # What says that it was disturbed is not held to anything; what drifted, to less.
    assert compare(first, scaled(first, 1.5, noisy=True)) == (0, [])
    assert compare(first, scaled(first, 1.15, noisy=False, noise={"drift": 0.08})) == (quiet, [])
    one = dict(first)
    key = max(first, key=lambda k: (first[k].get("device_seconds") or
                                    first[k]["host_seconds"])["median"])
    one[key] = scaled({key: first[key]}, 1.3)[key]
    assert [k for k, _, _ in compare(first, one)[1]] == [key]
    assert compare(first, {}) == (0, [])


if __name__ == "__main__":
    main()
