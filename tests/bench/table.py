#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py TABLE SAMPLE README: the README's tables are made from results, between their markers,
and from nothing else: those of bench/results, which lies beside the README."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

TABLE, SAMPLE, README = sys.argv[1:4]
RACES = "How many times as fast as another runtime"


def run(*arguments):
    return subprocess.run([sys.executable, TABLE, *map(str, arguments)], text=True,
                          capture_output=True, timeout=300, check=False)


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


def check_commands(sample, peer, path):
    """One line for voices of the same seconds, a line for each other choice of options."""
    fine = {**peer, "ratio": {"median": 2, "min": 1.5, "max": 4}}
    noisy = {**peer["other"], "samples": [0.1, 0.2, 0.3]}
    path.write_text(json.dumps({**sample, "command": ["clvits-bench", "-f", "a b"], "peers": [
        {**fine, "voice": "base"}, {**fine, "voice": "base", "wanted": 0.5}, fine,
        {**fine, "wanted": 0.5}, {**fine, "voice": "mms", "other": noisy},
        {**fine, "device": sample["devices"][1]["device"]},
        {**fine, "peer": "torch", "settings": "eager, cuda, fp16", "batch": 16},
        {k: v for k, v in {**fine, "voice": "alignment, 100 x 500, 1 at once",
                           "threads": 4}.items() if k != "wanted"}]}))
    done = run(path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.partition("\nMeasured with\n")[2].split("\n")
    race = "    python3 bench/peers --device"
    assert lines == [
        "", "    clvits-bench -f 'a b'",
        f"{race} cpu --threads 1 --pairs 7 --voices medium,base --seconds 0.5,5",
        f"{race} cpu --threads 1 --pairs 7 --voices mms --seconds 5",
        f"{race} cpu --threads 1 --pairs 7 --batch 16 --torch --torch-device cuda "
        "--torch-dtype fp16 --voices medium --seconds 5",
        f"{race} cpu --threads 4 --pairs 7 --alignment",
        f"{race} 'Portable Computing Language' --threads 1 --pairs 7 --voices medium --seconds 5",
        ""], done.stdout
    shown = [row.split(" | ")[1:3] for row in rows_of(done.stdout) if "(1.50 to 4.00) ~ |" in row]
    assert shown == [["mms", "4.2 s"]], done.stdout
    assert "| medium | 16 x 4.2 s | 1 |" in done.stdout, done.stdout


def check_first_audio(folder):
    """A column for each text whose first chunk was measured, and none for others."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "chunks.json"
    chunk = next(r for r in sample["results"] if r["name"] == "mini (embedded)/medium, first chunk")
    path.write_text(json.dumps({**sample, "results": sample["results"] + [
        {**chunk, "name": "mini (embedded)/long, first chunk", "host_seconds": {"median": 0.021}},
        {**chunk, "name": "mini (embedded)/unbroken, first chunk", "noisy": True,
         "host_seconds": {"median": 0.043}}]}), encoding="utf-8")
    before, after = (rows_of(run(name).stdout.partition(RACES)[0]) for name in (SAMPLE, path))
    assert "paragraph" not in before[0] and "500 ids" not in before[0], before[0]
    cells = dict(zip(*([cell.strip() for cell in row.split("|")] for row in after[:2])))
    assert cells["a paragraph: first audio, ms"] == "21", cells
    assert cells["500 ids in one sentence: first audio, ms"] == "43 ~", cells


def check_races(folder):
    """A row for each race, a column for each runtime and its settings."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path, peer = folder / "races.json", {**sample["peers"][0], "wanted": 5.0}
    peer["clvits"] = {**peer["clvits"], "runs": 7, "samples": [0.1] * 7}
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
        "medium | 4.2 s | 1 |  | failed | wrong |",
        "medium | 4.2 s | 1 |  | 2.12 (1.50 to 4.00) | 3.00 (1.50 to 4.00) |"], rows
    for line in ("    clvits-bench --json sample.json",
                 "    python3 bench/peers --device cpu --threads 1 --pairs 7 --voices medium "
                 "--seconds 5"):
        assert line in done.stdout.splitlines(), done.stdout
    check_commands(sample, peer, path)
    assert " the median of 7 pairs of runs" in " ".join(done.stdout.split()), done.stdout
    assert all(device.get("isa", device.get("platform")) in row for row in rows), rows


