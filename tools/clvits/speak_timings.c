// SPDX-License-Identifier: MIT
#include "speak.h"

#include <string.h>
#include <strings.h>

enum { CUE_CHARACTERS = 64 }; /* of a subtitle: two lines on most screens */

timings_format timings_format_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.'), *ending = dot ? dot + 1 : name;

    return !strcasecmp(ending, "json")       ? TIMINGS_JSON
           : !strcasecmp(ending, "tsv")      ? TIMINGS_TSV
           : !strcasecmp(ending, "srt")      ? TIMINGS_SRT
           : !strcasecmp(ending, "textgrid") ? TIMINGS_GRID
                                             : TIMINGS_NONE;
}

int timings_open(timings *t, const char *path, timings_format format, int rate, bool scored)
{
    *t = (timings){ .format = format, .rate = rate, .scored = scored };
    const int code = path ? text_file_open(&t->file, path) : CODE_OK;
    if (code)
        return code;
    t->f = path ? t->file.f : stdout;
    if (format == TIMINGS_JSON)
        fprintf(t->f, "{\"sample_rate\": %d, \"sentences\": [", rate);
    else if (format == TIMINGS_TSV)
        fprintf(t->f, "start\tduration\tkind\ttext%s\n", scored ? "\tscore" : "");
    return CODE_OK;
}

static double seconds(const timings *t, int64_t samples)
{
    return (double)samples / t->rate;
}

static void add_json_list(const timings *t, const char *name, const clvits_timing *list, size_t n,
                          int64_t start, bool phonemes, const timings_scores *scores)
{
    FILE *f = t->f;

    fprintf(f, ",\n  \"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ",\n    {\"text\": " : "\n    {\"text\": ", f);
        program_json(f, list[i].text, list[i].n);
        fprintf(f, ", \"start\": %.6f, \"duration\": %.6f", seconds(t, start + list[i].start),
                seconds(t, list[i].length));
        if (phonemes && list[i].word >= 0)
            fprintf(f, ", \"word\": %d", list[i].word);
        else if (phonemes)
            fputs(", \"word\": null", f);
        if (phonemes && scores)
            fprintf(f, ", \"score\": %.4f", (double)scores->phonemes[i]);
        fputc('}', f);
    }
    fputc(']', f);
}

static void add_json(timings *t, const clvits_chunk *c, const char *text, int64_t start,
                     int64_t length, const timings_scores *scores)
{
    fputs(t->count ? ",\n {\"text\": " : "\n {\"text\": ", t->f);
    program_json(t->f, text, c->text_n);
    fprintf(t->f, ", \"start\": %.6f, \"duration\": %.6f", seconds(t, start + c->position),
            seconds(t, length));
    if (scores)
        fprintf(t->f, ", \"score\": %.4f", (double)scores->sentence);
    add_json_list(t, "words", c->words, c->n_words, start, false, scores);
    add_json_list(t, "phonemes", c->phonemes, c->n_phonemes, start, true, scores);
    fputc('}', t->f);
    t->count++;
}

/* Text in a line of its own: what would end the line or the field becomes a blank. */
static void put_plain(FILE *f, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fputc((unsigned char)text[i] < 0x20 ? ' ' : text[i], f);
}

static void add_tsv_row(const timings *t, const char *kind, const clvits_timing *what,
                        int64_t start, const float *score)
{
    fprintf(t->f, "%.6f\t%.6f\t%s\t", seconds(t, start + what->start), seconds(t, what->length),
            kind);
    put_plain(t->f, what->text, what->n);
    if (score)
        fprintf(t->f, "\t%.4f", (double)*score);
    else if (t->scored)
        fputc('\t', t->f);
    fputc('\n', t->f);
}

/* Sentences and phonemes have scores. */
static void add_tsv(const timings *t, const clvits_chunk *c, const char *text, int64_t start,
                    int64_t length, const timings_scores *scores)
{
    const clvits_timing sentence = { .text = text, .n = c->text_n, .start = c->position,
                                     .length = length };

    add_tsv_row(t, "sentence", &sentence, start, scores ? &scores->sentence : NULL);
    for (size_t i = 0; i < c->n_words; i++)
        add_tsv_row(t, "word", &c->words[i], start, NULL);
    for (size_t i = 0; i < c->n_phonemes; i++)
        add_tsv_row(t, "phoneme", &c->phonemes[i], start, scores ? &scores->phonemes[i] : NULL);
}

