// SPDX-License-Identifier: MIT
//
// Discriminators against PyTorch, from the files that a training run leaves.
#include "files.h"
#include "harness.h"
#include "model/convert.h"
#include "model/discriminator_graph.h"
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER GOLDEN_DIR "/discriminators/"

typedef struct fixture {
    harness h;
    clvits_arrays weights, raw;
    clvits_discriminators d;
    npy waves;
    clvits_tensor *real, *fake; /* their inputs */
} fixture;

static void begin(fixture *f, const char *file)
{
    *f = (fixture){ .waves = npy_read(FOLDER "waves.npy") };
    harness_begin(&f->h, (int)f->waves.shape[1]);
    ck_assert_msg(!clvits_discriminators_read(&f->weights, &f->raw, file, &f->h.report), "%s",
                  f->h.report.text);
    ck_assert_msg(!clvits_discriminators_measure(&f->d, &f->weights, &f->h.report), "%s",
                  f->h.report.text);
    const int samples = (int)f->waves.shape[2], clock = clvits_graph_clock(f->h.graph, samples);
    f->real = harness_input_of(&f->h, CLVITS_F32, clock, 1, f->waves.floats);
    f->fake = harness_input_of(&f->h, CLVITS_F32, clock, 1,
                               f->waves.floats + f->waves.shape[1] * samples);
}

static void end(fixture *f)
{
    harness_end(&f->h);
    clvits_arrays_free(&f->weights);
    clvits_arrays_free(&f->raw);
    npy_free(&f->waves);
}

/* All maps lie in the file one after the other; returns where the next ones begin. */
static const double *compare(fixture *f, const clvits_judgement *j, const double *want)
{
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
        for (int i = 0; i < f->d.one[n].n; i++) {
            harness_close(&f->h, j->map[n][i], want, 1e-5);
            want += clvits_tensor_count(j->map[n][i]);
        }
    return want;
}

static void keep(const fixture *f, const clvits_judgement *j)
{
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
        for (int i = 0; i < f->d.one[n].n; i++)
            clvits_graph_keep(j->map[n][i]);
}

START_TEST(as_in_pytorch)
{
    npy maps = npy_read(FOLDER "maps.npy"), losses = npy_read(FOLDER "losses.npy");
    clvits_judgement real, fake;
    clvits_tensor *loss[3];
    fixture f;

    begin(&f, FOLDER "D_weight.pth");
    clvits_discriminators_add(&real, &f.d, f.real);
    clvits_discriminators_add(&fake, &f.d, f.fake);
    keep(&f, &real);
    keep(&f, &fake);
    loss[0] = clvits_loss_generator(&f.d, &fake, NULL);
    loss[1] = clvits_loss_discriminator(&f.d, &real, &fake, NULL);
    loss[2] = clvits_loss_features(&f.d, &real, &fake, NULL);
    for (int i = 0; i < 3; i++)
        clvits_graph_keep(loss[i]);
    harness_plan(&f.h);
    harness_go(&f.h);
    const double *after = compare(&f, &fake, compare(&f, &real, maps.data));
    ck_assert_ptr_eq(after, maps.data + maps.count);
    for (int i = 0; i < 3; i++)
        harness_close(&f.h, loss[i], (double[]){ losses.data[i], losses.data[i] }, 1e-5);
    end(&f);
    npy_free(&maps);
    npy_free(&losses);
}
END_TEST

START_TEST(spectral_norm_as_stored)
{
    npy scores = npy_read(FOLDER "scores.npy");
    const double *want = scores.data;
    clvits_judgement real;
    fixture f;

    begin(&f, FOLDER "D_spectral.pth");
    clvits_discriminators_add(&real, &f.d, f.real);
    keep(&f, &real);
    harness_plan(&f.h);
    harness_go(&f.h);
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++) {
        const clvits_tensor *score = real.map[n][f.d.one[n].n - 1];
        harness_close(&f.h, score, want, 1e-5);
        want += clvits_tensor_count(score);
    }
    ck_assert_ptr_eq(want, scores.data + scores.count);
    end(&f);
    npy_free(&scores);
}
END_TEST

