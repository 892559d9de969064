# SPDX-License-Identifier: MIT
"""Put the report together: one HTML page that needs nothing else."""
from html import escape
from os.path import dirname, join

import bars
import results
import svg
import tables

TITLE = "<title>clvits on these devices</title>"  # by which a page is known


def _part(name):
    """A file beside this one, or in the archive that the program carries."""
    return __loader__.get_data(join(dirname(__file__), name)).decode("utf-8")


def _styles():
    """The colours of series, stages and operators, and when a bar is too narrow for its text."""
    out = [_part("page.css")]
    for i in range(bars.COLOURS):
        out.append(f".s{i} {{ background: var(--s{i}); }} svg .line.s{i} {{ background: none; "
                   f"stroke: var(--s{i}); }} svg .dot.c{i} {{ fill: var(--s{i}); }}")
    for i, colour in enumerate((0, 1, 2, 6)):
        out.append(f"i.f{i} {{ background: var(--s{colour}); }} "
                   f"svg .dot.f{i} {{ fill: var(--s{colour}); }} "
                   f"svg .dot.hollow.f{i} {{ fill: var(--card); stroke: var(--s{colour}); "
                   f"stroke-width: 2; }}")
    for stage, colour in ((0, 0), (1, 3), (2, 2), (3, 1), (4, 4), (9, None)):
        base = f"var(--s{colour})" if colour is not None else "var(--axis)"
        for shade, part in (("", 62), (".a", 38), (".b", 24)):
            out.append(f".g{stage}{shade} {{ background: color-mix(in oklab, {base} {part}%, "
                       f"var(--mix)); }}")
    for width in range(2, 25):
        out.append(f"@container (max-width: {round(7.2 * width + 8)}px) "
                   f"{{ .n{width} {{ display: none; }} }}")
    return "\n".join(out)


def _section(title, text, content):
    if not content:
        return ""
    wide = ' class="wide"' if "<table" in content else ""
    return f"<section{wide}><h2>{escape(title)}</h2><p>{text}</p>{content}</section>"


def _legend(entries):
    spans = "".join(f'<span><i class="{kind}"></i>{escape(text)}</span>' for kind, text in entries)
    return f'<div class="legend">{spans}</div>'


def _header(runs):
    items = []
    for run in runs:
        machine, noise = run["machine"], run["noise"]
        facts = [run["stem"], machine.get("cpu"),
                 f"{machine['processors']} processors" if machine.get("processors") else None,
                 machine.get("system"), f"clvits {run['version']}" if run.get("version") else None,
                 run.get("compiler"), run.get("date"),
                 "quick run" if run["settings"].get("quick") else None]
        items.append(f"<li>{escape(' · '.join(str(f) for f in facts if f))}</li>")
        timed, noisy = noise.get("timed") or 0, noise.get("noisy") or 0
        if run.get("complete") is False:
            items.append(f'<li class="warn">{escape(run["stem"])}: incomplete: the run was '
                         f"interrupted after {sum(len(d['cases']) for d in run['devices'])} "
                         f"cases</li>")
        if noisy * 10 > timed:
            items.append(f'<li class="warn">{escape(run["stem"])}: the machine was noisy: {noisy} '
                         f"of {timed} cases were disturbed</li>")
    return f"<h1>clvits on these devices</h1><ul>{''.join(items)}</ul>"


def _anatomy(devices):
    content = bars.anatomy(devices)
    legend = [(f"g{i}", name) for i, name in enumerate(results.STAGES)]
    return _legend(legend + [("g9", "copies, host")]) + content if content else ""


def _rooflines(devices):
    figures = []
    for device in devices:
        drawing = svg.roofline(device)
        if drawing:
            figures.append(f"<figure><figcaption>{escape(device['label'])}</figcaption>"
                           f"{drawing}</figure>")
    if not figures:
        return ""
    legend = [(f"f{i}", name) for i, (name, _) in enumerate(svg.FAMILIES)]
    return (_legend(legend + [("open", "moves data only, drawn at the left edge")])
            + f'<div class="charts">{"".join(figures)}</div>')


