// SPDX-License-Identifier: MIT
//
// clvits-bench: what every device of this machine makes of VITS, case by case, against the peak
// measured there and then. A result is compared before it is timed.
//
// The program itself makes no OpenCL call. Each device is measured by processes of its own that
// send one JSON object per line: a driver that crashes or hangs costs a case, not the run.
#ifndef CLVITS_BENCH_BENCH_H
#define CLVITS_BENCH_BENCH_H

#include "graph/build.h"
#include "graph/sched.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

enum { BENCH_MAX_RUNS = 40, BENCH_MAX_SCALARS = 4, BENCH_NAME = 96, BENCH_TIME = 24 };

/** A file that a run writes. */
typedef struct bench_file {
    const char *path; /* NULL: none */
    char *beside;     /* until the run is complete, where there was one of that name; else NULL.
                         It is made at once, so that each run has its own. */
} bench_file;

/** What was asked for. */
typedef struct bench_options {
    const char *devices; /* names with commas between; NULL: the CPU path and every device */
    const char *levels;  /* of machine, operator, stage, speech; NULL: all */
    const char *filter;  /* part of a case's name; NULL: all */
    bench_file json, csv;
    const char *cache_dir, *kernel_dir;
    const char *rows_dir;  /* where tuned.txt is, also when nothing may be cached; NULL: nowhere */
    const char *precision; /* NULL: fp32 */
    const char *isa;       /* of the CPU path where a device's name says none; NULL: the best */
    clvits_record_mode record;
    size_t memory; /* that a device may give, in bytes; 0: no limit */
    int family;    /* 0, or a clvits_family + 1 */
    int threads;
    double seconds;  /* to spend on a case, at least */
    double patience; /* seconds to wait, in all, until the machine is quiet */
    bool quick;
    int argc;
    char **argv;
} bench_options;

/** Times of one kind, in seconds, as they were taken. */
typedef struct bench_times {
    double sample[BENCH_MAX_RUNS];
    int n;
} bench_times;

typedef struct bench_stats {
    double min, median, p95;
    double spread; /* of the middle half, over the median */
} bench_stats;
bench_stats bench_statistics(const bench_times *t);

/** Of n numbers, which are put in order; 0 of none. */
double bench_median(double *of, int n);

/** "12.345 ms", or "0.123 us" of what is less than a hundredth of one; returns out. */
const char *bench_time_text(char out[BENCH_TIME], double seconds);

/** What disturbed the times of a case; noise.c has the limits. */
typedef struct bench_disturbance {
    double spread;   /* of the middle half of the times, over the median */
    double drift;    /* of the processor's clock around the case, over the fastest one seen */
    double others;   /* processors that other work kept busy, about then */
    double stolen;   /* share of the processors' time that a virtual machine's host took */
    double switches; /* times per second that a thread was made to wait */
    int tries;       /* how often the case was timed; the least disturbed time counts */
    double waited;   /* seconds, until the machine was quiet */
    bool taken;
} bench_disturbance;

/** How large the largest of these is, as a multiple of its limit. */
double bench_disturbed(const bench_disturbance *n);
bool bench_is_noisy(const bench_disturbance *n);

/** What a worker knows of the machine between two cases. */
typedef struct bench_quiet {
    double before, best; /* seconds for a fixed piece of work: now, and the fastest */
    double start;        /* of the case */
    long switches;
    bool known; /* the system counts */
    double since, busy, stolen, own, others, steal;
} bench_quiet;

/** One line of the result. */
typedef struct bench_record {
    const char *level, *verdict; /* "ok", "wrong", "failed", "skipped" */
    char name[BENCH_NAME], reason[512];
    double error;        /* against the reference: largest difference over largest value */
    double flops, bytes; /* of a run, by its lengths: work; operands and results, each once */
    double multiplied;   /* of this work, what Toom-Cook forms leave */
    bench_times device, host;
    bench_disturbance noise;
    int runs;     /* behind the times; 0: as many as there are samples */
    double first; /* seconds that planning and the first run took more than the others */
    double roofline; /* share of the speed that the measured peaks allow; 0: not known */
    double peak_flops, peak_bytes; /* those */
    bool half_sums;   /* models may add up halves in it, which has a peak of its own */
    bool unasked;     /* measured for another one's sake, and sent if that went wrong */
    cJSON *values;    /* further numbers, or NULL */
    cJSON *operators; /* of a stage: seconds in each, by the device's clock; or NULL */
} bench_record;

