#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""program.py PROGRAM KERNELS: clvits-bench tells right from wrong and slow from fast.

Runs on the CPU path and on the OpenCL device that CLVITS_TEST_DEVICE names, else the first one.
"""

import copy
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM, KERNELS = sys.argv[1:3]
FAILURES = []


def expect(condition, what):
    if not condition:
        FAILURES.append(what)
        print("FAILED:", what)


# What a quick run says of what it has no time for.
HURRIED = ("no time was left for it", "it took longer than a quick run may")
TRIES = 5


def run(*arguments, **environment):
    done = subprocess.run([PROGRAM, *arguments], env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(done.stdout)
    return done


def run_all(path, *arguments, **environment):
    """A run that leaves nothing out: what a quick run had no time for on a slow machine, the next
    one may have, which finds more kernels built."""
    for _ in range(TRIES):
        done = run(*arguments, "-j", str(path), **environment)
        result = json.loads(path.read_text())
        hurried = sum(r.get("reason") in HURRIED for r in result["results"])
        expect(hurried == int(re.search(r"(?:No time was left for (\d+) case|$)",
                                        done.stdout)[1] or 0), "what to do about haste is said")
        if not hurried:
            break
    return done, result


def expect_once(measure):
    """Times that other work on the machine may disturb, but not again and again: measure() returns
    pairs as expect() takes them."""
    for _ in range(TRIES):
        found = measure()
        if all(condition for condition, _ in found):
            return
    for condition, what in found:
        expect(condition, what)


def device():
    """The OpenCL device under test, or None."""
    name = os.environ.get("CLVITS_TEST_DEVICE", "0")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a.json")
        done = run("-d", name, "-q", "-f", "flip/", "-j", str(path))
        return name if not name.startswith("cpu") and done.returncode != 2 and \
            json.loads(path.read_text())["devices"] else None


def usage(folder):
    """What is asked for wrongly costs no time, and is named beside what there is."""
    one = ("-d", "cpu", "-q", "-s", "0.005", "-l", "operator")
    none = str(folder / "none" / "a")
    for bad, code, named in ((("-l", "machine,stages"), 2, '"stages": there are machine, operator'),
                             (("-p", "fp8"), 2, '"fp8": there are fp32, fp16-storage and fp16'),
                             (("-k", "tpu"), 2, '"tpu": there are gpu and cpu'),
                             (("-d", "no such"), 2, '"no such"'),
                             (("-d", "cpu:386"), 2, '"386": there are baseline'),
                             (("-s", "nonsense"), 2, "-s nonsense: give a number from"),
                             (("-s", "-1"), 2, "-s -1"), (("--seconds=0",), 2, "--seconds=0"),
                             (("-t", "nonsense"), 2, "-t nonsense: give a whole number from 1"),
                             (("-t", "2.5"), 2, "-t 2.5"), (("surplus",), 2, '"surplus"'),
                             (("compar", "a", "b"), 2, "there are compare, report and launches"),
                             (("launches", "bogus"), 2, 'no argument, and "bogus" is one'),
                             (("--jsn", "x"), 2, "--jsn"), (("-j",), 2, "-j wants a value"),
                             (("-c", ""), 2, "-c: the value is empty"),
                             (("--filter=",), 2, "--filter: the value is empty"),
                             (("compare", "-t", "", "a"), 2, "-t: the value is empty"),
                             ((*one, "--wait", "1"), 2, "give it or --wait"),
                             ((*one, "-f", "zzz"), 2, 'no case has "zzz" in its name'),
                             ((*one, "-j", none), 3, f"{none} cannot be written: No such file"),
                             ((*one, "--csv", none), 3, f"{none} cannot be written: No such file")):
        done = run(*bad)
        expect(done.returncode == code and named in done.stdout and "GFLOP" not in done.stdout,
               f"{bad} is refused, with code {code}, and said why")
    for variable, value in (("CPU", "386"), ("FAMILY", "tpu"), ("MEMORY", "lots"),
                            ("RECORD", "yes"), ("THREADS", "0"), ("TRUST", "none")):
        done = run(*one, **{f"CLVITS_{variable}": value})
        expect(done.returncode == 2 and done.stdout.count("\n") == 1 and
               f'clvits-bench: CLVITS_{variable} "{value}"' in done.stdout,
               f"what is wrong with {variable} is said")
    done = run("--version")
    expect(done.returncode == 0 and
           re.fullmatch(r"clvits-bench \d+\.\d+\.\d+, kernels [0-9a-f]{12}\n", done.stdout),
           "it says its version")
    path = folder / "threads.json"
    done = run(*one, "-f", "flip/", "-j", str(path), CLVITS_THREADS="1", CLVITS_CPU="baseline",
               CLVITS_MEMORY="64M", CLVITS_RECORD="off")
    result = json.loads(path.read_text())
    cpu, = result["devices"]
    expect(done.returncode == 0 and (cpu["threads"], cpu["isa"]) == (1, "baseline"),
           "the environment counts where options say nothing")
    expect((result["settings"]["memory_limit"], result["settings"]["record"]) == (64 << 20, "off"),
           f"the file says so: {result['settings']}")
    path = folder / "refused.json"
    done, result = run_all(path, "-d", "cpu", "-q", "-p", "fp16", "-l", "machine,stage")
    records = result["results"]
    expect(done.returncode == 3 and [(r["name"], r["level"]) for r in records
                                     if r["verdict"] == "failed"] == [("precision", "stage")]
           and sum(r["verdict"] == "ok" for r in records) >= 2,
           "a precision that a device has not costs stages and speech, not the machine's figures")
    done, result = run_all(path, "-d", "cpu", "-q", "-p", "fp16", "-l", "speech", "-f", "/short")
    expect([(r["name"], r["level"]) for r in result["results"]] == [("precision", "speech")],
           "where stages were not asked for, it is speech's")


def clocks(result):
    """Clocks are told as far as the system knows them, and what limits devices."""
    known = re.search(r"(?m)^cpu MHz\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text())
    expect(bool(known) == ("cpu_mhz_at_start" in result["machine"]) and
           (not known or float(result["machine"]["cpu_mhz_at_start"]) > 100),
           "the processor's clock is that of the system")
    most = pathlib.Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq")
    expect(result["machine"].get("cpu_khz_most") ==
           (most.read_text().strip() if most.exists() else None), "so is the most that it may be")
    expect(all(d.get("clock_mhz", 1) > 0 and float(d.get("clock_mhz", 1)).is_integer()
               for d in result["devices"]), "a device's clock is a number of MHz")
    expect(all("clock_mhz" in d for d in result["devices"] if "Portable" in d.get("platform", "")),
           "PoCL knows one")
    expect(result["settings"]["memory_limit"] == 0 and result["settings"]["record"] == "auto",
           "no limit was set, and recording is left to the device")


ROOMS = {"conv1d", "attention", "norm", "pointwise", "spline", "embedding", "matmul", "durations",
         "prior", "normal", "sample", "flip", "concat", "sum", "search", "loss", "slice_rows",
         "fold", "likelihood", "wavenet", "separable", "spectrogram", "mel"}


def small(folder, name):
    """All that a quick run has on the CPU path, and what a device takes less long to build."""
    result = quick(folder, "cpu", "machine,operator")
    expect(ROOMS <= {r["name"].split("/")[0] for r in result["results"]
                     if r["level"] == "operator"}, "every room has a case")
    for levels, *cases in (("machine",), ("operator", "-f", "/base, 1 s")) if name else ():
        more = quick(folder, name, levels, *cases)
        result["devices"] = result["devices"][:1] + more["devices"]
        result["results"] += more["results"]
    return result


def quick(folder, name, levels, *cases):
    """A small run makes the promised fields."""
    path, table = folder / "quick.json", folder / "quick.csv"
    done = run("-d", name, "-q", "-s", "0.005", "-l", levels, *cases, "-j", str(path),
               "--csv", str(table))
    result = json.loads(path.read_text())
    refused = any(r["verdict"] == "failed" for r in result["results"])
    expect(done.returncode == (3 if refused else 0), "a quick run ends well")
    for key in ("format", "date", "version", "kernels", "compiler", "command", "settings",
                "machine", "noise", "devices", "results"):
        expect(key in result, f"the file says {key}")
    expect(result["complete"] is True, "the run came to its end")
    for key in ("cpu", "memory", "processors", "system", "architecture", "load_at_start"):
        expect(key in result["machine"], f"the machine has {key}")
    clocks(result)
    expect(str(folder) not in path.read_text() and socket.gethostname() not in path.read_text(),
           "no folder and no host is named")
    expect(result["command"][0] == "clvits-bench" and "quick.json" in result["command"],
           "the command line is there, without folders")
    expect(len(result["devices"]) == 1, "the device is described")
    for found in result["devices"]:
        expect(found["peak_flops"] > 1e8 and found["peak_bytes"] > 1e7, "peaks were measured")
        if found["kind"] == "opencl":
            expect(found["driver"] and found["opencl"], "an OpenCL device has driver and version")
        if "machine" not in levels:
            continue
        half = next(r for r in result["results"] if r["name"] == "multiply-add, fp16"
                    and r["device"] == found["name"])
        # A driver may offer what its compiler then refuses.
        expect(half["verdict"] in (("ok", "failed") if found.get("fp16_offered")
                                   else ("skipped",)) or half["reason"] in HURRIED,
               "fp16 is measured where it is offered")
        expect((half["verdict"] == "ok") == ("peak_flops_fp16" in found) and
               (half["verdict"] == "ok" or half["reason"]), "what was measured is its peak")
    for record in result["results"]:
        expect(record["verdict"] in ("ok", "skipped") or record["name"] == "multiply-add, fp16",
               f"{record['name']} is right")
        if record["level"] != "operator" or record["verdict"] != "ok":
            continue
        for times in (record["device_seconds"], record["host_seconds"]):
            expect(0 <= times["min"] <= times["median"] <= times["p95"] and times["samples"],
                   f"{record['name']} has times in order")
        expect(record["bytes"] > 0 and record["error"] <= 1e-4, f"{record['name']} is described")
        noise = record["noise"]
        expect(all(noise[k] >= 0 for k in ("spread", "drift", "others", "stolen", "switches"))
               and (record["noisy"] or noise["spread"] <= 0.1),
               f"{record['name']} says what disturbed it")
    expect(result["noise"]["noisy"] == sum(r.get("noisy", False) for r in result["results"])
           and re.search(r"The machine was (noisy|quiet|not quiet): \d+ of \d+", done.stdout),
           "the run says how quiet the machine was")
    expect(len(table.read_text().splitlines()) == len(result["results"]) + 1,
           "the CSV file is whole")
    lines = done.stdout.splitlines()
    end = next(line.index("host") + len("host") for line in lines if line.startswith("case "))
    timed = [line for line in lines if re.match("(machine|operator) ", line) and
             not re.search("(skipped|failed|wrong): ", line)]
    expect(timed and all(re.search("( [mu]s|  -)$", line[:end]) for line in timed),
           "columns are straight")
    return result


def every_opencl(folder):
    """No OpenCL device is left out, and of two that have one name each has its own."""
    names = {}
    for which, options in ("all", ()), ("opencl", ("-d", "opencl")):
        path = folder / f"{which}.json"
        run(*options, "-q", "-s", "0.005", "-l", "operator", "-f", "flip/", "-j", str(path),
            POCL_DEVICES="pthread pthread")
        result = json.loads(path.read_text())
        names[which] = [d["name"] for d in result["devices"]]
        expect({r["device"] for r in result["results"]} == set(names[which]), "each is measured")
    expect(names["opencl"] and names["all"] == ["cpu", *names["opencl"]] and
           len(set(names["opencl"])) == len(names["opencl"]), f"all are there: {names}")
    (folder / "icd").mkdir()
    done = run("-d", "opencl", "-q", "-f", "flip/", OCL_ICD_VENDORS=str(folder / "icd"))
    expect(done.returncode == 2 and "there is no OpenCL device here" in done.stdout,
           "where there is none, that is said")


def many_terms(folder, name):
    """What rounding makes of long sums is not wrong."""
    path = folder / "terms.json"
    done = run("-d", name, "-s", "0.005", "-l", "operator", "-f", "wavenet/base gate, 10 s", "-j",
               str(path))
    record, = json.loads(path.read_text())["results"]
    expect(done.returncode == 0 and record["error"] < 1.4e-5, f"a gate over 960 terms: {record}")


def whole_voice(folder):
    """The embedded voice on the CPU path: stages and speech."""
    path, by_name = folder / "voice.json", {}

    def measure(level, name):
        done, result = run_all(path, "-d", "cpu", "-q", "-s", "0.005", "-l", level, "-f", name)
        expect(done.returncode == 0, f"the embedded voice is measured: {level}")
        by_name.update({r["name"]: r for r in result["results"]})

    def stages():
        measure("stage", "/")
        alone = by_name["mini (embedded)/sentence"]["values"]["alone"]
        noisy = any(r.get("noisy") for r in by_name.values() if r["level"] == "stage")
        return [(abs(alone - 1) <= 0.1 or noisy,
                 f"on a quiet machine they take {alone} of the whole")]

    expect_once(stages)
    measure("speech", "/short")
    for stage in ("text encoder", "duration predictor", "flow", "decoder, window 1", "sentence"):
        expect(f"mini (embedded)/{stage}" in by_name, f"there is a record of the {stage}")
    decoder = by_name["mini (embedded)/decoder, window 1"]
    parts, whole = decoder["operators"], decoder["device_seconds"]["median"]
    expect({"conv1d", "conv_transpose1d"} <= parts.keys() and
           0.9 * whole < sum(parts.values()) < 1.1 * whole, "operators make up their stage")
    whole = by_name["mini (embedded)/sentence"]
    alone = whole["values"]["alone"]
    expect((abs(alone - 1) > 0.1) == ("stages alone" in whole["reason"]) or
           "do not add up" in whole["reason"], "stages that take something else alone are noted")
    for part in ("duration predictor", "sentence: flow", "decoder, window 1"):
        done, result = run_all(path, "-d", "cpu", "-q", "-s", "0.005", "-f", f"/{part}")
        names = [r["name"] for r in result["results"]]
        expect(done.returncode == 0 and names == [f"mini (embedded)/{part}"],
               f"{part} alone can be asked for: {names}")
    chunk = by_name["mini (embedded)/short, first chunk"]
    expect(chunk["verdict"] == "ok" and 0 < chunk["error"] < 1e-3 and
           chunk["host_seconds"]["min"] > 0 and 0 < chunk["values"]["chunk_s"] < 0.3,
           f"the first chunk is the speech's, and timed: {chunk}")
    short = by_name["mini (embedded)/short"]["values"]
    expect(short["rtf"] > 0 and short["audio_s"] > 0.1 and short["first_audio_ms"] > 0,
           "speech has a real-time factor and a latency")


def first_words(folder):
    """A generated voice is opened from a file, cold and warm, which is gone afterwards."""
    path, place = folder / "first.json", folder / "place"
    place.mkdir()
    done = run("-d", "cpu", "-s", "0.005", "-l", "speech", "-f", "x-low/first words", "-j",
               str(path), TMPDIR=str(place))
    records = {r["name"]: r for r in json.loads(path.read_text())["results"]}
    expect(done.returncode == 0 and records.keys() == {"x-low/first words, cold",
                                                       "x-low/first words, warm"},
           f"both are measured: {records.keys()}")
    for record in records.values():
        values = record["values"]
        expect(0 < values["voice_open_s"] < record["host_seconds"]["median"] and
               0 <= values.get("voice_in_memory", 0) <= 1, f"opening is a part: {record}")
    expect(not list(place.iterdir()), "nothing is left")
    # A signal while the file is there.
    with subprocess.Popen([PROGRAM, "-d", "cpu", "-l", "speech", "-f", "x-low/first words"],
                          env={**os.environ, "TMPDIR": str(place)},
                          stdout=subprocess.DEVNULL) as started:
        while started.poll() is None and not list(place.glob("*/*")):
            time.sleep(0.01)
        started.send_signal(signal.SIGINT)
        code = started.wait(timeout=120)
    expect(code in (0, 130) and not list(place.iterdir()), f"nor after a signal: {code}")


def builds(result):
    """What a driver compiled is told apart from all that a first run takes."""
    compiled = 0
    for record in result["results"]:
        opencl = any(d["name"] == record["device"] and d["kind"] == "opencl"
                     for d in result["devices"])
        expect(opencl == ("compile_seconds" in record), f"{record['name']}: an OpenCL device's")
        if opencl and record["verdict"] == "ok":
            expect((record["compiled"] > 0) == (record["compile_seconds"] > 0) and
                   record["loaded"] == record["load_seconds"] == 0 and
                   (record["level"] != "operator" or
                    record["compile_seconds"] <= record["first_seconds"] + 0.1),
                   f"without a cache programs are compiled: {record}")
            compiled += record["compiled"]
    expect(compiled > 0 or len(result["devices"]) == 1, f"{compiled} programs were compiled")


def cached(folder, name):
    """A program that the cache folder has is not compiled."""
    found = []
    for which in "cold", "warm":
        path = folder / f"{which}.json"
        run("-d", name, "-q", "-s", "0.005", "-l", "operator", "-f", "flip/", "-c",
            str(folder / "cache"), "-j", str(path))
        found += json.loads(path.read_text())["results"]
    cold, warm = found
    expect((cold["compiled"], cold["loaded"]) == (1, 0) and cold["compile_seconds"] > 0,
           f"the first run compiles: {cold}")
    expect((warm["compiled"], warm["loaded"]) == (0, 1) and warm["load_seconds"] > 0,
           f"the second one loads: {warm}")


def sentence(folder, name):
    """The stages of one sentence, as it ran, and what the host took add up to it."""
    expect_once(lambda: sentence_once(folder / "sentence.json", name))


def sentence_once(path, name):
    done, result = run_all(path, "-d", name, "-q", "-s", "0.005", "-l", "stage", "-f", "/sentence")
    expect(done.returncode == 0, f"a sentence is taken apart on {name}")
    records = {r["name"].split("/")[1]: r for r in result["results"]}
    whole = records.pop("sentence")
    parts = [r.get("device_seconds") or r["host_seconds"] for r in records.values()]
    total = whole["host_seconds"]
    # Where others' work makes runs differ, the medians are those of different runs.
    found = [(total["spread"] > 0.2 or
              abs(sum(p["median"] for p in parts) / total["median"] - 1) <= 0.1,
              "the parts' medians add up to the whole within 10 %")]
    for run_parts in zip(total["samples"], *(p["samples"] for p in parts)):
        expect(abs(sum(run_parts[1:]) / run_parts[0] - 1) <= 0.1, "so does every run")
    if "sentence: host" not in records: # the device keeps its times to itself
        return found
    expect(records.keys() == {f"sentence: {part}" for part in (
        "text encoder", "duration predictor", "flow", "decoder", "copies", "host")},
           "there is a record of every part")
    decoder = records["sentence: decoder"]
    expect(0.99 < sum(decoder["operators"].values()) /
           statistics.mean(decoder["device_seconds"]["samples"]) < 1.01,
           "the decoder's time is that of its operators")
    host = records["sentence: host"]["host_seconds"]
    found.append((name != "cpu" or host["median"] < 0.1 * total["median"],
                  "on the CPU path the host has little of its own to do"))
    # A GPU may well be faster than it is fed; where both share the processor, others' work makes
    # gaps between launches, but not in every run.
    least = min(h / t for h, t in zip(host["samples"], total["samples"]))
    found.append((result["devices"][0].get("kernels") == "gpu" or least < 0.2,
                  f"{least:.0%} of the time belong to no operator and no copy"))
    return found


def placed(folder, name):
    """Placement by cost is a case of its own, beside the device's and the CPU path's."""
    path, found = folder / "placed.json", {}
    for cases in ("-q", "-f", "mini (embedded)/short"), ("-f", "mini (embedded)/short, placed"):
        done, result = run_all(path, "-d", f"cpu,{name}", "-s", "0.005", "-l", "speech", *cases)
        expect(done.returncode == 0, "placement by cost is measured")
        found.update({(r["device"], r["name"].split("/")[1]): r for r in result["results"]})
    cpu, device = (next(d for d, _ in found if d.startswith("cpu") == which)
                   for which in (True, False))
    by_cost = {key for key in found if "placed by cost" in key[1]}
    expect(by_cost == {(device, "short, placed by cost")} and (cpu, "short") in found,
           f"on devices alone: {found.keys()}")
    by_cost = found[device, "short, placed by cost"]
    expect(by_cost["verdict"] == "ok" and by_cost["error"] < 1e-3 and by_cost["host_seconds"] and
           by_cost["values"]["rtf"] > 0, "it says the same, and is timed")
    expect(all(by_cost["values"][f"{which}_alone_s"] > 0 for which in ("cpu", "device")),
           "so are its devices alone, in turns with it")
    expect(by_cost["values"]["cpu_nodes"] + by_cost["values"]["device_nodes"] > 100,
           "so is which of them ran its operators")
    for what, record in found.items():
        values = record["values"]
        expect(values.get("peak_host_mb", 10) >= 10 and
               (what[0] != cpu and "chunk" not in what[1]) == ("peak_device_mb" in values) and
               (what != (device, "short") or values["peak_device_mb"] > 5),
               f"{what} says what memory it takes")


def halves(folder, names):
    """Halves are for devices: the CPU path says that it has floats, and is held to them."""
    path = folder / "halves.json"
    for name in names:
        done, result = run_all(path, "-d", name, "-q", "-s", "0.005", "-l", "machine,stage", "-p",
                               "fp16-storage", "-f", "/flow")
        expect(done.returncode == 0, f"stages are measured with fp16-storage on {name}")
        flow, = result["results"]
        cpu = name.startswith("cpu")
        expect(result["devices"][0]["precision"] == ("fp32" if cpu else "fp16-storage"),
               "the device's precision is what it has")
        expect(flow["verdict"] == "ok" and (flow["error"] <= 1e-4) == cpu,
               f"{flow['error']} is that precision's")


def longest(result):
    """Each device's operator that took most time."""
    times = {}
    for record in result["results"]:
        if record["level"] == "operator" and record.get("device_seconds"):
            times.setdefault(record["device"], []).append(
                (record["device_seconds"]["median"], record["name"]))
    return {device: max(those)[1] for device, those in times.items()}


