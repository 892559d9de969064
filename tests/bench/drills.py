#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drills.py PROGRAM LAYER: clvits-bench loses no more than what was lost.

LAYER is the OpenCL layer that makes devices fail.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM, LAYER = sys.argv[1:3]
DEVICE = os.environ.get("CLVITS_TEST_DEVICE", "0")
CASES = ("-q", "-s", "0.005", "-l", "operator", "-f", "base")


def run(*arguments, **environment):
    done = subprocess.run([PROGRAM, *map(str, arguments)], env={**os.environ, **environment},
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(done.stdout)
    return done


def faulty(folder, fault):
    """A device with that fault, and then the CPU path."""
    path = folder / "fault.json"
    done = run("-d", f"{DEVICE},cpu", *CASES, "-j", path, OPENCL_LAYERS=LAYER, CLVITS_FAULTS=fault)
    # On a busy machine a quick run skips what it has no time for.
    results = [r for r in json.loads(path.read_text())["results"] if r["verdict"] != "skipped"]
    ours = [r for r in results if r["device"].startswith("cpu")]
    assert ours and all(r["verdict"] == "ok" for r in ours), "another device is measured"
    assert done.returncode == 3, "that something could not run is in the exit code"
    return [r for r in results if r not in ours]


def disappears(folder):
    """Everything after it fails, with the reason; what came before it counts."""
    records = faulty(folder, "lost:60")
    verdicts = [r["verdict"] for r in records]
    assert verdicts[0] == "ok" and set(verdicts[3:]) == {"failed"}, verdicts
    assert all("CL_DEVICE_NOT_AVAILABLE" in r["reason"] for r in records[3:])
    assert not any("device_seconds" in r for r in records[3:]), "what failed has no times"


def disappears_at_once(folder):
    records = faulty(folder, "lost:0")
    assert records and all(r["verdict"] == "failed" for r in records), "nothing is measured on it"


def no_memory(folder):
    """What does not fit is reported as that; what fits is measured."""
    records = {r["name"]: r for r in faulty(folder, "buffer>1999999")}
    large = records["conv1d/base/128 k11 d5, 1 s"]
    assert large["verdict"] == "failed" and "out of memory" in large["reason"], large
    assert records["attention/base, 1 s"]["verdict"] == "ok"


def interrupted(folder, number):
    """What was measured until then is in the file, which says that it is not all."""
    path = folder / "interrupted.json"
    path.unlink(missing_ok=True)
    with subprocess.Popen([PROGRAM, "-d", "cpu", "-s", "0.1", "-l", "operator", "-j", str(path)],
                          text=True, stdout=subprocess.PIPE) as program:
        seen = 0
        for line in program.stdout:
            seen += line.startswith("operator")
            if seen == 5:
                time.sleep(0.05) # into the sixth case
                program.send_signal(number)
                break
        rest = program.stdout.read()
    assert program.returncode == 128 + number, program.returncode
    result = json.loads(path.read_text())
    assert result["complete"] is False and result["interrupted_by_signal"] == number
    assert 5 <= len(result["results"]) < 50 and "was interrupted" in rest
    assert "failed" not in {r["verdict"] for r in result["results"]}, "the case that was cut short"
    assert not [n for n in os.listdir(folder) if n.endswith((".part", ".tmp"))], "half-written"
    page = folder / "page.html"
    done = run("report", path, "-o", page)
    assert done.returncode == 0 and "incomplete" in page.read_text()


def killed(folder):
    """Nothing can be said then, but the file is whole, and a few seconds old at most."""
    path = folder / "killed.json"
    with subprocess.Popen([PROGRAM, "-d", "cpu", "-s", "0.05", "-l", "operator", "-j", str(path)],
                          stdout=subprocess.DEVNULL) as program:
        end = time.monotonic() + 60
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.1)
        program.kill()
    result = json.loads(path.read_text())
    assert result["complete"] is False and result["results"]


def page_needs_python(folder):
    done = run("report", "none.json", PATH=str(folder))
    assert done.returncode == 3 and "python3" in done.stdout and done.stdout.count("\n") == 1


def estimate(folder):
    """The time that a run states first is kept."""
    start = time.monotonic()
    done = run("-d", "cpu", "-q", "-s", "0.005", "-l", "operator", "-f", "norm", "-j",
               folder / "stated.json")
    taken = time.monotonic() - start
    stated = re.match(r"1 devices?, about (\d+) s, a minute at most\n", done.stdout)
    assert stated and taken < max(2 * float(stated.group(1)), 20), (taken, done.stdout[:80])
    done = subprocess.Popen([PROGRAM, "-d", "cpu", "-l", "operator", "-f", "norm"], text=True,
                            stdout=subprocess.PIPE)
    assert re.match(r"1 devices?, about \d+ (s|minutes)\n", done.stdout.readline())
    done.terminate()
    done.communicate()


def has_device(folder):
    path = folder / "listed.json"
    done = run("-d", DEVICE, "-q", "-f", "flip/", "-j", path)
    return (not DEVICE.startswith("cpu") and done.returncode != 2 and
            bool(json.loads(path.read_text())["devices"]))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        interrupted(folder, signal.SIGINT)
        interrupted(folder, signal.SIGTERM)
        killed(folder)
        page_needs_python(folder)
        estimate(folder)
        if LAYER and has_device(folder):
            disappears(folder)
            disappears_at_once(folder)
            no_memory(folder)


main()
