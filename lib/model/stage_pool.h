// SPDX-License-Identifier: MIT
//
// The stages of a model by batch size and capacity: each planned once, each with runs that are used
// again. Any number of threads may take from one pool at once.
#ifndef CLVITS_MODEL_STAGE_POOL_H
#define CLVITS_MODEL_STAGE_POOL_H

#include "graph/sched.h"
#include "model/model.h"

typedef enum clvits_stage_kind {
    CLVITS_STAGE_TEXT,
    CLVITS_STAGE_LATENT,
    CLVITS_STAGE_WAVE,
    CLVITS_STAGE_LISTEN,
    CLVITS_STAGE_REVOICE, /* as listen, and back through the flow */
    CLVITS_STAGE_ALIGN
} clvits_stage_kind;

/** "text", "latent", "wave", "listen", "revoice", "align". */
extern const char *const clvits_stage_names[];

enum { CLVITS_STAGE_IDS = 64 }; /* capacity of a text stage, at least */

/** What a stage is made for. */
typedef struct clvits_stage_size {
    clvits_stage_kind kind;
    int batch;
    int ids;    /* capacity; 0 where there is no text */
    int frames; /* capacity; 0 where there is nothing else */
    /* Where operators are placed by cost, as they are with this capacity: what is computed by
     * stretches of several sizes must be computed in the same places. 0: its own. A batch is placed
     * as one item would be, for the same reason; and at what of the capacity speech uses. */
    int placed_for;
    int context; /* frames, of both, that are there for the sake of others: they do not count */
    unsigned barred; /* places that it does without, as bits */
} clvits_stage_size;

/** A planned stage; immutable to those who hold a loan. */
typedef struct clvits_stage {
    struct clvits_stage *next;
    clvits_stage_size size;
    union {
        clvits_text_stage text;
        clvits_latent_stage latent;
        clvits_wave_stage wave;
        clvits_listen_stage listen; /* and revoice */
        clvits_align_stage align;
    };
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run **idle; /* room for as many as were ever out at once */
    int n_idle, cap_idle, out;
    uint64_t used;
} clvits_stage;

/** A run, the borrower's alone until it is given back; all zero: none. */
typedef struct clvits_loan {
    clvits_stage *stage;
    clvits_run *run;
} clvits_loan;

typedef struct clvits_stage_pool clvits_stage_pool;

/**
 * @param m      copied; its configuration and weights outlive the pool, as does the machine
 * @param place  NULL, or a forced placement (see clvits_plan_make); copied
 */
clvits_status clvits_stage_pool_open(clvits_stage_pool **out, const clvits_model *m,
                                     const clvits_machine *machine, const char *place,
                                     clvits_report *r);

/** Nothing may be on loan. */
void clvits_stage_pool_close(clvits_stage_pool **pool);

/** Where a stage runs, and what a run of it takes there. */
typedef struct clvits_stage_needs {
    int place;    /* as clvits_plan_device() has it */
    size_t bytes;
} clvits_stage_needs;

/** Plan a stage of that size, where there is none, without taking memory for a run. */
clvits_status clvits_stage_look(clvits_stage_pool *p, clvits_stage_needs *out,
                                const clvits_stage_size *size, clvits_report *r);

/** Take a run of a stage of that size, built when there is none. */
clvits_status clvits_stage_take(clvits_stage_pool *p, clvits_loan *out,
                                const clvits_stage_size *size, clvits_report *r);
void clvits_stage_give_back(clvits_stage_pool *p, clvits_loan *loan);

/** Whether there is a loan, and of what would be taken by that size. */
bool clvits_stage_is_of(const clvits_stage_pool *p, const clvits_loan *loan,
                        const clvits_stage_size *size);

/** Whether there is such a loan, or an idle run that would be taken instead, with nothing built. */
bool clvits_stage_is_there(clvits_stage_pool *p, const clvits_loan *loan,
                           const clvits_stage_size *size);

/** Whether a GPU has all of a loan to do, and returns from clvits_stage_go() before it is done. */
bool clvits_stage_is_on_gpu(const clvits_stage_pool *p, const clvits_loan *loan);

/** Free all that is not on loan, and, when nothing is, what devices keep of the weights. */
void clvits_stage_pool_trim(clvits_stage_pool *p);

/** Have every device begin with what was enqueued, while nobody waits for it. */
void clvits_stage_pool_submit(const clvits_stage_pool *p);

/** Wait until every device has done what was enqueued; before giving back what was to go on. */
void clvits_stage_pool_finish(const clvits_stage_pool *p);

/** Say in traces that what follows is this loan's: several are held at a time. */
void clvits_stage_trace(const clvits_loan *loan, clvits_report *r);

/** Compute. On the CPU path this is done on return; a device has then yet to do it. */
clvits_status clvits_stage_go(const clvits_loan *loan, clvits_report *r);

#endif
