# SPDX-License-Identifier: MIT
"""What the program's tests share: running it, reading what it wrote."""

import array
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave

PROGRAM = os.path.abspath(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
SANITIZED = sys.argv[3] != "none"
GOLDEN = SOURCE / "tests" / "golden"
TINY = GOLDEN / "hf-sdp"  # 22050 Hz, reads characters
SPEAKERS = GOLDEN / "piper-multi" / "model.onnx"  # ann, bob, cy, dee
TIMEOUT = 300


class ProgramTest(unittest.TestCase):
    """Each test runs in an empty folder of its own, where nothing may be left by accident."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="clvits-program-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "run").mkdir()
        (self.folder / "no-platforms").mkdir()
        self.cwd = self.folder / "run"

    def run_program(self, *args, stdin=b"", stdout=subprocess.PIPE, env=None, prepare=None):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        return subprocess.run(
            [PROGRAM, *map(str, args)],
            input=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=self.cwd,
            env={**os.environ, **(env or {})}, preexec_fn=prepare, timeout=TIMEOUT, check=False)

    def without_platforms(self):
        return {"OCL_ICD_VENDORS": str(self.folder / "no-platforms"), "OCL_ICD_FILENAMES": "",
                "OPENCL_VENDOR_PATH": str(self.folder / "no-platforms")}

    def speak(self, *args, **options):
        """Speak on the CPU path with the tiny voice; must succeed."""
        done = self.run_program("speak", "--device", "cpu", "-m", TINY, *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def wait_for(self, process, condition):
        """Wait for what the process is to do before it ends."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            self.assertIsNone(process.poll(), "it ended before that")
            self.assertLess(time.monotonic(), end, "it never came to that")
            time.sleep(0.02)

    def left(self):
        return sorted(str(p.relative_to(self.cwd)) for p in self.cwd.rglob("*"))

    def one_message(self, done, code, *words):
        """The code, one line on standard error that has the words."""
        text = done.stderr.decode("utf-8", "replace")
        self.assertEqual(done.returncode, code, text)
        self.assertRegex(text, r"\Aclvits: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, text)

    def fails(self, code, words, *args, left=(), **options):
        """The code, one line with the words, nothing on standard output, no file but those left."""
        done = self.run_program(*args, **options)
        self.one_message(done, code, *words)
        self.assertFalse(done.stdout)
        self.assertEqual(self.left(), sorted(left))


def devices():
    """What clvits devices lists."""
    done = subprocess.run([PROGRAM, "devices", "--json"], capture_output=True, timeout=TIMEOUT,
                          check=True)
    return json.loads(done.stdout)


def wav_samples(path):
    with wave.open(str(path)) as f:
        assert f.getnchannels() == 1 and f.getsampwidth() == 2
        return f.getframerate(), samples_of(f.readframes(f.getnframes()))


def samples_of(data):
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def flac_length(path):
    """Rate and samples that a FLAC file declares."""
    data = pathlib.Path(path).read_bytes()
    assert data[:4] == b"fLaC"
    packed = struct.unpack(">Q", data[18:26])[0]
    return packed >> 44, packed & (1 << 36) - 1


def ogg_length(path):
    """Rate and samples of an Ogg Vorbis file: its first header, its last page."""
    data = pathlib.Path(path).read_bytes()
    assert data[:4] == b"OggS" and data[28:35] == b"\x01vorbis"
    last = data.rindex(b"OggS")
    return struct.unpack("<I", data[40:44])[0], struct.unpack("<q", data[last + 6:last + 14])[0]


def snr(got, want):
    """In decibels; infinite when equal."""
    assert len(got) == len(want)
    error = sum((a - b) ** 2 for a, b in zip(got, want))
    return 10 * math.log10(sum(b * b for b in want) / error) if error else math.inf




def main():
    del sys.argv[1:4]
    unittest.main(module="__main__", verbosity=2)


