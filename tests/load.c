// SPDX-License-Identifier: MIT
//
// What it takes to bring the weights of a voice of common size into memory.
#include "base_voice.h"
#include "files.h"
#include "model/weights.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ITEMS = 1024, MOST_VALUES = 1 << 21 };

/* Sanitizers make everything slow and large. */
#if defined(__SANITIZE_ADDRESS__)
enum { MEASURES = 0 };
#elif defined(__has_feature)
enum { MEASURES = !__has_feature(address_sanitizer) };
#else
enum { MEASURES = 1 };
#endif

typedef struct voice {
    clvits_arena names;
    clvits_array items[MAX_ITEMS];
    size_t count;
    clvits_dtype dtype;
    const uint16_t *data; /* of every item */
    int64_t values;
} voice;

static clvits_status give_weight(void *user, const clvits_weight *w)
{
    voice *v = user;
    clvits_array a = { .dtype = v->dtype, .rank = w->rank, .data = v->data };

    ck_assert_uint_lt(v->count, MAX_ITEMS);
    a.name = clvits_arena_text(&v->names, w->name, strlen(w->name));
    memcpy(a.shape, w->shape, sizeof(a.shape));
    ck_assert_int_le(clvits_array_count(&a), MOST_VALUES);
    v->values += clvits_array_count(&a);
    v->items[v->count++] = a;
    return CLVITS_OK;
}

static void write_voice(const clvits_config *c, clvits_dtype dtype)
{
    voice *v = calloc(1, sizeof(*v));
    uint16_t *data = malloc(MOST_VALUES * sizeof(float));

    ck_assert(v && data);
    for (size_t i = 0; i < 2 * MOST_VALUES; i++)
        data[i] = 0x3c00; /* finite as a half, and as half a float */
    v->dtype = dtype;
    v->data = data;
    ck_assert_int_eq(clvits_weights_walk(c, give_weight, v), CLVITS_OK);
    files_safetensors("voice.safetensors", v->items, v->count);
    ck_assert_int_gt(v->values, MOST_VALUES);
}

static clvits_status count_weight(void *user, const clvits_weight *w)
{
    clvits_array a = { .rank = w->rank };

    memcpy(a.shape, w->shape, sizeof(a.shape));
    *(double *)user += (double)clvits_array_count(&a) * sizeof(float);
    return CLVITS_OK;
}

static double most_memory(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return (double)usage.ru_maxrss * 1024;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(takes_little_more_than_the_weights)
{
    static const clvits_dtype dtypes[] = { CLVITS_DTYPE_F32, CLVITS_DTYPE_F16,
                                           CLVITS_DTYPE_BF16 };
    const clvits_config c = base_voice();
    clvits_arrays raw, weights;
    clvits_report r = { 0 };
    const char *path = files_path("voice.safetensors");
    double bytes = 0;
    const pid_t writer = fork(); /* whose memory is not that of this process */

    ck_assert_int_ge(writer, 0);
    if (!writer) {
        write_voice(&c, dtypes[_i]);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
    ck_assert_int_eq(clvits_weights_walk(&c, count_weight, &bytes), CLVITS_OK);
    const double before = most_memory(), start = seconds();

    ck_assert_msg(!clvits_safetensors_open(&raw, path, &r), "%s", r.text);
    ck_assert_msg(!clvits_weights_take(&weights, &raw, &c, &r), "%s", r.text);
    clvits_arrays_keep_used(&raw, &weights);
    const double took = seconds() - start, most = most_memory() - before;
    ck_assert_double_gt(bytes, 100e6);
    if (MEASURES) {
        ck_assert_msg(most < 1.3 * bytes, "%.0f bytes for weights of %.0f", most, bytes);
        ck_assert_msg(took < 1.5, "%.2f seconds", took);
    }
    clvits_arrays_free(&weights);
    clvits_arrays_free(&raw);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("load");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, takes_little_more_than_the_weights, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
