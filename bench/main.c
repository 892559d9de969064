// SPDX-License-Identifier: MIT
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bench_room *const rooms[] = { bench_conv1d, bench_decoder };

static const char help[] =
    "usage: clvits-bench [OPTION...]\n"
    "Times the operators of clvits on one device against the peak measured there.\n"
    "  -d, --device NAME   cpu, cpu:ISA (baseline, avx2, avx512), or a part of an OpenCL device's\n"
    "                      or platform's name; cpu by default\n"
    "  -k, --kernels KIND  gpu or cpu: which kernels an OpenCL device runs; its own by default\n"
    "  -t, --threads N     threads of the CPU path; one per processor by default\n"
    "  -f, --filter TEXT   only cases whose name has this in it\n"
    "  -s, --seconds S     time for each case, 0.3 by default\n"
    "  -c, --cache DIR     keep built kernels there\n"
    "  -h, --help          this text\n";

static const struct option options[] = {
    { "device", required_argument, NULL, 'd' },  { "kernels", required_argument, NULL, 'k' },
    { "threads", required_argument, NULL, 't' }, { "filter", required_argument, NULL, 'f' },
    { "seconds", required_argument, NULL, 's' }, { "cache", required_argument, NULL, 'c' },
    { "help", no_argument, NULL, 'h' },          { 0 },
};

static void print_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    if (level <= CLVITS_LOG_WARNING)
        fprintf(stderr, "clvits-bench: %s\n", text);
}

static clvits_status open_device(bench *b, const char *name, const clvits_device_params *p)
{
    clvits_device_info *list;
    int n, found = -1;
    clvits_status s = clvits_device_list(&list, &n, &b->report);

    if (s)
        return s;
    for (int i = 0; i < n && found < 0; i++)
        if (strstr(list[i].name, name) || strstr(list[i].platform, name))
            found = i;
    free(list);
    if (found < 0)
        return clvits_fail(&b->report, CLVITS_E_DEVICE, "no OpenCL device is named \"%s\"", name);
    s = clvits_device_open(&b->machine.device[1], found, p, &b->report);
    b->machine.n_places = s ? 1 : 2;
    return s;
}

static clvits_status open_place(bench *b, const char *device, int threads,
                                const clvits_device_params *p)
{
    const bool cpu = !strncmp(device, "cpu", 3);
    clvits_status s = clvits_cpu_open(&b->machine.cpu, cpu && device[3] == ':' ? device + 4 : NULL,
                                      threads, &b->report);

    if (!s && !cpu)
        s = open_device(b, device, p);
    if (!s)
        s = bench_peak(b);
    if (s)
        return s;
    if (cpu)
        printf("%s, %s, %d threads", b->machine.cpu.name, b->machine.cpu.table->isa,
               clvits_pool_threads(b->machine.cpu.pool));
    else
        printf("%s, %s kernels", clvits_device_get_info(b->machine.device[1])->name,
               clvits_device_get_info(b->machine.device[1])->family ? "cpu" : "gpu");
    printf(": peak %.1f GFLOP/s, copies %.1f GB/s\n", b->peak_flops * 1e-9, b->peak_bytes * 1e-9);
    return CLVITS_OK;
}

int main(int argc, char **argv)
{
    bench b = { .report = { .log = print_log }, .machine = { .n_places = 1 }, .seconds = 0.3 };
    clvits_device_params params = { 0 };
    const char *device = "cpu";
    int threads = 0, c;

    while ((c = getopt_long(argc, argv, "d:k:t:f:s:c:h", options, NULL)) != -1)
        switch (c) {
        case 'd':
            device = optarg;
            break;
        case 'k':
            params.family = 1 + (strcmp(optarg, "gpu") ? CLVITS_FAMILY_CPU : CLVITS_FAMILY_GPU);
            break;
        case 't':
            threads = atoi(optarg);
            break;
        case 'f':
            b.filter = optarg;
            break;
        case 's':
            b.seconds = atof(optarg);
            break;
        case 'c':
            params.cache_dir = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(help, stderr);
            return 2;
        }

    const clvits_status s = open_place(&b, device, threads, &params);
    if (s) {
        fprintf(stderr, "clvits-bench: %s: %s\n", clvits_status_text(s), b.report.text);
        b.failures++;
    }
    for (int i = 0; i < LENGTH(rooms) && !s; i++)
        rooms[i](&b);
    clvits_device_close(&b.machine.device[1]);
    clvits_cpu_close(&b.machine.cpu);
    return b.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
