// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // stpcpy
#include "files.h"
#include "io/json.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float floats[6] = { 1, -2, 0.5f, 3e38f, 1e-40f, -0.0f };
static const uint16_t halves[8] = { 0x3c00, 0xc000, 0x3800, 0x7bff,
                                    0x0001, 0x8000, 0x03ff, 0x7c00 };
static const float half_values[8] = { 1, -2, 0.5f, 65504, 0x1p-24f, -0.0f, 1023 * 0x1p-24f,
                                      INFINITY };
static const uint16_t brains[3] = { 0x3f80, 0xc000, 0x4049 };
static const float brain_values[3] = { 1, -2, 3.140625f };
static const double doubles[2] = { 0.1, -7 };
static const int64_t longs[2] = { -3, 1 << 24 };
static const int32_t ints[1] = { 42 };

static const clvits_array items[] = {
    { "b", CLVITS_DTYPE_BF16, 1, { 3 }, brains }, /* six bytes: the next ones are unaligned */
    { "f", CLVITS_DTYPE_F32, 2, { 2, 3 }, floats },
    { "h", CLVITS_DTYPE_F16, 3, { 2, 2, 2 }, halves },
    { "d", CLVITS_DTYPE_F64, 1, { 2 }, doubles },
    { "l", CLVITS_DTYPE_I64, 1, { 2 }, longs },
    { "i", CLVITS_DTYPE_I32, 0, { 0 }, ints },
    { "empty", CLVITS_DTYPE_F32, 2, { 0, 5 }, floats },
};
enum { N_ITEMS = sizeof(items) / sizeof(items[0]) };

static void check_values(const clvits_arrays *set, const char *name, const float *want, int count)
{
    float got[8] = { 0 };
    const clvits_array *a = clvits_arrays_find(set, name);

    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(clvits_array_count(a), count);
    clvits_array_floats(a, got);
    if (count > 0)
        ck_assert_mem_eq(got, want, (size_t)count * sizeof(float));
}

START_TEST(every_type)
{
    clvits_arrays set;
    clvits_report r = { 0 };

    ck_assert_msg(!clvits_safetensors_open(&set, files_safetensors("a", items, N_ITEMS), &r), "%s",
                  r.text);
    ck_assert_uint_eq(set.count, N_ITEMS);
    check_values(&set, "b", brain_values, 3);
    check_values(&set, "f", floats, 6);
    check_values(&set, "h", half_values, 8);
    check_values(&set, "d", (const float[]){ 0.1f, -7 }, 2);
    check_values(&set, "l", (const float[]){ -3, 1 << 24 }, 2);
    check_values(&set, "i", (const float[]){ 42 }, 1);
    check_values(&set, "empty", NULL, 0);
    ck_assert_int_eq(clvits_arrays_find(&set, "h")->shape[2], 2);
    ck_assert_ptr_null(clvits_arrays_find(&set, "F"));
    clvits_arrays_free(&set);
}
END_TEST

/* Every half against the definition of its bits. */
START_TEST(every_half)
{
    static uint16_t bits[65536];
    static float got[65536];

    for (int i = 0; i < 65536; i++)
        bits[i] = (uint16_t)i;
    clvits_array_floats(&(clvits_array){ "h", CLVITS_DTYPE_F16, 1, { 65536 }, bits }, got);
    for (int i = 0; i < 65536; i++) {
        const int exponent = i >> 10 & 31, mantissa = i & 1023;
        double want = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);

        if (exponent == 31)
            want = mantissa ? NAN : INFINITY;
        want = i >> 15 ? -want : want;
        if (isnan(want))
            ck_assert(isnan(got[i]));
        else
            ck_assert_msg(got[i] == (float)want && !signbit(got[i]) == !signbit(want),
                          "half %04x gives %g, not %g", (unsigned)i, got[i], want);
    }
}
END_TEST

