#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""looking.py PROGRAM SOURCE SANITIZER: traces, plans and graphs say what ran, where and when."""

import base64
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from xml.etree import ElementTree

from support import TIMEOUT, TINY, ProgramTest, devices, main, wav_samples

TEXT = "hello there people. how are you"
SVG = "{http://www.w3.org/2000/svg}"
ROW = re.compile(r"^ *(\d+) +(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +\S+  "
                 r"(\w+) (.*)$")


class Trace(ProgramTest):
    def trace(self, *args):
        done = self.run_program("speak", "-m", TINY, "--trace", "t.json", "-o", "a.wav", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.left(), ["a.wav", "t.json"])
        whole = json.loads((self.cwd / "t.json").read_text(encoding="utf-8"))
        events = whole["traceEvents"]
        for e in events:
            self.assertIn(e["ph"], "XM")
            if e["ph"] == "X":
                self.assertGreaterEqual(e["dur"], 0)
        return events, [e for e in events if e["ph"] == "X"]

    def check_lanes(self, events, spans):
        """Every lane has a name, and in each, spans are apart or within each other."""
        named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
        self.assertEqual(len({tid for _, tid in named}), len(named))
        self.assertNotIn(0, {number for lane in named for number in lane})
        self.assertEqual({(e["pid"], e["tid"]) for e in spans}, named)
        self.assertEqual({e["pid"] for e in events if e["name"] == "process_name"},
                         {e["pid"] for e in spans})
        for lane in named:
            ends = []
            for e in sorted((e for e in spans if (e["pid"], e["tid"]) == lane),
                            key=lambda e: (e["ts"], -e["dur"])):
                while ends and ends[-1] <= e["ts"] + 0.0021:
                    ends.pop()
                if ends:
                    self.assertLessEqual(e["ts"] + e["dur"], ends[-1] + 0.0021, e)
                ends.append(e["ts"] + e["dur"])

    def check_host(self, spans):
        host = [e for e in spans if e["pid"] == 1]
        names = [e["name"] for e in host]
        for name in ("open voice", "speak", "text front-end", "plan", "run", "audio callback"):
            self.assertIn(name, names)
        self.assertEqual({e["args"]["stage"] for e in host if e["name"] == "run"},
                         {"text", "latent", "wave"})
        speak = next(e for e in host if e["name"] == "speak")
        return speak["ts"], speak["ts"] + speak["dur"]

    def check_nodes(self, spans, place):
        start, end = self.check_host(spans)
        nodes = [e for e in spans if e["cat"] == "node"]
        self.assertGreater(len(nodes), 100)
        for e in nodes:
            args = e["args"]
            self.assertEqual((args["place"], e["pid"]), (place, place + 2))
            self.assertRegex(args["shape"], r"-> \(\d+,\d+,\d+\)")
            self.assertGreater(args["bytes"], 0)
            self.assertGreaterEqual(args["flops"], 0)
            self.assertEqual("kernel" in args, place > 0)
            self.assertGreater(e["ts"], start - 50)
            self.assertLess(e["ts"] + e["dur"], end + 50)
        self.assertTrue(any(e["name"].startswith("conv1d dec.") for e in nodes))
        # Two sentences run each node of the first stage once each.
        text = [e["args"]["node"] for e in nodes if e["args"]["stage"] == "text"]
        self.assertEqual(sorted(text), sorted(2 * list(range(max(text) + 1))))

    def test_cpu_path(self):
        events, spans = self.trace("--device", "cpu", TEXT)
        self.check_lanes(events, spans)
        self.check_nodes(spans, 0)

    def test_device(self):
        if not devices():
            self.skipTest("no OpenCL device")
        events, spans = self.trace("--device", "opencl", TEXT)
        self.check_lanes(events, spans)
        self.check_nodes(spans, 1)
        self.assertTrue(any(e["cat"] == "copy" and e["name"].startswith("read") for e in spans))
        self.assertTrue(any(e["name"].startswith("wait and read") for e in spans))

    def test_two_places(self):
        if not devices():
            self.skipTest("no OpenCL device")
        events, spans = self.trace("--device", "opencl", "--place", "flow=cpu", TEXT)
        self.check_lanes(events, spans)
        flow = {e["pid"] for e in spans if e["cat"] == "node" and " flow" in e["name"]}
        self.assertEqual(flow, {2})
        self.assertEqual({e["pid"] for e in spans}, {1, 2, 3})

    def test_the_speech_is_the_same(self):
        self.trace("--device", "cpu", TEXT)
        self.speak("-o", "b.wav", TEXT)
        self.assertEqual(wav_samples(self.cwd / "a.wav"), wav_samples(self.cwd / "b.wav"))

    def test_refusals(self):
        self.fails(4, ["no/t.json"], "speak", "-m", TINY, "--trace", "no/t.json", TEXT)
        self.fails(2, ["nothing to speak"], "speak", "--device", "cpu", "-m", TINY, "--trace",
                   "t.json", " ")


