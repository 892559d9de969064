#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn the OpenCL sources into C: the bytes of each file, with one hash over all of them."""

import argparse
import hashlib
import pathlib


def c_bytes(data):
    lines = (data[i:i + 16] for i in range(0, len(data), 16))
    return "\n".join("    " + " ".join(f"{byte}," for byte in line) for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=pathlib.Path, help="the C file to write")
    parser.add_argument("files", type=pathlib.Path, nargs="+", help="sources to embed")
    args = parser.parse_args()

    digest = hashlib.sha256()
    parts = ['#include "device/source.h"\n']
    rows = []
    for i, path in enumerate(sorted(args.files, key=lambda p: p.name)):
        data = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + data)
        parts.append(f"static const unsigned char file_{i}[] = {{\n{c_bytes(data)}\n    0,\n}};\n")
        rows.append(f'    {{ "{path.name}", (const char *)file_{i}, {len(data)} }},')
    parts.append("const clvits_source clvits_sources[] = {\n" + "\n".join(rows)
                 + "\n    { 0, 0, 0 },\n};\n")
    parts.append(f'const char clvits_sources_hash[] = "{digest.hexdigest()}";\n')
    args.output.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
