# SPDX-License-Identifier: MIT
"""Run clvits and another runtime in turns, compare what they say, and count."""
import json
import statistics
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import voices

REST = 0.05  # seconds before a turn, in which the other runtime's threads stop spinning


class Clvits:
    """The program clvits-peer, a command at a time."""

    def __init__(self, program, voice, device, threads):
        self.process = subprocess.Popen([program, voice, device, str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.device = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("peers: clvits-peer ended, with code "
                             f"{self.process.wait()}; what it said stands above")
        return line.strip()

    def ask(self, command):
        print(command, file=self.process.stdin, flush=True)
        return self._answer()

    def set_ids(self, ids):
        self.ask("ids " + " ".join(map(str, ids)))

    def go(self):
        return float(self.ask("go").split()[0])

    def result(self, scratch):
        """Durations and samples of one more run."""
        durations = [int(word) for word in self.ask("go").split()[2:]]
        self.ask(f"save {scratch}")
        return np.array(durations), np.fromfile(scratch, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class OnnxRuntime:
    name, version = "onnxruntime", onnxruntime.__version__

    def __init__(self, voice, threads, settings):
        options = self.options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if settings == "piper":  # what Piper's own program sets
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.enable_cpu_mem_arena = False
            options.enable_mem_pattern = False
        self.voice, self.session = voice, self._open(voice)

    def _open(self, model):
        return onnxruntime.InferenceSession(model, self.options,
                                            providers=["CPUExecutionProvider"])

    def set_ids(self, ids):
        self.feeds = {"input": np.array([ids]), "input_lengths": np.array([len(ids)]),
                      "scales": np.array([0.0, 1.0, 0.0], np.float32)}

    def go(self):
        start = time.perf_counter()
        self.session.run(None, self.feeds)
        return time.perf_counter() - start

    def result(self):
        wave, durations = self._open(voices.with_durations(self.voice)).run(None, self.feeds)
        return durations.ravel(), wave.ravel()


class Torch:
    name, version = "torch", torch.__version__.split("+")[0]

    def __init__(self, model, threads):
        torch.set_num_threads(threads)
        self.model = model

    def set_ids(self, ids):
        self.ids, self.lengths = torch.tensor([ids]), torch.tensor([len(ids)])

    def _run(self):
        with torch.inference_mode():
            return self.model.infer(self.ids, self.lengths, noise_scale=0.0, length_scale=1.0,
                                    noise_scale_w=0.0)[0]

    def go(self):
        start = time.perf_counter()
        self._run()
        return time.perf_counter() - start

    def result(self):
        frames = torch.ceil(torch.exp(voices.logw_of(self.model, self.ids[0].tolist())))
        return frames.numpy().ravel(), self._run().numpy().ravel()


def _turn(runtime):
    time.sleep(REST)
    return runtime.go()


def _times(samples):
    ordered = sorted(samples)
    late = ordered[(len(ordered) * 95 + 99) // 100 - 1]
    return dict(runs=len(samples), min=ordered[0], median=statistics.median(ordered), p95=late,
                samples=[float(f"{s:.5g}") for s in samples])


def pairs(clvits, other, count):
    """Alternating runs; who begins changes with every pair, so that drift favours nobody."""
    for runtime in (clvits, other) * 2:
        _turn(runtime)
    ours, theirs = [], []
    for index in range(count):
        if index % 2:
            theirs.append(_turn(other))
            ours.append(_turn(clvits))
        else:
            ours.append(_turn(clvits))
            theirs.append(_turn(other))
    ratios = [b / a for a, b in zip(ours, theirs)]
    return dict(clvits=_times(ours), other=_times(theirs),
                ratio=dict(median=statistics.median(ratios), min=min(ratios), max=max(ratios)))


def agree(clvits, other, scratch):
    """Whether both said the same: frames of every symbol, number of samples, largest difference."""
    frames, wave = clvits.result(scratch)
    frames_other, wave_other = other.result()
    same = len(wave) == len(wave_other)
    error = float(np.abs(wave - wave_other).max() / np.abs(wave_other).max()) if same else None
    return dict(durations_equal=bool(np.array_equal(frames, frames_other)), samples_equal=same,
                error=error), len(wave)


def prepare(folder, quality, count):
    """Model, file and symbols of a voice whose durations no rounding error can change."""
    warnings.filterwarnings("ignore")
    path = Path(folder) / f"{quality}.onnx"
    model = voices.build(quality)
    seeds = (seed for seed in range(1000)
             if voices.margin_of(model, voices.ids_of(count, seed)) > 2e-4)
    ids = voices.ids_of(count, next(seeds))
    if not path.with_suffix(".onnx.json").exists():
        voices.write(voices.build(quality), quality, path)
    return model, str(path), ids


def race(arguments, quality, count, threads):
    """Results of every peer and setting for one voice, text and number of threads."""
    model, path, ids = prepare(arguments.work, quality, count)
    others = [(OnnxRuntime(path, threads, settings), settings)
              for settings in ("defaults", "piper")]
    if arguments.torch:
        others.append((Torch(model, threads), None))
    clvits = Clvits(arguments.clvits, path, arguments.device, threads)
    results = []
    for other, settings in others:
        for runtime in (clvits, other):
            runtime.set_ids(ids)
        same, samples = agree(clvits, other, Path(arguments.work) / "clvits.f32")
        results.append({
            "peer": other.name, "version": other.version,
            **({"settings": settings} if settings else {}),
            "voice": quality, "random": True, "ids": len(ids),
            "audio": samples / voices.QUALITIES[quality]["rate"], "threads": threads,
            "device": clvits.device, **same, **pairs(clvits, other, arguments.pairs)})
    clvits.close()
    return results


def append(path, results):
    """Put results into a file of clvits-bench; the same race run again replaces the old one."""
    path = Path(path)
    if path.exists():
        run = json.loads(path.read_text(encoding="utf-8"))
    else:
        run = {"format": "clvits-bench 1", "devices": []}

    def key(r):
        return tuple(r.get(k) for k in ("peer", "settings", "voice", "ids", "threads", "device"))

    fresh = {key(r) for r in results}
    run["peers"] = [r for r in run.get("peers", []) if key(r) not in fresh] + results
    path.write_text(json.dumps(run) + "\n", encoding="utf-8")
