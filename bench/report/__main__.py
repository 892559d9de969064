# SPDX-License-Identifier: MIT
"""Results of clvits-bench as one HTML page; `clvits-bench report` runs this."""
import argparse
import sys
from pathlib import Path

import page
import results


def main():
    parser = argparse.ArgumentParser(
        prog="clvits-bench report", description=__doc__,
        epilog="The page is self-contained. Exit codes: 0 done, 2 bad arguments or a file that "
               "is no result, 4 the page cannot be written.")
    parser.add_argument("json", nargs="+", type=Path, help="what clvits-bench --json wrote")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"),
                        help="the page (report.html)")
    arguments = parser.parse_args()
    try:
        runs = [results.read(path) for path in arguments.json]
    except results.Damaged as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    try:
        arguments.output.write_text(page.make(runs), encoding="utf-8")
    except OSError as error:
        print(f"report: {arguments.output}: cannot be written: {error.strerror}", file=sys.stderr)
        return 4
    print(f"report: {arguments.output}: {sum(len(run['devices']) for run in runs)} devices")
    return 0


if __name__ == "__main__":
    sys.exit(main())
