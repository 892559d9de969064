# SPDX-License-Identifier: MIT
"""What the vendors' compilers say of kernels: {kernel: figures} from their outputs.

Figures, where known: registers and scalar_registers of a hardware thread, spills (instructions,
registers or bytes, as the compiler counts), scratch bytes of a work-item (private memory that is
not in registers, spills included), local bytes of a work-group, simd work-items in a hardware
thread, waves on a SIMD unit (AMD).
"""
import re
import struct


class Unreadable(Exception):
    """An output that is not what its compiler is known to write."""


def ze_info(binary):
    """The text of section .ze_info in an Intel binary, which is an ELF file."""
    if binary[:5] != b"\x7fELF\x02":
        raise Unreadable("not a 64-bit ELF file")
    table, = struct.unpack_from("<Q", binary, 0x28)
    size, count, names = struct.unpack_from("<HHH", binary, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", binary, table + i * size) for i in range(count)]
    base = sections[names][4]
    for name, _, _, _, offset, length in sections:
        if binary[base + name:binary.index(b"\0", base + name)] == b".ze_info":
            return binary[offset:offset + length].rstrip(b"\0").decode()
    raise Unreadable("no section .ze_info")


def entries(text, indent):
    """The entries of a YAML list that is indented by so many blanks."""
    return re.split(rf"(?m)^ {{{indent}}}- ", text)[1:]


def number(text, key, otherwise=0):
    found = re.search(rf"(?m)^[ -]*{re.escape(key)}: +(\d+)", text)
    return int(found.group(1)) if found else otherwise


def intel(info, log):
    """From .ze_info, and what the compiler printed: it counts spills there alone."""
    spills = {m[1]: int(m[2])
              for m in re.finditer(r"kernel (\S+) +compiled SIMD\d+ .*spilled around (\d+)", log)}
    listed = re.search(r"(?ms)^kernels:$(.*?)(?=^\S|\Z)", info)
    figures = {}
    for entry in entries(listed.group(1), 2) if listed else ():
        name = re.match(r"name: +(\S+)", entry)
        simd = number(entry, "simd_size")
        if not name or not simd:
            raise Unreadable("a kernel without a name or SIMD width in .ze_info")
        scratch, spilled = 0, 0
        buffers = re.search(r"(?ms)^    per_thread_memory_buffers:$(.*?)(?=^    \w|\Z)", entry)
        for buffer in entries(buffers.group(1), 6) if buffers else ():
            each = number(buffer, "size")
            scratch += each if "is_simt_thread:  true" in buffer else -(-each // simd)
            spilled += each if "spill_fill" in buffer else 0
        figures[name[1]] = {"registers": number(entry, "grf_count"), "simd": simd,
                            "spills": spills.get(name[1], spilled), "scratch": scratch,
                            "local": number(entry, "slm_size")}
    if not figures:
        raise Unreadable("no kernels in .ze_info")
    return figures


def amd(assembly):
    """From the assembly's metadata, and its comments for the waves."""
    metadata = re.search(r"(?ms)^\s*\.amdgpu_metadata$(.*?)^\s*\.end_amdgpu_metadata", assembly)
    waves = {}
    for function in assembly.split("; -- Begin function ")[1:]:
        waves[function.split()[0]] = number(function, "; Occupancy", None)
    figures = {}
    for entry in entries(metadata.group(1), 2) if metadata else ():
        name = re.search(r"(?m)^    \.name: +(\S+)", entry)
        if not name or ".vgpr_count" not in entry:
            continue
        figures[name[1]] = {
            "registers": number(entry, ".vgpr_count"),
            "scalar_registers": number(entry, ".sgpr_count"),
            "spills": number(entry, ".vgpr_spill_count") + number(entry, ".sgpr_spill_count"),
            "scratch": number(entry, ".private_segment_fixed_size"),
            "local": number(entry, ".group_segment_fixed_size"),
            "simd": number(entry, ".wavefront_size"),
            "waves": waves.get(name[1]),
        }
    if not figures:
        raise Unreadable("no kernels in the assembly's metadata")
    return figures


def ptxas(log):
    """From what `ptxas -v` prints."""
    figures = {}
    for part in log.split("Compiling entry function '")[1:]:
        used = re.search(r"Used (\d+) registers", part)
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill "
                          r"loads", part)
        local = re.search(r"(\d+) bytes smem", part)
        if not used or not frame:
            raise Unreadable("no registers or stack frame in what ptxas printed")
        figures[part.split("'")[0]] = {
            "registers": int(used[1]), "spills": int(frame[2]) + int(frame[3]),
            "scratch": int(frame[1]), "local": int(local[1]) if local else 0, "simd": 32}
    if not figures:
        raise Unreadable("no kernels in what ptxas printed")
    return figures


def ptx(text):
    """From PTX alone, which has no registers yet: private arrays and local memory."""
    figures = {}
    for entry in re.split(r"(?m)^\.(?:visible \.)?entry ", text)[1:]:
        name = re.match(r"[\w$]+", entry)[0]
        body = re.split(r"(?m)^}", entry)[0]
        arrays = re.findall(r"\.local [^;]*\[(\d+)\];", body)
        local = re.findall(rf"\.shared [^;]*\b{name}(?:\.|_\$_)[\w$.]*\[(\d+)\];", text)
        figures[name] = {"scratch": sum(map(int, arrays)), "local": sum(map(int, local)),
                         "simd": 32}
    if not figures:
        raise Unreadable("no kernels in the PTX")
    return figures


def spirv(text):
    """From the text of a module, which says nothing of any GPU: the kernels that it has."""
    figures = {name: {} for name in re.findall(r'OpEntryPoint Kernel %\S+ "([^"]+)"', text)}
    if not figures:
        raise Unreadable("no kernels in the SPIR-V")
    return figures
