# SPDX-License-Identifier: MIT
"""Read what clvits-bench wrote (bench/FORMAT.md), and check it."""
import json
import math
from pathlib import Path

FORMAT = "clvits-bench 1"
VERDICTS = ("ok", "wrong", "failed", "skipped")
SAME = 1e-3  # the largest difference of the same audio, over the largest sample
SAME_HALVES = 10 ** (-45 / 20)  # where one of both computes in halves


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
    most = SAME_HALVES if "fp16" in (peer.get("settings") or "") else SAME
    return None if same and (peer.get("error") or 0) <= most else "not the same audio"


def _check_peer(peer, where):
    _check_texts(peer, ("peer", "voice"), where)
    _check_numbers(peer, ("threads", "ids", "wanted", "audio", "batch", "error"), where)
    if peer_trouble(peer):
        return
    _check_texts(peer, ("version",), where)
    ratio = _object(peer, "ratio", where)
    _need(all(_number(ratio.get(k)) for k in ("median", "min", "max")), where,
          "\"ratio\" lacks median, min or max")
    for name in ("clvits", "other"):
        _need(peer.get(name) is not None, where, f"\"{name}\" is missing")
        _check_time(peer, name, where)


def load(path):
    """One run as it is written, with every list and object that it might lack; Damaged when it is
    not one."""
    path = Path(path)
    _need(path.is_file() or not path.exists(), path, "is there and is not a regular file")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Damaged(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Damaged(f"{path}: damaged, or no JSON: {error}") from None
    _need(isinstance(run, dict), path, "no object; this is not a result of clvits-bench")
    _need(run.get("format") == FORMAT, path, f"\"format\" is {run.get('format')!r}, not "
          f"\"{FORMAT}\"; this is not a result of clvits-bench")
    for name in ("machine", "settings", "noise"):
        run[name] = _object(run, name, path)
    for device, where in _list(run, "devices", path, needed=True):
        _check_texts(device, ("name", "kind"), where)
        _check_numbers(device, ("peak_flops", "peak_bytes", "threads", "compute_units"), where)
    for result, where in _list(run, "results", path):
        _check_result(result, where)
    for peer, where in _list(run, "peers", path):
        _check_peer(peer, where)
    run.update(results=run.get("results") or [], peers=run.get("peers") or [])
    return run
