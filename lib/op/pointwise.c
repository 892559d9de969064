// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

_Static_assert((int)CLVITS_RELU == UNARY_RELU && (int)CLVITS_LEAKY_RELU == UNARY_LEAKY_RELU &&
                   (int)CLVITS_GELU == UNARY_GELU && (int)CLVITS_TANH == UNARY_TANH &&
                   (int)CLVITS_SIGMOID == UNARY_SIGMOID && (int)CLVITS_EXP == UNARY_EXP &&
                   (int)CLVITS_SCALE == UNARY_SCALE && (int)CLVITS_PLUS == UNARY_PLUS &&
                   (int)CLVITS_LOG == UNARY_LOG &&
                   (int)CLVITS_LOG_SIGMOID == UNARY_LOG_SIGMOID &&
                   (int)CLVITS_LOG_NORMAL == UNARY_LOG_NORMAL,
               "cl/dims.h counts the unary functions in this order");
_Static_assert((int)CLVITS_ADD == BINARY_ADD && (int)CLVITS_SUB == BINARY_SUB &&
                   (int)CLVITS_MUL == BINARY_MUL,
               "cl/dims.h counts the binary functions in this order");

/* Whether t can be the second operand of x: the same rows, or one row for all. */
static bool second_fits(const clvits_tensor *t, const clvits_tensor *x)
{
    return clvits_rows_fit(t, x->clock, x->C) || clvits_rows_fit(t, 0, x->C);
}

/* Whether t can be the second operand of x where either may be halves on a device. */
static bool second_fits_either(const clvits_tensor *t, const clvits_tensor *x)
{
    return clvits_rows_fit_either(t, x->clock, x->C) || clvits_rows_fit_either(t, 0, x->C);
}

static clvits_status refuse(const clvits_node *n, const char *want, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_SHAPE, "%s: %s wants %s", n->label, n->op->name, want);
}

static bool is_scalar(int slot)
{
    return slot >= CLVITS_MAX_CLOCKS && slot < CLVITS_MAX_CLOCKS + CLVITS_MAX_SCALARS;
}

static clvits_status unary_shape(clvits_node *n, clvits_report *r)
{
    const clvits_unary_params *p = n->params;
    const clvits_tensor *x = n->in[0];

    if (x->role == CLVITS_WEIGHT)
        return refuse(n, "x (B,T,C)", r);
    if ((int)p->kind < UNARY_RELU || (int)p->kind > UNARY_LOG_NORMAL ||
        (p->slot && !is_scalar(p->slot - 1)))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%s: there is no unary function %d with the "
                                                 "scalar in slot %d", n->label, (int)p->kind,
                           p->slot - 1);
    return clvits_graph_output(n, 0, clvits_graph_float(n), x->clock, x->C, r);
}

static clvits_status binary_shape(clvits_node *n, clvits_report *r)
{
    const clvits_binary_params *p = n->params;
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit_either(x, x->clock, x->C) || !second_fits_either(n->in[1], x))
        return refuse(n, "two operands (B,T,C), or one row as the second", r);
    if ((int)p->kind < BINARY_ADD || (int)p->kind > BINARY_MUL)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%s: there is no binary function %d", n->label,
                           (int)p->kind);
    return clvits_graph_output(n, 0, clvits_graph_float(n), x->clock, x->C, r);
}

static clvits_status gate_shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C) || x->C % 2 || (n->in[1] && !second_fits(n->in[1], x)))
        return refuse(n, "x (B,T,2C) and g (B,1,2C) or none", r);
    return clvits_graph_output(n, 0, CLVITS_F32, x->clock, x->C / 2, r);
}

static clvits_status flow_outputs(clvits_node *n, clvits_report *r)
{
    const clvits_flow_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    const clvits_status s = clvits_graph_output(n, 0, CLVITS_F32, x->clock, x->C, r);

    return s || !p->logdet ? s : clvits_graph_output(n, 1, CLVITS_F32, x->clock, 1, r);
}

