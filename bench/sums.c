// SPDX-License-Identifier: MIT
//
// Whether the parts of a whole come to it: as they ran in it, and alone.
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
