// SPDX-License-Identifier: MIT
#include "options.h"

#include <string.h>

static const char help[] =
    "usage: clvits devices [--json | -v]\n"
    "\n"
    "List the OpenCL devices. \"*\" marks the one that is used when none is named; \"clvits speak\n"
    "--device\" takes the number, or a part of the name. Without any, the CPU path runs. Of the\n"
    "environment, CLVITS_DEVICE and CLVITS_PLACE do not count here.\n"
    "\n"
    "  --json         everything known of each, as JSON\n"
    "  -v, --verbose  also open each, and tell how many tuned rows it has and from where, and\n"
    "                 what it is spared because of known quirks\n"
    "\n" PROGRAM_CODES;

static void print_one(FILE *f, const clvits_device_desc *d)
{
    const char *const texts[][2] = { { "name", d->name },       { "vendor", d->vendor },
                                     { "platform", d->platform }, { "version", d->version },
                                     { "driver", d->driver } };

    fprintf(f, "{\"number\": %d", d->number);
    for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
        fprintf(f, ", \"%s\": ", texts[k][0]);
        program_json(f, texts[k][1], strlen(texts[k][1]));
    }
    fprintf(f, ", \"gpu\": %s, \"compute_units\": %d, \"clock_mhz\": %d, "
               "\"max_work_group\": %zu, \"local_memory\": %zu, \"global_memory\": %zu, "
               "\"max_allocation\": %zu, \"fp16\": %s, \"unified_memory\": %s}",
            d->is_gpu ? "true" : "false", d->compute_units, d->clock_mhz, d->max_work_group,
            d->local_memory, d->global_memory, d->max_allocation, d->has_fp16 ? "true" : "false",
            d->has_unified_memory ? "true" : "false");
}

void devices_print_json(FILE *f, const clvits_device_desc *list, size_t n)
{
    fprintf(f, "[");
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "%s\n  ", i ? "," : "");
        print_one(f, &list[i]);
    }
    fprintf(f, "%s]", n ? "\n" : "");
}

static void print_table(const clvits_device_desc *list, size_t n)
{
    size_t chosen = 0;
    int width = 4;

    for (size_t i = n; i-- > 0;) {
        if (list[i].is_gpu)
            chosen = i;
        if ((int)strlen(list[i].name) > width)
            width = (int)strlen(list[i].name);
    }
    if (!n) {
        printf("no OpenCL device; the CPU path runs everything\n");
        return;
    }
    printf("   NO  %-*s  TYPE  UNITS  MEMORY     LOCAL    PLATFORM\n", width, "NAME");
    for (size_t i = 0; i < n; i++)
        printf("%c %3d  %-*s  %-4s  %5d  %5.1f GiB  %3zu KiB  %s\n", i == chosen ? '*' : ' ',
               list[i].number, width, list[i].name, list[i].is_gpu ? "gpu" : "cpu",
               list[i].compute_units, (double)list[i].global_memory / 1073741824.0,
               list[i].local_memory / 1024, list[i].platform);
}

static void print_rows(const char *device, const char *name, program_said *s)
{
    const clvits_context_params params = { .device = device, .place = "", .precision = "fp32",
                                           .log = program_receive_once, .log_user = s };
    clvits_context *context;
    const char *file;
    int own;

    if (clvits_context_open(&context, &params)) {
        printf("%s: cannot be opened: %s\n", *name ? name : "the CPU path", s->log.error);
        return;
    }
    const int n = clvits_context_tuned(context, clvits_context_device_count(context) > 0, &file,
                                       &own);
    printf("%s: %d tuned row%s", *name ? name : clvits_context_device(context), n,
           program_plural(n));
    if (*file)
        printf(", %d of them from %s", own, file);
    else if (n)
        printf(", all of the library");
    printf("\n");
    if (*clvits_context_quirks(context, 1))
        printf("%s: quirks: %s\n", name, clvits_context_quirks(context, 1));
    clvits_context_close(&context);
}

static void print_tuned(const clvits_device_desc *list, size_t n)
{
    program_said s = { 0 }; /* every device is given the same file */
    char number[16];

    print_rows("cpu", "", &s);
    for (size_t i = 0; i < n; i++) {
        snprintf(number, sizeof(number), "%d", list[i].number);
        print_rows(number, list[i].name, &s);
    }
}

/* Whether the environment's values make sense that no device is needed to judge. Returns a code. */
static int check_environment(void)
{
    program_log log = { .quiet = true };
    const clvits_context_params params = { .device = "cpu", .place = "", .threads = 1,
                                           .log = program_receive, .log_user = &log };
    clvits_context *context;
    const clvits_status s = clvits_context_open(&context, &params);

    clvits_context_close(&context);
    return s == CLVITS_E_ARGUMENT ? program_fail(CODE_USAGE, "%s", log.error) : CODE_OK;
}

int command_devices(int argc, char **argv)
{
    bool json = false, verbose = false;
    const option table[] = { { "json", 0, OPTION_FLAG, &json, 0, 0 },
                             { "verbose", 'v', OPTION_FLAG, &verbose, 0, 0 } };
    clvits_device_desc *list;
    size_t n;
    int code = options_parse(table, 2, "devices", help, &argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    if (argc)
        return program_fail(CODE_USAGE, "\"%s\" is one argument too many", argv[0]);
    code = check_environment();
    if (code)
        return code;
    const clvits_status s = clvits_devices(&list, &n);
    if (s)
        return program_fail(program_code(s, CODE_FAILED), "the devices cannot be listed: %s",
                            clvits_status_text(s));
    if (json) {
        devices_print_json(stdout, list, n);
        printf("\n");
    } else {
        print_table(list, n);
    }
    if (verbose && !json)
        print_tuned(list, n);
    clvits_devices_free(&list);
    return CODE_OK;
}
