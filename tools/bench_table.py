#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench_table.py [--write FILE.md] RESULT.json...: the README's tables of results, as Markdown.

RESULT.json is what `clvits-bench --json` wrote; those of bench/results make the README's. With
--write, what stands in FILE.md between "<!-- results -->" and "<!-- /results -->" is replaced, and
likewise "alignment", "convolutions", "forms", "sentences", "placement" and "missed" where the page
has these marks.
"""
import argparse
import pathlib
import re
import sys
import textwrap

import pages
from bench_races import commands, missed, race, races
from bench_results import (STAGES, bandwidth_of, halved, label, marked, peaks_of, rows_of,
                           tell_apart, time_of, value, work_of)

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench" / "report"))
import load

FULL = 0.7  # share of the peak from which a convolution is left out
VOICES = ("mini (embedded)", "x-low", "low", "medium", "mms", "base")
CONVOLUTIONS = ("conv1d", "conv_transpose1d")
TEXTS = {"short": "a word", "medium": "a sentence", "long": "a paragraph"}


def read(paths):
    """Every device of every file, with its results by name."""
    found = [(path, *one) for path in paths for one in read_file(path)]
    tell_apart([(path, run, device) for path, run, device, _ in found])
    return [(run, device, cases) for _, run, device, cases in found]


def read_file(path):
    run = load.load(path)
    if run.get("complete") is False:
        raise pages.Failed(f"{path}: incomplete: its run was interrupted")
    try:
        found = [(run, device, {r["name"]: r for r in run["results"]
                                if r["device"] == device["name"]}) for device in run["devices"]]
        for _, device, cases in found:
            check(run, device, cases)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise pages.Failed(f"{path}: damaged: {what}") from None
    return found


def check_texts(entry, names, where=""):
    for name in names:
        if not isinstance(entry.get(name), str):
            raise ValueError(f"{where}\"{name}\" is missing, or is no text")


def check(run, device, cases):
    """Raise what any table would stumble on, while it is known in which file that is."""
    check_texts(run, ("version", "date"))
    if any(not isinstance(word, str) for word in run.get("command", [])):
        raise ValueError("\"command\" is no list of texts")
    check_texts({"cpu": "", **run["machine"]}, ("cpu",))
    check_texts(device, ("isa",) if device["kind"] == "cpu" else ("device", "platform", "driver"),
                f"{device['name']}: ")
    columns(device, cases)
    label(run, device)
    alone = [(run, device, cases)]
    searches(alone)
    convolutions(alone)
    forms(alone)
    sentences(alone)
    placements(alone)
    races(alone)
    missed(alone)


def cell(case, name, factor, digits):
    if not case:
        return ""
    if case["verdict"] != "ok":
        return case["verdict"]
    return f"{factor * value(case, name):.{digits}f}" + (" ~" if case.get("noisy") else "")


def share(device, cases, voice):
    """Of the roofline, over the decoder's windows."""
    windows = [c for n, c in cases.items()
               if n.startswith(f"{voice}/decoder, window") and c["verdict"] == "ok"]
    peaks, copied = peaks_of(device, cases), bandwidth_of(device, cases)
    if not windows or not copied or not all(peaks[halved(device, c)] for c in windows):
        return ""
    least = sum(max(c["flop"] / peaks[halved(device, c)], c["bytes"] / copied) for c in windows)
    return marked(f"{100 * least / sum(time_of(c) for c in windows):.0f} %",
                  {"noisy": any(c.get("noisy") for c in windows)})


def columns(device, cases):
    """A device's cells by the names of their columns."""
    first = cases.get(f"{VOICES[0]}/medium")
    row = {v: cell(cases.get(f"{v}/medium"), "rtf", 1, 3) for v in VOICES}
    for name, text in (("first audio, ms", f"{VOICES[0]}/medium"),
                       ("a paragraph: first audio, ms", f"{VOICES[0]}/long"),
                       ("500 ids in one sentence: first audio, ms", f"{VOICES[0]}/unbroken"),
                       ("medium, a word: first audio, ms", "medium/short")):
        chunk = cases.get(f"{text}, first chunk")
        row[name] = (marked(f"{1e3 * time_of(chunk):.0f}", chunk)
                     if chunk and chunk["verdict"] == "ok" else "")
    row["first piece, ms"] = cell(first, "first_audio_ms", 1, 0)
    row["decoder, of the peak"] = share(device, cases, VOICES[0])
    return row


