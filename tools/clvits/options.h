// SPDX-License-Identifier: MIT
#ifndef CLVITS_TOOLS_OPTIONS_H
#define CLVITS_TOOLS_OPTIONS_H

#include "program.h"

typedef enum option_kind {
    OPTION_FLAG,  /* bool */
    OPTION_TEXT,  /* const char * */
    OPTION_INT,   /* int, from least to most */
    OPTION_FLOAT, /* float, from least to most */
    OPTION_DOUBLE, /* double, the same */
    OPTION_SEED   /* uint64_t */
} option_kind;

/** An option; entries of one value are other spellings. - and _ are the same in long names. */
typedef struct option {
    const char *name; /* without the dashes; "help" prints the help instead */
    char letter;      /* 0: none */
    option_kind kind;
    void *value;
    double least, most;
} option;

/**
 * Read the options of a program ("" for its command), or of a subcommand: --name value,
 * --name=value, -n value, -nvalue; "--" ends them. No value is empty.
 *
 * What is no option moves to the front of argv, in its order, and *argc becomes its count.
 * --help and -h print the help, and a program's --version its version.
 *
 * @return CODE_OK, CODE_USAGE (said why), or -1 when one of these was printed
 */
int options_parse(const option *table, int n, const char *command, const char *help, int *argc,
                  char **argv);

#endif
