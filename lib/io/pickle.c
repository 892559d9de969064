// SPDX-License-Identifier: MIT
//
// The operations of a pickle, which is a program for a machine with a stack and a memo.
#include "io/pickle_machine.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef clvits_value value;

/* Most are for several codes, told apart by a number. */
typedef clvits_status operation(clvits_machine *m, int with);

static clvits_status push_none(clvits_machine *m, int with)
{
    (void)with;
    return clvits_machine_push(m, (value){ .kind = CLVITS_VALUE_NONE });
}

static clvits_status push_bool(clvits_machine *m, int with)
{
    return clvits_machine_push(m, (value){ .kind = CLVITS_VALUE_BOOL, .integer = with });
}

/* Four bytes have a sign. */
static clvits_status push_int(clvits_machine *m, int size)
{
    uint64_t n;
    const clvits_status s = clvits_machine_number(m, &n, size);

    return s ? s
             : clvits_machine_push(
                   m, (value){ .kind = CLVITS_VALUE_INT,
                               .integer = size == 4 ? (int32_t)(uint32_t)n : (int64_t)n });
}

/* Two's complement of any length, which stands before it in so many bytes. */
static clvits_status push_long(clvits_machine *m, int size)
{
    uint64_t n, bits = 0;
    double sum = 0.0;

    clvits_status s = clvits_machine_number(m, &n, size);
    if (s)
        return s;
    if (n > 255)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "its pickle has a number of %llu bytes, which no voice has",
                                   (unsigned long long)n);
    const unsigned char *bytes = clvits_machine_need(m, (size_t)n);
    if (!bytes)
        return m->r->status;
    const bool negative = n && bytes[n - 1] & 128;
    for (size_t i = 0; i < n; i++)
        sum += ldexp(negative ? 255 - bytes[i] : bytes[i], 8 * (int)i);
    if (n > 8)
        return clvits_machine_push(
            m, (value){ .kind = CLVITS_VALUE_FLOAT, .number = negative ? -sum - 1.0 : sum });
    for (size_t i = 0; i < 8; i++)
        bits |= (uint64_t)(i < n ? bytes[i] : negative ? 255 : 0) << 8 * i;
    return clvits_machine_push(m, (value){ .kind = CLVITS_VALUE_INT, .integer = (int64_t)bits });
}

static clvits_status push_float(clvits_machine *m, int with)
{
    const unsigned char *bytes = clvits_machine_need(m, 8);
    union {
        uint64_t bits;
        double number;
    } v = { 0 };

    (void)with;
    if (!bytes)
        return m->r->status;
    for (int i = 0; i < 8; i++)
        v.bits = v.bits << 8 | bytes[i];
    return clvits_machine_push(m, (value){ .kind = CLVITS_VALUE_FLOAT, .number = v.number });
}

/* Numbers as a line of text; 00 and 01 are booleans. */
static clvits_status push_line_int(clvits_machine *m, int with)
{
    char text[CLVITS_PICKLE_LINE], *end;
    const clvits_status s = clvits_machine_line(m, text);

    (void)with;
    if (s)
        return s;
    if (!strcmp(text, "00") || !strcmp(text, "01"))
        return push_bool(m, text[1] - '0');
    errno = 0;
    const long long n = strtoll(text, &end, 10);
    if (end == text || (*end && strcmp(end, "L")))
        return clvits_machine_damaged(m, "a number in it is none");
    if (errno)
        return clvits_machine_push(
            m, (value){ .kind = CLVITS_VALUE_FLOAT, .number = strtod(text, NULL) });
    return clvits_machine_push(m, (value){ .kind = CLVITS_VALUE_INT, .integer = n });
}

enum { TEXT = 0, BYTES = 16, EITHER = 32 };

