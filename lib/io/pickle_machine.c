// SPDX-License-Identifier: MIT
//
// What the operations of a pickle work with: its bytes, the stack, and memory for values.
#include "io/pickle_machine.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 16, ALIGN = 16, LARGE = PIECE / 8 };

clvits_status clvits_machine_fail(clvits_machine *m, clvits_status status, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return clvits_fail(m->r, status, "%s: %s", m->f->path, text);
}

clvits_status clvits_machine_damaged(clvits_machine *m, const char *what)
{
    return clvits_machine_fail(m, CLVITS_E_FORMAT, "its pickle is damaged at byte %llu: %s",
                               (unsigned long long)clvits_machine_position(m), what);
}

static clvits_status too_much(clvits_machine *m)
{
    return clvits_machine_fail(m, CLVITS_E_FORMAT,
                               "what its pickle describes takes more than %d MiB, which that of no "
                               "voice does",
                               CLVITS_PICKLE_MEMORY >> 20);
}

uint64_t clvits_machine_position(const clvits_machine *m)
{
    return m->next - (m->fill - m->at);
}

clvits_status clvits_machine_cut_short(clvits_machine *m)
{
    if (m->end - m->start == CLVITS_PICKLE_BYTES)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "its pickle has more than %d MiB, which that of no voice has",
                                   CLVITS_PICKLE_BYTES >> 20);
    return clvits_machine_fail(m, CLVITS_E_FORMAT,
                               "its pickle is cut short; copy or download the file again");
}

const unsigned char *clvits_machine_need(clvits_machine *m, size_t n)
{
    if (m->fill - m->at < n) {
        const size_t rest = m->fill - m->at;
        size_t more = sizeof(m->buffer) - rest;

        if (m->end - m->next < more)
            more = (size_t)(m->end - m->next);
        memmove(m->buffer, m->buffer + m->at, rest);
        m->at = 0;
        m->fill = rest;
        if (clvits_file_part(m->buffer + rest, more, m->next, m->f, m->r))
            return NULL;
        m->fill += more;
        m->next += more;
        if (m->fill < n) {
            clvits_machine_cut_short(m);
            return NULL;
        }
    }
    m->at += n;
    return m->buffer + m->at - n;
}

clvits_status clvits_machine_number(clvits_machine *m, uint64_t *out, int size)
{
    const unsigned char *bytes = clvits_machine_need(m, (size_t)size);

    if (!bytes)
        return m->r->status;
    *out = 0;
    while (size--)
        *out = *out << 8 | bytes[size];
    return CLVITS_OK;
}

clvits_status clvits_machine_copy(clvits_machine *m, char *to, size_t size)
{
    const size_t here = m->fill - m->at < size ? m->fill - m->at : size;

    memcpy(to, m->buffer + m->at, here);
    m->at += here;
    if (here == size)
        return CLVITS_OK;
    m->next += size - here;
    return clvits_file_part(to + here, size - here, m->next - (size - here), m->f, m->r);
}

clvits_status clvits_machine_line(clvits_machine *m, char out[CLVITS_PICKLE_LINE])
{
    for (size_t n = 0; n < CLVITS_PICKLE_LINE; n++) {
        const unsigned char *c = clvits_machine_need(m, 1);
        if (!c)
            return m->r->status;
        out[n] = (char)*c;
        if (*c == '\n') {
            out[n] = '\0';
            return CLVITS_OK;
        }
    }
    return clvits_machine_damaged(m, "a line in it has no end");
}

clvits_status clvits_machine_grow(clvits_machine *m, void *items, size_t *capacity, size_t count,
                                  size_t size)
{
    void **p = items;
    size_t more = *capacity ? *capacity : 256;

    while (*capacity + more <= count)
        more *= 2;
    if (more > (CLVITS_PICKLE_MEMORY - m->p->used) / size)
        return too_much(m);
    void *larger = realloc(*p, (*capacity + more) * size);
    if (!larger)
        return clvits_fail_memory(m->r, "the stack of a pickle");
    *p = larger;
    *capacity += more;
    m->p->used += more * size;
    return CLVITS_OK;
}

