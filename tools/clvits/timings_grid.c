// SPDX-License-Identifier: MIT
//
// Praat's TextGrid: three tiers of intervals without gaps, behind a count of each.
#include "speak.h"

#include <stdlib.h>
#include <string.h>

typedef struct timings_interval {
    char *text;
    int64_t start, end; /* samples */
} timings_interval;

void timings_grid_add(timings *t, int tier, const char *text, size_t n, int64_t start,
                      int64_t length)
{
    timings_tier *to = &t->tiers[tier];

    if (length <= 0)
        return; /* an interval has some */
    if (to->n == to->capacity) {
        const size_t capacity = 2 * to->capacity + 64;
        timings_interval *more = realloc(to->intervals, capacity * sizeof(*more));
        if (!more) {
            t->failed = true;
            return;
        }
        to->intervals = more;
        to->capacity = capacity;
    }
    char *copy = malloc(n + 1);
    if (!copy) {
        t->failed = true;
        return;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    to->intervals[to->n++] = (timings_interval){ copy, start, start + length };
}

static double seconds(const timings *t, int64_t samples)
{
    return (double)samples / t->rate;
}

static void put_interval(const timings *t, size_t *count, const char *text, int64_t start,
                         int64_t end)
{
    fprintf(t->f,
            "        intervals [%zu]:\n            xmin = %.9g\n            xmax = %.9g\n"
            "            text = \"",
            ++*count, seconds(t, start), seconds(t, end));
    for (const char *c = text; *c; c++) {
        fputc((unsigned char)*c < 0x20 ? ' ' : *c, t->f);
        if (*c == '"')
            fputc('"', t->f);
    }
    fputs("\"\n", t->f);
}

/* What there is, with empty intervals between; or how many these are, without a word. */
static size_t put_tier(const timings *t, const timings_tier *tier, int64_t samples, bool count)
{
    size_t n = 0;
    int64_t at = 0;

    for (size_t i = 0; i <= tier->n; i++) {
        const timings_interval *next = i < tier->n ? &tier->intervals[i] : NULL;
        const int64_t start = next ? next->start : samples;

        if (next && next->end <= at)
            continue;
        if (start > at && count)
            n++;
        else if (start > at)
            put_interval(t, &n, "", at, start);
        if (next && count)
            n++;
        else if (next)
            put_interval(t, &n, next->text, start > at ? start : at, next->end);
        at = next ? next->end : at;
    }
    return n;
}

void timings_grid_write(timings *t, int64_t samples)
{
    static const char *const names[TIMINGS_TIERS] = { "sentences", "words", "phonemes" };
    const double end = seconds(t, samples);

    fprintf(t->f,
            "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = %.9g\n"
            "tiers? <exists>\nsize = %d\nitem []:\n",
            end, TIMINGS_TIERS);
    for (int i = 0; i < TIMINGS_TIERS; i++) {
        fprintf(t->f,
                "    item [%d]:\n        class = \"IntervalTier\"\n        name = \"%s\"\n"
                "        xmin = 0\n        xmax = %.9g\n        intervals: size = %zu\n",
                i + 1, names[i], end, put_tier(t, &t->tiers[i], samples, true));
        put_tier(t, &t->tiers[i], samples, false);
    }
}

void timings_grid_free(timings *t)
{
    for (int i = 0; i < TIMINGS_TIERS; i++) {
        for (size_t k = 0; k < t->tiers[i].n; k++)
            free(t->tiers[i].intervals[k].text);
        free(t->tiers[i].intervals);
        t->tiers[i] = (timings_tier){ 0 };
    }
}
