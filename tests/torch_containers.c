// SPDX-License-Identifier: MIT
//
// Archives and streams of PyTorch that are not what they say: each ends in one error within a
// second and 64 MiB.
#define _GNU_SOURCE // memmem
#include "files.h"
#include "torch_files.h"

#include <check.h>
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
    tcase_add_loop_test(t, by_stream, 0, LENGTH(streams));
    suite_add_tcase(s, t);
    return s;
}
