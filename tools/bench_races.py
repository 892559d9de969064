# SPDX-License-Identifier: MIT
"""Tables of what bench/peers added to results: races against other runtimes."""
import pathlib
import shlex
import sys
import textwrap

from bench_results import bandwidth_of, label, marked, peaks_of, rank, rows_of, span, work_of

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench" / "peers"))
import race as racing

GOAL, GOAL_ONE, GOAL_OPENCL = 2.5, 1.8, 2.0 # against ONNX Runtime: all threads, one, OpenCL


def races(results):
    """The lines of a table with what bench/peers added: every race of a voice, side by side."""
    found, columns = {}, []
    for run, device, cases in results:
        for peer in run.get("peers", []):
            if peer.get("device") != device["device"] or "wanted" not in peer:
                continue
            column = " ".join(filter(None, [peer["peer"], peer.get("version"),
                                            peer.get("settings")]))
            columns += [column] if column not in columns else []
            key = (label(run, device, threads=False), peer["voice"], -peer["threads"],
                   peer.get("batch", 1), peer["wanted"])
            found.setdefault(key, {})[column] = (peer, *race(peer, device, cases))
    if not found:
        return []
    devices = list(dict.fromkeys(key[0] for key in found))
    rows = []
    for key in sorted(found, key=lambda key: (devices.index(key[0]), rank(key[1]), *key[2:])):
        device, voice, threads, batch, wanted = key
        peers = [peer for peer, _, _ in found[key].values()]
        audio = next((peer["audio"] for peer in peers if "audio" in peer), wanted)
        cells = [found[key].get(column, (None, "", 0.0)) for column in columns]
        times = f"{batch} x " if batch > 1 else ""
        rows.append([device, voice, f"{times}{audio:.1f} s", str(-threads),
                     span("{:.0f} %", [100 * own for _, _, own in cells if own]),
                     *(text for _, text, _ in cells)])
    pairs = [peer["clvits"].get("runs", 0) for cells in found.values()
             for peer, _, _ in cells.values() if "ratio" in peer]
    text = ("How many times as fast as another runtime with the same voice, text and number of "
            f"threads, in turns: the median of {span('{:.0f}', pairs)} pairs of runs, and their "
            "range; and how much of the peak of so many threads each does, about: the highest one "
            "that was seen in the run of the bench. Convolutions count as direct ones, so that "
            "Toom-Cook forms can come to more than the peak. ~ marks races that were disturbed: "
            f"the middle half of a side's own runs differs by more than {100 * racing.SPREAD:.0f} "
            "% of their median.")
    return ["", textwrap.fill(text, 100), "",
            *rows_of(["device", "voice", "speech", "threads", "clvits, of the peak", *columns],
                     rows, left=2)]


def race(peer, device, cases):
    """What became of a race, and what clvits did of the peak, 0 where that is not known."""
    if "ratio" not in peer:
        return "failed" if "failed" in peer else "wrong", 0.0
    ratio, noise = peer["ratio"], {"noisy": racing.disturbed(peer)}
    text = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
    shares = race_shares(peer, device, cases)
    if not shares:
        return marked(text, noise), 0.0
    # Another device has another peak, and so have halves.
    known = not any(word in peer.get("settings", "") for word in ("cuda", "fp16"))
    return marked(f"{text}, {100 * shares[0]:.0f} %" if known else text, noise), shares[1]


def race_work(peer, cases):
    return work_of(cases, {"high": "base"}.get(peer["voice"], peer["voice"]))


def race_shares(peer, device, cases):
    """What the other one and clvits did of the peak of so many threads; None: not known."""
    work, peak = race_work(peer, cases), peaks_of(device, cases)[False]
    threads = device.get("threads") or device.get("compute_units")
    if not work or not threads or not peak:
        return None
    flop = work[1] * peer["audio"] * peer.get("batch", 1) * threads / peer["threads"]
    return [flop / peer[who]["median"] / peak for who in ("other", "clvits")]


def goal_of(device, peer):
    """How many times as fast as ONNX Runtime, as it is by default, clvits is to be."""
    return GOAL_OPENCL if device["kind"] != "cpu" else GOAL_ONE if peer["threads"] == 1 else GOAL