def table(results):
    found = [(run, device, columns(device, cases)) for run, device, cases in results]
    filled = [name for name in columns({}, {}) if any(row[name] for _, _, row in found)]
    if not filled:
        raise pages.Failed("nothing here for a table: it takes the levels speech and stage")
    lines = ["Real-time factor of one sentence (seconds of work per second of speech), by voice:",
             "",
             "| device | " + " | ".join(filled) + " |",
             "|---|" + "---:|" * len(filled)]
    for run, device, row in found:
        if any(row.values()):
            cells = [label(run, device)] + [row[name] for name in filled]
            lines.append("| " + " | ".join(cells) + " |")
        else:
            print(f"{label(run, device)}: left out, without speech and stages", file=sys.stderr)
    versions = sorted({f"clvits {run['version']}, {run['date'][:10]}"
                       for run, _, row in found if any(row.values())})
    lines += ["", textwrap.fill(" ".join([*explain(filled), f"{'; '.join(versions)}."]), 100)]
    return "\n".join(lines + races(results) + commands(results))


def explain(filled):
    """What stands in those columns that are there."""
    if any(name.endswith("first audio, ms") for name in filled):
        yield "First audio: until the first chunk of 16 frames, as --stream asks for it."
    if "first piece, ms" in filled:
        yield "First piece: until the first audio where none is asked for early."
    if any(name in filled for name in list(columns({}, {}))[len(VOICES):]):
        yield "These, and the decoder's share: of the embedded voice, where none is named."
    if any(name in filled for name in VOICES[1:]):
        yield "All voices but the embedded one have random weights, which costs the same time."
    yield "~ marks times that were disturbed."


