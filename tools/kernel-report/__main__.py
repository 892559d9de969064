# SPDX-License-Identifier: MIT
"""What the vendors' compilers make of the kernels: registers, spills, scratch and local memory,
SIMD width and occupancy, without a GPU: python3 tools/kernel-report --build build"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import zlib

import budgets
import compilers
import parse
import tables
import targets

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent))
import pages # pylint: disable=wrong-import-position
from pages import Failed, text_of # pylint: disable=wrong-import-position

BEGIN, END = "<!-- kernels -->", "<!-- /kernels -->"
FORMAT = "clvits-kernels 1"
WAYS = ("", "fp16-storage", "fp16", "tuned")


def source_of(program):
    """A program's text, put together as the library does (lib/device/program.c)."""
    def read(name):
        return (ROOT / "cl" / name).read_text(encoding="utf-8")

    shared = "".join(map(read, ("dims.h", "exact.h", "common.cl")))
    return shared + re.sub(r'(?m)^#include "(.*)"\n', lambda line: read(line[1]),
                           read(f"{program}.cl"))


def launches(build):
    """What the library would launch on a GPU, with every launch's largest share of a voice in
    the first of the ways to run voices that has it."""
    program = build / "bench" / "clvits-bench"
    try:
        found = json.loads(subprocess.run([program, "launches"], check=True, text=True,
                                          stdout=subprocess.PIPE).stdout)
    except OSError as error:
        raise Failed(f"{program} cannot be run: {error.strerror}; build clvits first, and name "
                     "the folder with --build") from error
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise Failed(f"{program} launches: {error}") from error
    totals = {}
    for launch in found:
        for user, work in launch["users"].items():
            totals[user] = totals.get(user, 0) + work
    for launch in found:
        shares = {user: work / totals[user] if totals[user] else 0
                  for user, work in launch["users"].items()}
        ways = {}
        for user in sorted(set(shares) - {"checks"}):
            voice, _, way = user.partition(", ")
            ways.setdefault(way, {})[voice] = shares[user]
        launch["way"] = next((way for way in WAYS if way in ways), "")
        launch["voices"] = list(ways.get(launch["way"], {}))
        launch["work"] = max(ways.get(launch["way"], {}).values(), default=0)
    return found


def is_for(target, launch, sample=1):
    """Whether to compile it: NVIDIA's OpenCL offers no arithmetic in halves. A sample has one of so
    many programs, always the same ones."""
    text = f"{target.name} {launch['program']} {launch['options']}"
    return ((target.maker != "nvidia" or launch["way"] != "fp16") and
            zlib.crc32(text.encode()) % sample == 0)


def compile_one(target, program, options):
    try:
        return compilers.compile_program(target, source_of(program), options.split())
    except (compilers.Refused, parse.Unreadable) as error:
        return str(error)


def row_of(target, launch, result):
    row = {"target": target.name, **{key: launch[key] for key in
           ("program", "kernel", "options", "way", "voices", "work")}}
    if isinstance(result, dict) and launch["kernel"] not in result:
        result = f"the compiled program has no kernel {launch['kernel']}"
    if isinstance(result, str):
        return {**row, "failure": result}
    figures = result[launch["kernel"]]
    items = 1
    for n in launch["local"]:
        items *= int(n) or 1
    return {**row, **figures, "occupancy": targets.occupancy(target, figures, items)}


def make(build, wanted, jobs, sample=1):
    """Compile everything for every target whose compiler is here."""
    report = {"format": FORMAT, "compilers": {}, "missing": {}, "rows": []}
    for target in targets.TARGETS:
        if wanted and target.name not in wanted and target.maker not in wanted:
            continue
        try:
            report["compilers"][target.name] = compilers.version(target)
        except compilers.Missing as error:
            report["missing"][target.name] = f"left out, for want of {error}"
    chosen = [t for t in targets.TARGETS if t.name in report["compilers"]]
    if not chosen:
        return report
    listed = sorted(launches(build), key=lambda launch: -launch["work"])
    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        results = {}
        for target in chosen:
            for program in sorted({(launch["program"], launch["options"]) for launch in listed
                                   if is_for(target, launch, sample)}):
                results[target, program] = pool.submit(compile_one, target, *program)
        for target in chosen:
            for launch in (launch for launch in listed if is_for(target, launch, sample)):
                done = results[target, (launch["program"], launch["options"])].result()
                report["rows"].append(row_of(target, launch, done))
    finally:
        pool.shutdown(cancel_futures=True)
    return report


def read(path):
    try:
        report = json.loads(text_of(path))
    except ValueError as error:
        raise Failed(f"{path} is not JSON: {error}") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise Failed(f"{path}: not what kernel-report --json wrote")
    return report


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="kernel-report", description=__doc__,
        epilog="Exit codes: 0 within the budgets, 1 beyond them, 2 bad arguments, 3 no report, 77 "
               "no compiler is here, 130 interrupted.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build",
                        help="Meson's build folder, for the list of launches (build)")
    parser.add_argument("--target", action="append", default=[],
                        choices=[t.name for t in targets.TARGETS] + sorted(compilers.MAKERS),
                        help="compile for this one, or this maker's; several times for several")
    parser.add_argument("--budgets", type=pathlib.Path, default=HERE / "budgets.txt",
                        help="the limits (those beside this program)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)),
                        help="compilers at once")
    parser.add_argument("--sample", type=int, default=1, metavar="N",
                        help="compile only one of N programs for each target, the same every time")
    parser.add_argument("--read", type=pathlib.Path, help="a report of --json; compiles nothing")
    parser.add_argument("--json", type=pathlib.Path, help="write the report there")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="README.md",
                        help=f"write a table there, between {BEGIN} and {END}")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    try:
        limits = budgets.read(arguments.budgets, text_of(arguments.budgets))
        report = read(arguments.read) if arguments.read else \
            make(arguments.build, arguments.target, arguments.jobs, max(arguments.sample, 1))
        print(tables.text(report))
        if not report["rows"]:
            return 77
        if arguments.json:
            pages.write_text(arguments.json, json.dumps(report, indent=1) + "\n")
        if arguments.markdown:
            pages.write_between(arguments.markdown, BEGIN, tables.markdown(report), END)
    except (Failed, budgets.Damaged) as error:
        print(f"kernel-report: {error}", file=sys.stderr)
        return 3
    found = budgets.offences(report["rows"], limits)
    for offence in found:
        print(f"beyond its budget: {offence}")
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("kernel-report: interrupted", file=sys.stderr)
        sys.exit(130)
