# SPDX-License-Identifier: MIT
"""fuzz.py FUZZ.py README: what --write makes of runs, and that the README's table has a line for
every fuzzer."""
import json
import pathlib
import subprocess
import sys
import tempfile

FUZZ, README = map(pathlib.Path, sys.argv[1:3])


def run(page, runs):
    return subprocess.run([sys.executable, FUZZ, "--minutes", "0", "--build", runs, "--write",
                           page], text=True, capture_output=True, timeout=60, check=False)


def write(page, runs):
    done = run(page, runs)
    assert done.returncode == 0 and not done.stderr, done
    return page.read_text(encoding="utf-8")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        page, runs = folder / "page.md", folder / "runs"
        runs.mkdir()
        before = README.read_text(encoding="utf-8")
        page.write_text(before, encoding="utf-8")
        assert write(page, runs) == before, f"run {FUZZ} --minutes 0 --write {README}"

        # What ran has a new row, what did not the one that it had, and what is gone none.
        for fuzzer, failed in ("text", True), ("torch", False):
            (runs / f"fuzz-{fuzzer}.json").write_text(json.dumps(
                {"minutes": 0.5, "executions": 1234, "inputs": 5, "failed": failed}))
        page.write_text(before.replace("| `vits` |", "| `gone` |"), encoding="utf-8")
        rows = write(page, runs).splitlines()
        for old, new in zip(before.splitlines(), rows, strict=True):
            what = old.rpartition("|")[0].split(" | ")[:2]
            now = {"| `text`": "1,234 | 5 | 0.5 | a failure |",
                   "| `torch`": "1,234 | 5 | 0.5 | nothing |",
                   "| `vits`": "not run | | | |"}.get(what[0])
            assert new == (" | ".join([*what, now]) if now else old), (old, new)

        link = folder / "link.md"
        link.symlink_to(page.name)
        page.write_text(before, encoding="utf-8")
        rows = write(link, runs)
        assert link.is_symlink() and page.read_text(encoding="utf-8") == rows != before

        page.write_text("<!-- fuzz -->\nno end\n", encoding="utf-8")
        done = run(page, runs)
        assert done.returncode == 1 and "no place between" in done.stderr, done
        assert page.read_text(encoding="utf-8") == "<!-- fuzz -->\nno end\n"


main()
