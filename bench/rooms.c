// SPDX-License-Identifier: MIT
//
// The rooms, and the shapes that real voices give them.
#include "bench.h"

#include <math.h>

/* About 15 phonemes a second, each with its padding; a frame is 256 samples. VITS base is Piper's
 * high quality; Piper's medium shares its text side and latent. MMS, and Piper's low, have these at
 * another rate. */
const bench_shape bench_shapes[] = {
    { "base", 192, 192, 2, 192, 86.1, 32, true },
    { "mms-low", 192, 192, 2, 192, 62.5, 32, false },
    { "x-low", 96, 96, 2, 96, 62.5, 32, false },
    { "mini", 96, 96, 2, 192, 62.5, 32, false },
};
const int bench_shape_count = LENGTH(bench_shapes);

int bench_rows(double per_second, int seconds)
{
    return (int)lround(per_second * seconds);
}

bool bench_leaves_out(const bench *b, const bench_shape *s, int seconds)
{
    return b->o->quick && (!s->quick || seconds > 1);
}

void bench_operators(bench *b)
{
    static bench_room *const rooms[] = {
        bench_conv1d,    bench_wavenet,   bench_attention, bench_norm,
        bench_separable, bench_pointwise, bench_spline,    bench_embedding,
        bench_matmul,    bench_align,     bench_noise,     bench_move,
        bench_reduce,    bench_search,    bench_loss,      bench_spectrogram,
        bench_discriminators,
    };

    for (int i = 0; i < LENGTH(rooms); i++)
        rooms[i](b);
}
