// SPDX-License-Identifier: MIT
//
// Rows of tuned values: what a file may hold, which row is for whom, and that no row changes what
// is computed.
#include "files.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct heard {
    int warnings;
    char last[512];
} heard;

static void hear(void *user, clvits_log_level level, const char *text)
{
    heard *h = user;

    if (level > CLVITS_LOG_WARNING)
        return;
    h->warnings++;
    snprintf(h->last, sizeof(h->last), "%s", text);
}

START_TEST(lines_are_taken_apart)
{
    char line[] = "  GPU 3000 | 5.* | conv1d | i=64 o=33..64 k=7.. | lanes=32 job=96 # 1.3 times\n";
    char text[256];
    const char *why = "";
    clvits_row row;

    ck_assert_int_eq(clvits_row_parse(&row, line, &why), CLVITS_ROW);
    ck_assert_str_eq(row.device, "GPU 3000");
    ck_assert_str_eq(row.driver, "5.*");
    ck_assert_int_eq(clvits_terms_get(&row.shape, "i", 0), 64);
    ck_assert_int_eq(clvits_terms_get(&row.shape, "o", -1), -1);
    ck_assert_int_eq(clvits_terms_get(&row.values, "job", 0), 96);
    clvits_row_print(&row, text, sizeof(text));
    ck_assert_str_eq(text, "GPU 3000 | 5.* | conv1d | i=64 o=33..64 k=7.. | lanes=32 job=96");
    char blank[] = " \t\n", comment[] = " # a | b | c | d | e";
    ck_assert_int_eq(clvits_row_parse(&row, blank, &why), CLVITS_ROW_NONE);
    ck_assert_int_eq(clvits_row_parse(&row, comment, &why), CLVITS_ROW_NONE);
}
END_TEST

static const char *const bad_lines[] = {
    "x",
    "a | b | conv1d | i=1",
    "a | b | conv1d | i=1 | lanes=1 | more",
    " | b | conv1d | i=1 | lanes=1",
    "a | | conv1d | i=1 | lanes=1",
    "a | b |  | i=1 | lanes=1",
    "a | b | conv1d | | lanes=1",
    "a | b | conv1d | * | ",
    "a | b | conv1d | * | *",
    "a | b | conv1d | i | lanes=1",
    "a | b | conv1d | =1 | lanes=1",
    "a | b | conv1d | i= | lanes=1",
    "a | b | conv1d | i=1x | lanes=1",
    "a | b | conv1d | i=-1 | lanes=1",
    "a | b | conv1d | i=5..4 | lanes=1",
    "a | b | conv1d | i=1..x | lanes=1",
    "a | b | conv1d | i=1 i=2 | lanes=1",
    "a | b | conv1d | I=1 | lanes=1",
    "a | b | conv1d | namelong=1 | lanes=1",
    "a | b | conv1d | i=1 | lanes=1..2",
    "a | b | conv1d | i=1 | lanes=99999999999999999999999999",
    "a | b | conv1d | i=1 | lanes=16777217",
    "a | b | conv1d | i=1 | a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1",
};

START_TEST(bad_lines_cost_themselves)
{
    static const char good[] = "a | b | conv1d | * | lanes=16\n";
    char text[1024];
    heard h = { 0 };
    clvits_report r = { .log = hear, .log_user = &h };
    clvits_rows rows = { 0 };

    snprintf(text, sizeof(text), "%s%s\n%s", good, bad_lines[_i], good);
    ck_assert_int_eq(clvits_rows_add(&rows, text, strlen(text), "f.txt", true, &r), CLVITS_OK);
    ck_assert_msg(rows.n == 2 && rows.row[1].line == 3, "%s: %d rows", bad_lines[_i], rows.n);
    ck_assert_int_eq(h.warnings, 1);
    ck_assert_msg(strstr(h.last, "f.txt:2:"), "%s", h.last);
    clvits_rows_free(&rows);
}
END_TEST

