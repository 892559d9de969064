// SPDX-License-Identifier: MIT
//
// What torch.save wrote in each form and protocol is read as it was; damaged, cut, or with
// allocations that fail, it ends in one error.
#include "io/torch.h"
#include "allocations.h"
#include "files.h"
#include "torch_files.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const golden[] = { "zip-2.pt", "zip-5.pt", "stream-1.pt", "stream-2.pt",
                                      "stream-4.pt" };
enum { N_GOLDEN = sizeof(golden) / sizeof(golden[0]) };

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof(path), "%s/torch/%s", GOLDEN_DIR, name);
    return path;
}

static clvits_torch *open_golden(int i)
{
    clvits_torch *t;
    clvits_report r = { 0 };

    ck_assert_msg(!clvits_torch_open(&t, path_of(golden[i]), &r), "%s", r.text);
    return t;
}

static const float ramp[] = { -3, -2, -1, 0, 1, 2 };
static const float quarters[] = { -0.75f, -0.5f, -0.25f, 0, 0.25f, 0.5f };
static const float turned[] = { 0, 12, 4, 16, 8,  20, 1, 13, 5, 17, 9,  21,
                                2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23 };

static const struct {
    const char *name;
    clvits_dtype dtype;
    int rank;
    int64_t shape[4];
    const float *values;
} tensors[] = {
    { "type.f32", CLVITS_DTYPE_F32, 2, { 2, 3 }, quarters },
    { "type.f16", CLVITS_DTYPE_F16, 2, { 2, 3 }, quarters },
    { "type.bf16", CLVITS_DTYPE_BF16, 2, { 2, 3 }, quarters },
    { "type.f64", CLVITS_DTYPE_F64, 2, { 2, 3 }, quarters },
    { "type.i64", CLVITS_DTYPE_I64, 2, { 2, 3 }, ramp },
    { "type.i32", CLVITS_DTYPE_I32, 2, { 2, 3 }, ramp },
    { "type.i16", CLVITS_DTYPE_I32, 2, { 2, 3 }, ramp },
    { "type.i8", CLVITS_DTYPE_I32, 2, { 2, 3 }, ramp },
    { "type.u8", CLVITS_DTYPE_I32, 2, { 2, 3 }, (const float[]){ 3, 2, 1, 0, 1, 2 } },
    { "type.bool", CLVITS_DTYPE_I32, 2, { 2, 3 }, (const float[]){ 1, 1, 1, 0, 1, 1 } },
    { "view.turned", CLVITS_DTYPE_F32, 3, { 4, 3, 2 }, turned },
    { "view.steps",
      CLVITS_DTYPE_I32,
      2,
      { 3, 3 },
      (const float[]){ 5, 7, 9, 10, 12, 14, 15, 17, 19 } },
    { "view.repeated", CLVITS_DTYPE_F32, 2, { 2, 3 }, (const float[]){ 1, 1, 1, 2, 2, 2 } },
    { "share.whole", CLVITS_DTYPE_F32, 1, { 10 }, (const float[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 } },
    { "share.part", CLVITS_DTYPE_F32, 1, { 4 }, (const float[]){ 4, 5, 6, 7 } },
    { "share.other", CLVITS_DTYPE_F32, 1, { 2 }, (const float[]){ 1, 6 } },
    { "one.scalar", CLVITS_DTYPE_F32, 0, { 0 }, (const float[]){ -7.5f } },
    { "one.empty", CLVITS_DTYPE_F32, 2, { 0, 5 }, NULL },
    { "one.parameter",
      CLVITS_DTYPE_F32,
      4,
      { 2, 1, 3, 1 },
      (const float[]){ 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f } },
};
enum { N_TENSORS = sizeof(tensors) / sizeof(tensors[0]) };

static void check_tensor(const clvits_arrays *set, const char *name, size_t i)
{
    const clvits_array *a = clvits_arrays_find(set, name);
    float got[24];

    ck_assert_msg(a != NULL, "%s is missing", name);
    const int64_t n = clvits_array_count(a);
    ck_assert_msg(a->dtype == tensors[i].dtype && a->rank == tensors[i].rank &&
                      !memcmp(a->shape, tensors[i].shape, sizeof(a->shape)) && n <= 24,
                  "%s has another type or shape", name);
    clvits_array_floats(a, got);
    ck_assert_msg(!n || !memcmp(got, tensors[i].values, (size_t)n * sizeof(*got)),
                  "%s has other values", name);
}

START_TEST(all_tensors)
{
    clvits_torch *t = open_golden(_i);
    clvits_arrays set;
    clvits_report r = { 0 };
    unsigned char head[16];
    size_t n;

    ck_assert(!clvits_file_head(head, 16, &n, path_of(golden[_i]), &r) &&
              clvits_torch_detect(head));
    const clvits_value *model = clvits_value_at(clvits_torch_root(t), "model");
    ck_assert_msg(!clvits_torch_arrays(&set, t, model, "", &r), "%s", r.text);
    clvits_torch_close(&t);
    ck_assert_uint_eq(set.count, N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++)
        check_tensor(&set, tensors[i].name, i);
    clvits_arrays_free(&set);
}
END_TEST

/* Under a prefix; views of one storage lie in it, which is there but once. */
START_TEST(some_tensors)
{
    clvits_torch *t = open_golden(_i);
    clvits_arrays set;
    clvits_report r = { 0 };

    const clvits_value *model = clvits_value_at(clvits_torch_root(t), "model");
    ck_assert_msg(!clvits_torch_arrays(&set, t, model, "share.", &r), "%s", r.text);
    ck_assert_uint_eq(set.count, 3);
    ck_assert_uint_eq(set.file_size, 10 * sizeof(float));
    for (size_t i = 0; i < N_TENSORS; i++)
        if (!strncmp(tensors[i].name, "share.", 6))
            check_tensor(&set, tensors[i].name + 6, i);
    ck_assert_ptr_eq(clvits_arrays_find(&set, "whole")->data, set.file);
    ck_assert_ptr_eq(clvits_arrays_find(&set, "part")->data, (char *)set.file + 4 * sizeof(float));
    clvits_arrays_free(&set);
    ck_assert_msg(!clvits_torch_arrays(&set, t, model, "share.o", &r), "%s", r.text);
    ck_assert_uint_eq(set.file_size, 6 * sizeof(float)); /* from its first to its last */
    clvits_arrays_free(&set);
    ck_assert_msg(!clvits_torch_arrays(&set, t, model, "nothing", &r), "%s", r.text);
    ck_assert_uint_eq(set.count, 0);
    clvits_arrays_free(&set);
    ck_assert_int_eq(clvits_torch_arrays(&set, t, NULL, "", &r), CLVITS_E_FORMAT);
    clvits_torch_close(&t);
}
END_TEST

static const char *text_at(const clvits_value *dict, const char *key)
{
    const char *text = clvits_value_text(clvits_value_at(dict, key));
    ck_assert_msg(text != NULL, "%s is no text", key);
    return text;
}

static double number_in(const clvits_value *list, size_t i)
{
    double n;
    ck_assert(clvits_value_number(&n, clvits_value_item(list, i)));
    return n;
}

static void check_numbers(const clvits_value *plain)
{
    static const double numbers[] = { 0.1, -2.5, -3, 200 };
    static const double last[] = { 1.5, -1, 255, 65535, -70000 };
    const clvits_value *tuple = NULL;
    int n;

    for (size_t i = 0; i < 4; i++)
        ck_assert(number_in(clvits_value_at(plain, "numpy"), i) == numbers[i]);
    ck_assert(clvits_value_int(&n, clvits_value_item(clvits_value_at(plain, "numpy"), 4)) &&
              n == 1);
    ck_assert(clvits_value_at(plain, "large")->number == 0x1p70);
    ck_assert(clvits_value_at(plain, "far")->integer == -((int64_t)1 << 40));
    ck_assert(!clvits_value_int(&n, clvits_value_at(plain, "far")));
    for (size_t i = 0; i < clvits_value_count(plain); i++)
        if (clvits_value_int(&n, clvits_value_key(plain, i)) && n == 3)
            tuple = clvits_value_item(plain, i);
    ck_assert_uint_eq(clvits_value_count(tuple), 7);
    ck_assert(clvits_value_item(tuple, 0)->kind == CLVITS_VALUE_BOOL);
    for (size_t i = 0; i < 5; i++)
        ck_assert(number_in(tuple, i + 2) == last[i]);
    ck_assert_ptr_null(clvits_value_item(tuple, 7));
}

START_TEST(plain_data)
{
    clvits_torch *t = open_golden(_i);
    const clvits_value *plain = clvits_value_at(clvits_torch_root(t), "plain");
    const clvits_value *bag = clvits_value_at(plain, "bag");
    int n = 0;

    ck_assert_uint_eq(clvits_value_count(plain), 17);
    ck_assert(clvits_value_int(&n, clvits_value_at(clvits_torch_root(t), "iteration")) &&
              n == 1234);
    ck_assert(clvits_value_int(&n, clvits_value_at(bag, "rate")) && n == 22050);
    ck_assert(number_in(clvits_value_at(bag, "sizes"), 2) == 11);
    ck_assert_str_eq(text_at(bag, "data"), "/data/set");
    ck_assert_str_eq(text_at(plain, "path"), "a/b.txt");
    ck_assert_str_eq(text_at(plain, "windows"), "C:\\a\\b");
    ck_assert_str_eq(text_at(plain, "dtype"), "torch.float16");
    ck_assert_str_eq(text_at(plain, "device"), "cuda:1");
    ck_assert_str_eq(text_at(plain, "class"), "collections.OrderedDict");
    ck_assert_str_eq(text_at(plain, "text"), "d\u017e\u00e9, \U0001f600");
    ck_assert(clvits_value_at(plain, "none")->kind == CLVITS_VALUE_NONE);
    const clvits_value *bytes = clvits_value_at(plain, "bytes");
    ck_assert(bytes->kind == CLVITS_VALUE_BYTES && bytes->length == 3);
    ck_assert_mem_eq(bytes->text, "\0\xffz", 4);
    ck_assert(clvits_value_int(&n, clvits_value_at(clvits_value_at(plain, "counter"), "a")) &&
              n == 2);
    ck_assert_uint_eq(clvits_value_count(clvits_value_at(plain, "default")), 1);
    ck_assert(number_in(clvits_value_at(plain, "set"), 0) == 5);
    ck_assert(number_in(clvits_value_at(plain, "size"), 1) == 3);
    check_numbers(plain);
    clvits_torch_close(&t);
}
END_TEST

/* As Python would print it, more or less. */
static void print(FILE *to, const clvits_value *v)
{
    const size_t n = clvits_value_count(v);

    switch (v->kind) {
    case CLVITS_VALUE_NONE:
        fputs("None", to);
        break;
    case CLVITS_VALUE_BOOL:
        fputs(v->integer ? "True" : "False", to);
        break;
    case CLVITS_VALUE_INT:
        fprintf(to, "%lld", (long long)v->integer);
        break;
    case CLVITS_VALUE_FLOAT:
        fprintf(to, "%g", v->number);
        break;
    case CLVITS_VALUE_TEXT:
    case CLVITS_VALUE_BYTES:
        fprintf(to, "%s'%s'", v->kind == CLVITS_VALUE_BYTES ? "b" : "", v->text);
        break;
    case CLVITS_VALUE_TENSOR:
        fprintf(to, "%s of %lld", v->tensor->element->name, (long long)v->tensor->count);
        break;
    default:
        fputs(v->kind == CLVITS_VALUE_DICT ? "{" : "[", to);
        for (size_t i = 0; i < n; i++) {
            fputs(i ? ", " : "", to);
            if (v->kind == CLVITS_VALUE_DICT) {
                print(to, clvits_value_key(v, i));
                fputs(": ", to);
            }
            print(to, clvits_value_item(v, i));
        }
        fputs(v->kind == CLVITS_VALUE_DICT ? "}" : "]", to);
    }
}

#define PICKLE(text) (text), sizeof(text) - 1

/* What golden files do not have. */
static const struct {
    const char *bytes;
    size_t size;
    const char *printed;
} pickles[] = {
    { PICKLE("}(U\1aI01\nU\1bL-5L\nU\1cL99999999999999999999999L\nU\1dI7\nu."),
      "{'a': True, 'b': -5, 'c': 1e+23, 'd': 7}" },
    { PICKLE("(U\1aK\1d."), "{'a': 1}" },
    { PICKLE("(U\1aU\1\xfflp0\n0g0\n."), "['a', b'\xff']" },
    { PICKLE("\x80\2\x8a\1\xff\x8a\0\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff\x87."),
      "[-1, 0, -1]" },
    { PICKLE("\x80\2\x8a\x08\0\0\0\0\0\0\0\x80J\0\0\0\x80\x86."),
      "[-9223372036854775808, -2147483648]" },
    { PICKLE("\x80\5\x95\0\0\0\0\0\0\0\0\x96\2\0\0\0\0\0\0\0xy."), "b'xy'" },
    { PICKLE("\x80\4(K\1K\2\x91."), "[1, 2]" },
    { PICKLE("\x80\2NK\1(K\2K\3"
             "1(00."),
      "None" },
    { PICKLE("\x80\2"
             "cos\nsystem\n."),
      "'os.system'" },
    { PICKLE("\x80\2"
             "ccollections\ndefaultdict\ncos\nsystem\n\x85R."),
      "{}" },
    { PICKLE("\x80\2"
             "ccollections\nOrderedDict\n](](K\1Nee\x85R."),
      "{1: None}" },
    { PICKLE("\x80\2"
             "cbuiltins\nbytearray\n)R."),
      "b''" },
    { PICKLE("\x80\2"
             "c__builtin__\nbytearray\nX\3\0\0\0a\xc3\xbfX\7\0\0\0latin-1\x86R."),
      "b'a\xff'" },
    { PICKLE("\x80\2"
             "c__builtin__\nbytearray\nC\1a\x85R."),
      "b'a'" },
    { PICKLE("\x80\2"
             "cargparse\nNamespace\n)\x81N}X\1\0\0\0aK\1s\x86"
             "b."),
      "{'a': 1}" },
    { PICKLE("\x80\2"
             "cargparse\nNamespace\n)\x81(Ntb."),
      "{}" },
    { PICKLE("(iargparse\nNamespace\n}U\1aK\1sb."), "{'a': 1}" },
    { PICKLE("(cargparse\nNamespace\no}U\1aK\1sb."), "{'a': 1}" },
    { PICKLE("ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR."),
      "{}" },
    { PICKLE("\x80\2"
             "ctorch\ndevice\nX\3\0\0\0cpu\x85R."),
      "'cpu'" },
    { PICKLE("\x80\2"
             "cnumpy\ndtype\nX\3\0\0\0<f4\x85R."),
      "'<f4'" },
    { PICKLE("\x80\2"
             "cnumpy._core.multiarray\nscalar\nX\3\0\0\0<i2C\2\xfe\xff\x86R."),
      "-2" },
    { PICKLE("\x80\2"
             "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
             "ctorch\nTensor\n(" TORCH_FLOATS "K\0K\4\x85K\1\x85\x89}t}tR."),
      "torch.float32 of 4" },
    { PICKLE("\x80\2"
             "ctorch._utils\n_rebuild_tensor_v3\n(" TORCH_FLOATS
             "K\0K\2\x85K\1\x85\x89}ctorch\nfloat64\ntR."),
      "torch.float64 of 2" },
    { PICKLE("\x80\2"
             "ctorch._utils\n_rebuild_tensor\n((X\7\0\0\0storagectorch.cuda\nFloatStorage\n"
             "X\1\0\0\0"
             "0X\6\0\0\0cuda:0K\4NtQK\0))tR."),
      "torch.float32 of 1" },
    { PICKLE("\x80\2" TORCH_FLOATS "\x85."), "[None]" },
};

START_TEST(other_pickles)
{
    const torch_storage four = { "0", 4 };
    const int stores =
        strstr(pickles[_i].printed, "float") || !strcmp(pickles[_i].printed, "[None]");
    torch_bytes b = { 0 };
    clvits_report r = { 0 };
    char printed[256] = "";

    for (int archive = 0; archive < 2; archive++) {
        clvits_torch *t;
        FILE *to = fmemopen(printed, sizeof(printed), "w");
        b.n = 0;
        (archive ? torch_archive : torch_stream)(&b, pickles[_i].bytes, pickles[_i].size, &four,
                                                 (size_t)stores);
        ck_assert_msg(!clvits_torch_open(&t, files_write("p", b.at, b.n), &r), "%s", r.text);
        print(to, clvits_torch_root(t));
        fclose(to);
        ck_assert_str_eq(printed, pickles[_i].printed);
        clvits_torch_close(&t);
    }
    free(b.at);
}
END_TEST

/* Reads everything that is there; the status of opening it. */
static clvits_status read_all(const char *path, clvits_report *r)
{
    clvits_torch *t;
    const clvits_status s = clvits_torch_open(&t, path, r);

    if (s)
        return s;
    const clvits_value *root = clvits_torch_root(t);
    for (size_t i = 0; i <= clvits_value_count(root) && !r->status; i++) {
        const clvits_value *dict = i < clvits_value_count(root) ? clvits_value_item(root, i) : root;
        clvits_arrays set;
        if (dict->kind != CLVITS_VALUE_DICT || clvits_torch_arrays(&set, t, dict, "", r))
            continue;
        for (size_t j = 0; j < set.count; j++) {
            float *out = malloc((size_t)clvits_array_count(&set.items[j]) * sizeof(*out) + 1);
            if (out)
                clvits_array_floats(&set.items[j], out);
            free(out);
        }
        clvits_arrays_free(&set);
    }
    clvits_torch_close(&t);
    return r->status;
}

START_TEST(refuses_every_truncation)
{
    size_t size;
    char *bytes = files_read(path_of(golden[_i]), &size);
    const char *path = files_write("t", bytes, size);

    for (size_t n = size; n-- > 0;) {
        clvits_torch *t;
        clvits_report r = { 0 };

        ck_assert_int_eq(truncate(path, (off_t)n), 0);
        ck_assert_msg(clvits_torch_open(&t, path, &r) == CLVITS_E_FORMAT, "%zu of %zu bytes: %s", n,
                      size, r.text);
        ck_assert_ptr_null(t);
        ck_assert_ptr_nonnull(strstr(r.text, "/t"));
    }
    free(bytes);
}
END_TEST

/* Random damage must give an answer; what is still accepted must be readable to its end. */
START_TEST(survives_damage)
{
    size_t size;
    char *bytes = files_read(path_of(golden[_i]), &size), *copy = malloc(size);
    uint32_t seed = 1;

    ck_assert_ptr_nonnull(copy);
    for (int round = 0; round < 1000; round++) {
        memcpy(copy, bytes, size);
        for (int flips = 0; flips <= round % 3; flips++) {
            seed = seed * 1664525u + 1013904223u;
            copy[(seed >> 8) % size] ^= (char)(1 << (seed >> 4 & 7));
        }
        clvits_report r = { 0 };
        const clvits_status s = read_all(files_write("f", copy, size), &r);
        ck_assert_msg(s == CLVITS_OK || s == CLVITS_E_FORMAT || s == CLVITS_E_UNSUPPORTED, "%s",
                      r.text);
        ck_assert(!s || r.text[0]);
    }
    free(copy);
    free(bytes);
}
END_TEST

START_TEST(allocations_fail)
{
    const char *path = path_of(golden[_i]);
    clvits_report r = { 0 };

    allocations_begin(0);
    ck_assert_msg(!read_all(path, &r), "%s", r.text);
    const long n = allocations_end();
    ck_assert_int_gt(n, 10);
    for (long i = 1; i <= n; i++) {
        clvits_report_clear(&r);
        allocations_begin(i);
        const clvits_status s = read_all(path, &r);
        allocations_end();
        ck_assert_uint_eq(allocations_left(), 0);
        /* One that is not of the reader may be among them: what reads the arrays passes over it. */
        ck_assert_msg(s == CLVITS_E_MEMORY || s == CLVITS_OK, "%s", r.text);
        ck_assert(!s || strstr(r.text, "out of memory"));
    }
}
END_TEST

START_TEST(refuses_what_is_no_file)
{
    clvits_torch *t;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_torch_open(&t, files_path("missing"), &r), CLVITS_E_FILE);
    ck_assert_ptr_null(t);
    clvits_report_clear(&r);
    ck_assert_int_eq(clvits_torch_open(&t, files_path("."), &r), CLVITS_E_FILE);
    clvits_report_clear(&r);
    ck_assert_int_eq(clvits_torch_open(&t, files_write("e", "", 0), &r), CLVITS_E_FORMAT);
    clvits_torch_close(&t);
}
END_TEST

