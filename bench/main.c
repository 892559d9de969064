// SPDX-License-Identifier: MIT
#include "bench.h"
#include "words.h"

#include "model/settings.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: clvits-bench [OPTION...]\n"
    "       clvits-bench compare FILE.json... [--threshold PERCENT]\n"
    "       clvits-bench report FILE.json... [-o PAGE.html]\n"
    "       clvits-bench launches\n"
    "Measures what every device of this machine makes of VITS. Results are compared with those\n"
    "of the CPU path before they are timed.\n"
    "  -d, --device A,B    cpu, cpu:ISA (baseline, avx2, avx512), opencl for all its devices, a\n"
    "                      number of `clvits devices`, or a part of an OpenCL device's or\n"
    "                      platform's name; all by default\n"
    "  -l, --level A,B     of machine, operator, stage, speech; all by default\n"
    "  -f, --filter TEXT   only cases whose name has this in it\n"
    "  -q, --quick         a few cases of each kind, within a minute\n"
    "  -j, --json FILE     write everything there, every sample included\n"
    "      --csv FILE      write the table there\n"
    "  -s, --seconds S     time for each case, 0.3 by default, 0.05 in a quick run\n"
    "  -w, --wait MINUTES  where other work disturbs a case, wait until the machine is quiet, so\n"
    "                      long in all, and four minutes for a case; 0 by default\n"
    "  -t, --threads N     threads of the CPU path; one per processor by default\n"
    "  -k, --kernels KIND  gpu or cpu: which kernels an OpenCL device runs; its own by default\n"
    "  -p, --precision P   fp32, fp16-storage or fp16: of stages and speech; fp32 by default. A\n"
    "                      device that lacks it says so, and has its operators measured alone\n"
    "  -c, --cache DIR     keep built kernels there, and follow the rows in its tuned.txt, which\n"
    "                      count for nothing otherwise\n"
    "  -h, --help          this text\n"
    "      --version       the version\n"
    "compare shows the times of several files side by side. It fails when a device got slower\n"
    "than in the first file by more than the threshold, 10 % by default, went wrong, or is\n"
    "missing, or one of its cases is; a case that was disturbed counts when even its best time is\n"
    "slower than the first file's median, and one that was skipped does not.\n"
    "report makes one page of several files (report.html), in place of no other file than an\n"
    "earlier page; it needs python3.\n"
    "launches lists, as JSON, what a GPU would be given: every kernel that the voices run, its\n"
    "options and work-group, and the floating-point operations that each voice's sentence takes.\n"
    "The environment's CLVITS_CPU, CLVITS_FAMILY, CLVITS_KERNELS, CLVITS_MEMORY,\n"
    "CLVITS_PRECISION, CLVITS_RECORD and CLVITS_THREADS count as for clvits; devices, placement,\n"
    "trust and caches are the bench's own.\n"
    "Exit codes: 0 fine; 1 something is wrong, or slower; 2 usage; 3 something could not run, or\n"
    "a file cannot be read or written; 130, 143 interrupted: the files hold what was measured\n"
    "until then; 141 nobody reads what it prints. Only results of clvits-bench are replaced, by\n"
    "those of a complete run: until then FILE.incomplete beside them has what was measured, and\n"
    "keeps it after an interruption.\n";

const char program_name[] = "clvits-bench";

/* What it says where the options say nothing; and whether it says anything wrong. */
static int read_environment(bench_options *o)
{
    const clvits_context_params params = { .precision = o->precision,
                                           .kernel_family = o->family,
                                           .threads = o->threads };
    clvits_report report = { 0 };
    clvits_settings s;

    if (clvits_settings_read(&s, &params, &report))
        return program_fail(CODE_USAGE, "%s", report.text);
    o->isa = s.isa.text;
    o->kernel_dir = s.kernel_dir;
    o->precision = s.precision.text;
    o->family = s.family;
    o->threads = s.threads;
    o->memory = s.memory;
    o->record = s.record;
    return CODE_OK;
}

