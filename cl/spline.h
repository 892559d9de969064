// SPDX-License-Identifier: MIT
//
// One point of a rational-quadratic spline with linear tails (Durkan et al. 2019). Comes after
// exact.h.
//
// A bin can be a thousand times as high as it is wide, so a knot that is off by a last place of
// the tail would spoil the result. Therefore knots are never rounded: shares of the softmax are
// kept as two floats, and what is computed is the distance from a point to a knot. What follows
// is arranged so that only terms of one sign are added.
#ifndef CLVITS_SPLINE_H
#define CLVITS_SPLINE_H

#if !defined(__OPENCL_VERSION__) && !defined(__OPENCL_C_VERSION__)
#include <tgmath.h>
#endif

#define SPLINE_MIN_SLOPE 1e-3f

typedef struct {
    float high, low; // their sum is the value
} spline_wide;

EXACT spline_wide spline_add(const spline_wide a, const float b)
{
    const float sum = a.high + b, part = sum - a.high;
    const spline_wide r = { sum, a.low + ((a.high - (sum - part)) + (b - part)) };
    return r;
}

// One of the two axes: its n logits, and what its softmax needs.
typedef struct {
    EXACT_GLOBAL const float *logits;
    float top;
    spline_wide all;
} spline_axis;

EXACT float spline_weight(const spline_dims d, const spline_axis a, const int bin)
{
    return exact_exp(exact_fma(a.logits[bin], d.scale, -a.top));
}

EXACT spline_wide spline_before(const spline_dims d, const spline_axis a, const int bin)
{
    spline_wide sum = { 0.0f, 0.0f };
    for (int i = 0; i < bin; i++)
        sum = spline_add(sum, spline_weight(d, a, i));
    return sum;
}

EXACT spline_axis spline_axis_of(const spline_dims d, EXACT_GLOBAL const float *logits)
{
    spline_axis a = { logits, logits[0], { 0.0f, 0.0f } };
    for (int i = 1; i < d.bins; i++)
        a.top = logits[i] > a.top ? logits[i] : a.top;
    a.top = exact_mul(a.top, d.scale);
    a.all = spline_before(d, a, d.bins);
    return a;
}

// v minus the knot where the bin begins; before: the weights of the bins before it.
EXACT float spline_beyond(const spline_dims d, const float v, const int bin,
                          const spline_wide before, const spline_wide all)
{
    const float share = before.high / all.high;
    const float rest = (exact_fma(-share, all.high, before.high) +
                        exact_fma(-share, all.low, before.low)) / all.high;
    const float steps = exact_mul(d.step, (float)bin), gain = exact_mul(d.gain, share);
    const spline_wide at_zero = { v, 0.0f };
    const spline_wide far = spline_add(spline_add(spline_add(at_zero, d.tail), -steps), -gain);
    const float low = exact_fma(d.step, (float)bin, -steps) + d.step_low * (float)bin +
                      exact_fma(d.gain, share, -gain) + d.gain * rest + d.gain_low * share;

    return far.high + (far.low - low);
}

// The slope at the knot where the bin begins; n - 1 logits belong to the inner knots.
EXACT float spline_slope(const spline_dims d, EXACT_GLOBAL const float *logits, const int bin)
{
    if (bin == 0 || bin == d.bins)
        return 1.0f;
    const float v = logits[bin - 1];
    return SPLINE_MIN_SLOPE + (v > 0.0f ? v + log1p(exact_exp(-v)) : log1p(exact_exp(v)));
}

typedef struct {
    float y, logdet;
} spline_point;

// h: the channel's bins widths, bins heights, bins - 1 slopes.
EXACT spline_point spline_at(const spline_dims d, const float x, EXACT_GLOBAL const float *h)
{
    const spline_point outside = { x, 0.0f };
    const spline_wide none = { 0.0f, 0.0f };

    if (!(x >= -d.tail && x <= d.tail))
        return outside; // and what is not a number
    const spline_axis from = spline_axis_of(d, d.reverse ? h + d.bins : h);
    const spline_axis to = spline_axis_of(d, d.reverse ? h : h + d.bins);

    // The bin, and the distances to its two knots.
    spline_wide before = none;
    float left = spline_beyond(d, x, 0, none, from.all), right = d.tail - x;
    int bin = 0;
    for (int k = 1; k < d.bins; k++) {
        before = spline_add(before, spline_weight(d, from, k - 1));
        const float distance = spline_beyond(d, x, k, before, from.all);
        if (!(distance >= 0.0f)) {
            right = -distance;
            break;
        }
        left = distance;
        bin = k;
    }

    const float extent = left + right, a = left / extent, b = right / extent; // a + b = 1
    const float span = exact_fma(d.gain, spline_weight(d, to, bin) / to.all.high, d.step);
    const float s = d.reverse ? extent / span : span / extent;
    const float d0 = spline_slope(d, h + 2 * d.bins, bin);
    const float d1 = spline_slope(d, h + 2 * d.bins, bin + 1);
    float p = a, q = b; // the place between the knots on x's axis, and 1 - p
    if (d.reverse) {
        // The quadratic's root: r*r is its discriminant, a sum of squares in this form.
        const float u = d0 * b - d1 * a, r = sqrt(u * u + 4.0f * s * s * a * b);
        const float sum = u < 0.0f ? (r - u) + 2.0f * s * b : (r + u) + 2.0f * s * a;
        p = (u < 0.0f ? r - u : 2.0f * s * a) / sum;
        q = (u < 0.0f ? 2.0f * s * b : r + u) / sum;
    }
    const float down = s * (p * p + q * q) + (d0 + d1) * p * q;
    const float part = d.reverse ? p : (s * p * p + d0 * p * q) / down;
    const float log_slope =
        log(s * s * (d1 * p * p + 2.0f * s * p * q + d0 * q * q) / (down * down));
    const spline_wide others = spline_before(d, to, bin);
    const spline_point inside = { // knot + y = -((-y) - knot)
        -spline_beyond(d, -exact_mul(span, part), bin, others, to.all),
        d.reverse ? -log_slope : log_slope,
    };
    return inside;
}

#endif
