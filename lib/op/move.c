// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *a = n->in[0], *b = n->in[1];

    if (a->role == CLVITS_WEIGHT ||
        (b && (b->role == CLVITS_WEIGHT || b->type != a->type || b->clock != a->clock)))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: %s wants tensors (B,T,C) of one type and the "
                                              "same rows", n->label, n->op->name);
    return clvits_graph_output(n, 0, a->type, a->clock, a->C + (b ? b->C : 0), r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_tensor *y = n->out[0];
    move_dims *d = dims;

    *d = (move_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .Ca = n->in[0]->C,
        .flip = n->op == &clvits_op_flip,
        .a = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
    if (n->in[1])
        d->b = clvits_node_view(at, n->in[1]);
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const move_dims *d = dims;

    clvits_rows_launch(l, at->device, "move", "move", d->B, d->T + 2 * d->y.guard, d->C);
    if (n->out[0]->type == CLVITS_F16)
        clvits_launch_option(l, "-DELEMENT=ushort");
}

/* All run one kernel, which takes two inputs. */
#define OPERATOR(NAME, ID)                                                                        \
    const clvits_op clvits_op_##NAME = {                                                          \
        .name = #NAME,                                                                            \
        .inputs = 2,                                                                              \
        .outputs = 1,                                                                             \
        .halves = true,                                                                           \
        .dims_size = sizeof(move_dims),                                                           \
        .shape = shape,                                                                           \
        .dims = dims,                                                                             \
        .cpu = CLVITS_CPU_##ID,                                                                   \
        .launch = launch,                                                                         \
        .bound = CLVITS_BOUND_MOVE,                                                               \
    };

OPERATOR(copy, COPY)
OPERATOR(concat, CONCAT)
OPERATOR(flip, FLIP)

clvits_tensor *clvits_copy(clvits_tensor *x)
{
    return clvits_graph_first(clvits_graph_call(&clvits_op_copy, &x, 1, 1, NULL));
}

clvits_tensor *clvits_concat(clvits_tensor *a, clvits_tensor *b)
{
    clvits_tensor *in[] = { a, b };
    return clvits_graph_first(clvits_graph_call(&clvits_op_concat, in, 2, 2, NULL));
}

clvits_tensor *clvits_flip(clvits_tensor *x)
{
    return clvits_graph_first(clvits_graph_call(&clvits_op_flip, &x, 1, 1, NULL));
}
