// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_POINTS_H
#define CLVITS_BASE_POINTS_H

#include <locale.h>
#include <stdbool.h>

/** Numbers with points, whatever locale the program has. */
typedef struct clvits_points {
    locale_t made, own; /* own: that of the thread, between begin and end */
} clvits_points;

/** False where there is no memory. */
bool clvits_points_open(clvits_points *p);
void clvits_points_close(clvits_points *p);

/** What the calling thread prints and reads from begin to end has points. */
void clvits_points_begin(clvits_points *p);
void clvits_points_end(clvits_points *p);

#endif
