#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""listening.py PROGRAM SOURCE SANITIZER: recordings aligned with their text, and revoiced."""

import array
import json
import re
import statistics
import struct
import wave
import xml.etree.ElementTree as ElementTree

from support import GOLDEN, SPEAKERS, ProgramTest, main, samples_of, wav_samples

TEXT = "The quick brown fox jumps. It does!"
VOICE = GOLDEN / "hf-dp-speakers"  # four speakers, with its training side
USAGE, INPUT = 2, 3
RATE, HOP = 16000, 256  # of the embedded voice


def write_wav(path, samples, rate=RATE, channels=1):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(channels)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(array.array("h", samples).tobytes())


class Listening(ProgramTest):
    spoken = None  # the bytes of the speech and of its timings: made once

    def setUp(self):
        super().setUp()
        self.audio = self.folder / "speech.wav"

    def run_cpu(self, command, *args, **options):
        done = self.run_program(command, "--device", "cpu", *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def speak(self):
        """Speech of the embedded voice in self.audio, and what it says of itself."""
        if not Listening.spoken:
            times = self.folder / "times.json"
            self.run_cpu("speak", "-o", self.audio, "--timings", times, "--sentence-silence", "0",
                         TEXT)
            Listening.spoken = self.audio.read_bytes(), times.read_text(encoding="utf-8")
        self.audio.write_bytes(Listening.spoken[0])
        return json.loads(Listening.spoken[1])

    def compare(self, said, heard):
        """The same symbols and words, which begin within two frames, but for some."""
        self.assertEqual([s["text"] for s in said["sentences"]],
                         [s["text"] for s in heard["sentences"]])
        for kind in ("words", "phonemes"):
            a, b = ([p for s in x["sentences"] for p in s[kind]] for x in (said, heard))
            self.assertEqual([p["text"] for p in a], [p["text"] for p in b])
            away = [abs(p["start"] - q["start"]) for p, q in zip(a, b)]
            self.assertLessEqual(statistics.median(away), 2 * HOP / RATE)


class Align(Listening):
    def test_own_speech(self):
        said = self.speak()
        done = self.run_cpu("align", "-o", "heard.json", self.audio, TEXT)
        self.assertRegex(done.stderr.decode(), r"\Aclvits: \d+\.\d\d s of speech in \d+\.\d\d s, "
                                               r"score -\d+\.\d\d\n\Z")
        heard = json.loads((self.cwd / "heard.json").read_text(encoding="utf-8"))
        self.compare(said, heard)
        self.assertEqual(heard["duration"], said["duration"])
        for sentence in heard["sentences"]:
            self.assertLess(sentence["score"], 0)
            self.assertTrue(all("score" in p for p in sentence["phonemes"]))

    def test_other_audio(self):
        """Another rate, two channels: what is heard is the same."""
        said = self.speak()
        rate, samples = wav_samples(self.audio)
        twice = [x for x in samples for _ in range(4)]
        write_wav(self.cwd / "twice.wav", twice, 2 * rate, 2)
        self.run_cpu("align", "-q", "-o", "heard.json", "twice.wav", TEXT)
        self.compare(said, json.loads((self.cwd / "heard.json").read_text(encoding="utf-8")))

    def test_formats(self):
        self.speak()
        table = self.run_cpu("align", "-q", self.audio, TEXT)
        self.assertFalse(table.stderr)
        lines = table.stdout.decode().splitlines()
        self.assertEqual(lines[0], "start\tduration\tkind\ttext\tscore")
        kinds = [line.split("\t")[2] for line in lines[1:]]
        self.assertEqual((kinds.count("sentence"), kinds.count("word")), (2, 7))
        self.assertTrue(all(len(line.split("\t")) == 5 for line in lines))
        (self.cwd / "text.txt").write_text("The quick brown fox jumps.\nIt does!\n",
                                           encoding="utf-8")
        (self.cwd / "t.tsv").write_text("", encoding="utf-8")
        self.run_cpu("align", "-f", "text.txt", "-o", "t.tsv", self.audio)
        piped = self.run_cpu("align", "-qf", "-", self.audio, stdin=TEXT.replace(". ", ".\n"))
        self.assertEqual((self.cwd / "t.tsv").read_bytes(), piped.stdout)
        self.assertEqual(len(piped.stdout.decode().splitlines()), len(lines))
        self.run_cpu("align", "-o", "t.srt", self.audio, TEXT)
        self.assertEqual((self.cwd / "t.srt").read_text(encoding="utf-8").count(" --> "), 2)

    def tier(self, text, name):
        """The intervals of a tier: without gaps, from 0 to the end."""
        part = text.split(f'name = "{name}"')[1].split("item [")[0]
        found = [(float(a), float(b), c) for a, b, c in re.findall(
            r'xmin = (\S+)\s+xmax = (\S+)\s+text = "(.*)"', part)]
        self.assertEqual(len(found), int(re.search(r"intervals: size = (\d+)", part)[1]))
        self.assertEqual(found[0][0], 0)
        for (_, end, _), (start, _, _) in zip(found, found[1:]):
            self.assertEqual(end, start)
        self.assertTrue(all(a < b for a, b, _ in found))
        self.assertEqual(found[-1][1], float(re.search(r"xmax = (\S+)", text)[1]))
        return found

    def test_textgrid(self):
        self.speak()
        self.run_cpu("align", "-o", "heard.TextGrid", self.audio, TEXT)
        self.run_cpu("speak", "-o", "x.wav", "--timings", "said.TextGrid", 'Say "no" and go.')
        heard = (self.cwd / "heard.TextGrid").read_text(encoding="utf-8")
        said = (self.cwd / "said.TextGrid").read_text(encoding="utf-8")
        for text in (heard, said):
            self.assertTrue(text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"'))
            self.assertGreater(len(self.tier(text, "phonemes")), 10)
        self.assertEqual([t for _, _, t in self.tier(heard, "sentences") if t],
                         ["The quick brown fox jumps.", "It does!"])
        self.assertEqual([t for _, _, t in self.tier(heard, "words") if t],
                         TEXT.replace(".", "").replace("!", "").split())
        self.assertEqual([t for _, _, t in self.tier(said, "sentences") if t],
                         ['Say ""no"" and go.'])

    def test_picture(self):
        """The phonemes and words are in it, and what goes elsewhere as well."""
        self.speak()
        done = self.run_cpu("align", "-q", "--plot", "p.svg", self.audio, TEXT)
        words = [line.split("\t")[3] for line in done.stdout.decode().splitlines()
                 if line.split("\t")[2] == "word"]
        self.assertEqual(len(words), 7)
        texts = {e.text for e in ElementTree.parse(self.cwd / "p.svg").iter() if e.text}
        self.assertLessEqual(set(words), texts)

    def test_bad_arguments(self):
        write_wav(self.audio, [0] * RATE)
        for words, args in [
            (("the recording, and the text",), ()),
            (("after it, or -f FILE",), (self.audio,)),
            (("more than once",), ("-f", "a.txt", self.audio, "x")),
            (("quotes",), (self.audio, "two", "words")),
            ((".tsv, .json, .srt or .TextGrid",), ("-o", "x.txt", self.audio, "x")),
            (("is read and would be replaced",), ("-f", "t.tsv", "-o", "t.tsv", self.audio)),
            (("is a part of the voice",), ("-m", VOICE, "-o", VOICE / "config.json", self.audio,
                                           "x")),
            (("--plot x.png", ".svg"), ("--plot", "x.png", self.audio, "x")),
            (("is read and would be replaced",), ("--plot", "t.svg", "-f", "t.svg", self.audio)),
            (("no speaker 7",), ("-s", "7", self.audio, "x")),
            (("the text is empty",), (self.audio, "")),
            (("UTF-8",), (self.audio, "\udcff")),
            (("recordings are read from files",), ("-", "x")),
            (("shorter than its text", "frames of 16.0 ms"), (self.audio, TEXT * 20)),
        ]:
            with self.subTest(args=args):
                self.fails(USAGE, words, "align", "--device", "cpu", *args)

    def test_bad_files(self):
        (self.cwd / "text.wav").write_text(TEXT, encoding="utf-8")
        (self.cwd / "latin.txt").write_bytes(b"good\nb\xe4d\n")
        (self.cwd / "empty.wav").touch()
        write_wav(self.cwd / "none.wav", [])
        numbers = struct.pack("<400f", *[0.1] * 399, float("nan"))
        (self.cwd / "nan.wav").write_bytes(
            b"RIFF" + struct.pack("<I", 36 + len(numbers)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 3, 1, RATE, 4 * RATE, 4, 32) + b"data" +
            struct.pack("<I", len(numbers)) + numbers)
        with open(self.cwd / "day.wav", "wb") as f:  # ten hours, of which the disk has nothing
            f.write(b"RIFF" + struct.pack("<I", 36 + 36000000) + b"WAVEfmt " +
                    struct.pack("<IHHIIHH", 16, 1, 1, 1000, 1000, 1, 8) + b"data" +
                    struct.pack("<I", 36000000))
            f.truncate(36000044)
        left = self.left()
        for words, name in [(("no-such.wav",), "no-such.wav"), (("text.wav",), "text.wav"),
                            (("empty",), "empty.wav"), (("no sound",), "none.wav"),
                            (("no numbers",), "nan.wav"), (("36000", "cut it"), "day.wav")]:
            with self.subTest(name=name):
                self.fails(INPUT, words, "align", "--device", "cpu", name, "hello", left=left)
        write_wav(self.cwd / "hum.wav", [0] * RATE)
        done = self.run_cpu("align", "hum.wav", "hello")  # silence has a path as well
        self.assertIn(b"warning: hum.wav is silent", done.stderr)
        self.fails(INPUT, ("no-such.txt",), "align", "-f", "no-such.txt", "hum.wav",
                   left=[*left, "hum.wav"])
        for name, where in (("latin.txt", "latin.txt, line 2: "),
                            ("-", "standard input, line 1: ")):
            with self.subTest(name=name):
                self.fails(USAGE, (where, "UTF-8"), "align", "-f", name, "hum.wav",
                           stdin=b"\xff", left=[*left, "hum.wav"])
        self.fails(INPUT, ("no posterior encoder", "--with-training"), "align", "--device", "cpu",
                   "-m", SPEAKERS, "hum.wav", "hello", left=[*left, "hum.wav"])


class Revoice(Listening):
    def setUp(self):
        super().setUp()
        write_wav(self.audio, [int(9000 * ((i * i // 90) % 7 - 3) / 3) for i in range(9000)])

    def revoice(self, source, target, *args):
        return self.run_cpu("revoice", "-q", "-m", VOICE, "--from", source, "--to", target, *args)

    def test_speakers(self):
        self.revoice(1, 3, self.audio, "a.wav")
        self.revoice(1, 3, self.audio, "b.wav")
        self.revoice(1, 2, self.audio, "c.wav")
        self.revoice(1, 3, "--seed", "1", self.audio, "d.flac")
        raw = self.revoice(1, 3, self.audio, "-").stdout
        rate, samples = wav_samples(self.cwd / "a.wav")
        self.assertEqual((rate, len(samples)), (16000, 9000))
        self.assertEqual(samples, wav_samples(self.cwd / "b.wav")[1])
        self.assertNotEqual(samples, wav_samples(self.cwd / "c.wav")[1])
        self.assertEqual(samples_of(raw), samples)

    def test_bad_arguments(self):
        both = ("--from", "0", "--to", "1")
        for code, words, args in [
            (USAGE, ("the path to write",), (*both, self.audio)),
            (USAGE, ("--from SPEAKER",), ("--from", "0", self.audio, "x.wav")),
            (USAGE, ("no speaker ann",), ("-m", VOICE, "--from", "ann", "--to", "1", self.audio,
                                          "x.wav")),
            (USAGE, ("would be replaced",), (*both, self.audio, self.audio)),
            (USAGE, (".wav",), ("-m", VOICE, *both, self.audio, "x.mp3")),
            (INPUT, ("one speaker",), ("--from", "0", "--to", "0", self.audio, "x.wav")),
            (INPUT, ("no posterior encoder",), ("-m", SPEAKERS, *both, self.audio, "x.wav")),
            (USAGE, ("--noise-scale",), ("--noise-scale", "-1", *both, self.audio, "x.wav")),
        ]:
            with self.subTest(args=args):
                self.fails(code, words, "revoice", "--device", "cpu", *args)


if __name__ == "__main__":
    main()