def check_machine_only(folder):
    """A file of ceilings alone: no table by itself, no row or column beside others."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "machine.json"
    path.write_text(json.dumps({**sample, "results": [
        case for case in sample["results"] if case["level"] == "machine"]}), encoding="utf-8")
    done = run(path)
    assert done.returncode == 3 and "nothing here for a table" in done.stderr and not done.stdout
    both = run(SAMPLE, path)
    assert both.returncode == 0, both.stderr
    assert both.stdout.replace(" (sample)", "") == run(SAMPLE).stdout, both.stdout
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
        for part in ("alignment", "convolutions", "forms", "sentences", "placement", "missed"):
            _, _, rest = text.partition(f"<!-- {part} -->")
            old = rest.partition(f"<!-- /{part} -->")[0]
            text = text.replace(old, f"\n{run('--part', part, SAMPLE).stdout.strip()}\n")
        before, _, rest = text.partition("<!-- results -->")
        after = rest.partition("<!-- /results -->")[2]
        assert before and after and written.startswith(before) and written.endswith(after)
        assert written.count("| device |") == 1 and written.count("results -->") == 2
    link = folder / "links" / "page.md"
    link.parent.mkdir()
    link.symlink_to(page)
    page.write_text("<!-- results -->\n<!-- /results -->\n", encoding="utf-8")
    assert run("--write", link, SAMPLE).returncode == 0
    assert link.is_symlink() and "| device |" in page.read_text(encoding="utf-8")
    assert list(link.parent.iterdir()) == [link], "nothing is left beside it"
    page.write_text("no place", encoding="utf-8")
    done = run("--write", page, SAMPLE)
    assert done.returncode == 3 and "no place between" in done.stderr
    assert page.read_text() == "no place"


def check_readme():
    """What stands in the README is what the repository's own results make."""
    results = sorted((pathlib.Path(README).parent / "bench" / "results").glob("*.json"))
    text = pathlib.Path(README).read_text(encoding="utf-8")
    for part in ("results", "alignment", "convolutions", "forms", "sentences", "placement",
                 "missed"):
        done = run("--part", part, *results)
        block = text.partition(f"<!-- {part} -->")[2].partition(f"<!-- /{part} -->")[0]
        assert results and done.returncode == 0, done.stderr
        assert block.strip() and block.strip() == done.stdout.strip(), (
            f"write the tables again, with tools/bench_table.py --write README.md "
            f"bench/results/*.json\n{done.stdout}")
        if part == "sentences":
            check_within(block)


def check_alignment(folder):
    """A row for each search, those that were raced as well, in the order of their sizes."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "alignment.json"
    cases = [{"level": "operator", "name": f"search/{size} at once", "verdict": "ok",
              "device": "cpu", "device_seconds": {"median": seconds}, "noisy": noisy}
             for size, seconds, noisy in (("1000 x 4000, 1", 0.00123, False),
                                          ("500 x 2500, 16", 0.0049, True))]
    peer = {"peer": "another", "version": "2.0", "voice": "alignment, 500 x 2500, 16 at once",
            "threads": 4, "device": "Sample Processor 4", "clvits": {"median": 0.1},
            "other": {"median": 1.8}, "ratio": {"median": 18, "min": 11.5, "max": 20}}
    path.write_text(json.dumps({**sample, "results": cases, "peers": [peer]}), encoding="utf-8")
    done = run("--part", "alignment", path)
    assert done.returncode == 0, done.stderr
    head, *rows = rows_of(done.stdout)
    assert "times as fast as another 2.0: " in head and head.endswith("4 threads |"), head
    assert rows == ["| 500 x 2500, 16 at once | 4.9 ~ | 18.00 (11.50 to 20.00) |",
                    "| 1000 x 4000, 1 at once | 1.23 |  |"], rows
    path.write_text(json.dumps({**sample, "results": []}), encoding="utf-8")
    assert run("--part", "alignment", path).stdout == "No alignment search was measured.\n"
    assert "No convolution was" in run("--part", "convolutions", path).stdout


def check_convolutions(folder):
    """Of the decoders' alone, and those below the limit in any length alone."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "convolutions.json"
    cases = [{"level": "operator", "name": f"conv1d/{name}", "verdict": "ok", "device": "cpu",
              "flop": 1e9, "peak_flops": peak, "device_seconds": {"median": seconds}}
             for name, seconds, peak in (
                 ("base/32 k3 d1, 1 s", 0.01, 1e11), ("base/32 k3 d1, 10 s", 0.003, 3e11),
                 ("base/64 k7 d3, 1 s", 0.003, 4e11), ("base/post 32-1 k7, 1 s", 1.0, 4e11),
                 ("text/96-384 k3, 1 s", 1.0, 4e11), ("mini/24 k7 d3, 1 s", 1.0, 4e11))]
    cases[1]["multiplied"] = 4.4e8
    path.write_text(json.dumps({**sample, "results": cases}), encoding="utf-8")
    done = run("--part", "convolutions", path)
    assert done.returncode == 0 and ": 1 of 2 convolutions" in done.stdout, done
    assert rows_of(done.stdout)[1:] == ["| base/32 k3 d1 | 100 | 333 | 25 % | 83 % (37 %) |"], \
        done.stdout
    assert "25 to 83 %." in " ".join(done.stdout.split()), done.stdout
    assert "400 GFLOP/s" in done.stdout, "of all looks at the peak the highest counts"