/* Its length stands before it in so many bytes. What Python 2 wrote may be either. */
static clvits_status push_text(clvits_machine *m, int with)
{
    const int kind = with & ~15;
    uint64_t n;
    char *bytes;
    value v;

    clvits_status s = clvits_machine_number(m, &n, with & 15);
    if (s)
        return s;
    if (n > m->end - clvits_machine_position(m))
        return clvits_machine_cut_short(m);
    s = clvits_machine_text(m, &v, kind == BYTES ? CLVITS_VALUE_BYTES : CLVITS_VALUE_TEXT, n,
                            &bytes);
    if (!s)
        s = clvits_machine_copy(m, bytes, n);
    if (!s && kind != BYTES && !clvits_machine_is_utf8(bytes, n)) {
        if (kind == TEXT)
            return clvits_machine_damaged(m, "a text in it is not UTF-8");
        v.kind = CLVITS_VALUE_BYTES;
    }
    return s ? s : clvits_machine_push(m, v);
}

static clvits_status push_items(clvits_machine *m, const value *from, size_t n,
                                clvits_value_kind kind)
{
    value v;

    if (kind == CLVITS_VALUE_DICT && n % 2)
        return clvits_machine_damaged(m, "a dict has a key without a value");
    const clvits_status s = clvits_machine_items(m, &v, kind, n);
    if (s)
        return s;
    if (n)
        memcpy(v.items->at, from, n * sizeof(*from));
    v.items->count = n;
    return clvits_machine_push(m, v);
}

static clvits_status push_empty(clvits_machine *m, int kind)
{
    return push_items(m, NULL, 0, (clvits_value_kind)kind);
}

static clvits_status push_tuple(clvits_machine *m, int n)
{
    const value *from = clvits_machine_pop(m, (size_t)n);
    return from ? push_items(m, from, (size_t)n, CLVITS_VALUE_LIST) : m->r->status;
}

static clvits_status push_marked(clvits_machine *m, int kind)
{
    size_t n;
    const value *from = clvits_machine_pop_mark(m, &n);
    return from ? push_items(m, from, n, (clvits_value_kind)kind) : m->r->status;
}

static clvits_status add(clvits_machine *m, const value *from, size_t n, clvits_value_kind kind)
{
    const value *to = clvits_machine_top(m, kind);
    clvits_status s = CLVITS_OK;

    if (!to)
        return m->r->status;
    if (kind == CLVITS_VALUE_DICT && n % 2)
        return clvits_machine_damaged(m, "a dict has a key without a value");
    for (size_t i = 0; i < n && !s; i++)
        s = clvits_machine_add(m, to->items, from[i]);
    return s;
}

static clvits_status append(clvits_machine *m, int with)
{
    const value *from = clvits_machine_pop(m, 1);
    (void)with;
    return from ? add(m, from, 1, CLVITS_VALUE_LIST) : m->r->status;
}

static clvits_status set_item(clvits_machine *m, int with)
{
    const value *from = clvits_machine_pop(m, 2);
    (void)with;
    return from ? add(m, from, 2, CLVITS_VALUE_DICT) : m->r->status;
}

static clvits_status add_marked(clvits_machine *m, int kind)
{
    size_t n;
    const value *from = clvits_machine_pop_mark(m, &n);
    return from ? add(m, from, n, (clvits_value_kind)kind) : m->r->status;
}

static clvits_status mark(clvits_machine *m, int with)
{
    (void)with;
    if (m->n_marks == m->marks_capacity) {
        const clvits_status s =
            clvits_machine_grow(m, &m->marks, &m->marks_capacity, m->n_marks, sizeof(*m->marks));
        if (s)
            return s;
    }
    m->marks[m->n_marks++] = (uint32_t)m->depth;
    return CLVITS_OK;
}

/* Takes a mark when that is on top. */
static clvits_status drop(clvits_machine *m, int with)
{
    (void)with;
    if (m->n_marks && m->marks[m->n_marks - 1] == m->depth) {
        m->n_marks--;
        return CLVITS_OK;
    }
    return clvits_machine_pop(m, 1) ? CLVITS_OK : m->r->status;
}

static clvits_status drop_marked(clvits_machine *m, int with)
{
    size_t n;
    (void)with;
    return clvits_machine_pop_mark(m, &n) ? CLVITS_OK : m->r->status;
}

