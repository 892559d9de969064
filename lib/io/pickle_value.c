// SPDX-License-Identifier: MIT
//
// Values of a pickle: how they are read, and the last look at them before anybody does.
#include "io/pickle_machine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

size_t clvits_value_count(const clvits_value *v)
{
    if (v && v->kind == CLVITS_VALUE_LIST)
        return v->items->count;
    return v && v->kind == CLVITS_VALUE_DICT ? v->items->count / 2 : 0;
}

const clvits_value *clvits_value_item(const clvits_value *v, size_t i)
{
    if (i >= clvits_value_count(v))
        return NULL;
    return v->kind == CLVITS_VALUE_DICT ? &v->items->at[2 * i + 1] : &v->items->at[i];
}

const clvits_value *clvits_value_key(const clvits_value *v, size_t i)
{
    return i < clvits_value_count(v) && v->kind == CLVITS_VALUE_DICT ? &v->items->at[2 * i] : NULL;
}

const clvits_value *clvits_value_at(const clvits_value *dict, const char *key)
{
    const size_t length = strlen(key), n = clvits_value_count(dict);

    for (size_t i = 0; i < n; i++) {
        const clvits_value *k = clvits_value_key(dict, i);
        if (!k)
            break;
        if (k->kind == CLVITS_VALUE_TEXT && k->length == length && !memcmp(k->text, key, length))
            return clvits_value_item(dict, i);
    }
    return NULL;
}

const char *clvits_value_text(const clvits_value *v)
{
    return v && v->kind == CLVITS_VALUE_TEXT && strlen(v->text) == v->length ? v->text : NULL;
}

int clvits_value_int(int *out, const clvits_value *v)
{
    if (!v || (v->kind != CLVITS_VALUE_INT && v->kind != CLVITS_VALUE_BOOL) ||
        v->integer < INT_MIN || v->integer > INT_MAX)
        return 0;
    *out = (int)v->integer;
    return 1;
}

int clvits_value_number(double *out, const clvits_value *v)
{
    if (!v || (v->kind != CLVITS_VALUE_INT && v->kind != CLVITS_VALUE_FLOAT))
        return 0;
    *out = v->kind == CLVITS_VALUE_INT ? (double)v->integer : v->number;
    return 1;
}

/* An order in which equal texts come together, but for long ones that begin alike: comparing all
 * of those with each other could take forever. */
static int by_text(const void *a, const void *b)
{
    const clvits_value *x = *(const clvits_value *const *)a, *y = *(const clvits_value *const *)b;
    const uintptr_t p = (uintptr_t)x->text, q = (uintptr_t)y->text;

    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    const int order = p == q ? 0 : memcmp(x->text, y->text, x->length < 128 ? x->length : 128);
    return order ? order : (p > q) - (p < q);
}

static clvits_status check_keys(clvits_machine *m, const clvits_items *dict)
{
    const clvits_value **keys = malloc((dict->count / 2 + 1) * sizeof(*keys));
    clvits_status s = CLVITS_OK;
    size_t n = 0;

    if (!keys)
        return clvits_fail_memory(m->r, "the keys of a dict");
    for (size_t i = 0; i < dict->count; i += 2)
        if (dict->at[i].kind == CLVITS_VALUE_TEXT)
            keys[n++] = &dict->at[i];
    qsort(keys, n, sizeof(*keys), by_text);
    for (size_t i = 1; i < n && !s; i++)
        if (keys[i]->length == keys[i - 1]->length &&
            (keys[i]->text == keys[i - 1]->text ||
             !memcmp(keys[i]->text, keys[i - 1]->text, keys[i]->length)))
            s = clvits_machine_fail(m, CLVITS_E_FORMAT, "a dict has the key \"%.100s\" twice",
                                    keys[i]->text);
    free(keys);
    return s;
}

static clvits_status check_value(clvits_machine *m, clvits_value *v, int level);

/* What going through a value costs; it is checked. */
static uint64_t cost(const clvits_value *v)
{
    if (v->kind == CLVITS_VALUE_LIST || v->kind == CLVITS_VALUE_DICT)
        return v->items->values;
    const bool long_one = v->kind == CLVITS_VALUE_TEXT || v->kind == CLVITS_VALUE_BYTES;
    return long_one ? 1 + v->length / CLVITS_PICKLE_LETTERS : 1;
}

static clvits_status check_items(clvits_machine *m, clvits_items *items, bool dict, int level)
{
    items->seen = CLVITS_ITEMS_OPEN;
    items->height = 1;
    items->values = 1;
    for (size_t i = 0; i < items->count; i++) {
        clvits_value *v = &items->at[i];
        const clvits_status s = check_value(m, v, level + 1);
        if (s)
            return s;
        const bool holds = v->kind == CLVITS_VALUE_LIST || v->kind == CLVITS_VALUE_DICT;
        if (holds && v->items->height >= items->height)
            items->height = v->items->height + 1;
        items->values += cost(v);
        if (items->values > CLVITS_PICKLE_SPELLED)
            return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                       "what its pickle describes, spelled out, has more than %d "
                                       "values, or texts as long as those, which no voice has",
                                       CLVITS_PICKLE_SPELLED);
    }
    items->seen = CLVITS_ITEMS_DONE;
    return dict ? check_keys(m, items) : CLVITS_OK;
}

/* Recursion ends at CLVITS_PICKLE_DEPTH. */
static clvits_status check_value(clvits_machine *m, clvits_value *v, int level)
{
    if (v->kind == CLVITS_VALUE_CLASS)
        v->kind = CLVITS_VALUE_TEXT;
    if (v->kind == CLVITS_VALUE_STORAGE)
        v->kind = CLVITS_VALUE_NONE;
    if (v->kind != CLVITS_VALUE_LIST && v->kind != CLVITS_VALUE_DICT)
        return CLVITS_OK;
    if (v->items->seen == CLVITS_ITEMS_OPEN)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "a list or dict in its pickle holds itself, which nothing in a "
                                   "voice does");
    const int height = v->items->seen == CLVITS_ITEMS_DONE ? v->items->height : 1;
    if (level + height > CLVITS_PICKLE_DEPTH)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "lists and dicts in its pickle are nested more than %d deep, "
                                   "which those of no voice are",
                                   CLVITS_PICKLE_DEPTH);
    if (v->items->seen == CLVITS_ITEMS_DONE)
        return CLVITS_OK;
    return check_items(m, v->items, v->kind == CLVITS_VALUE_DICT, level);
}

clvits_status clvits_machine_check(clvits_machine *m, clvits_value *root)
{
    return check_value(m, root, 0);
}