/** Where to measure: the CPU path, or the OpenCL device of that index. */
typedef struct bench_place {
    char name[160]; /* in the results */
    char isa[32];   /* of the CPU path; "" for the best */
    bool cpu, lost; /* lost: it could not be opened */
    bool refused;   /* the precision that stages and speech were to have */
    int index;
} bench_place;

/** A worker: measures one device, or one voice on it. */
typedef struct bench {
    const bench_options *o;
    const bench_place *place;
    clvits_report report;
    clvits_machine machine;   /* the CPU, and the device when there is one under test */
    clvits_tuning *tuning;    /* the machine's */
    clvits_machine reference; /* what results are held against: the CPU path, as built for another
                                 instruction set when it is itself under test */
    double peak_flops;        /* multiply-adds count as two */
    double peak_seen;         /* the last one, of the CPU */
    double peak_half;         /* the same in fp16; 0: the device does not offer it */
    double peak_bytes;        /* read plus written, per second */
    bool no_events;           /* the driver's own times cannot be believed */
    char warning[512];        /* the library's last */
    bench_record mad, half, copy; /* how the peaks were found */
    bench_quiet quiet;
    clvits_builds built;      /* by the device under test, when the record was begun */
    double deadline;          /* by bench_now(); cases that begin later are skipped */
    double patience;          /* seconds left to wait for a quiet machine */
    bool for_another;         /* the next case is needed for a record that is asked for */
    int number, from;         /* of the next case; of the first that is still to be done */
    FILE *out;                /* NULL: only count */
} bench;

double bench_now(void);

/** Seconds of all processors since the machine started: at work, and taken by the host of a virtual
 *  machine. False where the system does not say. */
bool bench_counters(double *busy, double *stolen);

/** What a quick run says of a case that it had no time for. */
#define BENCH_HURRIED "no time was left"

/* What halves may add to a stage or to speech, noise over signal: -45 dB, as the tests have it. */
#define BENCH_HALF_NOISE 3e-5

/** Whether stages and speech are in halves; the CPU path keeps to floats whatever was asked for. */
static inline bool bench_in_halves(const bench *b)
{
    return b->machine.halves && b->machine.n_places > 1;
}

/** Around the times of a case: what the machine did besides goes into the record. */
void bench_quiet_begin(bench *b);
void bench_quiet_end(bench *b, bench_record *r);

/** Times of a case that something disturbed are taken again, a few times at most, and then while
 *  patience lasts: these are those that were disturbed least, whichever are shorter. */
typedef struct bench_tries {
    bench_times host, device, more; /* more: whatever the case has besides */
    bench_disturbance noise;
    double start, waited; /* of the first try; seconds since, for a quiet machine */
    int n, runs;  /* tries; runs behind the times */
} bench_tries;

/** After bench_quiet_begin() and the times: whether to take them again, which begins anew; if not,
 *  the record and `more` (may be NULL) have those that count. */
bool bench_try_again(bench *b, bench_tries *t, bench_record *r, bench_times *more);

/* Level (a), machine.c and peak.c. */
clvits_status bench_peak(bench *b);
void bench_machine(bench *b);

/** The share of the peaks that a record with times has come to, and which these are. */
void bench_roofline(const bench *b, bench_record *r);

/** The CPU's multiply-adds once more: its clock moves with what else the machine does. Other work
 *  can take processors away for just as long as this lasts, so a lower peak counts when it is seen
 *  for the second time. */
void bench_peak_again(bench *b);

/** One room's cases at level (b); rooms.c has the list. */
typedef void bench_room(bench *b);
bench_room bench_align, bench_attention, bench_conv1d, bench_discriminators, bench_embedding,
    bench_loss, bench_matmul, bench_move, bench_noise, bench_norm, bench_pointwise, bench_reduce,
    bench_search, bench_separable, bench_spectrogram, bench_spline, bench_wavenet;
void bench_operators(bench *b);