static clvits_status duplicate(clvits_machine *m, int with)
{
    const value *v = clvits_machine_pop(m, 1);

    (void)with;
    if (!v)
        return m->r->status;
    const value same = *v;
    m->depth++;
    return clvits_machine_push(m, same);
}

/* ---- memo ---- */

static clvits_status put(clvits_machine *m, uint64_t i)
{
    const value *v = clvits_machine_pop(m, 1);

    if (!v)
        return m->r->status;
    m->depth++;
    if (i > clvits_machine_position(m) - m->start)
        return clvits_machine_damaged(m, "its memo has more places than it has bytes");
    if (i >= m->memo_capacity) {
        size_t n = m->memo_capacity;
        const clvits_status s =
            clvits_machine_grow(m, &m->memo, &m->memo_capacity, i, sizeof(*m->memo));
        if (s)
            return s;
        for (; n < m->memo_capacity; n++)
            m->memo[n].kind = CLVITS_VALUE_UNSET;
    }
    m->n_memo += m->memo[i].kind == CLVITS_VALUE_UNSET;
    m->memo[i] = m->stack[m->depth - 1];
    return CLVITS_OK;
}

static clvits_status get(clvits_machine *m, uint64_t i)
{
    if (i >= m->memo_capacity || m->memo[i].kind == CLVITS_VALUE_UNSET)
        return clvits_machine_damaged(m, "it wants something from its memo that is not there");
    return clvits_machine_push(m, m->memo[i]);
}

static clvits_status memo_index(clvits_machine *m, uint64_t *i, int size)
{
    char text[CLVITS_PICKLE_LINE], *end;

    if (size)
        return clvits_machine_number(m, i, size);
    const clvits_status s = clvits_machine_line(m, text);
    if (s)
        return s;
    *i = strtoull(text, &end, 10);
    return *end || end == text ? clvits_machine_damaged(m, "a number in it is none") : CLVITS_OK;
}

static clvits_status memo_put(clvits_machine *m, int size)
{
    uint64_t i;
    const clvits_status s = memo_index(m, &i, size);
    return s ? s : put(m, i);
}

static clvits_status memo_get(clvits_machine *m, int size)
{
    uint64_t i;
    const clvits_status s = memo_index(m, &i, size);
    return s ? s : get(m, i);
}

static clvits_status memoize(clvits_machine *m, int with)
{
    (void)with;
    return put(m, m->n_memo);
}

/* ---- what is called by name ---- */

static clvits_status lines_class(clvits_machine *m, value *out)
{
    char module[CLVITS_PICKLE_LINE], name[CLVITS_PICKLE_LINE];

    clvits_status s = clvits_machine_line(m, module);
    if (!s)
        s = clvits_machine_line(m, name);
    if (!s && (!clvits_machine_is_utf8(module, strlen(module)) ||
               !clvits_machine_is_utf8(name, strlen(name))))
        return clvits_machine_damaged(m, "a name in it is not UTF-8");
    return s ? s : clvits_machine_class(m, out, module, name);
}

static clvits_status push_class(clvits_machine *m, int with)
{
    value v;
    const clvits_status s = lines_class(m, &v);
    (void)with;
    return s ? s : clvits_machine_push(m, v);
}

static clvits_status push_stack_class(clvits_machine *m, int with)
{
    const value *names = clvits_machine_pop(m, 2);
    value v;

    (void)with;
    if (!names)
        return m->r->status;
    /* Going through a long one takes time, and a few bytes ask for it again. */
    if (names[0].length >= CLVITS_PICKLE_LINE || names[1].length >= CLVITS_PICKLE_LINE ||
        !clvits_value_text(&names[0]) || !clvits_value_text(&names[1]))
        return clvits_machine_damaged(m, "the name of a class is no text, or a long one");
    const clvits_status s = clvits_machine_class(m, &v, names[0].text, names[1].text);
    return s ? s : clvits_machine_push(m, v);
}

