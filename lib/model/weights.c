// SPDX-License-Identifier: MIT
#include "model/weights.h"
#include "model/weights_names.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array of the file under its canonical name. */
typedef struct entry {
    char name[112];
    clvits_weight_part part;
    int used;
    int alone; /* nothing else in the file lies where its data does */
    const clvits_array *array;
} entry;

/* How many of a kind of trouble there were, and the first few in words. */
typedef struct trouble {
    int count, listed;
    char text[120];
} trouble;

typedef struct gather {
    clvits_arrays *out;
    clvits_report *r;
    entry *entries; /* sorted by name and part */
    size_t n_entries;
    clvits_arrays *taken; /* whose data that is alone may be lost, or NULL */
    trouble missing, wrong, left;
} gather;

static void note(trouble *t, const char *text)
{
    const size_t used = strlen(t->text), room = sizeof(t->text) - used;
    const int whole_fits = strlen(text) + sizeof(", ") <= room;

    t->count++;
    if (t->listed == t->count - 1 && (whole_fits || t->listed == 0)) {
        snprintf(t->text + used, room, "%s%s", t->listed ? ", " : "", text);
        t->listed++;
    }
}

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int names = strcmp(x->name, y->name);
    return names ? names : (int)x->part - (int)y->part;
}

static entry *find(const gather *g, const char *name, clvits_weight_part part)
{
    entry key = { .part = part };

    snprintf(key.name, sizeof(key.name), "%s", name);
    return bsearch(&key, g->entries, g->n_entries, sizeof(key), by_name);
}

/* Trailing axes of one make no difference: a Linear's [O, I] is a convolution's [O, I, 1]. */
static int same_shape(const clvits_array *a, const clvits_weight *w)
{
    for (int i = 0; i < 4; i++) {
        const int64_t x = i < a->rank ? a->shape[i] : 1;
        const int64_t y = i < w->rank ? w->shape[i] : 1;
        if (x != y)
            return 0;
    }
    return 1;
}

static int is_real(const clvits_array *a)
{
    return a->dtype != CLVITS_DTYPE_I32 && a->dtype != CLVITS_DTYPE_I64;
}

static void put_shape(char *out, size_t size, const int64_t *shape, int rank)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%lld", i ? "," : "",
                                 (long long)shape[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

static void note_wrong(gather *g, const clvits_array *a, const clvits_weight *w)
{
    char text[240], is[48], should[48];

    put_shape(is, sizeof(is), a->shape, a->rank);
    put_shape(should, sizeof(should), w->shape, w->rank);
    snprintf(text, sizeof(text), "%s is %s%s, not %s", w->name, is,
             is_real(a) ? "" : " of integers", should);
    note(&g->wrong, text);
}

/* Float data of the array: the file's own where it can be used in place. */
static const float *real_data(gather *g, const entry *e, int writable)
{
    const clvits_array *a = e->array;
    const int mine = g->taken && e->alone;

    writable = writable && !mine;
    if (a->dtype == CLVITS_DTYPE_F32 && !writable &&
        (uintptr_t)a->data % _Alignof(float) == 0)
        return a->data;

    float *copy = clvits_arena_array(&g->out->arena, (size_t)clvits_array_count(a), sizeof(*copy));
    if (copy)
        clvits_array_floats(a, copy);
    if (copy && mine)
        clvits_arrays_give_back(g->taken, a); /* else halves are there twice until all are read */
    return copy;
}

/* Added up in lanes, which compilers keep in vectors. */
static double sum_of_squares(const float *v, int64_t n)
{
    double lane[8] = { 0 }, sum = 0;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] += (double)v[i + k] * v[i + k];
    for (; i < n; i++)
        sum += (double)v[i] * v[i];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    return sum;
}

/* w = g v/|v| in place, the norm taken over all axes but the first. */
static void fold(float *v, const float *gain, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++, v += columns) {
        const double square = sum_of_squares(v, columns), norm = sqrt(square);
        if (gain[i] == (float)norm)
            continue; /* v is w itself, to the last bit that a gain can have */
        const double scale = square > 0 ? gain[i] / norm : 0;
        for (int64_t j = 0; j < columns; j++)
            v[j] = (float)(v[j] * scale);
    }
}