/** Geometry that a room's shapes follow from; seconds is the length of speech. */
typedef struct bench_shape {
    const char *voice;
    int hidden, inter, heads, filter; /* of the text encoder; latent; attention; durations */
    double frames, ids;               /* per second of speech */
    bool quick;                       /* also in a quick run, for one second */
} bench_shape;
extern const bench_shape bench_shapes[];
extern const int bench_shape_count;
static const int bench_seconds[] = { 1, 10 };
int bench_rows(double per_second, int seconds);

/** Whether a quick run leaves this shape out. */
bool bench_leaves_out(const bench *b, const bench_shape *s, int seconds);

/** A graph of one case: built, planned, fed with random numbers, checked and timed. */
typedef struct bench_graph {
    bench *b;
    clvits_packed_weights *weights;
    clvits_graph *graph;
    bool own_graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_arena arena;
    struct bench_input *inputs;
    struct {
        int slot;
        int bits;
    } scalars[BENCH_MAX_SCALARS];
    int n_scalars;
    int lengths[CLVITS_MAX_CLOCKS]; /* valid rows; 0: all */
    /* Of which result only some rows are asked for, or NULL: the plan says how long that makes a
     * clock, whose valid rows end at `frames`. */
    const clvits_tensor *wanted;
    clvits_range wanted_rows;
    int wanted_clock, frames;
    int wanted_first; /* the clock's first row in the run */
    uint64_t seed;
    double first;     /* seconds of plan and first run */
    double tolerance; /* largest difference over largest value */
    double noise;     /* all differences over all values, squared, instead; 0: as tolerance says */
    const char *second; /* start of the labels whose nodes are counted apart, in part; or NULL */
    bench_record part;
    bench_record record;
} bench_graph;

/**
 * Begin a case: false when it is not wanted, was done already, or time is up. Otherwise it ends
 * with bench_case_end(), which sends its record.
 */
bool bench_case_begin(bench_graph *g, bench *b, const char *level, int batch, const char *format,
                      ...) __attribute__((format(printf, 5, 6)));

/** An empty graph that is no case of the bench: checked, and run by the caller. False where there
 *  is no memory for it, which its record says. */
bool bench_graph_open(bench_graph *g, bench *b, int batch);
void bench_graph_close(bench_graph *g);

/** Whether levels, and the filter as well, let a record pass. */
bool bench_wants_level(const bench_options *o, const char *level);
bool bench_wants(const bench_options *o, const char *level, const char *name);

/** The same for a record alone, with level and name filled in. */
bool bench_record_begin(bench *b, bench_record *r);

/** Exchange the case's empty graph for a finished one, which the caller closes. */
void bench_case_take(bench_graph *g, clvits_graph *graph);

/** Finish, plan, run once and compare; false when there is nothing to time. */
bool bench_case_check(bench_graph *g);

/** Check unless that was done, time, send, free. */
void bench_case_end(bench_graph *g);

/** The largest difference that rounding alone makes between two sums of so many terms of random
 *  signs, whose root mean square is term; the same for Toom-Cook forms of five taps. */
double bench_rounding(int terms, double term);

