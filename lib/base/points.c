// SPDX-License-Identifier: MIT
#include "base/points.h"

bool clvits_points_open(clvits_points *p)
{
    p->made = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    return p->made;
}

void clvits_points_close(clvits_points *p)
{
    freelocale(p->made);
}

void clvits_points_begin(clvits_points *p)
{
    p->own = uselocale(p->made);
}

void clvits_points_end(clvits_points *p)
{
    uselocale(p->own);
}
