#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sharing.py PROGRAM SOURCE SANITIZER: several programs with one cache, programs that are killed
while they write, and what is written over what."""

import json
import os
import random
import resource
import subprocess
import time

from support import PROGRAM, TIMEOUT, TINY, ProgramTest, devices, main, snr, wav_samples

TEXT = "hello there people. how are you"
CPU = ("speak", "--device", "cpu", "-m", TINY)
USAGE, OUTPUT = 2, 4  # codes of the program
OPENCL = ("speak", "--device", "opencl", "-m", TINY)


class Sharing(ProgramTest):
    def begin(self, *args):
        return subprocess.Popen([PROGRAM, *map(str, args)], cwd=self.cwd, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env={**os.environ, "CLVITS_CACHE": "cache"})

    def end(self, process):
        error = process.communicate(timeout=TIMEOUT)[1].decode()
        self.assertEqual((process.returncode, error), (0, ""))

    def whole(self, *args):
        """A run to the end, in silence; and how long it took."""
        start = time.monotonic()
        self.end(self.begin(*args))
        return time.monotonic() - start

    def kill_often(self, often, seconds, *args):
        """Kill the command at moments up to so many seconds from its start."""
        moments = random.Random(7)
        for _ in range(often):
            process = self.begin(*args)
            time.sleep(moments.uniform(0, seconds))
            process.kill()
            process.communicate(timeout=TIMEOUT)
            yield

    def cache(self):
        return {p.name: p.stat().st_mtime_ns for p in (self.cwd / "cache").iterdir()}

    def check_speech(self, name):
        got, want = (wav_samples(self.cwd / n)[1] for n in (name, "cpu.wav"))
        self.assertEqual(len(got), len(want))
        self.assertGreater(snr(got, want), 60)


class Caches(Sharing):
    def setUp(self):
        super().setUp()
        if not devices():
            self.skipTest("no OpenCL device")
        self.whole(*CPU, "-q", "-o", "cpu.wav", TEXT)

    def test_two_begin_with_an_empty_folder(self):
        both = [self.begin(*OPENCL, "-q", "--place", "auto", "-o", name, TEXT)
                for name in ("a.wav", "b.wav")]
        for process in both:
            self.end(process)
        self.check_speech("a.wav")
        self.check_speech("b.wav")
        files = self.cache()
        self.assertFalse([name for name in files if ".part" in name])
        self.assertTrue([name for name in files if name.startswith("rates-")])
        # All are whole: the next program takes them as they are.
        self.whole(*OPENCL, "-q", "--place", "auto", "-o", "c.wav", TEXT)
        self.check_speech("c.wav")
        for name, changed in self.cache().items():
            if not name.startswith("trust-"):
                self.assertEqual(files.get(name), changed, name)

    def test_killed_while_it_fills_the_folder(self):
        filled, seconds = set(), 0.4
        while len(filled) < 2 and seconds < 20:  # machines differ in when it begins to
            for _ in self.kill_often(3, seconds, *OPENCL, "-q", "-o", "a.wav", TEXT):
                if (self.cwd / "cache").exists() and self.cache():
                    filled.add(len(self.cache()))
            seconds *= 1.3
        self.whole(*OPENCL, "-q", "-o", "a.wav", TEXT)
        self.assertTrue(any(n < len(self.cache()) for n in filled),
                        "no kill came while it filled the folder")
        self.check_speech("a.wav")
        self.assertFalse([name for name in self.cache() if ".part" in name])


class Outputs(Sharing):
    def test_killed_while_it_writes(self):
        args = (*CPU, "-q", "-o", "x.wav", "--timings", "x.json", TEXT)
        seconds = self.whole(*args)
        wave, timings = ((self.cwd / name).read_bytes() for name in ("x.wav", "x.json"))
        (self.cwd / "x.wav").unlink()
        (self.cwd / "x.json").write_bytes(b"before")
        for _ in self.kill_often(8, 1.2 * seconds, *args):
            if (self.cwd / "x.wav").exists():
                self.assertEqual((self.cwd / "x.wav").read_bytes(), wave)
            self.assertIn((self.cwd / "x.json").read_bytes(), (b"before", timings))
        self.whole(*args)
        self.assertEqual((self.cwd / "x.wav").read_bytes(), wave)
        json.loads((self.cwd / "x.json").read_bytes())

    def test_no_file_is_written_twice(self):
        """What was delivered before stays, as it is."""
        (self.cwd / "in").mkdir()
        (self.cwd / "link").symlink_to("in")
        json_input = (*CPU, "-q", "--json-input")
        for names, second, args in [
            (("a.wav", "a.wav"), "a.wav", ()),
            (("a.wav", "in/../a.wav"), "in/../a.wav", ()),
            (("in/a.wav", "link/a.wav"), "link/a.wav", ()),
            (("a.wav", None), "a.wav", ("-o", "a.wav")),
            (("a.wav", "a.flac"), "a.json", ("--timings", "t.json", "-d", "in")),
            (("a.wav", "a.wav"), "a.wav", ("-d", "in")),
            (("in/0001.wav", None), "in/0001.wav", ("-d", "in")),
            (("in/0001.wav", None), "in/0001.wav", ("-d", "in", "--batch", "1")),
        ]:
            lines = [{"text": "hello", "output_file": name} if name else {"text": "hello"}
                     for name in names]
            lines[1]["text"] += " there people"
            with self.subTest(names=names, args=args):
                self.speak("-q", "--json-input", *args, stdin=json.dumps(lines[0]))
                want = (self.cwd / names[0]).read_bytes()
                (self.cwd / names[0]).unlink()
                done = self.run_program(*json_input, *args, stdin="\n".join(map(json.dumps, lines)))
                self.one_message(done, USAGE, f"standard input, line 2: {second} would be written "
                                              "twice; give each file its own name")
                self.assertEqual(done.stdout.decode(), f"{names[0]}\n")
                self.assertEqual((self.cwd / names[0]).read_bytes(), want)
                for path in (*self.cwd.glob("*.*"), *(self.cwd / "in").iterdir()):
                    path.unlink()
        # Names that are left out where all have their own may be taken.
        self.speak("--json-input", stdin='{"text": "hello", "output_file": "clvits.wav"}')

    def test_links_and_modes_stay(self):
        for name in ("sound.wav", "times.json"):
            (self.cwd / name).write_text("before", encoding="utf-8")
            (self.cwd / name).chmod(0o640)
        (self.cwd / "x.wav").symlink_to("sound.wav")
        (self.cwd / "t.json").symlink_to("times.json")
        self.whole(*CPU, "-q", "-o", "x.wav", "--timings", "t.json", "Hi.")
        self.assertTrue(all((self.cwd / name).is_symlink() for name in ("x.wav", "t.json")))
        self.assertEqual((self.cwd / "sound.wav").read_bytes()[:4], b"RIFF")
        json.loads((self.cwd / "times.json").read_text(encoding="utf-8"))
        for name in ("sound.wav", "times.json"):
            self.assertEqual((self.cwd / name).stat().st_mode & 0o777, 0o640)

    def test_full_disk(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

        for option, name in (("--timings", "x.json"), ("--timings", "x.tsv"), ("--trace", "x.js"),
                             ("--plot", "x.svg")):
            with self.subTest(name=name, option=option):
                done = self.run_program(*CPU, "-q", "--output-raw", option, name, 4 * TEXT,
                                        stdout=subprocess.DEVNULL, prepare=small_files)
                self.one_message(done, OUTPUT, name, "cannot be written")
                self.assertEqual(self.left(), [])


if __name__ == "__main__":
    main()