def check_forms(folder):
    """Which form of a convolution is the faster one, and which one is taken; none without both."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "forms.json"
    cases = [{"level": "operator", "name": f"conv1d/{name}", "verdict": verdict, "device": "cpu",
              "flop": 1e9, "device_seconds": {"median": seconds}, "noisy": noisy,
              "values": {"toom_cook": transformed}}
             for name, seconds, transformed, noisy, verdict in (
                 ("base/64 k7 d3, 1 s", 0.003, 1, False, "ok"),
                 ("base/64 k7 d3, 1 s, other form", 0.006, 0, False, "ok"),
                 ("text/96-384 k3, 10 s", 0.03, 0, False, "ok"),
                 ("text/96-384 k3, 10 s, other form", 0.04, 1, True, "ok"),
                 ("base/32 k3 d1, 1 s", 0.03, 0, False, "ok"),
                 ("base/32 k3 d1, 1 s, other form", 0.04, 1, False, "wrong"))]
    path.write_text(json.dumps({**sample, "results": cases}), encoding="utf-8")
    done = run("--part", "forms", path)
    assert done.returncode == 0, done.stderr
    assert rows_of(done.stdout)[1:] == ["| base/64 k7 d3 | 2.00 |  |",
                                        "| text/96-384 k3 |  | 0.75 (direct) ~ |"], done.stdout
    assert run("--part", "forms", SAMPLE).stdout == "No convolution was measured in two forms.\n"


def stage(name, seconds, flop, **more):
    return {"level": "stage", "name": f"medium/{name}", "verdict": "ok", "device": "cpu",
            "flop": flop, "device_seconds": {"median": seconds}, **more}


def check_decoder(folder):
    """The windows' share of the roofline, by the highest peaks of the run."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path, about = folder / "decoder.json", {"level": "stage", "verdict": "ok", "device": "cpu"}
    path.write_text(json.dumps({**sample, "results": [
        {**about, "name": f"mini (embedded)/decoder, window {number}", "flop": flop, "bytes": moved,
         "peak_flops": 400e9, "peak_bytes": copied, "device_seconds": {"median": 0.01}}
        for number, flop, moved, copied in ((1, 2e9, 1e6, 30e9), (2, 1e6, 0.1e9, 20e9))]}))
    row = rows_of(run(path).stdout)[1]
    assert row.endswith("| 42 % |"), row # 5 and 3.3 of twice 10 ms


def check_halves(sample, cases, path):
    """Flow and decoder have the peak of halves where they add up halves; nothing else has."""
    device = {**sample["devices"][0], "precision": "fp16", "peak_flops_fp16": 1e12}
    path.write_text(json.dumps({**sample, "devices": [device], "results": cases}))
    row = rows_of(run("--part", "sentences", path).stdout)[1]
    assert row.split(" | ", 1)[1].startswith(
        "medium | 3.9 | 20 % (12 %) | 50 % at 24 % (12 %) | 20 % at 15 % ~ | 20 % at 10 % |"), row


