// SPDX-License-Identifier: MIT
//
// A program's locale in which 1.5 is written 1,5.
#ifndef CLVITS_TESTS_COMMAS_H
#define CLVITS_TESTS_COMMAS_H

/** Set it for the process, or say that there is none; between these, within a test's folder of
 *  files.h, which is left as it was. */
void commas_begin(void);
void commas_end(void);

#endif
