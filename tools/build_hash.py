#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a C file with one hash over the library's own code, by which its builds are told apart."""

import argparse
import hashlib
import pathlib


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="the library's code")
    parser.add_argument("output", type=pathlib.Path, help="the C file to write")
    parser.add_argument("depfile", type=pathlib.Path, help="what it was made of, for ninja")
    args = parser.parse_args()

    files = sorted(p for p in args.folder.rglob("*") if p.suffix in (".c", ".h", ".build"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(args.folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    args.output.write_text('#include "device/source.h"\n\n'
                           f'const char clvits_build[] = "{digest.hexdigest()}";\n')
    names = " ".join(str(p).replace(" ", "\\ ") for p in files)
    args.depfile.write_text(f"{args.output}: {names}\n")


if __name__ == "__main__":
    main()
