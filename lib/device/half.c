// SPDX-License-Identifier: MIT
#include "base/half.h"
#include "device/device.h"

enum { N = 8 };

/* a, b, c and a * b + c. 683 * 3 is 2049, 293 * 7 is 2051, 2048 + 1 is 2049: floats hold them,
 * halves go to the even neighbour. The results are the same with the product rounded or not. */
static const float operands[3][N] = { { 1, 3, -2, 683, 293, 1, 0.5f, 200 },
                                      { 1, 5, 7, 3, 7, 1, 0.25f, 300 },
                                      { 1, 6, 0.5f, 0, 0, 2048, 0.125f, 1000 } };
static const float results[N] = { 2, 21, -13.5f, 2048, 2052, 2048, 0.25f, 60992 };

static clvits_status run(clvits_device *d, float *out, clvits_report *r)
{
    const clvits_launch l = { .program = "half", .kernel = "half_probe", .dimensions = 1,
                              .global = { N }, .local = { 1 } };
    const int n = N;
    clvits_buffer *buffers[2] = { NULL, NULL };
    clvits_attempt attempt = { .fd = -1 };
    clvits_kernel *k = NULL;
    unsigned char halves[2 * 3 * N];
    uint64_t key;
    clvits_status s = clvits_kernel_hash(&key, d, &l, r);

    if (!s)
        s = clvits_attempt_begin(&attempt, d, key, 0, l.kernel, "fp16", r);
    if (!s)
        s = clvits_buffer_make(&buffers[0], d, sizeof(halves), r);
    clvits_halves_pack(halves, operands[0], 3 * N);
    if (!s)
        s = clvits_buffer_make(&buffers[1], d, 2 * N, r);
    if (!s)
        s = clvits_buffer_write(buffers[0], 0, sizeof(halves), halves, true, r);
    if (!s)
        s = clvits_kernel_make(&k, d, &l, &n, sizeof(n), buffers, 2, r);
    if (!s)
        s = clvits_kernel_run(k, NULL, r);
    if (!s)
        s = clvits_buffer_read(buffers[1], 0, 2 * N, halves, r);
    clvits_kernel_free(&k);
    clvits_buffer_free(&buffers[0]);
    clvits_buffer_free(&buffers[1]);
    clvits_attempt_end(&attempt);
    clvits_halves_unpack(out, halves, N);
    return s;
}

clvits_status clvits_device_check_halves(clvits_device *d, clvits_report *r)
{
    const clvits_device_info *info = clvits_device_get_info(d);
    float got[N];

    if (!info->fp16)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s does not compute in halves (it does not report cl_khr_fp16)",
                           info->name);
    const clvits_status s = run(d, got, r);
    for (int i = 0; i < N && !s; i++)
        if (got[i] != results[i])
            return clvits_fail(r, CLVITS_E_DEVICE,
                               "%s reports cl_khr_fp16 and computes %g * %g + %g = %g in halves, "
                               "not %g", info->name, (double)operands[0][i], (double)operands[1][i],
                               (double)operands[2][i], (double)got[i], (double)results[i]);
    return s;
}
