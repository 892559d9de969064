# SPDX-License-Identifier: MIT
"""Reports as text, for a terminal, and as Markdown, for the README."""
import textwrap

import targets

COLUMNS = ("target", "kernel", "options", "work", "registers", "scalar", "spills", "scratch",
           "local", "simd", "occupancy")
OTHERS = "not run by voices"
WORST = {"registers": max, "spills": max, "scratch": max, "local": max, "simd": min,
         "occupancy": min}


def percent(value, digits=0):
    return "" if value is None else f"{100 * value:.{digits}f} %"


def cells(row):
    def figure(name):
        return "" if row.get(name) is None else str(row[name])

    if row.get("failure"):
        return [row["target"], row["kernel"], row["options"], percent(row["work"], 1),
                "does not compile"] + [""] * 6
    return [row["target"], row["kernel"], row["options"], percent(row["work"], 1),
            figure("registers"), figure("scalar_registers"), figure("spills"), figure("scratch"),
            figure("local"), figure("simd"), percent(row.get("occupancy"))]


def text(report):
    """Every kernel on every target; work is the largest share of any voice's operations."""
    lines = [COLUMNS] + [cells(row) for row in report["rows"]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    out = ["  ".join(c.ljust(w) if i < 3 else c.rjust(w)
                     for i, (c, w) in enumerate(zip(line, widths))).rstrip() for line in lines]
    out += [f"{name}: {reason}" for name, reason in report["missing"].items()]
    return "\n".join(out)


def worst(rows):
    """The worst figures of a kernel's variants."""
    out = {}
    for name, choose in WORST.items():
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            out[name] = choose(values)
    out["failure"] = any(row.get("failure") for row in rows)
    return out


def cell(target, rows):
    if not rows:
        return ""
    figures = worst(rows)
    if figures["failure"]:
        return "**fails**"
    parts = [f"SIMD{figures['simd']}" if target.maker == "intel" else
             str(figures.get("registers", ""))]
    parts.append(percent(figures.get("occupancy")))
    parts += [f"**{figures[name]} {name}**" for name in ("spills", "scratch") if figures[name]]
    return ", ".join(filter(None, parts))


def lines_of(rows, shown):
    """A line for each kernel and kind of run, the busiest first: the worst of its variants."""
    work, lines = {}, []
    for row in rows:
        of = work.setdefault((row["way"], row["kernel"]), {})
        of[row["options"]] = row["work"]
    for key in sorted(work, key=lambda k: (k[0] != "", -max(work[k].values()), k)):
        way, kernel = key
        most = max(work[key].values())
        of = [row for row in rows if (row["way"], row["kernel"]) == key]
        line = [f"`{kernel}`{', ' if way else ''}{way}",
                percent(most, 1 if most >= 5e-4 else 0) if any(row["voices"] for row in of) else "",
                str(max(row.get("local") or 0 for row in of))]
        line += [cell(t, [row for row in of if row["target"] == t.name]) for t in shown]
        lines.append("| " + " | ".join(line) + " |")
    return lines


def markdown(report):
    """The kernels that voices run, and below them those that they do not. Those for halves, and
    what only tuned rows ask for, are apart."""
    rows = [row for row in report["rows"] if row["voices"]]
    busy = {row["kernel"] for row in rows}
    others = [row for row in report["rows"] if row["kernel"] not in busy]
    shown = [t for t in targets.TARGETS if t.name in report["compilers"] and t.maker != "khronos"]
    lines = ["| kernel | work | local | " + " | ".join(t.title for t in shown) + " |",
             "|---|---:|---:|" + "---|" * len(shown), *lines_of(rows, shown)]
    if others:
        lines += [f"| *{OTHERS}* |" + " |" * (2 + len(shown)), *lines_of(others, shown)]
    makers = {}
    for target in shown:
        makers.setdefault(report["compilers"][target.name], []).append(f"`{target.name}`")
    lines += ["", textwrap.fill(
        "work: the largest share of a voice's operations that one variant of the kernel has, in a "
        "run of that kind; local: bytes of local memory; tuned: where a row of the tuning asks for "
        "it. fp16 is left out where a vendor's OpenCL lacks it. Registers of a work-item (Intel: "
        "work-items in a hardware thread, fewer where registers run out), and the share of a "
        "unit's hardware threads that work-groups can fill; spills and scratch bytes in bold where "
        "there are any. Compiled by "
        + "; ".join(f"{who} ({', '.join(names)})" for who, names in makers.items()) + ".",
        100, break_on_hyphens=False)]
    return "\n".join(lines)
