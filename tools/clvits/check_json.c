// SPDX-License-Identifier: MIT
#include "check_json.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>

static void add_text(const check_json *j, const char *before, const char *name, const char *text)
{
    fprintf(j->f, "%s\"%s\": ", before, name);
    program_json(j->f, text, strlen(text));
}

static void add_system(const check_json *j)
{
    const clvits_context_params params = { .device = "cpu", .place = "", .precision = "fp32" };
    clvits_context *context;
    struct utsname u;

    if (!uname(&u)) {
        add_text(j, ",\n", "system", u.sysname);
        add_text(j, ", ", "release", u.release);
        add_text(j, ", ", "architecture", u.machine);
    }
    if (!clvits_context_open(&context, &params)) {
        add_text(j, ",\n", "cpu", clvits_context_device(context));
        clvits_context_close(&context);
    }
}

int check_json_begin(check_json *j, const char *device)
{
    clvits_device_desc *list;
    size_t n;

    if (!j->f)
        return CODE_OK;
    if (clvits_devices(&list, &n))
        return program_fail(CODE_FAILED, "out of memory");
    fputs(CHECK_JSON_BEGIN " 1\"", j->f);
    add_text(j, ",\n", "version", clvits_version());
    add_text(j, ",\n", "kernels", clvits_kernels());
    add_system(j);
    add_text(j, ",\n", "device", device);
    fputs(",\n\"devices\": ", j->f);
    devices_print_json(j->f, list, n);
    fputs(",\n\"runs\": [", j->f);
    fflush(j->f);
    clvits_devices_free(&list);
    return CODE_OK;
}

void check_json_begin_run(check_json *j, const char *precision)
{
    if (!j->f)
        return;
    add_text(j, j->runs++ ? ",\n{" : "\n{", "precision", precision);
    fputs(", \"cases\": [", j->f);
    j->cases = 0;
}

/* JSON has no word for what is no number. */
static void add_number(const check_json *j, const char *name, double x)
{
    if (isfinite(x))
        fprintf(j->f, ", \"%s\": %.6g", name, x);
    else
        fprintf(j->f, ", \"%s\": null", name);
}

void check_json_add(check_json *j, const clvits_check_result *r)
{
    if (!j->f)
        return;
    add_text(j, j->cases++ ? ",\n  {" : "\n  {", "name", r->name);
    add_text(j, ", ", "shape", r->shape);
    add_text(j, ", ", "verdict",
             r->failure  ? "failed"
             : !r->ok    ? "wrong"
             : !r->taken ? "left to the CPU path"
                         : "ok");
    if (r->failure)
        add_text(j, ", ", "reason", r->failure);
    if (r->taken && !r->failure)
        add_number(j, "error", r->error);
    add_number(j, "limit", r->tolerance);
    if (r->taken && !r->failure)
        add_number(j, "milliseconds", r->device_milliseconds);
    if (!r->failure)
        add_number(j, "cpu_milliseconds", r->cpu_milliseconds);
    fputc('}', j->f);
}

void check_json_end_run(check_json *j, bool lacking, const char *why)
{
    if (!j->f)
        return;
    fputs("\n]", j->f);
    if (why)
        add_text(j, ", ", lacking ? "refused" : "failed", why);
    fputc('}', j->f);
}

void check_json_end(check_json *j)
{
    if (j->f)
        fputs("\n]\n}\n", j->f);
}
