// SPDX-License-Identifier: MIT
#include "harness.h"

#include <exact.h>

#include <random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MILLION = 1 << 20 };

/* The known answers that the authors publish with their generator. */
START_TEST(philox_known_answers)
{
    static const struct {
        unsigned counter[4], key[2], want[4];
    } answers[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };

    for (int i = 0; i < LENGTH(answers); i++) {
        const unsigned *c = answers[i].counter;
        const philox_block b =
            philox(c[0], c[1], c[2], c[3], answers[i].key[0], answers[i].key[1]);
        ck_assert_mem_eq(b.word, answers[i].want, sizeof(b.word));
    }
}
END_TEST

/* P(Z > z) against the probability that the bits stand for, from the middle to the far tail. */
START_TEST(quantile)
{
    float last = 0.0f;

    for (unsigned k = 0; k < 32; k++)
        for (unsigned i = 0; i < 4096; i++) {
            const unsigned where = k < 31 ? 0x40000000u >> k : 0;
            const unsigned inside = i << 20 | (i & 0x3ff) << 9;
            const double t = ((inside >> 9) + 0.5) / 8388608.0;
            const double p = ldexp(1.0 - t / 2.0, -(int)k - 1);
            const float z = normal_of(where, inside);
            const double error = (p - 0.5 * erfc((double)z / sqrt(2.0))) /
                                 (exp(-0.5 * (double)z * (double)z) / sqrt(2.0 * acos(-1.0)));
            ck_assert_msg(fabs(error) < 6e-7, "interval %u, place %g: %.9g is off by %g", k, t,
                          (double)z, error);
            ck_assert_msg(z >= last - 1e-6f && z > 0.0f, "interval %u, place %g: %.9g after %.9g",
                          k, t, (double)z, (double)last);
            ck_assert(normal_of(where | 0x80000000u, inside) == -z);
            last = z;
        }
    ck_assert(last > 6.2f && last < 6.5f);
}
END_TEST

/* Rows, channels and a hash of the bits: the same on every device, compiler and setting. */
static uint64_t hash(const float *p, int64_t n)
{
    uint64_t h = 14695981039346656037u;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++)
            h = (h ^ (as_uint(p[i]) >> 8 * k & 255)) * 1099511628211u;
    return h;
}

static const float *make(harness *h, int B, int T, int C, int length, uint64_t seed, int stream)
{
    harness_begin(h, B);
    const int clock = clvits_graph_clock(h->graph, T);
    const int slot = clvits_graph_scalar(h->graph, 2);
    clvits_tensor *y = clvits_graph_keep(clvits_normal(h->graph, clock, C, slot, stream));
    harness_plan(h);
    if (length < T)
        harness_go(h); /* leaves noise where the next run must leave zeros */
    for (int b = 0; b < B; b++) {
        harness_length(h, clock, b, length);
        clvits_run_set_int(h->run, slot, b, (int)(uint32_t)(seed + (uint64_t)b));
        clvits_run_set_int(h->run, slot + 1, b, (int)(uint32_t)(seed >> 32));
    }
    harness_go(h);
    return harness_output(h, y);
}

START_TEST(same_bits)
{
    static const struct {
        int T, C, stream;
        uint64_t seed, want;
    } cases[] = {
        { 5, 3, 0, 0, 0x414b99cc0f5a36a3 },
        { 7, 2, 1, 42, 0xd8f4058d9caa63d8 },
        { 300, 192, 2, 0x0123456789abcdef, 0x1946b4e7a9a849df },
        { 4096, 65, 3, 0xffffffffffffffff, 0xe863e4052b34fed6 },
    };
    harness h;

    const float *y = make(&h, 1, cases[_i].T, cases[_i].C, cases[_i].T, cases[_i].seed,
                          cases[_i].stream);
    const uint64_t got = hash(y, (int64_t)cases[_i].T * cases[_i].C);
    ck_assert_msg(got == cases[_i].want, "case %d: bits hash to 0x%016llx, not 0x%016llx", _i,
                  (unsigned long long)got, (unsigned long long)cases[_i].want);
    harness_end(&h);
}
END_TEST

START_TEST(capacity_and_batch)
{
    enum { T = 23, C = 7 };
    harness h, other;
    const float *alone = make(&h, 1, T, C, T, 77, 5);
    const float *batch = make(&other, 3, 90, C, T, 75, 5);

    ck_assert_mem_eq(alone, batch + 2 * 90 * C, T * C * sizeof(float));
    ck_assert_mem_ne(alone, batch + 90 * C, T * C * sizeof(float));
    harness_end(&h);
    harness_end(&other);
}
END_TEST

