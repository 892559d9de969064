# SPDX-License-Identifier: MIT
"""The other runtimes. Each is imported only when it races."""
import time

import numpy as np

# What programs set for their session, besides the number of threads. "piper" is the C++ program
# of rhasspy/piper, which leaves the number of threads to the runtime; "libpiper" is the library of
# OHF-Voice/piper1-gpl, which runs on one thread whatever the machine has.
SETTINGS = {
    "defaults": {},
    "piper": dict(optimisation="ORT_DISABLE_ALL", arena=False, pattern=False),
    "libpiper": dict(optimisation="ORT_ENABLE_BASIC", arena=False, pattern=False,
                     mode="ORT_SEQUENTIAL", threads=1),
}


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, voice, threads, settings):
        import onnxruntime as ort
        wanted = SETTINGS[settings]
        self.version, self.voice, self.ort = ort.__version__, voice, ort
        options = self.options = ort.SessionOptions()
        options.intra_op_num_threads = wanted.get("threads", threads)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = wanted.get("arena", True)
        options.enable_mem_pattern = wanted.get("pattern", True)
        if "optimisation" in wanted:
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel,
                                                       wanted["optimisation"])
        if "mode" in wanted:
            options.execution_mode = getattr(ort.ExecutionMode, wanted["mode"])
        self.session = self._open(voice)

    def _open(self, path):
        return self.ort.InferenceSession(path, self.options, providers=["CPUExecutionProvider"])

    def set_ids(self, ids):
        self.feeds = {"input": np.array([ids]), "input_lengths": np.array([len(ids)]),
                      "scales": np.array([0.0, 1.0, 0.0], np.float32)}

    def go(self):
        start = time.perf_counter()
        self.session.run(None, self.feeds)
        return time.perf_counter() - start

    def result(self):
        # The same voice with a second output: the frames of each symbol.
        told = self._open(self.voice.replace(".onnx", ".durations.onnx"))
        wave, durations = told.run(None, self.feeds)
        return [int(frames) for frames in durations.ravel()], wave.ravel().tolist()


class Torch:
    """The model itself, as it is, or with its decoder as PyTorch's compiler makes it."""
    name = "torch"

    def __init__(self, quality, threads, settings):
        import torch
        import voices
        self.torch, self.voices = torch, voices
        self.version = torch.__version__.split("+")[0]
        torch.set_num_threads(threads)
        self.model = voices.build(quality)
        if settings == "compiled": # what is before it changes its shapes with every text
            self.model.dec = torch.compile(self.model.dec)

    def set_ids(self, ids):
        self.ids, self.lengths = self.torch.tensor([ids]), self.torch.tensor([len(ids)])

    def _run(self):
        with self.torch.inference_mode():
            return self.model.infer(self.ids, self.lengths, noise_scale=0.0, length_scale=1.0,
                                    noise_scale_w=0.0)[0]

    def go(self):
        start = time.perf_counter()
        self._run()
        return time.perf_counter() - start

    def result(self):
        logw = self.voices.logw_of(self.model, self.ids[0].tolist())
        frames = self.torch.ceil(self.torch.exp(logw))
        return [int(count) for count in frames.ravel()], self._run().ravel().tolist()


def others(path, quality, threads, with_torch):
    """(name, settings, how to open it) for everything that races on so many threads."""
    found = [(OnnxRuntime.name, name, lambda name=name: OnnxRuntime(path, threads, name))
             for name, wanted in SETTINGS.items() if wanted.get("threads", threads) == threads]
    if with_torch:
        found += [(Torch.name, name, lambda name=name: Torch(quality, threads, name))
                  for name in ("eager", "compiled")]
    return found