/* Returns a code, or -1 when the help was printed. */
static int parse(bench_options *o, int argc, char **argv)
{
    static const char *const levels[] = { "machine", "operator", "stage", "speech", NULL };
    static const char *const precisions[] = { "fp32", "fp16-storage", "fp16", NULL };
    const char *family = NULL;
    double minutes = 0.0;
    const option table[] = {
        { "device", 'd', OPTION_TEXT, &o->devices, 0, 0 },
        { "level", 'l', OPTION_TEXT, &o->levels, 0, 0 },
        { "filter", 'f', OPTION_TEXT, &o->filter, 0, 0 },
        { "quick", 'q', OPTION_FLAG, &o->quick, 0, 0 },
        { "json", 'j', OPTION_TEXT, &o->json.path, 0, 0 },
        { "csv", 0, OPTION_TEXT, &o->csv.path, 0, 0 },
        { "seconds", 's', OPTION_DOUBLE, &o->seconds, 0.001, 3600 },
        { "wait", 'w', OPTION_DOUBLE, &minutes, 0, 1e5 },
        { "threads", 't', OPTION_INT, &o->threads, 1, 1024 },
        { "kernels", 'k', OPTION_TEXT, &family, 0, 0 },
        { "precision", 'p', OPTION_TEXT, &o->precision, 0, 0 },
        { "cache", 'c', OPTION_TEXT, &o->cache_dir, 0, 0 },
    };
    int code = options_parse(table, LENGTH(table), "", help, &argc, argv);

    if (!code && argc)
        code = program_fail(CODE_USAGE, "\"%.60s\" is no command, and no option's value: there are "
                                        "compare, report and launches, which come first", argv[0]);
    if (!code && minutes > 0.0 && o->quick)
        code = program_fail(CODE_USAGE, "--quick ends within a minute: give it or --wait");
    if (!code)
        code = words_check_list("level", o->levels, levels);
    if (!code)
        code = words_check("precision", o->precision, precisions);
    if (!code)
        code = words_family(&o->family, family);
    if (!code)
        code = read_environment(o);
    o->rows_dir = o->cache_dir;
    o->patience = 60.0 * minutes;
    if (o->seconds <= 0.0)
        o->seconds = o->quick ? 0.05 : 0.3;
    return code;
}

/* Others at work on the machine make times mean little; better said than averaged away. */
static void say_noise(const bench_result *r)
{
    const double load = cJSON_GetNumberValue(cJSON_GetObjectItem(r->system, "load_at_start"));
    const double processors = cJSON_GetNumberValue(cJSON_GetObjectItem(r->system, "processors"));
    const bool busy = load > 0.5 * processors;
    const char *const was = r->noisy * 10 > r->timed ? "noisy"
                            : busy && r->noisy       ? "not quiet"
                                                     : "quiet";

    if (r->timed)
        printf("The machine was %s: %d of %d cases were disturbed%s.\n", was, r->noisy, r->timed,
               r->noisy ? "; \"noisy\" in their lines says by what" : "");
    if (busy)
        printf("The machine was busy before this began: load %.1f on %.0f processors.\n", load,
               processors);
}

/* Drivers keep what they compile, so that the next run has more time. */
static void say_hurry(const bench_options *o, const bench_result *r)
{
    if (r->hurried)
        printf("No time was left for %d case%s: run this again, now that kernels are built%s, or "
               "without --quick.\n", r->hurried, program_plural(r->hurried),
               o->devices ? "" : ", or with one device (--device)");
}

static int write_results(bench_options *o, bench_result *result)
{
    const char *const csv = bench_file_path(&o->csv, result->complete);
    bool json_written = true, csv_written = true;

    printf("\n%d case%s: %d wrong, %d could not run, %d skipped.\n",
           cJSON_GetArraySize(result->results),
           cJSON_GetArraySize(result->results) == 1 ? "" : "s", result->wrong, result->failed,
           result->skipped);
    say_noise(result);
    say_hurry(o, result);
    if (result->interrupted)
        printf("The run was interrupted.\n");
    if (o->json.path) {
        json_written = bench_write_json(o, result);
        bench_file_end(&o->json, json_written, result->complete);
    }
    if (o->csv.path) {
        csv_written = bench_write_csv(csv, result->results);
        bench_file_end(&o->csv, csv_written, result->complete);
    }
    if (result->interrupted)
        return 128 + result->interrupted;
    return result->wrong ? 1 : result->failed || !json_written || !csv_written ? 3 : 0;
}

static int run(int argc, char **argv)
{
    bench_options o = { .argc = argc, .argv = argv };
    bench_result result = { 0 };

    if (argc > 1 && !strcmp(argv[1], "compare"))
        return bench_compare(argc - 2, argv + 2);
    if (argc > 1 && !strcmp(argv[1], "report"))
        return bench_report(argc - 1, argv + 1);
    if (argc > 2 && !strcmp(argv[1], "launches"))
        return program_fail(CODE_USAGE, "launches takes no argument, and \"%.40s\" is one",
                            argv[2]);
    if (argc == 2 && !strcmp(argv[1], "launches"))
        return bench_launches();
    int code = parse(&o, argc - 1, argv + 1);
    if (code)
        return code < 0 ? 0 : code;
    code = bench_file_begin(&o.json, &o.csv);
    if (code)
        return code;
    result.system = bench_system();
    code = bench_collect(&o, &result);
    if (code != CODE_USAGE && !cJSON_GetArraySize(result.results) && !result.interrupted)
        code = program_fail(CODE_USAGE, "no case has \"%s\" in its name%s%s; a run without "
                                        "--filter shows the names", o.filter ? o.filter : "",
                            o.levels ? ", of level " : "", o.levels ? o.levels : "");
    if (code != CODE_USAGE) {
        const int written = write_results(&o, &result);
        code = written ? written : code;
    }
    bench_file_drop(&o.json);
    bench_file_drop(&o.csv);
    cJSON_Delete(result.system);
    cJSON_Delete(result.devices);
    cJSON_Delete(result.results);
    return code;
}

int main(int argc, char **argv)
{
    const int code = run(argc, argv);
    const int flushed = program_flush();

    return code ? code : flushed ? 3 : 0;
}
