#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bad_input.py PROGRAM SOURCE SANITIZER: one clear message, the documented code, nothing left."""

import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from support import (GOLDEN, PROGRAM, SANITIZED, SPEAKERS, TIMEOUT, TINY, ProgramTest, devices,
                     main)

CPU = ("speak", "--device", "cpu", "-m", TINY)
FAILED, USAGE, INPUT, OUTPUT, INTERRUPTED = 1, 2, 3, 4, 130


class Arguments(ProgramTest):
    def test_usage(self):
        for words, args in [
            (("no command",), ()),
            (("unknown command", "sing"), ("sing",)),
            (("unknown option --loud",), ("speak", "--loud", "x")),
            (("unknown option -z",), ("speak", "-z", "x")),
            (("--seed wants a value",), ("speak", "--seed")),
            (("--seed", "whole number"), ("speak", "--seed", "-1", "x")),
            (("--seed", "whole number"), ("speak", "--seed", "1.5", "x")),
            (("--noise-scale", "0 to 100"), ("speak", "--noise-scale", "nan", "x")),
            (("--noise_w", "0 to 100"), ("speak", "--noise_w", "-1", "x")),
            (("--length-scale=0",), ("speak", "--length-scale=0", "x")),
            (("--quiet takes no value",), ("speak", "--quiet=yes", "x")),
            (("quotes",), ("speak", "two", "words")),
            (("more than once",), ("speak", "-f", "text.txt", "x")),
            (("more than one output",), ("speak", "-o", "a.wav", "--output-raw", "x")),
            (("--format",), ("speak", "--format", "ogg", "x")),
            (("--stream", "complete", "-o"), ("speak", "--stream", "-o", "a.wav", "x")),
            (("--stream", "complete", "-d"), ("speak", "--stream", "-d", "a", "x")),
            (("--format ogg", "raw or wav"), ("speak", "--stream", "--format", "ogg", "x")),
            (("--batch", "1 to 16"), ("speak", "--batch", "17", "-d", "a", "x")),
            (("--batch", "-d DIR"), ("speak", "--batch", "4", "-o", "a.wav", "x")),
            (("cpu+cpu", "-d DIR"), ("speak", "--device", "cpu+cpu", "x")),
            (("cpu+", "missing"), ("speak", "--device", "cpu+", "-d", "a", "x")),
            (("one device",), ("speak", "--device", "cpu+cpu", "-d", "a", "--plan", "x")),
            ((".json", ".tsv", ".srt"), ("speak", "--timings", "times.txt", "x")),
            (("a.png", ".svg"), ("speak", "--plot", "a.png", "x")),
            (("--plot", "-d"), ("speak", "--plot", "a.svg", "-d", "a", "x")),
            (("--recheck", "0 to 2147483647"), ("speak", "--recheck", "-1", "x")),
            (("--phonemes", "--ids"), ("speak", "--phonemes", "--ids", "1")),
            (("one argument too many",), ("devices", "all")),
            (("--list", "-o"), ("check", "--list", "-o", "a.txt")),
            (("one voice",), ("info", "a", "b")),
            (("-c goes with -m",), ("speak", "-c", "a.json", "x")),
            (("-c goes with",), ("info", "-c", "a.json")),
            (("t.json", "written twice"), ("speak", "--timings", "t.json", "--trace", "t.json",
                                           "x")),
            (("a.wav", "written twice"), ("speak", "-o", "a.wav", "--trace", "a.wav", "x")),
        ]:
            with self.subTest(args=args):
                self.fails(USAGE, words, *args)

    def test_empty_values(self):
        """Every option that a help names wants one."""
        for command, least in (("speak", 27), ("check", 3), ("info", 5), ("convert", 4),
                               ("align", 13), ("revoice", 12)):
            text = self.run_program(command, "--help").stdout.decode()
            empty = 0
            for name in sorted(set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text)) - {"help"}):
                done = self.run_program(command, f"--{name}=")
                self.one_message(done, USAGE, f"--{name}")
                if b"is empty" in done.stderr:
                    empty += 1
                    self.one_message(self.run_program(command, f"--{name}", ""), USAGE,
                                     f"--{name}: the value is empty")
            self.assertGreaterEqual(empty, least, command)
        for args in (("speak", "-m", "", "x"), ("speak", "-o", "", "x"), ("check", "-o", "")):
            self.fails(USAGE, (f"{args[1]}: the value is empty",), *args)
        for device in (",", "cpu,", "cpu,,cpu", ",opencl", *(["opencl,"] if devices() else [])):
            self.fails(USAGE, (f'a device is missing in "{device}": give',), "speak", "--device",
                       device, "x")

    def test_extension(self):
        self.fails(USAGE, ("x.mp3", ".wav"), *CPU, "-o", "x.mp3", "hello")
        self.fails(USAGE, ("--format mp3", "wav, flac"), *CPU, "-d", "new", "--format", "mp3",
                   "hello")

    def test_device(self):
        if devices():
            self.fails(USAGE, ("no-such-device", "there are"), "speak", "--device",
                       "no-such-device", "hello")
            self.fails(USAGE, ('"no-such-device"', "there are"), "speak", "--device",
                       "cpu+no-such-device", "-d", "out", stdin="hello")
            for names in ("cpu,no-such-device", "cpu,opencl,no-such-device", "cpu,99"):
                with self.subTest(names=names):
                    self.fails(USAGE, (f'"{names.split(",")[-1]}"', "there are"), "speak",
                               "--device", names, "hello")
        self.speak("-q", "--device", "cpu,cpu", "hello")

    def test_environment(self):
        """The variable is named, whether or not it would have mattered."""
        for variable, value, words in [
            ("CPU", "386", ("baseline", "avx512")), ("FAMILY", "tpu", ("gpu or cpu",)),
            ("KERNELS", "nowhere", ("no kernels",)), ("MEMORY", "lots", ("256M",)),
            ("MEMORY", "-1", ("256M",)), ("PRECISION", "fp8", ("fp16-storage",)),
            ("RECHECK", "-1", ("whole number from 0",)), ("RECORD", "yes", ("auto", "on")),
            ("THREADS", "0", ("from 1 to 1024",)), ("THREADS", "2000", ("from 1 to 1024",)),
            ("THREADS", "two", ("from 1 to 1024",)), ("TRUST", "none", ("never",)),
            ("PLACE", "sing=cpu", ('"sing=cpu"',)),
        ]:
            with self.subTest(variable=variable, value=value):
                self.fails(USAGE, (f"CLVITS_{variable}", value, *words), *CPU, "hello",
                           env={f"CLVITS_{variable}": value})
                for args in (("devices",), ("devices", "--json"), ("devices", "-v")):
                    if variable != "PLACE":
                        self.fails(USAGE, (f"CLVITS_{variable}", value, *words), *args,
                                   env={f"CLVITS_{variable}": value})
        if devices():
            self.fails(USAGE, ("CLVITS_DEVICE", '"no-such"', "there are"), "speak", "hello",
                       env={"CLVITS_DEVICE": "no-such"})
        self.speak("-q", "--recheck", "0", "hello", env={"CLVITS_TRUST": "", "CLVITS_THREADS": "",
                                                         "CLVITS_RECHECK": "0"})

    def test_environment_of_the_list(self):
        """What may make sense for some of the devices does not keep them from being listed."""
        for variable, value in (("DEVICE", "no-such"), ("PLACE", "conv1d=2"),
                                ("PRECISION", "fp16")):
            for args in (("devices",), ("devices", "-v")):
                done = self.run_program(*args, env={f"CLVITS_{variable}": value})
                with self.subTest(variable=variable, args=args):
                    self.assertEqual((done.returncode, done.stderr), (0, b""))
                    self.assertNotIn(b"cannot be opened", done.stdout)

    def test_environment_of_devices(self):
        """Nor do such values keep those from working that need no device for it."""
        for variable, value in (("PLACE", "conv1d=1"), ("PRECISION", "fp16")):
            env = {f"CLVITS_{variable}": value, "CLVITS_CACHE": ""}
            for args in (("info", TINY), ("convert", "--force", TINY, "a.safetensors")):
                done = self.run_program(*args, env=env)
                self.assertEqual(done.returncode, 0, done.stderr)
            done = self.run_program("check", "--device", "cpu", "--precision", "fp32", "-o",
                                    "a.json", "sum", env=env)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn("cpu", json.loads((self.cwd / "a.json").read_text(encoding="utf-8")))

    def test_place(self):
        for place in ("conv1d", "=cpu", "conv1d=7", "conv1d=gpu"):
            with self.subTest(place=place):
                self.fails(USAGE, ("placement", place), *CPU, "--place", place,
                           stdin="hello\nthere\n")

        for name, words in (("dec.nope", ("dec has the parts conv_pre, ups, resblocks",)),
                            ("dec.up", ("dec has the parts",)), ("flow.x.y", ("flow has", "flows")),
                            ("dec.ups.9", ("dec.ups has the parts 0, 1",)),
                            ("dec.conv_pre.x", ("dec.conv_pre has no parts",))):
            with self.subTest(name=name):
                self.fails(USAGE, (f'"{name}=cpu"', *words, "in this voice "), *CPU, "--place",
                           f"conv1d=cpu,{name}=cpu,dec=cpu", "hello")
        self.speak("-q", "--place", "dec.ups=cpu,dec.ups.1=cpu,dp.flows.3=cpu", "hello")

    def test_no_platform(self):
        env = self.without_platforms()
        for args in [("speak", "--device", "opencl", "hello"), ("speak", "--device", "0", "hello"),
                     ("check",), ("check", "--no-report"), ("check", "-q", "sum")]:
            with self.subTest(args=args):
                self.fails(FAILED, ("no OpenCL device", "cpu"), *args, env=env)

    def test_speaker(self):
        args = ("speak", "--device", "cpu", "-m", SPEAKERS, "hello")
        for speaker in ("eve", "4", "-1", "99999999999"):
            with self.subTest(speaker=speaker):
                self.fails(USAGE, ("no speaker", "0 to 3"), *args, "--speaker", speaker)
        self.fails(USAGE, ("no speaker", "one"), *CPU, "--speaker", "1", "hello")

    def test_language(self):
        voice = ("-m", GOLDEN / "coqui-languages")
        for language in ("pl", "3", "-1"):
            with self.subTest(language=language):
                self.fails(USAGE, ("no language", language, "0 to 2", "de"), *CPU, *voice, "-l",
                           language, "ein kind")
        self.fails(USAGE, ("no language", "one"), *CPU, "--language", "en", "hello")

    def test_ids(self):
        self.fails(USAGE, ("29", "0 to 28"), *CPU, "--ids", "1 2 29")
        for ids in ("1 two", "-1", "1.5", "99999999999", " "):
            with self.subTest(ids=ids):
                self.fails(USAGE, ("--ids",), *CPU, f"--ids={ids}")
        many = " ".join(["1"] * 16385)
        self.fails(USAGE, ("16385",), *CPU, "--ids", many)


