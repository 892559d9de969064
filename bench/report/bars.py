# SPDX-License-Identifier: MIT
"""Bars as HTML, which wraps and shrinks where SVG would only scale: speed, stages, peers."""
from html import escape

import load
import results

COLOURS = 8


def bar(share, text, kind, tip=""):
    """A bar over share of the room that the value behind it leaves."""
    data = f' data-tip="{escape(tip, quote=True)}"' if tip else ""
    return (f'<div class="track"{data}><i class="{kind}" style="--share:{share:.4f}"></i>'
            f'<b>{escape(text)}</b></div>')


def row(label, content, note=""):
    small = f" <small>{escape(note)}</small>" if note else ""
    return f'<div class="row"><span>{escape(label)}{small}</span>{content}</div>'


# ---- speed ---------------------------------------------------------------------------------

def pick(device, voice, text="medium"):
    """The case of a voice speaking one text at batch 1; with no such text, another one."""
    cases = [c for c in results.cases_of(device, "speech") if c["voice"] == voice and c["single"]]
    cases.sort(key=lambda c: (c["text"] != text, results.rank(results.TEXTS, c["text"])))
    return cases[0] if cases else None


def voices_of(devices, level="speech"):
    """Voices in the order of the files, each once."""
    cases = (c for d in devices for c in results.cases_of(d, level))
    return list(dict.fromkeys(c["voice"] for c in cases if level != "speech" or c["single"]))


def _speed_row(device, case, longest, colour):
    rtf = case["values"].get("rtf")
    if case["verdict"] != "ok" or not rtf:
        reason = case.get("reason") or "no time"
        return row(device["label"], f'<div class="none">{escape(case["verdict"])}: '
                                    f'{escape(reason)}</div>')
    text = f"RTF {results.marked(results.digits(rtf), case)} · {results.digits(1 / rtf)}×"
    tip = f"{device['label']} · {case['name']} · {results.time(results.median(case, 'host'))}"
    return row(device["label"], bar(1 / rtf / longest, text, colour, tip))


def speed(devices):
    """Real-time factor by voice and device."""
    groups = [(voice, [(d, pick(d, voice)) for d in devices]) for voice in voices_of(devices)]
    rates = [1 / c["values"]["rtf"] for _, members in groups for _, c in members
             if c and c["verdict"] == "ok" and c["values"].get("rtf")]
    if not rates:
        return ""
    out = []
    for voice, members in groups:
        random = any(case and case["random"] for _, case in members)
        out.append(f"<h3>{escape(voice + (', random weights' if random else ''))}</h3>")
        out += [_speed_row(device, case, max(rates), f"s{devices.index(device) % COLOURS}")
                for device, case in members if case]
    return "".join(out)


# ---- where the time goes ---------------------------------------------------------------------

def _segment(share, label, detail, kind):
    width = len(label)
    name = f'<em class="n{width}">{escape(label)}</em>' if width <= 24 else ""
    tip = escape(f"{label} · {detail} · {results.percent(share)}", quote=True)
    return f'<i class="{kind}" style="width:{100 * share:.3f}%" data-tip="{tip}">{name}</i>'


def _operators(stage):
    """A stage's operators as shares of it, longest first; the thinnest are put together."""
    whole = max(stage["seconds"], sum(stage["operators"].values()))
    listed = sorted(stage["operators"].items(), key=lambda item: -item[1])
    seen = [(op, seconds) for op, seconds in listed if seconds >= 0.04 * whole]
    thin = [(op, seconds) for op, seconds in listed if seconds < 0.04 * whole]
    if thin:
        seen.append((", ".join(op for op, _ in thin), sum(seconds for _, seconds in thin)))
    return [(op, seconds / whole, seconds) for op, seconds in seen]


def _below(stage, index, total):
    """A stage's operators, in a frame of its width, so that they stay below it."""
    parts = [_segment(share, op, f"{stage['stage']} · {results.time(seconds)}",
                      f"g{index} {'ab'[number % 2]}")
             for number, (op, share, seconds) in enumerate(_operators(stage))]
    return (f'<div style="width:{100 * stage["seconds"] / total:.3f}%">'
            + "".join(parts) + "</div>")


