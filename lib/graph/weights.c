// SPDX-License-Identifier: MIT
#include "graph/plan.h"

#include "base/half.h"

#include <stdlib.h>
#include <string.h>

struct packed {
    struct packed *next;
    const float *data;
    uint64_t content; /* not 0: found by this, not by the address */
    clvits_weight_part *parts; /* own copy: graphs come and go */
    int n_parts;
    const clvits_op *op;
    int input, place;
    clvits_packing how;
    clvits_buffer *buffer; /* on a device */
    float *host;           /* on the CPU, when packed */
};

struct clvits_packed_weights {
    pthread_mutex_t lock;
    struct packed *list[512];
    size_t host_bytes;
};

static void free_packed(struct packed *p)
{
    clvits_buffer_free(&p->buffer);
    free(p->parts);
    free(p->host);
    free(p);
}

clvits_status clvits_packed_weights_open(clvits_packed_weights **out, clvits_report *r)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return clvits_fail_memory(r, "the packed weights");
    pthread_mutex_init(&(*out)->lock, NULL);
    return CLVITS_OK;
}

void clvits_packed_weights_close(clvits_packed_weights **weights)
{
    clvits_packed_weights *w = *weights;
    if (!w)
        return;
    for (size_t i = 0; i < sizeof(w->list) / sizeof(*w->list); i++)
        for (struct packed *p = w->list[i], *next; p; p = next) {
            next = p->next;
            free_packed(p);
        }
    pthread_mutex_destroy(&w->lock);
    free(w);
    *weights = NULL;
}

void clvits_packed_weights_leave_devices(clvits_packed_weights *w)
{
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < sizeof(w->list) / sizeof(*w->list); i++)
        for (struct packed **at = &w->list[i], *p; (p = *at) != NULL;) {
            if (!p->buffer) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            free_packed(p);
        }
    pthread_mutex_unlock(&w->lock);
}

