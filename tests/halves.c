// SPDX-License-Identifier: MIT
//
// Tensors and weights that devices keep as halves: the host's conversions, the rooms besides the
// convolutions that take them, copies between places, and what they save.
#include "harness.h"

#include "base/half.h"
#include "graph/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every half, as the definition has it. */
static double value_of(uint16_t half)
{
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const double size = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return half & 0x8000 ? -size : size;
}

START_TEST(every_half_has_its_value)
{
    for (int i = 0; i < 0x10000; i++) {
        const uint16_t half = (uint16_t)i;
        uint16_t back;
        float x;
        clvits_halves_unpack(&x, &half, 1);
        if ((half & 0x7c00) == 0x7c00) {
            ck_assert(half & 0x3ff ? isnan(x) != 0 : isinf(x) != 0);
            continue;
        }
        ck_assert_msg((double)x == value_of(half), "half %04x: %g", i, (double)x);
        clvits_halves_pack(&back, &x, 1);
        ck_assert_uint_eq(back, half);
    }
}
END_TEST

/* Between any two halves the nearer is taken, and of two as near the even one. */
START_TEST(rounds_to_the_nearest)
{
    for (uint16_t half = 0; half < 0x7bff; half++) {
        const double low = value_of(half), high = value_of((uint16_t)(half + 1));
        const float middle = (float)((low + high) / 2);
        const float x[3] = { nextafterf(middle, 0), -middle, nextafterf(middle, INFINITY) };
        uint16_t got[3];
        clvits_halves_pack(got, x, 3);
        ck_assert_uint_eq(got[0], half);
        ck_assert_uint_eq(got[1], 0x8000 | (half + (half & 1)));
        ck_assert_uint_eq(got[2], half + 1);
    }
    const float beyond[] = { 65519.9f, 65520.0f, -1e30f, INFINITY, NAN };
    const uint16_t want[] = { 0x7bff, 0x7bff, 0xfbff, 0x7bff, 0x7e00 };
    uint16_t got[5];
    clvits_halves_pack(got, beyond, 5);
    ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

/* y = lrelu(x) op p, by element types of x, p and y; lengths differ. */
START_TEST(pointwise)
{
    enum { T = 23, C = 37 };
    static const struct {
        bool x, p, y;
    } cases[] = { { false, false, true }, { true, true, false }, { true, false, true } };
    const bool x_half = cases[_i].x, p_half = cases[_i].p, y_half = cases[_i].y;
    const clvits_unary_params relu = { .kind = CLVITS_LEAKY_RELU, .a = 0.25f };
    const float *x, *p;
    double want[2 * T * C], added[2 * T * C];
    harness h;

    harness_begin(&h, 2);
    const int rows = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input_like(&h, x_half, rows, C, &x);
    clvits_tensor *tp = harness_input_like(&h, p_half, 0, C, &p);
    clvits_graph_halves(h.graph, y_half ? CLVITS_HALF_TENSORS : 0);
    clvits_tensor *y = clvits_graph_keep(clvits_unary(tx, &relu));
    clvits_tensor *z = clvits_graph_keep(clvits_binary(tx, tp, CLVITS_ADD));
    clvits_tensor *same = clvits_graph_keep(clvits_copy(clvits_graph_slice(tx, 1, C - 2)));
    ck_assert_int_eq(y->type, y_half ? CLVITS_F16 : CLVITS_F32);
    ck_assert_int_eq(same->type, x_half ? CLVITS_F16 : CLVITS_F32);
    harness_plan(&h);
    harness_length(&h, rows, 1, T - 6);
    harness_go(&h);
    for (int i = 0; i < 2 * T * C; i++) {
        want[i] = (double)x[i] * (x[i] < 0 ? 0.25 : 1.0);
        added[i] = (double)x[i] + (double)p[i / (T * C) * C + i % C];
    }
    harness_close(&h, y, want, 1e-6 + (y_half ? HARNESS_HALF : 0.0));
    harness_close(&h, z, added, 1e-6 + (y_half ? HARNESS_HALF : 0.0));
    for (int i = 0, k = 0; i < 2 * T * C; i++)
        if (i % C > 0 && i % C < C - 1)
            want[k++] = (double)x[i];
    harness_close(&h, same, want, 0.0);
    harness_end(&h);
}
END_TEST

/* What lies beyond the range of halves becomes their largest. */
START_TEST(saturates)
{
    const float values[] = { 65504, 70000, -1e6f, 3e38f, 1e-9f, 0 };
    const float want[] = { 65504, 65504, -65504, 65504, 0, 0 };
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *x =
        harness_input_of(&h, CLVITS_F32, clvits_graph_clock(h.graph, 1), LENGTH(values), values);
    clvits_graph_halves(h.graph, CLVITS_HALF_TENSORS);
    clvits_tensor *y = clvits_graph_keep(
        clvits_unary(x, &(clvits_unary_params){ .kind = CLVITS_SCALE, .a = 1.0f }));
    harness_plan(&h);
    harness_go(&h);
    ck_assert_mem_eq(harness_output(&h, y), h.machine.n_places > 1 ? want : values, sizeof(want));
    harness_end(&h);
}
END_TEST

/* Two convolutions, the second or neither on the CPU path. */
static clvits_tensor *two(harness *h, int halves, int rows, int C, const float **values)
{
    const clvits_conv1d_params p = { .pad_left = 1, .pad_right = 1 };
    clvits_tensor *x = harness_input(h, rows, C, -1, 1, values);
    const float *w;
    clvits_tensor *tw = harness_weight(h, 3, (int64_t[]){ C, C, 3 }, -1, 1, &w);

    harness_round(w, (int64_t)C * C * 3);
    clvits_graph_halves(h->graph, halves);
    clvits_graph_label(h->graph, "first");
    x = clvits_conv1d(x, tw, NULL, &p, NULL);
    clvits_graph_label(h->graph, "second");
    x = clvits_conv1d(x, tw, NULL, &p, NULL);
    clvits_graph_label(h->graph, "third");
    return clvits_graph_keep(clvits_conv1d(x, tw, NULL, &p, NULL));
}

/* Copies between places convert: the same but for the roundings. Not for Oclgrind, which takes
 * what lies outside the copied part for values that were never set. */
START_TEST(copies_convert)
{
    enum { T = 30, C = 9, HALVES = CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS };
    static const char *const places[] = { NULL, "second=cpu", "first=cpu,third=cpu" };
    float want[2 * T * C];
    double doubles[2 * T * C];
    const float *x;

    for (int i = 0; i < 4 && !getenv("CLVITS_TEST_TINY"); i++) {
        harness h;
        harness_begin(&h, 2);
        h.place = i ? places[i - 1] : NULL;
        const int rows = clvits_graph_clock(h.graph, T);
        clvits_tensor *y = two(&h, i ? HALVES : 0, rows, C, &x);
        harness_plan(&h);
        harness_length(&h, rows, 1, T - 11);
        harness_go(&h);
        if (!i)
            memcpy(want, harness_output(&h, y), sizeof(want));
        for (int k = 0; k < 2 * T * C; k++)
            doubles[k] = (double)want[k];
        /* Each rounding passes through two convolutions of 27 products at most. */
        harness_close(&h, y, doubles, i ? 8 * HARNESS_HALF : 0.0);
        harness_end(&h);
    }
}
END_TEST

/* Halves take half the memory, on devices; and one weight in both types is packed twice. */
START_TEST(halves_the_memory)
{
    enum { T = 3000, C = 32 };
    size_t bytes[2], weights[2];
    const float *x;
    harness h;

    for (int i = 0; i < 2; i++) {
        harness_begin(&h, 1);
        two(&h, i ? CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS : 0,
            clvits_graph_clock(h.graph, getenv("CLVITS_TEST_TINY") ? 300 : T), C, &x);
        harness_plan(&h);
        const int place = h.machine.n_places - 1;
        const clvits_node *n = h.graph->nodes[1];
        bytes[i] = clvits_plan_bytes_unshared(h.plan, place) -
                   sizeof(float) * (size_t)clvits_item_elements(n->graph->nodes[0]->in[0]);
        weights[i] = place ? clvits_device_bytes(h.machine.device[place]) -
                                 clvits_plan_bytes(h.plan, place)
                           : 0;
        harness_end(&h);
    }
    if (!weights[0]) {
        ck_assert_uint_eq(bytes[0], bytes[1]);
        return;
    }
    ck_assert_uint_le(bytes[1], bytes[0] / 2 + 256);
    ck_assert_uint_lt(weights[1], weights[0]);
}
END_TEST

START_TEST(packs_each_variant)
{
    enum { C = 8 };
    const clvits_conv1d_params plain = { 0 }, grouped = { .groups = 2 };
    const float *x, *values;
    double want[C];
    harness h;

    /* The same numbers as floats, as halves, and as the weight of another number of groups. */
    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, 1);
    clvits_tensor *tx = harness_input(&h, rows, C, -1, 1, &x);
    values = harness_random(&h, C * C, -1, 1);
    clvits_tensor *w = clvits_graph_weight(h.graph, values, 3, (int64_t[]){ C, C, 1 });
    clvits_tensor *g = clvits_graph_weight(h.graph, values, 3, (int64_t[]){ C, C / 2, 1 });
    clvits_tensor *y[3] = { clvits_conv1d(tx, w, NULL, &plain, NULL) };
    clvits_graph_halves(h.graph, CLVITS_HALF_WEIGHTS);
    y[1] = clvits_conv1d(tx, w, NULL, &plain, NULL);
    clvits_graph_halves(h.graph, 0);
    y[2] = clvits_conv1d(tx, g, NULL, &grouped, NULL);
    for (int i = 0; i < 3; i++)
        clvits_graph_keep(y[i]);
    harness_plan(&h);
    harness_go(&h);
    for (int i = 0; i < 3; i++) {
        const int n = i == 2 ? C / 2 : C;
        for (int o = 0; o < C; o++) {
            want[o] = 0;
            for (int k = 0; k < n; k++)
                want[o] += (double)values[o * n + k] * (double)x[o / (C / 2) * (C - n) + k];
        }
        /* Rounded weights: each of C products is off by its own 2^-11 at most. */
        harness_close(&h, y[i], want, 1e-5 + (i == 1 ? C * HARNESS_HALF : 0.0));
    }
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("halves");
    TCase *t = tcase_create("halves");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, every_half_has_its_value);
    tcase_add_test(t, rounds_to_the_nearest);
    tcase_add_loop_test(t, pointwise, 0, 3);
    tcase_add_test(t, saturates);
    tcase_add_test(t, copies_convert);
    tcase_add_test(t, halves_the_memory);
    tcase_add_test(t, packs_each_variant);
    suite_add_tcase(s, t);
    return harness_main(s);
}