def _anatomy(stages, total):
    top, below = [], []
    for stage in stages:
        first = results.SILENT.get(stage["stage"], stage["stage"])
        index = results.rank(results.STAGES, first)[0]
        kind = f"g{index if index < len(results.STAGES) else 9}"
        top.append(_segment(stage["seconds"] / total, stage["stage"],
                            results.time(stage["seconds"]), kind))
        below.append(_below(stage, index, total))
    known = any(stage["operators"] for stage in stages)
    lower = f'<div class="stack below">{"".join(below)}</div>' if known else ""
    return f'<div><div class="stack">{"".join(top)}</div>{lower}</div>'


def _stages_of(device, voice):
    """The parts of one sentence as it ran, in order, the median of the whole, and whether any of
    these was disturbed."""
    stages, whole, noisy = [], None, False
    for case in results.cases_of(device, "stage"):
        if case["voice"] == voice and case["whole"]:
            whole = results.median(case, "host")
            noisy |= bool(case.get("noisy"))
        elif case["voice"] == voice and case["part"] and results.seconds_of(case):
            stages.append({"stage": case["part"], "seconds": results.seconds_of(case),
                           "operators": case.get("operators") or {}})
            noisy |= bool(case.get("noisy"))
    order = (*results.STAGES, "copies", "host")
    return sorted(stages, key=lambda s: results.rank(
        order, results.SILENT.get(s["stage"], s["stage"]))), whole, noisy


def anatomy(devices):
    """One sentence on each device, stages above and their operators below."""
    out = []
    for voice in voices_of(devices, "stage"):
        rows = []
        for device in devices:
            stages, whole, noisy = _stages_of(device, voice)
            if stages and whole:
                # Medians of parts need not add up to that of the whole.
                total = max(whole, sum(stage["seconds"] for stage in stages))
                rows.append(row(device["label"], _anatomy(stages, total),
                                results.marked(results.time(whole), {"noisy": noisy})))
        if rows:
            out.append(f"<h3>{escape(voice)}</h3>" + "".join(rows))
    return "".join(out)


# ---- peers ---------------------------------------------------------------------------------

def _peer_bar(peer, longest):
    trouble = load.peer_trouble(peer)
    if trouble:
        return f'<div class="none">{escape(trouble)}</div>'
    ratio = peer["ratio"]
    text = results.marked(f"{results.digits(ratio['median'])}×  "
                          f"({results.digits(ratio['min'])} to {results.digits(ratio['max'])})",
                          peer)
    return bar(ratio["median"] / longest, text, "s0" if ratio["median"] >= 1 else "s7",
               f"clvits {results.time(peer['clvits']['median'])} · {peer['peer']} "
               f"{results.time(peer['other']['median'])}")


def _peer_label(peer, devices):
    """What raced with what; on which device only where there are several."""
    threads, wanted = peer.get("threads"), peer.get("wanted")
    what = filter(None, [peer["voice"], wanted and f"{wanted:g} s",
                         peer.get("batch") and f"batch of {peer['batch']}",
                         threads and f"{threads} thread{'s' * (threads != 1)}",
                         peer.get("device") if len(devices) > 1 else None])
    name = f"{peer['peer']} {peer.get('version', '')}".rstrip()
    return f"{', '.join(what)}: " + ", ".join(filter(None, [name, peer.get("settings")]))


def peers(listed):
    """How many times faster clvits was than each peer, pair by pair."""
    timed = [peer for peer in listed if not load.peer_trouble(peer)]
    longest = max((p["ratio"]["max"] for p in timed), default=0)
    devices = {peer.get("device") for peer in listed}
    if timed and longest <= 0:
        return ""
    return "".join(row(_peer_label(peer, devices), _peer_bar(peer, longest)) for peer in
                   sorted(listed, key=lambda p: (p["voice"], p["peer"], p.get("device") or "",
                                                 p.get("threads") or 0, p.get("wanted") or 0)))
