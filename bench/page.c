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

int bench_report(int argc, char **argv)
{
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
