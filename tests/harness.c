// SPDX-License-Identifier: MIT
#include "harness.h"

#include "base/half.h"
#include "graph/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GUARD = 3 };

struct harness_input {
    struct harness_input *next;
    clvits_tensor *tensor;
    const void *values;
};

static void print_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    if (level <= CLVITS_LOG_WARNING)
        fprintf(stderr, "clvits: %s\n", text);
}

static void ok(const harness *h, clvits_status s)
{
    ck_assert_msg(s == CLVITS_OK, "%s: %s", clvits_status_text(s), h->report.text);
}

static void open_device(harness *h, const char *name)
{
    const char *family = getenv("CLVITS_TEST_FAMILY"), *record = getenv("CLVITS_RECORD");
    clvits_device_params p = {
        .family = !family                  ? 0
                  : !strcmp(family, "cpu") ? 1 + CLVITS_FAMILY_CPU
                                           : 1 + CLVITS_FAMILY_GPU,
        .record = record && !strcmp(record, "on")    ? CLVITS_RECORD_ON
                  : record && !strcmp(record, "off") ? CLVITS_RECORD_OFF
                                                     : CLVITS_RECORD_AUTO,
    };
    clvits_device_info *list;
    int n, found = -1;

    ok(h, clvits_device_list(&list, &n, &h->report));
    for (int i = 0; i < n && found < 0; i++)
        if (!name || strstr(list[i].name, name) || strstr(list[i].platform, name))
            found = i;
    /* PoCL keeps what it built by itself; to give it away as well, it builds each kernel once more,
     * for work-groups of any size. */
    if (found >= 0 && !strstr(list[found].platform, "Portable Computing"))
        p.cache_dir = getenv("CLVITS_CACHE");
    free(list);
    ck_assert_msg(found >= 0 || !name, "no OpenCL device is named \"%s\"", name);
    if (found < 0)
        return;
    ok(h, clvits_device_open(&h->machine.device[1], found, &p, &h->report));
    h->machine.n_places = 2;
}

void harness_begin(harness *h, int batch)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    const bool cpu = name && !strncmp(name, "cpu", 3);

    *h = (harness){ .report = { .log = print_log }, .machine = { .n_places = 1 }, .seed = 1 };
    ok(h, clvits_cpu_open(&h->machine.cpu, cpu && name[3] == ':' ? name + 4 : NULL, 0, &h->report));
    if (!cpu)
        open_device(h, name);
    ok(h, clvits_packed_weights_open(&h->weights, &h->report));
    ok(h, clvits_graph_open(&h->graph, batch, &h->report));
}

void harness_end(harness *h)
{
    clvits_machine_finish(&h->machine); /* a test that reads nothing has not waited */
    clvits_run_free(&h->run);
    clvits_plan_free(&h->plan);
    clvits_graph_close(&h->graph);
    clvits_packed_weights_close(&h->weights);
    for (int i = 1; i < h->machine.n_places; i++) {
        ck_assert_uint_eq(clvits_device_bytes(h->machine.device[i]), 0);
        clvits_device_close(&h->machine.device[i]);
    }
    clvits_cpu_close(&h->machine.cpu);
    clvits_tuning_close(&h->tuning);
    clvits_arena_free(&h->arena);
}

