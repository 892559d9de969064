// SPDX-License-Identifier: MIT
#include "text/espeak_library.h"
#include "text/piece.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/*
 * Which word of the text a phoneme belongs to
 *
 * espeak-ng gives a clause as groups between spaces. They are usually the words, but "in the"
 * comes as one group and "21" as several. Where every word is plain letters and the counts agree,
 * groups are words. Else each word is phonemised alone, and the phonemes of the clause are aligned
 * with those of all words in a row by the least number of edits; what was inserted belongs to the
 * word before. A clause too long for that is divided in proportion.
 */

enum { ALIGN_CELLS = 1 << 20 };

/* The sounds of a piece of IPA: everything but spaces, stress, length and combining marks. */
typedef struct sounds {
    uint32_t *c;
    int32_t *tag; /* byte offset, or word */
    size_t n;
} sounds;

static int is_stress(uint32_t c)
{
    return c == 0x2C8 || c == 0x2CC;
}

static int is_sound(uint32_t c)
{
    return c != ' ' && !(c >= 0x2B0 && c < 0x370);
}

static clvits_status sounds_alloc(sounds *s, size_t n, clvits_arena *a, clvits_report *r)
{
    s->n = 0;
    s->c = clvits_arena_array(a, n, sizeof(*s->c));
    s->tag = clvits_arena_array(a, n, sizeof(*s->tag));
    return s->c && s->tag ? CLVITS_OK : clvits_fail_memory(r, "phonemes");
}

/* Add the sounds of IPA with a tag for all of them; with -1 each gets its byte offset. */
static void sounds_add(sounds *s, const char *ipa, size_t n, int32_t tag)
{
    for (size_t i = 0; i < n;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, ipa + i, n - i);
        if (is_sound(c)) {
            s->c[s->n] = c;
            s->tag[s->n++] = tag < 0 ? (int32_t)i : tag;
        }
        i += length ? (size_t)length : 1;
    }
}

/* Align x with y; owner[i] becomes the tag of the sound in y that x[i] goes with. */
static int align(int32_t *owner, const sounds *x, const sounds *y)
{
    const size_t w = y->n + 1;
    if (!y->n || (x->n + 1) > ALIGN_CELLS / w)
        return 0;
    uint16_t *cost = malloc(2 * w * sizeof(*cost));
    char *from = malloc((x->n + 1) * w);
    if (!cost || !from) {
        free(cost);
        free(from);
        return 0;
    }
    uint16_t *above = cost, *row = cost + w;
    for (size_t j = 0; j < w; j++) {
        row[j] = (uint16_t)(j < UINT16_MAX ? j : UINT16_MAX);
        from[j] = 'y';
    }
    for (size_t i = 1; i <= x->n; i++) {
        uint16_t *swap = above;
        above = row;
        row = swap;
        row[0] = (uint16_t)(above[0] + (above[0] < UINT16_MAX));
        from[i * w] = 'x';
        for (size_t j = 1; j < w; j++) {
            const unsigned both = above[j - 1] + (x->c[i - 1] != y->c[j - 1]);
            const unsigned skip_x = above[j] + 1u, skip_y = row[j - 1] + 1u;
            const unsigned best = both <= skip_x && both <= skip_y ? both
                                  : skip_x <= skip_y               ? skip_x
                                                                   : skip_y;
            from[i * w + j] = best == both ? 'b' : best == skip_x ? 'x' : 'y';
            row[j] = (uint16_t)(best < UINT16_MAX ? best : UINT16_MAX);
        }
    }
    for (size_t i = x->n, j = y->n; i;) {
        const char step = from[i * w + j];
        if (step != 'y')
            owner[--i] = y->tag[j ? j - 1 : 0];
        if (step != 'x')
            j--;
    }
    free(cost);
    free(from);
    return 1;
}

static int is_plain(const char *text, clvits_span word)
{
    for (size_t i = word.start; i < word.end; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x80 && c != '\'' && !((c | 32) >= 'a' && (c | 32) <= 'z'))
            return 0;
    }
    return 1;
}

/* The words of the clause: -1 on failure, else whether all of them are plain. */
static int find_words(clvits_piece *p, const char *text, clvits_span clause)
{
    clvits_span word;
    int plain = 1;

    for (size_t at = clause.start; clvits_split_word(&word, text, at, clause.end); at = word.end) {
        if (clvits_piece_word(p, word) < 0)
            return -1;
        plain &= is_plain(text, word);
    }
    return plain;
}

