// SPDX-License-Identifier: MIT
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: clvits-bench [OPTION...]\n"
    "       clvits-bench compare FILE.json... [--threshold PERCENT]\n"
    "       clvits-bench report FILE.json... [-o PAGE.html]\n"
    "       clvits-bench launches\n"
    "Measures what every device of this machine makes of VITS. Results are compared with those\n"
    "of the CPU path before they are timed.\n"
    "  -d, --device A,B    cpu, cpu:ISA (baseline, avx2, avx512), a number of `clvits devices`,\n"
    "                      or a part of an OpenCL device's or platform's name; all by default\n"
    "  -l, --level A,B     of machine, operator, stage, speech; all by default\n"
    "  -f, --filter TEXT   only cases whose name has this in it\n"
    "  -q, --quick         a few cases of each kind, within a minute\n"
    "  -j, --json FILE     write everything there, every sample included\n"
    "      --csv FILE      write the table there\n"
    "  -s, --seconds S     time for each case, 0.3 by default, 0.05 in a quick run\n"
    "  -t, --threads N     threads of the CPU path; one per processor by default\n"
    "  -k, --kernels KIND  gpu or cpu: which kernels an OpenCL device runs; its own by default\n"
    "  -p, --precision P   fp32, fp16-storage or fp16: of stages and speech; fp32 by default\n"
    "  -c, --cache DIR     keep built kernels there, and follow the rows in its tuned.txt, which\n"
    "                      count for nothing otherwise\n"
    "  -h, --help          this text\n"
    "compare shows the times of several files side by side. It fails when a device got slower\n"
    "than in the first file by more than the threshold, 10 % by default, or went wrong; a case\n"
    "that was disturbed counts when even its best time is slower than the first file's median.\n"
    "report makes one page of several files (report.html); it needs python3.\n"
    "launches lists, as JSON, what a GPU would be given: every kernel that the voices run, its\n"
    "options and work-group, and the floating-point operations that each voice's sentence takes.\n"
    "The environment's CLVITS_KERNELS names a folder to read kernels from.\n"
    "Exit codes: 0 fine; 1 something is wrong, or slower; 2 usage; 3 something could not run;\n"
    "130, 143 interrupted: the files hold what was measured until then.\n";

static const struct option options[] = {
    { "device", required_argument, NULL, 'd' },  { "kernels", required_argument, NULL, 'k' },
    { "threads", required_argument, NULL, 't' }, { "filter", required_argument, NULL, 'f' },
    { "seconds", required_argument, NULL, 's' }, { "cache", required_argument, NULL, 'c' },
    { "level", required_argument, NULL, 'l' },   { "quick", no_argument, NULL, 'q' },
    { "precision", required_argument, NULL, 'p' },
    { "json", required_argument, NULL, 'j' },    { "csv", required_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },          { 0 },
};

static bool parse(bench_options *o, int argc, char **argv)
{
    for (int c; (c = getopt_long(argc, argv, "d:k:t:f:s:c:l:p:qj:h", options, NULL)) != -1;)
        switch (c) {
        case 'd':
            o->devices = optarg;
            break;
        case 'k':
            if (strcmp(optarg, "gpu") && strcmp(optarg, "cpu"))
                return false;
            o->family = 1 + (strcmp(optarg, "gpu") ? CLVITS_FAMILY_CPU : CLVITS_FAMILY_GPU);
            break;
        case 't':
            o->threads = atoi(optarg);
            break;
        case 'f':
            o->filter = optarg;
            break;
        case 's':
            o->seconds = atof(optarg);
            break;
        case 'c':
            o->cache_dir = optarg;
            break;
        case 'l':
            o->levels = optarg;
            break;
        case 'p':
            o->precision = optarg;
            break;
        case 'q':
            o->quick = true;
            break;
        case 'j':
            o->json = optarg;
            break;
        case 'v':
            o->csv = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            return false;
        }
    if (o->seconds <= 0.0)
        o->seconds = o->quick ? 0.05 : 0.3;
    return optind == argc;
}

/* Others at work on the machine make times mean little; better said than averaged away. */
static void say_noise(const bench_result *r)
{
    const double load = cJSON_GetNumberValue(cJSON_GetObjectItem(r->system, "load_at_start"));
    const double processors = cJSON_GetNumberValue(cJSON_GetObjectItem(r->system, "processors"));

    if (r->noisy * 10 > r->timed)
        printf("The machine was noisy: %d of %d cases were disturbed; the column \"noisy\" says by "
               "what.\n", r->noisy, r->timed);
    else if (r->timed)
        printf("The machine was quiet: %d of %d cases were disturbed.\n", r->noisy, r->timed);
    if (load > 0.5 * processors)
        printf("The machine was busy when this began: load %.1f on %.0f processors.\n", load,
               processors);
}

int main(int argc, char **argv)
{
    bench_options o = { .argc = argc, .argv = argv, .kernel_dir = getenv("CLVITS_KERNELS") };
    bench_result result = { 0 };

    if (argc > 1 && !strcmp(argv[1], "compare"))
        return bench_compare(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "report"))
        return bench_report(argc - 1, argv + 1);
    if (argc == 2 && !strcmp(argv[1], "launches"))
        return bench_launches();
    if (!parse(&o, argc, argv)) {
        fputs(help, stderr);
        return 2;
    }
    result.system = bench_system();
    bool done = bench_collect(&o, &result);
    printf("\n%d cases: %d wrong, %d could not run, %d skipped.\n",
           cJSON_GetArraySize(result.results), result.wrong, result.failed, result.skipped);
    say_noise(&result);
    if (result.interrupted)
        printf("The run was interrupted; what had been measured is kept.\n");
    if (o.json)
        done &= bench_write_json(&o, &result);
    if (o.csv)
        done &= bench_write_csv(o.csv, result.results);
    cJSON_Delete(result.system);
    cJSON_Delete(result.devices);
    cJSON_Delete(result.results);
    if (result.interrupted)
        return 128 + result.interrupted;
    return result.wrong ? 1 : result.failed || !done ? 3 : 0;
}
