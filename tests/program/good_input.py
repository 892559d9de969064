#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""good_input.py PROGRAM SOURCE SANITIZER: what the program writes is what was asked for."""

import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import unittest

from support import (GOLDEN, PROGRAM, SANITIZED, SOURCE, SPEAKERS, TIMEOUT, TINY, ProgramTest,
                     devices, flac_length, main, ogg_length, samples_of, snr, wav_samples)

TEXT = "hello there people. how are you"
RATE = 22050  # of the tiny voices
FEW = ("copy", "flip", "gate", "sum")  # operators that are cheap to check
LINE = re.compile(r"\Aclvits: .+: \d+\.\d\d s of speech in \d+\.\d\d s, RTF \d+\.\d+, "
                  r"first audio after \d+\.\d\d\d s.*\n\Z")


class Commands(ProgramTest):
    def test_help_and_version(self):
        for args in [("--help",), ("speak", "--help"), ("devices", "--help"), ("info", "--help"),
                     ("align", "--help"), ("revoice", "--help"), ("check", "--help"),
                     ("speak", "-h")]:
            with self.subTest(args=args):
                done = self.run_program(*args)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertTrue(done.stdout.startswith(b"usage: clvits "))
                self.assertIn(b"exit codes:", done.stdout)
                self.assertLess(max(map(len, done.stdout.split(b"\n"))), 100)
        self.assertRegex(self.run_program("--version").stdout,
                         rb"\Aclvits \d+\.\d+\.\d+, kernels [0-9a-f]+\n\Z")

    def test_devices(self):
        listed = devices()
        for i, device in enumerate(listed):
            self.assertEqual(device["number"], i)
            self.assertGreater(device["global_memory"], 0)
        table = self.run_program("devices")
        self.assertEqual(table.returncode, 0)
        for device in listed:
            self.assertIn(device["name"], table.stdout.decode())
        none = self.run_program("devices", "--json", env=self.without_platforms())
        self.assertEqual(json.loads(none.stdout), [])

    def test_info(self):
        done = self.run_program("info", "--json", SPEAKERS)
        info = json.loads(done.stdout)
        self.assertEqual(info["speakers"], ["ann", "bob", "cy", "dee"])
        self.assertEqual((info["sample_rate"], info["symbols"]), (RATE, 46))
        config = json.loads((SOURCE / "lib/voices/mini/config.json").read_text(encoding="utf-8"))
        embedded = json.loads(self.run_program("info", "--json").stdout)
        self.assertEqual(embedded["sample_rate"], config["sampling_rate"])
        self.assertIn(b"ann, bob, cy, dee", self.run_program("info", SPEAKERS).stdout)

    def test_no_platform_falls_back_to_the_cpu(self):
        done = self.run_program("speak", "-m", TINY, TEXT, env=self.without_platforms())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.left(), ["clvits.wav"])