/* A file with the given header text and so many bytes of data. */
static clvits_status open_header(const char *header, size_t data, clvits_report *r)
{
    char bytes[2048] = { 0 };
    const uint64_t length = strlen(header);
    clvits_arrays set;

    ck_assert_uint_le(8 + length + data, sizeof(bytes));
    memcpy(bytes, &length, sizeof(length));
    memcpy(bytes + 8, header, length);

    const clvits_status status =
        clvits_safetensors_open(&set, files_write("bad.safetensors", bytes, 8 + length + data), r);
    ck_assert_uint_eq(set.count, 0);
    clvits_arrays_free(&set);
    return status;
}

static const struct {
    const char *header;
    clvits_status status;
    const char *message; /* a part of it */
} bad[] = {
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}", CLVITS_E_FORMAT,
      "not JSON" },
    { "[1,2]", CLVITS_E_FORMAT, "not JSON" },
    { "{\"a\":3}", CLVITS_E_FORMAT, "dtype" },
    { "{\"a\":null}", CLVITS_E_FORMAT, "dtype" },
    { "{\"a\":{\"dtype\":7}}", CLVITS_E_FORMAT, "dtype" },
    { "{\"a\":{\"dtype\":\"I8\",\"shape\":[16],\"data_offsets\":[0,16]}}", CLVITS_E_UNSUPPORTED,
      "type I8" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", CLVITS_E_FORMAT, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}", CLVITS_E_FORMAT, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", CLVITS_E_FORMAT,
      "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", CLVITS_E_FORMAT,
      "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,16]}}", CLVITS_E_FORMAT,
      "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,4],\"data_offsets\":[0,16]}}",
      CLVITS_E_UNSUPPORTED, "four dimensions" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
      CLVITS_E_FORMAT, "do not fit" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", CLVITS_E_FORMAT,
      "do not fit" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", CLVITS_E_FORMAT,
      "data_offsets" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", CLVITS_E_FORMAT,
      "data_offsets" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", CLVITS_E_FORMAT,
      "cut short" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1000000000],\"data_offsets\":[0,4000000000]}}",
      CLVITS_E_FORMAT, "cut short" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
      "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
      CLVITS_E_FORMAT, "a and c overlap" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
      CLVITS_E_FORMAT, "twice" },
};

START_TEST(refuses)
{
    clvits_report r = { 0 };

    ck_assert_int_eq(open_header(bad[_i].header, 16, &r), bad[_i].status);
    ck_assert_msg(strstr(r.text, bad[_i].message) && strstr(r.text, "bad.safetensors"), "%s",
                  r.text);
}
END_TEST

START_TEST(refuses_a_declared_giant)
{
    static const char *const lengths[] = {
        "\x00\x00\x00\x00\x40\x00\x00\x00{}", /* 2^38 bytes */
        "\xff\xff\xff\xff\xff\xff\xff\xff{}",
        "\x03\x00\x00\x00\x00\x00\x00\x00{}",
    };
    clvits_arrays set;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_safetensors_open(&set, files_write("g", lengths[_i], 10), &r),
                     CLVITS_E_FORMAT);
}
END_TEST

START_TEST(refuses_every_truncation)
{
    size_t size;
    char *bytes = files_read(files_safetensors("a", items, N_ITEMS), &size);

    for (size_t n = 0; n < size; n++) {
        clvits_arrays set;
        clvits_report r = { 0 };

        ck_assert_msg(clvits_safetensors_open(&set, files_write("t", bytes, n), &r) ==
                          CLVITS_E_FORMAT,
                      "%zu of %zu bytes were accepted", n, size);
        ck_assert_ptr_nonnull(strstr(r.text, "/t"));
    }
    free(bytes);
}
END_TEST

