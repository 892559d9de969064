#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fuzz.py [--minutes N] [--at-once N] [--build DIR] [--write FILE.md] [NAME...]: run the fuzzers of
tests/fuzz.

Builds them into build-fuzz, or DIR, with clang's libFuzzer, AddressSanitizer and UBSan, runs all or
those that are named for so many minutes each, on their seeds and on what earlier runs have found
(build-fuzz/tests/fuzz/found-NAME), and prints the last run of each as a table in Markdown. With
--write, that goes to FILE.md, between "<!-- fuzz -->" and "<!-- /fuzz -->", where fuzzers that this
did not run keep their rows. No minutes: nothing is built or run, and the last runs are written. The
exit code is 1 when a fuzzer failed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

import pages

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKS = "<!-- fuzz -->", "<!-- /fuzz -->"
WHAT = {
    "about": "what converted voices say of themselves",
    "arguments": "placements, ids, lines of text and JSON",
    "audio": "sound files (libsndfile as installed, unwatched)",
    "binary": "kernels' binaries in the cache",
    "config": "`config.json`, held against weights",
    "coqui": "Coqui's configurations, held against weights; vectors of speakers",
    "lexicon": "`tokens.txt`, lexicons, words looked up in them",
    "onnx": "ONNX, with its metadata",
    "piper": "checkpoints of Piper's trainer",
    "quirks": "tables of quirks, held against devices",
    "rates": "`rates-*.txt`",
    "results": "results that `clvits-bench compare` holds against each other",
    "rows": "`tuned.txt`",
    "safetensors": "safetensors",
    "sherpa": "metadata of sherpa-onnx, `tokens.txt` and `lexicon.txt` beside it",
    "symbols": "phoneme maps, vocabularies",
    "text": "text, phonemes",
    "torch": "files of PyTorch",
    "verdicts": "`trust-*.txt`",
    "vits": "the original code's configurations, lists of symbols, checkpoints as voices",
}


def build(folder):
    """Every fuzzer's command, as Meson would run it, by name."""
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, "-Dfuzz=true", "-Dtests=enabled",
                        "--buildtype=debugoptimized"], cwd=ROOT, check=True,
                       env=os.environ | {"CC": "clang"})
    subprocess.run(["ninja", "-C", folder, "fuzzers"], check=True)
    tests = subprocess.run(["meson", "introspect", "--tests", folder], check=True,
                           capture_output=True).stdout
    return {test["name"].removeprefix("fuzz-long-"): test["cmd"] for test in json.loads(tests)
            if test["name"].startswith("fuzz-long-")}


def run(folder, name, command, minutes):
    """One fuzzer; its row is kept."""
    command[1] = str(round(60 * minutes))
    log = folder / f"fuzz-{name}.log"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    log.write_text(done.stderr, encoding="utf-8")
    executions = re.search(r"^stat::number_of_executed_units: *(\d+)", done.stderr, re.M)
    corpus = re.findall(r"^#\d+\s.* corp: (\d+)/", done.stderr, re.M)
    row = {"minutes": minutes, "executions": int(executions[1]) if executions else 0,
           "inputs": int(corpus[-1]) if corpus else 0, "failed": done.returncode != 0}
    row_of(folder, name).write_text(json.dumps(row), encoding="utf-8")
    print(f"{name}: {row['executions']:,} executions{f', FAILED: {log}' if row['failed'] else ''}",
          flush=True)
    return row


def row_of(folder, name):
    return folder / f"fuzz-{name}.json"


def rows_in(path):
    """What a table says of each fuzzer that was run, by name."""
    return {name: row for name, row in re.findall(r"(?m)^\| `(\w+)` \| .*? \| (.*) \|$",
                                                  pages.between(path, *MARKS))
            if not row.startswith("not run")}


def table(folder, kept):
    """All fuzzers; what is kept goes before what a folder has."""
    lines = ["| `tests/fuzz` | what is read | executions | inputs | minutes | found |",
             "|---|---|---:|---:|---:|---|"]
    for name, what in WHAT.items():
        row = kept.get(name)
        if not row and row_of(folder, name).exists():
            last = json.loads(pages.text_of(row_of(folder, name)))
            row = (f"{last['executions']:,} | {last['inputs']:,} | {last['minutes']:g} | "
                   f"{'a failure' if last['failed'] else 'nothing'}")
        lines.append(f"| `{name}` | {what} | {row or 'not run | | |'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--build", metavar="DIR", type=pathlib.Path, default=ROOT / "build-fuzz")
    parser.add_argument("--write", metavar="FILE.md", type=pathlib.Path)
    parser.add_argument("names", metavar="NAME", nargs="*")
    args = parser.parse_args()
    folder = args.build.resolve()
    kept = rows_in(args.write) if args.write else {}
    rows = []
    if args.minutes > 0:
        commands = build(folder)
        if commands.keys() != WHAT.keys():
            parser.error(f"not in one of tests/fuzz/meson.build and this script: "
                         f"{', '.join(sorted(commands.keys() ^ WHAT.keys()))}")
        for name in args.names:
            if name not in commands:
                parser.error(f"there is no fuzzer {name}; there are {', '.join(commands)}")
        with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
            rows = list(pool.map(lambda name: run(folder, name, commands[name], args.minutes),
                                 args.names or commands))
        renewed = args.names or commands
    else:
        renewed = [name for name in WHAT if row_of(folder, name).exists()]
    text = table(folder, {name: row for name, row in kept.items() if name not in renewed})
    print(text)
    if args.write:
        pages.write_between(args.write, MARKS[0], text, MARKS[1])
    return 1 if any(row["failed"] for row in rows) else 0


try:
    sys.exit(main())
except (pages.Failed, OSError, subprocess.CalledProcessError) as error:
    sys.exit(f"fuzz: {error}")
