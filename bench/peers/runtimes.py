# SPDX-License-Identifier: MIT
"""The other runtimes. Each is imported only when it races."""
import contextlib
import time

import numpy as np

import race

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

    def set_ids(self, ids, batch=1):
        self.feeds = {"input": np.array([ids] * batch),
                      "input_lengths": np.array([len(ids)] * batch),
                      "scales": np.array([0.0, 1.0, 0.0], np.float32)}

    def go(self):
        start = time.perf_counter()
        self.session.run(None, self.feeds)
        return time.perf_counter() - start

    def result(self):
        # The same voice with a second output: the frames of each symbol.
        told = self._open(self.voice.replace(".onnx", ".durations.onnx"))
        wave, durations = told.run(None, self.feeds)
        return [int(frames) for frames in durations[0].ravel()], wave[0].ravel().tolist()


class Torch:
    """The model itself, as it is, or with its decoder as PyTorch's compiler makes it; its weights
    are folded, as in the ONNX file. In fp16 flow and decoder are halves: durations, which nothing
    may change, are computed in fp32, as clvits does it."""
    name = "torch"

    def __init__(self, quality, threads, settings, device="cpu", dtype="fp32"):
        import torch
        import voices
        check_device(device)
        self.torch, self.device = torch, device
        self.version = torch.__version__.split("+")[0]
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = False # which is not fp32
        self.model = voices.build(quality)
        self._fold()
        self.logw_of = voices.logw_of
        self.told = self.model if device == "cpu" else voices.build(quality)
        self.model.to(device)
        if dtype == "fp16":
            self.most = race.MOST_HALVES
            for part in (self.model.flow, self.model.dec):
                self._halve(part)
        if settings == "compiled": # what is before it changes its shapes with every text
            self.model.dec = torch.compile(self.model.dec)

    def _fold(self):
        for module in self.model.modules():
            with contextlib.suppress(ValueError): # where it is not split in two
                self.torch.nn.utils.remove_weight_norm(module)

    def _halve(self, part):
        def halved(value):
            floats = self.torch.is_tensor(value) and value.is_floating_point()
            return value.half() if floats else value

        part.half().register_forward_pre_hook(
            lambda _, values, named: (tuple(map(halved, values)),
                                      {name: halved(value) for name, value in named.items()}),
            with_kwargs=True)

    def set_ids(self, ids, batch=1):
        self.ids = self.torch.tensor([ids] * batch, device=self.device)
        self.lengths = self.torch.tensor([len(ids)] * batch, device=self.device)

    def _run(self):
        """The samples where a program can have them, which waits until they are there."""
        with self.torch.inference_mode():
            return self.model.infer(self.ids, self.lengths, noise_scale=0.0, length_scale=1.0,
                                    noise_scale_w=0.0)[0].cpu()

    def go(self):
        start = time.perf_counter()
        self._run()
        return time.perf_counter() - start

    def result(self):
        logw = self.logw_of(self.told, self.ids[0].tolist())
        frames = self.torch.ceil(self.torch.exp(logw))
        return [int(count) for count in frames.ravel()], self._run()[0].float().ravel().tolist()


def check_device(device):
    """Raise unless PyTorch has this device here."""
    import torch
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("--torch-device cuda: PyTorch finds no such device here "
                           "(torch.cuda.is_available() is False)")


def others(path, quality, threads, torch_as=None):
    """(name, settings, how to open it) for everything that races on so many threads.

    torch_as: device and dtype of PyTorch; None: it does not race."""
    found = [(OnnxRuntime.name, name, lambda name=name: OnnxRuntime(path, threads, name))
             for name, wanted in SETTINGS.items() if wanted.get("threads", threads) == threads]
    if torch_as:
        device, dtype = torch_as
        more = [word for word in torch_as if word not in ("cpu", "fp32")]
        found += [(Torch.name, ", ".join([name, *more]),
                   lambda name=name: Torch(quality, threads, name, device, dtype))
                  for name in ("eager", "compiled")]
    return found
