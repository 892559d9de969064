# SPDX-License-Identifier: MIT
"""What kernels are compiled for, and how many of their work-groups run at once on a GPU."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    """A GPU as its compiler names it, or the form in which any driver may take a program."""

    name: str
    maker: str
    title: str
    threads: int        # hardware threads of a unit (AMD: waves of a SIMD unit)
    local: int = 0      # bytes of local memory that a unit's work-groups share
    groups: int = 1024  # work-groups of a unit at most
    registers: int = 0  # of a unit, 32 bits each
    reserved: int = 0   # bytes of local memory that every work-group takes besides its own
    ptx: str = ""       # NVIDIA: the older GPU whose PTX, which newer ones take, clang writes


TARGETS = (
    Target("skl", "intel", "Intel Gen9", 56, 64 << 10),
    Target("icllp", "intel", "Intel Gen11", 56, 64 << 10),
    Target("tgllp", "intel", "Intel Xe-LP", 112, 128 << 10),
    Target("dg2", "intel", "Intel Arc", 128, 128 << 10),
    Target("gfx90a", "amd", "AMD CDNA 2", 8),
    Target("gfx1030", "amd", "AMD RDNA 2", 16),
    Target("gfx1100", "amd", "AMD RDNA 3", 16),
    Target("sm_75", "nvidia", "NVIDIA Turing", 32, 64 << 10, 16, 65536),
    Target("sm_80", "nvidia", "NVIDIA A100", 64, 164 << 10, 32, 65536, 1024),
    Target("sm_86", "nvidia", "NVIDIA Ampere", 48, 100 << 10, 16, 65536, 1024),
    Target("sm_90", "nvidia", "NVIDIA Hopper", 64, 228 << 10, 32, 65536, 1024, "sm_80"),
    Target("spirv", "khronos", "SPIR-V", 0),
)


def _power_of_two(n, least):
    while least < n:
        least *= 2
    return least


def _intel(target, figures, items):
    threads = -(-items // figures["simd"])
    units = target.threads // (2 if figures["registers"] > 128 else 1)
    groups = units // threads
    if figures["local"]:
        groups = min(groups, target.local // _power_of_two(figures["local"], 1024))
    return groups * threads / target.threads


def _nvidia(target, figures, items):
    if "registers" not in figures:
        return None
    warps = -(-items // 32)
    each = warps * -(-figures["registers"] * 32 // 256) * 256
    groups = min(target.groups, target.threads // warps, target.registers // each)
    local = figures["local"] + target.reserved
    if local:
        groups = min(groups, target.local // local)
    return groups * warps / target.threads


def occupancy(target, figures, items):
    """The share of a unit's hardware threads that work-groups of so many items can fill."""
    if target.maker == "khronos":
        return None
    if target.maker == "amd":
        return figures["waves"] / target.threads if figures.get("waves") else None
    return (_intel if target.maker == "intel" else _nvidia)(target, figures, items)
