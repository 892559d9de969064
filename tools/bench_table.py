#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench_table.py [--write FILE.md] RESULT.json...: the README's table of results, as Markdown.

RESULT.json is what `clvits-bench --json` wrote; those of bench/results make the README's. With
--write, what stands in FILE.md between "<!-- results -->" and "<!-- /results -->" is replaced.
"""
import argparse
import json
import pathlib
import re
import sys
import textwrap

import pages

BEGIN, END = "<!-- results -->", "<!-- /results -->"
VOICES = ("mini (embedded)", "x-low", "low", "medium", "mms", "base")
PLATFORMS = {"Portable Computing Language": "PoCL", "rusticl": "Rusticl"}


def read(paths):
    """Every device of every file, with its results by name."""
    for path in paths:
        try:
            run = json.loads(pages.text_of(path))
        except ValueError as error:
            sys.exit(f"{path}: not JSON: {error}")
        if not isinstance(run, dict) or run.get("format") != "clvits-bench 1":
            sys.exit(f"{path}: not a result of clvits-bench")
        if run.get("complete") is False:
            sys.exit(f"{path}: incomplete: its run was interrupted")
        for device in run["devices"]:
            cases = {r["name"]: r for r in run["results"] if r["device"] == device["name"]}
            yield run, device, cases


def label(run, device, threads=True):
    cpu = re.sub(r"\((R|TM)\)", "", run["machine"].get("cpu", "unknown processor"))
    if device["kind"] == "cpu":
        many = f", {device['threads']} threads" if threads else ""
        return f"CPU path ({device['isa']}{many}) on {cpu}"
    platform = PLATFORMS.get(device["platform"], device["platform"])
    version = re.search(r"[\d.]+\d", device["driver"])
    name = cpu if platform in PLATFORMS.values() else device["device"]
    return f"{platform} {version.group() if version else ''} on {name}"


def cell(case, name, factor, digits):
    if not case:
        return ""
    if case["verdict"] != "ok":
        return case["verdict"]
    return f"{factor * case['values'][name]:.{digits}f}" + (" ~" if case.get("noisy") else "")


def share(cases, voice):
    """Of the roofline, over the decoder's windows by their time."""
    windows = [c for n, c in cases.items()
               if n.startswith(f"{voice}/decoder, window") and c["verdict"] == "ok"]
    times = [(c.get("device_seconds") or c["host_seconds"])["median"] for c in windows]
    if not windows:
        return ""
    return f"{100 * sum(c['roofline'] * t for c, t in zip(windows, times)) / sum(times):.0f} %"


def columns(cases):
    """A device's cells by the names of their columns."""
    first = cases.get(f"{VOICES[0]}/medium")
    row = {v: cell(cases.get(f"{v}/medium"), "rtf", 1, 3) for v in VOICES}
    row["first audio, ms"] = cell(first, "first_audio_ms", 1, 0).removesuffix(" ~")
    row["decoder, of the peak"] = share(cases, VOICES[0])
    return row


def table(paths):
    found = [(run, device, columns(cases)) for run, device, cases in read(paths)]
    filled = [name for name in columns({}) if any(row[name] for _, _, row in found)]
    if not filled:
        sys.exit("nothing here for a table: it takes the levels speech and stage")
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
    lines += ["", textwrap.fill(
        f"First audio and decoder: the embedded voice. {'; '.join(versions)}. All voices but the "
        "embedded one have random weights, which costs the same time. ~ marks times that were "
        "disturbed.", 100)]
    return "\n".join(lines + races(paths))


def races(paths):
    """The lines of a table with what bench/peers added: every race of a voice, side by side."""
    found, columns = {}, []
    runs = {id(run): run for run, _, _ in read(paths)}
    for run in runs.values():
        for peer in run.get("peers", []):
            device = next((d for d in run["devices"] if d["device"] == peer.get("device")), None)
            if not device or "wanted" not in peer:
                continue
            column = " ".join(filter(None, [peer["peer"], peer.get("version"),
                                            peer.get("settings")]))
            columns += [column] if column not in columns else []
            key = (label(run, device, threads=False), peer["voice"], f"{peer['wanted']:g} s",
                   str(peer["threads"]))
            found.setdefault(key, {})[column] = race(peer)
    if not found:
        return []
    return ["", "How many times as fast as another runtime with the same voice, text and number of "
            "threads,", "in turns: the median of all pairs of runs, and their range.", "",
            "| device | voice | speech | threads | " + " | ".join(columns) + " |",
            "|---|---|---:|---:|" + "---:|" * len(columns),
            *("| " + " | ".join([*key, *(cells.get(c, "") for c in columns)]) + " |"
              for key, cells in found.items())]


def race(peer):
    if "ratio" not in peer:
        return "failed" if "failed" in peer else "wrong"
    ratio = peer["ratio"]
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("results", nargs="+")
    arguments = parser.parse_args()
    text = table(arguments.results)
    if not arguments.write:
        print(text)
        return
    pages.write_between(arguments.write, BEGIN, text, END)


try:
    main()
except pages.Failed as failure:
    sys.exit(str(failure))