START_TEST(no_text_is_too_strange)
{
    static const char alphabet[] = "a | b | conv1d | i=1..2 | lanes=16 #*@\n\n||==..09\0\377\t";
    enum { SIZE = 200000 };
    char *text = malloc(SIZE);
    heard h = { 0 };
    clvits_report r = { .log = hear, .log_user = &h };
    clvits_rows rows = { 0 };
    uint32_t seed = 1;

    for (int i = 0; i < SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
    }
    for (int n = 0; n < 40; n++) /* among them whole rows, cut somewhere */
        memcpy(text + 1000 + n * 4000, "\na | b | conv1d | i=1 | lanes=16 job=1\n", (size_t)n);
    ck_assert_int_eq(clvits_rows_add(&rows, text, SIZE, "f", true, &r), CLVITS_OK);
    ck_assert_int_le(h.warnings, 6);
    ck_assert_int_eq(clvits_rows_add(&rows, "", 0, "f", true, &r), CLVITS_OK);
    clvits_rows_free(&rows);

    char *huge = calloc(1, (1 << 20) + 1);
    h.warnings = 0;
    ck_assert_int_eq(clvits_rows_add(&rows, huge, (1 << 20) + 1, "f", true, &r), CLVITS_OK);
    ck_assert_int_eq(h.warnings, 1);
    ck_assert_ptr_nonnull(strstr(h.last, "f: more than 1 MiB"));
    memset(huge, 'x', 1 << 20); /* one line */
    ck_assert_int_eq(clvits_rows_add(&rows, huge, 1 << 20, "f", true, &r), CLVITS_OK);
    ck_assert_int_eq(rows.n, 0);
    ck_assert_int_eq(h.warnings, 2);
    clvits_rows_free(&rows);
    free(huge);
    free(text);
}
END_TEST

START_TEST(the_closest_row_is_the_best)
{
    static const char *const rising[] = {
        "* | * | r | * | v=0",
        "@gpu | * | r | * | v=1",
        "@gpu | * | r | i=1.. | v=2",
        "@gpu | * | r | i=1 o=2 | v=3",
        "@mobile-gpu | * | r | * | v=4",
        "Mali* | * | r | i=1 | v=5",
        "Mali-G1 | * | r | * | v=6",
        "Mali-G1 | v1.r2 | r | * | v=7",
        "Mali-G1 | v1.r2 | r | i=1 | v=8",
    };
    static const char *const others[] = {
        "Mali-G10 | * | r | * | v=0", "@pocl | * | r | * | v=0", "mali-g1 | * | r | * | v=0",
        "* | v1 | r | * | v=0",       "@ | * | r | * | v=0",
    };
    const clvits_tuned_device d = { .name = "Mali-G1", .driver = "v1.r2",
                                    .family = { "mobile-gpu", "gpu" } };
    const char *why;
    char line[128];
    clvits_row row;
    int last = -1;

    for (int i = 0; i < LENGTH(rising); i++) {
        snprintf(line, sizeof(line), "%s", rising[i]);
        ck_assert_int_eq(clvits_row_parse(&row, line, &why), CLVITS_ROW);
        const int rank = clvits_row_rank(&row, &d);
        ck_assert_msg(rank > last, "%s is not better than the row before", rising[i]);
        last = rank;
    }
    snprintf(line, sizeof(line), "%s", rising[0]);
    clvits_row_parse(&row, line, &why);
    row.own = true;
    ck_assert_msg(clvits_row_rank(&row, &d) > last, "the user's rows come first");
    for (int i = 0; i < LENGTH(others); i++) {
        snprintf(line, sizeof(line), "%s", others[i]);
        ck_assert_int_eq(clvits_row_parse(&row, line, &why), CLVITS_ROW);
        ck_assert_msg(clvits_row_rank(&row, &d) < 0, "%s is for another device", others[i]);
    }
    clvits_row_name(line, sizeof(line), " A|B #1* ");
    ck_assert_str_eq(line, "A_B _1_");
}
END_TEST

static void read_rows(harness *h, clvits_tuning **t, const char *text)
{
    files_text("tuned.txt", text);
    char folder[512];
    snprintf(folder, sizeof(folder), "%s", files_path("."));
    ck_assert_int_eq(clvits_tuning_open(t, folder, &h->report), CLVITS_OK);
    ck_assert_int_eq(clvits_machine_tune(&h->machine, *t, &h->report), CLVITS_OK);
}

static clvits_target target_of(const harness *h)
{
    return h->machine.n_places > 1 ? (clvits_target){ .device = h->machine.device[1], .place = 1 }
                                   : (clvits_target){ .cpu = &h->machine.cpu };
}

