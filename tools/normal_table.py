#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the rows of NORMAL_TABLE in cl/random.h.

Row k holds the float bits of c0 .. c7 with -quantile(2^-(k+1) * (1 - t/2)) = c0 + c1 t + ... +
c7 t^7 for t in [0, 1): Chebyshev interpolation in 50-digit decimals, so every machine prints
the same. Row 0 starts in the middle of the distribution; there c0 is 0.
"""

import decimal
import math
import struct

D = decimal.Decimal
decimal.getcontext().prec = 50
DEGREE = 7
PI = D("3.14159265358979323846264338327950288419716939937510582097494")


def density(z):
    return (-z * z / 2).exp() / (2 * PI).sqrt()


def tail(z):
    """P(Z > z) for z >= 0, by the series of the integral from 0 to z."""
    term = total = z
    n = 0
    while abs(term) > D("1e-48"):
        n += 1
        term *= z * z / (2 * n + 1)
        total += term
    return D("0.5") - density(z) * total


def quantile(p):
    """z >= 0 with P(Z > z) = p, by Newton's method."""
    z = D(math.sqrt(max(-2 * math.log(2 * p), 0)))
    z = max(z - D("0.5"), D(0))
    for _ in range(200):
        step = (tail(z) - p) / density(z)
        z += step
        if abs(step) < D("1e-30"):
            break
    return z


def cos(x):
    term = total = D(1)
    n = 0
    while abs(term) > D("1e-48"):
        n += 2
        term *= -x * x / (n * (n - 1))
        total += term
    return total


def solve(rows):
    """Gauss elimination with pivoting; the last column is the right side."""
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            f = rows[r][i] / rows[i][i]
            rows[r] = [a - f * b for a, b in zip(rows[r], rows[i])]
    x = [D(0)] * n
    for i in reversed(range(n)):
        known = sum((rows[i][j] * x[j] for j in range(i + 1, n)), D(0))
        x[i] = (rows[i][n] - known) / rows[i][i]
    return x


def coefficients(k):
    first = 1 if k == 0 else 0  # z(0) = 0 in the middle: fit z / t
    n = DEGREE + 1 - first
    rows = []
    for i in range(n):
        t = (1 + cos(PI * (2 * i + 1) / (2 * n))) / 2
        z = quantile(D(2) ** -(k + 1) * (1 - t / 2))
        rows.append([t ** (j + first) for j in range(n)] + [z])
    return [D(0)] * first + solve(rows)


def main():
    for k in range(32):
        bits = (struct.unpack("<I", struct.pack("<f", c))[0] for c in map(float, coefficients(k)))
        print("    " + ", ".join(f"0x{b:08x}" for b in bits) + ",")


if __name__ == "__main__":
    main()
