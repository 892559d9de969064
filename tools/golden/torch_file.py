# SPDX-License-Identifier: MIT
"""What torch.save makes of tensors of every type, and of what checkpoints carry besides."""
import argparse
import collections
import pathlib

import numpy as np
import torch

# Name of the file: (archive instead of stream, pickle protocol).
FILES = {
    "zip-2.pt": (True, 2),
    "zip-5.pt": (True, 5),
    "stream-1.pt": (False, 1),
    "stream-2.pt": (False, 2),
    "stream-4.pt": (False, 4),
}

TYPES = {
    "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
    "u8": torch.uint8, "bool": torch.bool,
}


def tensors():
    """Small whole numbers, and quarters of them where the type has such; tests/torch.c knows."""
    state = collections.OrderedDict()
    for name, dtype in TYPES.items():
        values = torch.arange(-3.0, 3.0).reshape(2, 3)
        if dtype.is_floating_point:
            values = values / 4
        state[f"type.{name}"] = (values.abs() if name == "u8" else values).to(dtype)
    state["view.turned"] = torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2)
    state["view.steps"] = torch.arange(20, dtype=torch.int16).reshape(4, 5)[1:, ::2]
    state["view.repeated"] = torch.tensor([1.0, 2.0]).reshape(2, 1).expand(2, 3)
    state["share.whole"] = torch.arange(10.0)
    state["share.part"] = state["share.whole"][4:8]
    state["share.other"] = state["share.whole"].reshape(2, 5)[:, 1]
    state["one.scalar"] = torch.tensor(-7.5)
    state["one.empty"] = torch.empty(0, 5)
    state["one.parameter"] = torch.nn.Parameter(torch.full((2, 1, 3, 1), 0.5))
    state._metadata = {"": {"version": 1}}
    return state


def checkpoint():
    plain = {
        "bag": argparse.Namespace(rate=22050, sizes=[3, 7, 11],
                                  data=pathlib.PosixPath("/data/set")),
        "path": pathlib.PurePosixPath("a/b.txt"),
        "windows": pathlib.PureWindowsPath("C:\\a\\b"),
        "numpy": [np.float64(0.1), np.float32(-2.5), np.int64(-3), np.uint8(200), np.bool_(True)],
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, {"x": [1]}),
        "set": {5},
        "bytes": b"\x00\xffz",
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cuda", 1),
        "class": collections.OrderedDict,
        "large": 2 ** 70,
        "far": -(2 ** 40),
        "text": "d\u017e\u00e9, \U0001f600",
        "none": None,
        3: (True, False, 1.5, -1, 255, 65535, -70000),
    }
    optimizer = {
        "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.ones(3)}},
        "param_groups": [{"lr": 2e-4, "betas": (0.8, 0.99), "params": [0]}],
    }
    return {"model": tensors(), "optimizer": optimizer, "plain": plain, "iteration": 1234}


def write_all(out, _):
    folder = out / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (archive, protocol) in FILES.items():
        torch.save(checkpoint(), folder / name, pickle_protocol=protocol,
                   _use_new_zipfile_serialization=archive)
