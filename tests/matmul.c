// SPDX-License-Identifier: MIT
#include "harness.h"

#include <math.h>
#include <stdlib.h>

#ifdef CLVITS_CLBLAST
#define CL_TARGET_OPENCL_VERSION 120
#include <clblast_c.h>
#endif

typedef struct matmul_case {
    const char *name;
    int B, M, N, K;
    bool ta, tb;
    float scale;
    bool large;
} matmul_case;

static const matmul_case cases[] = {
    { "one number", 1, 1, 1, 1 },
    { "odd sizes", 2, 13, 17, 5 },
    { "a transposed", 2, 13, 17, 9, .ta = true },
    { "b transposed", 2, 13, 17, 9, .tb = true, .scale = 0.125f },
    { "both transposed", 2, 19, 7, 11, .ta = true, .tb = true, .scale = -3.0f },
    { "several tiles", 3, 105, 70, 33, .large = true },
    { "several panels", 2, 37, 45, 300, .large = true },
    { "several panels, a transposed", 1, 99, 33, 391, .ta = true, .large = true },
    { "several panels, b transposed", 2, 130, 129, 257, .tb = true, .large = true },
    { "several panels, both transposed", 1, 65, 64, 130, .ta = true, .tb = true, .large = true },
};

/* Operands of a case: capacities, and the valid lengths of whatever is a row, per item. */
typedef struct product {
    int a_rows, a_channels, b_rows, b_channels;
    int m[4], n[4], k[4];
    clvits_tensor *y;
    const float *a, *b;
} product;

static int shorter(int rows, int b)
{
    return rows > 3 * b ? rows - 3 * b : 1;
}

static product run_case(harness *h, const matmul_case *c)
{
    const clvits_matmul_params params = { c->ta, c->tb, c->scale };
    product p = { c->ta ? c->K : c->M, c->ta ? c->M : c->K, c->tb ? c->N : c->K,
                  c->tb ? c->K : c->N };

    harness_begin(h, c->B);
    const int a_clock = clvits_graph_clock(h->graph, p.a_rows);
    const int b_clock = c->ta && !c->tb ? a_clock : clvits_graph_clock(h->graph, p.b_rows);
    clvits_tensor *a = harness_input(h, a_clock, p.a_channels, -1, 1, &p.a);
    clvits_tensor *b = harness_input(h, b_clock, p.b_channels, -1, 1, &p.b);
    p.y = clvits_graph_keep(clvits_matmul(a, b, &params));
    harness_plan(h);
    for (int i = 0; i < c->B; i++) {
        p.m[i] = c->ta ? c->M : shorter(c->M, i);
        p.n[i] = c->tb ? shorter(c->N, i) : c->N;
        p.k[i] = c->ta || !c->tb ? shorter(c->K, i) : c->K;
        harness_length(h, a_clock, i, shorter(p.a_rows, i));
        harness_length(h, b_clock, i, shorter(p.b_rows, i));
    }
    harness_go(h);
    return p;
}

