#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""work.py PROGRAM: the FLOP and bytes of clvits-bench's records are those of what was run."""
import json
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = sys.argv[1]
HIDDEN = 192
ITEMS, SEGMENT = 16, 32
# A part of the sentence, and the stages alone.
PARTS = (("text encoder", "text encoder"), ("flow", "flow"),
         ("duration predictor", "duration predictor"), ("decoder", "decoder, window "))


def records(folder, which):
    path = pathlib.Path(folder, "a.json")
    done = subprocess.run([PROGRAM, "-d", "cpu", "-q", "-s", "0.005", "-l", "operator,stage",
                           "-f", which, "-j", path], stdout=subprocess.DEVNULL, timeout=300,
                          check=False)
    assert done.returncode == 0, done
    found = {r["name"]: r for r in json.loads(path.read_text(encoding="utf-8"))["results"]}
    assert all(r["verdict"] == "ok" for r in found.values()), found
    for record in found.values():
        if record["roofline"]:
            seconds = (record.get("device_seconds") or record["host_seconds"])["median"]
            close(max(record["flop"] / record["peak_flops"],
                      record["bytes"] / record["peak_bytes"]) / seconds, record["roofline"],
                  f"{record['name']}, the share of its peaks", 1e-3)
    return found


def close(value, expected, what, tolerance):
    assert abs(value / expected - 1) < tolerance, f"{what}: {value:g} rather than {expected:g}"


def check_operators(folder):
    """An embedding reads the rows that it looks up, not its table; a slice what it cuts out; in the
    form F(4,3) of tiles of F(4,4) eleven taps take six times seven products for sixteen rows."""
    found = records(folder, "embedding/")["embedding/base, 1 s"]
    assert found["roofline"] > 0, found
    rows = found["bytes"] / (4 * (2 * HIDDEN + 1))
    assert rows == int(rows) and 16 <= rows <= 256, found
    found = records(folder, "slice_rows/")["slice_rows/latent"]
    close(found["bytes"], 2 * 4 * ITEMS * SEGMENT * HIDDEN, "a slice, bytes", 1e-4)
    found = records(folder, "conv1d/base/128 k11 d5")["conv1d/base/128 k11 d5, 1 s"]
    assert found["values"]["toom_cook"] == 1, found
    close(found["multiplied"] / found["flop"], 6 * 7 / (16 * 11), "products of F(16,12)", 1e-4)


def check_stages(folder):
    """A stage alone, in a plan with room for more, takes what it took in the sentence."""
    found = records(folder, "mini (embedded)/")
    for part, alone in PARTS:
        whole = found[f"mini (embedded)/sentence: {part}"]
        for what in ("flop", "multiplied", "bytes"):
            close(sum(r[what] for name, r in found.items()
                      if name.startswith(f"mini (embedded)/{alone}")),
                  whole[what], f"{part}, {what}", 1e-3)


with tempfile.TemporaryDirectory() as name:
    for check in (check_operators, check_stages):
        check(name)
        print(f"{check.__name__}: fine")
