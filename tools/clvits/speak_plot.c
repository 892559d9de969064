// SPDX-License-Identifier: MIT
//
// A picture of what is spoken: samples and timings are kept until all of it is there.
#include "speak.h"

#include <stdlib.h>
#include <string.h>

int speech_plot_open(speech_plot *p, const char *path)
{
    *p = (speech_plot){ 0 };
    return path ? text_file_open(&p->file, path) : CODE_OK;
}

/* Room for `more` things of so many bytes behind n of them. Returns a code. */
static int reserve(void *list, size_t n, size_t more, size_t size, size_t *capacity)
{
    void **p = list;

    if (n + more <= *capacity)
        return CODE_OK;
    void *larger = realloc(*p, (2 * *capacity + more) * size);
    if (!larger)
        return program_fail(CODE_FAILED, "out of memory for a picture");
    *capacity = 2 * *capacity + more;
    *p = larger;
    return CODE_OK;
}

int speech_plot_write(speech_plot *p, const float *samples, size_t n)
{
    if (!p->file.f)
        return CODE_OK;
    const int code = reserve(&p->samples, p->n, n, sizeof(*samples), &p->capacity);
    if (!code) {
        memcpy(p->samples + p->n, samples, n * sizeof(*samples));
        p->n += n;
    }
    return code;
}

static int add_labels(plot_labels *l, const clvits_timing *list, size_t n, int64_t start)
{
    int code = reserve(&l->list, l->n, n, sizeof(*list), &l->capacity);

    for (size_t i = 0; i < n && !code; i++) {
        clvits_timing t = list[i];
        char *text = malloc(t.n + 1);
        if (!text)
            return program_fail(CODE_FAILED, "out of memory for a picture");
        memcpy(text, t.text, t.n);
        text[t.n] = '\0';
        t.text = text;
        t.start += start;
        l->list[l->n++] = t;
    }
    return code;
}

int speech_plot_add(speech_plot *p, const clvits_chunk *c, int64_t start)
{
    int code = CODE_OK;

    if (p->file.f)
        code = add_labels(&p->phonemes, c->phonemes, c->n_phonemes, start);
    if (p->file.f && !code)
        code = add_labels(&p->words, c->words, c->n_words, start);
    return code;
}

static int write_piece(void *file, const char *text, size_t n)
{
    return fwrite(text, 1, n, file) != n;
}

int plot_file_finish(text_file *file, clvits_context *context, const clvits_plot *plot)
{
    const clvits_status s = clvits_plot_write(context, plot, write_piece, file->f);

    if (s == CLVITS_OK || (s == CLVITS_E_CANCELLED && !program_signal()))
        return text_file_finish(file); /* says so when writing failed */
    text_file_discard(file);
    return s == CLVITS_E_CANCELLED
               ? program_interrupted()
               : program_fail(program_code(s, CODE_FAILED), "%s", clvits_context_error(context));
}

int speech_plot_finish(speech_plot *p, clvits_context *context, int rate)
{
    const clvits_plot plot = { p->samples, p->n, rate, p->phonemes.list, p->phonemes.n,
                               p->words.list, p->words.n };

    const int code = p->file.f ? plot_file_finish(&p->file, context, &plot) : CODE_OK;
    speech_plot_discard(p);
    return code;
}

static void free_labels(plot_labels *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((char *)(uintptr_t)l->list[i].text);
    free(l->list);
}

void speech_plot_discard(speech_plot *p)
{
    text_file_discard(&p->file);
    free(p->samples);
    free_labels(&p->phonemes);
    free_labels(&p->words);
    *p = (speech_plot){ 0 };
}
