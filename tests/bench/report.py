#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report.py REPORT SAMPLE PROGRAM: the page made of a sample holds everything, needs nothing, and
damaged files are refused with the place that is wrong."""
import html.parser
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

REPORT, SAMPLE, PROGRAM = map(os.path.abspath, sys.argv[1:4])


class Page(html.parser.HTMLParser):
    """The page's words, what it would load, and whether its elements close."""

    VOID = {"meta", "br", "path", "circle", "link", "img", "input"}

    def __init__(self, text):
        super().__init__()
        self.words, self.loads, self.open, self.tags = [], [], [], {}
        self.feed(text)
        self.close()
        self.words = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loads += [(tag, name, value) for name, value in attrs
                       if name in ("src", "href", "srcset", "data", "poster", "action")]
        self.words += [value for name, value in attrs if name == "data-tip"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


def run(*arguments):
    return subprocess.run([sys.executable, REPORT, *map(str, arguments)], text=True,
                          capture_output=True, timeout=300)


def make(folder, *files):
    out = folder / "out.html"
    out.unlink(missing_ok=True)
    done = run(*files, "-o", out)
    assert done.returncode == 0, done.stderr
    return out.read_text(encoding="utf-8")


def check_page(folder):
    text = make(folder, SAMPLE)
    page, sample = Page(text), json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    assert not page.open, f"never closed: {page.open}"
    assert not page.loads, f"the page would load {page.loads}"
    found = re.search(r"(?i)https?:|//[a-z]|@import|url\(|fetch\(|XMLHttpRequest", text)
    assert not found, f"the page reaches out: {text[found.start():found.start() + 60]}"
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    for result in sample["results"]:
        if result["name"] != "open":
            assert result["name"] in page.words, result["name"]
        if result["verdict"] in ("wrong", "failed"):
            assert result["reason"] in page.words, result["reason"]
    for label in ("CPU path, avx512, 4 threads", "PoCL: Sample Processor 4, cpu kernels",
                  "Sample Platform: Sample GPU, gpu kernels", "Broken GPU"):
        assert label in page.words, label
    for peer in sample["peers"]:
        assert f"{peer['peer']} {peer['version']}" in page.words
    speaking = {r["name"].split("/")[0] for r in sample["results"] if r["level"] == "speech"}
    assert page.tags["svg"] == 3 + len(speaking), page.tags
    operators = [r for r in sample["results"] if r["level"] == "operator" and r["verdict"] == "ok"]
    assert len(re.findall(r'class="dot f\d', text)) == len(operators), "a dot for each operator"


def check_anatomy(folder):
    """Parts are shares of the whole, not of their sum."""
    results = [{"device": "cpu", "level": "stage", "name": f"tiny/sentence{part}", "verdict": "ok",
                "host_seconds": {"min": s, "median": s, "p95": s}}
               for part, s in (("", 0.8), (": flow", 0.2), (": decoder", 0.4))]
    path = folder / "parts.json"
    path.write_text(json.dumps({"format": "clvits-bench 1", "results": results,
                                "devices": [{"name": "cpu", "kind": "cpu", "device": "X"}]}))
    text = make(folder, path)
    assert re.findall(r'class="g\d" style="width:([\d.]+)%', text) == ["25.000", "50.000"], text


def check_families(_folder):
    """Whatever convolves has the colour of convolutions."""
    sys.path.insert(0, REPORT)
    import svg
    groups = {}
    for op in ("conv1d", "wavenet", "separable", "conv_transpose1d", "attention", "normal",
               "prior", "sample", "durations", "sum", "flip"):
        groups.setdefault(svg.family_of(op), []).append(op)
    assert [len(groups[i]) for i in range(4)] == [4, 1, 3, 3], groups


def check_numbers(folder):
    """Figures of one device, worked out by hand."""
    times = {"min": 0.1, "median": 0.2, "p95": 0.3}
    run = {"format": "clvits-bench 1", "results": [
               {"device": "cpu", "level": "speech", "name": "tiny/medium", "verdict": "ok",
                "host_seconds": times, "values": {"rtf": 0.05, "audio_s": 4.0, "batch": 1}},
               {"device": "cpu", "level": "operator", "name": "conv1d/tiny/up0 k4, 1 s",
                "verdict": "ok", "host_seconds": times, "flop": 4e9, "bytes": 1e8,
                "roofline": 0.25, "peak_flops": 8e10, "peak_bytes": 1e10}],
           "devices": [{"name": "cpu", "kind": "cpu", "device": "X", "peak_flops": 7e10,
                        "peak_bytes": 1e10}]} # of the first minute; the case has its own
    path = folder / "one.json"
    path.write_text(json.dumps(run))
    words = Page(make(folder, path)).words.replace("\u00a0", " ")
    for figure in ("RTF 0.0500 · 20.0×", "200 ms", "300 ms", "20.0 GFLOP/s", "500 MB/s", "25 %",
                   "80.0 GFLOP/s", "conv_transpose1d"):
        assert figure in words, figure


def check_disturbed(folder):
    """What was disturbed is marked wherever its time stands, and nothing else is."""
    times = {"min": 0.1, "median": 0.2, "p95": 0.3}
    path = folder / "noisy.json"
    for noisy in False, True:
        about = {"device": "cpu", "verdict": "ok", "host_seconds": times, "noisy": noisy}
        path.write_text(json.dumps({
            "format": "clvits-bench 1", "devices": [{"name": "cpu", "kind": "cpu", "device": "X"}],
            "results": [{**about, "level": "speech", "name": "tiny/medium",
                         "values": {"rtf": 0.05, "audio_s": 4.0, "batch": 1}},
                        {**about, "level": "stage", "name": "tiny/sentence", "noisy": False},
                        {**about, "level": "stage", "name": "tiny/sentence: flow"},
                        {**about, "level": "operator", "name": "norm/tiny, 1 s"},
                        {**about, "level": "operator", "name": "norm/calm, 1 s",
                         "noisy": False}]}))
        words = Page(make(folder, path)).words.replace("\u00a0", " ")
        assert words.count("~ marks times that were disturbed") == 3, words
        assert ("RTF 0.0500 ~ · 20.0×" in words) == noisy, words
        assert words.count("200 ms ~") == 4 * noisy and words.count("0.0500 ~") == 2 * noisy, words


def check_tolerance(folder):
    """Missing levels leave their pictures out; a text in a file is never markup."""
    path = folder / "little.json"
    for run in ({"devices": []},
                {"devices": [{"name": "<script>alert(1)</script>", "kind": "opencl"}]},
                {"devices": [], "results": [], "peers": [], "new": {"of": "later"}}):
        path.write_text(json.dumps({"format": "clvits-bench 1", **run}))
        page = Page(make(folder, path))
        assert page.tags["script"] == 1 and "svg" not in page.tags
    both = Page(make(folder, SAMPLE, SAMPLE))
    assert "cpu kernels (no. 1)" in both.words and "cpu kernels (no. 2)" in both.words
    other = folder / "other.json"
    other.write_text(pathlib.Path(SAMPLE).read_text(encoding="utf-8"), encoding="utf-8")
    both = Page(make(folder, SAMPLE, other))
    assert "cpu kernels (sample)" in both.words and "cpu kernels (other)" in both.words


def check_peers(folder):
    """A race without times says why, and old files' ratios of different audio are not shown."""
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    about = {"peer": "torch", "voice": "medium", "threads": 3}
    timed = {**sample["peers"][0], "ratio": {"median": 777, "min": 776, "max": 778}}
    path = folder / "peers.json"
    path.write_text(json.dumps({**sample, "peers": sample["peers"] + [
        {**about, "failed": "no such operator"},
        {**about, "version": "2.4", "error": 0.5, "wrong": "differs by 0.5"},
        {**timed, "error": 0.5}, {**timed, "durations_equal": False}]}))
    words = Page(make(folder, path)).words
    assert words.count("could not run: no such operator") == 2, "as a bar, and in the table"
    assert words.count("not the same audio: differs by 0.5") == 2
    assert words.count("not the same audio") == 6 and "776 to 778" not in words
    path.write_text(json.dumps({**sample, "peers": [
        {**sample["peers"][0], "wanted": 5.0, "device": device, "noisy": device == "B",
         "ratio": {"median": 777, "min": 776, "max": 778}} for device in "AB"]}))
    words = Page(make(folder, path)).words
    assert words.count("776 to 778)") - words.count("776 to 778)\u00a0~") == 1, words
    for device in "AB":
        assert f"medium, 5 s, 1 thread, {device}: onnxruntime 1.20.1, defaults" in words
    path.write_text(json.dumps({**sample, "peers": [{**about, "failed": "no such operator"}]}))
    assert "could not run: no such operator" in Page(make(folder, path)).words


def check_incomplete(folder):
    path = folder / "half.json"
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    assert "incomplete" not in Page(make(folder, SAMPLE)).words
    path.write_text(json.dumps({**sample, "complete": False}))
    assert f"half: incomplete: the run was interrupted after {len(sample['results'])} cases" \
        in Page(make(folder, path)).words


def check_program(folder):
    """The page that the program makes is the script's, wherever it is called."""
    out = folder / "program.html"
    done = subprocess.run([PROGRAM, "report", SAMPLE, "-o", out], cwd=folder, check=False)
    assert done.returncode == 0 and out.read_text() == make(folder, SAMPLE)
    done = subprocess.run([PROGRAM, "report", folder / "absent.json"], cwd=folder, check=False,
                          text=True, stderr=subprocess.PIPE)
    assert done.returncode == 3, "its exit code is the script's"
    assert re.fullmatch(r"clvits-bench: [^\n]+\n", done.stderr), done.stderr


def check_damage(folder):
    sample = pathlib.Path(SAMPLE).read_text(encoding="utf-8")
    path = folder / "damaged.json"
    number = re.search(r'"median": [\d.e-]+', sample).group()
    cases = [
        (sample[:len(sample) // 2], "damaged"),
        ("", "damaged"),
        ("[1, 2]", "no object"),
        (sample.replace("clvits-bench 1", "clvits-bench 9"), '"clvits-bench 1"'),
        (sample.replace('"devices"', '"gadgets"', 1), '"devices" is missing'),
        (sample.replace(number, '"median": "fast"', 1), "results[0]"),
        (sample.replace(number, '"median": -1', 1), "not a number from 0 up"),
        (sample.replace(number, '"median": NaN', 1), "results[0]"),
        (sample.replace('"verdict": "ok"', '"verdict": "splendid"', 1), "splendid"),
        (sample.replace('"name": "launch and wait"', '"name": 7', 1), "results[0]"),
        (sample.replace('"ratio": {', '"ratio": 3, "x": {', 1), "peers[0]"),
    ]
    for text, expected in cases:
        path.write_text(text, encoding="utf-8")
        (folder / "none.html").unlink(missing_ok=True)
        done = run(path, "-o", folder / "none.html")
        assert done.returncode == 3, (expected, done)
        assert expected in done.stderr and str(path) in done.stderr, (expected, done.stderr)
        assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not (folder / "none.html").exists()
    assert run(folder / "absent.json").returncode == 3
    done = run("/dev/zero") # which would never end
    assert done.returncode == 3 and "not a regular file" in done.stderr, done
    assert run(SAMPLE, "-o", folder / "no" / "such.html").returncode == 3


def check_full(folder):
    """A page is whole, or what it was before."""
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    out = folder / "small" / "page.html"
    out.parent.mkdir()
    for before in ("", make(folder, SAMPLE)):
        if before:
            out.write_text(before)
        done = subprocess.run([sys.executable, REPORT, SAMPLE, "-o", out], text=True, timeout=300,
                              capture_output=True, preexec_fn=small_files, check=False)
        assert done.returncode == 3 and f"{out}: cannot be written: " in done.stderr, done
        assert [p.name for p in out.parent.iterdir()] == [out.name] * bool(before)
        assert not before or out.read_text() == before
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, REPORT, SAMPLE, "-o", out], text=True, timeout=300,
                              stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3 and "standard output cannot be written" in done.stderr, done


def check_kept(folder):
    """What is there and is no page stays; a page, or an empty file, is replaced where it lies."""
    place = folder / "kept"
    place.mkdir()
    out, link = place / "page.html", place / "link.html"
    for mine in ("mine\n", "<!DOCTYPE html>\n<title>clvits</title>\n<style>", "\0\1"):
        out.write_text(mine)
        done = run(SAMPLE, "-o", out)
        assert done.returncode == 3 and out.read_text() == mine and done.stderr == (
            f"clvits-bench: {out} is there and is no page of clvits-bench; give another name\n")
    link.symlink_to(out.name)
    for before in ("", make(folder, SAMPLE).replace("avx512", "avx2")):
        out.write_text(before)
        out.chmod(0o640)
        done = run(SAMPLE, "-o", link)
        assert done.returncode == 0, done.stderr
        assert out.stat().st_mode & 0o777 == 0o640
        assert link.is_symlink() and out.read_text() == make(folder, SAMPLE)
        assert sorted(place.iterdir()) == [link, out], "something is left"
    out.chmod(0o440)
    if not os.access(out, os.W_OK): # root may write all
        done = run(SAMPLE, "-o", link)
        assert done.returncode == 3 and "cannot be written" in done.stderr, done


def check_counts(folder):
    sample = json.loads(pathlib.Path(SAMPLE).read_text(encoding="utf-8"))
    path = folder / "one-device.json"
    name = sample["devices"][0]["name"]
    path.write_text(json.dumps({**sample, "devices": sample["devices"][:1], "results": [
        r for r in sample["results"] if r["device"] == name]}))
    assert run(path, "-o", folder / "one.html").stdout.endswith("one.html: 1 device\n")
    assert re.search(r": \d+ devices\n", run(SAMPLE, "-o", folder / "all.html").stdout)


def check_first_audio(folder):
    """Of a paragraph its own first chunk, else a sentence's, else its first piece."""
    del folder
    sys.dont_write_bytecode = True
    sys.path.append(REPORT)
    import results # the page's own

    paragraph = {"voice": "a", "text": "long", "values": {"first_audio_ms": 50}}
    chunks = [{"name": f"a/{text}, first chunk", "verdict": "ok", "host_seconds": {"median": time}}
              for text, time in (("short", 0.01), ("medium", 0.02), ("long", 0.03))]
    found = [results.first_audio({"cases": chunks[:n]}, paragraph) for n in (1, 2, 3)]
    assert found == [0.05, 0.02, 0.03], found


def main():
    with tempfile.TemporaryDirectory() as name:
        for check in (check_page, check_anatomy, check_families, check_numbers, check_disturbed,
                      check_tolerance, check_peers, check_incomplete, check_program, check_damage,
                      check_full, check_kept, check_counts, check_first_audio):
            check(pathlib.Path(name))
            print(f"{check.__name__}: fine")


main()
