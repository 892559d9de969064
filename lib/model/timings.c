// SPDX-License-Identifier: MIT
#include "model/speak.h"

#include <string.h>

clvits_status clvits_voice_check_who(const clvits_voice *v, int speaker, int language,
                                     clvits_report *r)
{
    const clvits_config *c = &v->file.config;
    const int speakers = c->n_speakers > 1 ? c->n_speakers : 1;
    const int languages = c->n_languages > 1 ? c->n_languages : 1;

    if (speaker < 0 || speaker >= speakers)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "speaker %d; this voice has 0 to %d", speaker,
                           speakers - 1);
    if (language < 0 || language >= languages)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "language %d; this voice has 0 to %d", language,
                           languages - 1);
    return CLVITS_OK;
}

clvits_text_settings clvits_voice_text(const clvits_voice *v, int language, int phonemes)
{
    const clvits_voice_file *f = &v->file;
    clvits_text_settings t = f->text;

    for (int i = 0; i < f->n_languages; i++)
        if (f->languages[i].id == language && f->languages[i].espeak_voice)
            t.espeak_voice = f->languages[i].espeak_voice;
    if (phonemes)
        t.kind = CLVITS_TEXT_PHONEMES;
    return t;
}

static void time_phonemes(clvits_timing *phonemes, const clvits_sentence *t,
                          const int32_t *durations, int hop, int64_t at)
{
    int token = -1;

    for (int i = 0; i < t->n_tokens; i++)
        phonemes[i] = (clvits_timing){ .text = t->tokens[i].text, .n = strlen(t->tokens[i].text),
                                       .word = t->tokens[i].word };
    for (int i = 0; i < t->n_ids; i++) {
        const int64_t length = (int64_t)durations[i] * hop;
        if (t->id_tokens[i] >= 0 && t->id_tokens[i] != token) {
            token = t->id_tokens[i];
            phonemes[token].start = at;
        }
        if (token >= 0)
            phonemes[token].length += length;
        at += length;
    }
}

clvits_status clvits_timings_find(clvits_timings *out, clvits_arena *arena,
                                  const clvits_sentence *t, const char *text,
                                  const int32_t *durations, int hop, int64_t position,
                                  clvits_report *r)
{
    clvits_timing *phonemes = clvits_arena_array(arena, (size_t)t->n_tokens, sizeof(*phonemes));
    clvits_timing *words = clvits_arena_array(arena, (size_t)t->n_words, sizeof(*words));

    *out = (clvits_timings){ 0 };
    if (!phonemes || !words)
        return clvits_fail_memory(r, "timings");
    time_phonemes(phonemes, t, durations, hop, position);
    for (int w = 0; w < t->n_words; w++) {
        words[w] = (clvits_timing){ .text = text + t->words[w].start, .n = t->words[w].n,
                                    .start = -1, .word = w };
        for (int i = 0; i < t->n_tokens; i++) {
            if (phonemes[i].word != w)
                continue;
            if (words[w].start < 0)
                words[w].start = phonemes[i].start;
            words[w].length = phonemes[i].start + phonemes[i].length - words[w].start;
        }
        if (words[w].start < 0) /* not spoken: where it would be */
            words[w].start = w ? words[w - 1].start + words[w - 1].length : position;
    }
    *out = (clvits_timings){ phonemes, words, (size_t)t->n_tokens, (size_t)t->n_words };
    return CLVITS_OK;
}
