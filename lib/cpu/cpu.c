// SPDX-License-Identifier: MIT
#include "cpu/cpu.h"

#include <stdio.h>
#include <string.h>

extern const clvits_cpu_table clvits_cpu_table_baseline;
#if defined(__x86_64__)
extern const clvits_cpu_table clvits_cpu_table_avx2;
extern const clvits_cpu_table clvits_cpu_table_avx512;
#endif

/* Best first. */
static const clvits_cpu_table *const tables[] = {
#if defined(__x86_64__)
    &clvits_cpu_table_avx512,
    &clvits_cpu_table_avx2,
#endif
    &clvits_cpu_table_baseline,
};

static int runs_here(const clvits_cpu_table *t)
{
#if defined(__x86_64__)
    if (t == &clvits_cpu_table_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (t == &clvits_cpu_table_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return t == &clvits_cpu_table_baseline;
}

static void read_name(char *name, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");

    snprintf(name, size, "CPU");
    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, size, "%s", colon + 2);
        break;
    }
    fclose(f);
}

/* The best where isa is NULL; NULL where there is none. */
static const clvits_cpu_table *table_of(const char *isa)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (runs_here(tables[i]) && (!isa || !strcmp(isa, tables[i]->isa)))
            return tables[i];
    return NULL;
}

bool clvits_cpu_has(const char *isa)
{
    return table_of(isa);
}

clvits_status clvits_cpu_open(clvits_cpu *out, const char *isa, int threads, clvits_report *r)
{
    *out = (clvits_cpu){ .table = table_of(isa) };
    if (!out->table)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "this processor, or this build, has no CPU path for \"%s\"; leave the "
                           "choice open or take \"baseline\"", isa);
    read_name(out->name, sizeof(out->name));
    return clvits_pool_open(&out->pool, threads, r);
}

void clvits_cpu_close(clvits_cpu *cpu)
{
    clvits_pool_close(&cpu->pool);
}
