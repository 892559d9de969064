// SPDX-License-Identifier: MIT
#include "text/text.h"
#include "text/utf8.h"

#include <string.h>

/* The slot that holds the text, or the empty one where it belongs. */
static uint32_t *slot(const clvits_symbols *s, const char *text, size_t n)
{
    for (size_t i = clvits_text_hash(text, n) & (s->n_slots - 1);; i = (i + 1) & (s->n_slots - 1)) {
        const clvits_symbol *found = s->slots[i] ? &s->items[s->slots[i] - 1] : NULL;
        if (!found || (found->n == n && !memcmp(found->text, text, n)))
            return &s->slots[i];
    }
}

static int grow(clvits_symbols *s)
{
    const size_t capacity = s->capacity ? 2 * s->capacity : 256;
    clvits_symbol *items = clvits_arena_array(&s->arena, capacity, sizeof(*items));
    uint32_t *slots = clvits_arena_array(&s->arena, 2 * capacity, sizeof(*slots));

    if (!items || !slots || capacity > UINT32_MAX / 4)
        return 0;
    if (s->count)
        memcpy(items, s->items, s->count * sizeof(*items));
    s->items = items;
    s->capacity = capacity;
    s->slots = slots;
    s->n_slots = 2 * capacity;
    for (size_t i = 0; i < s->count; i++)
        *slot(s, items[i].text, items[i].n) = (uint32_t)i + 1;
    return 1;
}

clvits_status clvits_symbols_add(clvits_symbols *s, const char *text, const int32_t *ids, int n_ids,
                                 clvits_report *r)
{
    const size_t n = strlen(text);
    const size_t bad = clvits_utf8_check(text, n);

    if (!n)
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice's symbol table has an empty symbol");
    if (bad < n)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "a symbol of the voice's table is not UTF-8 at byte %zu", bad);
    if (n_ids < 1)
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice gives no id to the symbol \"%.40s\"",
                           text);
    for (int i = 0; i < n_ids; i++)
        if (ids[i] < 0)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "the voice gives the negative id %d to the symbol \"%.40s\"",
                               (int)ids[i], text);

    if (s->count == s->capacity && !grow(s))
        return clvits_fail_memory(r, "the symbol table");
    int32_t *copy = clvits_arena_array(&s->arena, (size_t)n_ids, sizeof(*copy));
    if (!copy)
        return clvits_fail_memory(r, "the symbol table");
    memcpy(copy, ids, (size_t)n_ids * sizeof(*copy));

    uint32_t *at = slot(s, text, n);
    if (!*at) {
        clvits_symbol *item = &s->items[s->count];
        item->text = clvits_arena_text(&s->arena, text, n);
        if (!item->text)
            return clvits_fail_memory(r, "the symbol table");
        item->n = n;
        *at = (uint32_t)++s->count;
        s->longest = n > s->longest ? n : s->longest;
    }
    s->items[*at - 1].ids = copy;
    s->items[*at - 1].n_ids = n_ids;
    return CLVITS_OK;
}

const clvits_symbol *clvits_symbols_find(const clvits_symbols *s, const char *text, size_t n)
{
    if (!s->n_slots || !n || n > s->longest)
        return NULL;
    const uint32_t at = *slot(s, text, n);
    return at ? &s->items[at - 1] : NULL;
}

const clvits_symbol *clvits_symbols_match(const clvits_symbols *s, const char *text, size_t n)
{
    for (size_t k = n < s->longest ? n : s->longest; k; k--) {
        const clvits_symbol *found = clvits_symbols_find(s, text, k);
        if (found)
            return found;
    }
    return NULL;
}

const char *clvits_symbols_text(const clvits_symbols *s, int32_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].ids[0] == id)
            return s->items[i].text;
    return NULL;
}

void clvits_symbols_free(clvits_symbols *s)
{
    clvits_arena_free(&s->arena);
    *s = (clvits_symbols){ 0 };
}
