# SPDX-License-Identifier: MIT
"""Logarithmic plots as SVG: the roofline of a device, and latency against the length of a text."""
import math
import statistics
from html import escape

import results

WIDTH, HEIGHT = 400, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 14, 40
CHARACTER, LINE = 7.1, 13  # of a label, in units of the drawing, in a wide font
BOLD = 8  # a character of a ceiling's name


class Axis:
    """A logarithmic axis from low to high, over the given coordinates."""

    def __init__(self, values, start, end, around=1.25):
        self.low, self.high = min(values) / around, max(values) * around
        if self.high / self.low < 8:
            middle = math.sqrt(self.low * self.high)
            self.low, self.high = middle / 2.9, middle * 2.9
        self.start, self.end = start, end

    def __call__(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        decades = math.log10(self.high / self.low)
        steps = (1, 2, 5) if decades < 2.2 else (1,)
        every = 1 if decades <= 6 else 2
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = [s * 10.0 ** e for e in range(first, last + 1) if e % every == 0 for s in steps]
        return [v for v in values if self.low <= v <= self.high]


def _text(x, y, text, kind="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f'{escape(text)}</text>')


def _frame(x, y, x_title, y_title, word_x, word_y):
    out = []
    for value in x.ticks():
        out.append(f'<path class="grid" d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        out.append(_text(x(value), HEIGHT - BOTTOM + 14, word_x(value), "tick", "middle"))
    for value in y.ticks():
        out.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>')
        out.append(_text(LEFT - 5, y(value) + 4, word_y(value), "tick", "end"))
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_title, "title", "middle"))
    out.append(f'<g transform="translate(11 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)">'
               + _text(0, 0, y_title, "title", "middle") + "</g>")
    return out


def _drawing(parts, name):
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
            + "".join(parts) + "</svg>")


# ---- labels --------------------------------------------------------------------------------

class Labels:
    """Places texts beside points where they cover neither each other nor many points."""

    def __init__(self, points):
        self.points, self.boxes = points, []

    def block(self, box):
        self.boxes.append(box)

    @staticmethod
    def _overlap(a, b):
        return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3])
                                                               - max(a[1], b[1]))

    def _cost(self, box, distance):
        if box[0] < LEFT + 1 or box[2] > WIDTH - RIGHT or box[1] < 1 or \
                box[3] > HEIGHT - BOTTOM - 1:
            return math.inf
        covered = sum(self._overlap(box, other) for other in self.boxes)
        hit = sum(self._overlap(box, (px - 4, py - 4, px + 4, py + 4)) for px, py in self.points)
        return 30 * covered + 0.6 * hit + 1.5 * distance

    def place(self, x, y, text, kind):
        """The text, and a line to its point where it had to go far."""
        wide, best = CHARACTER * len(text) + 4, (math.inf, None, 0, 0)
        for radius in (7, 14, 24, 38, 56, 80, 110):
            for step in range(16):
                dx, dy = (radius * f(step * math.pi / 8) for f in (math.cos, math.sin))
                left = x + dx - wide * (0 if dx > 2 else 1 if dx < -2 else 0.5)
                box = (left, y + dy - LINE / 2, left + wide, y + dy + LINE / 2)
                cost = self._cost(box, radius)
                if cost < best[0]:
                    best = (cost, box, x + dx, y + dy)
        if best[1] is None:
            return ""
        self.boxes.append(best[1])
        line = ""
        if math.hypot(best[2] - x, best[3] - y) > 12:
            line = f'<path class="lead" d="M{x:.1f} {y:.1f}L{best[2]:.1f} {best[3]:.1f}"/>'
        return line + _text(best[1][0] + 1, best[1][3] - 2.5, text, "label " + kind)


# ---- roofline ------------------------------------------------------------------------------

FAMILIES = (
    ("convolution", ("conv1d", "conv_transpose1d", "wavenet", "separable", "discriminator")),
    ("matrix product, attention", ("matmul", "attention", "likelihood", "mel")),
    ("norm, spline, noise", ("norm", "spline", "normal", "sample", "prior")),
    ("element by element, sums, moves", ()), # whatever no other has
)


def family_of(op):
    return next((i for i, (_, ops) in enumerate(FAMILIES) if op in ops), len(FAMILIES) - 1)


def _spot(case, left):
    """(FLOP per byte, FLOP per second); what computes nothing stands at the left edge."""
    seconds = results.seconds_of(case)
    if not seconds or not case.get("bytes"):
        return None
    if case.get("flop"):
        return case["flop"] / case["bytes"], case["flop"] / seconds
    return left, case["bytes"] / seconds * left


def _tip(case):
    seconds = results.seconds_of(case)
    lines = [case["name"], results.time(seconds)]
    if case.get("flop"):
        lines.append(results.speed(case["flop"] / seconds, "FLOP"))
    lines.append(results.speed(case["bytes"] / seconds, "B"))
    if case.get("roofline"):
        peaks = [results.speed(case[name], unit) for name, unit in
                 (("peak_flops", "FLOP"), ("peak_bytes", "B")) if case.get(name)]
        lines.append(f"{results.percent(case['roofline'])} of the roof"
                     + (f", {' and '.join(peaks)}" if peaks else ""))
    return escape(" · ".join(lines), quote=True)


