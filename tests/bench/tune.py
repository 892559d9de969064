#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tune.py CLVITS-TUNE CLVITS KERNELS: a candidate wins when it is right and faster, and only then.

The OpenCL part runs the work-group kernels of the device that CLVITS_TEST_DEVICE names, else of the
first one, on kernels changed so that the outcome is known.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TUNE, CLVITS, KERNELS = sys.argv[1:4]
SHAPE = "i=48 o=48 k=3 d=1 s=1"
FAILURES = []
TRIES = 10 # where other work on the machine may hide what is many times as fast

# Some candidates fewer, since a compiler takes seconds for each.
FEWER = """
#if CHUNK == 0 || CHUNK == 4 || GROUP == 32
#error left out
#endif
"""

# The default of 64 lanes is slow, blocks and 32 lanes are wrong, and a group of 16 ends a CPU
# device's process.
CHANGES = FEWER + """
#if LANES == 64
    for (volatile int spin = 0; spin < 20000; spin++)
        ;
#elif LANES != 16
    w += 1;
#endif
#if GROUP == 16
    *(volatile global int *)8 = 1;
#endif
"""

# The default ends the process; of the others, one value is right.
CRASHES = FEWER + """
#if LANES == 64
    *(volatile global int *)8 = 1;
#elif LANES != 16
    w += 1;
#endif
"""

HANGS = """
    for (volatile int spin = 0; spin >= 0; spin &= 1)
        ;
"""


def expect(condition, what):
    if not condition:
        FAILURES.append(what)
        print("FAILED:", what)


