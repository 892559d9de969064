#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""converting.py PROGRAM SOURCE SANITIZER: voices in other formats, and what comes between."""

import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time

from support import GOLDEN, PROGRAM, SANITIZED, SOURCE, SPEAKERS, TINY, ProgramTest, main

MINI = SOURCE / "lib" / "voices" / "mini"
SINGLE = GOLDEN / "piper-single" / "model.onnx"  # residual blocks that Hugging Face has not
HF = ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.json"]


def header(path):
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), 8 + size


class Conversion(ProgramTest):
    def convert(self, *args, **options):
        done = self.run_program("convert", *args, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        return done

    def said(self, voice, *args):
        done = self.run_program("speak", "--device", "cpu", "-q", "--output-raw", "-m", voice,
                                *args, "hello there, [[ə]] people.")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def info(self, voice):
        return json.loads(self.run_program("info", "--json", voice).stdout)


class Converting(Conversion):
    def test_one_file(self):
        done = self.convert(SPEAKERS, "x.safetensors")
        self.assertRegex(done.stderr.decode(),
                         r"\Aclvits: x\.safetensors: \d+\.\d\d thousand parameters, 0\.\d\d MB\n\Z")
        self.assertEqual(self.left(), ["x.safetensors"])
        self.assertEqual(self.said("x.safetensors", "-s", "cy"), self.said(SPEAKERS, "-s", "cy"))

        tensors, begin = header(self.cwd / "x.safetensors")
        about = json.loads(tensors.pop("__metadata__")["clvits.voice"])
        self.assertEqual(about["version"], 1)
        self.assertEqual(about["config"]["n_speakers"], 4)
        self.assertEqual(about["speakers"], {"ann": 0, "bob": 1, "cy": 2, "dee": 3})
        self.assertEqual(begin % 64, 0)
        end = 0
        for name, tensor in sorted(tensors.items(), key=lambda t: t[1]["data_offsets"]):
            self.assertEqual(tensor["data_offsets"][0], end, name)  # no gaps
            end = tensor["data_offsets"][1]
        self.assertEqual(begin + end, (self.cwd / "x.safetensors").stat().st_size)

    def test_a_folder(self):
        self.convert("--to", "hf", TINY, "new")
        self.assertEqual(self.left(), ["new", *(f"new/{name}" for name in HF)])
        self.assertEqual(self.said("new"), self.said(TINY))
        config = json.loads((self.cwd / "new/config.json").read_text(encoding="utf-8"))
        old = json.loads((TINY / "config.json").read_text(encoding="utf-8"))
        for key in ("vocab_size", "hidden_size", "upsample_rates", "resblock_dilation_sizes",
                    "noise_scale", "layer_norm_eps", "sampling_rate"):
            self.assertEqual(config[key], old[key])
        self.assertEqual(header(self.cwd / "new/model.safetensors")[0]["__metadata__"],
                         {"format": "pt"})

    def test_a_folder_keeps_what_the_format_has_no_words_for(self):
        self.convert("--to=hf", "-q", SPEAKERS, "new")
        self.assertEqual(self.said("new", "-s", "dee"), self.said(SPEAKERS, "-s", "dee"))

    def test_halves(self):
        self.convert("-q", SINGLE, "x.safetensors")
        self.convert("-q", "--precision", "fp16", SINGLE, "h.safetensors")
        tensors, _ = header(self.cwd / "h.safetensors")
        kinds = {name: t["dtype"] for name, t in tensors.items() if name != "__metadata__"}
        self.assertEqual(kinds["dec.conv_pre.weight"], "F16")
        self.assertEqual(kinds["dp.pre.weight"], "F32")
        self.assertEqual(len(self.said("h.safetensors")), len(self.said("x.safetensors")))

    def test_training(self):
        self.convert("-q", "--with-training", MINI, "x.safetensors")
        info = self.info("x.safetensors")
        self.assertTrue(info["has_training"])
        self.assertEqual(info["modules"], self.info(MINI)["modules"])
        self.assertIn(b"more: dp 0.21, enc_q 0.72\n",
                      self.run_program("info", "x.safetensors").stdout)
        self.convert("-q", MINI, "y.safetensors")
        self.assertFalse(self.info("y.safetensors")["has_training"])
        self.assertIn(b"training     not in the file\n",
                      self.run_program("info", "y.safetensors").stdout)

    def test_replaces_by_force_only(self):
        (self.cwd / "x").write_text("text", encoding="utf-8")
        self.fails(4, ["x is there already", "--force"], "convert", TINY, "x", left=["x"])
        self.assertEqual((self.cwd / "x").read_text(encoding="utf-8"), "text")
        self.convert("--force", TINY, "x")
        self.assertEqual(self.info("x")["kind"], "clvits voice")
        self.assertEqual(self.info("x")["origin"], "Hugging Face VitsModel")
        self.assertEqual(self.left(), ["x"])

    def test_others_may_read_it(self):
        self.convert("-q", TINY, "x", prepare=lambda: os.umask(0o022))
        self.convert("-q", "--to", "hf", TINY, "new", prepare=lambda: os.umask(0o022))
        self.assertEqual((self.cwd / "x").stat().st_mode & 0o777, 0o644)
        self.assertEqual((self.cwd / "new").stat().st_mode & 0o777, 0o755)


class Refusing(Conversion):
    def test_arguments(self):
        self.fails(2, ["give the voice to convert"], "convert")
        self.fails(2, ["give the voice to convert"], "convert", TINY)
        self.fails(2, ["give the voice to convert"], "convert", TINY, "x", "y")
        self.fails(2, ["\"onnx\"", "safetensors and hf"], "convert", "--to", "onnx", TINY, "x")
        self.fails(2, ["\"fp8\""], "convert", "--precision", "fp8", TINY, "x")
        self.fails(2, ["--form"], "convert", "--form", TINY, "x")

    def test_voices(self):
        self.fails(3, ["none"], "convert", "none", "x")
        (self.cwd / "text").write_text("text", encoding="utf-8")
        self.fails(3, ["text is no voice"], "convert", "text", "x", left=["text"])
        (self.cwd / "text").unlink()
        self.fails(3, ["resblock 2"], "convert", "--to", "hf", SINGLE, "x")
        self.fails(3, ["no training side", "leave out --with-training"], "convert",
                   "--with-training", SINGLE, "x")
        self.fails(3, ["none.json"], "convert", "-c", "none.json", TINY, "x")

    def test_several_ids_for_a_symbol(self):
        data = json.loads((SPEAKERS.parent / "model.onnx.json").read_text(encoding="utf-8"))
        data["phoneme_id_map"]["a"] = [3, 4]
        (self.cwd / "two.json").write_text(json.dumps(data), encoding="utf-8")
        self.fails(3, ["one id for a symbol", "\"a\""], "convert", "-c", "two.json", "--to", "hf",
                   SPEAKERS, "x", left=["two.json"])
        self.convert("-q", "-c", "two.json", SPEAKERS, "x")
        about = json.loads(header(self.cwd / "x")[0]["__metadata__"]["clvits.voice"])
        self.assertEqual(about["symbols"]["a"], [3, 4])

    def test_outputs(self):
        self.fails(4, ["none/x cannot be written", "No such file"], "convert", TINY, "none/x")
        self.fails(4, ["no regular file"], "convert", "--force", TINY, "/dev/full")
        self.fails(4, ["is there already; give another name"], "convert", TINY, ".")
        self.convert("-q", TINY, "x")
        self.fails(4, ["x is the voice"], "convert", "--force", "x", "x", left=["x"])
        self.convert("-q", "--to", "hf", TINY, "v")
        left = ["v", *(f"v/{name}" for name in HF), "x"]
        self.fails(4, ["v/ is the voice"], "convert", "--force", "--to", "hf", "v", "v/", left=left)
        (self.cwd / "v/thesis.txt").touch()
        self.fails(4, ["thesis.txt"], "convert", "--force", "--to", "hf", "x", "v",
                   left=[*left, "v/thesis.txt"])

    def test_parts_of_the_voice(self):
        """What a voice is read from is not replaced, whatever it is called."""
        for voice, file, parts in [
            ("piper-multi", "model.onnx", ["model.onnx.json"]),
            ("hf-sdp", "", ["config.json", "vocab.json", "tokenizer_config.json"]),
            ("coqui-languages", "model.pth", ["config.json", "language_ids.json", "speakers.pth"]),
            ("coqui-vectors", "model.pth", ["speakers.json"]),
            ("coqui-single", "model.onnx", ["config.json", "tokens.txt"]),
            ("mms", "G_100000.pth", ["config.json", "vocab.txt"]),
            ("sherpa-lexicon", "model.onnx", ["lexicon.txt", "tokens.txt"]),
        ]:
            copy = self.folder / voice
            copy.mkdir()
            for path in (GOLDEN / voice).iterdir():
                if path.is_file():
                    shutil.copy(path, copy)
            for part in parts:
                before = (copy / part).read_bytes()
                with self.subTest(voice=voice, part=part):
                    done = self.run_program("convert", "-q", "--force", copy / file, copy / part)
                    self.assertIn(f"{part} is a part of the voice that is converted; give another",
                                  done.stderr.decode())
                    self.assertEqual(done.returncode, 4)
                    self.assertEqual((copy / part).read_bytes(), before)
        given = self.folder / "given" / "config.json"
        given.parent.mkdir()
        shutil.copy(TINY / "config.json", given)
        os.link(given, self.cwd / "other")
        args = ("convert", "--force", "-c", given)
        self.fails(4, ["other is a part of"], *args, TINY, "other", left=["other"])
        self.fails(4, ["given holds config.json, a part"], *args, "--to", "hf", TINY,
                   given.parent, left=["other"])

    def test_names(self):
        """What a file is, its content says."""
        self.convert("-q", TINY, "x.onnx")
        self.assertEqual(self.info("x.onnx")["kind"], "clvits voice")
        self.fails(2, ["standard output"], "convert", TINY, "-", left=["x.onnx"])

    def test_full_disk(self):
        for size in (0, 1000, 100000, 300000):
            for to in ("safetensors", "hf"):
                with self.subTest(size=size, to=to):
                    self.fails(4, ["x cannot be written: File too large"], "convert", "--to", to,
                               TINY, "x", prepare=lambda: resource.setrlimit(
                                   resource.RLIMIT_FSIZE, (size, size)))


class Interrupting(Conversion):
    """At any moment of a conversion there is nothing under the name, or all of it."""

    def begin(self, *args):
        return subprocess.Popen([PROGRAM, "convert", *map(str, args)], cwd=self.cwd,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end_by(self, number, to, whole):
        """The code of a conversion of the embedded voice that gets a signal at some time."""
        began = time.monotonic()
        if not whole:
            self.convert("-q", "--to", to, MINI, "x")
            whole.append(time.monotonic() - began)
            self.clear()
        child = self.begin("-q", "--to", to, MINI, "x")
        time.sleep(random.uniform(0, 1.2) * whole[0])
        child.send_signal(number)
        _, errors = child.communicate()
        there = (self.cwd / "x").exists()
        if there:
            self.assertEqual(self.info("x")["name"], "mini")
        self.assertTrue(there or child.returncode)
        return child.returncode, errors, there

    def clear(self):
        for path in sorted(self.cwd.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def test_interrupted(self):
        for to in ("safetensors", "hf"):
            whole = []
            for _ in range(3 if SANITIZED else 12):
                code, errors, there = self.end_by(signal.SIGINT, to, whole)
                # While it is not caught, or not any more: the latter.
                self.assertIn(code, (0, 130, -signal.SIGINT))
                self.assertEqual(errors, b"clvits: interrupted\n" if code == 130 else b"")
                if not there:
                    self.assertEqual((code, self.left()), (code, []))
                self.clear()

    def test_killed(self):
        for to in ("safetensors", "hf"):
            whole = []
            for _ in range(3 if SANITIZED else 12):
                code, _, _ = self.end_by(signal.SIGKILL, to, whole)
                self.assertIn(code, (0, -signal.SIGKILL))
                if to == "safetensors":
                    (self.cwd / "x").unlink(missing_ok=True)
                else:
                    shutil.rmtree(self.cwd / "x", ignore_errors=True)
            self.convert("-q", "--to", to, MINI, "x")  # and takes away what was left
            self.assertEqual(self.left(), ["x"] if to == "safetensors"
                             else ["x", *(f"x/{name}" for name in HF)])
            self.clear()


if __name__ == "__main__":
    main()
