// SPDX-License-Identifier: MIT
#include "op/toom.h"

#include "graph/build.h"

#include <string.h>
#include <toom.h>

typedef struct form {
    int m, r, P;
} form;

#define FORM(m, r, P) { m, r, P },
static const form forms[] = { TOOM_FORMS(FORM) };

static const double points[][TOOM_MAX_P] = {
    [5] = TOOM_POINTS_5, [6] = TOOM_POINTS_6, [7] = TOOM_POINTS_7, [8] = TOOM_POINTS_8
};
static const double norms[][TOOM_MAX_P] = {
    [5] = TOOM_NORMS_5, [6] = TOOM_NORMS_6, [7] = TOOM_NORMS_7, [8] = TOOM_NORMS_8
};

/* Groups of taps, at most: the CPU path's scratch is made for so many. */
enum { MAX_G = 4 };

bool clvits_toom_fits(const conv1d_dims *d, int m, int r)
{
    if (d->stride != 1 || d->groups != 1 || d->phases != 1 || d->K < 2 || d->K > MAX_G * r ||
        (d->K > r && m != r))
        return false;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (forms[i].m == m && forms[i].r == r)
            return true;
    return false;
}

void clvits_toom_form(const conv1d_dims *d, int *m, int *r)
{
    *m = d->K == 5 ? 3 : 4;
    *r = d->K <= 3 ? 3 : d->K == 5 ? 5 : 4;
    if (!clvits_toom_fits(d, *m, *r))
        *m = *r = 0;
}

bool clvits_toom_wins(const clvits_target *at, const conv1d_dims *d)
{
    int m, r;

    clvits_toom_form(d, &m, &r);
    return at->cpu && m && d->K >= 3 && d->I >= 32 && d->O >= 32;
}

void clvits_conv1d_reach(int taps, int dilation, int pad_left, int *before, int *after)
{
    const conv1d_dims d = { .stride = 1, .groups = 1, .phases = 1, .K = taps };
    int tile = 0, over = 0; /* rows of a tile beside an output; taps of zero beyond the filter */

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        const form *f = &forms[i];
        if (!clvits_toom_fits(&d, f->m, f->r))
            continue;
        const int more = f->m - 1 + (taps + f->r - 1) / f->r * f->r - taps;
        tile = f->m - 1 > tile ? f->m - 1 : tile;
        over = more > over ? more : over;
    }
    *before = pad_left + tile * dilation;
    *after = (taps - 1 + over) * dilation - pad_left;
}

/* G g at point j of a group of r taps. */
static double transform(const double *g, int r, int P, int j)
{
    double v = 0.0, power = 1.0;

    if (j == P - 1)
        return g[r - 1] / norms[P][j];
    for (int k = 0; k < r; k++, power *= points[P][j])
        v += g[k] * power;
    return v / norms[P][j];
}

int64_t clvits_toom_pack(const conv1d_dims *d, const clvits_target *at,
                         const clvits_conv_weight *w, float *out)
{
    const int P = d->m + d->r - 1, G = (d->K + d->r - 1) / d->r, N = d->lanes;
    const int blocks = (d->O + N - 1) / N;
    const int64_t block = (int64_t)P * G * d->I * N, all = blocks * block;

    if (!out)
        return all;
    memset(out, 0, (size_t)all * sizeof(*out));
    for (int i = 0; i < blocks * N; i++) {
        const int o = clvits_conv_channel(d, d->O, i / N, i % N);
        const bool narrow = at->cpu && N > at->cpu->table->vector && d->O - i / N * N <= N / 2 &&
                            d->act != CLVITS_ACT_GATE;
        const int lanes = narrow ? N / 2 : N;
        float *to = out + i / N * block + i % N;
        if (o >= d->O)
            continue;
        for (int g = 0; g < G; g++)
            for (int c = 0; c < d->I; c++) {
                double taps[TOOM_MAX_P] = { 0 };
                for (int k = 0; k < d->r && g * d->r + k < d->K; k++)
                    taps[k] = (double)w->data[o * w->o + c * w->i + g * d->r + k];
                for (int j = 0; j < P; j++)
                    to[(((int64_t)j * G + g) * d->I + c) * lanes] =
                        (float)transform(taps, d->r, P, j);
            }
    }
    return 0;
}