/* Function and arguments; with names for some of these when there are three. */
static clvits_status call(clvits_machine *m, int n)
{
    const value *from = clvits_machine_pop(m, (size_t)n);
    value v;

    if (!from)
        return m->r->status;
    if (from[1].kind != CLVITS_VALUE_LIST || (n == 3 && clvits_value_count(&from[2])))
        return from[0].kind == CLVITS_VALUE_CLASS && from[1].kind == CLVITS_VALUE_LIST
                   ? clvits_machine_damaged(m, "it calls something with names for arguments")
                   : clvits_machine_damaged(m, "it calls something without arguments");
    const clvits_status s =
        clvits_machine_call(m, &v, from, from[1].items->at, from[1].items->count);
    return s ? s : clvits_machine_push(m, v);
}

/* The class is in two lines of text, or before the arguments; these are above a mark. */
static clvits_status instance(clvits_machine *m, int in_lines)
{
    value class, v;
    size_t n;

    if (in_lines && lines_class(m, &class))
        return m->r->status;
    const value *from = clvits_machine_pop_mark(m, &n);
    if (!from)
        return m->r->status;
    if (!in_lines && !n--)
        return clvits_machine_damaged(m, "its stack is empty");
    if (!in_lines)
        class = *from++;
    const clvits_status s = clvits_machine_call(m, &v, &class, from, n);
    return s ? s : clvits_machine_push(m, v);
}

static clvits_status build(clvits_machine *m, int with)
{
    const value *from = clvits_machine_pop(m, 2);

    (void)with;
    if (!from)
        return m->r->status;
    m->depth++;
    return clvits_machine_build(m, &from[0], &from[1]);
}

static clvits_status persistent(clvits_machine *m, int with)
{
    const value *id = clvits_machine_pop(m, 1);
    value v;

    (void)with;
    if (!id)
        return m->r->status;
    const clvits_status s = clvits_machine_persistent(m, &v, id);
    return s ? s : clvits_machine_push(m, v);
}

/* ---- frames and the rest ---- */

static clvits_status protocol(clvits_machine *m, int with)
{
    const unsigned char *version = clvits_machine_need(m, 1);

    (void)with;
    if (!version)
        return m->r->status;
    return *version <= 5
               ? CLVITS_OK
               : clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                     "its pickle has protocol %d; 0 to 5 are read", *version);
}

static clvits_status skip(clvits_machine *m, int size)
{
    return clvits_machine_need(m, (size_t)size) ? CLVITS_OK : m->r->status;
}

static clvits_status refuse(clvits_machine *m, int code)
{
    return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                               "its pickle has the operation 0x%02x (%s), which PyTorch does not "
                               "use; this is refused",
                               code,
                               code == 'P'                    ? "a persistent id as text"
                               : strchr("FSV", code)          ? "a literal as Python spells it"
                               : code == 0x97 || code == 0x98 ? "a buffer kept elsewhere"
                                                              : "a registered extension");
}

