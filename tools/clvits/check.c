// SPDX-License-Identifier: MIT
#include "check_json.h"
#include "check_process.h"
#include "options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_REPORT "clvits-check.txt"

static const char help[] =
    "usage: clvits check [--device NUMBER|PART-OF-NAME] [--precision P] [-o REPORT | --no-report]\n"
    "                    [OPERATOR...]\n"
    "       clvits check --list [OPERATOR...]\n"
    "\n"
    "Run every operator, or those named, on an OpenCL device and on the CPU path, and compare,\n"
    "in every precision that the device offers: one line each with the largest difference, as a\n"
    "part of the largest value, the verdict, the times on device and CPU, and the operands'\n"
    "shapes. The verdict CPU: the device leaves this to the CPU path, which costs time and\n"
    "changes no result. A driver that crashes, or a kernel that does not build, is an operator's\n"
    "failure too. OPERATOR: a name as it is printed, or what stands before its comma.\n"
    "\n"
    "  --device D     a number of clvits devices or a part of a name; otherwise the first GPU,\n"
    "                 else the first device; cpu: this processor's CPU path against that for any\n"
    "  --precision P  this one alone: fp32; with halves on the device, where flow and decoder\n"
    "                 have them, fp16-storage or fp16\n"
    "  -o, --output   a file for a report of a fault: what is printed, in full, with what the\n"
    "                 device and its driver say of themselves; as JSON, with the limits, where\n"
    "                 its name ends in .json. Otherwise " OWN_REPORT ", where it can be\n"
    "                 written, but none where OPERATOR or --precision leave something out\n"
    "  --no-report    none at all\n"
    "  --list         print the names of what would be checked, and check nothing\n"
    "  -q, --quiet    only what is wrong\n"
    "  -v             also what the library says while it works\n"
    "\n"
    "Exit code 1 when an operator differs.\n"
    "\n" PROGRAM_CODES;

typedef struct table {
    bool quiet;
    FILE *report; /* as text; NULL: none is wanted */
    check_json json;
    int checked, wrong, left;
    clvits_check_params wanted;
    const check_process *process;
    bool described; /* the report says of what device it is */
    bool opened;    /* the device was, in one precision at least */
    const char *heading; /* goes before the next line on standard output; NULL: it is there */
    bool headed;         /* an earlier one is */
} table;

/* To the report, and, where it is worth it, to standard output. */
__attribute__((format(printf, 3, 4))) static void say(table *t, bool worth, const char *format, ...)
{
    FILE *const to[] = { worth ? stdout : NULL, t->report };

    if (worth && t->heading) {
        printf("%s%s\n", t->headed ? "\n" : "", t->heading);
        t->heading = NULL;
        t->headed = true;
    }
    for (int i = 0; i < 2; i++) {
        va_list arguments;
        va_start(arguments, format);
        if (to[i])
            vfprintf(to[i], format, arguments);
        va_end(arguments);
    }
}

static int print_row(void *user, const clvits_check_result *r)
{
    table *t = user;
    char error[32];

    if (!t->checked++)
        say(t, !t->quiet, "%s\n%-26s %8s  %-7s %9s %9s  %s\n", t->process->device, "OPERATOR",
            "ERROR", "VERDICT", "MS", "MS ON CPU", "OPERANDS");
    t->wrong += !r->ok;
    t->left += r->ok && !r->taken;
    const bool worth = !t->quiet || !r->ok;
    check_json_add(&t->json, r);
    if (r->failure) {
        say(t, worth, "%-26s %s%s%s\n", r->name, r->failure, *r->shape ? "; " : "", r->shape);
        return program_signal();
    }
    if (!r->taken)
        snprintf(error, sizeof(error), "-");
    else if (r->error == 0.0 && r->ok)
        snprintf(error, sizeof(error), "equal");
    else
        snprintf(error, sizeof(error), "%.1e", r->error);
    say(t, worth, "%-26s %8s  %-7s %9.3f %9.3f  %s\n", r->name, error,
        !r->ok     ? "WRONG"
        : r->taken ? "ok"
                   : "CPU",
        r->device_milliseconds, r->cpu_milliseconds, r->shape);
    fflush(stdout);
    return program_signal() || ferror(stdout);
}

/* The device does not have the precision, which it need not where nobody asked for it. */
static int refused(const check_process *p, table *t, bool optional)
{
    say(t, optional && !t->quiet, "not here: %s\n", p->text);
    return optional ? CODE_OK : program_fail(program_code(p->status, CODE_FAILED), "%s", p->text);
}