/* A value takes forty times its two bytes in memory. */
START_TEST(refuses_headers_of_many_values)
{
    static const char begin[] = "{\"a\":{\"shape\":[", end[] = "0]}}";
    enum { MANY = 4 << 20 };
    const uint64_t length = strlen(begin) + 2 * MANY + strlen(end);
    char *bytes = calloc(1, 8 + length + 1), *at = bytes + 8;
    clvits_arrays set;
    clvits_report r = { 0 };

    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, &length, sizeof(length));
    at = stpcpy(at, begin);
    for (int i = 0; i < MANY; i++)
        at = stpcpy(at, "0,");
    strcpy(at, end);
    ck_assert_int_eq(clvits_safetensors_open(&set, files_write("m", bytes, 8 + length), &r),
                     CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "more than 400000 values"), "%s", r.text);

    clvits_json j;
    clvits_report_clear(&r);
    ck_assert_int_eq(clvits_json_open(&j, files_write("m.json", bytes + 8, length), &r),
                     CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "more than 400000 values"), "%s", r.text);
    clvits_json_close(&j);

    /* As text they are one value. */
    memset(bytes + 8, ' ', length);
    at = stpcpy(bytes + 8, "{\"a\":\"\\\"");
    memset(at, ',', 2 * MANY);
    memcpy(at + 2 * MANY, "\"}", 2);
    clvits_report_clear(&r);
    ck_assert_msg(!clvits_json_open(&j, files_write("m.json", bytes + 8, length), &r), "%s",
                  r.text);
    clvits_json_close(&j);
    free(bytes);
}
END_TEST

START_TEST(refuses_what_is_no_file)
{
    clvits_arrays set;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_safetensors_open(&set, files_path("missing"), &r), CLVITS_E_FILE);
    ck_assert_ptr_nonnull(strstr(r.text, "No such file"));
    clvits_report_clear(&r);
    ck_assert_int_eq(clvits_safetensors_open(&set, files_path("."), &r), CLVITS_E_FILE);
}
END_TEST

/* Random damage must give an answer; what is still accepted must be readable to its end. */
START_TEST(survives_damage)
{
    size_t size;
    char *bytes = files_read(files_safetensors("a", items, N_ITEMS), &size);
    uint32_t seed = 1;

    for (int round = 0; round < 3000; round++) {
        char *copy = malloc(size);
        ck_assert(copy != NULL);
        memcpy(copy, bytes, size);
        for (int flips = 0; flips <= round % 3; flips++) {
            seed = seed * 1664525u + 1013904223u;
            copy[(seed >> 8) % size] ^= (char)(1 << (seed >> 4 & 7));
        }

        clvits_arrays set;
        clvits_report r = { 0 };
        if (!clvits_safetensors_open(&set, files_write("f", copy, size), &r)) {
            for (size_t i = 0; i < set.count; i++) {
                const int64_t n = clvits_array_count(&set.items[i]);
                float *out = malloc((size_t)n * sizeof(*out) + 1);
                ck_assert(out != NULL);
                clvits_array_floats(&set.items[i], out);
                free(out);
            }
        } else {
            ck_assert(r.text[0] != '\0');
        }
        clvits_arrays_free(&set);
        free(copy);
    }
    free(bytes);
}
END_TEST

START_TEST(refuses_impossible_sizes)
{
    clvits_arrays set = { 0 };
    clvits_report r = { 0 };
    const clvits_array huge = { "x", CLVITS_DTYPE_F32, 2, { INT64_MAX / 2, 3 }, floats };
    const clvits_array deep = { "x", CLVITS_DTYPE_F32, 5, { 1, 1, 1, 1 }, floats };

    ck_assert_int_eq(clvits_arrays_add(&set, &huge, &r), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_arrays_add(&set, &deep, &r), CLVITS_E_FORMAT);
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        const clvits_array a = { name, CLVITS_DTYPE_F32, 1, { i }, floats };
        ck_assert_int_eq(clvits_arrays_add(&set, &a, &r), CLVITS_OK);
    }
    ck_assert_int_eq(clvits_arrays_find(&set, "n150")->shape[0], 150);
    clvits_arrays_free(&set);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_type);
    tcase_add_test(t, every_half);
    tcase_add_loop_test(t, refuses, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_loop_test(t, refuses_a_declared_giant, 0, 3);
    tcase_add_test(t, refuses_every_truncation);
    tcase_add_test(t, refuses_headers_of_many_values);
    tcase_add_test(t, refuses_what_is_no_file);
    tcase_add_test(t, survives_damage);
    tcase_add_test(t, refuses_impossible_sizes);
    suite_add_tcase(s, t);
    return s;
}
