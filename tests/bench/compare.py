#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare.py PROGRAM SAMPLE: clvits-bench compare against files that lack something."""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

PROGRAM, SAMPLE = sys.argv[1:3]
CASE = "conv1d/base/128 k11 d5, 1 s"


def compare(folder, *runs):
    paths = []
    for index, run in enumerate(runs):
        paths.append(str(folder / f"{index}.json"))
        pathlib.Path(paths[-1]).write_text(json.dumps(run), encoding="utf-8")
    done = subprocess.run([PROGRAM, "compare", *paths], text=True, capture_output=True,
                          timeout=300, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def lacking(sample, keep):
    """The sample without the results that keep() refuses."""
    run = copy.deepcopy(sample)
    run["results"] = [r for r in run["results"] if keep(r)]
    return run


def check_device(folder, sample):
    """A device that the second file lacks, its only one or one of several, is worse."""
    names = [d["name"] for d in sample["devices"]]
    assert compare(folder, sample, sample)[0] == 0
    gone = lacking(sample, lambda r: r["device"] != names[-1])
    gone["devices"].pop()
    gone["results"].append({"device": names[-1], "level": "machine", "name": "open",
                            "verdict": "failed", "reason": "it is not there"})
    code, said = compare(folder, sample, gone)
    ok = sum(r["device"] == names[-1] and r["verdict"] == "ok" for r in sample["results"])
    assert code == 1 and said.count("missing!") == ok, said
    assert f"does not have {names[-1]}" in said and f"{ok} missing;" in said, said
    code, said = compare(folder, gone, sample)
    assert code == 0 and "missing!" not in said, "more devices than before are no loss"
    assert compare(folder, sample, {**sample, "devices": [], "results": []})[0] == 1

    elsewhere = json.loads(json.dumps(sample))
    for device in elsewhere["devices"]:
        device["name"] = f"another {device['name']}"
    for record in elsewhere["results"]:
        record["device"] = f"another {record['device']}"
    code, said = compare(folder, sample, elsewhere)
    assert code == 0 and "missing!" not in said, said
    assert "does not have" not in said and "another" in said, "another machine misses nothing"


def check_case(folder, sample):
    """So is one case, whether it is not there or could not run; one that was skipped is not."""
    first = sample["devices"][0]["name"]
    part = lacking(sample, lambda r: (r["device"], r["name"]) != (first, CASE))
    code, said = compare(folder, sample, part)
    assert code == 1 and said.count("missing!") == 1 and "1 missing;" in said, said
    for verdict, expected in (("failed", 1), ("wrong", 1), ("skipped", 0)):
        other = copy.deepcopy(sample)
        record = next(r for r in other["results"] if r["name"] == CASE)
        record["verdict"] = verdict
        code, said = compare(folder, sample, other)
        assert code == expected and f" {verdict}" in said, said
        assert compare(folder, other, sample)[0] == 0, "what was lost before is no loss"


def check_clock(folder, sample):
    """Times are held against those of the same clock."""
    before, after, neither = (copy.deepcopy(sample) for _ in range(3))
    for record in before["results"]:
        if record["name"] == CASE: # five times what the device's own clock says
            for key in ("min", "median", "p95"):
                record["host_seconds"][key] = 5 * record["device_seconds"][key]
    after["results"] = copy.deepcopy(before["results"])
    for record in after["results"]:
        if record["name"] == CASE:
            del record["device_seconds"]
    for pair in ((before, after), (after, before)):
        code, said = compare(folder, *pair)
        assert code == 0 and "5.00x" not in said and "0.20x" not in said, said
    for record in neither["results"]:
        if record["name"] == CASE:
            del record["host_seconds"]
    code, said = compare(folder, neither, after)
    assert code == 1 and "other clock!" in said, said


def check_many(folder, sample):
    """No column is left out, however many there are."""
    slow = copy.deepcopy(sample)
    for record in slow["results"]:
        for times in (record.get("device_seconds"), record.get("host_seconds")):
            times and times.update({key: 2 * times[key] for key in ("min", "median", "p95")})
    code, said = compare(folder, *[sample] * 19, slow)
    assert code == 1 and f"column {20 * len(sample['devices'])}: " in said and "2.00x!" in said
    empty = {"format": "clvits-bench 1", "devices": []}
    assert compare(folder, empty, empty)[0] == 0


def check_names(folder, sample):
    """A name that is longer than its column has a line of its own."""
    name = 60 * "x"
    for record in sample["results"]:
        record["name"] = name if record["name"] == CASE else record["name"]
    code, said = compare(folder, sample, sample)
    lines = said.splitlines()
    after = lines[lines.index(f"operator {name}") + 1]
    assert code == 0 and after.startswith(53 * " ") and after[:67].endswith(" ms"), said


def check_kind(folder, sample):
    """Runs of another kind are said to be that, which is no judgement of its own."""
    other = copy.deepcopy(sample)
    paths = [str(folder / f"{index}.json") for index in range(2)]
    said = compare(folder, sample, sample)[1]
    assert " is a " not in said and f"column 1: {paths[0]}, cpu (avx512, 4 threads)\n" in said, said
    other["settings"]["quick"] = False
    other["devices"][0].update(threads=2, isa="avx2")
    code, said = compare(folder, sample, other)
    assert code == 0 and f"{paths[1]} is a full run, and {paths[0]} is a quick one" in said, said
    assert f'{paths[1]}, cpu: "threads" is 2, and 4 in {paths[0]}\n' in said, said
    assert f'{paths[1]}, cpu: "isa" is "avx2", and "avx512" in' in said, said
    assert f"{paths[0]} is a full run" not in said and said.count('" is ') == 2, said
    other = {**sample, "complete": False, "settings": {**sample["settings"], "seconds": 0.3}}
    code, said = compare(folder, sample, other)
    assert code == 0 and f"{paths[1]} is incomplete" in said, said
    assert f'{paths[1]}: "seconds" is 0.3, and 0.05 in {paths[0]}\n' in said, said
    other = copy.deepcopy(sample)
    case = next(r for r in other["results"] if r["name"] == CASE)
    case["verdict"] = "skipped"
    code, said = compare(folder, other, other)
    assert code == 0 and "; 1 were skipped;" in said, said


def check_damage(folder, sample):
    """What is not as it should be is refused, and where that is."""
    good, bad = folder / "good.json", folder / "bad.json"
    good.write_text(json.dumps(sample), encoding="utf-8")
    number = next(i for i, r in enumerate(sample["results"]) if r["name"] == CASE)
    place = f"results[{number}] ({CASE})"

    def times(median):
        return {"device_seconds": {"min": 1e-3, **({} if median is None else {"median": median})}}
    for change, why in ((times(None), f'{place}: "device_seconds" has no median'),
                        (times("abc"), f'{place}: "device_seconds" has no median'),
                        (times(-1), f'{place}, "device_seconds": "median" is -1, not a number'),
                        ({"flop": "many"}, f'{place}: "flop" is "many", not a number from 0 up'),
                        ({"values": {"rtf": [1]}}, f'{place}: "rtf" is [1], not a number'),
                        ({"verdict": "fine"}, f'{place}: verdict "fine" is none of ok'),
                        ({"name": None}, f'results[{number}]: "name" is missing')):
        run = copy.deepcopy(sample)
        run["results"][number].update(change)
        check_refusal(json.dumps(run), why, good, bad)
    for change, why in (({"results": "abc"}, '"results" is missing, or is no list'),
                        ({"results": [1]}, "results[0]: not an object"),
                        ({"devices": [{"kind": "cpu"}]}, 'devices[0]: "name" is missing'),
                        ({"format": "clvits-bench 0"}, "is not a file of results")):
        check_refusal(json.dumps({**sample, **change}), why, good, bad)
    check_refusal(json.dumps(sample) + "}", "is not a file of results", good, bad)


def check_refusal(text, why, good, bad):
    bad.write_text(text, encoding="utf-8")
    done = subprocess.run([PROGRAM, "compare", str(good), str(bad)], text=True,
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 3 and why in done.stderr and done.stderr.count("\n") == 1, done
    assert str(bad) in done.stderr and not done.stdout, done


def check_full(_folder, _sample):
    """What could not be printed is no success."""
    for arguments in (("compare", SAMPLE), ("--help",)):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=300, check=False)
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done
        assert "standard output cannot be written: No space" in done.stderr, done


with tempfile.TemporaryDirectory() as name:
    text = pathlib.Path(SAMPLE).read_text(encoding="utf-8")
    for check in (check_device, check_case, check_clock, check_many, check_names,
                  check_kind, check_damage, check_full):
        check(pathlib.Path(name), json.loads(text))
        print(f"{check.__name__}: fine")
