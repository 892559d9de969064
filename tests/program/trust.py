#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""trust.py PROGRAM SOURCE SANITIZER: wrong kernels are found before they are heard."""

import itertools
import json
import os
import re
import shutil
import signal
import struct
import unittest

from support import SOURCE, TINY, ProgramTest, devices, main, samples_of, snr, wav_samples

TEXT = "hello there people. how are you"
FEW = ("copy", "flip", "gate", "sum", "unary, tanh", "unary, exp")  # cheap to check
CACHE = {"CLVITS_CACHE": "cache"}
EARLY = ("--place", "flow=cpu,dec=cpu")
AUTO = ("--place", "auto")  # costs are measured first
NORMS = ("--place", "enc_p=cpu,dp=cpu,flow=cpu,dec=cpu,layer_norm=1")
# The first and the last convolution of the decoder: their kernels alone are built.
DECODER = ("--place", "enc_p=cpu,dp=cpu,flow=cpu,dec.ups=cpu,dec.resblocks=cpu")


class Trust(ProgramTest):
    def setUp(self):
        super().setUp()
        if not devices():
            self.skipTest("no OpenCL device")
        self.speak("-q", "-o", "cpu.wav", TEXT)

    def change(self, name, before, after):
        """A copy of the kernels, one of them changed."""
        folder = self.cwd / "kernels"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SOURCE / "cl", folder)
        text = (folder / name).read_text(encoding="utf-8")
        self.assertIn(before, text)
        (folder / name).write_text(text.replace(before, after), encoding="utf-8")

    def change_probe(self):
        """Kernels whose probe of halves builds anywhere, and copies."""
        self.change("half.cl", "#ifdef cl_khr_fp16", """
kernel void half_probe(const int n, global const ushort *x, global ushort *y)
{
    const int i = get_global_id(0);
    if (i < n)
        y[i] = x[i];
}
#if 0""")

    def spoken(self, *args, **environment):
        """Decibels from what the CPU path says, warnings, kernels tried."""
        done = self.run_program("speak", "-v", "--device", "opencl", "-m", TINY, "-o", "a.wav",
                                *args, TEXT, env={"CLVITS_KERNELS": "kernels", **CACHE,
                                                  **environment})
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 0, text)
        tried = sum(map(int, re.findall(r"(\d+) kernels? tried", text)))
        warnings = re.findall(r"^.* goes wrong on .*$", text, re.M)
        got, want = (wav_samples(self.cwd / name)[1] for name in ("a.wav", "cpu.wav"))
        return snr(got, want) if len(got) == len(want) else 0, warnings, tried

    def test_wrong_tap(self):
        self.change("conv1d.cl", "k < taps;", "k < taps - 1;")
        level, warnings, tried = self.spoken(*DECODER)
        self.assertGreater(level, 60)
        self.assertEqual(len(warnings), len({w.split()[2] for w in warnings}), warnings)
        self.assertTrue(any("conv1d goes wrong on device 1" in w for w in warnings), warnings)
        self.assertGreater(tried, 0)
        # The same is known in the next run, and found anew where that is wanted.
        self.assertEqual(self.spoken(*DECODER)[1:], (warnings, 0))
        again = self.spoken(*DECODER, "--trust", "always")
        self.assertEqual(again[1:], (warnings, tried))
        # Or nothing is looked at.
        level, warnings, tried = self.spoken(*DECODER, CLVITS_TRUST="never", CLVITS_RECHECK="0")
        self.assertLess(level, 40)
        self.assertEqual((warnings, tried), ([], 0))

    @unittest.skipUnless("CLVITS_TEST_SWEEP" in os.environ, "PoCL takes long to build it")
    def test_missing_barrier(self):
        self.change("common.cl", "            barrier(CLK_LOCAL_MEM_FENCE); \\\n", "")
        level, warnings, tried = self.spoken(*NORMS, CLVITS_FAMILY="gpu")
        self.assertGreater(level, 60)
        self.assertGreater(tried, 0)
        if not any("Intel" in device["platform"] for device in devices()):  # see tests/trust.c
            self.assertIn("layer_norm goes wrong on device 1", "\n".join(warnings))

    def test_no_number_for_one_shape(self):
        self.change("norm.cl", "/ d.C;", "/ (d.C == 16 ? 0.0f : d.C);")
        level, warnings, tried = self.spoken(*NORMS)
        self.assertGreater(level, 60)
        self.assertGreater(tried, 0)
        self.assertEqual(len(warnings), 1, warnings)
        self.assertRegex(warnings[0], "layer_norm goes wrong on device 1.*not a number")

    def test_what_does_not_build(self):
        self.change("prior.cl", "kernel void prior", "kernel void other")
        level, warnings, _ = self.spoken("--place", "dec=cpu")
        self.assertGreater(level, 60)
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("prior goes wrong on device 1", warnings[0])
        self.assertEqual(warnings[0].count(devices()[0]["name"]), 1)  # the device is named once

    def test_a_compiler_that_builds_nothing(self):
        """One warning, and the CPU path speaks; where it builds anything, each operator has one."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        named = ("--device", "opencl")
        nothing = {"CLVITS_FAULTS": "build:1+", **CACHE}
        gone = ("even an empty kernel behind common.cl does not build: CL_BUILD_PROGRAM_FAILURE; "
                "this device is not used any more: its work goes elsewhere$")
        want = wav_samples(self.cwd / "cpu.wav")[1]
        for args in named, (*named, *AUTO), ():
            done = self.run_program("speak", "-m", TINY, "-o", "a.wav", *args, TEXT, env=nothing)
            self.assertEqual(done.returncode, 0, done.stderr)
            warning, = re.findall("(?m)warning: .*", done.stderr.decode())
            self.assertRegex(warning, gone)
            self.assertGreater(snr(wav_samples(self.cwd / "a.wav")[1], want), 100)
        self.assertEqual([*(self.cwd / "cache").glob("rates-*")], [])  # another time it may build
        done = self.run_program("info", *named, "--graph", "a.dot", TINY, env=nothing)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr.decode(), rf"\Aclvits: warning: .*{gone}\n\Z")
        done = self.run_program("speak", *named, "-m", TINY, "-o", "b.wav", "--precision", "fp16",
                                TEXT, env={**nothing, "CLVITS_FAULTS": "extensions=cl_khr_fp16;"
                                                                       "build:1+"})
        self.one_message(done, 1, "precision fp16: ", "even an empty kernel")
        self.assertNotIn(b"it has fp32", done.stderr)
        level, warnings, _ = self.spoken(*EARLY, CLVITS_FAULTS="build:1", CLVITS_KERNELS="")
        self.assertGreater(level, 60)
        warning, = warnings
        self.assertRegex(warning, r"goes wrong on device 1.*: (\w+)\.cl does not build: ")
        self.assertEqual(warning.count(devices()[0]["name"]), 1)

    def test_a_compiler_that_is_short_of_resources(self):
        """Its kernels are done without; the device is not lost for that."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "a.wav", *NORMS,
                                TEXT, env={"CLVITS_FAULTS": "build:1+=-5", **CACHE})
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertIn("warning: layer_norm goes wrong on device 1", text)
        for warning in re.findall("(?m)warning: .*", text):
            self.assertRegex(warning, "goes wrong on device 1.*does not build: CL_OUT_OF_RESOURCES")

    def marks(self):
        """What was tried when a program ended."""
        return [p.name for p in (self.cwd / "cache").glob("trying-*")]

    def in_flight(self, row, scale, *args):
        """Rows that no trial has go wrong; what the program says, and how near it comes."""
        self.change("conv1d.h", "v *= d->scale;", f"v *= t > {row} ? {scale} : d->scale;")
        want = self.speak("-q", "--output-raw", *args).stdout
        done = self.run_program("speak", "-m", TINY, "--output-raw", "--device", "opencl", *DECODER,
                                *args, env={"CLVITS_KERNELS": "kernels", **CACHE})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr.decode(), snr(samples_of(done.stdout), samples_of(want))

    def test_no_number_in_flight(self):
        text, level = self.in_flight(2000, "NAN", TEXT)
        self.assertEqual(len(re.findall("the wave stage makes what is no number; this device is "
                                        "not used any more", text)), 1, text)
        self.assertIn(", then the CPU path: ", text)
        self.assertGreater(level, 60)

    def test_no_number_in_a_stream(self):
        """What was heard before stands, and nothing is missing or said twice."""
        text, level = self.in_flight(6000, "NAN", "--stream", 40 * "hello there people ")
        self.assertIn("is not used any more", text)
        self.assertGreater(level, 60)

    def test_a_loss_that_looks_like_a_shortage(self):
        """Whether it shows while kernels are tried or later, the device is gone, once."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        for trust, fault in itertools.product(("always", "never"), ("", "program", "build",
                                                                    "kernel")):
            faults = f"{fault}:1+=-5;read:1+=-5" if fault else "read:1+=-5"
            done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "a.wav",
                                    "--trust", trust, *NORMS, TEXT, env={"CLVITS_FAULTS": faults})
            text = done.stderr.decode()
            self.assertEqual(done.returncode, 0, text)
            self.assertEqual(len(re.findall("CL_OUT_OF_RESOURCES.*; this device is not used any "
                                            "more", text)), 1, text)
            self.assertNotIn("goes wrong", text)
            self.assertNotIn("going on without", text)

    def test_a_drawing_without_memory(self):
        """What no device has memory for is drawn as it is spoken: on the CPU path."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        done = self.run_program("info", "--device", "opencl", "--graph", "a.dot", TINY,
                                env={"CLVITS_FAULTS": "buffer:1+", **CACHE})
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertRegex(text, r"\Aclvits: warning: .*; going on without this device\n\Z")

    def test_memory_that_weights_alone_exceed(self):
        """Smaller windows are of no use: the device is left at once, with one warning."""
        args = ("speak", "--device", "opencl", "-m", TINY, "-o", "a.wav", TEXT)
        self.assertEqual(self.run_program(*args, env=CACHE).returncode, 0)  # kernels are proven
        left = "; going on without this device: weights alone take more"
        for memory in ("32K", "200K"):  # less than those of the first stage; than those of two
            done = self.run_program(*args, "--memory", memory, env=CACHE)
            warnings = re.findall("(?m)warning: (.*)", done.stderr.decode())
            with self.subTest(memory=memory):
                self.assertEqual((done.returncode, len(warnings)), (0, 1), warnings)
                self.assertIn(left, warnings[0])
                enough = re.search(r"more, and about (\d+) MiB would be enough$", warnings[0])
                self.assertEqual(enough is None, memory == "32K")
        done = self.run_program(*args, "--memory", f"{enough[1]}M", env=CACHE)
        self.assertNotIn("going on without", done.stderr.decode())

    def test_a_shortage_that_passes(self):
        """No kernel is blamed for what it finds no resources for once."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        # Within the first trial, before its kernel is launched; and before it is there.
        for fault in (*(f"write:{n}=-5" for n in range(1, 6)), "kernel:1=-5", "program:1=-6",
                      "build:1=-5", "build:1=-6"):
            shutil.rmtree(self.cwd / "cache", ignore_errors=True)
            level, warnings, tried = self.spoken(*NORMS, "--trust", "always", CLVITS_KERNELS="",
                                                 CLVITS_FAULTS=fault)
            self.assertGreater(level, 60)
            self.assertEqual(warnings, [])
            self.assertGreater(tried, 0)

    def test_recheck(self):
        """Wrong numbers are found by computing some again."""
        lines = ". ".join([TEXT] * 8)
        text, _ = self.in_flight(2000, "0.9f * d->scale", "--recheck", "1", lines)
        self.assertRegex(text, "conv.* found while it was used: .*; this device is not used any")

        text, _ = self.in_flight(2000, "0.9f * d->scale", "--recheck", "0", lines)
        self.assertNotIn("is not used any more", text)

    def test_cache_that_cannot_be_written(self):
        """One warning, once."""
        (self.cwd / "file").write_text("")
        for name in ("file", "file/below"):
            done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "a.wav",
                                    *NORMS, TEXT, env={"CLVITS_CACHE": name})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(re.findall(r"warning: (.*): Not a directory", done.stderr.decode()),
                             [f"the cache folder {name} cannot be written"])

    def test_a_voice_without_numbers(self):
        """Where the CPU path makes none either, the device is not to blame."""
        voice = self.folder / "voice"
        shutil.copytree(TINY, voice)
        file = voice / "model.safetensors"
        data = bytearray(file.read_bytes())
        size = struct.unpack_from("<Q", data)[0]
        entry = json.loads(data[8:8 + size])["decoder.conv_pre.bias"]
        begin, end = (8 + size + at for at in entry["data_offsets"])
        data[begin:end] = struct.pack("<f", 3e38) * ((end - begin) // 4)
        file.write_bytes(data)
        done = self.run_program("speak", "--device", "opencl", "-m", voice, "-o", "a.wav", TEXT)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, 1, text)
        self.assertIn("is not used any more", text)
        self.assertIn("is used again: the CPU path makes the same of this voice", text)

    def test_a_file_of_the_cache_that_cannot_be_written(self):
        """It alone is missed: kernels come from the cache."""
        args = ("speak", "--device", "opencl", "-m", TINY, "-o", "a.wav", *AUTO, TEXT)
        self.assertEqual(self.run_program(*args, env=CACHE).returncode, 0)
        for start, anew in (("rates", "measures what operators cost"),
                            ("trust", "tries its kernels")):
            path, = (self.cwd / "cache").glob(f"{start}-*.txt")
            path.unlink()
            path.mkdir()
            done = self.run_program(*args, env=CACHE)
            warnings = re.findall("(?m)warning: (.*)", done.stderr.decode())
            with self.subTest(start=start):
                self.assertEqual(len(warnings), 1, warnings)
                self.assertRegex(warnings[0], rf"^cache/{path.name} cannot be written: .*; every "
                                              rf"program {anew} anew\. ")
            path.rmdir()

    def test_quirks(self):
        """A device that says it is one that reports are about is spared what they say."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        faked = {"CLVITS_FAULTS": "vendor=ARM;name=Mali-G78", **CACHE}
        done = self.run_program("devices", "-v", env=faked)
        self.assertRegex(done.stdout.decode(), r"(?m)^Mali-G78: quirks: flush 24 \(https://")
        self.assertNotIn("quirks", self.run_program("devices", "-v").stdout.decode())
        want = self.speak("-q", "--output-raw", TEXT).stdout
        got = self.run_program("speak", "-q", "--device", "mali", "-m", TINY, "--output-raw", TEXT,
                               env=faked).stdout
        self.assertGreater(snr(samples_of(got), samples_of(want)), 60)

    def test_check_goes_on_without_memory(self):
        """What one operator is refused says nothing of the others, and a trial is tried again."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        done = self.run_program("check", "-q", "--precision", "fp32", *FEW,
                                env={"CLVITS_FAULTS": "launch:30=-5"})  # within a trial
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        done = self.run_program("check", "-q", "--precision", "fp32", *FEW,
                                env={"CLVITS_FAULTS": "launch:1=-5"})
        self.one_message(done, 1, "1 of ", "went wrong")
        self.assertRegex(done.stdout.decode(), r"\A[a-z_0-9, ]+ .*CL_OUT_OF_RESOURCES.*\n\Z")

    def test_check_warns_once(self):
        """Each precision is a process of its own, and all read the same files."""
        (self.cwd / "cache").mkdir()
        (self.cwd / "cache" / "tuned.txt").write_text("nonsense\nno row\n", encoding="utf-8")
        done = self.run_program("check", "-q", "-o", "report.txt", "sum", env=CACHE)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        self.assertEqual(re.findall(r"warning: .*tuned\.txt:(\d):", done.stderr.decode()),
                         ["1", "2"])

    def test_check_of_halves_that_fail(self):
        """A device that offers a precision and does not do it is at fault, unlike one without."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        self.change("half.cl", "half_probe", "other")
        done = self.run_program("check", "-o", "report.txt", "sum",
                                env={"CLVITS_KERNELS": "kernels",
                                     "CLVITS_FAULTS": "extensions=cl_khr_fp16", **CACHE})
        self.one_message(done, 1, "precision fp16: ", "half_probe")
        report = (self.cwd / "report.txt").read_text(encoding="utf-8")
        parts = re.split(r"(?m)^(fp32|fp16-storage|fp16)$", report)
        self.assertEqual(parts[1::2], ["fp32", "fp16-storage", "fp16"])
        for part in parts[2:5:2]:
            self.assertIn("\n1 checked, 0 wrong, 0 left to the CPU path\n", part)
        self.assertRegex(parts[6], r"\A\nfailed: precision fp16: ")

    def test_check_of_halves_that_are_wrong(self):
        """So is one that computes something else; in JSON, too, it is told from what is lacking."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        self.change_probe()
        faked = {"CLVITS_KERNELS": "kernels", "CLVITS_FAULTS": "extensions=cl_khr_fp16", **CACHE}
        done = self.run_program("check", "-q", "-o", "report.json", "sum", env=faked)
        self.one_message(done, 1, "precision fp16: ", "computes 1 * 1 + 1 = 1 in halves, not 2")
        runs = json.loads((self.cwd / "report.json").read_text(encoding="utf-8"))["runs"]
        self.assertEqual([run["precision"] for run in runs], ["fp32", "fp16-storage", "fp16"])
        self.assertIn("computes 1 * 1 + 1 = 1 in halves", runs[2]["failed"])
        for run in runs:
            self.assertNotIn("refused", run)
        # Who asks for it is told what there is instead.
        done = self.run_program("speak", "--device", "opencl", "--precision", "fp16", "-m", TINY,
                                "-o", "b.wav", TEXT, env=faked)
        self.one_message(done, 1, "computes 1 * 1 + 1 = 1 in halves", "fp32 and fp16-storage")

    def test_check_survives_a_crash(self):
        """A compiler or kernel that ends its process costs one operator; the report is kept."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        done = self.run_program("check", "-q", "--precision", "fp32", "-o", "report.txt", *FEW,
                                env={"CLVITS_FAULTS": "crash=sum"})
        self.one_message(done, 1, "1 of ", "went wrong")
        line = r"(?m)^sum +the driver ended its process, by signal 11 "
        self.assertRegex(done.stdout.decode(), line)
        report = (self.cwd / "report.txt").read_text(encoding="utf-8")
        self.assertRegex(report, r"\A(?s:.*)\ndriver: ")
        self.assertRegex(report, line)
        self.assertRegex(report, r"\n7 checked, 1 wrong, 0 left to the CPU path\n\Z")
        # Before anything could be checked, in any precision.
        for report in (("-o", "none.txt"), ("--no-report",)):
            done = self.run_program("check", *report, env={"CLVITS_FAULTS": "context:1=crash"})
            self.one_message(done, 1, "ended")
        self.assertEqual(self.left(), ["cpu.wav", "report.txt"])

    def checked(self, faults, *args, **environment):
        """The parts of both reports on "sum", by precision, and the messages."""
        env = {"CLVITS_FAULTS": faults, **CACHE, **environment}
        for name in ("report.txt", "report.json"):
            done = self.run_program("check", "-q", "-o", name, *args, "sum", env=env)
            self.assertEqual(done.returncode, 1, done.stderr)
        parts = re.split(r"(?m)^(fp32|fp16-storage|fp16)$",
                         (self.cwd / "report.txt").read_text(encoding="utf-8"))
        self.assertRegex(parts[0], r"\ndriver: ")
        runs = json.loads((self.cwd / "report.json").read_text(encoding="utf-8"))["runs"]
        self.assertEqual(parts[1::2], [run["precision"] for run in runs])
        self.assertNotIn(".clvits", "".join(self.left()))
        return parts[2::2], runs, done.stderr.decode()

    def test_check_survives_a_crash_at_closing(self):
        """The first time, the report has but begun; the last time, all results are there."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        summary = r"\n1 checked, {} wrong, 0 left to the CPU path\n"
        for kind, code in (("crash", "signal 11"), ("exit", "code 1")):
            for call in range(1, 9):
                (text, *_), (run, *_), said = self.checked(f"finish:{call}={kind}")
                case, = run["cases"]
                if case["verdict"] == "ok":
                    break
                why = rf"the driver ended its process, (by|with) {code}\b"
                self.assertRegex(text, rf"\nsum +{why}.*{summary.format(1)}")
                self.assertRegex(case["reason"], why)
                self.assertNotIn("failed", run)
                self.assertIn("went wrong", said)
            self.assertGreater(call, 1)
            why = rf"precision fp32: {why}.*, after the last check"
            self.assertRegex(text, rf"{summary.format(0)}failed: {why}\n")
            self.assertRegex(run["failed"], why)
            self.assertRegex(said, why)

    def test_check_survives_a_probe_that_crashes(self):
        """That is the end of one precision."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        self.change_probe()
        texts, runs, said = self.checked("extensions=cl_khr_fp16;crash=half_probe",
                                         CLVITS_KERNELS="kernels")
        why = "precision fp16: the driver ended its process, by signal 11 .*, before anything"
        for text, run in zip(texts[:2], runs):
            self.assertIn("\n1 checked, 0 wrong, 0 left to the CPU path\n", text)
            self.assertEqual(run["cases"][0]["verdict"], "ok")
            self.assertNotIn("failed", run)
        self.assertRegex(texts[2], rf"\A\nfailed: {why}.*\n\Z")
        self.assertEqual(runs[2]["cases"], [])
        self.assertRegex(runs[2]["failed"], why)
        self.assertRegex(said, rf"\Aclvits: {why}.*\n\Z")

    def test_a_driver_that_crashes(self):
        """What has ended two programs is left alone by the third."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")

        for fault, place, text in (
                ("crash=embedding", EARLY, "embedding goes wrong on device 1.*: embedding "),
                ("crash=conv1d", DECODER, "conv1d goes wrong on device 1.*: conv1d "),
                ("crash=conv1d_toom", AUTO, "conv1d goes wrong on device 1.*: conv1d_toom "),
                ("build:1=crash", EARLY, "goes wrong on device 1.*: the build of its ")):
            shutil.rmtree(self.cwd / "cache", ignore_errors=True)
            for _ in range(2):
                done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "b.wav",
                                        *place, TEXT, env={"CLVITS_FAULTS": fault, **CACHE})
                self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
                self.assertEqual(len(self.marks()), 1)
            again = {} if "build" in fault else {"CLVITS_FAULTS": fault}
            for known in range(2):
                level, warnings, _ = self.spoken(*place, CLVITS_KERNELS="", **again)
                self.assertGreater(level, 60)
                if not known or place != AUTO:  # then costs are known as well
                    self.assertRegex(warnings[0], text + ".*ended 2 programs that tried it")
                self.assertEqual(self.marks(), [])
        self.assertEqual(self.spoken(*EARLY, "--trust", "always", CLVITS_KERNELS="")[1], [])

    def test_a_shape_that_crashes(self):
        """So is what ends programs in one shape, however well it does another one before."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        for _ in range(2):
            done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "b.wav",
                                    *NORMS, TEXT, env={"CLVITS_FAULTS": "launch:2=crash", **CACHE})
            self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
            self.assertEqual(len(self.marks()), 1)
        level, warnings, tried = self.spoken(*NORMS, CLVITS_KERNELS="")
        self.assertGreater(level, 60)
        self.assertEqual(len(warnings), 1, warnings)
        self.assertRegex(warnings[0], "layer_norm goes wrong on device 1.*: layer_norm .*"
                                      "ended 2 programs that tried it")
        self.assertEqual(self.marks(), [])
        self.assertGreater(tried, 0)  # the other shape is right, and stays so
        self.assertEqual(self.spoken(*NORMS, CLVITS_KERNELS="")[1:], (warnings, 0))

    def test_a_probe_that_crashes(self):
        """So is half arithmetic, whether its probe ends programs when it is built or later."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        for fault in ("build:1=crash", "kernel:1=crash"):
            shutil.rmtree(self.cwd / "cache", ignore_errors=True)
            options = {"env": {"CLVITS_FAULTS": f"extensions=cl_khr_fp16;{fault}", **CACHE}}
            speak = ("speak", "--device", "opencl", "--precision", "fp16", "-m", TINY, "-o",
                     "b.wav", TEXT)
            for _ in range(2):
                done = self.run_program(*speak, **options)
                self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
                self.assertEqual(len(self.marks()), 1)
            for _ in range(2):  # found, then known
                self.one_message(self.run_program(*speak, **options), 1, "precision fp16",
                                 "ended 2 programs that tried it", "fp16-storage")
                self.assertEqual(self.marks(), [])

    def test_a_binary_that_crashes(self):
        """It is removed, and its kernel built from source."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")

        def binaries():
            return len(list((self.cwd / "cache").glob("*.bin")))

        plain = {"CLVITS_KERNELS": ""}
        self.assertEqual(self.spoken(*NORMS, **plain)[1], [])
        n = binaries()
        self.assertGreater(n, 0)
        for _ in range(2):
            done = self.run_program("speak", "--device", "opencl", "-m", TINY, "-o", "b.wav",
                                    *NORMS, TEXT, env={"CLVITS_FAULTS": "program:1=crash", **CACHE})
            self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
            self.assertEqual((len(self.marks()), binaries()), (1, n))
        for _ in range(2):  # found, then known
            level, warnings, _ = self.spoken(*NORMS, **plain)
            self.assertGreater(level, 60)
            self.assertEqual((warnings, self.marks(), binaries()), ([], [], n - 1))

    def test_recording_that_crashes(self):
        """Launches are then enqueued one by one, also where other launches can be recorded."""
        if "OPENCL_LAYERS" not in os.environ:
            self.skipTest("no layers here")
        record = {"CLVITS_RECORD": "on", "CLVITS_RECHECK": "0", **CACHE}
        speak = ("speak", "-v", "--device", "opencl", "-m", TINY, "-o", "b.wav", "--place",
                 "dec=cpu", ". ".join(["hi"] * 20 + [TEXT] * 20))
        recorded = re.findall(rb"(\d+) launches recorded",
                              self.run_program(*speak, env=record).stderr)
        if not recorded:
            self.skipTest("the device records none")
        # The first, and the first of a stage that was recorded before, in another shape: after
        # others were opened, filled and closed.
        again = [i for i, n in enumerate(recorded) if n in recorded[:i]]
        self.assertTrue(again, recorded)
        later = sum(int(n) + 2 for n in recorded[:again[0]]) + 1
        for call in (1, later):
            for path in (self.cwd / "cache").glob("trust-*"):
                path.unlink()
            record["CLVITS_FAULTS"] = f"record:{call}=crash"
            for _ in range(2):
                done = self.run_program(*speak, env=record)
                self.assertEqual(done.returncode, -signal.SIGSEGV, done.stderr)
                self.assertEqual(len(self.marks()), 1)
            for _ in range(2):  # found, then known
                done = self.run_program(*speak, env=record)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(len(re.findall(b"ended 2 programs that tried it.*; launches are "
                                                b"enqueued one by one", done.stderr)), 1,
                                 done.stderr)
                self.assertEqual(self.marks(), [])

    def test_what_is_not_there(self):
        self.fails(2, ["perhaps", "cached"], "speak", "--trust", "perhaps", TEXT,
                   left=["cpu.wav"])


if __name__ == "__main__":
    main()