def check_within(text):
    """No whole does more of the peak than all of its parts, or less."""
    rows = rows_of(text)[1:]
    assert rows, text
    for row in rows:
        whole, *parts = (float(re.search(r"(\d+) %(?: \(| ~| \||$)", cell).group(1))
                         for cell in row.strip("| ").split(" | ")[3:8])
        assert min(parts) <= whole <= max(parts), row


def check_missed(sample, cases, peer, path):
    """Of races against ONNX Runtime's defaults those below the goal of their kind, no others."""
    slow = {**peer, "peer": "onnxruntime", "ratio": {"median": 1.7, "min": 1.6, "max": 1.9}}
    moved = [{**case, "bytes": 1e9} if case["name"].endswith(": decoder") else case
             for case in cases]
    path.write_text(json.dumps({**sample, "results": moved, "peers": [
        slow, {**slow, "settings": "piper"}, {**slow, "peer": "torch"},
        {**slow, "ratio": {**slow["ratio"], "median": 1.8}},
        {**slow, "threads": 4, "ratio": {**slow["ratio"], "median": 2.49}},
        {**slow, "threads": 4, "ratio": {**slow["ratio"], "median": 2.5}}]}))
    done = run("--part", "missed", path)
    rows = [row.split(" | ", 1)[1] for row in rows_of(done.stdout)[1:]]
    assert done.returncode == 0 and ": 2 of 4." in " ".join(done.stdout.split()), done
    # 3.9e9 FLOP/s of speech, of them 2.4e9 multiplied, and 0.25e9 bytes; 25e9 bytes/s at most
    assert rows == [
        "medium | 4.5 s | 1 | 1.70 of 1.8 | 28 % | 51 % (31 %) | 56 % (35 %) | 16 % |",
        "medium | 4.5 s | 4 | 2.49 of 2.5 | 7 % | 18 % (11 %) | 14 % (9 %) | 22 % |"], rows
    path.write_text(json.dumps({**sample, "results": moved, "peers": [{**peer, "threads": 4}]}))
    assert run("--part", "missed", path).stdout.startswith("No race below the goal")


