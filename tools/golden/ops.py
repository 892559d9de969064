# SPDX-License-Identifier: MIT
"""Single operators on odd shapes: float32 inputs, outputs computed in double precision."""
import copy

import numpy as np
import torch
import torch.nn.functional as F
from transformers import VitsConfig
from transformers.models.vits import modeling_vits as vits

import common
import hf


class Writer:
    """Writes <op>_<case>_<tensor>.npy and keeps the index."""

    def __init__(self, folder):
        self.folder, self.index = folder, []

    def case(self, op, name, parameters, inputs, run):
        """Store inputs and run(inputs) for doubles; note how far plain float32 is from it."""
        with torch.no_grad():
            single = run({k: v.clone() for k, v in inputs.items()})
            double = run({k: v.double() if v.is_floating_point() else v.clone()
                          for k, v in inputs.items()})
        rounding = {k: float(f"{float((single[k] - double[k]).abs().max()):.1e}") for k in double}
        tensors = {**inputs, **double}
        common.save(self.folder, f"{op}_{name}_", **tensors)
        self.index.append(dict(op=op, case=name, **parameters,
                               inputs={k: list(v.shape) for k, v in inputs.items()},
                               outputs={k: list(v.shape) for k, v in double.items()},
                               float32_error=rounding))


def module_case(writer, op, name, parameters, module, inputs, run):
    """As Writer.case for a module, whose folded weights become inputs named w.<parameter>."""
    hf.fold(module)
    weights = {f"w.{k}": v.detach().clone() for k, v in module.named_parameters()}

    def with_module(values):
        twin = copy.deepcopy(module).to(values["x"].dtype)
        return run(twin, values)

    writer.case(op, name, parameters, {**inputs, **weights}, with_module)


def lengths_mask(lengths, steps, like):
    return (torch.arange(steps) < lengths[:, None]).unsqueeze(1).to(like.dtype)


def filled(module, seed, gains=()):
    common.randomise(module, seed, gains)
    return module.eval()


# ---- convolutions --------------------------------------------------------------------------

CONV1D = {
    # B  I  O   T   K  S  D  G  left right
    "dilated": (2, 3, 5, 37, 3, 1, 5, 1, 5, 5),
    "wide": (1, 6, 4, 61, 11, 1, 5, 1, 25, 25),
    "short": (1, 5, 9, 2, 7, 1, 1, 1, 3, 3),
    "pointwise": (3, 9, 4, 13, 1, 1, 1, 1, 0, 0),
    "asymmetric": (2, 6, 7, 19, 4, 1, 1, 1, 1, 2),
    "depthwise": (2, 8, 8, 33, 3, 1, 9, 8, 9, 9),
    "strided": (1, 8, 12, 67, 41, 4, 1, 4, 20, 20),
    "stride3": (3, 2, 6, 50, 5, 3, 1, 1, 2, 2),
}

CONV_TRANSPOSE1D = {
    # B  I  O   T   K  S  padding
    "k16s8p4": (1, 6, 3, 13, 16, 8, 4),
    "k8s4p2": (2, 5, 4, 9, 8, 4, 2),
    "k4s2p1": (1, 4, 2, 17, 4, 2, 1),
    "k7s3p2": (2, 3, 5, 7, 7, 3, 2),
    "k11s5p3": (1, 7, 3, 1, 11, 5, 3),
}


def convolutions(writer, rng):
    for name, (b, i, o, t, k, s, d, g, left, right) in CONV1D.items():
        inputs = dict(x=common.normal(rng, (b, i, t)), w=common.normal(rng, (o, i // g, k), 0.3),
                      b=common.normal(rng, (o,)))
        writer.case("conv1d", name,
                    dict(stride=s, dilation=d, groups=g, pad_left=left, pad_right=right), inputs,
                    lambda v: dict(y=F.conv1d(F.pad(v["x"], (left, right)), v["w"], v["b"],
                                              stride=s, dilation=d, groups=g)))
    for name, (b, i, o, t, k, s, p) in CONV_TRANSPOSE1D.items():
        inputs = dict(x=common.normal(rng, (b, i, t)), w=common.normal(rng, (i, o, k), 0.3),
                      b=common.normal(rng, (o,)))
        writer.case("conv_transpose1d", name, dict(stride=s, padding=p), inputs,
                    lambda v: dict(y=F.conv_transpose1d(v["x"], v["w"], v["b"], stride=s,
                                                        padding=p)))


# ---- norms and pointwise -------------------------------------------------------------------

def norms(writer, rng):
    for name, shape, offset in (("odd", (2, 7, 13), 0.0), ("offset", (1, 33, 5), 50.0),
                                ("step", (3, 10, 1), -3.0)):
        inputs = dict(x=offset + common.normal(rng, shape),
                      gamma=1 + common.normal(rng, shape[1:2], 0.2),
                      beta=common.normal(rng, shape[1:2]))
        writer.case("layer_norm", name, dict(eps=1e-5), inputs,
                    lambda v: dict(y=F.layer_norm(v["x"].transpose(1, 2), v["gamma"].shape,
                                                  v["gamma"], v["beta"], 1e-5).transpose(1, 2)))
    for name, shape in (("conv", (5, 3, 7)), ("transposed", (4, 6, 8))):
        inputs = dict(v=common.normal(rng, shape), g=common.normal(rng, (shape[0], 1, 1)))
        writer.case("weight_norm", name, dict(axis=0), inputs,
                    lambda v: dict(w=torch._weight_norm(v["v"], v["g"], 0)))


def pointwise(writer, rng):
    edge = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 0.75, -0.75, 1, -1, 3, -3, 5.5,
                         -5.5, 12, -12, 100, -100], dtype=torch.float32)
    x = torch.cat([edge, 2.5 * common.normal(rng, (45,))]).reshape(1, 3, 21)
    writer.case("gelu", "edges", {}, dict(x=x), lambda v: dict(y=F.gelu(v["x"])))
    for name, (b, c, t), g_steps in (("speaker", (2, 5, 17), 1), ("frames", (1, 3, 9), 9)):
        inputs = dict(x=2 * common.normal(rng, (b, 2 * c, t)),
                      g=common.normal(rng, (b, 2 * c, g_steps)))
        writer.case("gate", name, {}, inputs,
                    lambda v: dict(y=vits.fused_add_tanh_sigmoid_multiply(v["x"], v["g"], c)))