size_t clvits_packed_weights_host_bytes(const clvits_packed_weights *weights)
{
    clvits_packed_weights *w = (clvits_packed_weights *)weights;
    pthread_mutex_lock(&w->lock);
    const size_t n = w->host_bytes;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static int64_t elements(const clvits_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* The parts of a weight as one, in PyTorch's layout. */
static float *put_together(const clvits_tensor *t)
{
    const int64_t count = elements(t), row = count / t->shape[0];
    const int64_t inputs = t->rank > 1 ? t->shape[1] : 1, inner = row / inputs;
    float *out = malloc(((size_t)count + 1) * sizeof(*out)), *to = out;

    for (int i = 0; out && i < t->n_parts; i++) {
        const clvits_weight_part *p = &t->parts[i];
        const float factor = p->factor != 0.0f ? p->factor : 1.0f;
        for (int64_t o = 0; o < p->rows; o++)
            for (int64_t c = 0; c < inputs; c++)
                for (int64_t k = 0; k < inner; k++) {
                    const int64_t at = (p->backwards ? p->rows - 1 - o : o) * row +
                                       (p->inputs_backwards ? inputs - 1 - c : c) * inner + k;
                    *to++ = factor * ((p->data ? p->data[at] : 0.0f) +
                                      (p->plus ? p->plus[at] : 0.0f));
                }
    }
    return out;
}

/* Packs a weight whose data lie in one piece; p->host receives it where that is a copy. */
static clvits_status pack_whole(struct packed *p, clvits_packed_weights *w, const clvits_node *n,
                                int i, const clvits_target *at, clvits_report *r)
{
    const clvits_tensor *t = n->in[i];
    const int64_t packed = n->op->pack ? n->op->pack(n, at, i, NULL) : 0;
    const int64_t count = packed ? packed : elements(t);
    const size_t size = ((size_t)count * sizeof(float) + 63) & ~(size_t)63;
    const bool copied = packed || (t->n_parts && !at->device);
    clvits_status s = CLVITS_OK;

    if (copied || p->how.half) {
        p->host = aligned_alloc(64, size);
        if (!p->host)
            return clvits_fail_memory(r, "packed weights");
        if (packed)
            n->op->pack(n, at, i, p->host);
        else if (!p->how.half)
            memcpy(p->host, t->data, (size_t)count * sizeof(float));
        if (p->how.half)
            clvits_halves_pack(p->host, packed ? p->host : t->data, (size_t)count);
    }
    if (!at->device) {
        w->host_bytes += copied ? size : 0;
        return CLVITS_OK;
    }
    const size_t kept = (size_t)count * (p->how.half ? 2 : sizeof(float));
    s = clvits_buffer_make(&p->buffer, (clvits_device *)at->device, kept, r);
    if (!s)
        s = clvits_buffer_write(p->buffer, 0, kept, p->host ? p->host : t->data, true, r);
    free(p->host);
    p->host = NULL;
    return s;
}

static clvits_status pack(struct packed *p, clvits_packed_weights *w, const clvits_node *n, int i,
                          const clvits_target *at, clvits_report *r)
{
    const clvits_tensor *t = n->in[i];

    if (!t->n_parts)
        return pack_whole(p, w, n, i, at, r);

    float *whole = put_together(t);
    clvits_node node = *n;
    clvits_tensor weight = *t;
    p->parts = malloc((size_t)t->n_parts * sizeof(*p->parts));
    if (!whole || !p->parts) {
        free(whole);
        return clvits_fail_memory(r, "packed weights");
    }
    memcpy(p->parts, t->parts, (size_t)t->n_parts * sizeof(*p->parts));
    p->n_parts = t->n_parts;
    weight.data = whole;
    node.in[i] = &weight;
    const clvits_status s = pack_whole(p, w, &node, i, at, r);
    free(whole);
    return s;
}

/* What a weight is found by: the address of some of its data. */
static const float *address(const clvits_tensor *t)
{
    const float *a = t->data;
    for (int i = 0; i < t->n_parts && !a; i++)
        a = t->parts[i].data;
    return a;
}

static bool same_parts(const struct packed *p, const clvits_tensor *t)
{
    if (p->n_parts != t->n_parts)
        return false;
    for (int i = 0; i < p->n_parts; i++) {
        const clvits_weight_part *a = &p->parts[i], *b = &t->parts[i];
        if (a->data != b->data || a->plus != b->plus || a->rows != b->rows ||
            a->backwards != b->backwards || a->inputs_backwards != b->inputs_backwards ||
            memcmp(&a->factor, &b->factor, sizeof(a->factor)))
            return false;
    }
    return true;
}

static struct packed **list_of(clvits_packed_weights *w, const clvits_tensor *t)
{
    return &w->list[(t->content ? t->content : (uintptr_t)address(t) >> 4) % 512];
}

/* The lock is held. */
static struct packed *find(clvits_packed_weights *w, const clvits_node *n, int i,
                           const clvits_target *at, clvits_packing how)
{
    const clvits_tensor *t = n->in[i];
    struct packed *p = *list_of(w, t);

    while (p && !(p->content == t->content && (t->content || p->data == address(t)) &&
                  p->op == n->op && p->input == i && p->place == at->place &&
                  p->how.variant == how.variant && p->how.half == how.half && same_parts(p, t)))
        p = p->next;
    return p;
}

static clvits_packing packing_of(const clvits_node *n, int i, const clvits_target *at)
{
    return n->op->packing ? n->op->packing(n, at, i) : (clvits_packing){ 0 };
}

size_t clvits_packed_weights_there(clvits_packed_weights *w, int place)
{
    size_t bytes = 0;

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < sizeof(w->list) / sizeof(*w->list); i++)
        for (const struct packed *p = w->list[i]; p; p = p->next)
            bytes += p->place == place ? clvits_buffer_size(p->buffer) : 0;
    pthread_mutex_unlock(&w->lock);
    return bytes;
}

size_t clvits_packed_weights_more(clvits_packed_weights *w, const clvits_node *n, int i,
                                  const clvits_target *at)
{
    const clvits_packing how = packing_of(n, i, at);
    const int64_t packed = n->op->pack ? n->op->pack(n, at, i, NULL) : 0;

    pthread_mutex_lock(&w->lock);
    const bool there = find(w, n, i, at, how);
    pthread_mutex_unlock(&w->lock);
    return there ? 0 : (size_t)(packed ? packed : elements(n->in[i])) * (how.half ? 2 : 4);
}

clvits_status clvits_packed_weights_get(clvits_packed_weights *w, const clvits_node *n, int i,
                                        const clvits_target *at, clvits_memory *out,
                                        clvits_report *r)
{
    const clvits_tensor *t = n->in[i];
    const clvits_packing how = packing_of(n, i, at);
    clvits_status s = CLVITS_OK;

    pthread_mutex_lock(&w->lock);
    struct packed **head = list_of(w, t), *p = find(w, n, i, at, how);
    if (!p) {
        p = calloc(1, sizeof(*p));
        if (p) {
            *p = (struct packed){ .data = address(t), .content = t->content, .op = n->op,
                                  .input = i, .place = at->place, .how = how };
            s = pack(p, w, n, i, at, r);
        } else {
            s = clvits_fail_memory(r, "packed weights");
        }
        if (s && p) {
            free_packed(p);
        } else if (p) {
            p->next = *head;
            *head = p;
        }
    }
    if (!s)
        *out = (clvits_memory){ .host = p->host ? p->host : (float *)t->data,
                                .buffer = p->buffer };
    pthread_mutex_unlock(&w->lock);
    return s;
}