def run(program, *arguments, **environment):
    done = subprocess.run([program, *arguments], env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(done.stdout)
    return done


def rows(path):
    """The rows of a file that has to be whole, if it is there."""
    text = path.read_text() if path.exists() else "\n"
    expect(text.endswith("\n") and "\0" not in text, "the file is whole")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def any_device():
    return json.loads(run(CLVITS, "devices", "--json").stdout) != []


def usage(folder):
    """What is asked for wrongly is refused, and said what there is."""
    cpu, none = ("-d", "cpu", "-l"), str(folder / "none" / "t.txt")
    for bad, code, named in ((["--seconds", "x"], 2, "--seconds x: give a number"),
                             (["--kernels", "none"], 2, '"none": there are gpu and cpu'),
                             (["--device", "a,b"], 2, "--device a,b"),
                             (["--threads", "-1"], 2, "--threads -1"),
                             (["surplus"], 2, '"surplus"'),
                             ([*cpu, "-v", "none"], 2, '"none": there are mini, base'),
                             ([*cpu, "-v", "mini,none"], 2, '"none"'),
                             ([*cpu, "-v", "mini", "-f", "zzz"], 2, '"zzz"'),
                             (["-d", "no such device", "-l"], 2 if any_device() else 3, "device"),
                             ([*cpu, "-m", "/dev/null"], 3, "/dev/null"),
                             (["-d", "cpu", "-o", "/dev/null/t.txt"], 3, "Not a directory"),
                             (["-d", "cpu", "-o", none], 3, f"{none} cannot be written: No such")):
        done = run(TUNE, *bad)
        expect(done.returncode == code and named in done.stdout and done.stdout.count("\n") == 1,
               f"{bad} is refused, in a line")
    done = run(TUNE, *cpu, CLVITS_RECORD="yes")
    expect(done.returncode == 2 and done.stdout.count("\n") == 1 and
           'clvits-tune: CLVITS_RECORD "yes": give auto, off or on' in done.stdout,
           "what is wrong with the environment is said")
    done = run(TUNE, "--version")
    expect(done.returncode == 0 and done.stdout.startswith("clvits-tune "), "it says its version")
    expect(not os.path.exists(os.path.dirname(none)), "no folder is made for a file that was named")
    done = run(TUNE, *cpu, "-v", "mini")
    expect(done.returncode == 0 and f"conv1d   {SHAPE}" in done.stdout, "shapes are listed")
    with subprocess.Popen([TUNE, *cpu, "-v", "mini"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as tune:
        tune.stdout.close() # before it prints
        expect(tune.wait() == 128 + signal.SIGPIPE and not tune.stderr.read(),
               "it ends without a word when nobody reads it")
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in ((*cpu, "-v", "mini"), ("-h",)):
            done = subprocess.run([TUNE, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
            expect(done.returncode == 3 and done.stderr.count("\n") == 1 and
                   "standard output cannot be written" in done.stderr,
                   f"{arguments}: what could not be printed is no success")


def other_files(folder):
    """What is no file of rows is refused before anything is measured, and stays as it was."""
    for name, text in (("result.json", '{\n  "format": "clvits-bench 1"\n}\n'),
                       ("notes.txt", "# mine\nnotes of mine\n"), ("long.txt", "x" * 5000),
                       ("bytes.bin", "# mine\n\0")):
        path = folder / name
        path.write_text(text)
        done = run(TUNE, "-d", "cpu", "-q", "-s", "6", "-o", str(path))
        expect(done.returncode == 3 and done.stdout.count("\n") == 1 and
               f"{path} is there and holds more than rows: line " in done.stdout,
               f"{name} is refused, in a line")
        expect(path.read_text() == text and not list(folder.glob(f"*{name}?*")),
               f"{name} stays as it was, and nothing is left beside it")
    done = run(TUNE, "-d", "cpu", "-q", "-s", "6", "-o", "/dev/full")
    expect(done.returncode == 3 and "/dev/full is there and is not a regular file" in done.stdout
           and done.stdout.count("\n") == 1, "a device is refused")


def interrupted(folder):
    """Whoever ends it is told what was found until then."""
    for number in signal.SIGINT, signal.SIGTERM:
        with subprocess.Popen([TUNE, "-d", "cpu", "-o", str(folder / "ended.txt")], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              start_new_session=True) as tune:
            begun = tune.stdout.readline() # of minutes
            os.killpg(tune.pid, number)
            said = tune.stdout.read()
            code = tune.wait()
        expect("minutes" in begun and code == 128 + number and
               said.splitlines()[-1].startswith("The run was interrupted: "),
               f"{number}: it ends with a line")


def sums_of_one_channel(folder):
    """No candidate is offered that is wrong where a voice's last convolution saturates."""
    done = run(TUNE, "-d", "cpu", "-q", "-n", "-v", "medium", "-f", "o=1 k=7", "-c", str(folder))
    expect(done.returncode == 0 and "1 shape measured" in done.stdout and
           "candidates: 0 wrong" in done.stdout, "every candidate is right")


def nothing_found(folder):
    """A file that was not written is not named."""
    path = folder / "unfound.txt"
    done = run(TUNE, "-d", "cpu", "-q", "-v", "mini", "-f", SHAPE, "-s", "0.1", "-o",
               str(path))
    expect(done.returncode == 0 and ("no row found; candidates" in done.stdout) !=
           path.exists() == (str(path) in done.stdout), "that there is no row is said")


def cpu_path(folder):
    """The CPU path is tuned; what stands in the file stays."""
    path = folder / "cpu" / "tuned.txt"
    path.parent.mkdir()
    path.write_text("# mine\nGPU 3000 | * | conv1d | * | lanes=16  # mine\nnonsense\nlast line")
    asked = ("-d", "cpu", "-q", "-v", "mini", "-f", SHAPE, "-c", str(path.parent))
    done = run(TUNE, *asked)
    expect(done.returncode == 3 and "line 3: a row is DEVICE" in done.stdout,
           "no file is written to that holds what is no row")
    shown = run(CLVITS, "devices", "-v", CLVITS_CACHE=str(path.parent))
    expect(shown.stdout.count(f"{path}:3: the row is ignored") == 1, "also with the devices, once")
    before = path.read_text()
    done = run(TUNE, *asked, "--dry-run")
    expect(f"{path}:3: the row is ignored" in done.stdout, "a row that makes no sense is told")
    expect(path.read_text() == before, "a dry run writes nothing")
    path.write_text("# mine\nGPU 3000 | * | conv1d | * | lanes=16  # mine\n\n# last line")
    done = run(TUNE, *asked)
    expect(done.returncode == 0 and "1 shape measured" in done.stdout, "the CPU path is tuned")
    expect("\r" not in done.stdout, "there is no progress in a pipe")
    text = path.read_text()
    expect(all(line in text for line in ("# mine\n", "GPU 3000 | * | conv1d | * | lanes=16  # mine",
                                         "# last line")), "what stood there stays")
    expect(len(text.splitlines()) <= 5, "there is at most one row more")


def stuck_opening(folder):
    """What does not open is given up. Rows that nobody writes stand for a driver's silence."""
    silent = folder / "silent"
    silent.mkdir()
    os.mkfifo(silent / "tuned.txt")
    done = run(TUNE, "-d", "cpu", "-q", "-s", "0.5", "-c", str(silent), "-o",
               str(folder / "unused.txt"))
    expect(done.returncode == 3 and "opening the device: no answer" in done.stdout,
           "opening takes no longer than it may")


def change(file, kernel, lines):
    """Let a kernel begin with these lines."""
    text = file.read_text()
    start = text.index("{\n", text.index(f"void {kernel}(ARGUMENTS)")) + 2
    file.write_text(text[:start] + lines + text[start:])


def write_kernels(kernels, changes):
    """Kernels whose direct convolutions begin with these lines; the others do not build."""
    shutil.copytree(KERNELS, kernels, dirs_exist_ok=True)
    for kernel in "conv1d_tile", "conv1d":
        change(kernels / "conv1d.cl", kernel, changes)
    (kernels / "toom.cl").write_text("#error left out\n")


def kill_when_found(path, asked, own):
    """Kill it once there are rows, unless it is through with its only shape."""
    process = subprocess.Popen([TUNE, *asked], env={**os.environ, **own}, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None and not path.exists():
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def known_outcome(folder, device):
    """Of a slow default, a wrong, a crashing and a right candidate, and others that do not build,
    the right one wins."""
    kernels, cache = folder / "cl", folder / "gpu"
    write_kernels(kernels, CHANGES)
    own = {"CLVITS_KERNELS": str(kernels), "CLVITS_CACHE": str(cache), "CLVITS_FAMILY": "gpu",
           "CLVITS_DEVICE": device}
    asked = ("-q", "-v", "mini", "-f", SHAPE)

    for _ in range(TRIES):
        done = run(TUNE, *asked, **own)
        expect(done.returncode == 1 and "is wrong" in done.stdout, "a wrong candidate is reported")
        found = rows(cache / "tuned.txt")
        if found:
            break
    expect(len(found) == 1 and f"| conv1d | {SHAPE} p=1 g=1 |" in found[0], "a row is written")
    expect("lanes=16" in found[0] and "group=16" not in found[0], "the right candidate has won")
    expect("group=16: the process died of signal" in done.stdout, "a crash costs one candidate")
    expect("layout=5 did not run: another kernel does its work" in done.stdout,
           "the times of what runs instead of a candidate are not the candidate's")
    own["CLVITS_KERNELS"] = KERNELS
    done = run(CLVITS, "speak", "--plan", "-q", "-o", str(folder / "a.wav"), "--place",
               "enc_p=cpu,dp=cpu,durations=cpu,flow=cpu,dec=cpu,dec.resblocks.2=1",
               "[[ h\u0259l\u02c8o\u028a ]]", **own)
    line = [s for s in done.stdout.splitlines() if "tuned lanes=16" in s]
    expect(done.returncode == 0 and line and "-DLANES=16" in line[0] and "tuned.txt:3" in line[0],
           "the library follows the row, and the plan says so")
    done = run(CLVITS, "devices", "-v", **own)
    expect(f"1 of them from {cache / 'tuned.txt'}" in done.stdout, "clvits devices counts the row")

    (cache / "tuned.txt").unlink()
    own["CLVITS_KERNELS"] = str(kernels)
    write_kernels(kernels, CRASHES)
    kill_when_found(cache / "tuned.txt", asked, own)
    expect(len(rows(cache / "tuned.txt")) >= 1, "what was found before a kill stays")

    done = run(TUNE, *asked, **own)
    found = rows(cache / "tuned.txt")
    expect("the library's choice: the process died of signal" in done.stdout,
           "the library's choice may crash")
    expect(len(found) == 1 and "lanes=16" in found[0] and "  # runs, which" in found[0],
           "what runs is better than what crashes")

    write_kernels(kernels, HANGS)
    before = rows(cache / "tuned.txt")
    for seconds in "1", "20", "100": # more where the device takes longer to open
        done = run(TUNE, *asked, "-s", seconds, POCL_MAX_PTHREAD_COUNT="1", **own)
        if "opening the device" not in done.stdout:
            break
    expect(done.returncode == 0 and "The time is over" in done.stdout, "the time ends a hang")
    expect(rows(cache / "tuned.txt") == before, "what was not measured changes no row")


def device():
    """The OpenCL device under test, when its kernels run in this process; or None."""
    name = os.environ.get("CLVITS_TEST_DEVICE", "0")
    done = run(CLVITS, "devices")
    return name if not name.startswith("cpu") and "Portable Computing" in done.stdout else None


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        usage(folder)
        other_files(folder)
        nothing_found(folder)
        interrupted(folder)
        cpu_path(folder)
        sums_of_one_channel(folder)
        stuck_opening(folder)
        found = device()
        if found:
            known_outcome(folder, found)
    return 1 if FAILURES else 0


sys.exit(main())