void harness_tune(harness *h, const char *rows)
{
    char folder[] = "/tmp/clvits-test-XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/tuned.txt", folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(rows, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ok(h, clvits_tuning_open(&h->tuning, folder, &h->report));
    ok(h, clvits_machine_tune(&h->machine, h->tuning, &h->report));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void *memory(harness *h, size_t n, size_t size)
{
    void *p = clvits_arena_array(&h->arena, n + 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

float *harness_random(harness *h, int64_t n, float lo, float hi)
{
    float *p = memory(h, (size_t)n, sizeof(*p));
    for (int64_t i = 0; i < n; i++) {
        h->seed = h->seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = lo + (hi - lo) * (float)(h->seed >> 40) / 16777216.0f;
    }
    return p;
}

void harness_round(const float *values, int64_t n)
{
    uint16_t *halves = malloc(((size_t)n + 1) * sizeof(*halves));

    ck_assert_ptr_nonnull(halves);
    clvits_halves_pack(halves, values, (size_t)n);
    clvits_halves_unpack((float *)(uintptr_t)values, halves, (size_t)n);
    free(halves);
}

void harness_feed(harness *h, clvits_tensor *input, const void *values)
{
    struct harness_input *in = memory(h, 1, sizeof(*in));
    ck_assert_ptr_nonnull(input);
    in->tensor = input;
    in->values = values;
    in->next = h->inputs;
    h->inputs = in;
}

clvits_tensor *harness_input_of(harness *h, clvits_type type, int clock, int channels,
                                const void *values)
{
    clvits_tensor *t = clvits_graph_input(h->graph, type, clock, channels);
    harness_feed(h, t, values);
    return t;
}

clvits_tensor *harness_input(harness *h, int clock, int channels, float lo, float hi,
                             const float **values)
{
    const int64_t n = (int64_t)h->graph->batch * clvits_graph_capacity(h->graph, clock) * channels;
    *values = harness_random(h, n, lo, hi);
    return harness_input_of(h, CLVITS_F32, clock, channels, *values);
}

clvits_tensor *harness_input_like(harness *h, bool half, int clock, int channels,
                                  const float **values)
{
    const int64_t n = (int64_t)h->graph->batch * clvits_graph_capacity(h->graph, clock) * channels;
    *values = harness_random(h, n, -1, 1);
    if (half)
        harness_round(*values, n);
    return harness_input_of(h, half ? CLVITS_F16 : CLVITS_F32, clock, channels, *values);
}

clvits_tensor *harness_weight(harness *h, int rank, const int64_t *shape, float lo, float hi,
                              const float **values)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    *values = harness_random(h, n, lo, hi);
    return clvits_graph_weight(h->graph, *values, rank, shape);
}

void harness_plan(harness *h)
{
    ok(h, clvits_graph_finish(h->graph, &h->report));
    for (int i = 0; i < h->graph->n_tensors; i++)
        if (h->graph->tensors[i]->root->guard < GUARD)
            h->graph->tensors[i]->root->guard = GUARD;
    ok(h, clvits_plan_make(&h->plan, h->graph, &h->machine, h->weights, h->place, &h->report));
    ok(h, clvits_run_make(&h->run, h->plan, &h->report));
    for (int c = 1; c < h->graph->n_clocks; c++)
        for (int b = 0; b < h->graph->batch && h->graph->clocks[c].parent < 0; b++)
            harness_length(h, c, b, h->graph->clocks[c].capacity);
}

void harness_length(harness *h, int clock, int item, int length)
{
    ok(h, clvits_run_set_length(h->run, clock, item, length, &h->report));
}

/* A place's memory as it is, or with a word in all of it, written in one piece. */
static void rewrite(harness *h, const clvits_run *run, const clvits_plan *plan, int place,
                    const uint32_t *word)
{
    const clvits_memory m = clvits_run_memory(run, place);
    const size_t size = clvits_plan_bytes(plan, place);
    uint32_t *words = m.buffer ? malloc(size) : (uint32_t *)(void *)m.host;

    if (!m.buffer && !m.host)
        return;
    ck_assert_ptr_nonnull(words);
    if (!word)
        ok(h, clvits_buffer_read(m.buffer, 0, size, words, &h->report));
    for (size_t i = 0; word && i < size / sizeof(*word); i++)
        words[i] = *word;
    if (m.buffer) {
        ok(h, clvits_buffer_write(m.buffer, 0, size, words, true, &h->report));
        free(words);
    }
}

void harness_poison(harness *h, const clvits_run *run, const clvits_plan *plan)
{
    const uint32_t nan = 0x7fc07fc0; /* one float, two halves */
    for (int i = 0; i < h->machine.n_places; i++)
        rewrite(h, run, plan, i, &nan);
}

/* Oclgrind's search for uninitialised values remembers the last write into a buffer alone, and
 * takes it for the buffer's start: only what is written in one piece counts as written. Whether
 * global memory was ever written, poisoned memory tells instead. */
static void settle_oclgrind(harness *h)
{
    for (int i = 1; i < h->machine.n_places; i++)
        rewrite(h, h->run, h->plan, i, NULL);
}

void harness_go(harness *h)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");

    harness_poison(h, h->run, h->plan);
    for (const struct harness_input *in = h->inputs; in; in = in->next) {
        const clvits_tensor *t = in->tensor;
        for (int b = 0; b < t->B; b++)
            ok(h, clvits_run_write(h->run, t, b,
                                   (const char *)in->values +
                                       (size_t)b * (size_t)t->T * (size_t)t->C * sizeof(float),
                                   &h->report));
    }
    if (name && !strcmp(name, "Oclgrind"))
        settle_oclgrind(h);

    const clvits_device *d = h->machine.device[h->machine.n_places - 1];
    const uint64_t before = d ? clvits_device_launches(d) : 0;

    ok(h, clvits_run_go(h->run, NULL, &h->report));
    ck_assert_msg(!d || h->place || clvits_device_launches(d) > before,
                  "no kernel ran on the device under test");
}

static void check_zero(harness *h, const clvits_tensor *t, int item, int row)
{
    float *rows = memory(h, (size_t)GUARD * (size_t)t->C, sizeof(*rows));
    ok(h, clvits_run_read(h->run, t, item, row, GUARD, rows, &h->report));
    for (int i = 0; i < GUARD * t->C; i++)
        if (rows[i] != 0.0f) /* an assertion that holds takes its time too */
            ck_abort_msg("guard row %d, channel %d of item %d holds %g", row + i / t->C, i % t->C,
                         item, (double)rows[i]);
}

const float *harness_output(harness *h, const clvits_tensor *t)
{
    float *out = memory(h, (size_t)clvits_tensor_count(t), sizeof(*out));

    ck_assert_ptr_nonnull(t);
    ck_assert_msg(t->root->output, "the output was not kept");
    for (int b = 0; b < t->B; b++) {
        const int len = clvits_run_length(h->run, t->clock, b);
        ok(h, clvits_run_read(h->run, t, b, 0, len, out + (int64_t)b * t->T * t->C, &h->report));
        check_zero(h, t, b, -GUARD);
        check_zero(h, t, b, len);
    }
    return out;
}

void harness_ask_some(harness *h, const clvits_tensor *t)
{
    const float *whole = harness_output(h, t);
    const clvits_range asked = { t->T / 3, t->T / 3 + t->T / 4 + 1 };
    int made = 0, all = 0;

    clvits_run_ask(h->run, t, asked);
    const double share = clvits_run_share(h->run, t->producer);
    harness_go(h);
    const float *got = harness_output(h, t);
    for (int b = 0; b < t->B; b++)
        for (int row = 0; row < clvits_run_length(h->run, t->clock, b); row++, all++) {
            const int64_t at = ((int64_t)b * t->T + row) * t->C;
            const bool is_asked = row >= asked.first && row < asked.end;
            bool same = true, numbers = false;
            for (int c = 0; c < t->C; c++) {
                same = same && got[at + c] == whole[at + c];
                numbers = numbers || !isnan(got[at + c]);
            }
            if (is_asked ? !same : numbers)
                ck_abort_msg("row %d of item %d, of which %d to %d were asked for, %s", row, b,
                             (int)asked.first, (int)asked.end - 1,
                             is_asked ? "has other bits than in a whole run" : "was made");
            made += is_asked;
        }
    ck_assert_double_eq_tol(share, (double)made / all, 1e-12);
}

void harness_close(harness *h, const clvits_tensor *t, const double *want, double tolerance)
{
    const float *got = harness_output(h, t);
    double largest = 1e-30, worst = -1.0;
    int64_t where = 0;

    for (int b = 0; b < t->B; b++)
        for (int64_t i = 0; i < (int64_t)clvits_run_length(h->run, t->clock, b) * t->C; i++) {
            const int64_t k = (int64_t)b * t->T * t->C + i;
            const double error = fabs((double)got[k] - want[k]);
            largest = fmax(largest, fabs(want[k]));
            if (!(error <= worst)) {
                worst = error;
                where = k;
            }
        }
    ck_assert_msg(worst <= tolerance * largest,
                  "item %d, row %d, channel %d: got %.9g, want %.9g; error %.3g of %.3g",
                  (int)(where / t->C / t->T), (int)(where / t->C % t->T), (int)(where % t->C),
                  (double)got[where], want[where], worst, largest);
}

void harness_noise(harness *h, const clvits_tensor *t, const double *want)
{
    const float *got = harness_output(h, t);
    double signal = 0, noise = 0;

    for (int b = 0; b < t->B; b++)
        for (int64_t i = 0; i < (int64_t)clvits_run_length(h->run, t->clock, b) * t->C; i++) {
            const int64_t k = (int64_t)b * t->T * t->C + i;
            signal += want[k] * want[k];
            noise += ((double)got[k] - want[k]) * ((double)got[k] - want[k]);
        }
    ck_assert_msg(noise <= 1e-11 * signal, "%.1f dB", 10 * log10(signal / noise));
}

double harness_decibels(const float *got, const float *want, int64_t n)
{
    double signal = 0, noise = 0;

    for (int64_t i = 0; i < n; i++) {
        const double d = (double)got[i] - (double)want[i];
        signal += (double)want[i] * (double)want[i];
        noise += d * d;
    }
    return 10.0 * log10(signal / fmax(noise, 1e-300));
}

void harness_count_warnings(void *user, clvits_log_level level, const char *text)
{
    (void)text;
    *(int *)user += level <= CLVITS_LOG_WARNING;
}

bool harness_left_out(int i)
{
    const char *text = getenv("CLVITS_TEST_EVERY");
    int every = 1, first = 0;

    return text && sscanf(text, "%d+%d", &every, &first) >= 1 && every > 0 && i % every != first;
}

int harness_main(Suite *s)
{
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
