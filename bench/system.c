// SPDX-License-Identifier: MIT
//
// The machine as far as it is known, and the file of results.
#include "bench.h"

#include "../tools/clvits/program.h"

#include <clvits/clvits.h>

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The first line that begins with key in a file of "key : value" lines; "" when there is none. */
static void find_line(char *out, size_t size, const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    char line[512];

    out[0] = '\0';
    while (f && !out[0] && fgets(line, sizeof(line), f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
    }
    if (f)
        fclose(f);
}

static void add_line(cJSON *o, const char *name, const char *path, const char *key)
{
    char text[256];
    find_line(text, sizeof(text), path, key);
    if (text[0])
        cJSON_AddStringToObject(o, name, text);
}

static void add_file(cJSON *o, const char *name, const char *path)
{
    FILE *f = fopen(path, "r");
    char text[128] = "";

    if (!f)
        return;
    if (fgets(text, sizeof(text), f)) {
        text[strcspn(text, "\n")] = '\0';
        cJSON_AddStringToObject(o, name, text);
    }
    fclose(f);
}

cJSON *bench_system(void)
{
    static const char *const clocks = "/sys/devices/system/cpu/cpu0/cpufreq/";
    cJSON *o = cJSON_CreateObject();
    struct utsname u;
    char path[128];

    add_line(o, "cpu", "/proc/cpuinfo", "model name");
    add_line(o, "cpu_mhz_at_start", "/proc/cpuinfo", "cpu MHz");
    snprintf(path, sizeof(path), "%sscaling_max_freq", clocks);
    add_file(o, "cpu_khz_most", path);
    snprintf(path, sizeof(path), "%sscaling_governor", clocks);
    add_file(o, "cpu_governor", path);
    add_line(o, "memory", "/proc/meminfo", "MemTotal");
    cJSON_AddNumberToObject(o, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
    if (!uname(&u)) {
        cJSON_AddStringToObject(o, "system", u.sysname);
        cJSON_AddStringToObject(o, "release", u.release);
        cJSON_AddStringToObject(o, "architecture", u.machine);
    }
    double load = 0.0;
    if (getloadavg(&load, 1) == 1)
        cJSON_AddNumberToObject(o, "load_at_start", load);
    return o;
}

static void add_settings(cJSON *root, const bench_options *o)
{
    cJSON *s = cJSON_AddObjectToObject(root, "settings");
    cJSON *line = cJSON_AddArrayToObject(root, "command");

    cJSON_AddBoolToObject(s, "quick", o->quick);
    cJSON_AddNumberToObject(s, "seconds", o->seconds);
    cJSON_AddNumberToObject(s, "threads", o->threads);
    cJSON_AddStringToObject(s, "kernel_family", !o->family ? "as suits the device"
                                                : o->family == 1 + CLVITS_FAMILY_GPU ? "gpu"
                                                                                     : "cpu");
    cJSON_AddBoolToObject(s, "foreign_kernels", o->kernel_dir != NULL);
    cJSON_AddNumberToObject(s, "memory_limit", (double)o->memory);
    cJSON_AddStringToObject(s, "record", o->record == CLVITS_RECORD_ON    ? "on"
                                         : o->record == CLVITS_RECORD_OFF ? "off"
                                                                          : "auto");
    const char *slash = strrchr(o->argv[0], '/');
    cJSON_AddItemToArray(line, cJSON_CreateString(slash ? slash + 1 : o->argv[0]));
    for (int i = 1; i < o->argc; i++)
        cJSON_AddItemToArray(line, cJSON_CreateString(o->argv[i]));
    bench_hide(line->child);
}

bool bench_write_json(const bench_options *o, const bench_result *result)
{
    cJSON *root = cJSON_CreateObject();
    char date[32];
    const time_t now = time(NULL);
    struct tm tm;

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    cJSON_AddStringToObject(root, "format", "clvits-bench 1");
    cJSON_AddStringToObject(root, "date", date);
    cJSON_AddBoolToObject(root, "complete", result->complete);
    if (result->interrupted)
        cJSON_AddNumberToObject(root, "interrupted_by_signal", result->interrupted);
    cJSON_AddStringToObject(root, "version", clvits_version());
    cJSON_AddStringToObject(root, "kernels", clvits_kernels());
#if defined(__clang__)
    cJSON_AddStringToObject(root, "compiler", __VERSION__);
#else
    cJSON_AddStringToObject(root, "compiler", "gcc " __VERSION__);
#endif
    add_settings(root, o);
    cJSON_AddItemReferenceToObject(root, "machine", result->system);
    cJSON *noise = cJSON_AddObjectToObject(root, "noise");
    cJSON_AddNumberToObject(noise, "timed", result->timed);
    cJSON_AddNumberToObject(noise, "noisy", result->noisy);
    cJSON_AddItemReferenceToObject(root, "devices", result->devices);
    cJSON_AddItemReferenceToObject(root, "results", result->results);

    const char *const path = bench_file_path(&o->json, result->complete);
    char *text = cJSON_PrintUnformatted(root);
    text_file file;
    bool done = false;
    if (!text) {
        program_fail(3, "out of memory for %s", path);
    } else if (!text_file_open(&file, path)) {
        fprintf(file.f, "%s\n", text);
        done = !text_file_finish(&file);
    }
    cJSON_free(text);
    cJSON_Delete(root);
    return done;
}
