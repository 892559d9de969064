// SPDX-License-Identifier: MIT
//
// How many launches an utterance takes, for the geometry of the paper: a GPU's gain is lost in
// them. It has as many frames as a block of the flow, and a caller can have in one piece: twelve
// seconds. tests/warm.c holds what is launched to what is planned.
#include "base_voice.h"
#include "harness.h"
#include "model/model.h"
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

enum { IDS = 256, FRAMES = 1024, BEFORE = 80, AFTER = 120 }; /* the durations are known */

typedef struct fixture {
    harness h;
    clvits_config config;
    clvits_arrays weights;
} fixture;

static clvits_status add_zeros(void *user, const clvits_weight *w)
{
    fixture *f = user;
    clvits_array a = { .name = w->name, .dtype = CLVITS_DTYPE_F32, .rank = w->rank };

    memcpy(a.shape, w->shape, sizeof(a.shape));
    a.data = clvits_arena_array(&f->h.arena, (size_t)clvits_array_count(&a), sizeof(float));
    ck_assert_ptr_nonnull(a.data);
    return clvits_arrays_add(&f->weights, &a, &f->h.report);
}

static clvits_config base(bool speakers)
{
    clvits_config c = base_voice();

    c.n_speakers = speakers ? 109 : 1;
    c.gin_channels = speakers ? 256 : 0;
    return c;
}

static int launches(fixture *f, clvits_graph *g)
{
    clvits_plan *plan;

    ck_assert_msg(clvits_plan_make(&plan, g, &f->h.machine, f->h.weights, NULL, &f->h.report) ==
                      CLVITS_OK, "%s", f->h.report.text);
    const int n = clvits_plan_launches(plan);
    clvits_plan_free(&plan);
    clvits_graph_close(&g);
    return n;
}

START_TEST(base_geometry)
{
    fixture f = { .config = base(_i) };
    const clvits_model m = { &f.config, &f.weights };
    const clvits_stage_options o = { .batch = 1 };
    clvits_text_stage text;
    clvits_latent_stage latent;
    clvits_wave_stage wave;

    harness_begin(&f.h, 1);
    ck_assert_msg(clvits_config_check(&f.config, &f.h.report) == CLVITS_OK, "%s", f.h.report.text);
    ck_assert_int_eq(clvits_weights_walk(&f.config, add_zeros, &f), CLVITS_OK);
    ck_assert_int_eq(clvits_text_stage_build(&text, &m, &o, IDS, &f.h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_latent_stage_build(&latent, &m, &o, IDS, FRAMES, &f.h.report),
                     CLVITS_OK);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &m, &o, FRAMES, &f.h.report), CLVITS_OK);
    const int before = launches(&f, text.graph);
    const int flow = launches(&f, latent.graph), window = launches(&f, wave.graph);
    ck_assert_msg(before <= BEFORE, "%d launches before the durations are known", before);
    ck_assert_msg(flow + window <= AFTER, "%d + %d launches after they are", flow, window);
    harness_end(&f.h);
    clvits_arrays_free(&f.weights);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("launches");
    TCase *t = tcase_create("geometries");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, base_geometry, 0, 2);
    suite_add_tcase(s, t);
    return harness_main(s);
}
