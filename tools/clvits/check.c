// SPDX-License-Identifier: MIT
#include "options.h"

#include <string.h>

static const char help[] =
    "usage: clvits check [--device NUMBER|PART-OF-NAME] [--precision P]\n"
    "\n"
    "Run every operator on an OpenCL device and on the CPU path, and compare: one line each with\n"
    "the largest difference relative to the largest value, the verdict, the times on device and\n"
    "CPU, and the operands' shapes. The verdict CPU: the device leaves this to the CPU path,\n"
    "which costs time and changes no result.\n"
    "\n"
    "  --device D     a number of clvits devices or a part of a name; otherwise the first GPU,\n"
    "                 else the first device\n"
    "  --precision P  fp16-storage, fp16: with halves on the device, where flow and decoder have\n"
    "                 them\n"
    "  -q, --quiet    only what is wrong\n"
    "  -v             also what the library says while it works\n"
    "\n"
    "Exit code 1 when an operator differs.\n"
    "\n" PROGRAM_CODES;

typedef struct table {
    bool quiet;
    int checked, wrong, left;
} table;

static int print_row(void *user, const clvits_check_result *r)
{
    table *t = user;
    char error[32];

    t->checked++;
    t->wrong += !r->ok;
    t->left += r->ok && !r->taken;
    if (t->quiet && r->ok)
        return program_signal();
    if (r->failure) {
        printf("%-26s %s; %s\n", r->name, r->failure, r->shape);
        return program_signal();
    }
    if (!r->taken)
        snprintf(error, sizeof(error), "-");
    else if (r->error == 0.0 && r->ok)
        snprintf(error, sizeof(error), "equal");
    else
        snprintf(error, sizeof(error), "%.1e", r->error);
    printf("%-26s %8s  %-7s %9.3f %9.3f  %s\n", r->name, error,
           !r->ok     ? "WRONG"
           : r->taken ? "ok"
                      : "CPU",
           r->device_milliseconds, r->cpu_milliseconds, r->shape);
    fflush(stdout);
    return program_signal() || ferror(stdout);
}

static int run(clvits_context *context, table *t)
{
    if (!t->quiet)
        printf("%s\n%-26s %8s  %-7s %9s %9s  %s\n", clvits_context_device(context), "OPERATOR",
               "ERROR", "VERDICT", "MS", "MS ON CPU", "OPERANDS");
    const clvits_status s = clvits_check(context, print_row, t);
    if (!t->quiet && (s == CLVITS_OK || t->wrong))
        printf("%d checked, %d wrong, %d left to the CPU path\n", t->checked, t->wrong, t->left);
    if (program_signal())
        return program_interrupted();
    if (s == CLVITS_E_CANCELLED)
        return program_flush();
    if (!s && t->left == t->checked)
        return program_fail(CODE_FAILED, "nothing was compared: no operator runs on this device");
    return s ? program_fail(program_code(s, CODE_FAILED), "%s", clvits_context_error(context))
             : CODE_OK;
}

int command_check(int argc, char **argv)
{
    const char *device = "opencl", *precision = NULL;
    table t = { 0 };
    program_log log = { 0 };
    const option options[] = {
        { "device", 0, OPTION_TEXT, &device, 0, 0 },
        { "precision", 0, OPTION_TEXT, &precision, 0, 0 },
        { "quiet", 'q', OPTION_FLAG, &t.quiet, 0, 0 },
        { "verbose", 'v', OPTION_FLAG, &log.verbose, 0, 0 },
    };
    clvits_context *context = NULL;
    clvits_cancel *cancel = NULL;
    int code = options_parse(options, 4, "check", help, &argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    if (argc)
        return program_fail(CODE_USAGE, "\"%s\" is one argument too many", argv[0]);
    if (!strcmp(device, "cpu"))
        return program_fail(CODE_USAGE, "the CPU path is what devices are compared with; name an "
                                        "OpenCL device (clvits devices lists them)");
    if (clvits_cancel_make(&cancel))
        return program_fail(CODE_FAILED, "out of memory");
    code = program_catch_signals(cancel);
    if (!code)
        code = program_open(&context, &(clvits_context_params){ .device = device,
                                                                .precision = precision }, &log);
    if (!code)
        code = run(context, &t);
    clvits_context_close(&context);
    program_catch_signals(NULL);
    clvits_cancel_free(&cancel);
    return code;
}