START_TEST(forward)
{
    const matmul_case *c = &cases[_i];
    harness h;

    if (c->large && getenv("CLVITS_TEST_TINY"))
        return;
    const product p = run_case(&h, c);
    double *want = calloc((size_t)c->B * (size_t)c->M * (size_t)c->N, sizeof(*want));
    for (int i = 0; i < c->B; i++)
        for (int m = 0; m < p.m[i]; m++)
            for (int n = 0; n < p.n[i]; n++) {
                const float *a = p.a + (int64_t)i * c->M * c->K;
                const float *b = p.b + (int64_t)i * c->K * c->N;
                double sum = 0;
                for (int k = 0; k < p.k[i]; k++)
                    sum += (double)a[c->ta ? k * c->M + m : m * c->K + k] *
                           (double)b[c->tb ? n * c->K + k : k * c->N + n];
                want[((int64_t)i * c->M + m) * c->N + n] =
                    sum * (c->scale != 0.0f ? (double)c->scale : 1.0);
            }
    ck_assert_int_eq(p.y->T, c->M);
    ck_assert_int_eq(p.y->C, c->N);
    harness_close(&h, p.y, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

/* Scores of an item alone and beside a longer one, out of slices. */
START_TEST(ragged_equals_single)
{
    enum { C = 21 };
    const bool tiny = getenv("CLVITS_TEST_TINY");
    const int few = tiny ? 19 : 39, many = tiny ? 35 : 150;
    const clvits_matmul_params scores = { .transpose_b = true };
    float *first = NULL;

    for (int B = 2; B >= 1; B--) {
        const int T = B == 2 ? many : few;
        const float *x;
        harness h;
        harness_begin(&h, B);
        const int clock = clvits_graph_clock(h.graph, T);
        clvits_tensor *tx = harness_input(&h, clock, 3 * C, -1, 1, &x);
        clvits_tensor *s = clvits_matmul(clvits_graph_slice(tx, C, C),
                                         clvits_graph_slice(tx, 2 * C, C), &scores);
        clvits_tensor *y = clvits_graph_keep(
            clvits_matmul(s, clvits_graph_slice(tx, 0, C), &(clvits_matmul_params){ 0 }));
        harness_plan(&h);
        harness_length(&h, clock, 0, few);
        harness_go(&h);
        const float *got = harness_output(&h, y);
        if (first)
            ck_assert_mem_eq(got, first, (size_t)few * C * sizeof(*got));
        first = first ? first : malloc((size_t)few * C * sizeof(*got));
        for (int i = 0; i < few * C; i++)
            first[i] = got[i];
        harness_end(&h);
    }
    free(first);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const clvits_matmul_params plain = { 0 }, transposed = { .transpose_a = true };
    const float *x;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *a = harness_input(&h, clvits_graph_clock(h.graph, 9), 5, -1, 1, &x);
    clvits_tensor *b = harness_input(&h, clvits_graph_clock(h.graph, 9), 5, -1, 1, &x);
    ck_assert_ptr_null(_i ? clvits_matmul(a, b, &transposed) : clvits_matmul(a, b, &plain));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

#ifdef CLVITS_CLBLAST
static cl_mem memory(cl_context context, cl_mem_flags flags, int64_t n, const float *values)
{
    cl_int e;
    cl_mem m = clCreateBuffer(context, flags, (size_t)n * sizeof(float),
                              (void *)(uintptr_t)values, &e);
    ck_assert_int_eq(e, CL_SUCCESS);
    return m;
}

/* CLBlast's product of one pair of matrices. */
static void clblast(cl_context context, cl_command_queue queue, const matmul_case *c,
                    const product *p, float *y)
{
    const cl_mem_flags copy = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
    const size_t M = (size_t)c->M, N = (size_t)c->N, K = (size_t)c->K;
    cl_mem a = memory(context, copy, (int64_t)c->M * c->K, p->a);
    cl_mem b = memory(context, copy, (int64_t)c->K * c->N, p->b);
    cl_mem out = memory(context, CL_MEM_READ_WRITE, (int64_t)c->M * c->N, NULL);

    ck_assert_int_eq(
        CLBlastSgemm(CLBlastLayoutRowMajor, c->ta ? CLBlastTransposeYes : CLBlastTransposeNo,
                     c->tb ? CLBlastTransposeYes : CLBlastTransposeNo, M, N, K, c->scale, a, 0,
                     c->ta ? M : K, b, 0, c->tb ? K : N, 0.0f, out, 0, N, &queue, NULL),
        CLBlastSuccess);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, M * N * sizeof(*y), y, 0, NULL,
                                         NULL),
                     CL_SUCCESS);
    clReleaseMemObject(a);
    clReleaseMemObject(b);
    clReleaseMemObject(out);
}

/* Only where no device is asked for: CLBlast takes the first one, whatever is under test. When it
 * is asked for: PoCL takes half a minute to build its kernels. */
START_TEST(matches_clblast)
{
    enum { M = 67, N = 45, K = 130 };
    static float got[M * N];
    static double want[M * N];
    cl_platform_id platform;
    cl_device_id device;
    cl_int e;

    if (!getenv("CLVITS_TEST_SWEEP") || getenv("CLVITS_TEST_DEVICE") ||
        getenv("CLVITS_TEST_FAMILY") || clGetPlatformIDs(1, &platform, NULL) ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL))
        return;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &e);
    ck_assert_int_eq(e, CL_SUCCESS);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &e);
    ck_assert_int_eq(e, CL_SUCCESS);
    for (int i = 0; i < 4; i++) {
        const matmul_case c = { "", 1, M, N, K, .ta = i & 1, .tb = i & 2, .scale = 0.5f };
        harness h;
        const product p = run_case(&h, &c);
        clblast(context, queue, &c, &p, got);
        for (int k = 0; k < M * N; k++)
            want[k] = (double)got[k];
        harness_close(&h, p.y, want, 1e-5);
        harness_end(&h);
    }
    ck_assert_int_eq(CLBlastClearCache(), CLBlastSuccess);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("matmul");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, ragged_equals_single);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 2);
#ifdef CLVITS_CLBLAST
    tcase_add_test(t, matches_clblast);
#endif
    suite_add_tcase(s, t);
    return harness_main(s);
}
