# SPDX-License-Identifier: MIT
"""Read what clvits-bench wrote (bench/FORMAT.md), check it, and put it into words."""
import json
import math
import re
from pathlib import Path

FORMAT = "clvits-bench 1"
STAGES = ("text encoder", "duration predictor", "flow", "decoder")
SILENT = {"text encoder, duration predictor": "text encoder", "flow, decoder": "decoder"}
TEXTS = ("short", "medium", "long")
VERDICTS = ("ok", "wrong", "failed", "skipped")
SAME = 1e-3  # the largest difference of the same audio, over the largest sample


class Damaged(Exception):
    """A file that cannot be shown; its text says where it is wrong."""


def _need(condition, where, what):
    if not condition:
        raise Damaged(f"{where}: {what}")


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_numbers(entry, names, where):
    for name in names:
        if entry.get(name) is not None:
            _need(_number(entry[name]) and entry[name] >= 0, where,
                  f"\"{name}\" is {entry[name]!r}, not a number from 0 up")


def _check_texts(entry, names, where):
    for name in names:
        _need(isinstance(entry.get(name), str), where, f"\"{name}\" is missing, or is no text")


def _list(entry, name, where, needed=False):
    """The objects in the list of that name, each with the words for where it stands."""
    items = entry.get(name)
    if items is None and not needed:
        return []
    _need(isinstance(items, list), where, f"\"{name}\" is missing, or is no list")
    for index, item in enumerate(items):
        _need(isinstance(item, dict), f"{where}, {name}[{index}]", "not an object")
    return [(item, f"{where}, {name}[{index}]") for index, item in enumerate(items)]


def _object(entry, name, where):
    value = entry.get(name) or {}
    _need(isinstance(value, dict), where, f"\"{name}\" is no object")
    return value


def _check_time(entry, name, where):
    if entry.get(name) is not None:
        times = _object(entry, name, where)
        _need(_number(times.get("median")), where, f"\"{name}\" has no median")
        _check_numbers(times, ("min", "median", "p95"), f"{where}, \"{name}\"")


def _check_result(result, where):
    _check_texts(result, ("device", "level", "name", "verdict"), where)
    where = f"{where} ({result['name']})"
    _need(result["verdict"] in VERDICTS, where,
          f"verdict \"{result['verdict']}\" is none of {', '.join(VERDICTS)}")
    for name in ("device_seconds", "host_seconds"):
        _check_time(result, name, where)
    _check_numbers(result, ("flop", "bytes", "error", "first_seconds", "compile_seconds",
                            "load_seconds", "compiled", "loaded", "roofline", "peak_flops",
                            "peak_bytes"), where)
    for name in ("values", "operators"):
        numbers = _object(result, name, where)
        _check_numbers(numbers, numbers, f"{where}, \"{name}\"")


def peer_trouble(peer):
    """Why there is nothing to show of a race, or None."""
    if peer.get("failed"):
        return f"could not run: {peer['failed']}"
    if peer.get("wrong"):
        return f"not the same audio: {peer['wrong']}"
    same = peer.get("durations_equal", True) and peer.get("samples_equal", True)
    return None if same and (peer.get("error") or 0) <= SAME else "not the same audio"


def _check_peer(peer, where):
    _check_texts(peer, ("peer", "voice"), where)
    _check_numbers(peer, ("threads", "ids", "wanted", "audio", "error"), where)
    if peer_trouble(peer):
        return
    _check_texts(peer, ("version",), where)
    ratio = _object(peer, "ratio", where)
    _need(all(_number(ratio.get(k)) for k in ("median", "min", "max")), where,
          "\"ratio\" lacks median, min or max")
    for name in ("clvits", "other"):
        _need(peer.get(name) is not None, where, f"\"{name}\" is missing")
        _check_time(peer, name, where)


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
    """One run, checked, every device with its "cases"; Damaged when it is not one."""
    path = Path(path)
    _need(path.is_file() or not path.exists(), path, "is there and is not a regular file")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Damaged(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Damaged(f"{path}: damaged, or no JSON: {error}") from None
    _need(isinstance(run, dict), path, "no object; this is not a result of clvits-bench")
    _need(run.get("format") == FORMAT, path,
          f"\"format\" is {run.get('format')!r}; this report reads \"{FORMAT}\"")
    for name in ("machine", "settings", "noise"):
        run[name] = _object(run, name, path)
    devices = {}
    for device, where in _list(run, "devices", path, needed=True):
        _check_texts(device, ("name", "kind"), where)
        _check_numbers(device, ("peak_flops", "peak_bytes", "threads", "compute_units"), where)
        devices[device["name"]] = device
    cases = {name: [] for name in devices}
    for result, where in _list(run, "results", path):
        _check_result(result, where)
        cases.setdefault(result["device"], []).append(_adopt(result))
    for name, listed in cases.items():
        device = devices.setdefault(name, _lost(name, listed))
        device["cases"] = listed
    for peer, where in _list(run, "peers", path):
        _check_peer(peer, where)
    run.update(devices=list(devices.values()), peers=run.get("peers") or [], stem=path.stem)
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
    paragraph begins as a sentence does."""
    text = "medium" if case["text"] == "long" else case["text"]
    name = f"{case['voice']}/{text}, first chunk"
    chunk = next((c for c in device["cases"] if c["name"] == name), None)
    soon = median(chunk, "host") if chunk else None
    return soon or case["values"].get("first_audio_ms", 0) / 1e3


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
