// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "io/torch.h"

/* Every value once for each place where it is; ends because shared things are few and not deep. */
static size_t walk(const clvits_value *v)
{
    const char *text = clvits_value_text(v);
    size_t sum = v->kind + (text ? (unsigned char)*text : 0);

    for (size_t i = 0; i < clvits_value_count(v); i++) {
        if (v->kind == CLVITS_VALUE_DICT)
            sum += walk(clvits_value_key(v, i));
        sum += walk(clvits_value_item(v, i));
    }
    return sum;
}

static void read_arrays(const clvits_torch *t, const clvits_value *dict, size_t size)
{
    clvits_arrays a;
    clvits_report r = { 0 };
    const clvits_status s = clvits_torch_arrays(&a, t, dict, "", &r);

    fuzz_status(s, &r);
    FUZZ_CHECK(a.file_size <= 2 * size + 64 * a.count);
    for (size_t i = 0; i < a.count; i++) {
        const int64_t n = clvits_array_count(&a.items[i]);
        FUZZ_CHECK(n >= 0 && (uint64_t)n <= 4 * size + (1 << 20));
        float *floats = malloc((size_t)n * sizeof(*floats) + 1);
        FUZZ_CHECK(floats);
        clvits_array_floats(&a.items[i], floats);
        free(floats);
    }
    clvits_arrays_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_torch *t;
    clvits_report r = { 0 };
    const clvits_status s = clvits_torch_open(&t, fuzz_file(0, data, size), &r);

    fuzz_status(s, &r);
    FUZZ_CHECK(!s == (t != NULL));
    if (t) {
        const clvits_value *root = clvits_torch_root(t);
        FUZZ_CHECK(walk(root) != SIZE_MAX);
        read_arrays(t, root, size);
        for (size_t i = 0; i < clvits_value_count(root) && i < 16; i++)
            read_arrays(t, clvits_value_item(root, i), size);
    }
    clvits_torch_close(&t);
    return 0;
}