class Files(ProgramTest):
    def raw(self, *args, **options):
        return samples_of(self.speak("--output-raw", *args, **options).stdout)

    def test_formats(self):
        want = self.raw(TEXT)
        self.assertGreater(len(want), RATE // 10)
        done = self.speak("-o", "x.wav", TEXT)
        self.assertRegex(done.stderr.decode(), LINE)
        rate, got = wav_samples(self.cwd / "x.wav")
        self.assertEqual((rate, got), (RATE, want))
        self.speak("--output_file=x.flac", TEXT)
        self.assertEqual(flac_length(self.cwd / "x.flac"), (RATE, len(want)))
        self.speak("--output-file", "x.OGG", TEXT)
        self.assertEqual(ogg_length(self.cwd / "x.OGG"), (RATE, len(want)))
        self.assertEqual(self.left(), ["x.OGG", "x.flac", "x.wav"])

    def test_raw(self):
        done = self.speak("-q", "-o", "-", TEXT)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(samples_of(done.stdout), self.raw(TEXT))
        self.assertEqual(self.left(), [])

    def test_default_output(self):
        self.speak(TEXT)
        self.assertEqual(self.left(), ["clvits.wav"])

    def test_where_the_text_comes_from(self):
        want = self.raw("hello there")
        (self.cwd / "text.txt").write_bytes(b"\xef\xbb\xbfhello there\r\n\n")
        self.assertEqual(self.raw("-f", "text.txt"), want)
        self.assertEqual(self.raw(stdin="\nhello there"), want)
        self.assertEqual(self.raw("-f", "-", stdin="hello there\n"), want)
        self.assertEqual(self.raw("-", stdin="hello there\n"), want)
        self.assertEqual(self.raw("--", "hello there"), want)

    def test_lines_in_one_file(self):
        one, two = self.raw("hello there"), self.raw("how are you")
        both = self.raw("--sentence_silence", "0.5", stdin="hello there\n\nhow are you\n")
        self.assertEqual(both, one + samples_of(bytes(RATE)) + two)

    def test_a_line_that_cannot_be_spoken_is_left_out(self):
        done = self.speak("-o", "x.wav", stdin="hello there\n\u2605\nhow are you\n")
        self.assertRegex(done.stderr.decode(), r"\Aclvits: warning: skipped line 2: .*\n.*RTF")

    def test_a_file_per_line(self):
        done = self.speak("-d", "out", "--format", "flac",
                          stdin="hello there\n\u2605\nhow are you\n")
        self.assertEqual(done.stdout, b"out/0001.flac\nout/0002.flac\n")
        self.assertEqual(self.left(), ["out", "out/0001.flac", "out/0002.flac"])
        self.assertEqual(flac_length(self.cwd / "out/0002.flac"),
                         (RATE, len(self.raw("how are you"))))

    def test_several_at_once(self):
        lines = [f"how are you, {'there ' * (i * 7 % 5)}people" for i in range(20)]
        lines[3] = "\u2605"
        lines[11] = "hello. how are you? hello there"
        stdin = "\n".join(lines)
        wanted = self.speak("-d", "one", "--batch", "1", "--timings", ".json", stdin=stdin)
        files = [name[4:] for name in self.left() if name.startswith("one/")]
        self.assertEqual(len(files), 38)
        for args in [(), ("--batch", "16"), ("--device", "cpu+cpu", "--batch", "3")]:
            with self.subTest(args=args):
                done = self.speak("-d", "many", "--timings", ".json", *args, stdin=stdin)
                self.assertEqual(done.stdout, wanted.stdout.replace(b"one/", b"many/"))
                for name in files:
                    self.assertEqual((self.cwd / "many" / name).read_bytes(),
                                     (self.cwd / "one" / name).read_bytes(), name)
                self.assertEqual([name for name in self.left() if name.startswith("many/")],
                                 [f"many/{name}" for name in files])
                self.assertIn("warning: skipped line 4: ", done.stderr.decode())
                shutil.rmtree(self.cwd / "many")
        self.assertRegex(done.stderr.decode(), r"\(\d+\) \+ .* \(\d+\): \d+\.\d\d s of speech in ")

    def test_phonemes(self):
        done = self.speak("-m", GOLDEN / "vits-single" / "G_3000.pth", "-c",
                          GOLDEN / "vits-single" / "config.json", "--phonemes", "--output-raw",
                          "--seed", "3", "z\u0259, b")
        ids = "0 68 0 83 0 3 0 16 0 44 0"
        self.assertEqual(samples_of(done.stdout),
                         self.raw("-m", GOLDEN / "vits-single", "--seed", "3", "--ids", ids))

    def test_ids(self):
        rate, got = wav_samples(self.spoken("--ids", "19,27 25 25\t15"))
        self.assertEqual(rate, RATE)
        self.assertEqual(len(got) % 32, 0)
        self.assertGreater(len(got), 0)

    def spoken(self, *args):
        self.speak("-o", "x.wav", *args)
        return self.cwd / "x.wav"

    def test_manner(self):
        want = self.raw(TEXT, "--seed", "7")
        self.assertEqual(self.raw(TEXT, "--seed=7"), want)
        self.assertNotEqual(self.raw(TEXT, "--seed", "8"), want)
        still = ("--noise-scale", "0", "--noise_w", "0")
        self.assertEqual(self.raw(TEXT, *still, "--seed", "7"), self.raw(TEXT, *still))
        slow = self.raw(TEXT, *still, "--length_scale", "9")
        self.assertGreater(len(slow), 2 * len(self.raw(TEXT, *still, "--length-scale", "1")))
        loud, soft = (self.raw(TEXT, "--volume", v) for v in ("1", "0.5"))
        self.assertLess(abs(max(soft) - max(loud) / 2), 2)

    def test_verbose(self):
        text = self.speak("-v", TEXT).stderr.decode()
        self.assertRegex(text, r"peak memory: host \d+\.\d MiB, 0 OpenCL devices 0\.0 MiB")
        self.assertRegex(text, r"wave plan for up to \d+ frames: \d+ launches, 0 copies")
        self.assertRegex(text, r"opened in \d+\.\d\d s")


class Progress(ProgramTest):
    def test_on_a_terminal_only(self):
        (self.folder / "text.txt").write_text("hello there people " * 40000, encoding="utf-8")
        terminal, stderr = pty.openpty()
        process = subprocess.Popen([PROGRAM, "speak", "--device", "cpu", "-m", str(TINY), "-f",
                                    str(self.folder / "text.txt")], stderr=stderr, cwd=self.cwd)
        os.close(stderr)
        shown = b""
        while b"\x1b[K" not in shown:
            shown += os.read(terminal, 4096)
        process.send_signal(signal.SIGINT)
        try:
            while more := os.read(terminal, 4096):
                shown += more
        except OSError:  # what a terminal says that nobody has open any more
            pass
        self.assertEqual(process.wait(timeout=TIMEOUT), 130)
        os.close(terminal)
        self.assertRegex(shown, rb"\A\rclvits: +\d+ %, \d+\.\d s of speech")
        self.assertIn(b"clvits: interrupted", shown)
        self.assertEqual(self.left(), [])


class Languages(ProgramTest):
    VOICE = GOLDEN / "coqui-languages"

    def raw(self, *args):
        done = self.run_program("speak", "-q", "--device", "cpu", "-m", self.VOICE, "--output-raw",
                                *args, "ein kind")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_by_id_and_name(self):
        want = self.raw("--language", "2")
        self.assertEqual(self.raw("-l", "fr-fr"), want)
        self.assertNotEqual(self.raw(), want)
        self.assertEqual(self.raw("-l", "de"), self.raw())

    def test_names(self):
        info = json.loads(self.run_program("info", "--json", self.VOICE).stdout)
        self.assertEqual(info["languages"], ["de", "en", "fr-fr"])
        self.assertEqual(info["speakers"], ["ann", "bob"])


class Speakers(ProgramTest):
    def raw(self, *args, **options):
        done = self.run_program("speak", "-q", "--device", "cpu", "-m", SPEAKERS, "--output-raw",
                                *args, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_by_id_and_name(self):
        want = self.raw("--speaker", "2", "hello")
        self.assertEqual(self.raw("-s", "cy", "hello"), want)
        self.assertNotEqual(self.raw("hello"), want)

    def test_json_lines(self):
        first, cy = self.raw("hello"), self.raw("--speaker", "2", "hello")
        for line in ({"speaker_id": 2}, {"speaker": "cy"}, {"speaker": 2}):
            text = json.dumps({"text": "hello", **line})
            self.assertEqual(self.raw("--json-input", stdin=text), cy)
        line = json.dumps({"text": "hello", "output_file": "alone.wav"})
        self.run_program("speak", "-q", "--device", "cpu", "-m", SPEAKERS, "--json-input",
                         stdin=line)
        self.assertEqual(self.left(), ["alone.wav"])
        (self.cwd / "alone.wav").unlink()
        lines = [{"text": "hello"}, {"text": "hello", "output_file": "named.wav", "speaker": "cy"},
                 {"text": "hello"}]
        done = self.run_program("speak", "-q", "--device", "cpu", "-m", SPEAKERS, "--json_input",
                                "-d", ".", stdin="\n".join(map(json.dumps, lines)))
        self.assertEqual(done.stdout, b"./0001.wav\nnamed.wav\n./0002.wav\n")
        self.assertEqual(self.left(), ["0001.wav", "0002.wav", "named.wav"])
        for name, want in (("0001", first), ("0002", first), ("named", cy)):
            self.assertEqual(len(wav_samples(self.cwd / f"{name}.wav")[1]), len(want) // 2)


class Timings(ProgramTest):
    LINES = "hello there people. how are you?\nfine thanks\n"

    def length(self):
        rate, samples = wav_samples(self.cwd / "x.wav")
        return len(samples) / rate

    def test_json(self):
        self.speak("-o", "x.wav", "--timings", "t.json", stdin=self.LINES)
        times = json.loads((self.cwd / "t.json").read_text(encoding="utf-8"))
        self.assertEqual(times["sample_rate"], RATE)
        self.assertAlmostEqual(times["duration"], self.length(), 5)
        sentences = times["sentences"]
        self.assertEqual([s["text"] for s in sentences],
                         ["hello there people.", "how are you?", "fine thanks"])
        self.assertEqual([w["text"] for s in sentences for w in s["words"]],
                         "hello there people how are you fine thanks".split())
        end = 0
        for s in sentences:
            self.assertAlmostEqual(s["start"], end, 4)
            for kind in ("words", "phonemes"):
                at = s["start"]
                for t in s[kind]:
                    self.assertGreaterEqual(t["start"], at - 1e-5)
                    at = t["start"] + t["duration"]
                self.assertLessEqual(at, s["start"] + s["duration"] + 1e-5)
            for p in s["phonemes"]:
                if p["word"] is not None:
                    self.assertIn(p["text"], s["words"][p["word"]]["text"])
            end = s["start"] + s["duration"] + 0.2
        self.assertAlmostEqual(end - 0.2, times["duration"], 4)

    def test_tsv(self):
        self.speak("-o", "x.wav", "--timings", "t.tsv", stdin=self.LINES)
        rows = [r.split("\t") for r in (self.cwd / "t.tsv").read_text("utf-8").splitlines()]
        self.assertEqual(rows.pop(0), ["start", "duration", "kind", "text"])
        self.assertEqual({len(r) for r in rows}, {4})
        self.assertEqual([r[3] for r in rows if r[2] == "word"],
                         "hello there people how are you fine thanks".split())
        last = [r for r in rows if r[2] == "sentence"][-1]
        self.assertAlmostEqual(float(last[0]) + float(last[1]), self.length(), 5)

    def test_srt(self):
        words = "hello there people how are you today " * 4
        self.speak("-o", "x.wav", "--timings", "t.srt", words + ".\nfine thanks")
        cues = (self.cwd / "t.srt").read_text("utf-8").strip().split("\n\n")
        text, at = [], 0.0
        for i, cue in enumerate(cues, 1):
            number, times, line = cue.split("\n")
            self.assertEqual(int(number), i)
            self.assertLessEqual(len(line), 64)
            start, end = (sum(float(x) * f for x, f in zip(t.replace(",", ".").split(":"),
                                                          (3600, 60, 1)))
                          for t in times.split(" --> "))
            self.assertGreaterEqual(start, at - 1e-6)
            self.assertGreater(end, start)
            at = end
            text.append(line)
        self.assertEqual(" ".join(text).split(), (words + ". fine thanks").split())
        self.assertAlmostEqual(at, self.length(), 2)

    def test_beside_each_file(self):
        self.speak("-d", "out", "--timings", ".json", stdin=self.LINES)
        self.assertEqual(self.left(), ["out", "out/0001.json", "out/0001.wav", "out/0002.json",
                                       "out/0002.wav"])
        times = json.loads((self.cwd / "out/0002.json").read_text(encoding="utf-8"))
        rate, samples = wav_samples(self.cwd / "out/0002.wav")
        self.assertAlmostEqual(times["duration"], len(samples) / rate, 5)
        self.assertEqual(times["sentences"][0]["start"], 0)


class Streams(ProgramTest):
    SPEAK = ("speak", "--device", "cpu", "-m", TINY)

    def test_the_same_samples_in_smaller_pieces(self):
        long = ("--length-scale", "9", TEXT)
        want = self.speak("--output-raw", "--trace", "raw.json", *long).stdout
        done = self.speak("--stream", "--trace", "stream.json", *long)
        self.assertEqual(done.stdout, want)
        self.assertRegex(done.stderr.decode(), LINE)
        pieces = {}
        for name in ("raw", "stream"):
            spans = json.loads((self.cwd / f"{name}.json").read_text(encoding="utf-8"))
            spans = spans["traceEvents"] if isinstance(spans, dict) else spans
            pieces[name] = sum(s.get("name") == "audio callback" for s in spans)
        self.assertGreater(pieces["stream"], pieces["raw"] + 2)

    def before_audio(self, *args):
        """What is done before the first samples come, with each operator's shapes."""
        self.speak("--stream", "--trace", "trace.json", *args)
        spans = json.loads((self.cwd / "trace.json").read_text(encoding="utf-8"))
        spans = spans["traceEvents"] if isinstance(spans, dict) else spans
        done = [(s["name"], s["args"].get("shape")) for s in spans if s["ph"] == "X"]
        return done[:done.index(("audio callback", None))]

    def test_first_audio_is_the_first_sentence(self):
        sentence = "hello there people. "
        alone = self.before_audio(sentence)
        self.assertEqual([name for name, _ in alone].count("text front-end"), 1)
        self.assertGreater(sum(shape is not None for _, shape in alone), 50)
        self.assertEqual(self.before_audio(30 * sentence), alone)
        (self.cwd / "text.txt").write_text(30 * f"{sentence}\n", encoding="utf-8")
        self.assertEqual(self.before_audio("-f", "text.txt"), alone)

    def test_header(self):
        want = self.speak("--output-raw", TEXT).stdout
        got = self.speak("--stream", "--format", "wav", TEXT).stdout
        self.assertEqual(got[44:], want)
        self.assertEqual(got[:44], b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack(
            "<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data\xff\xff\xff\xff")
        self.assertEqual(self.left(), [])

    def test_lines(self):
        lines = "hello there\n\nhow are you\n"
        want = self.speak("--output-raw", stdin=lines).stdout
        self.assertEqual(self.speak("--stream", stdin=lines).stdout, want)
        (self.cwd / "text.txt").write_text(lines, encoding="utf-8")
        self.assertEqual(self.speak("--stream", "-f", "text.txt").stdout, want)

    def test_listener_leaves(self):
        process = subprocess.Popen([PROGRAM, *map(str, self.SPEAK), "--stream", TEXT * 50],
                                   cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(len(process.stdout.read(100)), 100)
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        self.assertEqual((process.wait(TIMEOUT), error), (4, b""))
        self.assertEqual(self.left(), [])

    @unittest.skipIf(SANITIZED, "sanitizers keep what was freed")
    def test_memory_of_long_texts(self):
        peaks = []
        for times in (20, 200):
            with subprocess.Popen([PROGRAM, *map(str, self.SPEAK), "-q", "--stream"],
                                  cwd=self.cwd, stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL) as process:
                process.stdin.write((TEXT + ". ").encode() * times)
                process.stdin.close()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            peaks.append(usage.ru_maxrss)
        self.assertLess(peaks[1], 1.1 * peaks[0])


class Devices(ProgramTest):
    """The embedded voice on the first OpenCL device."""

    def setUp(self):
        super().setUp()
        if not devices():
            self.skipTest("no OpenCL device")

    def test_as_on_the_cpu(self):
        text = "Hello, this is the same on every device."
        raw = {}
        for device in ("cpu", "opencl"):
            done = self.run_program("speak", "--device", device, "--output-raw", "--seed", "3",
                                    text)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertRegex(done.stderr.decode(), LINE)
            raw[device] = samples_of(done.stdout)
        self.assertGreaterEqual(snr(raw["opencl"], raw["cpu"]), 80)

    @unittest.skipIf(SANITIZED, "hundreds of kernels")
    def test_check(self):
        # Without a cache, for which PoCL would build each of them twice.
        done = self.run_program("check", env={"CLVITS_CACHE": ""})
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())
        table = done.stdout.decode()
        parts = re.split(r"(?m)^(fp32|fp16-storage|fp16)$", table)
        self.assertEqual(parts[1::2], ["fp32", "fp16-storage", "fp16"])
        listed = (SOURCE / "lib/op/table.c").read_text(encoding="utf-8")
        for name in re.findall(r"clvits_op_(\w+)", listed.split("clvits_ops[]")[1]):
            self.assertRegex(parts[2], rf"(?m)^{name}[ ,].* ok ")
        self.assertRegex(parts[2], r"(?m)^normal +equal +ok")
        self.assertTrue(table.endswith("\nreport: clvits-check.txt\n"), table)
        report = (self.cwd / "clvits-check.txt").read_text(encoding="utf-8")
        self.assertIn(table.strip().rpartition("\n")[0], report)

    def test_check_of_some(self):
        done = self.run_program("check", "--precision", "fp32", "sum", "gate, conditioned",
                                "log_flow")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(re.findall(r"(?m)^([a-z_]+(?:, [a-z]+)?)  ", done.stdout.decode()),
                         ["gate, conditioned", "log_flow", "log_flow, reverse", "sum"])
        self.assertIn("\n4 checked, 0 wrong, ", done.stdout.decode())
        for name in ("conv2d", "con", "sum,", ""):
            self.fails(2, [f'no operator is called "{name}"; there are affine, ', " unary"],
                       "check", "sum", name)

    def test_check_of_the_cpu_path(self):
        done = self.run_program("check", "--device", "cpu", env=self.without_platforms())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"\n([4-9]\d) checked, 0 wrong, 0 left")
        # --list says the same names, and needs nothing.
        (self.cwd / "clvits-check.txt").unlink()
        listed = self.run_program("check", "--list", env=self.without_platforms())
        self.assertEqual((listed.returncode, listed.stderr), (0, b""))
        names = listed.stdout.decode().splitlines()
        self.assertEqual(re.findall(r"(?m)^([a-z_0-9]+(?:, \S+(?: \S+)*)?) +\S+ +ok ",
                                    done.stdout.decode()), names)
        some = self.run_program("check", "--list", "gate", "sum", env=self.without_platforms())
        self.assertEqual(some.stdout.decode().splitlines(),
                         [n for n in names if n.partition(",")[0] in ("gate", "sum")])
        self.assertIn(b"\nsum\n", some.stdout)
        self.fails(2, ['no operator is called "con"'], "check", "--list", "con")

    def test_check_report(self):
        done = self.run_program("check", "-q", "-o", "report.txt", *FEW)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr.decode())
        self.assertEqual(self.left(), ["report.txt"])
        text = (self.cwd / "report.txt").read_text(encoding="utf-8")
        device = next(d for d in devices() if f"device: {d['name']}\n" in text)
        self.assertIn(f"driver: {device['driver']}\n", text)
        parts = re.split(r"(?m)^(fp32|fp16-storage|fp16)$", text)
        self.assertEqual(parts[1::2], ["fp32", "fp16-storage", "fp16"])
        for part in parts[2::2]:
            self.assertTrue(part.startswith("\nnot here: ") or ", 0 wrong, " in part, part)
        self.fails(4, ["no/report.txt"], "check", "-o", "no/report.txt", left=["report.txt"])
        for report in "report.txt", "report.json":  # one that is there is replaced
            for _ in range(2):
                done = self.run_program("check", "-q", "-o", report, "--precision", "fp16", "sum")
                self.assertIn(done.returncode, (0, 1))
            text = (self.cwd / report).read_text(encoding="utf-8")
            if done.returncode:  # this device has none
                self.one_message(done, 1, "fp16")
                self.assertRegex(text, r'\nnot here: |"refused": ')
        (self.cwd / "mine.txt").write_text("clvits is checked on Monday\n", encoding="utf-8")
        self.fails(4, ["mine.txt is there and no report"], "check", "-o", "mine.txt", "sum",
                   left=["mine.txt", "report.json", "report.txt"])
        for name in "mine.txt", "report.json":
            (self.cwd / name).unlink()
        self.fails(1, ["no OpenCL device"], "check", "-o", "b.txt", left=["report.txt"],
                   env=self.without_platforms())

    def goes_on_without_report(self, why, *args, **options):
        done = self.run_program(*args, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr.decode(),
                         rf"\Aclvits: {why}.*\nclvits: warning: there is no report .* -o .*\n\Z")
        self.assertRegex(done.stdout.decode(), r", 0 wrong, 0 left to the CPU path\n\Z")

    def test_check_report_that_nobody_named(self):
        """A check of everything leaves one, and replaces its own kind alone."""
        args, name = ("check", "--device", "cpu"), "clvits-check.txt"
        report = self.cwd / name
        for more, env in ((("sum",), {}), (("--precision", "fp32"), {}), (("--no-report",), {}),
                          ((), {"CLVITS_PRECISION": "fp32"})):
            done = self.run_program(*args, "-q", *more, env=env)
            self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
            self.assertEqual(self.left(), [])
        report.write_text("clvits is checked on Monday\n")
        self.goes_on_without_report(f"{name} is there and no report", *args)
        self.assertEqual(report.read_text(), "clvits is checked on Monday\n")
        report.unlink()
        report.mkdir()
        self.goes_on_without_report(f"{name} is there and no report", *args)
        report.rmdir()
        self.goes_on_without_report(f"{name} cannot be written", *args,
                                    prepare=lambda: os.chdir("/proc"))
        self.assertEqual(self.left(), [])
        for more in ("-o", "-"), ("-o", "a.txt", "--no-report"):
            self.fails(2, ["--no-report"], *args, *more)
        for _ in range(2):
            done = self.run_program(*args, "-q")
            self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
            self.assertRegex(report.read_text(encoding="utf-8"),
                             r"\Aclvits \S+, kernels \w+\ndevice: \w(?s:.*)\nfp32\n")
            report.write_text(report.read_text(encoding="utf-8").partition("\n")[0] + "\n")

    def test_check_report_as_json(self):
        done = self.run_program("check", "-q", "-o", "report.json", *FEW)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr.decode())
        report = json.loads((self.cwd / "report.json").read_text(encoding="utf-8"))
        self.assertEqual(report["format"], "clvits-check 1")
        for key in ("version", "kernels", "system", "release", "architecture", "cpu"):
            self.assertTrue(report[key], key)
        self.assertEqual(report["devices"], devices())
        self.assertIn(report["device"], [d["name"] for d in devices()])
        self.assertEqual([r["precision"] for r in report["runs"]],
                         ["fp32", "fp16-storage", "fp16"])
        self.assertNotIn("refused", report["runs"][0])
        for run in report["runs"]:
            self.assertTrue(bool(run.get("refused")) != bool(run["cases"]), run)
            self.assertNotIn("failed", run)
            for case in run["cases"]:
                self.assertIn(case["verdict"], ("ok", "left to the CPU path"))
                self.assertRegex(case["shape"], r"^\(3,")
                self.assertLessEqual(case.get("error", 0), case["limit"], case)
        self.assertIn(0, [c["limit"] for c in report["runs"][0]["cases"]])

    def with_kernel(self, name, change):
        """The environment in which one of the kernel files is changed."""
        kernels = self.folder / "cl"
        shutil.copytree(SOURCE / "cl", kernels)
        text = (kernels / name).read_text(encoding="utf-8")
        changed = change(text)
        self.assertNotEqual(changed, text)
        (kernels / name).write_text(changed, encoding="utf-8")
        return {"CLVITS_KERNELS": str(kernels)}

    def test_check_finds_a_wrong_kernel(self):
        def change(text):
            for before, after in (
                    ("v = gelu(v)", "v = v"),
                    ("v = tanh(v)", "v = r.t > 200 ? 0.0f : tanh(v)"),  # in long items alone
                    # Guard rows are left as they were.
                    ("if (r.t >= -d.y.guard && r.t < len + d.y.guard)", "if (r.valid)")):
                self.assertIn(before, text)
                text = text.replace(before, after, 1)
            return text

        done = self.run_program("check", "-q", "--precision", "fp32", "affine", "coupling", "sum",
                                "unary", env=self.with_kernel("pointwise.cl", change))
        self.one_message(done, 1, "7 of 17 ", "went wrong")
        lines = done.stdout.decode().splitlines()
        self.assertRegex(lines[5], r"^unary, GELU +[0-9.e+-]+ +WRONG")
        self.assertRegex(lines[6], r"^unary, tanh +with 300 rows: kernel unary .*off by.*, row 2")
        for line, name in zip(lines, ("affine", "affine, reverse", "coupling", "coupling, reverse",
                                      "coupling, mean only")):
            self.assertRegex(line, rf"^{name} +with 1 rows: kernel flow .*not a number")

    def test_a_kernel_that_does_not_build_leaves_its_operators_to_the_cpu(self):
        env = self.with_kernel("pointwise.cl", lambda t: t + "this is no kernel\n")
        done = self.run_program("check", "-o", "report.txt", "binary", "flip", env=env)
        self.assertEqual(done.returncode, 1)
        for table in (done.stdout.decode(), (self.cwd / "report.txt").read_text(encoding="utf-8")):
            for name in ("add", "subtract", "multiply", "one row"):
                self.assertRegex(table, rf"(?m)^binary, {name} +\S.*pointwise.cl does not build: "
                                        r".*; \(3,")
            self.assertRegex(table, r"(?m)^flip .* ok ")
            self.assertIn("\n5 checked, 4 wrong, 0 left to the CPU path\n", table)
        want, got = (samples_of(self.run_program("speak", "--device", device, "--output-raw",
                                                 "hello there", env=env).stdout)
                     for device in ("cpu", "opencl"))
        self.assertGreaterEqual(snr(got, want), 80)


if __name__ == "__main__":
    main()
