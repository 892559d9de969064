# SPDX-License-Identifier: MIT
"""What clvits-bench wrote, put into words."""
import math
import re
from pathlib import Path

import load

STAGES = ("text encoder", "duration predictor", "flow", "decoder")
SILENT = {"text encoder, duration predictor": "text encoder", "flow, decoder": "decoder"}
TEXTS = ("short", "medium", "long")


def _op_of(name):
    """The operator in a case's name, "ROOM/VOICE WHAT, N s"."""
    room, _, rest = name.partition("/")
    if room == "conv1d" and re.search(r"/up\d", rest):
        return "conv_transpose1d"
    words = rest.split(",")[0].split(" ", 1)
    return words[1] if room == "pointwise" and len(words) > 1 else room


def _adopt(result):
    """A result as the report uses it: with the voice and the text that its name tells."""
    case = {**result, "values": result.get("values") or {}}
    case["voice"], _, what = result["name"].partition("/")
    if result["level"] == "operator":
        case["op"] = _op_of(result["name"])
    elif result["level"] == "stage":
        whole, _, part = what.partition(": ")
        case["part"] = part if whole == "sentence" else None
        case["whole"] = what == "sentence"
    elif result["level"] == "speech":
        text, _, more = what.partition(", ")
        case["text"] = text
        case["batch"] = case["values"].get("batch", 1)
        case["single"] = text in TEXTS and not more
    case["random"] = "random weights" in (result.get("reason") or "")
    return case


def _lost(name, cases):
    reason = next((c.get("reason") for c in cases if c["verdict"] == "failed"), None)
    return {"name": name, "kind": "opencl", "lost": reason or "no reason was given"}


def read(path):
    """One run, every device with its "cases"; load.Damaged when it is not one."""
    run = load.load(path)
    devices = {device["name"]: device for device in run["devices"]}
    cases = {name: [] for name in devices}
    for result in run["results"]:
        cases.setdefault(result["device"], []).append(_adopt(result))
    for name, listed in cases.items():
        device = devices.setdefault(name, _lost(name, listed))
        device["cases"] = listed
    run.update(devices=list(devices.values()), stem=Path(path).stem)
    return run


# ---- devices -------------------------------------------------------------------------------

PLATFORMS = {"Portable Computing Language": "PoCL", "rusticl": "Rusticl", "NVIDIA CUDA": "NVIDIA"}


def _label(device):
    """What a device is called in the report: short, and different for different rows."""
    name = re.sub(r"\s+", " ", device["name"]).strip()
    if device["kind"] == "cpu":
        threads = device.get("threads")
        count = f"{threads} thread{'s' * (threads != 1)}" if threads else ""
        isa = device.get("isa") or name.partition(":")[2]
        return ", ".join(filter(None, ["CPU path", isa, count]))
    platform = PLATFORMS.get(device.get("platform", ""), device.get("platform", ""))
    name = re.sub(r"^(pthread|cpu)-[\w-]+?-(?=[A-Z])", "", name).replace("(R)", "")
    label = name if not platform or platform.lower() in name.lower() else f"{platform}: {name}"
    return f"{label}, {device['kernels']} kernels" if device.get("kernels") else label


def devices_of(runs):
    """Every device of every run, each with a "label" of its own and its "run"."""
    hosts = {run["machine"].get("cpu") for run in runs}
    devices, seen = [], {}
    for run in runs:
        for device in run["devices"]:
            label = _label(device)
            if len(hosts) > 1 and device["kind"] == "cpu":
                label = f"{device.get('device', 'unknown')}: {label}"
            devices.append(device)
            device.update(label=label, run=run)
            seen.setdefault(label, []).append(device)
    for label, alike in seen.items():
        stems = [device["run"]["stem"] for device in alike]
        told_apart = len(set(stems)) == len(alike)
        for number, device in enumerate(alike, 1):
            if len(alike) > 1:
                tag = device["run"]["stem"] if told_apart else f"no. {number}"
                device["label"] = f"{label} ({tag})"
    return devices


def cases_of(device, level):
    return [case for case in device["cases"] if case["level"] == level]


def median(case, clock):
    """Seconds by the "host" or the "device" clock; None when the case has no such time."""
    times = case.get(f"{clock}_seconds")
    return times["median"] if times and case["verdict"] == "ok" and times["median"] > 0 else None


def seconds_of(case):
    """The device's own clock where it has one, else the host's."""
    return median(case, "device") or median(case, "host")


def first_audio(device, case):
    """Seconds until a text's first chunk, or, where none was asked for early, its first piece; a
    paragraph begins as a sentence does, of which there may be a chunk alone."""
    for text in (case["text"], *(["medium"] if case["text"] == "long" else [])):
        name = f"{case['voice']}/{text}, first chunk"
        chunk = next((c for c in device["cases"] if c["name"] == name), None)
        if soon := median(chunk, "host") if chunk else None:
            return soon
    return case["values"].get("first_audio_ms", 0) / 1e3


def rank(order, value):
    return (order.index(value) if value in order else len(order), str(value))


# ---- words ---------------------------------------------------------------------------------

def digits(value, n=3):
    """n significant digits, without an exponent."""
    if not value:
        return "0"
    places = n - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):,.{max(places, 0)}f}"
    return text.replace(",", "\u2009")


def _scaled(value, units):
    for factor, unit in units:
        if value >= factor:
            return f"{digits(value / factor)}\u00a0{unit}"
    return f"{digits(value / units[-1][0])}\u00a0{units[-1][1]}"


def time(value):
    return "" if value is None else _scaled(value, [(1, "s"), (1e-3, "ms"), (1e-6, "µs")])


def size(value):
    return "" if value is None else _scaled(value, [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")])


def speed(value, unit):
    units = [(1e12, "T"), (1e9, "G"), (1e6, "M")]
    return "" if value is None else _scaled(value, [(f, p + unit + "/s") for f, p in units])


def marked(text, case):
    """With a sign that the case was disturbed while it was timed."""
    return f"{text}\u00a0~" if text and case.get("noisy") else text


def percent(value):
    return "" if value is None else f"{digits(100 * value, 2)}\u00a0%"
