// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *ids = n->in[0], *table = n->in[1];

    if (ids->role == CLVITS_WEIGHT || ids->type != CLVITS_I32 || ids->C != 1 ||
        table->role != CLVITS_WEIGHT || table->rank != 2 || table->shape[0] < 1 ||
        table->shape[1] < 1 || table->shape[0] > INT32_MAX / table->shape[1])
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: embedding wants integer ids (B,T,1) and a table [V][C]", n->label);
    return clvits_graph_output(n, 0, CLVITS_F32, ids->clock, (int)table->shape[1], r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_embedding_params *p = n->params;
    const clvits_tensor *y = n->out[0];

    *(embedding_dims *)dims = (embedding_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .V = (int)n->in[1]->shape[0],
        .scale = p->scale != 0.0f ? p->scale : 1.0f,
        .ids = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const embedding_dims *d = dims;

    (void)n;
    clvits_rows_launch(l, at->device, "embedding", "embedding", d->B, d->T + 2 * d->y.guard, d->C);
}

/* The product with the scale. */
static double flops(const clvits_node *n, const int *lengths)
{
    return clvits_work_cells(n->out[0], lengths);
}

/* Of the table [V][C] the T rows that are looked up. */
static double bytes(const clvits_node *n, int place, const int *lengths)
{
    (void)place;
    return sizeof(float) * (clvits_work_cells(n->in[0], lengths) +
                            2.0 * clvits_work_cells(n->out[0], lengths));
}

const clvits_op clvits_op_embedding = {
    .name = "embedding",
    .inputs = 2,
    .outputs = 1,
    .params_size = sizeof(clvits_embedding_params),
    .dims_size = sizeof(embedding_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_EMBEDDING,
    .launch = launch,
    .flops = flops,
    .bytes = bytes,
    .bound = CLVITS_BOUND_MOVE,
};

clvits_tensor *clvits_embedding(clvits_tensor *ids, clvits_tensor *table, float scale)
{
    clvits_tensor *in[] = { ids, table };
    return clvits_graph_first(clvits_graph_call(&clvits_op_embedding, in, 2, 2,
                                                &(clvits_embedding_params){ .scale = scale }));
}