def affine(writer, rng):
    """The general coupling step on one half: mean and log deviation per element."""
    shape = (2, 3, 11)
    inputs = dict(x=common.normal(rng, shape), m=common.normal(rng, shape),
                  logs=common.normal(rng, shape, 0.5), lengths=torch.tensor([11, 6]))

    def run(v):
        mask = lengths_mask(v["lengths"], 11, v["x"])
        logs, m = v["logs"] * mask, v["m"] * mask
        return dict(forward=m + v["x"] * torch.exp(logs) * mask,
                    reverse=(v["x"] - m) * torch.exp(-logs) * mask,
                    logdet=torch.sum(logs, (1, 2)))

    writer.case("affine", "general", {}, inputs, run)


# ---- attention -----------------------------------------------------------------------------

class Given(torch.nn.Module):
    """Stands in for a projection: returns a known tensor [B, C, T] in the module's layout."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, _):
        return self.value.transpose(1, 2)


def _attend(module, x, lengths):
    """Run a VitsAttention on [B, C, T]; keys beyond the lengths count nothing, queries give 0."""
    steps = x.shape[2]
    mask = lengths_mask(lengths, steps, x)
    shut = (1 - mask).unsqueeze(2) * torch.finfo(x.dtype).min
    y, p = module((x * mask).transpose(1, 2), attention_mask=shut.expand(-1, 1, steps, steps),
                  output_attentions=True)
    p = p.reshape(len(lengths), -1, steps, steps)
    return y.transpose(1, 2) * mask, p * mask.unsqueeze(-1)


def attention(writer, rng):
    for name, hidden, heads, lengths in (("single", 6, 2, [1]), ("short", 12, 2, [3]),
                                         ("window", 12, 2, [5]), ("long", 12, 2, [23]),
                                         ("heads3", 15, 3, [11]), ("masked", 12, 2, [13, 6])):
        config = VitsConfig(hidden_size=hidden, num_attention_heads=heads, window_size=4)
        shape = (len(lengths), hidden, max(lengths))
        inputs = {n: 1.5 * common.normal(rng, shape) for n in "qkv"}
        inputs.update({n: common.normal(rng, (1, 9, hidden // heads)) for n in ("rel_k", "rel_v")})
        inputs["lengths"] = torch.tensor(lengths)

        def run(v):
            module = vits.VitsAttention(config).eval().to(v["q"].dtype)
            module.q_proj, module.k_proj, module.v_proj = (Given(v[n]) for n in "qkv")
            module.out_proj = torch.nn.Identity()
            module.emb_rel_k.copy_(v["rel_k"])
            module.emb_rel_v.copy_(v["rel_v"])
            context, p = _attend(module, v["q"], v["lengths"])
            return dict(p=p, y=context)

        writer.case("attention", name, dict(heads=heads, window=4), inputs, run)

    config = VitsConfig(hidden_size=10, num_attention_heads=2, window_size=4)
    module = filled(vits.VitsAttention(config), 41)
    inputs = dict(x=common.normal(rng, (2, 10, 14)), lengths=torch.tensor([14, 9]))
    module_case(writer, "attention_block", "masked", dict(heads=2, window=4), module, inputs,
                lambda m, v: dict(y=_attend(m, v["x"], v["lengths"])[0]))


# ---- splines -------------------------------------------------------------------------------

def _spline(x, h, filter_channels, reverse):
    parts = h.reshape(h.shape[0], 1, 29, -1).permute(0, 1, 3, 2)
    scale = np.sqrt(filter_channels)
    return vits._unconstrained_rational_quadratic_spline(
        x, parts[..., :10] / scale, parts[..., 10:20] / scale, parts[..., 20:], reverse=reverse)


def _edge_inputs():
    near = np.float32([5, -5])
    values = np.concatenate([
        near, np.nextafter(near, np.float32(0)), np.nextafter(near, near * 2),
        np.float32([0.0, -0.0, 1e-7, -1e-7, 4.9999, -4.9999, 5.0001, -5.0001, 7, -7, 1e4, -1e4])])
    return torch.from_numpy(values).reshape(1, 1, -1)


def spline(writer, rng):
    flat = torch.zeros(1, 29, 18)
    cases = {
        "random": (4 * common.normal(rng, (2, 1, 37)), 2 * common.normal(rng, (2, 29, 37)), 16),
        "edges": (_edge_inputs(), 1.5 * common.normal(rng, (1, 29, 18)), 1),
        # Equal bins: the knots are the integers, where bins meet.
        "knots": (torch.arange(18.0).reshape(1, 1, -1) - 8, flat, 4),
        # Bins down to the smallest width and height, nearly vertical or flat slopes.
        "steep": (2.5 * common.normal(rng, (1, 1, 64)), 6 * common.normal(rng, (1, 29, 64)), 1),
    }
    for name, (x, h, channels) in cases.items():
        for direction, reverse in (("forward", False), ("inverse", True)):
            def run(v):
                y, logdet = _spline(v["x"], v["h"], channels, reverse)
                assert torch.isfinite(y).all()
                return dict(y=y, logdet=logdet)
            writer.case("spline", f"{name}-{direction}", dict(filter_channels=channels),
                        dict(x=x, h=h), run)


# ---- blocks --------------------------------------------------------------------------------

def _blocks_config(**values):
    return VitsConfig(**{**dict(
        hidden_size=6, flow_size=10, num_attention_heads=2, wavenet_kernel_size=5,
        wavenet_dilation_rate=2, prior_encoder_num_wavenet_layers=3, speaker_embedding_size=4,
        num_speakers=2), **values})


def _block_inputs(rng, channels, steps, g_channels, g_steps=1, scale=1.0):
    return dict(x=scale * common.normal(rng, (2, channels, steps)),
                lengths=torch.tensor([steps, steps - 6]),
                g=common.normal(rng, (2, g_channels, g_steps)))


def blocks(writer, rng):
    config = _blocks_config()
    wavenet = filled(vits.VitsWaveNet(config, 3), 51)
    module_case(writer, "wavenet", "speaker", dict(kernel=5, dilation_rate=2, layers=3), wavenet,
                _block_inputs(rng, 6, 19, 4),
                lambda m, v: dict(y=m(v["x"], lengths_mask(v["lengths"], 19, v["x"]), v["g"])))

    coupling = filled(vits.VitsResidualCouplingLayer(config), 52)

    def couple(m, v):
        mask = lengths_mask(v["lengths"], 23, v["x"])
        return dict(forward=m(v["x"], mask, v["g"])[0],
                    reverse=m(v["x"], mask, v["g"], reverse=True)[0])

    module_case(writer, "coupling", "speaker", dict(kernel=5, dilation_rate=2, layers=3),
                coupling, _block_inputs(rng, 10, 23, 4), couple)

    dds = filled(vits.VitsDilatedDepthSeparableConv(config), 53)
    module_case(writer, "dds_conv", "conditioned", dict(kernel=3, layers=3), dds,
                _block_inputs(rng, 6, 31, 6, 31),
                lambda m, v: dict(y=m(v["x"], lengths_mask(v["lengths"], 31, v["x"]), v["g"])))

    flow = filled(vits.VitsConvFlow(config), 54, [(r"^conv_proj$", 3.0)])

    def conv_flow(m, v):
        mask = lengths_mask(v["lengths"], 29, v["x"])
        forward, logdet = m(v["x"], mask, v["g"])
        return dict(forward=forward, logdet=logdet,
                    reverse=m(v["x"], mask, v["g"], reverse=True)[0])

    module_case(writer, "conv_flow", "conditioned", dict(kernel=3, layers=3, filter_channels=6),
                flow, _block_inputs(rng, 2, 29, 6, 29, scale=3.0), conv_flow)

    resblock = filled(vits.HifiGanResidualBlock(5, 7, (1, 3, 5)), 55)
    module_case(writer, "resblock", "one", dict(kernel=7, dilations=[1, 3, 5], slope=0.1),
                resblock, dict(x=common.normal(rng, (1, 5, 43))), lambda m, v: dict(y=m(v["x"])))


def write_all(out, _arguments):
    writer = Writer(out / "ops")
    rng = np.random.default_rng(40)
    for part in (convolutions, norms, pointwise, affine, attention, spline, blocks):
        part(writer, rng)
    common.save_json(out / "ops" / "index.json", writer.index)
    for case in writer.index:
        print(case["op"], case["case"], case["float32_error"])
