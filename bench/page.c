// SPDX-License-Identifier: MIT
//
// clvits-bench report: hands its arguments to the script in bench/report, which the program
// carries along.
#define _POSIX_C_SOURCE 200809L

#include "page.h"
#include "bench.h"

#include "../tools/clvits/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what, const char *why)
{
    return program_fail(3, "%s: %s", what, why);
}

/* What an argument names as the page: the next one, or a part of it; NULL: nothing. */
static const char *page_of(const char *argument, const char *next)
{
    const char *const equals = strchr(argument, '=');
    const size_t n = equals ? (size_t)(equals - argument) : strlen(argument);

    if (n > 2 && n <= strlen("--output") && !strncmp(argument, "--output", n))
        return equals ? equals + 1 : next;
    if (strncmp(argument, "-o", 2))
        return NULL;
    return !argument[2] ? next : argument[2] == '=' ? argument + 3 : argument + 2;
}

/* A page takes the place of no results, read or not. Returns a code. */
static int check_page(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *page = page_of(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (page && bench_is_result(page))
            return program_fail(CODE_USAGE, "%s has results and would be replaced; give another "
                                            "name to write to", page);
    }
    return CODE_OK;
}

int bench_report(int argc, char **argv)
{
    if (check_page(argc, argv))
        return CODE_USAGE;
    /* A file without a name, which goes when Python has ended. */
    FILE *f = tmpfile();
    const char **args = calloc((size_t)argc + 2, sizeof(*args));
    char path[64];

    if (!f || !args || fwrite(bench_page_archive, 1, bench_page_archive_size, f) !=
                           bench_page_archive_size || fflush(f))
        return fail("a temporary file cannot be written", strerror(errno));
    snprintf(path, sizeof(path), "/dev/fd/%d", fileno(f));
    args[0] = "python3";
    args[1] = path;
    for (int i = 1; i < argc; i++)
        args[i + 1] = argv[i];
    execvp(args[0], (char *const *)args);
    return fail("python3 cannot be started", errno == ENOENT
                    ? "it is not in PATH; install it, or make the page where it is"
                    : strerror(errno));
}
