// SPDX-License-Identifier: MIT
//
// What a pickle is read with; seen by lib/io/pickle*.c alone.
#ifndef CLVITS_IO_PICKLE_MACHINE_H
#define CLVITS_IO_PICKLE_MACHINE_H

#include "io/pickle.h"

/* Voices with their optimizer's state have some 0.5 MB of pickle and 4000 tensors. */
enum {
    CLVITS_PICKLE_BYTES = 32 << 20,  /* of one pickle */
    CLVITS_PICKLE_MEMORY = 32 << 20, /* for what all pickles of a file make */
    CLVITS_PICKLE_TENSORS = 1 << 14,
    CLVITS_PICKLE_DEPTH = 100,       /* containers in containers */
    CLVITS_PICKLE_LINE = 512,        /* of text, its end included */
    CLVITS_PICKLE_SPELLED = 1 << 22, /* values, where what is shared counts each time, */
    CLVITS_PICKLE_LETTERS = 8,       /* and so many bytes of a text as one more */
};

/** A list or dict, with room to grow while a pickle is read. */
typedef struct clvits_items {
    clvits_value *at; /* a dict has two for each entry */
    size_t count;     /* of values: of a dict even */
    size_t capacity;
    bool attributes; /* a dict that takes the state of an object */
    /* For the last look at everything: */
    enum { CLVITS_ITEMS_NEW, CLVITS_ITEMS_OPEN, CLVITS_ITEMS_DONE } seen;
    int height;      /* containers within, itself included */
    uint64_t values; /* within, spelled out */
} clvits_items;

typedef struct clvits_machine {
    clvits_pickle *p;
    const clvits_file *f;
    clvits_report *r;
    uint64_t start, end; /* of the pickle, in the file */
    uint64_t next;       /* what comes after the buffer */
    size_t at, fill;     /* of the buffer */
    clvits_value *stack, *memo;
    size_t depth, stack_capacity, memo_capacity, n_memo;
    uint32_t *marks; /* depths of the stack */
    size_t n_marks, marks_capacity;
    unsigned char buffer[1 << 14];
} clvits_machine;

/** Fail with the file's name before the message. */
__attribute__((format(printf, 3, 4))) clvits_status
clvits_machine_fail(clvits_machine *m, clvits_status status, const char *format, ...);

/** Fail because the bytes are no pickle; what is wrong, as in "a mark is missing". */
clvits_status clvits_machine_damaged(clvits_machine *m, const char *what);

/** Where in the file the next byte comes from. */
uint64_t clvits_machine_position(const clvits_machine *m);

/** Fail because the pickle goes on where its bytes end. */
clvits_status clvits_machine_cut_short(clvits_machine *m);

/** The next bytes, at most as many as the buffer has; NULL after a failure. */
const unsigned char *clvits_machine_need(clvits_machine *m, size_t n);

/** A number of so many bytes, the least significant first. */
clvits_status clvits_machine_number(clvits_machine *m, uint64_t *out, int size);

/** The next bytes, any number of them that are there. */
clvits_status clvits_machine_copy(clvits_machine *m, char *to, size_t size);

/** A line of text without its end. */
clvits_status clvits_machine_line(clvits_machine *m, char out[CLVITS_PICKLE_LINE]);

/** Room for more items than count, at a pointer; its memory counts as long as the pickle is read.
 */
clvits_status clvits_machine_grow(clvits_machine *m, void *items, size_t *capacity, size_t count,
                                  size_t size);

clvits_status clvits_machine_push(clvits_machine *m, clvits_value v);

/** The last n values, above the last mark; they stay where they are until something is pushed. */
const clvits_value *clvits_machine_pop(clvits_machine *m, size_t n);

/** All values above the last mark, likewise. */
const clvits_value *clvits_machine_pop_mark(clvits_machine *m, size_t *n);

/** The container of the given kind on top, which stays there. */
const clvits_value *clvits_machine_top(clvits_machine *m, clvits_value_kind kind);

/** Zeroed memory that lasts as long as the values; NULL after a failure. */
void *clvits_machine_take(clvits_machine *m, size_t size);

/** Text or bytes of that size, of which the caller writes the content at *bytes. */
clvits_status clvits_machine_text(clvits_machine *m, clvits_value *out, clvits_value_kind kind,
                                  size_t size, char **bytes);

/** An empty LIST or DICT with room for so many values. */
clvits_status clvits_machine_items(clvits_machine *m, clvits_value *out, clvits_value_kind kind,
                                   size_t room);

/** Add a value to a LIST, or a key or value to a DICT. */
clvits_status clvits_machine_add(clvits_machine *m, clvits_items *to, clvits_value v);

/**
 * What a class or function that is known to be harmless makes of its arguments; refuses any other
 * by its name. Nothing is run.
 *
 * @param callee  a CLASS, else this fails
 */
clvits_status clvits_machine_call(clvits_machine *m, clvits_value *out, const clvits_value *callee,
                                  const clvits_value *arguments, size_t n);

/** A CLASS, whether it is known or not. */
clvits_status clvits_machine_class(clvits_machine *m, clvits_value *out, const char *module,
                                   const char *name);

/** Give an object the state that was saved of it. */
clvits_status clvits_machine_build(clvits_machine *m, const clvits_value *object,
                                   const clvits_value *state);

/** The storage that a persistent id names. */
clvits_status clvits_machine_persistent(clvits_machine *m, clvits_value *out,
                                        const clvits_value *id);

/** Calls that make tensors, see clvits_machine_call(). */
clvits_status clvits_machine_tensor(clvits_machine *m, clvits_value *out,
                                    const clvits_value *arguments, size_t n);
clvits_status clvits_machine_tensor_typed(clvits_machine *m, clvits_value *out,
                                          const clvits_value *arguments, size_t n);

/** Whether text of n bytes is UTF-8. */
bool clvits_machine_is_utf8(const char *text, size_t n);

/** Look at all that a pickle made: no cycles, no depths, no texts twice in a dict, and not too much
 *  where what is shared counts each time. */
clvits_status clvits_machine_check(clvits_machine *m, clvits_value *root);

#endif