static clvits_status affine_shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C) || !clvits_weight_fits(n->in[1], x->C) ||
        !clvits_weight_fits(n->in[2], x->C))
        return refuse(n, "x (B,T,C) and weights m, logs of C elements", r);
    return flow_outputs(n, r);
}

static clvits_status coupling_shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C) || !clvits_rows_fit(n->in[1], x->clock, x->C) ||
        (n->in[2] && !clvits_rows_fit(n->in[2], x->clock, x->C)))
        return refuse(n, "x, m and logs (B,T,C), or no logs", r);
    return flow_outputs(n, r);
}

static clvits_status log_flow_shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C))
        return refuse(n, "x (B,T,C)", r);
    return flow_outputs(n, r);
}

static clvits_status sample_shape(clvits_node *n, clvits_report *r)
{
    const clvits_slot_params *p = n->params;
    const clvits_tensor *m = n->in[0];

    if (!clvits_rows_fit(m, m->clock, m->C) || !clvits_rows_fit(n->in[1], m->clock, m->C) ||
        !clvits_rows_fit(n->in[2], m->clock, m->C))
        return refuse(n, "m, logs and noise (B,T,C)", r);
    if (!is_scalar(p->slot))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%s: slot %d holds no scalar of the run", n->label,
                           p->slot);
    return clvits_graph_output(n, 0, CLVITS_F32, m->clock, m->C, r);
}

/* What follows from the tensors alone. */
static pointwise_dims tensor_dims(const clvits_node *n, const clvits_target *at)
{
    const clvits_tensor *p = n->in[1], *q = n->in[2], *y = n->out[0];
    pointwise_dims d = {
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .slot = -1,
        .has_p = p != NULL,
        .has_q = q != NULL,
        .one_row = p && p->clock == 0,
        .per_channel = p && p->role == CLVITS_WEIGHT,
        .has_logdet = n->out[1] != NULL,
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
    if (p && !d.per_channel)
        d.p = clvits_node_view(at, p);
    if (q && !d.per_channel)
        d.q = clvits_node_view(at, q);
    if (d.has_logdet)
        d.logdet = clvits_node_view(at, n->out[1]);
    return d;
}

static void plain_dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    *(pointwise_dims *)dims = tensor_dims(n, at);
}

static void unary_dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_unary_params *p = n->params;
    pointwise_dims *d = dims;

    *d = tensor_dims(n, at);
    d->kind = (int)p->kind;
    d->whole = n->in[0]->type == CLVITS_I32;
    d->a = p->kind == CLVITS_SCALE && p->a == 0.0f ? 1.0f : p->a;
    d->slot = p->slot - 1;
}

static void binary_dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_binary_params *p = n->params;
    pointwise_dims *d = dims;

    *d = tensor_dims(n, at);
    d->kind = (int)p->kind;
}

static void flow_dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_flow_params *p = n->params;
    pointwise_dims *d = dims;

    *d = tensor_dims(n, at);
    d->reverse = p->reverse;
}

static void sample_dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_slot_params *p = n->params;
    pointwise_dims *d = dims;

    *d = tensor_dims(n, at);
    d->slot = p->slot;
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const pointwise_dims *d = dims;
    const bool flow = n->op == &clvits_op_affine || n->op == &clvits_op_coupling;
    const int guard = d->has_logdet && d->logdet.guard > d->y.guard ? d->logdet.guard : d->y.guard;

    clvits_rows_launch(l, at->device, "pointwise", flow ? "flow" : n->op->name, d->B,
                       d->T + 2 * guard, d->C);
    clvits_halves_launch(l, n->in[0], n->in[1] && n->in[1]->type == CLVITS_F16, n->out[0]);
}

/* One of each value, whichever function it is. */
static double flops(const clvits_node *n, const int *lengths)
{
    return clvits_work_cells(n->out[0], lengths);
}