class Text(ProgramTest):
    def test_empty(self):
        self.fails(USAGE, ("empty",), *CPU, "")
        for text in ("", "\n", " \t \r\n\n"):
            with self.subTest(text=text):
                self.fails(USAGE, ("empty",), *CPU, stdin=text)
        self.fails(USAGE, ("nothing to speak",), *CPU, "   ")

    def test_only_unknown_symbols(self):
        self.fails(USAGE, ("none of the symbols", "U+2605"), *CPU, "\u2605\u2606 \u2603")
        self.fails(USAGE, ("none of the symbols", "U+2603"), *CPU, stdin="\u2603\n")
        self.fails(USAGE, ("line 2", "U+2603"), *CPU, "-q", stdin="\u2605\n\u2603\n")

    def test_not_utf8(self):
        for text in (b"\xff\xfe", b"good\nb\xe4d\n", b"\xed\xa0\x80", b"\xc0\xaf", b"cut \xe2\x82",
                     b"a\0b"):
            with self.subTest(text=text):
                self.fails(USAGE, ("UTF-8",), *CPU, stdin=text)
                self.fails(USAGE, ("UTF-8",), *CPU, "-q", "-o", "speech.wav", stdin=text)
        self.fails(USAGE, ("UTF-8",), *CPU, b"\xff".decode("utf-8", "surrogateescape"))

    def test_file(self):
        self.fails(INPUT, ("none.txt", "No such file"), *CPU, "-f", "none.txt")
        self.fails(INPUT, ("directory",), *CPU, "-f", ".")

    def test_endless_line(self):
        """It is given up at 16 MiB, and no line that is shorter is."""
        def little_memory():
            if not SANITIZED:
                resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

        words = ("line is longer", "16 MiB")
        self.fails(INPUT, ("/dev/zero, line 1", *words), *CPU, "-f", "/dev/zero", "--threads", "1",
                   prepare=little_memory)
        self.fails(INPUT, ("line 2", *words), *CPU, "-d", "out",
                   stdin="\n" + " " * ((1 << 24) + 1))
        self.speak("-q", stdin=" " * ((1 << 24) - 1) + "\nhello")

    def test_json(self):
        for words, line in [
            (("line 1", "JSON object"), "hello"),
            (("line 1", "JSON object"), '["hello"]'),
            (("line 1", "JSON object"), '{"text": "hello"'),
            (("line 1", '"text"'), '{"txt": "hello"}'),
            (("line 1", '"text"'), '{"text": 5}'),
            (("line 1", '"speaker_id"'), '{"text": "hello", "speaker_id": "one"}'),
            (("line 1", '"speaker_id"'), '{"text": "hello", "speaker_id": 0.5}'),
            (("line 1", '"speaker"'), '{"text": "hello", "speaker": []}'),
            (("line 1", '"output_file"'), '{"text": "hello", "output_file": 1}'),
            (("line 2", "JSON object"), '{"text": "hello"}\nhello'),
        ]:
            with self.subTest(line=line):
                self.fails(INPUT, words, *CPU, "--json-input", stdin=line)
        (self.cwd / "a.jsonl").write_text('\n{"text": "hello", "speaker_id": 7}')
        self.fails(USAGE, ("a.jsonl, line 2: there is no speaker 7",), *CPU, "--json-input", "-f",
                   "a.jsonl", left=["a.jsonl"])
        (self.cwd / "a.jsonl").unlink()
        self.fails(USAGE, ("standard input, line 1: there is no speaker eve",), *CPU,
                   "--json-input", stdin='{"text": "hello", "speaker": "eve"}')

    def test_a_megabyte_on_one_line(self):
        """Speaks in bounded memory, and ends long before its end after Ctrl-C."""
        peaks = []
        for text in ("hello there " * 20, "hello there people " * (1 << 20 >> 4)):
            process = subprocess.Popen(
                [PROGRAM, "speak", "-q", "--device", "cpu", "-m", TINY, "-o", "long.wav"],
                stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.cwd)
            process.stdin.write(text.encode())  # until most of it is read
            process.stdin.close()
            if len(text) > 1000:
                time.sleep(3)
                process.send_signal(signal.SIGINT)
            _, status, usage = os.wait4(process.pid, 0)
            code = process.returncode = os.waitstatus_to_exitcode(status)
            if len(text) > 1000:
                self.assertEqual((code, self.left()), (INTERRUPTED, []))
                self.assertLess(usage.ru_utime + usage.ru_stime, 90)  # all of it takes far more
            else:
                self.assertEqual(code, 0, process.stderr.read())
                (self.cwd / "long.wav").unlink()
            process.stderr.close()
            peaks.append(usage.ru_maxrss)
        if not SANITIZED:
            self.assertLess(peaks[1] - peaks[0], 32 * 1024, f"KiB at most: {peaks}")


    @unittest.skipIf(SANITIZED, "sanitizers open files of their own")
    def test_few_descriptors(self):
        """That espeak-ng cannot open its data does not mean that it has no such voice."""
        speak = ("speak", "-q", "--device", "cpu", "--output-raw", "hello")
        if self.run_program(*speak).returncode:
            self.skipTest("no espeak-ng")
        said = ""
        for limit in range(4, 12):
            said += self.run_program(*speak, prepare=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (limit, limit))).stderr.decode("utf-8", "replace")
        self.assertIn("espeak-ng cannot open its files: too many are open", said)
        self.assertNotIn("no voice", said)


