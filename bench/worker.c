// SPDX-License-Identifier: MIT
//
// What happens in a process of its own: opening one place and measuring there.
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static void print_log(void *user, clvits_log_level level, const char *text)
{
    bench *b = user;

    if (level > CLVITS_LOG_WARNING)
        return;
    fprintf(stderr, "clvits-bench: %s\n", text);
    snprintf(b->warning, sizeof(b->warning), "%.500s", text);
}

static cJSON *describe_device(const clvits_device_info *d)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "kind", "opencl");
    cJSON_AddStringToObject(o, "device", d->name);
    cJSON_AddStringToObject(o, "vendor", d->vendor);
    cJSON_AddStringToObject(o, "platform", d->platform);
    cJSON_AddStringToObject(o, "opencl", d->version);
    cJSON_AddStringToObject(o, "driver", d->driver);
    cJSON_AddStringToObject(o, "kernels", d->family == CLVITS_FAMILY_GPU ? "gpu" : "cpu");
    cJSON_AddBoolToObject(o, "gpu", d->gpu);
    cJSON_AddNumberToObject(o, "compute_units", d->compute_units);
    if (d->clock_mhz)
        cJSON_AddNumberToObject(o, "clock_mhz", d->clock_mhz);
    cJSON_AddNumberToObject(o, "local_memory", (double)d->local_memory);
    cJSON_AddNumberToObject(o, "global_memory", (double)d->global_memory);
    cJSON_AddBoolToObject(o, "fp16_offered", d->fp16);
    cJSON_AddBoolToObject(o, "unified_memory", d->unified_memory);
    return o;
}

static cJSON *describe_cpu(const clvits_cpu *cpu)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "kind", "cpu");
    cJSON_AddStringToObject(o, "device", cpu->name);
    cJSON_AddStringToObject(o, "isa", cpu->table->isa);
    cJSON_AddNumberToObject(o, "threads", clvits_pool_threads(cpu->pool));
    return o;
}

static void list_devices(bench *b)
{
    clvits_device_info *list = NULL;
    int n = 0;
    const clvits_status s = clvits_device_list(&list, &n, &b->report);

    for (int i = 0; i < n && !s; i++)
        bench_send_object(b, "device", describe_device(&list[i]));
    if (s)
        bench_send_object(b, "unlisted", cJSON_CreateString(b->report.text));
    free(list);
}

clvits_status bench_open_device(bench *b, bool measure, clvits_record_mode record,
                                clvits_device **out)
{
    const clvits_device_params params = { .cache_dir = b->o->cache_dir,
                                          .source_dir = b->o->kernel_dir,
                                          .family = b->o->family,
                                          .measure = measure,
                                          .memory = b->o->memory,
                                          .record = record ? record : b->o->record };
    const clvits_tuned *tuned = NULL;
    clvits_status s = clvits_device_open(out, b->place->index, &params, &b->report);

    if (!s && b->tuning)
        s = clvits_tuning_choose(&tuned, b->tuning, &(clvits_target){ .device = *out, .place = 1 },
                                 &b->report);
    if (!s)
        clvits_device_set_tuned(*out, tuned);
    return s;
}

static clvits_status open_place(bench *b, const bench_place *p)
{
    const bench_options *o = b->o;
    clvits_status s = clvits_cpu_open(&b->machine.cpu, p->cpu && p->isa[0] ? p->isa : o->isa,
                                      o->threads, &b->report);

    b->machine.n_places = 1;
    if (!s) /* a user's rows only where a cache folder is named */
        s = clvits_tuning_open(&b->tuning, o->rows_dir, &b->report);
    if (!s)
        s = clvits_tuning_choose(&b->machine.cpu.tuned, b->tuning,
                                 &(clvits_target){ .cpu = &b->machine.cpu }, &b->report);
    if (!s && !p->cpu) {
        s = bench_open_device(b, false, CLVITS_RECORD_AUTO, &b->machine.device[1]);
        b->machine.n_places = s ? 1 : 2;
    }
    if (s)
        return s;
    b->reference.n_places = 1;
    if (!p->cpu)
        b->reference.cpu = b->machine.cpu;
    else
        s = clvits_cpu_open(&b->reference.cpu,
                            strcmp(b->machine.cpu.table->isa, "baseline") ? "baseline" : NULL,
                            o->threads, &b->report);
    return s;
}

static void close_place(bench *b, const bench_place *p)
{
    clvits_device_close(&b->machine.device[1]);
    if (p->cpu)
        clvits_cpu_close(&b->reference.cpu);
    clvits_cpu_close(&b->machine.cpu);
    clvits_tuning_close(&b->tuning);
}

/* Stages and speech alone have it; what is in floats is measured all the same, but not as if it
 * were what was asked for. */
static void set_precision(bench *b)
{
    if (!b->o->precision ||
        !clvits_machine_set_precision(&b->machine, b->o->precision, &b->report))
        return;
    bench_send_object(b, "refused", cJSON_CreateString(b->report.text));
    clvits_report_clear(&b->report);
}

static void operators(bench *b, const bench_place *p)
{
    clvits_status s = bench_peak(b);
    bench_record failed = { .level = "machine", .name = "peaks" };

    if (s) { /* shares of the roofline are not known then, times are */
        bench_note_failure(&failed, &b->report);
        bench_send(b, &failed);
    }
    cJSON *o = p->cpu ? describe_cpu(&b->machine.cpu)
                      : describe_device(clvits_device_get_info(b->machine.device[1]));
    cJSON_AddStringToObject(o, "precision", bench_in_halves(b) ? b->o->precision : "fp32");
    cJSON_AddBoolToObject(o, "event_times", !b->no_events);
    cJSON_AddNumberToObject(o, "peak_flops", b->peak_flops);
    cJSON_AddNumberToObject(o, "peak_bytes", b->peak_bytes);
    if (b->peak_half > 0.0)
        cJSON_AddNumberToObject(o, "peak_flops_fp16", b->peak_half);
    bench_send_object(b, "device", o);
    if (!s)
        bench_machine(b);
    bench_operators(b);
}

void bench_work(bench *b, bench_task task, const bench_place *place, int voice)
{
    const double start = bench_now();

    b->report.log = print_log;
    b->report.log_user = b;
    b->place = place;
    if (task == BENCH_LIST) {
        list_devices(b);
        return;
    }
    if (open_place(b, place)) {
        bench_send_object(b, "lost", cJSON_CreateString(b->report.text));
        close_place(b, place);
        return;
    }
    set_precision(b);
    switch (task) {
    case BENCH_OPERATORS:
        operators(b, place);
        break;
    case BENCH_COLD:
    case BENCH_WARM:
        bench_voice_first(b, voice, start, task == BENCH_WARM);
        break;
    default:
        if (bench_peak(b)) /* shares of the roofline are then not known */
            clvits_report_clear(&b->report);
        bench_voice(b, voice);
    }
    close_place(b, place);
}