static void put_srt_time(const timings *t, int64_t samples)
{
    const long long ms = (samples * 1000 + t->rate / 2) / t->rate;
    fprintf(t->f, "%02lld:%02lld:%02lld,%03lld", ms / 3600000, ms / 60000 % 60,
            ms / 1000 % 60, ms % 1000);
}

static void add_cue(timings *t, const char *text, size_t n, int64_t start, int64_t end)
{
    while (n && (unsigned char)text[n - 1] <= ' ')
        n--;
    if (!n)
        return;
    fprintf(t->f, "%s%d\n", t->count ? "\n" : "", t->count + 1);
    t->count++;
    put_srt_time(t, start);
    fputs(" --> ", t->f);
    put_srt_time(t, end);
    fputc('\n', t->f);
    put_plain(t->f, text, n);
    fputc('\n', t->f);
}

static size_t characters(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* A cue is a sentence, or as many of its words as fit; punctuation stays with the word before. */
static void add_srt(timings *t, const clvits_chunk *c, const char *text, int64_t start,
                    int64_t length)
{
    const char *end = text + c->text_n, *from = text;
    int64_t cue_start = start + c->position;

    for (size_t i = 1; i < c->n_words; i++) {
        const char *next = i + 1 < c->n_words ? c->words[i + 1].text : end;
        if (characters(from, (size_t)(next - from)) <= CUE_CHARACTERS)
            continue;
        const int64_t cue_end = start + c->words[i].start;
        add_cue(t, from, (size_t)(c->words[i].text - from), cue_start, cue_end);
        from = c->words[i].text;
        cue_start = cue_end;
    }
    add_cue(t, from, (size_t)(end - from), cue_start, start + c->position + length);
}

static void add_grid(timings *t, const clvits_chunk *c, const char *text, int64_t start,
                     int64_t length)
{
    timings_grid_add(t, TIMINGS_SENTENCES, text, c->text_n, start + c->position, length);
    for (size_t i = 0; i < c->n_words; i++)
        timings_grid_add(t, TIMINGS_WORDS, c->words[i].text, c->words[i].n,
                         start + c->words[i].start, c->words[i].length);
    for (size_t i = 0; i < c->n_phonemes; i++)
        timings_grid_add(t, TIMINGS_PHONEMES, c->phonemes[i].text, c->phonemes[i].n,
                         start + c->phonemes[i].start, c->phonemes[i].length);
}

void timings_add(timings *t, const clvits_chunk *chunk, const char *text, int64_t start,
                 int64_t length, const timings_scores *scores)
{
    text = text ? text + chunk->text_start : "";
    if (t->format == TIMINGS_JSON)
        add_json(t, chunk, text, start, length, scores);
    else if (t->format == TIMINGS_TSV)
        add_tsv(t, chunk, text, start, length, scores);
    else if (t->format == TIMINGS_SRT)
        add_srt(t, chunk, text, start, length);
    else if (t->format == TIMINGS_GRID)
        add_grid(t, chunk, text, start, length);
}

int timings_finish(timings *t, int64_t samples)
{
    if (t->format == TIMINGS_NONE)
        return CODE_OK;
    if (t->format == TIMINGS_JSON && t->scored)
        fprintf(t->f, "\n], \"duration\": %.6f, \"score\": %.4f}\n", seconds(t, samples),
                (double)t->score);
    else if (t->format == TIMINGS_JSON)
        fprintf(t->f, "\n], \"duration\": %.6f}\n", seconds(t, samples));
    else if (t->format == TIMINGS_GRID)
        timings_grid_write(t, samples);
    t->format = TIMINGS_NONE;
    const bool failed = t->failed;
    timings_grid_free(t);
    if (failed)
        return program_fail(CODE_FAILED, "out of memory for the timings");
    return t->file.f ? text_file_finish(&t->file) : program_flush();
}

void timings_discard(timings *t)
{
    timings_grid_free(t);
    text_file_discard(&t->file);
    t->format = TIMINGS_NONE;
}
