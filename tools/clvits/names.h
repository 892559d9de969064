// SPDX-License-Identifier: MIT
#ifndef CLVITS_TOOLS_NAMES_H
#define CLVITS_TOOLS_NAMES_H

#include "program.h"

/** The speaker or language of a voice that a number or a name stands for. where: in front of the
 *  message, such as a line's place. Return a code. */
int names_find_speaker(const clvits_voice *voice, const char *where, const char *what, int *out);
int names_find_language(const clvits_voice *voice, const char *what, int *out);

/** Say that there is no such speaker, and which there are; returns the code for that. */
int names_no_speaker(const clvits_voice *voice, const char *where, const char *what);

#endif
