#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py TABLE SAMPLE README: the README's table is made from results, between its markers, and
from nothing else: those of bench/results, which lies beside the README."""
import json
import pathlib
import subprocess
import sys
import tempfile

TABLE, SAMPLE, README = sys.argv[1:4]
RACES = "How many times as fast as another runtime"


def run(*arguments):
    return subprocess.run([sys.executable, TABLE, *map(str, arguments)], text=True,
                          capture_output=True, timeout=60, check=False)


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith("| ")]


def check_rows():
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    done = run(SAMPLE)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout.partition(RACES)[0])
    assert RACES not in done.stdout, "the sample's races do not say for how long a text"
    assert len(rows) == 1 + len(sample["devices"]), done.stdout
    assert len({row.count("|") for row in rows}) == 1, "every row has every column"
    assert "~ marks times that were disturbed." in " ".join(done.stdout.split())
    for case in sample["results"]:
        if case["name"] == "medium/medium" and case["verdict"] == "ok":
            index = [d["name"] for d in sample["devices"]].index(case["device"])
            column = [cell.strip() for cell in rows[0].split("|")].index("medium")
            shown = rows[1 + index].split("|")[column].split()[0]
            assert shown == f"{case['values']['rtf']:.3f}", (shown, case["values"])


def check_races(folder):
    """A row for each race, a column for each runtime and its settings."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path, peer = folder / "races.json", {**sample["peers"][0], "wanted": 5.0}
    del peer["ratio"]
    path.write_text(json.dumps({**sample, "peers": [
        *({**peer, "settings": which, "ratio": {"median": m, "min": 1.5, "max": 4}}
          for which, m in (("defaults", 2.125), ("piper", 3.0))),
        {**peer, "wanted": 1.0, "failed": "no such operator"},
        {**peer, "wanted": 1.0, "settings": "piper", "wrong": "other durations"}]}))
    done = run(path)
    assert done.returncode == 0, done.stderr
    device = next(d for d in sample["devices"] if d["device"] == peer["device"])
    head, *rows = rows_of(done.stdout.partition(RACES)[2])
    assert head.endswith("| onnxruntime 1.20.1 defaults | onnxruntime 1.20.1 piper |"), head
    assert [row.partition(" | ")[2] for row in rows] == [
        "medium | 5 s | 1 | 2.12 (1.50 to 4.00) | 3.00 (1.50 to 4.00) |",
        "medium | 1 s | 1 | failed | wrong |"], rows
    assert all(device.get("isa", device.get("platform")) in row for row in rows), rows


def check_machine_only(folder):
    """A file of ceilings alone: no table by itself, no row or column beside others."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "machine.json"
    path.write_text(json.dumps({**sample, "results": [
        case for case in sample["results"] if case["level"] == "machine"]}), encoding="utf-8")
    done = run(path)
    assert done.returncode == 1 and "nothing here for a table" in done.stderr and not done.stdout
    both = run(SAMPLE, path)
    assert both.returncode == 0 and both.stdout == run(SAMPLE).stdout, both.stdout
    assert both.stderr.count("left out") == len(sample["devices"]), both.stderr
    head, *rows = rows_of(both.stdout)
    for i, name in enumerate(head.split("|")):
        assert not name.strip() or any(row.split("|")[i].strip() for row in rows), name


def check_write(folder):
    page = folder / "README.md"
    text = pathlib.Path(README).read_text(encoding="utf-8")
    page.write_text(text, encoding="utf-8")
    for _ in range(2): # the second time in place of the first
        assert run("--write", page, SAMPLE).returncode == 0
        written = page.read_text(encoding="utf-8")
        before, _, rest = text.partition("<!-- results -->")
        after = rest.partition("<!-- /results -->")[2]
        assert before and after and written.startswith(before) and written.endswith(after)
        assert written.count("| device |") == 1 and written.count("results -->") == 2
    page.write_text("no place", encoding="utf-8")
    done = run("--write", page, SAMPLE)
    assert done.returncode == 1 and "no place between" in done.stderr
    assert page.read_text() == "no place"


def check_readme():
    """What stands in the README is what the repository's own results make."""
    results = sorted((pathlib.Path(README).parent / "bench" / "results").glob("*.json"))
    done = run(*results)
    text = pathlib.Path(README).read_text(encoding="utf-8")
    block = text.partition("<!-- results -->")[2].partition("<!-- /results -->")[0]
    assert results and done.returncode == 0, done.stderr
    assert block.strip() == done.stdout.strip(), (
        f"write the table again, with tools/bench_table.py --write README.md bench/results/*.json"
        f"\n{done.stdout}")


def check_refusals(folder):
    path = folder / "a.json"
    path.write_text('{"format": "another"}')
    done = run(path)
    assert done.returncode == 1 and "not a result" in done.stderr
    path.write_text(json.dumps({**json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8")),
                                "complete": False}))
    done = run(path)
    assert done.returncode == 1 and "incomplete" in done.stderr


with tempfile.TemporaryDirectory() as name:
    check_rows()
    check_readme()
    check_races(pathlib.Path(name))
    check_machine_only(pathlib.Path(name))
    check_write(pathlib.Path(name))
    check_refusals(pathlib.Path(name))
