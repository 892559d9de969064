#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report.py TOOL BENCH: tools/kernel-report reads what compilers wrote, holds kernels to their
budgets, and asks for every kernel that GPUs run. The folder of this file has outputs of compilers
for two kernels: calm, and heavy, which spills."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

TOOL, BENCH = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
OTHERS = ("half", "peak")  # what asks a device about itself
WAYS = ("", "fp16-storage", "fp16", "tuned")
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(TOOL))
import budgets  # noqa: E402
import compilers  # noqa: E402
import parse    # noqa: E402
import targets  # noqa: E402


def saved(name):
    return (HERE / name).read_text(encoding="utf-8")


def elf(section, data):
    """A 64-bit ELF file with a section of that name and a table of names."""
    names = b"\0" + section + b"\0.shstrtab\0"
    at_names, at_data = 64, 64 + len(names)
    table = at_data + len(data)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 0, 1, 0, 0, table, 0, 64,
                         0, 0, 64, 3, 2)
    sections = [(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                (1, 1, 0, 0, at_data, len(data), 0, 0, 1, 0),
                (2 + len(section), 3, 0, 0, at_names, len(names), 0, 0, 1, 0)]
    return header + names + data + b"".join(struct.pack("<IIQQQQIIQQ", *s) for s in sections)


def refuses(call, *arguments):
    try:
        call(*arguments)
    except (compilers.Missing, parse.Unreadable):
        return
    raise AssertionError(f"{call.__name__} takes what it cannot use")


def check_parsers():
    info = saved("ze_info.txt")
    assert parse.ze_info(elf(b".ze_info", info.encode())) == info
    found = parse.intel(info, saved("ocloc.txt"))
    assert found["calm"] == {"registers": 128, "simd": 8, "spills": 0, "scratch": 0,
                             "local": 8832}, found
    assert found["heavy"] == {"registers": 128, "simd": 8, "spills": 1047,
                              "scratch": 65536 // 8 + 12288, "local": 0}, found
    assert parse.intel(info, "")["heavy"]["spills"] == 65536, "spills go unseen without the log"

    found = parse.amd(saved("amd.s"))
    assert found["calm"] == {"registers": 5, "scalar_registers": 11, "spills": 0, "scratch": 0,
                             "local": 256, "simd": 32, "waves": 16}, found
    assert (found["heavy"]["registers"], found["heavy"]["scratch"]) == (256, 6532), found
    assert found["heavy"]["waves"] == 4 and found["heavy"]["spills"] > 0, found

    found = parse.ptxas(saved("ptxas.txt"))
    assert found["calm"] == {"registers": 10, "spills": 0, "scratch": 0, "local": 256,
                             "simd": 32}, found
    assert found["heavy"] == {"registers": 255, "spills": 2308 + 2648, "scratch": 4208, "local": 0,
                              "simd": 32}, found
    found = parse.ptx(saved("kernel.ptx"))
    assert found["calm"] == {"scratch": 0, "local": 256, "simd": 32}, found
    assert found["heavy"]["scratch"] == 3136, found

    refuses(parse.intel, "kernels:\n", "")
    refuses(parse.amd, saved("ptxas.txt"))
    refuses(parse.ptxas, saved("amd.s"))
    refuses(parse.ptx, "")
    refuses(parse.ze_info, b"text")
    refuses(parse.ze_info, elf(b".other", b""))


def check_occupancy():
    by_name = {t.name: t for t in targets.TARGETS}

    def share(name, **figures):
        return targets.occupancy(by_name[name], figures, 64)

    assert share("sm_86", registers=32, local=0) == 32 / 48, "16 work-groups of 2 warps"
    assert share("sm_86", registers=255, local=0) == 8 / 48, "65536 registers for 64 each of 256"
    assert share("sm_86", registers=32, local=49 << 10) == 4 / 48, "100 KiB for two"
    assert share("skl", simd=8, registers=128, local=8832) == 32 / 56, "16 KiB each of 64"
    assert share("skl", simd=8, registers=256, local=0) == 24 / 56, "half the threads"
    assert share("gfx1030", waves=4) == 0.25
    assert share("sm_86", local=0) is None, "not known without registers"


def report_of(figures):
    rows = [{"target": "gfx1030", "program": "p", "kernel": kernel, "options": "",
             "work": 0 if kernel == "idle" else 0.5, "way": "fp16" if kernel == "heavy" else "",
             "voices": [] if kernel == "idle" else ["medium"], "occupancy": 0.5,
             **of} for kernel, of in figures.items()]
    return {"format": "clvits-kernels 1", "compilers": {"gfx1030": "clang 15"}, "missing": {},
            "rows": rows}


def run(*arguments, **more):
    return subprocess.run([sys.executable, str(TOOL), *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)


def check_budgets(folder):
    figures = parse.amd(saved("amd.s"))
    calm, both = folder / "calm.json", folder / "both.json"
    calm.write_text(json.dumps(report_of({"calm": figures["calm"]})), encoding="utf-8")
    both.write_text(json.dumps(report_of(figures)), encoding="utf-8")
    done = run("--read", calm)
    assert done.returncode == 0 and "beyond" not in done.stdout, done.stdout
    done = run("--read", both)
    assert done.returncode == 1, f"a kernel that spills is within its budget:\n{done.stdout}"
    for figure in ("spills", "scratch 6532"):
        assert f"beyond its budget: gfx1030: heavy: {figure}" in done.stdout, done.stdout
    failing = report_of({"calm": {"failure": "error: no\n"}})
    calm.write_text(json.dumps(failing), encoding="utf-8")
    done = run("--read", calm)
    assert done.returncode == 1 and "does not compile: error: no" in done.stdout, done.stdout

    limits = folder / "limits"
    limits.write_text("* * scratch <= 0\ngfx* hea* scratch <= 7000 # known\n* * spills <= 9999\n",
                      encoding="utf-8")
    assert run("--read", both, "--budgets", limits).returncode == 0, "the last line does not count"
    for line in ("* * scratch <= much", "* * speed <= 1", "* * scratch"):
        limits.write_text(line + "\n", encoding="utf-8")
        done = run("--read", both, "--budgets", limits)
        assert done.returncode == 3 and "limits:1:" in done.stdout, done.stdout
    text = (TOOL / "budgets.txt").read_text(encoding="utf-8")
    assert budgets.read(TOOL / "budgets.txt", text)
    for option in "--budgets", "--read":
        done = run("--read", both, option, folder / "none")
        assert done.returncode == 3, done.stdout
        assert done.stdout == f"kernel-report: {folder / 'none'} cannot be read: No such file or " \
                              "directory\n", done.stdout


def check_markdown(folder):
    page, report = folder / "page.md", folder / "three.json"
    figures = parse.amd(saved("amd.s"))
    listed = report_of({"idle": figures["calm"], **figures})
    listed["rows"].append({**listed["rows"][0], "kernel": "calm", "options": "-DREST=1"})
    report.write_text(json.dumps(listed), encoding="utf-8")
    page.write_text("# Before\n<!-- kernels -->\nstale\n<!-- /kernels -->\nafter\n",
                    encoding="utf-8")
    run("--read", report, "--markdown", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before\n<!-- kernels -->\n| kernel |"), text
    assert text.endswith("<!-- /kernels -->\nafter\n") and "stale" not in text, text
    assert "| `calm` |" in text and "| `heavy`, fp16 |" in text and "**6532 scratch**" in text, text
    table, others = text.split("| *not run by voices* | | | |\n")
    assert "`idle`" not in table and others.startswith("| `idle` |  | 256 | 5, 50 % |\n"), text
    assert "`calm`" not in others and "`heavy`" not in others, "what voices run is there once"
    page.write_text("no place\n", encoding="utf-8")
    assert run("--read", report, "--markdown", page).returncode == 3
    assert page.read_text(encoding="utf-8") == "no place\n"
    page.write_text("{}", encoding="utf-8")
    assert run("--read", page).returncode == 3, "takes a file that is no report"
    done = run("--read", report, "--json", folder / "none" / "a.json")
    assert done.returncode == 3 and "a.json cannot be written: No such file" in done.stdout


def check_missing(folder):
    """Without compilers: all are named, and nothing else is tried."""
    done = run("--build", folder, "--target", "intel", "--target", "amd",
               env={**os.environ, "PATH": str(folder)})
    assert done.returncode == 77, done.stdout
    for text in ("dg2: left out", "intel-opencl-icd", "gfx1030: left out", "clang-15"):
        assert text in done.stdout, f"{text}: {done.stdout}"


def check_broken(folder):
    """Compilers that fail, or say nothing of themselves, are named as those that are missing."""
    for name, script in (("ocloc", "echo no device; exit 1"), ("clang-15", "exit 1"),
                         ("clang-16", "echo nothing"), ("ptxas", "echo V")):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    done = run("--build", folder, "--target", "intel", "--target", "nvidia",
               env={**os.environ, "PATH": str(folder)})
    assert done.returncode == 77, done.stdout
    for text in ("dg2: left out, for want of an ocloc that works", "no device",
                 "sm_86: left out, for want of clang 15"):
        assert text in done.stdout, f"{text}: {done.stdout}"
    bitcode = folder / "bitcode"
    bitcode.mkdir()
    (bitcode / "ocml.bc").touch()
    known, compilers.amd_libraries = compilers.amd_libraries, lambda: bitcode
    refuses(compilers.amd_options, "gfx1030")
    compilers.amd_libraries = known
    refuses(compilers.asked, [str(folder / "ptxas"), "--version"], r"V([0-9.]+)", "ptxas")


def check_launches(listed):
    """Every kernel is listed but those for CPU devices and for the machine's peaks, and in every
    precision that voices have it in."""
    for path in sorted((ROOT / "cl").glob("*.cl")):
        text = path.read_text(encoding="utf-8")
        kernels = re.findall(r"(?m)^kernel\b[^;{]*?\bvoid (\w+)\(", text)
        assert kernels or path.name == "common.cl", path
        of = {launch["kernel"] for launch in listed if launch["program"] == path.stem}
        ours = {k for k in kernels if not k.endswith("_lanes") and path.stem not in OTHERS}
        ours -= {"conv1d", "conv1d_toom"}
        assert ours <= of, f"{path.name}: nobody asks about {', '.join(sorted(ours - of))}"
    for way, option, kernel in (("fp16-storage", "-DW_HALF=1", "conv1d_tile"),
                                ("fp16", "-DHALF_SUMS=1", "conv1d_tile"),
                                ("tuned", "-DCHUNK=", "conv1d_toom_tile")):
        assert any(f"medium, {way}" in launch["users"] and option in launch["options"] and
                   launch["kernel"] == kernel for launch in listed), way
    medium = [launch for launch in listed if "medium" in launch["users"]]
    assert sum(launch["users"]["medium"] for launch in medium) > 1e9, medium
    assert any(launch["local"][0] == 64 for launch in medium)


def check_readme(listed):
    """The README's table has the kernels that voices run, and the others apart."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    table = page.partition("<!-- kernels -->")[2].partition("<!-- /kernels -->")[0]
    table, _, below = table.partition("| *not run by voices* |")
    shown, apart = (set(re.findall(r"(?m)^\| `(\w+`[^|]*) \|", part)) for part in (table, below))
    run_by_voices, others = set(), {f"{launch['kernel']}`" for launch in listed}
    for launch in listed:
        ways = {user.partition(", ")[2] for user in set(launch["users"]) - {"checks"}}
        way = next((w for w in WAYS if w in ways), None)
        if way is not None:
            run_by_voices.add(f"{launch['kernel']}`{', ' if way else ''}{way}")
            others.discard(f"{launch['kernel']}`")
    assert apart == others, f"{sorted(apart)} rather than {sorted(others)}"
    assert shown == run_by_voices, (
        f"write the table again, with kernel-report --markdown README.md: it has "
        f"{sorted(shown - run_by_voices)} too many, and lacks {sorted(run_by_voices - shown)}")


def check_interrupted(folder):
    """Ctrl-C ends it with a word and no more."""
    bench = folder / "bench" / "clvits-bench"
    bench.parent.mkdir()
    bench.write_text("#!/bin/sh\ntouch began\nexec sleep 60\n")
    bench.chmod(0o755)
    with subprocess.Popen([sys.executable, TOOL, "--build", folder], cwd=folder, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          start_new_session=True) as tool:
        while tool.poll() is None and not (folder / "began").exists():
            time.sleep(0.02)
        if tool.poll() is None: # or there is no compiler here
            os.killpg(tool.pid, signal.SIGINT)
            said = tool.communicate(timeout=300)[1]
            assert (tool.returncode, said) == (130, "kernel-report: interrupted\n"), said


def main():
    check_parsers()
    check_occupancy()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_budgets(folder)
        check_markdown(folder)
        check_missing(folder)
        check_broken(folder)
        check_interrupted(folder)
    listed = json.loads(subprocess.run([BENCH, "launches"], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout)
    check_launches(listed)
    check_readme(listed)


main()
