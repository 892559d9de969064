# SPDX-License-Identifier: MIT
"""matrix.py MATRIX.sh README: what --write makes of results, and that the README's table has a line
for every cell."""
import os
import pathlib
import subprocess
import sys
import tempfile

MATRIX, README = map(pathlib.Path, sys.argv[1:3])
HEAD = ["| cell | what | result | minutes | day |", "|---|---|---|---:|---|"]


def run(*arguments):
    return subprocess.run(["bash", MATRIX, *map(str, arguments)], text=True, capture_output=True,
                          timeout=120, check=False)


def cells():
    """Their names, and what they are."""
    listed = run("--list").stdout.replace(" (also quick)", "").splitlines()
    assert len(listed) > 10, listed
    return dict(line.split(maxsplit=1) for line in listed)


def write(page, rows):
    done = run("--rows", rows, "--write", page)
    assert done.returncode == 0 and not done.stderr, done
    return page.read_text(encoding="utf-8")


def check_readme(folder):
    text = README.read_text(encoding="utf-8")
    page, rows = folder / "README.md", folder / "none"
    rows.mkdir()
    page.write_text(text, encoding="utf-8")
    assert write(page, rows) == text, f"run {MATRIX} --write {README}"


def check_write(folder):
    """Results stay where there is no row, or an older one."""
    what, page, rows = cells(), folder / "page.md", folder / "rows"
    rows.mkdir()
    for name, row in {
            "pocl": "pocl|pass|61|quick|12 tests\n2026-02-03\n",
            "intel": "intel|FAIL|3600||3 of 90 | tests\n2026-02-03\n",
            "rusticl": "rusticl|skip|0||no driver\n2026-02-02\n",
            "soak": "soak|pass|59||1 test\n",
            "asan": "asan|pass|60||7 tests\n",
            "tsan": "tsan|pass|0||8 tests\n2026-02-03\n"}.items():
        (rows / name).write_text(row, encoding="utf-8")
    kept = {name: f"| `{name}` | then | pass: 5 \\| 6 tests | 4 | {day} |" for name, day in
            (("pocl", "2026-02-02"), ("rusticl", "2026-02-03"), ("mali", "2026-01-01"),
             ("valgrind", ""), ("asan", "2026-01-01"), ("tsan", "2026-02-03"),
             ("gone", "2026-03-01"))}
    page.write_text("\n".join(["before", "<!-- matrix -->", *HEAD, *kept.values(),
                               "<!-- /matrix -->", "after", "| `none` | no table |", ""]),
                    encoding="utf-8")
    made = {**dict.fromkeys(what, "not run |  |  |"),
            "pocl": "pass, in short: 12 tests | 2 | 2026-02-03 |",
            "intel": "FAIL: 3 of 90 \\| tests | 60 | 2026-02-03 |",
            "soak": "pass: 1 test | 1 |  |",
            "tsan": "pass: 8 tests | 0 | 2026-02-03 |"}
    made |= {name: kept[name].partition(" | then | ")[2]
             for name in ("rusticl", "mali", "valgrind", "asan")}
    lines = [f"| `{name}` | {what[name]} | {made[name]}" for name in what]
    for _ in range(2): # the second time in place of the first
        text = write(page, rows)
        assert text.splitlines() == ["before", "<!-- matrix -->", *HEAD, *lines,
                                     "<!-- /matrix -->", "after", "| `none` | no table |"], text


def check_link(folder):
    """A link stays one; the page that it names is replaced as a whole, with its mode."""
    (folder / "real").mkdir()
    (folder / "links").mkdir()
    (folder / "empty").mkdir()
    page, link = folder / "real" / "page.md", folder / "links" / "page.md"
    page.write_text("<!-- matrix -->\n<!-- /matrix -->\n", encoding="utf-8")
    page.chmod(0o640)
    link.symlink_to(page)
    other = folder / "real" / "other.md"
    other.hardlink_to(page)
    write(link, folder / "empty")
    assert link.is_symlink() and "| `pocl` |" in page.read_text(encoding="utf-8")
    assert page.stat().st_mode & 0o777 == 0o640
    assert other.read_text(encoding="utf-8").count("\n") == 2, "it was written in place"
    assert sorted((folder / "real").iterdir()) == [other, page], "something is left"
    assert list((folder / "links").iterdir()) == [link], "something is left"


def check_refusals(folder):
    page = folder / "other.md"
    for text in ("no place\n", "<!-- matrix -->\nno end\n", "<!-- /matrix -->\n<!-- matrix -->\n",
                 "<!-- matrix -->\n<!-- /matrix -->\n<!-- matrix -->\nno end\n"):
        page.write_text(text, encoding="utf-8")
        done = run("--write", page)
        assert done.returncode == 2 and "has no lines <!-- matrix -->" in done.stderr, done
        assert page.read_text(encoding="utf-8") == text
    page = folder / "closed.md"
    page.write_text("<!-- matrix -->\n<!-- /matrix -->\n", encoding="utf-8")
    page.chmod(0o444)
    if not os.access(page, os.W_OK): # root may write all
        done = run("--write", page)
        assert done.returncode == 1 and "closed.md cannot be written" in done.stderr, done
        assert page.read_text(encoding="utf-8").count("\n") == 2
    done = run("--write", folder / "missing.md")
    assert done.returncode == 2 and "has no lines" in done.stderr, done
    done = run("--rows", folder / "missing")
    assert done.returncode == 2 and "is no folder" in done.stderr, done


with tempfile.TemporaryDirectory() as name:
    check_readme(pathlib.Path(name))
    check_write(pathlib.Path(name))
    check_link(pathlib.Path(name))
    check_refusals(pathlib.Path(name))