/* Rows computed in stretches are the rows of the whole. */
START_TEST(stretches)
{
    enum { T = 40, C = 6 };
    harness h, part;
    const float *whole = make(&h, 2, T, C, T, 78, 1);

    harness_begin(&part, 2);
    const int clock = clvits_graph_clock(part.graph, T);
    const int slot = clvits_graph_scalar(part.graph, 2);
    clvits_tensor *y = clvits_graph_keep(clvits_normal(part.graph, clock, C, slot, 1));
    harness_plan(&part);
    for (int b = 0; b < 2; b++) {
        harness_length(&part, clock, b, 11 + b);
        clvits_run_set_int(part.run, slot, b, 78 + b);
        ck_assert_int_eq(clvits_run_set_first(part.run, clock, b, 7 + 20 * b, &part.report), 0);
    }
    harness_go(&part);
    const float *got = harness_output(&part, y);
    for (int b = 0; b < 2; b++)
        ck_assert_mem_eq(got + b * T * C, whole + (b * T + 7 + 20 * b) * C,
                         (size_t)(11 + b) * C * sizeof(float));
    ck_assert_int_eq(clvits_run_set_first(part.run, clock, 0, -1, &part.report), CLVITS_E_SHAPE);
    harness_end(&h);
    harness_end(&part);
}
END_TEST

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

START_TEST(distribution)
{
    harness h;
    const float *y = make(&h, 1, MILLION / 64, 64, MILLION / 64, 2024, 1);
    double sum = 0, squares = 0, cubes = 0, fourths = 0, furthest = 0, largest = 0;

    for (int i = 0; i < MILLION; i++) {
        const double z = (double)y[i];
        ck_assert(isfinite(z));
        sum += z;
        squares += z * z;
        cubes += z * z * z;
        fourths += z * z * z * z;
        largest = fmax(largest, fabs(z));
    }
    /* Four standard errors of each moment: sqrt(1, 2, 15, 96) / 1024. */
    ck_assert_double_lt(fabs(sum / MILLION), 4 * 1.0 / 1024);
    ck_assert_double_lt(fabs(squares / MILLION - 1), 4 * 1.42 / 1024);
    ck_assert_double_lt(fabs(cubes / MILLION), 4 * 3.88 / 1024);
    ck_assert_double_lt(fabs(fourths / MILLION - 3), 4 * 9.8 / 1024);
    ck_assert(largest > 4.2 && largest < 6.5);

    float *sorted = malloc(MILLION * sizeof(*sorted));
    ck_assert_ptr_nonnull(sorted);
    memcpy(sorted, y, MILLION * sizeof(*sorted));
    qsort(sorted, MILLION, sizeof(*sorted), by_value);
    for (int i = 0; i < MILLION; i++) {
        const double p = 0.5 * erfc(-(double)sorted[i] / sqrt(2.0));
        furthest = fmax(furthest, fmax(fabs(p - (double)i / MILLION),
                                       fabs(p - (i + 1.0) / MILLION)));
    }
    ck_assert_double_lt(furthest, 1.63 / 1024); /* Kolmogorov-Smirnov at 1 % */
    free(sorted);
    harness_end(&h);
}
END_TEST

static double correlation(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum / n;
}

/* Neighbours in channel, row, stream, and either half of the seed know nothing of each other. */
START_TEST(independence)
{
    enum { C = 64, T = 4096, N = T * C };
    const double most = 4.0 / 512;
    const uint64_t seeds[] = { 9, 9, 10, 9 + (1ull << 32), 9 + (1ull << 31) };
    const int streams[] = { 0, 1, 0, 0, 0 };
    const float *first = NULL;
    harness h[LENGTH(seeds)];

    for (int i = 0; i < LENGTH(seeds); i++) {
        const float *y = make(&h[i], 1, T, C, T, seeds[i], streams[i]);
        if (i == 0)
            first = y;
        else
            ck_assert_double_lt(fabs(correlation(first, y, N)), most);
    }
    ck_assert_double_lt(fabs(correlation(first, first + 1, N - 1)), most);
    ck_assert_double_lt(fabs(correlation(first, first + 2, N - 2)), most);
    ck_assert_double_lt(fabs(correlation(first, first + C, N - C)), most);
    ck_assert_double_lt(fabs(correlation(first, first + C + 1, N - C - 1)), most);
    for (int i = 0; i < LENGTH(seeds); i++)
        harness_end(&h[i]);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, 5), slot = clvits_graph_scalar(h.graph, 2);
    ck_assert_ptr_null(clvits_normal(h.graph, _i == 0 ? 40 : clock, _i == 1 ? 0 : 4,
                                     _i == 2 ? slot + 1 : slot, 0));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    const bool tiny = getenv("CLVITS_TEST_TINY");
    Suite *s = suite_create("random");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, philox_known_answers);
    tcase_add_loop_test(t, same_bits, 0, tiny ? 2 : 4);
    tcase_add_test(t, capacity_and_batch);
    tcase_add_test(t, stretches);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 3);
    if (!tiny) {
        tcase_add_test(t, quantile);
        tcase_add_test(t, distribution);
        tcase_add_test(t, independence);
    }
    suite_add_tcase(s, t);
    return harness_main(s);
}
