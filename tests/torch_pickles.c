// SPDX-License-Identifier: MIT
//
// Pickles that were made to do harm: each ends in one error that says what it is, within a second
// and 64 MiB, in both forms of PyTorch's files.
#define _GNU_SOURCE // memmem
#include "files.h"
#include "torch_files.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PICKLE(text) (text), sizeof(text) - 1

/* What these may view: a storage "0" of four floats. */
static const struct {
    const char *name, *bytes;
    size_t size;
    clvits_status status;
    const char *message;
} pickles[] = {
    { "a shell", PICKLE("\x80\2cos\nsystem\nX\2\0\0\0id\x85R."), CLVITS_E_UNSUPPORTED,
      "call os.system," },
    { "a shell in protocol 0", PICKLE("(X\2\0\0\0idios\nsystem\n."), CLVITS_E_UNSUPPORTED,
      "call os.system," },
    { "a shell in protocol 1", PICKLE("(cposix\nsystem\nX\2\0\0\0ido."), CLVITS_E_UNSUPPORTED,
      "call posix.system," },
    { "a shell in protocol 4", PICKLE("\x80\4\x8c\2os\x94\x8c\6system\x93\x8c\2id\x85R."),
      CLVITS_E_UNSUPPORTED, "call os.system," },
    { "a process", PICKLE("\x80\2csubprocess\nPopen\nX\2\0\0\0id\x85\x81."), CLVITS_E_UNSUPPORTED,
      "call subprocess.Popen," },
    { "a process with names", PICKLE("\x80\4csubprocess\nPopen\n)}\x92."), CLVITS_E_UNSUPPORTED,
      "call subprocess.Popen," },
    { "code",
      PICKLE("\x80\2c__builtin__\neval\nX\1\0\0\0"
             "1\x85R."),
      CLVITS_E_UNSUPPORTED, "call __builtin__.eval," },
    { "an attribute",
      PICKLE("\x80\2}" TORCH_KEY("a") "cbuiltins\ngetattr\ncos\nsystem\n"
                                      "X\1\0\0\0x\x86Rs."),
      CLVITS_E_UNSUPPORTED, "call builtins.getattr," },
    { "a file in the file",
      PICKLE("\x80\2"
             "ctorch.storage\n_load_from_bytes\nC\1x\x85R."),
      CLVITS_E_UNSUPPORTED, "call torch.storage._load_from_bytes," },
    { "a call through another",
      PICKLE("\x80\2"
             "ccopy_reg\n_reconstructor\ncos\nsystem\n"
             "c__builtin__\nobject\nX\2\0\0\0id\x87R."),
      CLVITS_E_UNSUPPORTED, "call os.system," },
    { "a call through itself",
      PICKLE("\x80\2"
             "ccopyreg\n_reconstructor\nq\0h\0h\0N\x87R."),
      CLVITS_E_FORMAT, "odd arguments" },
    { "a call for a tensor",
      PICKLE("\x80\2"
             "ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\n"
             "ctorch\nTensor\nX\2\0\0\0id\x85}tR."),
      CLVITS_E_FORMAT, "odd arguments" },
    { "a changed module", PICKLE("\x80\2cos\nenviron\n}b."), CLVITS_E_UNSUPPORTED,
      "change os.environ" },
    { "a call of text", PICKLE("\x80\2X\2\0\0\0id)R."), CLVITS_E_FORMAT, "no function" },
    { "a call of nothing", PICKLE("\x80\2R."), CLVITS_E_FORMAT, "stack is empty" },
    { "a name for a terminal", PICKLE("\x80\2cos\nsy\x1b[2Jstem\n)R."), CLVITS_E_UNSUPPORTED,
      "call os.sy?[2Jstem," },
    { "a class with its source", PICKLE("\x80\2(X\6\0\0\0modulecm\nNet\nX\1\0\0\0fX\1\0\0\0stQ."),
      CLVITS_E_UNSUPPORTED, "own classes" },
    { "an extension", PICKLE("\x80\2\x82\1."), CLVITS_E_UNSUPPORTED, "0x82" },
    { "a buffer elsewhere", PICKLE("\x80\5\x97."), CLVITS_E_UNSUPPORTED, "0x97" },
    { "another protocol", PICKLE("\x80\6N."), CLVITS_E_UNSUPPORTED, "protocol 6" },
    { "no operation", PICKLE("\x80\2\xff."), CLVITS_E_FORMAT, "no operation" },
    { "two results", PICKLE("\x80\2NN."), CLVITS_E_FORMAT, "before everything" },
    { "no result", PICKLE("\x80\2."), CLVITS_E_FORMAT, "before everything" },
    { "no dict", PICKLE("\x80\2]."), CLVITS_E_FORMAT, "no dict" },

    { "a list in itself", PICKLE("\x80\2]q\0h\0a."), CLVITS_E_FORMAT, "holds itself" },
    { "a dict in itself", PICKLE("\x80\2}q\0X\1\0\0\0ah\0s."), CLVITS_E_FORMAT, "holds itself" },
    { "a dict in its list", PICKLE("\x80\2}q\0X\1\0\0\0a]h\0as."), CLVITS_E_FORMAT,
      "holds itself" },
    { "a tuple in itself", PICKLE("\x80\2](]q\0h\0\x85q\1ah\0h\1ae."), CLVITS_E_FORMAT,
      "holds itself" },
    { "a bag with itself for attributes",
      PICKLE("\x80\2"
             "cargparse\nNamespace\n)\x81q\0X\1\0\0\0a0h\0b"
             "X\1\0\0\0ah\0s."),
      CLVITS_E_FORMAT, "holds itself" },

    { "a memo of gigabytes", PICKLE("\x80\2Nr\0\0\0\x80."), CLVITS_E_FORMAT, "more places" },
    { "a memo beyond all", PICKLE("Np99999999999999999999\n."), CLVITS_E_FORMAT, "more places" },
    { "a memo that is empty", PICKLE("\x80\2j\0\0\0\x80."), CLVITS_E_FORMAT, "not there" },
    { "a memo before the first", PICKLE("Ng-1\n."), CLVITS_E_FORMAT, "not there" },
    { "a number of gigabytes",
      PICKLE("\x80\2\x8b\xff\xff\xff\x7f"
             "1."),
      CLVITS_E_FORMAT, "2147483647 bytes" },
    { "a number of no size",
      PICKLE("\x80\2\x8b\xff\xff\xff\xff"
             "1."),
      CLVITS_E_FORMAT, "4294967295 bytes" },
    { "a number that is none", PICKLE("I1x\n."), CLVITS_E_FORMAT, "number" },
    { "a text of gigabytes",
      PICKLE("\x80\2X\xff\xff\xff\x7f"
             "a."),
      CLVITS_E_FORMAT, "cut short" },
    { "a text beyond all",
      PICKLE("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
             "a."),
      CLVITS_E_FORMAT, "cut short" },
    { "bytes beyond all",
      PICKLE("\x80\5\x96\xff\xff\xff\xff\xff\xff\xff\x7f"
             "a."),
      CLVITS_E_FORMAT, "cut short" },
    { "text that is no UTF-8",
      PICKLE("\x80\2}X\2\0\0\0a\xff"
             "K\1s."),
      CLVITS_E_FORMAT, "not UTF-8" },
    { "half a character",
      PICKLE("\x80\2}X\2\0\0\0a\xc3"
             "K\1s."),
      CLVITS_E_FORMAT, "not UTF-8" },
    { "half a pair",
      PICKLE("\x80\2}X\3\0\0\0\xed\xa0\x80"
             "K\1s."),
      CLVITS_E_FORMAT, "not UTF-8" },
    { "a class that is no UTF-8",
      PICKLE("\x80\2"
             "c\xff\nx\n."),
      CLVITS_E_FORMAT, "not UTF-8" },
    { "a name that is no UTF-8",
      PICKLE("\x80\2}U\2a\xff" TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\4\x85", "K\1\x85") "s."),
      CLVITS_E_FORMAT, "no text" },
    { "a name with an end inside",
      PICKLE("\x80\2}X\3\0\0\0a\0b" TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\4\x85", "K\1\x85") "s."),
      CLVITS_E_FORMAT, "no text" },
    { "a name twice",
      PICKLE("\x80\2}(" TORCH_KEY("a") TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\4\x85", "K\1\x85")
                 TORCH_KEY("b") "N" TORCH_KEY("a") "Nu."),
      CLVITS_E_FORMAT, "\"a\" twice" },
    { "a key without a value", PICKLE("\x80\2}(Nu."), CLVITS_E_FORMAT, "without a value" },
    { "a key for a list", PICKLE("\x80\2]NNs."), CLVITS_E_FORMAT, "no container" },
    { "an item for a number", PICKLE("\x80\2K\1Na."), CLVITS_E_FORMAT, "no container" },
    { "what is below a mark", PICKLE("\x80\2NN(\x86."), CLVITS_E_FORMAT, "stack is empty" },
    { "no mark", PICKLE("\x80\2NNt."), CLVITS_E_FORMAT, "a mark is missing" },

    { "a tensor past its storage",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\1", "K\4\x85", "K\1\x85"))), CLVITS_E_FORMAT,
      "beyond the end" },
    { "strides past its storage",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\2\x85", "K\4\x85"))), CLVITS_E_FORMAT,
      "beyond the end" },
    { "an offset past everything",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
                                    "K\1\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "than any memory" },
    { "an offset before the first",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "J\xff\xff\xff\xff", "K\1\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "no place" },
    { "a negative size",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "J\xff\xff\xff\xff\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "negative" },
    { "a negative stride",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\3", "K\4\x85", "J\xff\xff\xff\xff\x85"))),
      CLVITS_E_FORMAT, "negative" },
    { "sizes that overflow",
      PICKLE(TORCH_ONE(
          TORCH_TENSOR(TORCH_FLOATS, "K\0", "\x8a\5\0\0\0\0\1\x8a\5\0\0\0\0\1\x86", "K\0K\0\x86"))),
      CLVITS_E_FORMAT, "than any memory" },
    { "strides that overflow",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\3\x85",
                                    "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"))),
      CLVITS_E_FORMAT, "than any memory" },
    { "an element a billion times",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "\x8a\5\0\0\0\x40\0\x85", "K\0\x85"))),
      CLVITS_E_FORMAT, "very often" },
    { "shape and strides of two ranks",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\4\x85", "K\1K\1\x86"))),
      CLVITS_E_FORMAT, "fit together" },
    { "a shape of texts",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", TORCH_KEY("a") "\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "no whole number" },
    { "five dimensions",
      PICKLE(
          TORCH_ONE(TORCH_TENSOR(TORCH_FLOATS, "K\0", "(K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1t"))),
      CLVITS_E_UNSUPPORTED, "four dimensions" },
    { "a tensor of nothing", PICKLE(TORCH_ONE(TORCH_TENSOR("N", "K\0", "K\4\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "no storage" },
    { "a storage of two sizes",
      PICKLE("\x80\2}(" TORCH_KEY("a") TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\1\x85", "K\1\x85")
                 TORCH_KEY("b") TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "0", "K\5"), "K\0",
                                             "K\1\x85", "K\1\x85") "u."),
      CLVITS_E_FORMAT, "two types or sizes" },
    { "a storage of two types",
      PICKLE("\x80\2}(" TORCH_KEY("a") TORCH_TENSOR(TORCH_FLOATS, "K\0", "K\1\x85", "K\1\x85")
                 TORCH_KEY("b") TORCH_TENSOR(TORCH_STORAGE("LongStorage", "0", "K\4"), "K\0",
                                             "K\1\x85", "K\1\x85") "u."),
      CLVITS_E_FORMAT, "two types or sizes" },
    { "a storage of a negative size",
      PICKLE(TORCH_ONE(TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "0", "J\xff\xff\xff\xff"), "K\0",
                                    "K\1\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "oddly" },
    { "a storage of all memory",
      PICKLE(TORCH_ONE(TORCH_TENSOR(
          TORCH_STORAGE("FloatStorage", "0", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), "K\0",
          "K\1\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "oddly" },
    { "a storage that is not there",
      PICKLE(TORCH_ONE(
          TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "1", "K\4"), "K\0", "K\4\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "is damaged" },
    { "a storage of another size",
      PICKLE(TORCH_ONE(
          TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "0", "K\5"), "K\0", "K\4\x85", "K\1\x85"))),
      CLVITS_E_FORMAT, "is damaged" },
    { "elements of another type",
      PICKLE(TORCH_ONE(
          TORCH_TENSOR(TORCH_STORAGE("QInt32Storage", "0", "K\4"), "K\0", "K\4\x85", "K\1\x85"))),
      CLVITS_E_UNSUPPORTED, "torch.qint32" },
    { "elements of no type",
      PICKLE(TORCH_ONE(
          TORCH_TENSOR(TORCH_STORAGE("Storage", "0", "K\4"), "K\0", "K\4\x85", "K\1\x85"))),
      CLVITS_E_UNSUPPORTED, "torch.Storage" },
    { "quantised tensors",
      PICKLE("\x80\2"
             "ctorch._utils\n_rebuild_qtensor\n)R."),
      CLVITS_E_UNSUPPORTED, "quantised" },
    { "a text in Latin-1 that is not",
      PICKLE("\x80\2"
             "c_codecs\nencode\nX\3\0\0\0\xe2\x82\xac\x85R."),
      CLVITS_E_FORMAT, "odd arguments" },
    { "a big-endian type of numpy",
      PICKLE("\x80\2"
             "cnumpy\ndtype\nX\2\0\0\0f8\x89\x88\x87R(K\3X\1\0\0\0>Ntb."),
      CLVITS_E_UNSUPPORTED, "big-endian" },
    { "a call with names",
      PICKLE("\x80\4"
             "cbuiltins\nlist\n)}(NNu\x92."),
      CLVITS_E_FORMAT, "names for" },
    { "a view of a storage",
      PICKLE("\x80\2(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuK\4]tQ."),
      CLVITS_E_UNSUPPORTED, "views of storages" },
    { "a type of tensors",
      PICKLE("\x80\2"
             "ctorch._utils\n_rebuild_tensor_v3\n(" TORCH_FLOATS
             "K\0K\2\x85K\1\x85\x89}ctorch\nodd\ntR."),
      CLVITS_E_UNSUPPORTED, "torch.odd" },
    { "a negated tensor",
      PICKLE("\x80\2"
             "ctorch._utils\n_rebuild_tensor_v2\n(" TORCH_FLOATS
             "K\0K\2\x85K\1\x85\x89}}(X\3\0\0\0neg\x88utR."),
      CLVITS_E_UNSUPPORTED, "negated" },
    { "half a number of numpy",
      PICKLE("\x80\2"
             "cnumpy.core.multiarray\nscalar\nX\1\0\0\0"
             "fC\1a\x86R."),
      CLVITS_E_FORMAT, "odd arguments" },
};

START_TEST(by_hand)
{
    const torch_storage four = { "0", 4 };
    const bool stores = memmem(pickles[_i].bytes, pickles[_i].size, "cpu", 3) != NULL;
    torch_bytes pickle = { 0 };

    torch_put(&pickle, pickles[_i].bytes, pickles[_i].size);
    torch_refused_pickle(pickles[_i].name, &pickle, &four, stores, pickles[_i].status,
                         pickles[_i].message);
    free(pickle.at);
}
END_TEST

/* ---- large ones ---- */

#define PUT(to, literal) torch_put(to, literal, sizeof(literal) - 1)

static void put_often(torch_bytes *b, const char *bytes, size_t n, int times)
{
    while (times--)
        torch_put(b, bytes, n);
}

/* Before the tensors: their function as 0, their arguments without a name as 1. */
#define TENSOR_PARTS                                                                               \
    "\x80\2"                                                                                       \
    "ctorch._utils\n_rebuild_tensor_v2\nq\0(" TORCH_FLOATS "K\0K\4\x85K\1\x85\x89}tq\1"            \
    "00"

/* As many names, of so many digits, for the same operations each. */
static void put_named(torch_bytes *b, int times, int digits, const char *bytes, size_t n)
{
    char name[16];

    torch_put_text(b, "}(");
    for (int i = 0; i < times; i++) {
        torch_put_text(b, "X");
        torch_put_number(b, (uint64_t)digits, 4);
        torch_put(b, name, (size_t)snprintf(name, sizeof(name), "%0*x", digits, (unsigned)i));
        torch_put(b, bytes, n);
    }
    torch_put_text(b, "u.");
}

static void million_tensors(torch_bytes *b)
{
    PUT(b, TENSOR_PARTS);
    put_named(b, 1000000, 6, "h\0h\1R", 5);
}

static void million_unnamed(torch_bytes *b)
{
    PUT(b, TENSOR_PARTS);
    put_often(b, "h\0h\1R0", 6, 1000000);
    torch_put_text(b, "}.");
}

static void million_same(torch_bytes *b)
{
    PUT(b, TENSOR_PARTS "h\0h\1Rq\2"
                        "0");
    put_named(b, 1000000, 6, "h\2", 2);
}

/* As many as there may be, each all of a storage of a megabyte the other way round. */
static void many_turned(torch_bytes *b)
{
    static const char tensor[] = TORCH_TENSOR(TORCH_STORAGE("FloatStorage", "0", "J\0\0\4\0"),
                                              "K\0", "M\0\2M\0\2\x86", "K\1M\0\2\x86");

    PUT(b, "\x80\2");
    put_named(b, 10000, 4, tensor, sizeof(tensor) - 1);
}

static void deep_marks(torch_bytes *b)
{
    put_often(b, "(", 1, 1000000);
    put_often(b, "t", 1, 1000000);
    torch_put_text(b, ".");
}

static void deep_tuples(torch_bytes *b)
{
    torch_put_text(b, ")");
    put_often(b, "\x85", 1, 1000000);
    torch_put_text(b, ".");
}

static void deep_lists(torch_bytes *b)
{
    put_often(b, "]", 1, 200000);
    put_often(b, "a", 1, 199999);
    torch_put_text(b, ".");
}

static void endless_marks(torch_bytes *b)
{
    put_often(b, "(", 1, 20000000);
}

/* Each list twice the one before: 2^60 values when they are spelled out. */
static void doubled_lists(torch_bytes *b)
{
    torch_put_text(b, "]");
    for (int i = 0; i < 60; i++)
        torch_put(b, "2\x86", 2);
    torch_put_text(b, ".");
}

/* A dict of a thousand entries, copied again and again. */
static void copied_dicts(torch_bytes *b)
{
    PUT(b, "\x80\2"
           "ccollections\nOrderedDict\nq\0}(");
    for (int i = 0; i < 1000; i++) {
        torch_put_text(b, "M");
        torch_put_number(b, (uint64_t)i, 2);
        torch_put_text(b, "N");
    }
    PUT(b, "u\x85q\1"
           "00");
    put_often(b, "h\0h\1R0", 6, 1000000);
    torch_put_text(b, "}.");
}

/* Attributes of an object, set again and again. */
static void built_again(torch_bytes *b)
{
    PUT(b, "\x80\2"
           "cargparse\nNamespace\n)\x81}(X\1\0\0\0aNuq\0b");
    put_often(b, "h\0b", 3, 3000000);
    torch_put_text(b, ".");
}

/* Two texts of a megabyte as 0 and 1; they differ in length, or in the last byte. */
static void put_long_texts(torch_bytes *b, int shorter)
{
    char *key = malloc(1 << 20);
    ck_assert_ptr_nonnull(key);
    memset(key, 'k', 1 << 20);
    for (int i = 0; i < 2; i++) {
        const size_t size = (size_t)((1 << 20) - (i ? shorter : 0));
        torch_put_text(b, "X");
        torch_put_number(b, size, 4);
        key[size - 1] = i && !shorter ? 'x' : 'k';
        torch_put(b, key, size);
        torch_put(b, i ? "q\1" : "q\0", 2);
        torch_put_text(b, "0");
    }
    free(key);
}

static void long_keys(torch_bytes *b)
{
    put_long_texts(b, 1);
    torch_put_text(b, "}(");
    put_often(b, "h\0Nh\1N", 6, 100000);
    torch_put_text(b, "u.");
}

/* Dicts that have two keys each, which look alike for a megabyte. */
static void alike_keys(torch_bytes *b)
{
    put_long_texts(b, 0);
    torch_put_text(b, "](");
    put_often(b, "(h\0Nh\1Nd", 8, 100000);
    torch_put_text(b, "e.");
}

/* As a file of recordings that all have the same long name of a speaker. */
static void alike_names(torch_bytes *b)
{
    put_long_texts(b, 0);
    torch_put_text(b, "}(");
    for (int i = 0; i < 60000; i++) {
        torch_put_text(b, "M");
        torch_put_number(b, (uint64_t)i, 2);
        PUT(b, "}X\4\0\0\0nameh\0s");
    }
    torch_put_text(b, "u.");
}

/* Settings that say the same long text again and again. */
static void long_settings(torch_bytes *b)
{
    put_long_texts(b, 0);
    PUT(b, "}X\5\0\0\0hyper](");
    put_often(b, "h\0h\1", 4, 2000);
    torch_put_text(b, "es.");
}

static void long_classes(torch_bytes *b)
{
    PUT(b, "\x80\4");
    put_long_texts(b, 0);
    put_often(b, "h\0h\1\x93" "0", 6, 100000);
    torch_put_text(b, "}.");
}

static void long_storages(torch_bytes *b)
{
    put_long_texts(b, 0);
    PUT(b, "(X\7\0\0\0storagectorch\nFloatStorage\nh\0X\3\0\0\0cpuK\4tq\2"
           "0");
    put_often(b, "h\2Q0", 4, 100000);
    torch_put_text(b, "}.");
}

/* Nothing, for longer than any pickle. */
static void nothing(torch_bytes *b)
{
    put_often(b, "N0", 2, 17 << 20);
    torch_put_text(b, "N.");
}

static void much_text(torch_bytes *b)
{
    torch_put_text(b, "X");
    torch_put_number(b, 33 << 20, 4);
    put_often(b, "text", 4, (33 << 20) / 4);
    torch_put_text(b, ".");
}

static const struct {
    const char *name;
    void (*make)(torch_bytes *b);
    torch_storage storage;
    const char *message;
} large[] = {
    { "a million tensors", million_tensors, { "0", 4 }, "more than 16384 tensors" },
    { "a million tensors for nothing", million_unnamed, { "0", 4 }, "more than 16384 tensors" },
    { "a million names for a tensor", million_same, { "0", 4 }, "more than 32 MiB" },
    { "a storage turned often", many_turned, { "0", 1 << 18 }, "very often" },
    { "deep marks", deep_marks, { 0 }, "more than 32 MiB" },
    { "deep tuples", deep_tuples, { 0 }, "more than 32 MiB" },
    { "deep lists", deep_lists, { 0 }, "more than 100 deep" },
    { "endless marks", endless_marks, { 0 }, "more than 32 MiB" },
    { "doubled lists", doubled_lists, { 0 }, "spelled out" },
    { "copied dicts", copied_dicts, { 0 }, "more than 32 MiB" },
    { "attributes set again", built_again, { 0 }, "more than 32 MiB" },
    { "long keys", long_keys, { 0 }, "spelled out" },
    { "keys that look alike", alike_keys, { 0 }, "spelled out" },
    { "a name for all", alike_names, { 0 }, "spelled out" },
    { "long settings", long_settings, { 0 }, "spelled out" },
    { "classes with long names", long_classes, { 0 }, "no text" },
    { "storages with long names", long_storages, { 0 }, "described oddly" },
    { "a long pickle", nothing, { 0 }, "more than 32 MiB" },
    { "a long text", much_text, { 0 }, "more than 32 MiB" },
};

START_TEST(by_size)
{
    torch_bytes pickle = { 0 };

    large[_i].make(&pickle);
    torch_refused_pickle(large[_i].name, &pickle, &large[_i].storage, large[_i].storage.count != 0,
                         CLVITS_E_FORMAT, large[_i].message);
    free(pickle.at);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("torch_pickles");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, by_hand, 0, LENGTH(pickles));
    tcase_add_loop_test(t, by_size, 0, LENGTH(large));
    suite_add_tcase(s, t);
    return s;
}