def searches(results):
    """Alignment search: milliseconds on each device, and the races with another one."""
    found, raced, columns = {}, {}, []
    for run, device, cases in results:
        shown = label(run, device)
        for name, case in cases.items():
            if name.startswith("search/") and case["verdict"] == "ok":
                found.setdefault(name.removeprefix("search/"), {})[shown] = marked(
                    f"{1e3 * time_of(case):.3g}", case)
        for peer in run.get("peers", []):
            start, _, what = peer["voice"].partition("alignment, ")
            if start or not what or device["device"] != peer.get("device"):
                continue
            threads = f"{peer['threads']} thread{'s' * (peer['threads'] != 1)}"
            column = (f"times as fast as {peer['peer']} {peer.get('version', '')}: "
                      f"{label(run, device, threads=False)}, {threads}")
            columns += [column] if column not in columns else []
            raced.setdefault(what, {})[column] = race(peer, device, cases)[0]
    if not found and not raced:
        return "No alignment search was measured."
    devices = list(dict.fromkeys(d for times in found.values() for d in times))
    order = sorted(found | raced, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
    rows = [[name, *(found.get(name, {}).get(d, "") for d in devices),
             *(raced.get(name, {}).get(c, "") for c in columns)] for name in order]
    return "\n".join(["Alignment search, symbols x frames: milliseconds, by device.", "",
                      *rows_of(["alignments", *devices, *columns], rows)])


def convolutions(results):
    """Those of the decoders that do little of what the processor could, on the CPU path."""
    lines = []
    for run, device, cases in results:
        found = {}
        for name, case in cases.items():
            voice = re.match(r"conv1d/((?:base|mms|medium|low|x-low)/(?!post).*), (\d+) s$", name)
            if device["kind"] != "cpu" or not voice or case["verdict"] != "ok":
                continue
            found.setdefault(voice.group(1), {})[voice.group(2)] = (
                case["flop"] / time_of(case), case)
        peak = peaks_of(device, cases)[False]
        if not found or not peak:
            continue
        slow = {name: times for name, times in found.items()
                if min(rate for rate, _ in times.values()) < FULL * peak}
        seconds = sorted({s for times in found.values() for s in times}, key=int)
        rows = []
        for name, times in slow.items():
            cells = [times.get(s) for s in seconds]
            rows.append([name, *(marked(f"{c[0] * 1e-9:.0f}", c[1]) if c else "" for c in cells),
                         *(rates([c[1]], time_of(c[1]) * peak) if c else "" for c in cells)])
        left = [case.get("multiplied", case["flop"]) / time_of(case) / peak
                for times in found.values() for _, case in times.values()]
        lines += ["", textwrap.fill(
            f"{label(run, device)}: {len(slow)} of {len(found)} convolutions of the decoders with "
            f"32 channels and more do less than {100 * FULL:.0f} % of the peak in one of these "
            "lengths of speech. The peak is that of multiply-adds, the highest seen in the run: "
            f"{peak * 1e-9:.0f} GFLOP/s. Convolutions count as direct ones; in brackets, what "
            "Toom-Cook forms leave to be multiplied, their transforms not counted: of all of them "
            f"{100 * min(left):.0f} to {100 * max(left):.0f} %.", 100), "",
                  *rows_of(["convolution", *(f"GFLOP/s, {s} s" for s in seconds),
                            *(f"of the peak, {s} s" for s in seconds)], rows)]
    return "\n".join(lines[1:]) if lines else "No convolution was measured on a CPU path."


def forms(results):
    """How many times as fast as the direct form a Toom-Cook form of each convolution is."""
    found, columns = {}, []
    for run, device, cases in results:
        for name, case in cases.items():
            other = cases.get(f"{name}, other form")
            shape = re.match(r"conv1d/(.*), (\d+) s$", name)
            if not shape or not other or any(c["verdict"] != "ok" for c in (case, other)):
                continue
            if value(case, "toom_cook"):
                text = f"{time_of(other) / time_of(case):.2f}"
            else:
                text = f"{time_of(case) / time_of(other):.2f} (direct)"
            column = f"{label(run, device)}, {shape.group(2)} s"
            columns += [column] if column not in columns else []
            found.setdefault(shape.group(1), {})[column] = marked(
                text, {"noisy": case.get("noisy") or other.get("noisy")})
    if not found:
        return "No convolution was measured in two forms."
    text = ("How many times as fast as the direct form the Toom-Cook form of a convolution is, by "
            "length of speech. The library takes the Toom-Cook form, but the direct one where that "
            "is said.")
    return "\n".join([textwrap.fill(text, 100), "", *rows_of(
        ["convolution", *columns],
        [[name, *(cells.get(c, "") for c in columns)] for name, cells in found.items()])])


def sentences(results):
    """Where the time of a sentence goes, and how much of the peak its stages do."""
    rows = []
    for run, device, cases in results:
        for voice in VOICES:
            work, peaks = work_of(cases, voice), peaks_of(device, cases)
            if work and all(peaks[halved(device, case)] for case in work[0].values()):
                rows.append([label(run, device), *sentence(device, voice, *work, peaks)])
    if not rows:
        return "No sentence was measured in parts."
    text = ("One sentence: what a second of its speech takes, then of each part its share of the "
            "time and, of the highest peak of multiply-adds seen in the run, how much it does. "
            "Convolutions count as direct ones, so that Toom-Cook forms can come to more than the "
            "peak; in brackets what these forms leave to be multiplied, their transforms not "
            "counted.")
    return "\n".join([textwrap.fill(text, 100), "",
                      *rows_of(["device", "voice", "GFLOP", "of the peak", *STAGES,
                                "not convolutions", "copies, host"], rows, left=2)])


def sentence(device, voice, parts, flop, peaks):
    times = {name: time_of(case) for name, case in parts.items()}
    whole = sum(times.values())
    most = {name: times[name] * peaks[halved(device, case)] for name, case in parts.items()}
    stages = [marked(f"{100 * times[name] / whole:.0f} % at {rates([parts[name]], most[name])}",
                     parts[name]) for name in STAGES]
    spent = {}
    for case in parts.values():
        for name, seconds in case.get("operators", {}).items():
            spent[name] = spent.get(name, 0.0) + seconds
    others = times["copies"] + times["host"]
    rest = sum(seconds for name, seconds in spent.items() if name not in CONVOLUTIONS)
    rest = (rest + others) / (sum(spent.values()) + others)
    return [voice, f"{flop * 1e-9:.1f}", rates(parts.values(), sum(most.values())), *stages,
            f"{100 * rest:.0f} %", f"{100 * others / whole:.0f} %"]


def rates(cases, most):
    """Of the most FLOP in their time, by the direct formula and in the forms that ran."""
    direct, left = (sum(case.get(what, case["flop"]) for case in cases) / most
                    for what in ("flop", "multiplied"))
    texts = [f"{100 * share:.0f} %" for share in (direct, left)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} ({texts[1]})"


def placements(results):
    """What placement by cost took, over the faster one of device and CPU path."""
    rows = []
    for run, device, cases in results:
        for voice in VOICES:
            cells = [placement(cases.get(f"{voice}/{text}, placed by cost")) for text in TEXTS]
            if any(cells):
                rows.append([label(run, device), voice, *cells])
    if not rows:
        return "No placement by cost was measured beside both of its devices."
    return "\n".join(["Placement by cost, with the CPU path: its time over that of the faster one "
                      "alone, in turns.", "",
                      *rows_of(["device", "voice", *TEXTS.values()], rows, left=2)])


def placement(placed):
    if not placed or placed["verdict"] != "ok" or "cpu_alone_s" not in (placed.get("values") or {}):
        return ""
    alone = {which: value(placed, f"{which}_alone_s") for which in ("cpu", "device")}
    least = min(alone.values())
    measured = f"{time_of(placed) / least:.2f}"
    for which, other, name in ("cpu", "device", "CPU path"), ("device", "cpu", "device"):
        # Which is the same work as on that place alone: what both differ by is chance.
        if placed["values"].get(f"{other}_nodes") == 0:
            times = "1" if alone[which] == least else f"{alone[which] / least:.2f}"
            return marked(f"{times} ({name} alone; measured {measured})", placed)
    return marked(measured, placed)


PARTS = {"results": table, "alignment": searches, "convolutions": convolutions, "forms": forms,
         "sentences": sentences, "placement": placements, "missed": missed}


def write(page, results):
    """Every part that the page has a place for; it has the first one."""
    text = pages.text_of(page)
    for name, make in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if begin in text or name == "results":
            pages.write_between(page, begin, make(results), end)


def show(text):
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None  # would be flushed again, in vain
        raise pages.Failed(f"standard output cannot be written: {error.strerror}") from None


def main():
    parser = argparse.ArgumentParser(
        description="Make the README's tables of results, as Markdown.",
        epilog="Exit codes: 0 done, 2 bad arguments, 3 a file that cannot be read, is no result "
               "or cannot be written.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", type=pathlib.Path, metavar="FILE.md",
                      help="put every table between its marks in that page, as in \"<!-- results "
                           "-->\" and \"<!-- /results -->\"; it needs these two, the others' are "
                           "filled where they are")
    what.add_argument("--part", choices=PARTS, default="results",
                      help="which table to print: results, speed by device and voice, with races "
                           "against other runtimes (the default); alignment, times of alignment "
                           "search; convolutions, those of the decoders that do little of the peak "
                           "on the CPU path; forms, Toom-Cook against direct ones; sentences, "
                           "where their time goes; placement, by cost; missed, races below the "
                           "goal")
    parser.add_argument("results", nargs="+", metavar="RESULT.json",
                        help="what clvits-bench --json wrote")
    arguments = parser.parse_args()
    try:
        results = read(arguments.results)
        if arguments.write:
            write(arguments.write, results)
        else:
            show(PARTS[arguments.part](results))
    except (pages.Failed, load.Damaged) as failure:
        print(failure, file=sys.stderr)
        return 3
    return 0


sys.exit(main())