static const struct {
    operation *run;
    int with;
} operations[256] = {
    ['('] = { mark, 0 },
    [')'] = { push_empty, CLVITS_VALUE_LIST },
    ['0'] = { drop, 0 },
    ['1'] = { drop_marked, 0 },
    ['2'] = { duplicate, 0 },
    ['B'] = { push_text, BYTES | 4 },
    ['C'] = { push_text, BYTES | 1 },
    ['F'] = { refuse, 'F' },
    ['G'] = { push_float, 0 },
    ['I'] = { push_line_int, 0 },
    ['J'] = { push_int, 4 },
    ['K'] = { push_int, 1 },
    ['L'] = { push_line_int, 0 },
    ['M'] = { push_int, 2 },
    ['N'] = { push_none, 0 },
    ['P'] = { refuse, 'P' },
    ['Q'] = { persistent, 0 },
    ['R'] = { call, 2 },
    ['S'] = { refuse, 'S' },
    ['T'] = { push_text, EITHER | 4 },
    ['U'] = { push_text, EITHER | 1 },
    ['V'] = { refuse, 'V' },
    ['X'] = { push_text, TEXT | 4 },
    [']'] = { push_empty, CLVITS_VALUE_LIST },
    ['a'] = { append, 0 },
    ['b'] = { build, 0 },
    ['c'] = { push_class, 0 },
    ['d'] = { push_marked, CLVITS_VALUE_DICT },
    ['e'] = { add_marked, CLVITS_VALUE_LIST },
    ['g'] = { memo_get, 0 },
    ['h'] = { memo_get, 1 },
    ['i'] = { instance, 1 },
    ['j'] = { memo_get, 4 },
    ['l'] = { push_marked, CLVITS_VALUE_LIST },
    ['o'] = { instance, 0 },
    ['p'] = { memo_put, 0 },
    ['q'] = { memo_put, 1 },
    ['r'] = { memo_put, 4 },
    ['s'] = { set_item, 0 },
    ['t'] = { push_marked, CLVITS_VALUE_LIST },
    ['u'] = { add_marked, CLVITS_VALUE_DICT },
    ['}'] = { push_empty, CLVITS_VALUE_DICT },
    [0x80] = { protocol, 0 },
    [0x81] = { call, 2 },
    [0x82] = { refuse, 0x82 },
    [0x83] = { refuse, 0x83 },
    [0x84] = { refuse, 0x84 },
    [0x85] = { push_tuple, 1 },
    [0x86] = { push_tuple, 2 },
    [0x87] = { push_tuple, 3 },
    [0x88] = { push_bool, 1 },
    [0x89] = { push_bool, 0 },
    [0x8a] = { push_long, 1 },
    [0x8b] = { push_long, 4 },
    [0x8c] = { push_text, TEXT | 1 },
    [0x8d] = { push_text, TEXT | 8 },
    [0x8e] = { push_text, BYTES | 8 },
    [0x8f] = { push_empty, CLVITS_VALUE_LIST },
    [0x90] = { add_marked, CLVITS_VALUE_LIST },
    [0x91] = { push_marked, CLVITS_VALUE_LIST },
    [0x92] = { call, 3 },
    [0x93] = { push_stack_class, 0 },
    [0x94] = { memoize, 0 },
    [0x95] = { skip, 8 },
    [0x96] = { push_text, BYTES | 8 },
    [0x97] = { refuse, 0x97 },
    [0x98] = { refuse, 0x98 },
};

/* Up to the end of the pickle, which leaves one value. */
static clvits_status run(clvits_machine *m)
{
    clvits_status s = clvits_machine_grow(m, &m->stack, &m->stack_capacity, 0, sizeof(*m->stack));
    while (!s) {
        const unsigned char *code = clvits_machine_need(m, 1);
        if (!code)
            return m->r->status;
        if (*code == '.')
            break;
        if (!operations[*code].run)
            return clvits_machine_damaged(m, "a byte in it is no operation");
        s = operations[*code].run(m, operations[*code].with);
    }
    if (s)
        return s;
    if (m->depth != 1 || m->n_marks)
        return clvits_machine_damaged(m, "it ends before everything is made");
    return clvits_machine_check(m, m->stack);
}

clvits_status clvits_pickle_read(clvits_value *out, clvits_pickle *p, const clvits_file *f,
                                 uint64_t *at, uint64_t end, clvits_report *r)
{
    clvits_machine m = { .p = p, .f = f, .r = r, .start = *at, .end = end, .next = *at };

    *out = (clvits_value){ .kind = CLVITS_VALUE_NONE };
    if (m.end - m.start > CLVITS_PICKLE_BYTES)
        m.end = m.start + CLVITS_PICKLE_BYTES;
    const clvits_status s = run(&m);
    if (!s) {
        *out = m.stack[0];
        *at = clvits_machine_position(&m);
    }
    p->used -= m.stack_capacity * sizeof(*m.stack) + m.memo_capacity * sizeof(*m.memo) +
               m.marks_capacity * sizeof(*m.marks);
    free(m.stack);
    free(m.memo);
    free(m.marks);
    return s;
}

void clvits_pickle_free(clvits_pickle *p)
{
    free(p->storages);
    clvits_arena_free(&p->arena);
    *p = (clvits_pickle){ 0 };
}