def slowdown(folder, result):
    """compare finds what got slower, and only that; less so where the machine was disturbed."""
    result, timed = copy.deepcopy(result), longest(result)
    if not timed: # the machine had no time for any
        result = json.loads(pathlib.Path(__file__).with_name("sample.json").read_text())
        timed = longest(result)
    for record in result["results"]:
        record["noisy"] = False
        for times in filter(None, (record.get("device_seconds"), record.get("host_seconds"))):
            times.update(min=0.95 * times["median"])
    slow = copy.deepcopy(result)
    for record in slow["results"]:
        if record["name"] == timed.get(record["device"]):
            for kind in ("device_seconds", "host_seconds"):
                times = record[kind]
                for key in ("min", "median", "p95"):
                    times[key] *= 1.5
                times["samples"] = [1.5 * s for s in times["samples"]]
    same, other, worse, disturbed, part = (folder / f"{n}.json" for n in "abcde")
    same.write_text(json.dumps(result))
    other.write_text(json.dumps(slow))
    noisy = copy.deepcopy(slow)
    for record in noisy["results"]:
        record["noisy"] = True
        for times in filter(None, (record.get("device_seconds"), record.get("host_seconds"))):
            times["min"] /= 1.5
    disturbed.write_text(json.dumps(noisy))
    for record in slow["results"]:
        record["verdict"] = "wrong"
    worse.write_text(json.dumps(slow))
    part.write_text(json.dumps({**result, "complete": False}))
    expect(run("compare", str(same), str(same)).returncode == 0, "a file is as fast as itself")
    done = run("compare", str(same), str(other))
    expect(done.returncode == 1 and done.stdout.count("1.50x!") == len(timed),
           "50 % more are found in one case of each device")
    expect(run("compare", str(same), str(other), "--threshold", "60%").returncode == 0,
           "a threshold of 60 % lets them pass")
    done = run("compare", str(same), str(disturbed))
    expect(done.returncode == 0 and "1.50x~" in done.stdout,
           "a disturbed case whose best time is as before is only marked")
    expect(run("compare", str(same), str(worse)).returncode == 1, "what went wrong is found")
    done = run("compare", str(same), str(part))
    expect(done.returncode == 0 and f"{part} is incomplete" in done.stdout,
           "an incomplete file is compared, and said to be one")
    done = run("compare", str(folder / "none.json"))
    expect(done.returncode == 3 and "none.json cannot be opened: No such file" in done.stdout,
           "a missing file is refused")
    expect(run("compare").returncode == 2 and
           run("compare", str(same), "-t", "much").returncode == 2, "so are bad arguments")