def missed(results):
    """Races below the goal, and what the goal would be of the machine's peaks."""
    rows, raced = [], 0
    for run, device, cases in results:
        for peer in sorted(run.get("peers", []), key=lambda peer: rank(peer["voice"])):
            if (peer["peer"], peer.get("settings"), peer.get("device")) != (
                    "onnxruntime", "defaults", device["device"]) or (
                        "ratio" not in peer or peer.get("batch", 1) > 1):
                continue
            raced += 1
            shares, goal = race_shares(peer, device, cases), goal_of(device, peer)
            if peer["ratio"]["median"] >= goal or not shares:
                continue
            parts, rate = race_work(peer, cases)
            flop, left, moved = (sum(of(c) for c in parts.values()) for of in (
                lambda c: c["flop"], lambda c: c.get("multiplied", c["flop"]),
                lambda c: c.get("bytes", 0.0)))
            moved *= rate / flop * peer["audio"] * goal / peer["other"]["median"]
            copied = bandwidth_of(device, cases)
            rows.append([label(run, device, threads=False), peer["voice"],
                         f"{peer['audio']:.1f} s", f"{peer['threads']}",
                         marked(f"{peer['ratio']['median']:.2f} of {goal}",
                                {"noisy": racing.disturbed(peer)}), f"{100 * shares[0]:.0f} %",
                         *(f"{100 * own:.0f} % ({100 * own * left / flop:.0f} %)"
                           for own in (goal * shares[0], shares[1])),
                         f"{100 * moved / copied:.0f} %" if copied else ""])
    if not rows:
        return "No race below the goal was measured."
    text = (f"The races against ONNX Runtime, as it is by default, that miss the goal: {len(rows)} "
            f"of {raced}. Three shares of the peak of multiply-adds: of ONNX Runtime; of clvits, "
            "if it met the goal; and of clvits as it is. In brackets what Toom-Cook forms leave of "
            "it to multiply, their transforms not counted. Last, how much of the memory's "
            "bandwidth the goal would take, with what layers read and write counted once.")
    return "\n".join([textwrap.fill(text, 100), "", *rows_of(
        ["device", "voice", "speech", "threads", "times as fast", "ONNX Runtime, of the peak",
         "the goal", "clvits", "memory, at the goal"], rows, left=2)])


def commands(results):
    """By which all was measured: of the bench as it was given, of races what comes to the same."""
    lines, raced = [], {}
    for run, device, _ in results:
        if run.get("command"):
            lines.append(shlex.join(run["command"]))
        for peer in run.get("peers", []):
            if peer.get("device") == device["device"] and "ratio" in peer:
                pairs = len(peer["clvits"].get("samples", []))
                key = (f"--device {shlex.quote(device.get('platform', 'cpu'))}",
                       f"--threads {peer['threads']}", f"--pairs {pairs}" if pairs else "",
                       f"--batch {peer['batch']}" if "batch" in peer else "", torch_of(peer))
                raced.setdefault(key, []).append(peer)
    for key, peers in raced.items():
        lines += [" ".join(filter(None, ["python3 bench/peers", *key, which]))
                  for which in races_of(peers)]
    return ["", "Measured with", "",
            *(f"    {line}" for line in dict.fromkeys(lines))] if lines else []


def torch_of(peer):
    """The options by which it races."""
    words = peer.get("settings", "").split(", ")
    return " ".join(["--torch", *(["--torch-device cuda"] if "cuda" in words else []),
                     *(["--torch-dtype fp16"] if "fp16" in words else [])
                     ]) if peer["peer"] == "torch" else ""


def races_of(peers):
    """The options that choose these races, for all voices of the same seconds at once."""
    if any(peer["voice"].startswith("alignment, ") for peer in peers):
        yield "--alignment"
    turns = {(peer["voice"], peer["wanted"]) for peer in peers if "wanted" in peer}
    seconds = {}
    for voice, wanted in sorted(turns, key=lambda turn: (rank(turn[0]), turn[1])):
        seconds[voice] = ",".join(filter(None, [seconds.get(voice), f"{wanted:g}"]))
    for same in dict.fromkeys(seconds.values()):
        voices = ",".join(voice for voice in seconds if seconds[voice] == same)
        yield f"--voices {voices} --seconds {same}"
