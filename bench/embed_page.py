#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed_page.py OUTPUT.c FILE...: the script that makes the page, as one archive in C, so that the
program needs no file beside it. The same files make the same bytes."""
import io
import pathlib
import sys
import zipfile


def archive(paths):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(paths, key=lambda p: p.name):
            entry = zipfile.ZipInfo(path.name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    return out.getvalue()


def main():
    data = archive([pathlib.Path(name) for name in sys.argv[2:]])
    rows = (data[i:i + 16] for i in range(0, len(data), 16))
    text = "\n".join("    " + " ".join(f"{byte}," for byte in row) for row in rows)
    pathlib.Path(sys.argv[1]).write_text(
        '#include "page.h"\n\n'
        f"const unsigned char bench_page_archive[] = {{\n{text}\n}};\n"
        "const size_t bench_page_archive_size = sizeof(bench_page_archive);\n", encoding="utf-8")


main()