def _latencies(devices):
    shown = [d for d in devices if any(c["verdict"] == "ok" and c["single"]
                                       for c in results.cases_of(d, "speech"))][:bars.COLOURS]
    figures = []
    for voice in bars.voices_of(shown):
        lines = []
        for device in shown:
            points = [(c["values"]["audio_s"], results.median(c, "host"),
                       results.first_audio(device, c))
                      for c in results.cases_of(device, "speech")
                      if c["voice"] == voice and c["single"] and c["values"].get("audio_s")
                      and results.median(c, "host")]
            if points:
                lines.append((device["label"], devices.index(device) % bars.COLOURS,
                              sorted(points)))
        drawing = svg.latency(voice, lines)
        if drawing:
            figures.append(f"<figure><figcaption>{escape(voice)}</figcaption>{drawing}</figure>")
    if not figures:
        return ""
    legend = [(f"s{devices.index(d) % bars.COLOURS}", d["label"]) for d in shown]
    return (_legend(legend + [("solid", "whole text"), ("dashed", "first audio")])
            + f'<div class="charts">{"".join(figures)}</div>')


def _troubles(devices):
    items = []
    for device in devices:
        if device.get("lost"):
            items.append(f"{device['label']}: lost: {device['lost']}")
            continue
        items += [f"{device['label']}: {c['name']}: {c['verdict']}"
                  + (f": {c['reason']}" if c.get("reason") else "")
                  for c in device["cases"] if c["verdict"] in ("wrong", "failed")]
    if not items:
        return ""
    return "<ul>" + "".join(f'<li class="bad">{escape(item)}</li>' for item in items) + "</ul>"


def make(runs):
    """The whole page for runs that results.read() returned."""
    devices = results.devices_of(runs)
    peers = [peer for run in runs for peer in run["peers"]]
    body = [
        _header(runs),
        _section("What went wrong", "A wrong result is never timed; a device that could not "
                 "be opened has no other row.", _troubles(devices)),
        _section("Real-time factor", "Time to compute one sentence over the time to hear it (RTF), "
                 "whole program path, batch 1. A longer bar is faster: 10× makes ten seconds of "
                 "speech in one. ~ marks times that were disturbed.",
                 bars.speed(devices)),
        _section("Where the time of one sentence goes", "The stages of the model and, below, the "
                 "operators in each, longest first. The full width is that device's whole time; "
                 "a bar that ends before it leaves room for what no stage counts, and for medians "
                 "that do not add up. ~ marks times that were disturbed, of the whole or a part.",
                 _anatomy(devices)),
        _section("Rooflines", "Every operator at the shapes that voices run, under the ceilings "
                 "measured on the spot: multiply-adds and memory bandwidth. Above the slope, "
                 "caches are at work; above the level, convolutions that multiply less often than "
                 "the direct ones that they are counted as (Toom-Cook).",
                 _rooflines(devices)),
        _section("Latency against the length of the text", "A word, a sentence and a paragraph; "
                 "batch 1, once warm. The first audio is a chunk of 16 frames, asked for early, "
                 "where that was measured.",
                 _latencies(devices)),
        _section("Against other runtimes", "The same voice, symbols and number of threads, without "
                 "noise, taking turns on the same machine. How many times faster clvits is: the "
                 "median of all pairs, and their range.",
                 bars.peers(peers) + tables.peers(peers) if peers else ""),
        _section("Numbers", "Medians, with the 95th percentile where it was measured. ~ marks "
                 "times that were disturbed.",
                 tables.everything(devices)),
    ]
    script = _part("page.js")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"{TITLE}<style>{_styles()}</style></head>\n"
            f"<body><main>{''.join(body)}</main><div id=\"tip\" hidden></div>"
            f"<script>{script}</script></body></html>\n")