static const float *folded_data(gather *g, const clvits_array *gain, const entry *direction)
{
    const int64_t rows = clvits_array_count(gain);
    float *v = (float *)real_data(g, direction, 1);
    float *gains = malloc((size_t)rows * sizeof(*gains));

    if (v && gains) {
        clvits_array_floats(gain, gains);
        fold(v, gains, rows, clvits_array_count(direction->array) / rows);
    }
    free(gains);
    return gains ? v : NULL;
}

/* Infinities and NaN have all bits of the exponent set. Four at a time, which compilers do not do
 * by themselves at every level: this reads every weight there is. */
static int all_finite(const float *data, int64_t n)
{
    typedef int32_t quad __attribute__((vector_size(16)));
    const quad exponent = { 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000 };
    quad bad = { 0 };
    int64_t i = 0;

    for (; i + 4 <= n; i += 4) {
        quad bits;
        memcpy(&bits, data + i, sizeof(bits));
        bad |= (bits & exponent) == exponent;
    }
    for (; i < n; i++)
        bad[0] |= data[i] - data[i] != 0.0f;
    return !(bad[0] | bad[1] | bad[2] | bad[3]);
}

static clvits_status add(gather *g, const char *name, int rank, const int64_t shape[4],
                         const float *data)
{
    if (!data)
        return clvits_fail_memory(g->r, "the weights of the voice");

    clvits_array a = { .name = name, .dtype = CLVITS_DTYPE_F32, .rank = rank, .data = data };
    memcpy(a.shape, shape, sizeof(a.shape));
    /* One such value is enough to make every sample the loudest there is. */
    if (!all_finite(data, clvits_array_count(&a)))
        return clvits_fail(g->r, CLVITS_E_FORMAT,
                           "the voice's tensor %s holds infinities or NaN: the file is damaged; "
                           "get it again", name);
    return clvits_arrays_add(g->out, &a, g->r);
}

static clvits_status visit(void *user, const clvits_weight *w)
{
    gather *g = user;
    entry *whole = find(g, w->name, CLVITS_WEIGHT_WHOLE);
    entry *gain = find(g, w->name, CLVITS_WEIGHT_GAIN);
    entry *direction = find(g, w->name, CLVITS_WEIGHT_DIRECTION);

    if (whole) {
        whole->used = 1;
        if (same_shape(whole->array, w) && is_real(whole->array))
            return add(g, w->name, w->rank, w->shape, real_data(g, whole, 0));
        note_wrong(g, whole->array, w);
        return CLVITS_OK;
    }
    if (!gain || !direction) {
        note(&g->missing, w->name);
        return CLVITS_OK;
    }
    gain->used = direction->used = 1;
    if (!same_shape(direction->array, w) || !is_real(direction->array)) {
        note_wrong(g, direction->array, w);
        return CLVITS_OK;
    }
    if (clvits_array_count(gain->array) != w->shape[0] || !is_real(gain->array)) {
        note_wrong(g, gain->array, &(clvits_weight){ "the gain of a weight-normed layer", 3,
                                                     { w->shape[0], 1, 1 } });
        return CLVITS_OK;
    }
    return add(g, w->name, w->rank, w->shape, folded_data(g, gain->array, direction));
}

