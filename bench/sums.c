// SPDX-License-Identifier: MIT
//
// Whether the parts of a whole come to it, as they ran in it, and alone; and how far rounding takes
// a sum.
#include "bench.h"

#include <math.h>

#define MOST 0.1 /* of the whole, that a sum may be off */

static double median_of(const bench_record *r)
{
    return bench_statistics(r->device.n ? &r->device : &r->host).median;
}

void bench_add_up(bench_record *whole, const bench_record *parts, int n, double alone)
{
    double sum = 0.0;

    for (int i = 0; i < n; i++)
        sum += median_of(&parts[i]);
    sum /= median_of(whole);
    alone /= bench_statistics(&whole->host).min;
    bench_value(whole, "sum_of_parts", sum);
    if (alone > 0.0)
        bench_value(whole, "alone", alone);
    if (alone > 0.0 && fabs(alone - 1.0) > MOST)
        snprintf(whole->reason, sizeof(whole->reason),
                 "the stages alone take %.0f %% of this", 100.0 * alone);
    if (!(fabs(sum - 1.0) <= MOST))
        snprintf(whole->reason, sizeof(whole->reason), "the parts do not add up to this");
}

/* After k terms a sum is about term * sqrt(k), and the next step is off by u / sqrt(3) of that, u
 * being 2^-24. As signs are random, squares add up: over all n steps they come to
 * u / sqrt(3) * term * sqrt(1 + 2 + ... + n), or u / sqrt(6) * term * n, sqrt(n) times what one
 * rounding of the sum would be. A Toom-Cook form adds up transformed products, each row of which
 * is ||B[j]|| ||G[j]|| / r as large, and weighs them by A: with five taps, for three or four
 * outputs, that is 2.44 times as much in the output that has most. Two such results differ by
 * sqrt(2) times that, and the largest of a million differences is five times the average one. */
double bench_rounding(int terms, double term)
{
    static const double unit = 1.0 / (1 << 24), toom = 2.44, largest = 5.0;
    return largest * sqrt(2.0) * toom * unit / sqrt(6.0) * term * terms;
}
