// SPDX-License-Identifier: MIT
//
// Archives and streams of PyTorch that are not what they say: each ends in one error within a
// second and 64 MiB. And archives that are odd, but right.
#define _GNU_SOURCE // memmem
#include "io/torch.h"
#include "files.h"
#include "torch_files.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "archive/data.pkl"
#define STORE "archive/data/0"

static const char good[] = TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\4\x85", "K\1\x85"));
static const float zeros[4];

#define NAMED(text, data, length) .name = text, .bytes = data, .size = length
#define GOOD NAMED(DATA, good, sizeof(good) - 1)
#define ZEROS NAMED(STORE, zeros, sizeof(zeros))

static const struct {
    const char *name;
    torch_entry entries[4];
    size_t n;
    clvits_status status;
    const char *message;
} archives[] = {
    { "a pickle that is compressed",
      { { GOOD, .method = 8 }, { ZEROS } },
      2,
      CLVITS_E_UNSUPPORTED,
      DATA " is compressed" },
    { "a storage that is compressed",
      { { GOOD }, { ZEROS, .method = 8 } },
      2,
      CLVITS_E_UNSUPPORTED,
      STORE " is compressed" },
    { "a bomb",
      { { GOOD }, { ZEROS, .method = 8, .declared = 1000000000000 } },
      2,
      CLVITS_E_FORMAT,
      "beyond its end" },
    { "a storage of a declared giant",
      { { GOOD }, { ZEROS, .declared = UINT64_MAX } },
      2,
      CLVITS_E_FORMAT,
      "beyond its end" },
    { "a pickle of a declared giant",
      { { GOOD, .declared = INT64_MAX }, { ZEROS } },
      2,
      CLVITS_E_FORMAT,
      "beyond its end" },
    { "storages in one place",
      { { GOOD }, { ZEROS }, { NAMED(STORE "0", zeros, 16), .at = 1 } },
      3,
      CLVITS_E_FORMAT,
      "overlap" },
    { "storages that overlap",
      { { GOOD }, { ZEROS, .declared = 64 }, { NAMED(STORE "0", zeros, 16) } },
      3,
      CLVITS_E_FORMAT,
      "overlap" },
    { "a storage twice", { { GOOD }, { ZEROS }, { ZEROS } }, 3, CLVITS_E_FORMAT, "twice" },
    { "a storage past everything",
      { { GOOD }, { ZEROS, .at = 0x7fffffff } },
      2,
      CLVITS_E_FORMAT,
      "beyond its end" },
    { "a storage without a header",
      { { GOOD }, { ZEROS, .at = 5 } },
      2,
      CLVITS_E_FORMAT,
      "is damaged" },
    { "a storage too few", { { GOOD } }, 1, CLVITS_E_FORMAT, "is not there" },
    { "a storage too small",
      { { GOOD }, { NAMED(STORE, zeros, 12) } },
      2,
      CLVITS_E_FORMAT,
      "has 12" },
    { "two pickles",
      { { GOOD }, { ZEROS }, { NAMED("b/data.pkl", good, sizeof(good) - 1) } },
      3,
      CLVITS_E_FORMAT,
      "more than one" },
    { "no pickle", { { ZEROS } }, 1, CLVITS_E_FORMAT, "no data.pkl" },
    { "nothing at all", { { NAMED("a", "", 0) } }, 1, CLVITS_E_FORMAT, "no data.pkl" },
    { "a program",
      { { GOOD }, { ZEROS }, { NAMED("archive/constants.pkl", "", 0) } },
      3,
      CLVITS_E_UNSUPPORTED,
      "TorchScript" },
    { "another order of bytes",
      { { GOOD }, { ZEROS }, { NAMED("archive/byteorder", "big", 3) } },
      3,
      CLVITS_E_UNSUPPORTED,
      "big-endian" },
};

START_TEST(by_archive)
{
    torch_bytes b = { 0 };

    torch_zip(&b, archives[_i].entries, archives[_i].n);
    torch_refused(archives[_i].name, files_write("hostile.zip", b.at, b.n), archives[_i].status,
                  archives[_i].message);
    free(b.at);
}
END_TEST