clvits_status clvits_machine_push(clvits_machine *m, clvits_value v)
{
    if (m->depth == m->stack_capacity) {
        const clvits_status s =
            clvits_machine_grow(m, &m->stack, &m->stack_capacity, m->depth, sizeof(*m->stack));
        if (s)
            return s;
    }
    m->stack[m->depth++] = v;
    return CLVITS_OK;
}

const clvits_value *clvits_machine_pop(clvits_machine *m, size_t n)
{
    const size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;

    if (m->depth - floor < n) {
        clvits_machine_damaged(m, "its stack is empty");
        return NULL;
    }
    m->depth -= n;
    return m->stack + m->depth;
}

const clvits_value *clvits_machine_pop_mark(clvits_machine *m, size_t *n)
{
    if (!m->n_marks) {
        clvits_machine_damaged(m, "a mark is missing");
        return NULL;
    }
    const size_t floor = m->marks[--m->n_marks];
    *n = m->depth - floor;
    m->depth = floor;
    return m->stack + floor;
}

const clvits_value *clvits_machine_top(clvits_machine *m, clvits_value_kind kind)
{
    const clvits_value *v = clvits_machine_pop(m, 1);

    if (!v)
        return NULL;
    m->depth++;
    if (v->kind == kind)
        return v;
    clvits_machine_damaged(m, "it adds to what is no container");
    return NULL;
}

void *clvits_machine_take(clvits_machine *m, size_t size)
{
    clvits_pickle *p = m->p;

    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (size > CLVITS_PICKLE_MEMORY - p->used) {
        too_much(m);
        return NULL;
    }
    if (size > p->room_size && size < LARGE) {
        p->room = clvits_arena_alloc(&p->arena, PIECE);
        p->room_size = p->room ? PIECE : 0;
    }
    char *taken = size < LARGE ? p->room : clvits_arena_alloc(&p->arena, size);
    if (!taken) {
        clvits_fail_memory(m->r, "the values of a pickle");
        return NULL;
    }
    if (size < LARGE) {
        p->room += size;
        p->room_size -= size;
    }
    p->used += size;
    return taken;
}

clvits_status clvits_machine_text(clvits_machine *m, clvits_value *out, clvits_value_kind kind,
                                  size_t size, char **bytes)
{
    *bytes = size < CLVITS_PICKLE_MEMORY ? clvits_machine_take(m, size + 1) : NULL;
    if (!*bytes)
        return m->r->status ? m->r->status : too_much(m);
    *out = (clvits_value){ .kind = kind, .length = (uint32_t)size, .text = *bytes };
    return CLVITS_OK;
}

clvits_status clvits_machine_items(clvits_machine *m, clvits_value *out, clvits_value_kind kind,
                                   size_t room)
{
    clvits_items *items = clvits_machine_take(m, sizeof(*items));

    *out = (clvits_value){ .kind = kind, .items = items };
    if (!items)
        return m->r->status;
    if (!room)
        return CLVITS_OK;
    items->at = clvits_machine_take(m, room * sizeof(*items->at));
    items->capacity = room;
    return items->at ? CLVITS_OK : m->r->status;
}

clvits_status clvits_machine_add(clvits_machine *m, clvits_items *to, clvits_value v)
{
    if (to->count == to->capacity) {
        const size_t more = to->capacity ? 2 * to->capacity : 4;
        clvits_value *at = clvits_machine_take(m, more * sizeof(*at));
        if (!at)
            return m->r->status;
        if (to->count)
            memcpy(at, to->at, to->count * sizeof(*at));
        to->at = at;
        to->capacity = more;
    }
    to->at[to->count++] = v;
    return CLVITS_OK;
}

bool clvits_machine_is_utf8(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n) {
        uint32_t c;
        const int length = clvits_utf8_read(&c, text + i, n - i);
        if (!length)
            return false;
        i += (size_t)length;
    }
    return true;
}
