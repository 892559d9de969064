#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drills.py PROGRAM LAYER: clvits-bench loses no more than what was lost.

LAYER is the OpenCL layer that makes devices fail.
"""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM, LAYER = sys.argv[1:3]
DEVICE = os.environ.get("CLVITS_TEST_DEVICE", "0")
HURRIED = ("no time was left for it", "it took longer than a quick run may")
CASES = ("-q", "-s", "0.005", "-l", "operator", "-f", "base")


def run(*arguments, before=None, **environment):
    done = subprocess.run([PROGRAM, *map(str, arguments)], env={**os.environ, **environment},
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          preexec_fn=before)
    print(done.stdout)
    return done


def faulty(folder, fault):
    """A device with that fault, and then the CPU path."""
    path = folder / "fault.json"
    # A quick run skips what it has no time for on a slow machine; the next one finds more kernels
    # built.
    for _ in range(5):
        done = run("-d", f"{DEVICE},cpu", *CASES, "-j", path, OPENCL_LAYERS=LAYER,
                   CLVITS_FAULTS=fault)
        results = json.loads(path.read_text())["results"]
        if not any(r.get("reason") in HURRIED for r in results):
            break
    results = [r for r in results if r["verdict"] != "skipped"]
    ours = [r for r in results if r["device"].startswith("cpu")]
    assert ours and all(r["verdict"] == "ok" for r in ours), "another device is measured"
    assert done.returncode == 3, "that something could not run is in the exit code"
    return [r for r in results if r not in ours]


def disappears(folder):
    """Everything after it fails, with the reason; what came before it counts."""
    # The less steady a machine is, the more launches its ceilings take before the first case.
    for launches in (60, 120, 240):
        records = faulty(folder, f"lost:{launches}")
        verdicts = [r["verdict"] for r in records]
        if verdicts[0] == "ok":
            break
    lost = verdicts.index("failed")
    assert lost > 0 and set(verdicts) == {"ok", "failed"} and "ok" not in verdicts[lost:], verdicts
    assert all("CL_DEVICE_NOT_AVAILABLE" in r["reason"] for r in records[lost:])
    assert not any("device_seconds" in r for r in records[lost:]), "what failed has no times"


def disappears_at_once(folder):
    records = faulty(folder, "lost:0")
    assert records and all(r["verdict"] == "failed" for r in records), "nothing is measured on it"


def no_memory(folder):
    """What does not fit is reported as that; what fits is measured."""
    records = {r["name"]: r for r in faulty(folder, "buffer>1999999")}
    large = records["conv1d/base/128 k11 d5, 1 s"]
    assert large["verdict"] == "failed" and "out of memory" in large["reason"], large
    assert records["attention/base, 1 s"]["verdict"] == "ok"


def little_memory(folder):
    """Large ceilings are measured in what there is; stages and speech do not wait for them."""
    path = folder / "little.json"
    for _ in range(5):
        done = run("-d", DEVICE, "-q", "-s", "0.005", "-l", "machine,speech", "-f", "m", "-j", path,
                   OPENCL_LAYERS=LAYER, CLVITS_FAULTS="buffer>100000000")
        records = {r["name"]: r for r in json.loads(path.read_text())["results"]}
        if records["copy in memory"].get("reason") not in HURRIED:
            break
    assert done.returncode == 0, done.returncode
    assert "65536 KiB" in records["copy in memory"]["reason"], records["copy in memory"]
    assert records["mini (embedded)/short"]["verdict"] in ("ok", "skipped")


def nothing_listed(folder):
    """What there is besides the CPU path is not known then, and that is a failure."""
    path = folder / "unlisted.json"
    done = run("-q", "-l", "machine", "-f", "copy in", "-j", path, OPENCL_LAYERS=LAYER,
               CLVITS_FAULTS="nonsense")
    found = [(r["name"], r["verdict"]) for r in json.loads(path.read_text())["results"]]
    assert done.returncode == 3 and found == [("devices", "failed"), ("copy in memory", "ok")]


def no_process(folder):
    """Without another file handle there is no pipe."""
    path = folder / "unstarted.json"
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
    done = run("-d", "cpu", *CASES, "-j", path, before=limit)
    record, = json.loads(path.read_text())["results"]
    assert done.returncode == 3 and record["name"] == "process"
    assert "no process could be started: Too many open files" in record["reason"], record


def no_folder(folder):
    """Without one for empty caches, first words are not measured, which is said."""
    path = folder / "unmade.json"
    done = run("-d", "cpu", "-s", "0.005", "-f", "mini (embedded)/first", "-j", path,
               TMPDIR=str(folder / "none"))
    record, = json.loads(path.read_text())["results"]
    assert done.returncode == 3 and record["name"] == "mini (embedded)/first words", record
    assert "no folder for empty caches: No such file" in record["reason"], record


def named_twice(folder):
    """A device is measured once, however often it is named."""
    path = folder / "twice.json"
    run("-d", "cpu,cpu:baseline,cpu,cpu:baseline", "-q", "-s", "0.005", "-l", "operator", "-f",
        "flip/", "-j", path)
    result = json.loads(path.read_text())
    assert [d["name"] for d in result["devices"]] == ["cpu", "cpu:baseline"], result["devices"]
    assert [r["device"] for r in result["results"]] == ["cpu", "cpu:baseline"]


def lacks_precision(folder):
    """Whatever is asked for, a place says that it lacks the precision; the CPU path that nobody
    named costs nothing."""
    path = folder / "floats.json"
    sentence = "precision fp16 needs an OpenCL device that computes in halves; the CPU path"
    for named, level in (("cpu", "operator"), ("cpu", "speech"), ("cpu,cpu:baseline", "operator"),
                         (None, "operator")):
        done = run(*(["-d", named] if named else []), "-q", "-s", "0.005", "-p", "fp16", "-l",
                   level, "-f", "flip/", "-j", path)
        result = json.loads(path.read_text())
        places = result["devices"] if named else result["devices"][:1]
        said = [r for r in result["results"] if r["name"] == "precision" and
                r["device"].startswith("cpu")]
        skipped = not named and len(result["devices"]) > 1
        assert [r["verdict"] for r in said] == ["skipped" if skipped else "failed"] * len(places)
        assert all(r["level"] == level and r["reason"].startswith(sentence) for r in said), said
        assert (done.returncode == 3) == any(r["verdict"] == "failed" for r in result["results"])


def says_noise(folder):
    """What is said of the machine is what its cases say."""
    path = folder / "noise.json"
    for _ in range(3): # a case may find no time while others keep the machine busy
        done = run("-d", "cpu", "-q", "-s", "0.005", "-l", "operator", "-f", "flip/", "-j", path)
        result, = json.loads(path.read_text())["results"]
        if "noisy" in result:
            break
    noisy = int(result["noisy"])
    was = "noisy" if noisy else "quiet"
    assert f"The machine was {was}: {noisy} of 1 cases were disturbed" in done.stdout, done.stdout


def no_voice(folder):
    """A voice that cannot be opened is said to have failed, whichever of its cases is asked for."""
    path = folder / "voiceless.json"
    for level, part in ("speech", "short"), ("stage", "flow"):
        done = run("-d", "cpu", "-q", "-s", "0.005", "-l", level, "-f", part, "-j", path,
                   CLVITS_VOICES=str(folder / "none"))
        record, = json.loads(path.read_text())["results"]
        assert done.returncode == 3 and record["name"] == "mini (embedded)", record
        assert record["verdict"] == "failed" and "CLVITS_VOICES" in record["reason"], record


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
        end = time.monotonic() + 300
        while not path.exists() and program.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        program.kill()
    result = json.loads(path.read_text())
    assert result["complete"] is False and result["results"]


def keeps(folder):
    """What is there is not lost: not by a wrong name, and not by a run that is interrupted."""
    sample = pathlib.Path(__file__).with_name("sample.json").read_text()
    old, notes, table = folder / "old.json", folder / "notes.txt", folder / "old.csv"
    one = ("-d", "cpu", "-q", "-s", "0.005", "-l", "operator", "-f", "flip/")
    old.write_text(sample)
    notes.write_text("mine\n")
    for bad, code, named in ((("report", old, "-o", old), 2, "would be replaced"),
                             (("report", f"--out={old}", old), 2, "would be replaced"),
                             (("report", old, "-o", notes), 3, "no page of clvits-bench"),
                             (("report", old, f"--output={notes}"), 3, "no page of clvits-bench"),
                             ((*one, "-j", notes), 3, "no result of clvits-bench"),
                             ((*one, "--csv", notes), 3, "no result of clvits-bench"),
                             ((*one, "--csv", old), 3, "no result of clvits-bench"),
                             ((*one, "-j", folder / "a", "--csv", f"{folder}/./a"), 2, "two names"),
                             ((*one, "-j", old, "--csv", notes), 3, "no result of clvits-bench"),
                             ((*one, "-j", old, "--csv", old), 2, "two names")):
        done = run(*bad)
        assert done.returncode == code and named in done.stdout, bad
        assert done.stdout.count("\n") == 1, "it is refused at once"
    done = run("-d", "cpu", "-q", "-f", "zzz", "-j", old)
    assert done.returncode == 2 and "zzz" in done.stdout
    assert old.read_text() == sample and notes.read_text() == "mine\n"
    assert sorted(folder.iterdir()) == [notes, old], "nothing was touched, nothing is left"
    interrupted_beside(one, old, table)
    beside = folder / "old.json.incomplete"
    beside.write_text("earlier")
    done = run(*one, "-j", old, "--csv", table)
    assert done.returncode == 0 and json.loads(old.read_text())["complete"] is True
    assert table.read_text().count("\n") == 2 and beside.read_text() == "earlier"
    assert not list(folder.glob("*-2")), "a complete run replaces them, and nothing else"


def interrupted_beside(one, old, table):
    """A run whose files are there, while another one replaces the first of them."""
    beside = pathlib.Path(f"{old}.incomplete")
    table.write_text("device,level,name,verdict,reason,old\n")
    with subprocess.Popen([PROGRAM, "-d", "cpu", "-s", "0.05", "-l", "machine", "-j", str(old),
                           "--csv", str(table)], text=True, stdout=subprocess.PIPE) as program:
        program.stdout.readline() # what it will take; nothing is measured yet
        program.send_signal(signal.SIGSTOP)
        begun = beside.exists()
        done = run(*one, "-j", old)
        other = old.read_text()
        program.send_signal(signal.SIGCONT)
        for line in program.stdout:
            if line.startswith("machine"):
                program.send_signal(signal.SIGINT)
                break
        rest = program.stdout.read()
    assert done.returncode == 0 and json.loads(other)["complete"] is True
    if program.returncode != 130: # it was complete before the signal was seen
        return
    assert begun, "what a run writes to is its own from the beginning"
    assert old.read_text() == other and table.read_text().endswith(",old\n")
    assert json.loads(beside.read_text())["complete"] is False
    assert f"is in {beside}; {old} is as it was" in rest and f"{table} is as it was" in rest, rest


def full(folder):
    """What does not fit on the disk is said of each file, and what was there stays."""
    path, table = folder / "full.json", folder / "full.csv"
    sample = pathlib.Path(__file__).with_name("sample.json").read_text()
    path.write_text(sample)
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    done = run("-d", "cpu", "-q", "-s", "0.005", "-l", "operator", "-f", "flip/", "-j", path,
               "--csv", table, before=limit)
    assert done.returncode == 3 and path.read_text() == sample, done.returncode
    for name in (f"{path}.incomplete", path, table):
        assert done.stdout.count(f"{name} cannot be written: File too large\n") == 1, name
    assert not list(folder.glob("full.json?*")) and not table.exists()


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
    # On a machine so slow that it takes longer, there is still the minute.
    assert stated and taken < max(2 * float(stated.group(1)), 60), (taken, done.stdout[:80])
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
        (folder / "kept").mkdir()
        keeps(folder / "kept")
        full(folder)
        page_needs_python(folder)
        estimate(folder)
        no_process(folder)
        no_folder(folder)
        no_voice(folder)
        lacks_precision(folder)
        says_noise(folder)
        named_twice(folder)
        if LAYER and has_device(folder):
            disappears(folder)
            disappears_at_once(folder)
            no_memory(folder)
            little_memory(folder)
            nothing_listed(folder)


main()