/* What the checks of one precision came to, as a code; or the one of what has been said of it. */
static int outcome(const check_process *p, table *t, int code)
{
    if (t->checked)
        say(t, !t->quiet, "%d checked, %d wrong, %d left to the CPU path\n", t->checked, t->wrong,
            t->left);
    if (program_signal())
        return program_interrupted();
    if (p->stopped)
        return program_flush();
    if (!p->complete) {
        say(t, false, "failed: %s\n", p->text);
        return code ? code
                    : program_fail(program_code(p->status, CODE_FAILED), "%s", p->text);
    }
    if (!p->status && t->left == t->checked)
        return program_fail(CODE_FAILED, "nothing was compared: %s runs on this device",
                            t->wanted.names ? "none of these" : "no operator");
    if (p->crashes)
        return program_fail(CODE_FAILED,
                            "%d of %d checks went wrong on %s, whose driver crashed; update it, or "
                            "use another device", t->wrong, t->checked, p->device);
    if (!p->status)
        return CODE_OK;
    const char *precision = p->params->precision;
    return program_fail(program_code(p->status, CODE_FAILED), "%s%s%s",
                        precision ? precision : "", precision ? ": " : "", p->text);
}

/* In processes of their own; optional: a device need not have what is asked. */
static int check(const clvits_context_params *params, const char *precision,
                 program_said *said, table *t, bool optional)
{
    check_process p = { .params = params, .wanted = t->wanted, .said = said,
                        .result = print_row, .user = t };

    t->checked = t->wrong = t->left = 0;
    t->process = &p;
    check_json_begin_run(&t->json, precision);
    const int code = check_process_run(&p);
    const bool lacking = !*p.device && p.status == CLVITS_E_UNSUPPORTED;
    t->opened = t->opened || *p.device;
    check_json_end_run(&t->json, lacking, p.complete ? NULL : p.text);
    t->process = NULL;
    return lacking ? refused(&p, t, optional) : outcome(&p, t, code);
}

/* What it takes to tell this device, with this driver and library, from others. */
static int describe(void *user, clvits_context *context)
{
    table *t = user;
    const char *name = clvits_context_device(context);
    clvits_device_desc *list;
    FILE *const f = t->report;
    size_t n;

    if (!f)
        return check_json_begin(&t->json, name);
    if (clvits_devices(&list, &n))
        return program_fail(CODE_FAILED, "out of memory");
    fprintf(f, "clvits %s, kernels %s\ndevice: %s\n", clvits_version(), clvits_kernels(), name);
    for (size_t i = 0; i < n; i++) {
        const clvits_device_desc *d = &list[i];
        if (strcmp(d->name, name))
            continue;
        fprintf(f, "vendor: %s\nplatform: %s\nversion: %s\ndriver: %s\n"
                   "%s, %d compute units, work-groups of %zu, bytes of local memory %zu, in all "
                   "%zu, at once %zu%s%s\n",
                d->vendor, d->platform, d->version, d->driver,
                d->is_gpu ? "GPU" : "no GPU", d->compute_units, d->max_work_group,
                d->local_memory, d->global_memory, d->max_allocation, d->has_fp16 ? ", fp16" : "",
                d->has_unified_memory ? ", unified memory" : "");
        break;
    }
    clvits_devices_free(&list);
    fflush(f);
    return CODE_OK;
}

/* The precision that is asked for; NULL: none, all are wanted. */
static const char *asked(const clvits_context_params *params)
{
    const char *otherwise = getenv("CLVITS_PRECISION");
    return params->precision ? params->precision : otherwise && *otherwise ? otherwise : NULL;
}

static int describe_device(const clvits_context_params *params, program_said *said, table *t)
{
    clvits_context_params any = *params;
    check_process p = { .params = &any, .said = said, .opened = describe, .user = t };

    if (asked(params))
        any.precision = "fp32"; /* which every device has */
    int code = check_process_run(&p);

    if (!code && program_signal())
        code = program_interrupted();
    if (!code && p.status)
        code = program_fail(program_code(p.status, CODE_FAILED), "%s", p.text);
    t->described = !code;
    return code;
}

/* The last code that is none of success. */
static int check_all(clvits_context_params *params, program_said *said, table *t)
{
    static const char *const all[] = { "fp32", "fp16-storage", "fp16" };
    const bool on_cpu = !strcmp(params->device, "cpu"); /* which computes in floats alone */
    const char *const wanted = on_cpu && !asked(params) ? all[0] : asked(params);
    int code = t->report || t->json.f ? describe_device(params, said, t) : CODE_OK;

    if (code)
        return code;
    /* What cannot be opened for fp32, which every device has, cannot be opened at all. */
    for (int i = 0, last; i < (wanted ? 1 : 3) && code <= CODE_FAILED && !program_signal() &&
                          (!i || t->opened); i++) {
        const char *precision = wanted ? wanted : all[i];
        if (!wanted)
            params->precision = t->heading = precision;
        if (t->report)
            fprintf(t->report, "\n%s\n", precision);
        last = check(params, precision, said, t, i > 0);
        code = last ? last : code;
    }
    check_json_end(&t->json);
    return !code && program_signal() ? program_interrupted() : code;
}

/* Nobody asked for that file: what the check finds is not less true without it. */
static void go_without(void)
{
    program_note("warning: there is no report of this check; -o names another file for it");
}

