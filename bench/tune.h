// SPDX-License-Identifier: MIT
//
// clvits-tune: for every shape that voices have, the values of its kernels' knobs with which it
// runs fastest here, as rows for the library to follow (base/tune.h).
//
// As clvits-bench, the program itself makes no OpenCL call: what a driver does to the process that
// measures costs one candidate.
#ifndef CLVITS_BENCH_TUNE_H
#define CLVITS_BENCH_TUNE_H

#include "bench.h"
#include "op/tune.h"

enum {
    TUNE_MAX_LOST = 32,
    TUNE_MAX_VOICES = 8,
    TUNE_MAX_GRAPHS = 3 * TUNE_MAX_VOICES,
    TUNE_MAX_BASES = 128,
    TUNE_VALUES = 160
};

typedef struct tune_options {
    const char *device, *voice; /* voice: a file whose shapes are tuned, and no others */
    const char *voices;         /* names of generated geometries, with commas; NULL: all */
    const char *filter, *output, *cache_dir;
    int threads;
    double seconds; /* for everything; 0: as long as it takes */
    bool quick, list, dry;
    int family;
} tune_options;

/** A shape that nodes of the voices have. */
typedef struct tune_shape {
    const clvits_knobs *knobs;
    clvits_terms terms;
    const clvits_node *node; /* one of them */
    double share;            /* of the voices' work */
    char text[CLVITS_MAX_ROW];
} tune_shape;

typedef struct tune_shapes {
    tune_shape *shape; /* the most work first */
    int n, capacity;
    clvits_graph *graph[TUNE_MAX_GRAPHS];
    int n_graphs;
} tune_shapes;

/** Whether there are generated voices of all these names: CODE_OK, or CODE_USAGE and said. */
int tune_voices_check(const char *list);

/** Shapes of the voices that were asked for, as far as the target has knobs for them;
 *  tune_shapes.c. */
clvits_status tune_shapes_collect(tune_shapes *s, const tune_options *o, const clvits_target *at,
                                  clvits_report *r);
void tune_shapes_free(tune_shapes *s);

/** The combinations of base knobs that a shape takes, at most TUNE_MAX_BASES; how many. */
int tune_bases(clvits_terms *out, const tune_shape *s, const clvits_target *at);

/** How many values a shape is tried with, about. */
int tune_candidates(const tune_shape *s, const clvits_target *at);

/** What the process that measures leaves for the one that waits for it. */
typedef struct tune_shared {
    int shape, done, rows, wrong, failed;
    bool opened, measuring;
    double since; /* when the candidate, or the opening of the device, began */
    char values[TUNE_VALUES];
    int n_lost;
    struct {
        int shape;
        char values[TUNE_VALUES];
    } lost[TUNE_MAX_LOST]; /* candidates that ended the process */
} tune_shared;

/** What came of a shape, and so of the row that a file may have for it. */
typedef enum tune_outcome {
    TUNE_UNKNOWN, /* not measured: a row stays */
    TUNE_UNSURE,  /* nothing gains enough, and yet the library's choice may be slower: it stays */
    TUNE_NO_GAIN, /* the library's choice is no slower: it goes */
    TUNE_FASTER,  /* the values are, so they become the row */
    TUNE_RIGHT,   /* they are right where the library's choice is wrong, */
    TUNE_RUNS,    /* or run where that does not */
} tune_outcome;

typedef struct tune_result {
    tune_outcome outcome;
    clvits_terms values;
    double before, after; /* seconds of a run */
    int tried, wrong, failed;
} tune_result;

/** Tries candidates; tune_sweep.c. */
typedef struct tuner {
    bench b;
    const tune_options *o;
    clvits_target at;
    const clvits_tuned *tuned; /* what the library does without the user's rows */
    tune_shared *shared;
    double seconds;  /* to compare two candidates */
    double deadline; /* no candidate begins after it; 0: none */
} tuner;
bool tune_is_late(const tuner *t);
tune_result tune_sweep(tuner *t, const tune_shape *s, int index);

/** Whether there is none yet or one of rows and comments alone, and its folder can be written to;
 * else false with what is wrong in error, and the file as it was. */
bool tune_file_check(const char *path, char *error, size_t size);

/**
 * Replace the row for the same device, driver, room and shape in a file, or add it; without a note,
 * take that row out. Other lines stay as they are. The file is whole at any time: what is written
 * is another one that takes its place.
 *
 * @return false with what went wrong in error
 */
bool tune_file_put(const char *path, const clvits_row *row, const char *note, char *error,
                   size_t size);

#endif