/* owner[i] for every sound of the clause by alignment with the words on their own. */
static clvits_status attribute(int32_t *owner, const sounds *x, clvits_piece *p, const char *text,
                               size_t first)
{
    const size_t n_words = p->n_words - first;
    char **alone = clvits_arena_array(&p->arena, n_words, sizeof(*alone));
    size_t total = 0;
    sounds y;

    if (!alone)
        return clvits_fail_memory(p->report, "phonemes");
    for (size_t k = 0; k < n_words; k++) {
        const clvits_word w = p->words[first + k];
        const clvits_status status = clvits_espeak_ipa(
            &alone[k], &p->arena, p->settings->espeak_voice, text + w.start, w.n, p->report);
        if (status)
            return status;
        total += strlen(alone[k]);
    }
    if (sounds_alloc(&y, total, &p->arena, p->report))
        return CLVITS_E_MEMORY;
    for (size_t k = 0; k < n_words; k++)
        sounds_add(&y, alone[k], strlen(alone[k]), (int32_t)(first + k));
    if (!align(owner, x, &y))
        for (size_t i = 0; i < x->n; i++)
            owner[i] = y.n ? y.tag[i * y.n / x->n] : (int32_t)(first + i * n_words / x->n);
    return CLVITS_OK;
}

/* From the sounds to all bytes: stress goes with what follows, the rest with what precedes. */
static void spread(int32_t *map, const char *ipa, size_t n, const sounds *x, const int32_t *owner)
{
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = ' ';
        while (next < x->n && x->tag[next] <= (int32_t)i)
            next++;
        const int32_t before = next ? owner[next - 1] : -1;
        const int32_t after = next < x->n ? owner[next] : -1;
        clvits_utf8_read(&c, ipa + i, n - i);
        if (c == ' ' && ipa[i] == ' ')
            map[i] = before == after ? before : -1;
        else
            map[i] = is_stress(c) && after >= 0 ? after : before >= 0 ? before : after;
    }
}

static clvits_status speak_clause(clvits_piece *p, const char *text, clvits_span clause)
{
    const size_t first = p->n_words;
    const int plain = find_words(p, text, clause);
    size_t groups = 0;
    sounds x;
    char *ipa;

    if (plain < 0)
        return CLVITS_E_MEMORY;
    clvits_status status =
        clvits_espeak_ipa(&ipa, &p->arena, p->settings->espeak_voice, text + clause.start,
                          clause.end - clause.start, p->report);
    const size_t n = status ? 0 : strlen(ipa);
    if (status || !n)
        return status;
    int32_t *map = clvits_arena_array(&p->arena, n, sizeof(*map));
    int32_t *owner = clvits_arena_array(&p->arena, n, sizeof(*owner));
    if (!map || !owner)
        return clvits_fail_memory(p->report, "phonemes");
    if (sounds_alloc(&x, n, &p->arena, p->report))
        return CLVITS_E_MEMORY;
    sounds_add(&x, ipa, n, -1);

    for (size_t i = 0, k = 0; i < n; i++) {
        groups += !i || ipa[i - 1] == ' ';
        while (k < x.n && x.tag[k] <= (int32_t)i)
            owner[k++] = (int32_t)(first + groups - 1);
    }
    if (p->n_words == first)
        memset(owner, 0xFF, n * sizeof(*owner)); /* a sign that is read out, but no word */
    else if (!plain || groups != p->n_words - first)
        status = attribute(owner, &x, p, text, first);
    if (status)
        return status;
    spread(map, ipa, n, &x, owner);

    if (p->n_tokens && p->tokens[p->n_tokens - 1].class != CLVITS_TOKEN_SPACE)
        status = clvits_piece_mark(p, ' ', -1);
    return status ? status : clvits_piece_phonemes(p, ipa, n, map, -1);
}

/* The inside of [[ ]]: phonemes as they stand, every group between spaces a word of its own. */
static clvits_status speak_block(clvits_piece *p, const char *text, clvits_span block)
{
    clvits_status status = CLVITS_OK;

    for (size_t at = block.start; at < block.end && !status;) {
        size_t end = at;
        while (end < block.end && text[end] != ' ')
            end++;
        if (end > at) {
            const int32_t word = clvits_piece_word(p, (clvits_span){ at, end });
            if (word < 0)
                return CLVITS_E_MEMORY;
            if (p->n_tokens && p->tokens[p->n_tokens - 1].class != CLVITS_TOKEN_SPACE)
                status = clvits_piece_mark(p, ' ', -1);
            if (!status)
                status = clvits_piece_phonemes(p, text + at, end - at, NULL, word);
        }
        at = end + (end == at);
    }
    return status;
}

clvits_status clvits_text_espeak(clvits_piece *p, const char *text, clvits_span sentence)
{
    clvits_clause clause;
    size_t at = sentence.start;

    while (clvits_split_clause(&clause, text, at, sentence.end)) {
        clvits_status status =
            clause.block ? speak_block(p, text, clause.span) : speak_clause(p, text, clause.span);
        if (!status && clause.mark && p->n_tokens &&
            p->tokens[p->n_tokens - 1].class == CLVITS_TOKEN_SOUND)
            status = clvits_piece_mark(p, clause.mark, -1);
        if (status)
            return status;
        at = clause.next;
    }
    return CLVITS_OK;
}

clvits_status clvits_espeak_check(const char *voice, clvits_report *r)
{
    clvits_arena arena = { 0 };
    char *ipa;
    const clvits_status status = clvits_espeak_ipa(&ipa, &arena, voice, "a", 1, r);

    clvits_arena_free(&arena);
    return status;
}
