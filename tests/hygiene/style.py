#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""style.py ROOT: what a formatter does not see in the project's text."""

import pathlib
import sys

FOLDERS = ("include", "lib", "cl", "tests", "bench", "tools")
ENDINGS = (".c", ".h", ".cl", ".sh", ".py", ".build")
LONGEST = 80 # lines of a function, from brace to brace


def long_functions(lines):
    """Of functions whose braces stand alone in the first column."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line.startswith("}"):
            if line == "}" and begin and number - begin >= LONGEST:
                yield begin, f"a function of more than {LONGEST} lines"
            begin = None


def offences(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    if path.suffix != ".cl" and not any("SPDX-License-Identifier: MIT" in s for s in lines[:2]):
        yield 1, "no 'SPDX-License-Identifier: MIT' in the first two lines"
    if len(lines) > 601:
        yield 601, "more than 600 lines"
    if lines[-1]:
        yield len(lines), "no newline at the end of the file"
    for number, line in enumerate(lines, 1):
        if len(line) > 100:
            yield number, "more than 100 columns"
        if line != line.rstrip():
            yield number, "blank at the end of the line"
        if "\t" in line:
            yield number, "tab"
    if path.suffix in (".c", ".h", ".cl"):
        yield from long_functions(lines)


def main():
    root = pathlib.Path(sys.argv[1])
    count = 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in ENDINGS:
                for number, what in offences(path):
                    print(f"{path.relative_to(root)}:{number}: {what}")
                    count += 1
    return 1 if count else 0


sys.exit(main())