static const char *const nonsense[] = {
    "* | * | conv1d | * | lanes=7",        "* | * | conv1d | * | layout=0",
    "* | * | conv1d | * | layout=99",      "* | * | conv1d | * | job=0",
    "* | * | conv1d | * | group=0",        "* | * | conv1d | * | chunk=5",
    "* | * | conv1d | * | layout=2 job=4", "* | * | conv1d | i=8 o=8 g=1 | layout=4",
    "* | * | conv1d | * | m=99",           "* | * | conv1d | * | layout=5 m=3 r=12",
    "* | * | conv1d | * | layout=5 m=12 r=8",
    "* | * | convolution | * | lanes=16",  "* | * | conv1d | * | speed=100",
    "* | * | conv1d | i=16777216 o=8 g=16777216 | layout=1",
};

START_TEST(nonsense_is_not_followed)
{
    heard said = { 0 };
    clvits_tuning *t;
    clvits_terms shape = { 0 };
    harness h;

    harness_begin(&h, 1);
    h.report.log = hear;
    h.report.log_user = &said;
    read_rows(&h, &t, nonsense[_i]);
    ck_assert_msg(said.warnings == 1 && strstr(said.last, "tuned.txt:1:"), "%s: %d warnings",
                  nonsense[_i], said.warnings);
    clvits_terms_add(&shape, "i", 8);
    clvits_terms_add(&shape, "o", 8);
    clvits_terms_add(&shape, "g", 1);
    const clvits_target at = target_of(&h);
    const clvits_row *row = clvits_tuned_row(&at, clvits_op_conv1d.knobs, &shape);
    ck_assert(!row || !row->own);
    harness_end(&h);
    clvits_tuning_close(&t);
}
END_TEST

START_TEST(a_folder_is_no_file)
{
    heard said = { 0 };
    clvits_report r = { .log = hear, .log_user = &said };
    clvits_tuning *t;
    char folder[512];

    snprintf(folder, sizeof(folder), "%s", files_path("."));
    ck_assert_int_eq(mkdir(files_path("tuned.txt"), 0777), 0);
    ck_assert_int_eq(clvits_tuning_open(&t, folder, &r), CLVITS_OK);
    ck_assert_int_eq(said.warnings, 1);
    ck_assert_ptr_nonnull(strstr(said.last, "tuned.txt cannot be read: "));
    clvits_tuning_close(&t);
    rmdir(files_path("tuned.txt"));
}
END_TEST