class Voice(ProgramTest):
    """Damaged copies of a good voice."""

    def copy(self, name):
        source, target = GOLDEN / name, self.folder / name
        target.mkdir()
        for path in source.iterdir():
            if path.is_file():
                shutil.copy(path, target)
        return target

    def refuses(self, words, voice):
        self.fails(INPUT, words, "speak", "--device", "cpu", "-m", voice, "-o", "x.wav", "hello")
        self.fails(INPUT, words, "info", voice)

    def change_json(self, path, change):
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    def change_tensors(self, voice, change):
        path = voice / "model.safetensors"
        data = path.read_bytes()
        n = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + n])
        change(header)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n:])

    def test_missing(self):
        self.refuses(("nowhere", "No such file"), "nowhere")
        self.fails(INPUT, ("path of the voice is empty",), "info", "")
        self.refuses(("holds no voice",), self.folder / "no-platforms")
        for name in ("config.json", "model.safetensors", "vocab.json"):
            voice = self.copy("hf-sdp")
            (voice / "model_weight_g.safetensors").unlink()  # would be the only one there
            (voice / name).unlink()
            with self.subTest(missing=name):
                self.refuses((name,), voice)
            shutil.rmtree(voice)
        voice = self.copy("piper-multi")
        (voice / "model.onnx.json").unlink()
        self.refuses(("model.onnx.json",), voice / "model.onnx")

    def test_missing_lists(self):
        """What a voice can do without is told by name."""
        voice = self.copy("mms")
        (voice / "vocab.txt").unlink()
        speak = ("speak", "-q", "--device", "cpu", "-m", voice)
        self.fails(INPUT, ("MMS-TTS", "vocab.txt", "--ids"), *speak, "hello")
        self.fails(INPUT, ("line 1", "vocab.txt"), *speak, "-d", "out", stdin="hello\n")
        self.assertEqual(self.run_program(*speak, "-o", "x.wav", "--ids", "1 2 3").returncode, 0)
        done = self.run_program("info", voice)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"\Aclvits: warning: [^\n]*vocab\.txt[^\n]*\n\Z")

        voice = self.copy("coqui-languages")
        for name in ("speakers.pth", "language_ids.json"):
            self.assertEqual(self.run_program("info", voice).stderr, b"")
            (voice / name).rename(self.folder / name)
            done = self.run_program("info", voice)
            with self.subTest(missing=name):
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stderr.decode(),
                                 rf"\Aclvits: warning: [^\n]*{name}[^\n]*\n\Z")
            (self.folder / name).rename(voice / name)

    def test_truncated(self):
        for folder, name in [("hf-sdp", "config.json"), ("hf-sdp", "model.safetensors"),
                             ("hf-sdp", "vocab.json"), ("piper-multi", "model.onnx"),
                             ("piper-multi", "model.onnx.json")]:
            for keep in (0, 1, 2):
                voice = self.copy(folder)
                data = (voice / name).read_bytes()
                (voice / name).write_bytes(data[:len(data) * keep // 3])
                with self.subTest(file=name, thirds=keep):
                    self.refuses((name,), voice / "model.onnx" if "piper" in folder else voice)
                shutil.rmtree(voice)

    def test_wrong_json_types(self):
        for key, value in [("hidden_size", "sixteen"), ("hidden_size", 16.5), ("hidden_size", -16),
                           ("hidden_size", None), ("sampling_rate", [22050]),
                           ("upsample_rates", "8"), ("upsample_rates", [8, "x"]),
                           ("resblock_dilation_sizes", [1, 3, 5]), ("noise_scale", "loud")]:
            voice = self.copy("hf-sdp")
            self.change_json(voice / "config.json", lambda c: c.__setitem__(key, value))
            with self.subTest(key=key, value=value):
                self.refuses(("config.json", "hidden" if value == -16 else key), voice)
            shutil.rmtree(voice)
        voice = self.copy("hf-sdp")
        (voice / "config.json").write_text("[1, 2]", encoding="utf-8")
        self.refuses(("config.json",), voice)
        voice = self.copy("piper-multi")
        self.change_json(voice / "model.onnx.json", lambda c: c.__setitem__("audio", 22050))
        self.refuses(("model.onnx.json", "audio"), voice / "model.onnx")

    def test_tensors(self):
        name = "text_encoder.embed_tokens.weight"  # enc_p.emb.weight inside

        def turn(header):
            header[name]["shape"].reverse()

        def rename(header):
            header["unknown"] = header.pop(name)

        def beyond(header):
            header[name]["data_offsets"][1] += 1 << 40

        for change, words in [(turn, ("enc_p.emb.weight", "[16,29]", "[29,16]")),
                              (rename, ("enc_p.emb.weight", "missing")), (beyond, (name,))]:
            voice = self.copy("hf-sdp")
            self.change_tensors(voice, change)
            with self.subTest(change=change.__name__):
                self.refuses(("model.safetensors", *words), voice)
            shutil.rmtree(voice)


class Output(ProgramTest):
    TEXT = "hello there people who listen to this"

    def test_unwritable(self):
        missing = self.folder / "none" / "x.wav"
        self.fails(OUTPUT, ("none/x.wav", "No such file"), *CPU, "-o", missing, self.TEXT)
        self.fails(OUTPUT, ("none/t.json",), *CPU, "-o", "x.wav", "--timings",
                   self.folder / "none" / "t.json", self.TEXT)
        self.fails(OUTPUT, ("none/p.svg",), *CPU, "-o", "x.wav", "--plot",
                   self.folder / "none" / "p.svg", self.TEXT)
        self.fails(OUTPUT, ("cannot be made",), *CPU, "-d", self.folder / "none" / "dir", self.TEXT)
        (self.cwd / "there.wav").mkdir()
        self.fails(OUTPUT, ("there.wav",), *CPU, "-o", "there.wav", self.TEXT, left=["there.wav"])
        for name, args in (("link.wav", ("-o", "link.wav")),
                           ("link.json", ("-o", "x.wav", "--timings", "link.json"))):
            (self.cwd / name).symlink_to("nothing")
            self.fails(OUTPUT, (f"{name} is a link to nothing",), *CPU, *args, self.TEXT,
                       left=[name, "there.wav"])
            (self.cwd / name).unlink()
        for name in ("kept.wav", "kept.json"):
            (self.cwd / name).write_text("{}", encoding="utf-8")
            (self.cwd / name).chmod(0o444)
        if not os.access(self.cwd / "kept.wav", os.W_OK):  # root may write all
            left = self.left()
            self.fails(OUTPUT, ("kept.wav cannot be written",), *CPU, "-o", "kept.wav", self.TEXT,
                       left=left)
            self.fails(OUTPUT, ("kept.json cannot be written",), *CPU, "-o", "x.wav", "--timings",
                       "kept.json", self.TEXT, left=left)

    def test_what_is_read_is_not_replaced(self):
        voice = self.cwd / "v"
        voice.mkdir()
        shutil.copy(SPEAKERS, voice)
        shutil.copy(f"{SPEAKERS}.json", voice)
        shutil.copy(SPEAKERS, voice / "other.onnx")
        (self.cwd / "t.wav").write_text("hello", encoding="utf-8")
        (self.cwd / "l").symlink_to("t.wav")
        left = self.left()
        before = {name: (self.cwd / name).read_bytes() for name in left if name != "v"}
        speak = ("speak", "-q", "--device", "cpu", "-m", "v/model.onnx")
        json_line = '{"text": "hello", "output_file": "v/model.onnx.wav"}'
        for code, words, args in [
            (USAGE, ("v/model.onnx is read",), ("info", "--graph", "v/model.onnx", "v/model.onnx")),
            (USAGE, ("part of the voice",), ("info", "--graph", "v/model.onnx.json",
                                             "v/model.onnx")),
            (OUTPUT, ("v/other.onnx is there and holds more than text",),
             ("info", "--graph", "v/other.onnx", "v/model.onnx")),
            (USAGE, ("v/model.onnx is read",), (*speak, "--trace", "v/model.onnx", "hello")),
            (USAGE, ("part of the voice",), (*speak, "--timings", "v/model.onnx.json", "hello")),
            (USAGE, ("t.wav is read",), (*speak, "-f", "t.wav", "-o", "t.wav")),
            (USAGE, ("l is read",), (*speak, "-f", "t.wav", "--trace", "l")),
            (USAGE, ("part of the voice",), (*speak, "--json-input", "--timings",
                                                        "x.json")),
            (USAGE, ("part of the voice",), (*speak, "--json-input", "--timings",
                                                        "x.json", "-d", ".")),
        ]:
            with self.subTest(args=args):
                self.fails(code, words, *args, stdin=json_line, left=left)
        self.assertEqual({name: (self.cwd / name).read_bytes() for name in before}, before)
        if devices():
            self.fails(OUTPUT, ("no report of this",), "check", "-o", "v/other.onnx", left=left)

    def test_failure_keeps_the_file_that_was_there(self):
        (self.cwd / "x.wav").write_bytes(b"before")
        self.fails(USAGE, (), *CPU, "-q", "-o", "x.wav", stdin=b"good\n\xff\n", left=["x.wav"])
        self.assertEqual((self.cwd / "x.wav").read_bytes(), b"before")

    def test_rate_that_the_format_lacks(self):
        self.fails(OUTPUT, ("x.opus", ".wav"), *CPU, "-o", "x.opus", self.TEXT)
        self.fails(OUTPUT, ("0001.opus", ".wav"), *CPU, "-d", "out", "--format", "opus", self.TEXT)

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = self.run_program(*CPU, "--output-raw", self.TEXT, stdout=full)
        self.one_message(done, OUTPUT, "standard output", "No space left")

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

        for name in ("x.wav", "x.flac"):
            with self.subTest(name=name):
                self.fails(OUTPUT, (name, "cannot be written"), *CPU, "-o", name, self.TEXT * 9,
                           prepare=small_files)

    def test_closed_stdout(self):
        done = self.run_program(*CPU, "--output-raw", self.TEXT, stdout=None,
                                prepare=lambda: os.close(1))
        self.one_message(done, OUTPUT, "standard output", "closed")
        done = self.run_program(*CPU, "-d", ".", self.TEXT, stdout=None,
                                prepare=lambda: os.close(1))
        self.one_message(done, OUTPUT, "standard output")
        self.assertEqual(self.left(), ["0001.wav"])  # what is complete stays
        (self.cwd / "0001.wav").unlink()
        for command in ("devices", "info"):
            done = self.run_program(command, stdout=None, prepare=lambda: os.close(1))
            self.one_message(done, OUTPUT, "standard output")

    def test_reader_goes_away(self):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            done = self.run_program(*CPU, "--output-raw", self.TEXT, stdout=closed)
            self.one_message(done, OUTPUT, "standard output was closed")
            self.assertEqual(self.left(), [])
            for args in (*CPU, "-d", ".", self.TEXT), ("info",), ("check", "--list"):
                with self.subTest(args=args):
                    done = self.run_program(*args, stdout=closed)
                    self.one_message(done, OUTPUT, "standard output was closed")

    def test_one_of_several_at_once(self):
        """Files are there up to the line that failed, as if lines were spoken one by one."""
        done = self.run_program(*CPU, "-q", "-d", "out", stdin=b"good\nwell\nb\xe4d\nfine\nso\n")
        self.one_message(done, USAGE, "line 3", "UTF-8")
        self.assertEqual(done.stdout, b"out/0001.wav\nout/0002.wav\n")
        self.assertEqual(self.left(), ["out", "out/0001.wav", "out/0002.wav"])

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

        shutil.rmtree(self.cwd / "out")
        for extension in ("wav", "flac"):
            self.fails(OUTPUT, ("out/000", "cannot be written: File too large"), *CPU, "-d", "out",
                       "--format", extension, stdin=f"{self.TEXT}\n" * 9, prepare=small_files)

    def test_interrupted_with_several_at_once(self):
        process = subprocess.Popen([PROGRAM, *map(str, CPU), "--device", "cpu+cpu", "-d", "out"],
                                   cwd=self.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdin.write(b"hello there\nhow are you\n")
        process.stdin.flush()
        self.wait_for(process, lambda: "out/0002.wav" in self.left())
        process.send_signal(signal.SIGINT)
        process.wait(timeout=TIMEOUT)  # while more text may come
        _, error = process.communicate()
        self.assertEqual((process.returncode, error), (INTERRUPTED, b"clvits: interrupted\n"))
        self.assertEqual(self.left(), ["out", "out/0001.wav", "out/0002.wav"])

    def test_interrupted_while_kernels_are_built(self):
        """Nothing is left, even if the signal comes twice, and hardly another kernel is built."""
        if not devices():
            self.skipTest("no OpenCL device")
        folder = self.folder / "empty"

        def built():
            return len(list(folder.glob("kernels/*.bin")))

        for args, often in ((("speak", "--device", "opencl", "-o", "x.wav", "hello there"), 1),
                            (("speak", "-o", "x.wav", "hello there"), 2),
                            (("check", "-o", "x.txt"), 2)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            process = subprocess.Popen(
                [PROGRAM, *args], cwd=self.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**os.environ, "CLVITS_CACHE": str(folder / "kernels"),
                     "POCL_CACHE_DIR": str(folder / "driver")})
            self.wait_for(process, lambda: list(folder.glob("kernels/trying-*")))
            before = built()
            for _ in range(often):
                process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=TIMEOUT)
            with self.subTest(args=args, often=often, error=error):
                self.assertIn(process.returncode, (INTERRUPTED, -signal.SIGINT)[:often])
                self.assertLessEqual(built(), before + 2)  # a busy machine may tell it late
                for mark in folder.glob("kernels/trying-*"):  # the compiler is not to blame
                    self.assertEqual(mark.stat().st_size, 0)
                self.assertEqual(self.left(), [])

    def test_interrupted_while_waiting_for_text(self):
        """Also where the text ends with the signal, as that of a pipe does when Ctrl-C ends all."""
        for number, code, goes_on in ((signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)):
            process = subprocess.Popen([PROGRAM, *map(str, CPU), "-o", "x.wav"], cwd=self.cwd,
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdin.write(b"hello there\nhow are you\n")
            process.stdin.flush()
            self.wait_for(process, self.left)
            process.send_signal(number)
            if goes_on:
                process.wait(timeout=TIMEOUT)
            _, error = process.communicate(timeout=TIMEOUT)
            self.assertEqual(error, b"clvits: interrupted\n")
            self.assertEqual(process.returncode, code)
            self.assertEqual(self.left(), [])


if __name__ == "__main__":
    main()
