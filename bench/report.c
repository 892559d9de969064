// SPDX-License-Identifier: MIT
//
// Results as a table and as comma-separated values.
#include "bench.h"

#include "../tools/clvits/program.h"

#include <string.h>

static double get(const cJSON *o, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(o, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

const char *bench_text(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
    return s ? s : "";
}

void bench_print_header(const char *device)
{
    printf("\n%s\n%-*s %13s %13s %8s %8s %6s %7s %7s\n", device, BENCH_COLUMN, "case", "device",
           "host", "GFLOP/s", "GB/s", "roof %", "build s", "first s");
}

void bench_print_name(const cJSON *r)
{
    const int n = printf("%-8s %s", bench_text(r, "level"), bench_text(r, "name"));

    if (n > BENCH_COLUMN)
        printf("\n");
    printf("%*s", n > BENCH_COLUMN ? BENCH_COLUMN : BENCH_COLUMN - n, "");
}

static void cell(const char *format, int width, double value)
{
    if (value > 0.0)
        printf(format, width, value);
    else
        printf(" %*s", width, "-");
}

/* contrary: the device took longer than the host saw it take. */
static void print_noise(const cJSON *n, bool contrary)
{
    printf(" noisy (%sspread %.0f %%, clock %.0f %%",
           contrary ? "device and host in other runs, " : "", 100.0 * get(n, "spread"),
           100.0 * get(n, "drift"));
    if (get(n, "others") > 0.1)
        printf(", others on %.1f processors", get(n, "others"));
    if (get(n, "stolen") > 0.005)
        printf(", %.0f %% stolen", 100.0 * get(n, "stolen"));
    printf(")");
}

void bench_print_record(const cJSON *r)
{
    const cJSON *device = cJSON_GetObjectItem(r, "device_seconds");
    const cJSON *host = cJSON_GetObjectItem(r, "host_seconds"), *value;
    const double d = get(device, "median"), h = get(host, "median"), s = d > 0.0 ? d : h;
    char time[BENCH_TIME];

    bench_print_name(r);
    if (strcmp(bench_text(r, "verdict"), "ok")) {
        printf(" %s: %s\n", bench_text(r, "verdict"), bench_text(r, "reason"));
        fflush(stdout);
        return;
    }
    printf(" %13s", d > 0.0 ? bench_time_text(time, d) : "-");
    printf(" %13s", h > 0.0 ? bench_time_text(time, h) : "-");
    cell(" %*.1f", 8, s > 0.0 ? get(r, "flop") / s * 1e-9 : 0.0);
    cell(" %*.2f", 8, s > 0.0 ? get(r, "bytes") / s * 1e-9 : 0.0);
    cell(" %*.0f", 6, 100.0 * get(r, "roofline"));
    cell(" %*.2f", 7, get(r, "compile_seconds") + get(r, "load_seconds"));
    cell(" %*.2f", 7, get(r, "first_seconds"));
    if (cJSON_IsTrue(cJSON_GetObjectItem(r, "noisy")))
        print_noise(cJSON_GetObjectItem(r, "noise"), d > h && h > 0.0);
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(r, "values"))
        if (strcmp(value->string, "launches"))
            printf(" %s %.4g", value->string, value->valuedouble);
    printf("%s%s\n", bench_text(r, "reason")[0] ? " " : "", bench_text(r, "reason"));
    fflush(stdout);
}

static void quoted(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"')
            fputc('"', f);
        fputc(*s, f);
    }
    fputs("\",", f);
}

bool bench_write_csv(const char *path, const cJSON *results)
{
    static const char *const texts[] = { "device", "level", "name", "verdict", "reason" };
    static const char *const kinds[] = { "device_seconds", "host_seconds" };
    static const char *const times[] = { "min", "median", "p95" };
    static const char *const numbers[] = { "flop",     "bytes",           "error",
                                           "roofline", "first_seconds",   "compiled",
                                           "compile_seconds", "loaded",   "load_seconds" };
    text_file file;
    const cJSON *r;

    if (text_file_open(&file, path))
        return false;
    FILE *f = file.f;
    fputs("device,level,name,verdict,reason,device_min,device_median,device_p95,host_min,"
          "host_median,host_p95,flop,bytes,error,roofline,first_seconds,compiled,compile_seconds,"
          "loaded,load_seconds,noisy\n", f);
    cJSON_ArrayForEach(r, results) {
        for (int i = 0; i < LENGTH(texts); i++)
            quoted(f, bench_text(r, texts[i]));
        for (int i = 0; i < LENGTH(kinds); i++)
            for (int k = 0; k < LENGTH(times); k++)
                fprintf(f, "%.5g,", get(cJSON_GetObjectItem(r, kinds[i]), times[k]));
        for (int i = 0; i < LENGTH(numbers); i++)
            fprintf(f, "%.5g,", get(r, numbers[i]));
        fprintf(f, "%d\n", cJSON_IsTrue(cJSON_GetObjectItem(r, "noisy")));
    }
    return !text_file_finish(&file);
}