/* y of a convolution of I channels to O over `rows` rows of x, from row `from` on. */
static float *convolve(const harness *h, const float *x, const float *w, int I, int O, int from,
                       int rows)
{
    const clvits_conv1d_params p = { .dilation = 2, .pad_left = 4, .pad_right = 4 };
    const int64_t shape[] = { O, I, 5 };
    clvits_report r = { .log = NULL };
    clvits_packed_weights *weights;
    clvits_graph *g;
    clvits_plan *plan;
    clvits_run *run;

    ck_assert_int_eq(clvits_packed_weights_open(&weights, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_graph_open(&g, 1, &r), CLVITS_OK);
    const int clock = clvits_graph_clock(g, rows);
    clvits_tensor *in = clvits_graph_input(g, CLVITS_F32, clock, I);
    clvits_tensor *y =
        clvits_graph_keep(clvits_conv1d(in, clvits_graph_weight(g, w, 3, shape), NULL, &p, NULL));
    ck_assert_int_eq(clvits_graph_finish(g, &r), CLVITS_OK);
    ck_assert_msg(!clvits_plan_make(&plan, g, &h->machine, weights, NULL, &r), "%s", r.text);
    ck_assert_msg(!clvits_run_make(&run, plan, &r), "%s", r.text);
    ck_assert_int_eq(clvits_plan_place(plan, y->producer), h->machine.n_places - 1);
    float *out = malloc((size_t)rows * (size_t)O * sizeof(*out));
    ck_assert_int_eq(clvits_run_set_length(run, clock, 0, rows, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_set_first(run, clock, 0, from, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_write(run, in, 0, x + (size_t)from * (size_t)I, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_go(run, NULL, &r), CLVITS_OK);
    ck_assert_msg(!clvits_run_read(run, y, 0, 0, rows, out, &r), "%s", r.text);
    clvits_run_free(&run);
    clvits_plan_free(&plan);
    clvits_graph_close(&g);
    clvits_packed_weights_close(&weights);
    return out;
}

/* The forms of Toom-Cook that this device takes for the shape. */
static int list_forms(const harness *h, const clvits_terms *shape, int n, char rows[32][128])
{
    const clvits_target at = target_of(h);

    for (int m = 1; m < 9; m++)
        for (int r = 1; r < 9 && n < 32; r++) {
            clvits_terms values = { 0 };
            clvits_terms_add(&values, "layout", CLVITS_CONV_TOOM);
            clvits_terms_add(&values, "m", m);
            clvits_terms_add(&values, "r", r);
            if (clvits_op_conv1d.knobs->takes(&at, shape, &values))
                snprintf(rows[n++], 128, "* | * | conv1d | * | layout=%d m=%d r=%d\n",
                         CLVITS_CONV_TOOM, m, r);
        }
    return n;
}

/* Rows for every value that this device takes for the shape, each alone. */
static int list_rows(const harness *h, const clvits_terms *shape, char rows[32][128])
{
    const clvits_target at = target_of(h);
    const clvits_knobs *k = clvits_op_conv1d.knobs;
    int n = 0;

    for (const clvits_knob *knob = k->knob; knob->name; knob++)
        for (int i = 0; i < knob->n && n < 32; i++) {
            clvits_terms values = { 0 };
            clvits_terms_add(&values, knob->name, knob->value[i]);
            if (k->takes(&at, shape, &values))
                snprintf(rows[n++], 128, "* | * | conv1d | * | %s=%d\n", knob->name,
                         knob->value[i]);
        }
    return list_forms(h, shape, n, rows);
}

START_TEST(no_row_changes_a_result)
{
    enum { I = 21, O = 35, T = 400, FROM = 100, ROWS = 200, REACH = 40 };
    const bool tiny = getenv("CLVITS_TEST_TINY") != NULL;
    clvits_terms shape = { 0 };
    char rows[32][128];
    clvits_tuning *t;
    harness h;

    static const struct {
        const char *name;
        int value;
    } terms[] = { { "i", I }, { "o", O }, { "k", 5 }, { "d", 2 },
                  { "s", 1 }, { "p", 1 }, { "g", 1 } };
    harness_begin(&h, 1);
    for (int i = 0; i < LENGTH(terms); i++)
        clvits_terms_add(&shape, terms[i].name, terms[i].value);
    const float *x = harness_random(&h, T * I, -1, 1), *w = harness_random(&h, O * I * 5, -1, 1);
    const int n = list_rows(&h, &shape, rows);
    ck_assert_int_ge(n, 3);
    float *want = convolve(&h, x, w, I, O, 0, T);
    for (int k = 0; k < n; k += tiny ? n : 1) {
        const clvits_target at = target_of(&h);
        read_rows(&h, &t, rows[k]);
        ck_assert_msg(clvits_tuned_row(&at, clvits_op_conv1d.knobs, &shape), "%s", rows[k]);
        float *whole = convolve(&h, x, w, I, O, 0, T);
        float *window = convolve(&h, x, w, I, O, FROM, ROWS);
        for (int i = 0; i < T * O; i++)
            if (!(whole[i] - want[i] < 1e-4f && want[i] - whole[i] < 1e-4f))
                ck_abort_msg("%s: %g instead of %g", rows[k], (double)whole[i], (double)want[i]);
        ck_assert_msg(!memcmp(whole + (FROM + REACH) * O, window + REACH * O,
                              (ROWS - 2 * REACH) * O * sizeof(*whole)),
                      "%s: a window differs from the whole", rows[k]);
        free(whole);
        free(window);
        clvits_tuning_close(&t);
    }
    free(want);
    harness_end(&h);
}
END_TEST

static float *normalise(harness *h, const float *x, const float *w, int C, int rows)
{
    const clvits_layer_norm_params p = { 0 };
    clvits_report r = { .log = NULL };
    clvits_packed_weights *weights;
    clvits_graph *g;
    clvits_plan *plan;
    clvits_run *run;

    ck_assert_int_eq(clvits_packed_weights_open(&weights, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_graph_open(&g, 1, &r), CLVITS_OK);
    const int clock = clvits_graph_clock(g, rows);
    clvits_tensor *in = clvits_graph_input(g, CLVITS_F32, clock, C);
    clvits_tensor *gamma = clvits_graph_weight(g, w, 1, (int64_t[]){ C });
    clvits_tensor *y = clvits_graph_keep(clvits_layer_norm(in, NULL, gamma, gamma, &p));
    ck_assert_int_eq(clvits_graph_finish(g, &r), CLVITS_OK);
    ck_assert_msg(!clvits_plan_make(&plan, g, &h->machine, weights, NULL, &r), "%s", r.text);
    ck_assert_msg(!clvits_run_make(&run, plan, &r), "%s", r.text);
    float *out = malloc((size_t)rows * (size_t)C * sizeof(*out));
    ck_assert_int_eq(clvits_run_set_length(run, clock, 0, rows, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_write(run, in, 0, x, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_go(run, NULL, &r), CLVITS_OK);
    ck_assert_msg(!clvits_run_read(run, y, 0, 0, rows, out, &r), "%s", r.text);
    clvits_run_free(&run);
    clvits_plan_free(&plan);
    clvits_graph_close(&g);
    clvits_packed_weights_close(&weights);
    return out;
}

START_TEST(no_row_changes_a_norm)
{
    enum { C = 37, ROWS = 21 };
    static const char *const rows[] = { "rows=0", "rows=1", "rows=2" };
    clvits_terms shape = { 0 };
    clvits_tuning *t;
    char line[64];
    harness h;

    harness_begin(&h, 1);
    h.report.log = NULL; /* where there is nothing to tune, it says so */
    const clvits_target at = target_of(&h);
    const bool tuned =
        at.device && clvits_device_get_info(at.device)->family == CLVITS_FAMILY_GPU;
    clvits_terms_add(&shape, "c", C);
    const float *x = harness_random(&h, C * ROWS, -1, 1), *w = harness_random(&h, C, -1, 1);
    float *want = normalise(&h, x, w, C, ROWS);
    for (int k = 0; k < LENGTH(rows); k++) {
        snprintf(line, sizeof(line), "* | * | norm | c=%d | %s", C, rows[k]);
        read_rows(&h, &t, line);
        const clvits_row *row = clvits_tuned_row(&at, clvits_op_layer_norm.knobs, &shape);
        ck_assert_msg((row && row->own) == tuned, "%s is%s followed", line, tuned ? " not" : "");
        float *got = normalise(&h, x, w, C, ROWS);
        for (int i = 0; i < C * ROWS; i++)
            ck_assert_msg(got[i] - want[i] < 1e-5f && want[i] - got[i] < 1e-5f, "%s: %g for %g",
                          rows[k], (double)got[i], (double)want[i]);
        free(got);
        clvits_tuning_close(&t);
    }
    free(want);
    harness_end(&h);
}
END_TEST

START_TEST(the_library_has_rows_that_it_follows)
{
    heard said = { 0 };
    clvits_tuning *t;
    harness h;

    harness_begin(&h, 1);
    h.report.log = hear;
    h.report.log_user = &said;
    ck_assert_int_eq(clvits_tuning_open(&t, NULL, &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_machine_tune(&h.machine, t, &h.report), CLVITS_OK);
    ck_assert_msg(said.warnings == 0, "%s", said.last);
    const clvits_device *d = h.machine.device[1];
    if (d && clvits_device_get_info(d)->family == CLVITS_FAMILY_GPU)
        ck_assert_int_ge(clvits_device_tuned(d)->n, 2);
    harness_end(&h);
    clvits_tuning_close(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tune");
    TCase *text = tcase_create("text"), *t = tcase_create("device");

    tcase_add_test(text, lines_are_taken_apart);
    tcase_add_loop_test(text, bad_lines_cost_themselves, 0, LENGTH(bad_lines));
    tcase_add_test(text, no_text_is_too_strange);
    tcase_add_test(text, the_closest_row_is_the_best);
    suite_add_tcase(s, text);
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_loop_test(t, nonsense_is_not_followed, 0, LENGTH(nonsense));
    tcase_add_test(t, a_folder_is_no_file);
    tcase_add_test(t, no_row_changes_a_result);
    tcase_add_test(t, no_row_changes_a_norm);
    tcase_add_test(t, the_library_has_rows_that_it_follows);
    suite_add_tcase(s, t);
    return harness_main(s);
}
