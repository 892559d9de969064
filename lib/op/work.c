// SPDX-License-Identifier: MIT
#include "graph/plan.h"

/* Rows of a clock in an item, at most `most`; as many where there are no lengths. */
static double count(const clvits_tensor *t, int clock, int most, int item, const int *lengths)
{
    const int n = lengths && clock >= 0 ? lengths[clock * t->B + item] : most;
    return n < most ? n : most;
}

double clvits_work_item(const clvits_tensor *t, int item, const int *lengths)
{
    return count(t, t->clock, t->T, item, lengths);
}

double clvits_work_rows(const clvits_tensor *t, const int *lengths)
{
    double rows = 0.0;

    for (int b = 0; b < t->B; b++)
        rows += clvits_work_item(t, b, lengths);
    return rows;
}

double clvits_work_block(const clvits_tensor *t, int columns, const int *lengths)
{
    double cells = 0.0;

    for (int b = 0; b < t->B; b++)
        cells += clvits_work_item(t, b, lengths) * count(t, columns, t->C, b, lengths);
    return cells;
}

double clvits_work_cells(const clvits_tensor *t, const int *lengths)
{
    double cells = 1.0;

    if (t->role != CLVITS_WEIGHT)
        return clvits_work_block(t, -1, lengths);
    for (int i = 0; i < t->rank; i++)
        cells *= (double)t->shape[i];
    return cells;
}

static double bytes_of(const clvits_tensor *t, int place, const int *lengths)
{
    return t ? (double)clvits_element_bytes(t, place) * clvits_work_cells(t, lengths) : 0.0;
}

double clvits_work_bytes(const clvits_node *n, int place, const int *lengths)
{
    double bytes = 0.0;

    for (int i = 0; i < CLVITS_MAX_IN; i++)
        bytes += bytes_of(n->in[i], place, lengths);
    for (int i = 0; i < CLVITS_MAX_OUT; i++)
        bytes += bytes_of(n->out[i], place, lengths);
    return bytes;
}