OPERATORS = ("-q", "-l", "operator", "-f")
# Of three rooms, one before and one after the spline.
THREE_ROOMS = (*OPERATORS, "e/base, 1 s")


def foreign_kernels(folder, name, change, file, cases):
    """Run a few cases with a changed kernel; the exit code and the records."""
    kernels = folder / "cl"
    shutil.rmtree(kernels, ignore_errors=True)
    shutil.copytree(KERNELS, kernels)
    text = (kernels / file).read_text()
    changed = change(text)
    expect(changed != text, f"{file} was changed")
    (kernels / file).write_text(changed)
    done, result = run_all(folder / "foreign.json", "-d", name, "-s", "0.005", *cases,
                           CLVITS_KERNELS=str(kernels))
    return done, {r["name"]: r for r in result["results"]}


def wrong_kernel(folder, name):
    """A kernel that computes something else is reported as wrong, and is not timed."""
    done, records = foreign_kernels(folder, name, lambda t: t.replace("tanh", "cos"),
                                    "pointwise.cl", (*OPERATORS, "pointwise/base"))
    gate = records["pointwise/base gate, 1 s"]
    expect(done.returncode == 1, "a wrong kernel makes the run fail")
    expect(gate["verdict"] == "wrong" and "device_seconds" not in gate, "it is not timed")
    expect(records["pointwise/base add, 1 s"]["verdict"] == "ok", "the others are")