class Tuned(ProgramTest):
    def listed(self, rows=None):
        """What is said of each place, and what of the rows."""
        if rows is not None:
            (self.cwd / "cache").mkdir()
            (self.cwd / "cache" / "tuned.txt").write_text(rows, encoding="utf-8")
        done = self.run_program("devices", "-v", env={"CLVITS_CACHE": "cache"})
        self.assertEqual(done.returncode, 0)
        places = re.findall(r"(?m)^.*: \d+ tuned rows?.*$", done.stdout.decode())
        self.assertEqual(len(places), 1 + len(devices()))
        return places, done.stderr.decode().splitlines()

    def test_whose_rows(self):
        places, said = self.listed()
        self.assertEqual(said, [])
        for line in places:
            self.assertRegex(line, r": (0 tuned rows|1 tuned row, all of the library|"
                                   r"\d+ tuned rows, all of the library)$")

    def test_what_makes_no_sense_is_told_once(self):
        places, said = self.listed("* | * | conv1d | * | lanes=7\n* | * | conv1d | * | m=99\n"
                                   "what?\n* | * | conv1d | * | job=4\n")
        self.assertEqual(sorted(int(line.split("tuned.txt:")[1].split(":")[0]) for line in said),
                         [1, 2, 3], said)
        for line in places:
            self.assertRegex(line, r", 1 of them from cache/tuned.txt$")


