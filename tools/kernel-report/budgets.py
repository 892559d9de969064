# SPDX-License-Identifier: MIT
"""Limits on what kernels may take, read from a file of lines TARGET KERNEL WHAT <= NUMBER."""
import fnmatch

FIGURES = ("registers", "scalar_registers", "spills", "scratch", "local", "simd", "occupancy")


class Damaged(Exception):
    """A line of the file that says nothing."""


def read(path, text):
    """A file's limits: (target, kernel, figure, at most or not, number) in its order."""
    limits = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 5 or words[2] not in FIGURES or words[3] not in ("<=", ">="):
            raise Damaged(f"{path}:{number}: write TARGET KERNEL WHAT <= NUMBER (or >=); WHAT is "
                          f"one of {', '.join(FIGURES)}")
        try:
            limits.append((words[0], words[1], words[2], words[3] == "<=", float(words[4])))
        except ValueError as error:
            raise Damaged(f"{path}:{number}: {words[4]} is not a number") from error
    return limits


def offences(rows, limits):
    """What is beyond its limit, as text. Of the limits that fit a figure the last one counts."""
    found = []
    for row in rows:
        where = f"{row['target']}: {row['kernel']} {row['options']}".rstrip()
        if row.get("failure"):
            found.append(f"{where}: does not compile: {row['failure'].strip().splitlines()[-1]}")
            continue
        for figure in FIGURES:
            value = row.get(figure)
            fitting = [limit for limit in limits if limit[2] == figure and
                       fnmatch.fnmatchcase(row["target"], limit[0]) and
                       fnmatch.fnmatchcase(row["kernel"], limit[1])]
            if value is None or not fitting:
                continue
            _, _, _, at_most, bound = fitting[-1]
            if value > bound if at_most else value < bound:
                found.append(f"{where}: {figure} {value:g}, {'at most' if at_most else 'at least'} "
                             f"{bound:g} allowed")
    return found
