// SPDX-License-Identifier: MIT
#include "graph/plan.h"

#include <stdlib.h>

struct packed {
    struct packed *next;
    const float *data;
    const clvits_op *op;
    int input, place;
    clvits_buffer *buffer; /* on a device */
    float *host;           /* on the CPU, when packed */
};

struct clvits_packed_weights {
    pthread_mutex_t lock;
    struct packed *list[512];
    size_t host_bytes;
};

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
            clvits_buffer_free(&p->buffer);
            free(p->host);
            free(p);
        }
    pthread_mutex_destroy(&w->lock);
    free(w);
    *weights = NULL;
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

static clvits_status pack(struct packed *p, clvits_packed_weights *w, const clvits_node *n, int i,
                          const clvits_target *at, clvits_report *r)
{
    const clvits_tensor *t = n->in[i];
    const int64_t packed = n->op->pack ? n->op->pack(n, at, i, NULL) : 0;
    const int64_t count = packed ? packed : elements(t);
    const size_t size = ((size_t)count * sizeof(float) + 63) & ~(size_t)63;
    clvits_status s = CLVITS_OK;

    if (packed) {
        p->host = aligned_alloc(64, size);
        if (!p->host)
            return clvits_fail_memory(r, "packed weights");
        n->op->pack(n, at, i, p->host);
    }
    if (!at->device) {
        w->host_bytes += packed ? size : 0;
        return CLVITS_OK;
    }
    s = clvits_buffer_make(&p->buffer, (clvits_device *)at->device, (size_t)count * sizeof(float),
                           r);
    if (!s)
        s = clvits_buffer_write(p->buffer, 0, (size_t)count * sizeof(float),
                                packed ? p->host : t->data, true, r);
    free(p->host);
    p->host = NULL;
    return s;
}

clvits_status clvits_packed_weights_get(clvits_packed_weights *w, const clvits_node *n, int i,
                                        const clvits_target *at, clvits_memory *out,
                                        clvits_report *r)
{
    const clvits_tensor *t = n->in[i];
    struct packed **head = &w->list[((uintptr_t)t->data >> 4) % 512], *p;
    clvits_status s = CLVITS_OK;

    pthread_mutex_lock(&w->lock);
    for (p = *head; p; p = p->next)
        if (p->data == t->data && p->op == n->op && p->input == i && p->place == at->place)
            break;
    if (!p) {
        p = calloc(1, sizeof(*p));
        if (p) {
            *p = (struct packed){ .data = t->data, .op = n->op, .input = i, .place = at->place };
            s = pack(p, w, n, i, at, r);
        } else {
            s = clvits_fail_memory(r, "packed weights");
        }
        if (s && p) {
            clvits_buffer_free(&p->buffer);
            free(p->host);
            free(p);
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