static int starts(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* The part of the training side that a tensor is of; 0: of none, or of a discriminator. */
static int side_of(const char *name)
{
    if (starts(name, "enc_q."))
        return CLVITS_SIDE_POSTERIOR;
    return starts(name, "dp.post_") || starts(name, "dp.flows.1.") ? CLVITS_SIDE_DURATIONS : 0;
}

static int is_of_training(const char *name)
{
    return side_of(name) || starts(name, "disc.") || starts(name, "discriminators.");
}

int clvits_weight_beyond(const char *name, int sides)
{
    char canonical[112];
    clvits_weight_part part;

    if (starts(name, "posterior_encoder."))
        return !(sides & CLVITS_SIDE_POSTERIOR);
    return clvits_weight_name(canonical, sizeof(canonical), &part, name) &&
           is_of_training(canonical) && !(side_of(canonical) & sides);
}

int clvits_weight_of_training(const char *name)
{
    return clvits_weight_beyond(name, 0);
}

/* Tensors that only training uses, or conditioning that nothing feeds. */
static int may_be_left(const char *name, const clvits_config *c)
{
    if (is_of_training(name))
        return 1;
    return c->gin_channels == 0 && (strstr(name, ".cond.") || strstr(name, ".cond_layer."));
}

static clvits_status name_entries(gather *g, const clvits_arrays *raw)
{
    g->entries = calloc(raw->count + 1, sizeof(*g->entries));
    if (!g->entries)
        return clvits_fail_memory(g->r, "the names of the weights");

    for (size_t i = 0; i < raw->count; i++) {
        entry *e = &g->entries[g->n_entries];
        e->array = &raw->items[i];
        if (clvits_weight_name(e->name, sizeof(e->name), &e->part, e->array->name))
            g->n_entries++;
        else
            note(&g->left, "a tensor with an overlong name");
    }
    qsort(g->entries, g->n_entries, sizeof(*g->entries), by_name);
    for (size_t i = 1; i < g->n_entries; i++)
        if (!by_name(&g->entries[i - 1], &g->entries[i]))
            return clvits_fail(g->r, CLVITS_E_FORMAT,
                               "the voice has %s twice: as %s and as %s", g->entries[i].name,
                               g->entries[i - 1].array->name, g->entries[i].array->name);
    return CLVITS_OK;
}

static int by_address(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;
    const uintptr_t p = (uintptr_t)(*x)->array->data, q = (uintptr_t)(*y)->array->data;
    return (p > q) - (p < q);
}

/* Find out which entries share no data with another. */
static clvits_status part_entries(gather *g)
{
    entry **list = calloc(g->n_entries + 1, sizeof(*list)), *last = NULL;
    uintptr_t end = 0; /* of what was passed; last reaches it */

    if (!list)
        return clvits_fail_memory(g->r, "the names of the weights");
    for (size_t i = 0; i < g->n_entries; i++)
        list[i] = &g->entries[i];
    qsort(list, g->n_entries, sizeof(*list), by_address);
    for (size_t i = 0; i < g->n_entries; i++) {
        const clvits_array *a = list[i]->array;
        const uintptr_t start = (uintptr_t)a->data;
        const uintptr_t stop = start + (size_t)clvits_array_count(a) * clvits_dtype_size(a->dtype);

        list[i]->alone = !last || start >= end;
        if (last && start < end)
            last->alone = 0;
        if (!last || stop > end) {
            end = stop;
            last = list[i];
        }
    }
    free(list);
    return CLVITS_OK;
}

static int put_trouble(char *out, size_t size, const char *kind, const trouble *t)
{
    if (!t->count)
        return 0;

    return snprintf(out, size, "; %d %s (%s%s)", t->count, kind, t->text,
                    t->count > t->listed ? ", ..." : "");
}

/* One message with all that was noted. */
static clvits_status judge_notes(gather *g, const char *what)
{
    char text[480];
    int used = 0;

    if (!g->missing.count && !g->wrong.count && !g->left.count)
        return CLVITS_OK;

    used += put_trouble(text, sizeof(text), "missing", &g->missing);
    used += put_trouble(text + used, sizeof(text) - (size_t)used, "of the wrong shape", &g->wrong);
    put_trouble(text + used, sizeof(text) - (size_t)used, "left over", &g->left);
    return clvits_fail(g->r, CLVITS_E_FORMAT, "%s the configuration: %s", what,
                       text + strlen("; "));
}

static clvits_status judge(gather *g, const clvits_config *c)
{
    for (size_t i = 0; i < g->n_entries; i++)
        if (!g->entries[i].used && !may_be_left(g->entries[i].name, c) &&
            (g->entries[i].part != CLVITS_WEIGHT_GAIN ||
             !find(g, g->entries[i].name, CLVITS_WEIGHT_DIRECTION)))
            note(&g->left, g->entries[i].name);
    return judge_notes(g, "the weights do not fit");
}

static clvits_status bring(gather *g, const clvits_arrays *raw, const clvits_config *c)
{
    *g->out = (clvits_arrays){ 0 };
    clvits_status status = name_entries(g, raw);
    if (!status && g->taken)
        status = part_entries(g);
    if (!status)
        status = clvits_weights_walk(c, visit, g);
    if (!status)
        status = judge(g, c);
    if (status)
        clvits_arrays_free(g->out);
    free(g->entries);
    return status;
}

clvits_status clvits_weights_canonical(clvits_arrays *out, const clvits_arrays *raw,
                                       const clvits_config *c, clvits_report *r)
{
    return bring(&(gather){ .out = out, .r = r }, raw, c);
}

clvits_status clvits_weights_take(clvits_arrays *out, clvits_arrays *raw, const clvits_config *c,
                                  clvits_report *r)
{
    return bring(&(gather){ .out = out, .taken = raw, .r = r }, raw, c);
}

/* Of the wanted parts of the training side, those that the voice has anything of. */
static int sides_of(const gather *g, const clvits_config *c, int wanted)
{
    int sides = c->use_sdp ? 0 : CLVITS_SIDE_DURATIONS;

    for (size_t i = 0; i < g->n_entries; i++)
        sides |= side_of(g->entries[i].name);
    return sides & wanted;
}

clvits_status clvits_weights_take_training(clvits_arrays *out, int *sides, clvits_arrays *raw,
                                           const clvits_config *c, clvits_report *r)
{
    gather g = { .out = out, .taken = raw, .r = r };

    clvits_status status = name_entries(&g, raw);
    if (!status)
        status = part_entries(&g);
    *sides = status ? 0 : sides_of(&g, c, *sides);
    if (!status)
        status = clvits_weights_walk_training(c, *sides, visit, &g);
    if (!status)
        status = judge_notes(&g, "what training left in the voice does not fit");
    free(g.entries);
    return status;
}

/* A tensor of the training side, at whichever of its parts comes first. */
static clvits_status add_training(gather *g, const entry *e)
{
    const entry *direction = find(g, e->name, CLVITS_WEIGHT_DIRECTION);
    const clvits_array *a = e->array;

    if (e->part == CLVITS_WEIGHT_WHOLE && is_real(a))
        return add(g, e->name, a->rank, a->shape, real_data(g, e, 0));
    if (e->part == CLVITS_WEIGHT_DIRECTION && find(g, e->name, CLVITS_WEIGHT_GAIN))
        return CLVITS_OK; /* came with its gain */
    if (e->part != CLVITS_WEIGHT_GAIN || !direction || !is_real(a) || !is_real(direction->array) ||
        direction->array->rank == 0 || direction->array->shape[0] == 0 ||
        clvits_array_count(a) != direction->array->shape[0])
        return clvits_fail(g->r, CLVITS_E_FORMAT,
                           "the voice's tensor %s, which training needs, is incomplete or holds "
                           "integers",
                           e->name);
    return add(g, e->name, direction->array->rank, direction->array->shape,
               folded_data(g, a, direction));
}

clvits_status clvits_weights_training(clvits_arrays *out, const clvits_arrays *raw,
                                      clvits_report *r)
{
    gather g = { .out = out, .r = r };

    *out = (clvits_arrays){ 0 };
    clvits_status status = name_entries(&g, raw);
    for (size_t i = 0; i < g.n_entries && !status; i++)
        if (is_of_training(g.entries[i].name))
            status = add_training(&g, &g.entries[i]);
    if (status)
        clvits_arrays_free(out);
    free(g.entries);
    return status;
}