def wrong_speech(folder, name):
    """What is wrong in long texts alone, or in a batch alone, is found there."""
    scale = "const float scale = run_scalar(run, d.slot, d.B, b)"
    done, records = foreign_kernels(
        folder, name, lambda t: t.replace(scale, f"{scale} * (f > 100 ? 0.0f : 1.0f)"),
        "prior.cl", ("-q", "-l", "speech", "-f", "(embedded)/"))
    texts = {n.split("/")[1]: r for n, r in records.items()}
    expect(done.returncode == 1 and texts["short"]["verdict"] == "ok" and
           texts["medium"]["verdict"] == "wrong" and "host_seconds" not in texts["medium"] and
           "signal to noise" in texts["medium"]["reason"],
           f"rows that are wrong from the 101st on: {texts['medium']}")
    done, records = foreign_kernels(
        folder, name, lambda t: t.replace(scale, f"{scale} * (b > 0 ? 0.0f : 1.0f)"),
        "prior.cl", ("-l", "speech", "-f", "(embedded)/short, batch of 4"))
    batch = records["mini (embedded)/short, batch of 4"]
    expect(done.returncode == 1 and batch["verdict"] == "wrong" and "host_seconds" not in batch and
           re.match("item [234] of 4: .* signal to noise", batch["reason"]),
           f"items that are wrong from the second on: {batch}")


