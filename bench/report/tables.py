# SPDX-License-Identifier: MIT
"""The numbers behind the pictures, as tables."""
from html import escape

import load
import results
from results import digits, marked, percent, size, speed, time


def _table(heads, rows):
    """Columns that are empty in every row are left out."""
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    if not rows:
        return ""
    head = "".join(f"<th>{escape(heads[i])}</th>" for i in kept)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(row[i]))}</td>" for i in kept) + "</tr>"
                   for row in rows)
    return f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def _late(case):
    times = case.get("host_seconds")
    return times.get("p95") if times and case["verdict"] == "ok" else None


def _number(value):
    return digits(value) if isinstance(value, (int, float)) and value else ""


def _machine_row(device):
    return [device["label"], device.get("platform", ""), device.get("driver", ""),
            str(device.get("compute_units") or device.get("threads") or ""),
            speed(device.get("peak_flops"), "FLOP"), speed(device.get("peak_bytes"), "B"),
            "lost" if device.get("lost") else ""]


def _most(values, start):
    listed = [v for name, v in values.items() if name.startswith(start)]
    return size(1e6 * max(listed)) if listed else ""


def _builds(case):
    """What the driver took to compile programs, and to take those of the cache."""
    return [time(case.get(name) or None) for name in ("compile_seconds", "load_seconds")]


def _speech_row(case):
    v = case["values"]
    first = v.get("first_audio_ms")
    return [case["name"], case["verdict"], time(v.get("audio_s")),
            marked(_number(v.get("rtf")), case),
            marked(time(results.median(case, "host")), case), time(_late(case)),
            time(first / 1e3 if first else None), *_builds(case),
            time(v.get("voice_open_s") or None), _most(v, "peak_host_mb"),
            _most(v, "peak_device_mb"), case.get("reason") or ""]


def _work_row(case):
    seconds = results.seconds_of(case)
    rates = [speed(case[name] / seconds, unit) if seconds and case.get(name) else ""
             for name, unit in (("flop", "FLOP"), ("bytes", "B"))]
    error = f"{case['error']:.0e}" if case.get("error") else ""
    device, host = (marked(time(results.median(case, clock)), case)
                    for clock in ("device", "host"))
    return [case["name"], case["verdict"], device, host, time(_late(case)), *rates,
            percent(case.get("roofline") or None), error, *_builds(case),
            time(case.get("first_seconds") or None), case.get("reason") or ""]


MACHINE_HEADS = ["device", "platform", "driver", "units", "fp32", "memory", "state"]
SPEECH_HEADS = ["case", "result", "audio", "RTF", "median", "95 %", "first piece", "compiling",
                "cached", "voice opened", "host memory", "device memory", "note"]
WORK_HEADS = ["case", "result", "device clock", "host clock", "95 %", "FLOP/s", "bytes/s",
              "of roof", "error", "compiling", "cached", "first run", "note"]
LEVELS = (("speech", SPEECH_HEADS, _speech_row), ("stage", WORK_HEADS, _work_row),
          ("operator", WORK_HEADS, _work_row), ("machine", WORK_HEADS, _work_row))


def _details(title, content, is_open=False):
    return (f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>{content}"
            f"</details>") if content else ""


def everything(devices):
    out = [_details("Devices and their ceilings",
                    _table(MACHINE_HEADS, [_machine_row(d) for d in devices]), True)]
    for level, heads, make_row in LEVELS:
        for device in devices:
            rows = [make_row(case) for case in results.cases_of(device, level)]
            out.append(_details(f"{device['label']}: {level}", _table(heads, rows),
                                level == "speech"))
    return "".join(out)


def _peer_row(peer):
    same = {True: "equal", False: "different", None: ""}
    error = f"{peer['error']:.0e}" if isinstance(peer.get("error"), float) else ""
    trouble = load.peer_trouble(peer)
    times = ["", "", "", ""]
    if not trouble:
        ratio = peer["ratio"]
        times = [time(peer["clvits"]["median"]), time(peer["other"]["median"]),
                 digits(ratio["median"]), f"{digits(ratio['min'])} to {digits(ratio['max'])}"]
    return [peer["voice"], peer.get("device", ""), f"{peer['peer']} {peer.get('version', '')}",
            peer.get("settings", ""),
            str(peer.get("threads", "")), str(peer.get("ids", "")), time(peer.get("audio")),
            *times, same[peer.get("durations_equal")], same[peer.get("samples_equal")], error,
            trouble or ""]


def peers(listed):
    heads = ["voice", "device", "runtime", "settings", "threads", "symbols", "audio", "clvits",
             "other", "times faster", "range", "durations", "samples", "difference", "note"]
    return _table(heads, [_peer_row(peer) for peer in listed])