def check_sentences(folder):
    """Shares of the time and of the peak, also of races; none without all parts."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "sentences.json"
    cases = [stage("sentence", 0.1, 0, values={"audio_s": 4.0}),
             stage("sentence: decoder", 0.05, 12e9, multiplied=6e9, peak_flops=500e9,
                   operators={"conv1d": 0.05}),
             stage("sentence: flow", 0.02, 3e9, peak_flops=150e9, noisy=True,
                   operators={"conv1d": 0.01, "conv_transpose1d": 0.01}),
             stage("sentence: text encoder", 0.02, 0.6e9,
                   operators={"conv1d": 0.015, "attention": 0.005}),
             stage("sentence: duration predictor", 0.006, 0, operators={"separable": 0.006}),
             stage("sentence: copies", 0.001, 0), stage("sentence: host", 0.003, 0)]
    peer = {"peer": "another", "version": "2.0", "settings": "defaults", "voice": "medium",
            "threads": 1,
            "wanted": 5.0, "audio": 4.5, "device": "Sample Processor 4",
            "clvits": {"median": 0.25}, "other": {"median": 0.5},
            "ratio": {"median": 2.0, "min": 1.9, "max": 2.1}}
    path.write_text(json.dumps({**sample, "results": cases, "peers": [peer]}), encoding="utf-8")
    done = run("--part", "sentences", path)
    assert done.returncode == 0, done.stderr
    rows = [row.split(" | ", 1)[1] for row in rows_of(done.stdout)]
    assert rows[1] == ("medium | 3.9 | 31 % (19 %) | 50 % at 48 % (24 %) | 20 % at 30 % ~ | "
                       "20 % at 6 % | 6 % at 0 % | 15 % | 4 % |"), rows
    check_halves(sample, cases, path)
    cases.append({"level": "speech", "name": "medium/medium", "verdict": "ok", "device": "cpu",
                  "host_seconds": {"median": 0.1}, "values": {"rtf": 0.02}})
    path.write_text(json.dumps({**sample, "results": cases, "peers": [peer]}), encoding="utf-8")
    rows = [row.split(" | ", 1)[1] for row in rows_of(run(path).stdout)]
    assert rows[-1] == "medium | 4.5 s | 1 | 56 % | 2.00 (1.90 to 2.10), 28 % |", rows
    for settings, share in (("defaults", ", 56 %"), ("eager, cuda", "")):
        path.write_text(json.dumps({**sample, "results": cases, "peers": [
            {**peer, "batch": 2, "settings": settings}]}), encoding="utf-8")
        rows = [row.split(" | ", 1)[1] for row in rows_of(run(path).stdout)]
        assert rows[-1] == f"medium | 2 x 4.5 s | 1 | 112 % | 2.00 (1.90 to 2.10){share} |", rows
    cases.pop()
    check_missed(sample, cases, peer, path)
    path.write_text(json.dumps({**sample, "results": cases[:-1], "peers": [peer]}),
                    encoding="utf-8")
    assert run("--part", "sentences", path).stdout == "No sentence was measured in parts.\n"


def check_placement(folder):
    """Over the faster one alone, whichever that is."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    pocl, path = sample["devices"][1], folder / "placed.json"
    cases = [{"level": "speech", "name": f"medium/{text}, placed by cost", "verdict": "ok",
              "device": pocl["name"], "host_seconds": {"median": seconds},
              "values": {"rtf": seconds / 5, **alone}, "noisy": text == "long"}
             for text, seconds, alone in [
                 ("short", 0.0103, {"cpu_alone_s": 0.01, "device_alone_s": 0.02}),
                 ("medium", 0.2, {}),
                 ("long", 0.81, {"cpu_alone_s": 1.0, "device_alone_s": 0.9})]]
    path.write_text(json.dumps({**sample, "devices": [pocl], "results": cases}), encoding="utf-8")
    done = run("--part", "placement", path)
    assert done.returncode == 0, done.stderr
    head, *rows = rows_of(done.stdout)
    assert [row.split(" | ", 1)[1] for row in rows] == ["medium | 1.03 |  | 0.90 ~ |"], rows
    assert head.endswith("| voice | a word | a sentence | a paragraph |"), head
    for case, nodes in zip(cases, ((100, 0), (50, 50), (100, 0))):
        case["values"] |= {"cpu_nodes": nodes[0], "device_nodes": nodes[1]}
    cases[1]["values"] |= {"cpu_alone_s": 0.4, "device_alone_s": 0.25}
    path.write_text(json.dumps({**sample, "devices": [pocl], "results": cases}), encoding="utf-8")
    rows = rows_of(run("--part", "placement", path).stdout)
    assert rows[1].split(" | ", 1)[1] == \
        "medium | 1 (CPU path alone; measured 1.03) | 0.80 | " \
        "1.11 (CPU path alone; measured 0.90) ~ |", rows
    cases[0]["values"] |= {"cpu_nodes": 0, "device_nodes": 100, "cpu_alone_s": 0.03}
    path.write_text(json.dumps({**sample, "devices": [pocl], "results": cases[:1]}),
                    encoding="utf-8")
    assert "| 1 (device alone; measured 0.5" in run("--part", "placement", path).stdout
    cases[1]["values"] = {"rtf": 0.04}
    path.write_text(json.dumps({**sample, "devices": [pocl], "results": cases[1:2]}),
                    encoding="utf-8")
    assert "No placement" in run("--part", "placement", path).stdout


def check_refusals(folder):
    path = folder / "a.json"
    path.write_text('{"format": "another"}')
    done = run(path)
    assert done.returncode == 3 and "not a result" in done.stderr
    path.write_text(json.dumps({**json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8")),
                                "complete": False}))
    done = run(path)
    assert done.returncode == 3 and "incomplete" in done.stderr