START_TEST(by_list_of_files)
{
    torch_entry *entries = calloc(100000, sizeof(*entries));
    torch_bytes b = { 0 };

    ck_assert_ptr_nonnull(entries);
    for (int i = 0; i < 100000; i++)
        entries[i] = (torch_entry){ .name = "x", .bytes = "", .at = 1 };
    torch_zip(&b, entries, 100000);
    torch_refused("a hundred thousand files", files_write("hostile.zip", b.at, b.n),
                  CLVITS_E_FORMAT, "list of files");
    b.n = 0;
    torch_zip(&b, entries, 1000);
    torch_refused("one file a thousand times", files_write("hostile.zip", b.at, b.n),
                  CLVITS_E_FORMAT, "overlap");
    memcpy(b.at + b.n - 6, "\xff\xff\xff\x7f", 4);
    torch_refused("a list past everything", files_write("hostile.zip", b.at, b.n), CLVITS_E_FORMAT,
                  "goes beyond");
    memcpy(b.at + b.n - 18, "\1\0", 2);
    torch_refused("one of several", files_write("hostile.zip", b.at, b.n), CLVITS_E_UNSUPPORTED,
                  "several parts");
    free(entries);
    free(b.at);
}
END_TEST

/* ---- archives as they should be ---- */

static void check_good(const char *path, int64_t from)
{
    clvits_torch *t;
    clvits_arrays set;
    clvits_report r = { 0 };
    float got[4] = { -1 };

    ck_assert_msg(!clvits_torch_open(&t, path, &r), "%s", r.text);
    ck_assert_msg(!clvits_torch_arrays(&set, t, clvits_torch_root(t), "", &r), "%s", r.text);
    clvits_torch_close(&t);
    ck_assert_int_eq(clvits_array_count(&set.items[0]), 4);
    clvits_array_floats(&set.items[0], got);
    for (int64_t i = 0; i < 4; i++)
        ck_assert(got[i] == (float)(from + i));
    clvits_arrays_free(&set);
}

static const float ramp[] = { 5, 6, 7, 8 };

START_TEST(sizes_of_64_bits)
{
    const torch_entry entries[] = {
        { GOOD, .declared = sizeof(good) - 1 },
        { NAMED(STORE, ramp, sizeof(ramp)), .declared = sizeof(ramp) },
    };
    torch_bytes b = { 0 };

    torch_zip(&b, entries, 2);
    check_good(files_write("a.zip", b.at, b.n), 5);
    free(b.at);
}
END_TEST