/* A shorter item of a batch has the bits that it has alone, in every map. */
START_TEST(batch_equals_single_runs)
{
    enum { VALID = 211 };
    float *got[CLVITS_DISCRIMINATORS][CLVITS_DISCRIMINATOR_MAPS] = { { NULL } };

    for (int alone = 0; alone < 2; alone++) {
        clvits_judgement real;
        fixture f;
        begin(&f, FOLDER "D_weight.pth");
        clvits_discriminators_add(&real, &f.d, f.real);
        keep(&f, &real);
        harness_plan(&f.h);
        harness_length(&f.h, f.real->clock, 0, VALID);
        harness_length(&f.h, f.real->clock, 1, alone ? 0 : 337);
        harness_go(&f.h);
        for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
            for (int i = 0; i < f.d.one[n].n; i++) {
                const clvits_tensor *map = real.map[n][i];
                const float *rows = harness_output(&f.h, map);
                const size_t size = (size_t)map->T * (size_t)map->C * sizeof(float);
                if (!alone)
                    memcpy(got[n][i] = malloc(size), rows, size);
                else
                    ck_assert_mem_eq(got[n][i], rows, size);
                if (alone)
                    free(got[n][i]);
            }
        end(&f);
    }
}
END_TEST

static clvits_array *named(clvits_arrays *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].name, name))
            return &set->items[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

START_TEST(refuses_other_tensors)
{
    static const struct {
        const char *name, *becomes;
        int axis; /* that grows */
    } bad[] = {
        { "discriminators.3.conv_post.bias", "discriminators.3.conv_post.other", 0 },
        { "discriminators.0.convs.4.weight", NULL, 0 },
        { "discriminators.0.convs.2.weight", NULL, 1 },
        { "discriminators.5.convs.1.weight", NULL, 3 },
        { "discriminators.2.convs.0.bias", NULL, 0 },
    };
    clvits_arrays weights, raw;
    clvits_discriminators d;
    clvits_report r = { 0 };

    ck_assert(!clvits_discriminators_read(&weights, &raw, FOLDER "D_weight.pth", &r));
    clvits_array *a = named(&weights, bad[_i].name);
    if (bad[_i].becomes)
        a->name = bad[_i].becomes;
    else
        a->shape[bad[_i].axis]++;
    ck_assert_int_eq(clvits_discriminators_measure(&d, &weights, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "discriminators.") != NULL, "%s", r.text);
    clvits_arrays_free(&weights);
    clvits_arrays_free(&raw);
}
END_TEST

START_TEST(refuses_tensors_left_over)
{
    clvits_arrays weights, raw;
    clvits_discriminators d;
    clvits_report r = { 0 };

    ck_assert(!clvits_discriminators_read(&weights, &raw, FOLDER "D_weight.pth", &r));
    clvits_array more = *named(&weights, "discriminators.0.convs.0.bias");
    more.name = "discriminators.6.convs.0.bias";
    ck_assert(!clvits_arrays_add(&weights, &more, &r));
    ck_assert_int_eq(clvits_discriminators_measure(&d, &weights, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, more.name) != NULL, "%s", r.text);
    clvits_arrays_free(&weights);
    clvits_arrays_free(&raw);
}
END_TEST

/* A vector of a spectral norm under another name is one that is missing. */
START_TEST(refuses_half_a_spectral_norm)
{
    clvits_arrays weights, raw;
    clvits_report r = { 0 };
    size_t size;
    char *bytes = files_read(FOLDER "D_spectral.pth", &size), *found = bytes;

    while (found < bytes + size && memcmp(found, "weight_u", 8))
        found++;
    ck_assert(found < bytes + size);
    found[7] = 'x';
    const char *path = files_write("half.pth", bytes, size);
    free(bytes);
    ck_assert_int_eq(clvits_discriminators_read(&weights, &raw, path, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "spectral norm of discriminators.0.convs.0") != NULL, "%s",
                  r.text);
    clvits_arrays_free(&weights);
    clvits_arrays_free(&raw);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("discriminators");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, as_in_pytorch);
    tcase_add_test(t, spectral_norm_as_stored);
    tcase_add_test(t, batch_equals_single_runs);
    tcase_add_loop_test(t, refuses_other_tensors, 0, 5);
    tcase_add_test(t, refuses_tensors_left_over);
    tcase_add_test(t, refuses_half_a_spectral_norm);
    suite_add_tcase(s, t);
    return harness_main(s);
}