def check_damage(folder):
    """One line that names the file and what is wrong there, and the suite's exit code."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "damaged.json"
    spoken = next(r for r in sample["results"] if r["name"] == "medium/medium")
    kernel = next(r for r in sample["results"] if r["name"].startswith("conv1d/"))
    device, peer = sample["devices"][1], sample["peers"][0]
    for change, where in (
            ({"results": "abc"}, ': "results" is missing, or is no list'),
            ({"devices": [7]}, ", devices[0]: not an object"),
            ({"devices": [{**device, "driver": None}]},
             f': damaged: {device["name"]}: "driver" is missing, or is no text'),
            ({"machine": 7}, ': "machine" is no object'),
            ({"machine": {"cpu": 7}}, ': damaged: "cpu" is missing, or is no text'),
            ({"date": None}, ': damaged: "date" is missing, or is no text'),
            ({"results": [{**spoken, "values": {"rtf": "fast"}}]},
             ', results[0] (medium/medium), "values": "rtf" is \'fast\', not a number'),
            ({"results": [{**spoken, "values": {}}]},
             ': damaged: medium/medium: "rtf" is missing'),
            # What no table shows is looked at as well.
            ({"results": [spoken, {**kernel, "flop": "many"}]},
             f', results[1] ({kernel["name"]}): "flop" is \'many\', not a number'),
            ({"results": [{**kernel, "verdict": "fine"}]},
             f', results[0] ({kernel["name"]}): verdict "fine" is none of ok'),
            ({"results": [{**kernel, "device_seconds": {"min": 1.0}}]},
             f', results[0] ({kernel["name"]}): "device_seconds" has no median'),
            ({"results": [{**kernel, "bytes": float("nan")}]},
             f', results[0] ({kernel["name"]}): "bytes" is nan, not a number'),
            ({"peers": [{**peer, "voice": None}]}, ', peers[0]: "voice" is missing'),
            ({"peers": [{**peer, "ratio": {"median": 1}}]},
             ', peers[0]: "ratio" lacks median, min or max')):
        path.write_text(json.dumps({**sample, **change}), encoding="utf-8")
        done = run(path)
        assert done.returncode == 3 and done.stderr.startswith(f"{path}{where}"), (where, done)
        assert done.stderr.count("\n") == 1 and not done.stdout, done
    for text, why in ("{", "damaged, or no JSON: "), ("[1]", "no object; this is not a result"):
        path.write_text(text, encoding="utf-8")
        done = run(path)
        assert done.returncode == 3 and done.stderr.startswith(f"{path}: {why}"), done
    for arguments, colon in (("/dev/full",), ":"), (("--write", "/dev/full", SAMPLE), ""):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (
            3, f"/dev/full{colon} is there and is not a regular file\n"), done
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, TABLE, SAMPLE], stdout=full, text=True, timeout=300,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done
    assert "standard output cannot be written" in done.stderr, done


def check_alike(folder):
    """Devices of the same name stay apart, and what was disturbed is marked in every column."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    for name in "a", "b":
        (folder / f"{name}.json").write_text(json.dumps({**sample, "results": [
            {**r, "noisy": name == "b"} for r in sample["results"]]}), encoding="utf-8")
    done = run(folder / "a.json", folder / "b.json")
    assert done.returncode == 0, done.stderr
    _, *rows = rows_of(done.stdout)
    names = [row.split(" | ")[0] for row in rows]
    assert len(set(names)) == 2 * len(sample["devices"]), names
    assert all(name.endswith(("(a)", "(b)")) for name in names), names
    for row, name in zip(rows, names):
        cells = [cell for cell in row.strip("| ").split(" | ")[1:] if cell[:1].isdigit()]
        assert cells and all(cell.endswith(" ~") == name.endswith("(b)") for cell in cells), row
    part = {**sample, "results": [r for r in sample["results"] if r["name"] == "medium/medium"]}
    (folder / "part.json").write_text(json.dumps(part), encoding="utf-8")
    done = run(folder / "part.json")
    assert done.returncode == 0 and "First" not in done.stdout, "no word of columns not there"


with tempfile.TemporaryDirectory() as name:
    check_rows()
    check_first_audio(pathlib.Path(name))
    check_readme()
    check_races(pathlib.Path(name))
    check_alignment(pathlib.Path(name))
    check_convolutions(pathlib.Path(name))
    check_forms(pathlib.Path(name))
    check_decoder(pathlib.Path(name))
    check_sentences(pathlib.Path(name))
    check_placement(pathlib.Path(name))
    check_machine_only(pathlib.Path(name))
    check_write(pathlib.Path(name))
    check_refusals(pathlib.Path(name))
    check_damage(pathlib.Path(name))
    check_alike(pathlib.Path(name))
