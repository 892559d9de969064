// SPDX-License-Identifier: MIT
//
// Spectrograms and mel spectrograms of recordings, as voices are trained on them; one transform is
// of no power of two.
#include "bench.h"

#include "model/mel.h"

enum { MELS = 80 };

static const struct {
    const char *name;
    int rate, n_fft, hop;
    bool quick;
} cases[] = {
    { "22050 Hz, 1024 points", 22050, 1024, 256, true },
    { "16000 Hz, 1024 points", 16000, 1024, 256, false },
    { "24000 Hz, 1200 points", 24000, 1200, 300, false },
};

static void spectrogram(bench *b, int i, int seconds)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "spectrogram/%s, %d s", cases[i].name, seconds))
        return;
    const int samples = clvits_graph_clock(g.graph, seconds * cases[i].rate);
    clvits_graph_keep(clvits_spectrogram(bench_input(&g, samples, 1, NULL),
                                         &(clvits_spectrogram_params){ .n_fft = cases[i].n_fft,
                                                                       .hop = cases[i].hop }));
    bench_case_end(&g);
}

/* The product with the filters and its logarithm, of a spectrogram that is there. */
static void mel(bench *b, int i, int seconds)
{
    const int bins = cases[i].n_fft / 2 + 1;
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "mel/%s, %d s", cases[i].name, seconds))
        return;
    const int frames = clvits_graph_clock(g.graph, seconds * cases[i].rate / cases[i].hop);
    float *filters = bench_random(&g, MELS * bins, 0.0f);
    if (filters && clvits_mel_filterbank(filters, cases[i].n_fft, cases[i].rate, MELS, 0.0, 0.0,
                                         CLVITS_MEL_SLANEY, true, &b->report)) {
        bench_case_lose(&g);
        return;
    }
    clvits_graph_keep(clvits_mel(bench_input(&g, frames, bins, NULL),
                                 clvits_graph_weight(g.graph, filters, 3,
                                                     (int64_t[]){ MELS, bins, 1 })));
    bench_case_end(&g);
}

void bench_spectrogram(bench *b)
{
    for (int i = 0; i < LENGTH(cases); i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (b->o->quick && (!cases[i].quick || bench_seconds[s] > 1))
                continue;
            spectrogram(b, i, bench_seconds[s]);
            mel(b, i, bench_seconds[s]);
        }
}