class Plan(ProgramTest):
    def plan(self, *args):
        """Rows by stage, the lines of totals, and what else was written."""
        done = self.run_program("speak", "-q", "-m", TINY, "--plan", "-o", "a.wav", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        stages, totals, stage = {}, {}, None
        for line in done.stderr.decode().split("\n"):
            if line.startswith("stage "):
                stage = stages.setdefault(line[6:], [])
            elif ROW.match(line):
                stage.append(ROW.match(line).groups())
            elif " nodes, " in line:
                name, _, rest = line.partition(": ")
                totals[name] = [float(x) for x in re.findall(r"[\d.]+", rest)]
        return stages, totals, done.stderr.decode()

    def check(self, stages, totals):
        self.assertEqual(list(stages), ["text", "latent", "wave"])
        for name, rows in stages.items():
            nodes, calls, mb, mflop, predicted, measured = totals[name]
            self.assertEqual((len(rows), sum(int(r[2]) for r in rows)), (nodes, calls))
            self.assertEqual([int(r[0]) for r in rows], list(range(len(rows))))
            for column, total in ((3, mb), (4, mflop), (5, predicted), (6, measured)):
                self.assertAlmostEqual(sum(float(r[column]) for r in rows), total,
                                       delta=0.06 + 0.001 * len(rows))
        self.assertEqual(totals["all stages"][0], sum(len(rows) for rows in stages.values()))

    def test_cpu_path(self):
        stages, totals, text = self.plan("--device", "cpu", TEXT)
        self.check(stages, totals)
        self.assertIn("the best of any node in this run", text)
        for row in (row for rows in stages.values() for row in rows):
            self.assertEqual(row[1], "0")
            self.assertNotIn("kernel", row[8])

    def test_device(self):
        if not devices():
            self.skipTest("no OpenCL device")
        stages, totals, text = self.plan("--device", "opencl", TEXT)
        self.check(stages, totals)
        for row in (row for rows in stages.values() for row in rows):
            self.assertEqual(row[1], "1")
            self.assertIn(", kernel ", row[8])
        self.assertRegex(text, r"read on place 1, [\d.]+ MB")

    def test_given_ceilings(self):
        stages, _, text = self.plan("--device", "cpu", "--ceilings", "10,2", TEXT)
        self.assertIn("as given: 10.0 GFLOP/s, 2.0 GB/s", text)
        for row in (row for rows in stages.values() for row in rows):
            mb, mflop, predicted = (float(x) for x in row[3:6])
            self.assertAlmostEqual(predicted, max(mb / 2, mflop / 10), delta=0.0015)

    def test_full_disk(self):
        """A plan that was asked for is missed; notes are not."""
        def full():
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

        for args, code in ((("-q", "--plan"), 4), (("--plan",), 4), ((), 0)):
            done = self.run_program("speak", "--device", "cpu", "-m", TINY, *args, "-o", "a.wav",
                                    TEXT, prepare=full)
            with self.subTest(args=args):
                self.assertEqual((done.returncode, self.left()), (code, ["a.wav"]))

    def test_refusals(self):
        for given in ("10", "10,", "0,2", "inf,2", "10,nan", "10,2,3", "x"):
            self.fails(2, ["--ceilings"], "speak", "--plan", "--ceilings", given, TEXT)
        self.fails(2, ["--plan"], "speak", "--ceilings", "10,2", TEXT)


class Graph(ProgramTest):
    def graph(self, *args):
        done = self.run_program("info", "--graph", "g.dot", *args, TINY)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(self.left(), ["g.dot"])
        if shutil.which("dot"):
            svg = subprocess.run(["dot", "-Tsvg", "g.dot"], cwd=self.cwd, capture_output=True,
                                 timeout=TIMEOUT, check=True)
            self.assertEqual(svg.stderr, b"")
            self.assertIn(b"</svg>", svg.stdout)
        return (self.cwd / "g.dot").read_text(encoding="utf-8")

    def test_cpu_path(self):
        text = self.graph("--device", "cpu")
        self.assertEqual(text.count("{"), text.count("}"))
        self.assertEqual(re.findall(r'label="(\w+): \d+ nodes, 0 copies"', text),
                         ["text", "latent", "wave"])
        boxes = set(re.findall(r"^ +(\w+) \[", text, re.M))
        for ends in re.findall(r"(\w+) -> (\w+)", text):
            self.assertLessEqual(set(ends), boxes)
        self.assertNotIn("color=red", text)

    def test_two_places(self):
        if not devices():
            self.skipTest("no OpenCL device")
        text = self.graph("--device", "opencl", "--place", "flow=cpu")
        self.assertRegex(text, r'label="copy, [\d.e+-]+ MB"')
        self.assertRegex(text, r'label="latent: \d+ nodes, [1-9]\d* copies"')

    def test_refusals(self):
        self.fails(2, ["9"], "info", "--device", "cpu", "--graph", "g.dot", "--place", "flow=9",
                   TINY)
        done = self.run_program("info", "--device", "cpu", "--graph", "no/g.dot", TINY)
        self.one_message(done, 4, "no/g.dot")


class Plot(ProgramTest):
    """Pictures of speech: one label for each phoneme and word, where the timings have them."""

    def plot(self, *args, **options):
        self.speak("--plot", "p.svg", "--timings", "t.json", *args, **options)
        root = ElementTree.fromstring((self.cwd / "p.svg").read_text(encoding="utf-8"))
        timings = json.loads((self.cwd / "t.json").read_text(encoding="utf-8"))
        return root, timings

    @staticmethod
    def labels(root, kind):
        return [(float(e.get("x")), "".join(e.itertext())) for e in root.iter(SVG + "text")
                if e.get("class") == kind]

    def check_image(self, root):
        image, = root.iter(SVG + "image")
        data = image.get("{http://www.w3.org/1999/xlink}href")
        png = base64.b64decode(data.removeprefix("data:image/png;base64,"), validate=True)
        self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
        chunks, at = {}, 8
        while at < len(png):
            size, name = struct.unpack(">I4s", png[at:at + 8])
            body = png[at + 8:at + 8 + size]
            self.assertEqual(struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0],
                             zlib.crc32(name + body))
            chunks[name] = body
            at += size + 12
        width, height, bits, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
        self.assertEqual((height, bits, kind, len(chunks[b"PLTE"])), (80, 8, 3, 768))
        rows = zlib.decompress(chunks[b"IDAT"])
        self.assertEqual(len(rows), height * (width + 1))
        self.assertEqual(rows[::width + 1], bytes(height))
        self.assertGreater(len(set(rows)), 30)
        return width

    def test_labels_stand_at_their_times(self):
        root, timings = self.plot("-o", "a.wav", "hello <there> & \"people\". how are you")
        self.assertEqual(self.left(), ["a.wav", "p.svg", "t.json"])
        seconds = timings["duration"]
        panel = next(e for e in root.iter(SVG + "rect") if e.get("class") == "panel")
        left, width = float(panel.get("x")), float(panel.get("width"))
        for kind in ("phoneme", "word"):
            wanted = [t for s in timings["sentences"] for t in s[kind + "s"]]
            shown = self.labels(root, kind)
            self.assertEqual([text for _, text in shown], [t["text"] for t in wanted])
            for (x, _), t in zip(shown, wanted):
                middle = (t["start"] + 0.5 * t["duration"]) / seconds
                self.assertAlmostEqual(x, left + width * middle, delta=0.2)
        self.assertIn("&", "".join(text for _, text in self.labels(root, "word")))
        self.assertIn("prefers-color-scheme:dark", next(root.iter(SVG + "style")).text)
        rate, samples = wav_samples(self.cwd / "a.wav")
        self.assertEqual(self.check_image(root), min(len(samples) // 256, int(200 * seconds)))
        self.assertAlmostEqual(seconds, len(samples) / rate, delta=1e-4)

    def test_several_lines(self):
        root, timings = self.plot("--output-raw", stdin="hello there\n\nhow are you\n")
        self.assertEqual(len(timings["sentences"]), 2)
        self.assertEqual([text for _, text in self.labels(root, "word")],
                         ["hello", "there", "how", "are", "you"])
        self.assertEqual(len(self.labels(root, "phoneme")),
                         sum(len(s["phonemes"]) for s in timings["sentences"]))

    def test_ids(self):
        root, _ = self.plot("-o", "a.wav", "--ids", "5 0 6 0 7")
        self.check_image(root)
        self.assertEqual(self.labels(root, "word"), [])


if __name__ == "__main__":
    main()