def broken_kernel(folder, name):
    """A kernel that does not build costs its own rows."""
    done, records = foreign_kernels(folder, name, lambda t: t + "\n#error broken\n", "spline.cl",
                                    THREE_ROOMS)
    spline = records["spline/base, 1 s"]
    expect(done.returncode == 3, "a kernel that does not build is not a wrong one")
    expect(spline["verdict"] == "failed" and "broken" in spline["reason"],
           "it is reported, with a reason")
    expect([r["verdict"] for r in records.values()].count("ok") == 2, "the others are timed")


def crash(folder, name):
    """A kernel that ends the process costs its own rows, and what comes after is still measured."""
    def change(text):
        body = text.index("{", text.index("kernel void spline"))
        return text[:body + 1] + "\n    *(volatile global int *)8 = 1;\n" + text[body + 1:]

    done, records = foreign_kernels(folder, name, change, "spline.cl", THREE_ROOMS)
    spline = records["spline/base, 1 s"]
    expect(done.returncode == 3, "a crash is a case that could not run")
    expect(spline["verdict"] == "failed" and "signal" in spline["reason"], "it is named")
    expect(list(records)[1] == "spline/base, 1 s" and
           records["sample/base, 1 s"]["verdict"] == "ok", "the cases after it are timed")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        usage(folder)
        found = device()
        result = small(folder, found)
        slowdown(folder, result)
        builds(result)
        whole_voice(folder)
        first_words(folder)
        sentence(folder, "cpu")
        halves(folder, ["cpu", found] if found else ["cpu"])
        if found:
            many_terms(folder, found)
            cached(folder, found)
            every_opencl(folder)
            placed(folder, found)
            sentence(folder, found)
            wrong_kernel(folder, found)
            wrong_speech(folder, found)
            broken_kernel(folder, found)
            if result["devices"][1]["kernels"] == "cpu": # a GPU's process would live on
                crash(folder, found)
    return 1 if FAILURES else 0


sys.exit(main())