#define OPERATOR(NAME, ID, INPUTS, OUTPUTS, PARAMS_SIZE, DIMS)                                    \
    const clvits_op clvits_op_##NAME = {                                                          \
        .name = #NAME,                                                                            \
        .inputs = INPUTS,                                                                         \
        .outputs = OUTPUTS,                                                                       \
        .halves = CLVITS_CPU_##ID == CLVITS_CPU_UNARY || CLVITS_CPU_##ID == CLVITS_CPU_BINARY,    \
        .params_size = PARAMS_SIZE,                                                               \
        .dims_size = sizeof(pointwise_dims),                                                      \
        .shape = NAME##_shape,                                                                    \
        .dims = DIMS,                                                                             \
        .cpu = CLVITS_CPU_##ID,                                                                   \
        .launch = launch,                                                                         \
        .flops = flops,                                                                           \
        .bound = CLVITS_CPU_##ID == CLVITS_CPU_BINARY ? CLVITS_BOUND_MOVE : CLVITS_BOUND_MATHS,   \
    };

OPERATOR(unary, UNARY, 1, 1, sizeof(clvits_unary_params), unary_dims)
OPERATOR(binary, BINARY, 2, 1, sizeof(clvits_binary_params), binary_dims)
OPERATOR(gate, GATE, 2, 1, 0, plain_dims)
OPERATOR(affine, AFFINE, 3, 2, sizeof(clvits_flow_params), flow_dims)
OPERATOR(coupling, COUPLING, 3, 2, sizeof(clvits_flow_params), flow_dims)
OPERATOR(log_flow, LOG_FLOW, 1, 2, sizeof(clvits_flow_params), flow_dims)
OPERATOR(sample, SAMPLE, 3, 1, sizeof(clvits_slot_params), sample_dims)

clvits_tensor *clvits_unary(clvits_tensor *x, const clvits_unary_params *params)
{
    return clvits_graph_first(clvits_graph_call(&clvits_op_unary, &x, 1, 1, params));
}

clvits_tensor *clvits_binary(clvits_tensor *a, clvits_tensor *b, clvits_binary_kind kind)
{
    clvits_tensor *in[] = { a, b };
    return clvits_graph_first(clvits_graph_call(&clvits_op_binary, in, 2, 2,
                                                &(clvits_binary_params){ .kind = kind }));
}

clvits_tensor *clvits_gate(clvits_tensor *x, clvits_tensor *g)
{
    clvits_tensor *in[] = { x, g };
    return clvits_graph_first(clvits_graph_call(&clvits_op_gate, in, 2, 1, NULL));
}

/* A flow: n inputs of which the first `required` must be there. */
static clvits_tensor *flow(const clvits_op *op, clvits_tensor *const *in, int n, int required,
                           bool reverse, clvits_tensor **logdet)
{
    const clvits_flow_params p = { .reverse = reverse, .logdet = logdet != NULL };
    return clvits_graph_both(clvits_graph_call(op, in, n, required, &p), logdet);
}

clvits_tensor *clvits_affine(clvits_tensor *x, clvits_tensor *m, clvits_tensor *logs, bool reverse,
                             clvits_tensor **logdet)
{
    clvits_tensor *in[] = { x, m, logs };
    return flow(&clvits_op_affine, in, 3, 3, reverse, logdet);
}

clvits_tensor *clvits_coupling(clvits_tensor *x, clvits_tensor *m, clvits_tensor *logs,
                               bool reverse, clvits_tensor **logdet)
{
    clvits_tensor *in[] = { x, m, logs };
    return flow(&clvits_op_coupling, in, 3, 2, reverse, logdet);
}

clvits_tensor *clvits_log_flow(clvits_tensor *x, bool reverse, clvits_tensor **logdet)
{
    return flow(&clvits_op_log_flow, &x, 1, 1, reverse, logdet);
}

clvits_tensor *clvits_sample(clvits_tensor *m, clvits_tensor *logs, clvits_tensor *noise,
                             int noise_scale_slot)
{
    clvits_tensor *in[] = { m, logs, noise };
    return clvits_graph_first(
        clvits_graph_call(&clvits_op_sample, in, 3, 3,
                          &(clvits_slot_params){ .slot = noise_scale_slot }));
}