/* With a comment behind it, which looks like the end of another archive. */
START_TEST(comment)
{
    const torch_entry entries[] = { { GOOD }, { NAMED(STORE, ramp, sizeof(ramp)) } };
    torch_bytes b = { 0 };

    torch_zip(&b, entries, 2);
    memcpy(b.at + b.n - 2, "\x1e", 2);
    torch_put(&b, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0comments", 30);
    check_good(files_write("a.zip", b.at, b.n), 5);
    free(b.at);
}
END_TEST

/* An entry of the list whose sizes or place are in an extra part, behind another one. */
static void put_large(torch_bytes *b, const char *name, uint64_t size, uint64_t at)
{
    const bool large = size > UINT32_MAX, far = at > UINT32_MAX;
    const uint64_t extra = large ? 16 : far ? 8 : 0;

    torch_put(b, "PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    torch_put_number(b, large ? UINT32_MAX : size, 4);
    torch_put_number(b, large ? UINT32_MAX : size, 4);
    torch_put_number(b, strlen(name), 2);
    torch_put_number(b, 4 + 2 + 4 + extra, 2);
    torch_put(b, "\0\0\0\0\0\0\0\0\0\0", 10);
    torch_put_number(b, far ? UINT32_MAX : at, 4);
    torch_put_text(b, name);
    torch_put(b, "FB\2\0ZZ\1\0", 8);
    torch_put_number(b, extra, 2);
    if (large)
        torch_put_number(b, size, 8);
    torch_put_number(b, large ? size : at, large || far ? 8 : 0);
}

/* Storage "0" lies behind one of 5 GiB, which is a hole. */
START_TEST(places_of_64_bits)
{
    const uint64_t hole = (uint64_t)5 << 30;
    const torch_entry first[] = { { GOOD }, { NAMED("archive/data/1", "", 0) } };
    const torch_entry last = { NAMED(STORE, ramp, sizeof(ramp)) };
    torch_bytes b = { 0 }, tail = { 0 };

    torch_zip(&b, first, 2);
    const uint64_t header = 30 + 16 + 6; /* of the pickle */
    const uint64_t one = header + first[0].size, at = one + 30 + 14 + 6 + hole;
    torch_zip(&tail, &last, 1);
    tail.n = 30 + strlen(STORE) + 6 + sizeof(ramp);
    const uint64_t list = at + tail.n;
    put_large(&tail, DATA, first[0].size, 0);
    put_large(&tail, "archive/data/1", hole, one);
    put_large(&tail, STORE, sizeof(ramp), at);
    const uint64_t end = at + tail.n;
    torch_put(&tail, "PK\6\6\x2c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    torch_put_number(&tail, 3, 8);
    torch_put_number(&tail, 3, 8);
    torch_put_number(&tail, end - list, 8);
    torch_put_number(&tail, list, 8);
    torch_put(&tail, "PK\6\7\0\0\0\0", 8);
    torch_put_number(&tail, end, 8);
    torch_put_number(&tail, 1, 4);
    torch_put(&tail, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);

    const char *path = files_write("large.zip", b.at, (size_t)(at - hole));
    FILE *f = fopen(path, "r+b");
    ck_assert(f && !fseeko(f, (off_t)at, SEEK_SET));
    ck_assert_uint_eq(fwrite(tail.at, 1, tail.n, f), tail.n);
    ck_assert_int_eq(fclose(f), 0);
    check_good(path, 5);
    free(b.at);
    free(tail.at);
}
END_TEST

/* ---- streams ---- */

static const struct {
    const char *name;
    torch_storage storages[3];
    size_t n;
    const char *from, *to; /* replaced, of one size */
    size_t size;
    clvits_status status;
    const char *message;
} streams[] = {
    { "no storages", { { 0 } }, 0, NULL, NULL, 0, CLVITS_E_FORMAT, "list of storages" },
    { "another storage", { { "1", 4 } }, 1, NULL, NULL, 0, CLVITS_E_FORMAT, "list of storages" },
    { "a storage twice",
      { { "0", 4 }, { "0", 4 } },
      2,
      NULL,
      NULL,
      0,
      CLVITS_E_FORMAT,
      "list of storages" },
    { "a storage too many",
      { { "0", 4 }, { "1", 4 } },
      2,
      NULL,
      NULL,
      0,
      CLVITS_E_FORMAT,
      "list of storages" },
    { "a smaller storage", { { "0", 3 } }, 1, NULL, NULL, 0, CLVITS_E_FORMAT, "another size" },
    { "keys that are none",
      { { "0", 4 } },
      1,
      "](X\1\0\0\0"
      "0",
      "](J\1\0\0\0"
      "N",
      8,
      CLVITS_E_FORMAT,
      "list of storages" },
    { "another version",
      { { "0", 4 } },
      1,
      "M\xe9\3.",
      "M\xea\3.",
      4,
      CLVITS_E_UNSUPPORTED,
      "a version" },
    { "another order of bytes",
      { { "0", 4 } },
      1,
      "endian\x88",
      "endian\x89",
      7,
      CLVITS_E_UNSUPPORTED,
      "big-endian" },
    { "a tar",
      { { "0", 4 } },
      1,
      "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9",
      "sys_info",
      9,
      CLVITS_E_UNSUPPORTED,
      "tar archive" },
    { "something else",
      { { "0", 4 } },
      1,
      "\x80\2\x8a\x0a\x6c",
      "\x80\2\x8a\x0a\x6d",
      5,
      CLVITS_E_FORMAT,
      "no file of PyTorch" },
};

START_TEST(by_stream)
{
    torch_bytes b = { 0 };

    torch_stream(&b, good, sizeof(good) - 1, streams[_i].storages, streams[_i].n);
    if (streams[_i].from) {
        char *at = memmem(b.at, b.n, streams[_i].from, streams[_i].size);
        ck_assert_ptr_nonnull(at);
        memcpy(at, streams[_i].to, streams[_i].size);
    }
    torch_refused(streams[_i].name, files_write("hostile.pth", b.at, b.n), streams[_i].status,
                  streams[_i].message);
    free(b.at);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("torch_containers");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, by_archive, 0, LENGTH(archives));
    tcase_add_test(t, by_list_of_files);
    tcase_add_test(t, sizes_of_64_bits);
    tcase_add_test(t, comment);
    tcase_add_test(t, places_of_64_bits);
    tcase_add_loop_test(t, by_stream, 0, LENGTH(streams));
    suite_add_tcase(s, t);
    return s;
}