static int check_into(const char *path, bool named, clvits_context_params *params,
                      program_said *said, table *t)
{
    text_file report;
    int code = text_file_open(&report, path);

    if (code == CODE_OUTPUT && !named) {
        go_without();
        return check_all(params, said, t);
    }
    if (code)
        return code;
    const size_t n = strlen(path);
    if (n > 5 && !strcmp(path + n - 5, ".json"))
        t->json.f = report.f;
    else
        t->report = report.f;
    code = check_all(params, said, t);
    t->report = t->json.f = NULL;
    if (code > CODE_FAILED || !t->described) {
        text_file_discard(&report);
        return code;
    }
    const int written = text_file_finish(&report);
    if (written && named)
        return written;
    if (written)
        go_without();
    else if (!t->quiet || code)
        printf("report: %s\n", path);
    return code ? code : program_flush();
}

/* Whether it begins as an earlier report does, in text or JSON. */
static bool is_report(const char *path)
{
    static const char begin[] = "clvits ", then[] = ", kernels ", json[] = CHECK_JSON_BEGIN;
    char start[256];
    FILE *f = fopen(path, "re");
    const size_t n = f ? fread(start, 1, sizeof(start) - 1, f) : 0;

    if (f)
        fclose(f);
    start[n] = '\0';
    if (!strncmp(start, json, strlen(json)))
        return true;
    start[strcspn(start, "\n")] = '\0';
    return !strncmp(start, begin, strlen(begin)) && strstr(start, then);
}

/* Whether a report would replace something else. What is no file shows when it is written. */
static bool is_taken(const char *path, bool named)
{
    struct stat st;

    if (stat(path, &st) || (named && (!S_ISREG(st.st_mode) || !st.st_size)))
        return false;
    return !S_ISREG(st.st_mode) || !is_report(path);
}

/* A file that nobody named is nobody's but for an earlier report. */
static const char *own_report(void)
{
    if (!is_taken(OWN_REPORT, false))
        return OWN_REPORT;
    program_note("%s is there and no report of this command", OWN_REPORT);
    go_without();
    return NULL;
}

static int refuse(const char *unknown)
{
    const char *last = "", *name;
    char list[768] = "";

    for (int i = 0; (name = clvits_check_name(i)) != NULL; i++) {
        const size_t n = strcspn(name, ","), used = strlen(list);
        if (strncmp(name, last, n) || strcspn(last, ",") != n)
            snprintf(list + used, sizeof(list) - used, "%s%.*s", i ? ", " : "", (int)n, name);
        last = name;
    }
    return program_fail(CODE_USAGE, "no operator is called \"%s\"; there are %s", unknown, list);
}

static int list_names(clvits_check_params wanted)
{
    for (; (wanted.first = clvits_check_next(&wanted)) >= 0; wanted.first++)
        printf("%s\n", clvits_check_name(wanted.first));
    return CODE_OK;
}

int command_check(int argc, char **argv)
{
    clvits_context_params params = { .device = "opencl", .place = "" };
    const char *report = NULL;
    bool none = false, list = false;
    table t = { 0 };
    program_said said = { 0 };
    const option options[] = {
        { "device", 0, OPTION_TEXT, &params.device, 0, 0 },
        { "precision", 0, OPTION_TEXT, &params.precision, 0, 0 },
        { "output", 'o', OPTION_TEXT, &report, 0, 0 },
        { "no-report", 0, OPTION_FLAG, &none, 0, 0 },
        { "list", 0, OPTION_FLAG, &list, 0, 0 },
        { "quiet", 'q', OPTION_FLAG, &t.quiet, 0, 0 },
        { "verbose", 'v', OPTION_FLAG, &said.log.verbose, 0, 0 },
    };
    clvits_cancel *cancel = NULL;
    int code = options_parse(options, 7, "check", help, &argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    if (argc)
        t.wanted = (clvits_check_params){ (const char *const *)argv, (size_t)argc, 0 };
    for (int i = 0; i < argc; i++)
        if (clvits_check_next(&(clvits_check_params){ t.wanted.names + i, 1, 0 }) < 0)
            return refuse(argv[i]);
    const bool named = report;
    if (list && named)
        return program_fail(CODE_USAGE, "--list checks nothing and writes no report; leave -o "
                                        "out");
    if (list)
        return list_names(t.wanted);
    if (named && none)
        return program_fail(CODE_USAGE, "give -o or --no-report, not both");
    if (named && !strcmp(report, "-"))
        return program_fail(CODE_USAGE, "a report cannot be sent to standard output; give a file's "
                                        "name, or --no-report");
    if (named && is_taken(report, true))
        return program_fail(CODE_OUTPUT, "%s is there and no report of this command; give another "
                                         "name", report);
    if (!named && !none && !argc && !asked(&params))
        report = own_report();
    if (clvits_cancel_make(&cancel))
        return program_fail(CODE_FAILED, "out of memory");
    params.cancel = cancel;
    code = program_catch_signals(cancel);
    if (!code)
        code = report ? check_into(report, named, &params, &said, &t)
                      : check_all(&params, &said, &t);
    program_catch_signals(NULL);
    clvits_cancel_free(&cancel);
    return code;
}