/** Say why a case is wrong ("wrong") or could not run ("failed"); the first reason stays. */
void bench_case_fail(bench_graph *g, const char *verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A record says what the library left in its report. */
void bench_note_failure(bench_record *r, clvits_report *report);

/** So does a case, which ends. */
void bench_case_lose(bench_graph *g);

/** What the driver of the device under test has built so far. */
clvits_builds bench_builds(const bench *b);

/** A further number of a record. */
void bench_value(bench_record *r, const char *name, double value);

/** What n parts come to of a whole, "sum_of_parts", and so many seconds of them alone (0: not
 *  known), "alone"; the whole says why where that is off by more than 10 %. */
void bench_add_up(bench_record *whole, const bench_record *parts, int n, double alone);

/** The seconds that an operator has in a stage's record. */
void bench_operator(bench_record *r, const char *name, double seconds);

float *bench_random(bench_graph *g, int64_t n, float range);

/** An input or a weight of uniform numbers in [-range, range]; values (may be NULL) gets them. */
clvits_tensor *bench_input(bench_graph *g, int clock, int channels, const float **values);
clvits_tensor *bench_weight(bench_graph *g, int rank, const int64_t *shape, float range,
                            const float **values);

/** An input of whole numbers: value(i) for every row i of every item. */
clvits_tensor *bench_ints(bench_graph *g, int clock, int (*value)(int row));

/** Give random or whole numbers to an input that the graph has already. */
void bench_feed(bench_graph *g, clvits_tensor *input, int (*value)(int row));
void bench_feed_floats(bench_graph *g, clvits_tensor *input);
void bench_feed_of(bench_graph *g, clvits_tensor *input, const void *values);

/** Values that a run gets in a scalar's slot, for all items. */
void bench_scalar(bench_graph *g, int slot, float value);
void bench_scalar_int(bench_graph *g, int slot, int value);

/** All rows of a kept output, [B][T][C]; NULL when they cannot be read. */
const float *bench_output(bench_graph *g, const clvits_tensor *t);

/* What a worker says; record.c. */
void bench_say_begin(bench *b, const char *level, const char *name);
void bench_send(bench *b, bench_record *r); /* and free its values */
void bench_drop(bench_record *r);           /* free them and no more */
void bench_send_object(bench *b, const char *kind, cJSON *object);

/* Levels (c) and (d): speech.c. */
int bench_voice_count(const bench_options *o);
bool bench_voice_wanted(const bench_options *o, int voice, bool first);

/** Seconds, about, that a voice's cases take a device; OpenCL's kernels are built as well. */
double bench_voice_time(const bench_options *o, int v, bool cpu);

/** First words in a new process, which began at start; the second time with warm caches, and then
 *  the memory that texts take. */
void bench_voice_first(bench *b, int voice, double start, bool warm);

/** Everything else about a voice. */
void bench_voice(bench *b, int voice);

/** What a worker does; worker.c. */
typedef enum bench_task {
    BENCH_LIST,
    BENCH_OPERATORS,
    BENCH_COLD,
    BENCH_WARM,
    BENCH_VOICE
} bench_task;
/** Open the device under test once more; measure: its commands can be traced. */
clvits_status bench_open_device(bench *b, bool measure, clvits_record_mode record,
                                clvits_device **out);

void bench_work(bench *b, bench_task task, const bench_place *place, int voice);

/** Measure everything and gather what the workers say; collect.c. */
typedef struct bench_result {
    cJSON *system; /* the machine as far as known */
    cJSON *devices, *results;
    int wrong, failed, skipped, noisy, timed;
    int hurried;     /* skipped because a quick run had no time left */
    int interrupted; /* by that signal; results are those until then */
    bool complete;   /* nothing more will come */
    bool lost;       /* what was measured so far could not be written */
} bench_result;
int bench_collect(const bench_options *o, bench_result *out); /* returns the exit code, so far */

/** Take folders and the machine's name out of every text of an item and those after it. */
void bench_hide(cJSON *o);

/* What becomes of it. */
cJSON *bench_system(void); /* system.c */

/** Whether results can be written; better known before half an hour is spent. A file that is there
 *  is one of results, and stays as it is until the run is complete. Returns a code. */
int bench_file_begin(bench_file *json, bench_file *csv);

/** Where to write now. */
const char *bench_file_path(const bench_file *out, bool complete);

/** Say where the results of a run that was interrupted, or could not be written, are; what was
 *  written beside the file goes when the file is complete. */
void bench_file_end(bench_file *out, bool written, bool complete);

/** End without results. */
void bench_file_drop(bench_file *out);

/** Replace the file as a whole: at every moment it holds what was measured until then. */
bool bench_write_json(const bench_options *o, const bench_result *result);
bool bench_write_csv(const char *path, const cJSON *results);

/** Read a file of results and refuse what is damaged; free with cJSON_Delete(). Returns a code. */
int bench_read(cJSON **out, const char *path);

/** Whether a file is one of results, of whichever format. */
bool bench_is_result(const char *path);

/** A field's text; "" where there is none. */
const char *bench_text(const cJSON *o, const char *name);
void bench_print_header(const char *device);

/** Level and name in front of a line's columns: what is longer has a line of its own. */
enum { BENCH_COLUMN = 53 };
void bench_print_name(const cJSON *record);
void bench_print_record(const cJSON *record);
int bench_compare(int argc, char **argv); /* returns the exit code */
int bench_report(int argc, char **argv);  /* the same; comes back only when it cannot begin */

/** Print every kernel that the voices and the checks run on GPUs; returns the exit code. */
int bench_launches(void);

#endif
