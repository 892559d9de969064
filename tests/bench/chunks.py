#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""chunks.py PROGRAM: clvits-bench times the first chunk of every text, and this is the beginning of
the text's first sentence."""
import json
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = sys.argv[1]
IDS = {"short": 13, "medium": 151, "long": 151, "unbroken": 501}


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a.json")
        for text, ids in IDS.items():
            name = f"x-low/{text}, first chunk"
            done = subprocess.run([PROGRAM, "-d", "cpu", "-s", "0.005", "-l", "speech", "-f", name,
                                   "-j", path], stdout=subprocess.DEVNULL, timeout=300, check=False)
            assert done.returncode == 0, done
            (record,) = json.loads(path.read_text(encoding="utf-8"))["results"]
            assert record["name"] == name and record["verdict"] == "ok", record
            assert 0 <= record["error"] < 1e-3 and record["host_seconds"]["min"] > 0, record
            assert record["values"] == {"chunk_s": 0.256, "ids": ids}, record


main()
