# SPDX-License-Identifier: MIT
"""Results of clvits-bench as one HTML page; `clvits-bench report` runs this."""
import argparse
import errno
import os
import shutil
import sys
from pathlib import Path

import load
import page
import results


def fail(why):
    print(f"clvits-bench: {why}", file=sys.stderr)
    return 3


def is_kept(path):
    """Whether what is there is something else than a page, and holds anything."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return bool(start) and page.TITLE.encode() not in start.partition(b"<style>")[0]


def write(path, text):
    """The page as a whole, or what was there before; a link stays one."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # a pipe, or what says why not
        return
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    part = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    try:
        part.write_text(text, encoding="utf-8")
        if path.exists():
            shutil.copymode(path, part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def main():
    parser = argparse.ArgumentParser(
        prog="clvits-bench report", description="Make one HTML page of what clvits-bench wrote.",
        epilog="The page is self-contained. Exit codes: 0 done, 2 bad arguments, 3 a file that "
               "cannot be read, is no result or cannot be written.")
    parser.add_argument("json", nargs="+", type=Path, help="what clvits-bench --json wrote")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"),
                        help="the page (report.html)")
    arguments = parser.parse_args()
    try:
        if is_kept(arguments.output):
            return fail(f"{arguments.output} is there and is no page of clvits-bench; give another "
                        "name")
    except OSError as error:
        return fail(f"{arguments.output}: cannot be read: {error.strerror}")
    try:
        runs = [results.read(path) for path in arguments.json]
    except load.Damaged as error:
        return fail(error)
    try:
        write(arguments.output, page.make(runs))
    except OSError as error:
        return fail(f"{arguments.output}: cannot be written: {error.strerror}")
    count = sum(len(run["devices"]) for run in runs)
    try:
        print(f"{arguments.output}: {count} device{'' if count == 1 else 's'}", flush=True)
    except OSError as error:
        sys.stdout = None  # would be flushed again, in vain
        return fail(f"standard output cannot be written: {error.strerror}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
