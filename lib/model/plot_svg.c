// SPDX-License-Identifier: MIT
//
// A picture of speech as SVG. Colours are those of light surroundings, and of dark ones where the
// viewer asks for them; the spectrogram is an image within the file.
#include "model/context.h"
#include "model/mel.h"
#include "model/plot.h"

#include "base/points.h"
#include "base/utf8.h"
#include "io/png.h"
#include "io/resample.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels. */
enum {
    A_SECOND = 200,
    LEAST_WIDTH = 320,
    MOST_WIDTH = 40 * A_SECOND,
    LEFT = 56,
    RIGHT = 18,
    TOP = 14,
    WAVE = 90, /* heights */
    GAP = 10,
    MELS = 160,
    STRIP = 22, /* of phonemes, of words */
    AXIS = 26,
    LETTER = 7,     /* width, about */
    LEAST_PHONEME = 8, /* room for one on average, or none is shown */
    LEAST_WORD = 18,
    TICK = 70,       /* between two times, at least */
};

static const double range = 9.2103; /* of the spectrogram, from its largest: 80 dB */

static const char style[] =
    "<style>\n"
    ".paper{fill:#ffffff}.panel{fill:#f3f5f8}.wave{fill:#2a6db0}\n"
    ".line{stroke:#9aa5b3;fill:none}.mark{stroke:#ffffff;stroke-opacity:.45;fill:none}\n"
    "text{fill:#1b2430;font:12px 'Noto Sans','DejaVu Sans',sans-serif;text-anchor:middle}\n"
    "text.left{text-anchor:end;font-size:10px}text.time{font-size:10px}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".paper{fill:#12161c}.panel{fill:#1c222b}.wave{fill:#6db3f2}\n"
    ".line{stroke:#6c7786}text{fill:#e6eaf0}}\n"
    "</style>\n";

typedef struct picture {
    const clvits_plot *plot;
    int width; /* of the panels */
    clvits_text_fn write;
    void *user;
    clvits_points points;
    clvits_status status;
    clvits_report *r;
} picture;

static void put(picture *p, const char *text, size_t n)
{
    if (!p->status && p->write(p->user, text, n))
        p->status = clvits_fail(p->r, CLVITS_E_CANCELLED, "stopped by the caller");
}

__attribute__((format(printf, 2, 3))) static void print(picture *p, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    clvits_points_begin(&p->points);
    const int n = vsnprintf(text, sizeof(text), format, args);
    clvits_points_end(&p->points);
    va_end(args);
    put(p, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Text between tags. What XML cannot say, and what is no UTF-8, becomes U+FFFD. */
static void put_text(picture *p, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        const int length = clvits_utf8_read(&c, text + i, n - i);
        if (!length || (c < 0x20 && c != '\t' && c != '\n') || c == 0xfffe || c == 0xffff)
            put(p, "\xef\xbf\xbd", 3);
        else if (c == '&')
            put(p, "&amp;", 5);
        else if (c == '<')
            put(p, "&lt;", 4);
        else if (c == '>')
            put(p, "&gt;", 4);
        else
            put(p, text + i, (size_t)length);
        i += length ? (size_t)length : 1;
    }
}

static size_t letters(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static double x_of(const picture *p, int64_t sample)
{
    const double n = (double)p->plot->n_samples, at = (double)sample;

    return LEFT + p->width * (at < 0.0 ? 0.0 : at > n ? 1.0 : at / n);
}

static void draw_wave(picture *p, const clvits_plot_columns *c)
{
    const double middle = TOP + 0.5 * WAVE, scale = 0.48 * WAVE / (double)c->loudest;
    const double step = (double)p->width / c->n_peaks;

    print(p, "<rect class=\"panel\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, TOP,
          p->width, WAVE);
    print(p, "<path class=\"wave\" d=\"M%d %.1f", LEFT, middle);
    for (int i = 0; i < c->n_peaks; i++) /* at least a line */
        print(p, "L%.1f %.1f", LEFT + step * (i + 0.5),
              fmin(middle - scale * (double)c->high[i], middle - 0.3));
    print(p, "L%d %.1f", LEFT + p->width, middle);
    for (int i = c->n_peaks - 1; i >= 0; i--)
        print(p, "L%.1f %.1f", LEFT + step * (i + 0.5),
              fmax(middle - scale * (double)c->low[i], middle + 0.3));
    print(p, "Z\"/>\n");
}

/* From black over violet and red to light yellow: lightness rises evenly. */
static void make_palette(uint8_t palette[256][3])
{
    static const double stops[][3] = { { 4, 5, 15 },     { 49, 16, 96 },   { 114, 31, 129 },
                                       { 182, 54, 121 }, { 240, 96, 93 },  { 254, 160, 109 },
                                       { 252, 253, 191 } };
    enum { LAST = sizeof(stops) / sizeof(stops[0]) - 1 };

    for (int i = 0; i < 256; i++) {
        const double at = i / 255.0 * LAST;
        const int k = at < LAST ? (int)at : LAST - 1;
        for (int c = 0; c < 3; c++)
            palette[i][c] = (uint8_t)lround(stops[k][c] + (at - k) * (stops[k + 1][c] -
                                                                       stops[k][c]));
    }
}

static void draw_mels(picture *p, const clvits_plot_columns *c, int top)
{
    const size_t n = (size_t)c->n_mels * CLVITS_PLOT_MELS;
    uint8_t palette[256][3], *pixels = malloc(n);
    char *image = NULL;

    if (!pixels) {
        p->status = clvits_fail_memory(p->r, "a picture");
        return;
    }
    for (int m = 0; m < CLVITS_PLOT_MELS; m++)
        for (int i = 0; i < c->n_mels; i++) {
            const double v = 255.0 * (1.0 + (double)c->mels[m * c->n_mels + i] / range);
            pixels[(CLVITS_PLOT_MELS - 1 - m) * c->n_mels + i] = (uint8_t)(v < 0.0 ? 0.0 : v);
        }
    make_palette(palette);
    const clvits_status s = clvits_png_base64(&image, pixels, c->n_mels, CLVITS_PLOT_MELS,
                                              (const uint8_t (*)[3])palette, p->r);
    free(pixels);
    if (s) {
        p->status = s;
        return;
    }
    print(p, "<image x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" preserveAspectRatio=\"none\" "
             "xlink:href=\"data:image/png;base64,", LEFT, top, p->width, MELS);
    put(p, image, strlen(image));
    print(p, "\"/>\n");
    free(image);
}

static void draw_frequencies(picture *p, int top)
{
    static const int ticks[] = { 250, 500, 1000, 2000, 4000, 8000, 16000 };
    const double all = clvits_mel_of(0.5 * p->plot->sample_rate, CLVITS_MEL_SLANEY);

    for (int i = 0; i < (int)(sizeof(ticks) / sizeof(ticks[0])); i++) {
        if (2 * ticks[i] >= p->plot->sample_rate)
            break;
        const double y = top + MELS * (1.0 - clvits_mel_of(ticks[i], CLVITS_MEL_SLANEY) / all);
        print(p, "<path class=\"line\" d=\"M%d %.1fh5\"/><text class=\"left\" x=\"%d\" y=\"%.1f\">"
                 "%d</text>\n", LEFT - 5, y, LEFT - 8, y + 3.5, ticks[i]);
    }
    print(p, "<text class=\"left\" x=\"%d\" y=\"%d\">Hz</text>\n", LEFT - 8, top + 8);
}

/* Labels in a strip, with marks where each begins, from `from` on; or a note that there are
 * too many, where one has less than `least` pixels. */
static void draw_labels(picture *p, const char *kind, const clvits_timing *list, size_t n,
                        int least, int from, int top)
{
    if (!n)
        return;
    print(p, "<rect class=\"panel\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, top,
          p->width, STRIP - 2);
    if (n > (size_t)(p->width / least)) {
        print(p, "<text x=\"%d\" y=\"%d\">%zu %ss, too many to be shown</text>\n",
              LEFT + p->width / 2, top + 15, n, kind);
        return;
    }
    if (from < top) {
        print(p, "<path class=\"mark\" d=\"");
        for (size_t i = 0; i < n; i++)
            print(p, "M%.1f %dV%d", x_of(p, list[i].start), from, top);
        print(p, "\"/>\n");
    }
    print(p, "<path class=\"line\" d=\"");
    for (size_t i = 0; i < n; i++)
        print(p, "M%.1f %dv%dM%.1f %dv%d", x_of(p, list[i].start), top, STRIP - 2,
              x_of(p, list[i].start + list[i].length), top, STRIP - 2);
    print(p, "\"/>\n");
    for (size_t i = 0; i < n; i++) {
        const double begin = x_of(p, list[i].start);
        const double room = x_of(p, list[i].start + list[i].length) - begin;
        const size_t count = letters(list[i].text, list[i].n);
        print(p, "<text class=\"%s\" x=\"%.1f\" y=\"%d\"", kind, begin + 0.5 * room, top + 15);
        if (count > 1 && room > 1.0 && room < (double)LETTER * (double)count)
            print(p, " textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\"", room - 0.5);
        put(p, ">", 1);
        put_text(p, list[i].text, list[i].n);
        print(p, "</text>\n");
    }
}

static void draw_times(picture *p, int top)
{
    static const double steps[] = { 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800,
                                    3600, 7200, 18000, 36000 };
    const double seconds = (double)p->plot->n_samples / p->plot->sample_rate;
    int k = 0;

    while (k + 1 < (int)(sizeof(steps) / sizeof(steps[0])) &&
           steps[k] / seconds * p->width < TICK)
        k++;
    for (int i = 0; i * steps[k] <= seconds && i <= p->width; i++)
        print(p, "<path class=\"line\" d=\"M%.1f %dv4\"/><text class=\"time\" x=\"%.1f\" y=\"%d\">"
                 "%g s</text>\n", LEFT + p->width * i * steps[k] / seconds, top,
              LEFT + p->width * i * steps[k] / seconds, top + 16, i * steps[k]);
}

static void draw(picture *p, const clvits_plot_columns *c)
{
    const clvits_plot *in = p->plot;
    const int mels = TOP + WAVE + GAP, phonemes = mels + MELS + 2;
    const int words = phonemes + (in->n_phonemes ? STRIP : 0);
    const int times = words + (in->n_words ? STRIP : 0);
    const int width = LEFT + p->width + RIGHT, height = times + AXIS;

    print(p, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
             "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%d\" height=\"%d\" "
             "viewBox=\"0 0 %d %d\">\n", width, height, width, height);
    put(p, style, sizeof(style) - 1);
    print(p, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", width, height);
    draw_wave(p, c);
    draw_mels(p, c, mels);
    draw_frequencies(p, mels);
    draw_labels(p, "phoneme", in->phonemes, in->n_phonemes, LEAST_PHONEME, mels, phonemes);
    draw_labels(p, "word", in->words, in->n_words, LEAST_WORD, words, words);
    draw_times(p, times);
    print(p, "</svg>\n");
}

clvits_status clvits_plot_write(clvits_context *context, const clvits_plot *plot,
                                clvits_text_fn write, void *user)
{
    clvits_report r = clvits_context_report(context);
    picture p = { .plot = plot, .write = write, .user = user, .r = &r };
    clvits_plot_columns c;

    if (!plot->n_samples || !plot->samples || plot->sample_rate < CLVITS_LEAST_RATE ||
        plot->sample_rate > CLVITS_MOST_RATE) {
        clvits_fail(&r, CLVITS_E_ARGUMENT, "a picture of %zu samples at a rate of %d; it takes one "
                                           "sample at least, and rates of %d to %d",
                    plot->n_samples, plot->sample_rate, CLVITS_LEAST_RATE, CLVITS_MOST_RATE);
        return clvits_context_keep(context, &r);
    }
    const double pixels = (double)plot->n_samples / plot->sample_rate * A_SECOND;
    p.width = pixels < LEAST_WIDTH ? LEAST_WIDTH : pixels > MOST_WIDTH ? MOST_WIDTH : (int)pixels;
    if (!clvits_points_open(&p.points)) {
        clvits_fail_memory(&r, "a picture");
        return clvits_context_keep(context, &r);
    }
    const int most = p.width < CLVITS_PLOT_MOST_COLUMNS ? p.width : CLVITS_PLOT_MOST_COLUMNS;
    p.status = clvits_plot_compute(&c, plot, most, &context->machine.cpu, &r);
    if (!p.status)
        draw(&p, &c);
    clvits_plot_free(&c);
    clvits_points_close(&p.points);
    return clvits_context_keep(context, &r);
}