/* Only what is asked for is read: of a file with gigabytes besides. */
START_TEST(reads_what_is_needed)
{
    static const char pickle[] = "\x80\2}(" TORCH_KEY("a")
        TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "0", "K\4"), "K\0", "K\4\x85", "K\1\x85")
            TORCH_KEY("b") TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "1", "\x8a\5\0\0\0\x40\0"),
                                        "J\0\0\0\x20", "K\2\x85", "K\1\x85") "u.";
    const torch_storage storages[] = { { "0", 4 }, { "1", 0 } };
    const int64_t count = (int64_t)1 << 30;
    torch_bytes b = { 0 };
    clvits_torch *t;
    clvits_arrays set;
    clvits_report r = { 0 };

    torch_stream(&b, pickle, sizeof(pickle) - 1, storages, 2);
    memcpy(b.at + b.n - 8, &count, 8);
    const char *path = files_write("large", b.at, b.n);
    ck_assert_int_eq(truncate(path, (off_t)b.n + 4 * count), 0);
    ck_assert_msg(!clvits_torch_open(&t, path, &r), "%s", r.text);
    allocations_begin(0);
    ck_assert_msg(!clvits_torch_arrays(&set, t, clvits_torch_root(t), "", &r), "%s", r.text);
    allocations_end();
    ck_assert_uint_eq(set.count, 2);
    ck_assert_uint_le(allocations_peak(), 100000);
    clvits_arrays_free(&set);
    clvits_torch_close(&t);
    free(b.at);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("torch");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, all_tensors, 0, N_GOLDEN);
    tcase_add_loop_test(t, some_tensors, 0, N_GOLDEN);
    tcase_add_loop_test(t, plain_data, 0, N_GOLDEN);
    tcase_add_loop_test(t, other_pickles, 0, LENGTH(pickles));
    tcase_add_loop_test(t, refuses_every_truncation, 0, N_GOLDEN);
    tcase_add_loop_test(t, survives_damage, 0, N_GOLDEN);
    tcase_add_loop_test(t, allocations_fail, 0, N_GOLDEN);
    tcase_add_test(t, refuses_what_is_no_file);
    tcase_add_test(t, reads_what_is_needed);
    suite_add_tcase(s, t);
    return s;
}
