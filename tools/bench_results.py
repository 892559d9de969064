# SPDX-License-Identifier: MIT
"""What tables of results share: names of devices, peaks, times, work, and Markdown."""
import pathlib
import re

PLATFORMS = {"Portable Computing Language": "PoCL", "rusticl": "Rusticl"}
STAGES = ("decoder", "flow", "text encoder", "duration predictor")


def tell_apart(found):
    """Name the file with devices that would be called the same, so that no table mixes them."""
    for threads in True, False:
        alike = {}
        for path, run, device in found:
            alike.setdefault(label(run, device, threads), []).append((path, device))
        for members in alike.values():
            stems = [pathlib.Path(path).stem for path, _ in members]
            for number, (stem, (_, device)) in enumerate(zip(stems, members), 1):
                if len(members) > 1:
                    tag = stem if stems.count(stem) == 1 else f"{stem}, no. {number}"
                    device.setdefault("tags", {})[threads] = f" ({tag})"


def label(run, device, threads=True):
    return name_of(run, device, threads) + device.get("tags", {}).get(threads, "")


def name_of(run, device, threads):
    cpu = re.sub(r"\((R|TM)\)", "", run["machine"].get("cpu", "unknown processor"))
    if device["kind"] == "cpu":
        many = f", {device['threads']} threads" if threads else ""
        return f"CPU path ({device['isa']}{many}) on {cpu}"
    platform = PLATFORMS.get(device["platform"], device["platform"])
    version = re.search(r"[\d.]+\d", device["driver"])
    name = cpu if platform in PLATFORMS.values() else device["device"]
    return f"{platform} {version.group() if version else ''} on {name}"


def halved(device, case):
    """Whether its sums are in halves, which have a peak of their own."""
    return (device.get("precision") == "fp16" and case["level"] == "stage" and
            re.search("/.*(flow|decoder)", case["name"]) is not None)


def peaks_of(device, cases):
    """Its peaks, by whether sums are in halves; 0 where that is not known.

    A look at a peak can be too low, where other work or a low clock was in its way, but not too
    high. So the highest of a run counts, of the first look and of those beside cases, and it counts
    for all that ran: a whole is then between its parts, and races and sentences, which have no look
    beside them, are measured alike. The one beside a case is no better for that case: dense
    multiply-adds were seen to lose a quarter of their clock for minutes, in which some convolutions
    lost next to nothing. What ran meanwhile has a share that is too low, never one too high.
    """
    looks = {False: [device.get("peak_flops")], True: [device.get("peak_flops_fp16")]}
    for case in cases.values():
        looks[halved(device, case)].append(case.get("peak_flops"))
    return {halves: max(filter(None, found), default=0.0) for halves, found in looks.items()}


def bandwidth_of(device, cases):
    """The highest look at copies in memory; 0 where there is none."""
    return max(filter(None, [device.get("peak_bytes"),
                             *(case.get("peak_bytes") for case in cases.values())]), default=0.0)


def time_of(case):
    """Its seconds, by the device's clock where it has one."""
    times = case.get("device_seconds") or case.get("host_seconds")
    if not times:
        raise ValueError(f"{case['name']}: it has no time")
    return times["median"]


def value(case, name):
    values = case.get("values") or {}
    if values.get(name) is None:
        raise ValueError(f"{case['name']}: \"{name}\" is missing")
    return values[name]


def marked(text, case):
    return f"{text} ~" if case.get("noisy") else text


def rows_of(heads, rows, left=1):
    return ["| " + " | ".join(heads) + " |",
            "|" + "---|" * left + "---:|" * (len(heads) - left),
            *("| " + " | ".join(row) + " |" for row in rows)]


def work_of(cases, voice):
    """A sentence's parts by their names, and the FLOP of a second of speech; None: not measured,
    or by a device that does not tell its parts apart."""
    whole = cases.get(f"{voice}/sentence")
    parts = {name: cases.get(f"{voice}/sentence: {name}") for name in (*STAGES, "copies", "host")}
    if not whole or any(not c or c["verdict"] != "ok" for c in (whole, *parts.values())):
        return None
    return parts, sum(c["flop"] for c in parts.values()) / value(whole, "audio_s")


def rank(voice):
    order = ("x-low", "low", "medium", "high", "base", "mms")
    return (order.index(voice), voice) if voice in order else (len(order), voice)


def span(form, numbers):
    """The least and the largest of these."""
    return " to ".join(dict.fromkeys(form.format(f(numbers)) for f in (min, max) if numbers))