def _roof(x, y, flops, copy, dots):
    """The ceilings; the boxes of their names; points along them, for labels to keep away from."""
    corner = min(max(flops / copy, x.low), x.high)
    start = max(x.low, y.low / copy)
    path = (f'<path class="roof" d="M{x(start):.1f} {y(start * copy):.1f}'
            f'L{x(corner):.1f} {y(corner * copy):.1f}H{x(x.high):.1f}"/>')
    peak = results.speed(flops, "FLOP")
    left = x(x.high) - BOLD * len(peak) - 6
    top = min([y(flops)] + [py - 4 for px, py in dots if px > left]) - 5  # over the dots below it
    top = max(top, LINE - 2)
    out = path + _text(x(x.high), top, peak, "ceiling", "end")
    boxes = [(left, top - LINE, x(x.high), top + 3)]
    across, down = x(corner) - x(start), y(start * copy) - y(corner * copy)
    if across > 70:
        px, py = x(start) + 0.40 * across, y(corner * copy) + 0.60 * down
        angle = -math.degrees(math.atan2(down, across))
        out += (f'<g transform="translate({px:.1f} {py:.1f}) rotate({angle:.1f})">'
                + _text(0, -5, results.speed(copy, "B"), "ceiling", "middle") + "</g>")
        boxes.append((px - 36, py - 26, px + 22, py + 14))
    steps = [x.low * (x.high / x.low) ** (i / 60) for i in range(61)]
    line = [(x(step), y(max(min(flops, step * copy), y.low))) for step in steps]
    return out, boxes, line


def _ceiling(device, cases, name):
    """The middle one of those that the cases were held against, which the clock moves."""
    peaks = [case[name] for case in cases if case.get(name)]
    return statistics.median(peaks) if peaks else device.get(name)


def roofline(device):
    """The plot of one device, or "" where ceilings or operators are missing."""
    cases = results.cases_of(device, "operator")
    flops, copy = (_ceiling(device, cases, name) for name in ("peak_flops", "peak_bytes"))
    if not flops or not copy:
        return ""
    found = [_spot(case, 1) for case in cases if case.get("flop")]
    intensities = [spot[0] for spot in found if spot]
    left = min(intensities, default=1) / 2
    spots = [(case, _spot(case, left)) for case in cases]
    spots = [(case, spot) for case, spot in spots if spot]
    if not spots:
        return ""
    ridge = flops / copy
    x = Axis([s[0] for _, s in spots] + [ridge / 2, ridge * 4], LEFT, WIDTH - RIGHT)
    y = Axis([s[1] for _, s in spots] + [flops], HEIGHT - BOTTOM, TOP, 2.2)
    parts = _frame(x, y, "FLOP per byte moved", "GFLOP/s", _plain, _giga)
    dots = [(x(s[0]), y(s[1])) for _, s in spots]
    drawn, boxes, line = _roof(x, y, flops, copy, dots)
    parts.append(drawn)
    labels = Labels(dots + line)
    for box in boxes:
        labels.block(box)
    for (case, _), (px, py) in zip(spots, dots):
        kind = f"f{family_of(case['op'])}" + ("" if case.get("flop") else " hollow")
        parts.append(f'<circle class="dot {kind}" cx="{px:.1f}" cy="{py:.1f}" r="3.6" '
                     f'data-tip="{_tip(case)}"/>')
    parts += _operator_labels(spots, dots, labels)
    return _drawing(parts, f"Roofline of {device['label']}")


def _operator_labels(spots, dots, labels):
    """One label for each operator, at the point in the middle of its own."""
    groups = {}
    for (case, _), dot in zip(spots, dots):
        groups.setdefault(case["op"], []).append(dot)
    out = []
    for op, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        cx, cy = (sum(m[i] for m in members) / len(members) for i in (0, 1))
        px, py = min(members, key=lambda m: (m[0] - cx) ** 2 + (m[1] - cy) ** 2)
        out.append(labels.place(px, py, op, f"t{family_of(op)}"))
    return out


def _giga(value):
    return _plain(value / 1e9)


def _plain(value):
    return f"{value:g}" if 1e-3 <= value < 1e5 else f"1e{math.log10(value):.0f}"


# ---- latency -------------------------------------------------------------------------------

def latency(voice, lines):
    """lines: (label, index of colour, [(seconds of speech, whole, first audio or None)...])."""
    points = [point for _, _, line in lines for point in line]
    times = [t for _, whole, first in points for t in (whole, first) if t]
    if not times:
        return ""
    x = Axis([speech for speech, _, _ in points], LEFT, WIDTH - RIGHT, 1.4)
    y = Axis(times, HEIGHT - BOTTOM, TOP, 1.5)
    parts = _frame(x, y, "seconds of speech", "seconds to compute", _plain, _plain)
    for label, colour, line in lines:
        for which, kind in ((2, "first"), (1, "whole")):
            path = [(x(p[0]), y(p[which]), p) for p in line if p[which]]
            if not path:
                continue
            d = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py, _ in path)
            parts.append(f'<path class="line {kind} s{colour}" d="{d}"/>')
            what = "first audio" if which == 2 else "whole text"
            for px, py, p in path:
                tip = escape(f"{label} · {results.time(p[0])} of speech · {what} after "
                             f"{results.time(p[which])}", quote=True)
                parts.append(f'<circle class="dot {kind} c{colour}" cx="{px:.1f}" cy="{py:.1f}" '
                             f'r="{4 if which == 1 else 3}" data-tip="{tip}"/>')
    return _drawing(parts, f"Latency of {voice} against the length of the text")
