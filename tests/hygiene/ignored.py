#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ignored.py ROOT: what the README's commands leave beside the sources is no part of them."""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])
OPTIONS = ("-o", "--timings", "--plot", "--trace", "--graph", "--json", ">", "2>")
DEFAULTS = ("clvits.wav", "clvits-check.txt", "report.html")
KILLED = (".clvits-123-0.tmp", ".README.md.123.tmp", ".README.md.a1b2c3.tmp",
          ".report.html-123.tmp", "bench/results/NAME.json.incomplete",
          "bench/results/NAME.json.incomplete-2", "one.safetensors.part.a1B2c3",
          "folder.part.a1B2c3/config.json")
ELSEWHERE = re.compile(r"build/|bench/results/|\$")


def written(command):
    """The files and folders that a command names to write to."""
    words = shlex.split(re.sub(r"(2?>)", r" \1 ", command), comments=True)
    for option, name in zip(words, words[1:]):
        if option in OPTIONS or (option == "-d" and "speak" in words):
            yield name + "/" * (option == "-d")
    if "convert" in words:
        yield words[-1] + "/" * ("hf" in words)


def main():
    if not shutil.which("git") or subprocess.run(["git", "-C", ROOT, "rev-parse"], check=False,
                                                 capture_output=True).returncode:
        print("no checkout of git")
        return 77
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", "")
    lines = re.findall(r"(?m)^    (.*(?:clvits|kernel-report) .*)$", text)
    names = {name for line in lines if ";" not in line.partition("#")[0] or "FAULTS" in line
             for name in written(line) if not ELSEWHERE.match(name)}
    assert {"hello.TextGrid", "intel.json", "plan.txt", "chapters/"} <= names, names
    failed = False
    for name in sorted(names) + [*DEFAULTS, *KILLED]:
        done = subprocess.run(["git", "-C", ROOT, "check-ignore", "-q", "--no-index", name],
                              check=False)
        if done.returncode:
            print(f"{name} is not ignored")
            failed = True
    return 1 if failed else 0


sys.exit(main())
