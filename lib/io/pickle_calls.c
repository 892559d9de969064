// SPDX-License-Identifier: MIT
//
// Classes and functions that a pickle may name, and what is made of their arguments here: plain
// data. Everything else is refused by its name.
#include "io/pickle_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clvits_status bad_arguments(clvits_machine *m, const char *what)
{
    return clvits_machine_fail(m, CLVITS_E_FORMAT, "its pickle is damaged: %s has odd arguments",
                               what);
}

static clvits_status add_pair(clvits_machine *m, clvits_items *dict, clvits_value key,
                              clvits_value value)
{
    const clvits_status s = clvits_machine_add(m, dict, key);
    return s ? s : clvits_machine_add(m, dict, value);
}

/* Entries of a dict, or a list of pairs. */
static clvits_status add_entries(clvits_machine *m, clvits_items *to, const clvits_value *from)
{
    const clvits_items *items = from->items;
    clvits_status s = CLVITS_OK;

    for (size_t i = 0; from->kind == CLVITS_VALUE_DICT && i < items->count && !s; i++)
        s = clvits_machine_add(m, to, items->at[i]);
    for (size_t i = 0; from->kind == CLVITS_VALUE_LIST && i < items->count && !s; i++) {
        const clvits_value *pair = &items->at[i];
        if (clvits_value_count(pair) != 2 || pair->kind != CLVITS_VALUE_LIST)
            return bad_arguments(m, "a dict");
        s = add_pair(m, to, pair->items->at[0], pair->items->at[1]);
    }
    return s;
}

/* dict, OrderedDict, Counter, and defaultdict with what it makes of missing keys. */
static clvits_status new_dict(clvits_machine *m, clvits_value *out, const clvits_value *a, size_t n)
{
    clvits_value dict;
    clvits_status s = clvits_machine_items(m, &dict, CLVITS_VALUE_DICT, 0);

    for (size_t i = 0; i < n && !s; i++)
        s = add_entries(m, dict.items, &a[i]);
    *out = dict;
    return s;
}

/* An object that has attributes, which come later, and may be a dict besides. */
static clvits_status new_object(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                size_t n)
{
    const clvits_status s = new_dict(m, out, a, n);
    if (!s)
        out->items->attributes = true;
    return s;
}

static clvits_status new_list(clvits_machine *m, clvits_value *out, const clvits_value *a, size_t n)
{
    clvits_value list;
    clvits_status s = clvits_machine_items(m, &list, CLVITS_VALUE_LIST, 0);

    if (!s && n && a[0].kind != CLVITS_VALUE_LIST)
        return bad_arguments(m, "a list");
    for (size_t i = 0; n && !s && i < a[0].items->count; i++)
        s = clvits_machine_add(m, list.items, a[0].items->at[i]);
    *out = list;
    return s;
}

/* Latin-1 as bytes: protocol 2 has no bytes, and spells them so. */
static clvits_status encode(clvits_machine *m, clvits_value *out, const clvits_value *a, size_t n)
{
    clvits_value v;
    char *to;
    size_t count = 0;

    if (n < 1 || a[0].kind != CLVITS_VALUE_TEXT)
        return bad_arguments(m, "_codecs.encode");
    const clvits_status s = clvits_machine_text(m, &v, CLVITS_VALUE_BYTES, a[0].length, &to);
    if (s)
        return s;
    for (size_t i = 0; i < a[0].length; i++) {
        const unsigned char c = (unsigned char)a[0].text[i];
        if (c >= 0xc4)
            return bad_arguments(m, "_codecs.encode");
        if (c >= 0xc2)
            to[count++] = (char)(c << 6 | ((unsigned char)a[0].text[++i] & 63));
        else
            to[count++] = (char)c;
    }
    to[count] = '\0';
    v.length = (uint32_t)count;
    *out = v;
    return CLVITS_OK;
}

/* bytearray: of nothing, bytes, or text and its encoding. */
static clvits_status new_bytes(clvits_machine *m, clvits_value *out, const clvits_value *a,
                               size_t n)
{
    char *unused;

    if (n == 0)
        return clvits_machine_text(m, out, CLVITS_VALUE_BYTES, 0, &unused);
    if (a[0].kind != CLVITS_VALUE_BYTES)
        return encode(m, out, a, n);
    *out = a[0];
    return CLVITS_OK;
}

/* Classes that are a text by themselves. */
static clvits_status same_text(clvits_machine *m, clvits_value *out, const clvits_value *a,
                               size_t n)
{
    if (n < 1 || (a[0].kind != CLVITS_VALUE_TEXT && a[0].kind != CLVITS_VALUE_CLASS))
        return bad_arguments(m, "a text");
    *out = a[0];
    return CLVITS_OK;
}

/* Texts with something between them; roots bring their own. */
static clvits_status join(clvits_machine *m, clvits_value *out, const clvits_value *a, size_t n,
                          char between)
{
    size_t size = 0, at = 0;
    char *to;

    for (size_t i = 0; i < n; i++) {
        if (a[i].kind != CLVITS_VALUE_TEXT)
            return bad_arguments(m, "a path");
        size += (size_t)a[i].length + 1;
    }
    const clvits_status s = clvits_machine_text(m, out, CLVITS_VALUE_TEXT, size, &to);
    if (s)
        return s;
    for (size_t i = 0; i < n; i++) {
        if (at && to[at - 1] != between)
            to[at++] = between;
        memcpy(to + at, a[i].text, a[i].length);
        at += a[i].length;
    }
    to[at] = '\0';
    out->length = (uint32_t)at;
    return CLVITS_OK;
}

static clvits_status new_path(clvits_machine *m, clvits_value *out, const clvits_value *a, size_t n)
{
    return join(m, out, a, n, '/');
}

static clvits_status new_windows_path(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                      size_t n)
{
    return join(m, out, a, n, '\\');
}

static clvits_status new_device(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                size_t n)
{
    clvits_value parts[2];
    char number[24], *to;

    if (n != 2)
        return same_text(m, out, a, n);
    if (a[1].kind != CLVITS_VALUE_INT)
        return bad_arguments(m, "torch.device");
    const int size = snprintf(number, sizeof(number), "%lld", (long long)a[1].integer);
    const clvits_status s = clvits_machine_text(m, &parts[1], CLVITS_VALUE_TEXT, (size_t)size, &to);
    if (s)
        return s;
    memcpy(to, number, (size_t)size);
    parts[0] = a[0];
    return join(m, out, parts, 2, ':');
}

/* numpy's numbers: a type as in "f8" and the bytes. */
static clvits_status numpy_scalar(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                  size_t n)
{
    union {
        double f8;
        float f4;
        int64_t i8;
        unsigned char bytes[8];
    } v = { .i8 = 0 };
    const char *type = n == 2 ? clvits_value_text(&a[0]) : NULL;

    if (type && *type && strchr("<|=", *type))
        type++;
    const size_t size = type && strlen(type) == 2 ? (size_t)(type[1] - '0') : 0;
    if ((size != 1 && size != 2 && size != 4 && size != 8) ||
        (a[1].kind != CLVITS_VALUE_BYTES && a[1].kind != CLVITS_VALUE_TEXT) || a[1].length != size)
        return bad_arguments(m, "numpy.core.multiarray.scalar");
    memcpy(v.bytes, a[1].text, size);
    if (type[0] == 'f' && size >= 4) {
        *out = (clvits_value){ .kind = CLVITS_VALUE_FLOAT };
        out->number = size == 8 ? v.f8 : (double)v.f4;
    } else if (strchr("iub", type[0])) {
        const int unused = 64 - 8 * (int)size;
        *out = (clvits_value){ .kind = type[0] == 'b' ? CLVITS_VALUE_BOOL : CLVITS_VALUE_INT };
        out->integer = type[0] == 'i' ? (int64_t)((uint64_t)v.i8 << unused) >> unused : v.i8;
    } else {
        return bad_arguments(m, "numpy.core.multiarray.scalar");
    }
    return CLVITS_OK;
}

/* A parameter is its data. */
static clvits_status parameter(clvits_machine *m, clvits_value *out, const clvits_value *a,
                               size_t n)
{
    if (n < 1 || a[0].kind != CLVITS_VALUE_TENSOR)
        return bad_arguments(m, "torch.nn.Parameter");
    *out = a[0];
    return CLVITS_OK;
}

/* A tensor with attributes: a function, a class, the function's arguments, the attributes. */
static clvits_status tensor_with_state(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                       size_t n)
{
    if (n < 3 || a[2].kind != CLVITS_VALUE_LIST || a[0].kind != CLVITS_VALUE_CLASS ||
        strncmp(a[0].text, "torch._utils._rebuild_", 22))
        return bad_arguments(m, "torch._tensor._rebuild_from_type_v2");
    return clvits_machine_call(m, out, &a[0], a[2].items->at, a[2].items->count);
}

/* How protocols 0 and 1 begin an object: its class, a built-in one below it, that one's value. */
static clvits_status reconstruct(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                 size_t n)
{
    if (n != 3 || a[0].kind != CLVITS_VALUE_CLASS)
        return bad_arguments(m, "copyreg._reconstructor");
    return clvits_machine_call(m, out, &a[0], &a[2], a[2].kind != CLVITS_VALUE_NONE);
}

typedef clvits_status known_call(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                 size_t n);

/* By name. */
static const struct known {
    const char *name;
    known_call *call;
} known[] = {
    { "TTS.config.shared_configs.BaseAudioConfig", new_object },
    { "TTS.config.shared_configs.BaseDatasetConfig", new_object },
    { "TTS.tts.configs.shared_configs.BaseDatasetConfig", new_object },
    { "TTS.tts.configs.shared_configs.CharactersConfig", new_object },
    { "TTS.tts.configs.vits_config.VitsConfig", new_object },
    { "TTS.tts.models.vits.VitsArgs", new_object },
    { "TTS.tts.models.vits.VitsAudioConfig", new_object },
    { "TTS.utils.radam.RAdam", new_object },
    { "_codecs.encode", encode },
    { "argparse.Namespace", new_object },
    { "builtins.bytearray", new_bytes },
    { "builtins.bytes", new_bytes },
    { "builtins.dict", new_dict },
    { "builtins.frozenset", new_list },
    { "builtins.list", new_list },
    { "builtins.set", new_list },
    { "builtins.str", same_text },
    { "builtins.tuple", new_list },
    { "collections.Counter", new_dict },
    { "collections.OrderedDict", new_dict },
    { "collections.defaultdict", new_dict },
    { "copyreg._reconstructor", reconstruct },
    { "jsonargparse._namespace.Namespace", new_object },
    { "jsonargparse.namespace.Namespace", new_object },
    { "lightning.fabric.utilities.data.AttributeDict", new_object },
    { "lightning.pytorch.utilities.parsing.AttributeDict", new_object },
    { "lightning_fabric.utilities.data.AttributeDict", new_object },
    { "numpy.core.multiarray.scalar", numpy_scalar },
    { "numpy.dtype", same_text },
    { "pathlib.Path", new_path },
    { "pathlib.PosixPath", new_path },
    { "pathlib.PurePath", new_path },
    { "pathlib.PurePosixPath", new_path },
    { "pathlib.PureWindowsPath", new_windows_path },
    { "pathlib.WindowsPath", new_windows_path },
    { "pytorch_lightning.utilities.parsing.AttributeDict", new_object },
    { "torch.Size", new_list },
    { "torch._tensor._rebuild_from_type_v2", tensor_with_state },
    { "torch._utils._rebuild_parameter", parameter },
    { "torch._utils._rebuild_parameter_with_state", parameter },
    { "torch._utils._rebuild_tensor", clvits_machine_tensor },
    { "torch._utils._rebuild_tensor_v2", clvits_machine_tensor },
    { "torch._utils._rebuild_tensor_v3", clvits_machine_tensor_typed },
    { "torch.device", new_device },
    { "torch.nn.parameter.Parameter", parameter },
    { "torch.serialization._get_layout", same_text },
    { "torch.torch_version.TorchVersion", same_text },
    { "types.SimpleNamespace", new_object },
    { "utils.HParams", new_object },
};

/* Modules under the names that other versions of Python and numpy give them. */
static const struct {
    const char *name, *usual;
} modules[] = {
    { "__builtin__.", "builtins." },
    { "copy_reg.", "copyreg." },
    { "numpy._core.", "numpy.core." },
    { "pathlib._local.", "pathlib." },
};

static int by_name(const void *key, const void *item)
{
    return strcmp(key, ((const struct known *)item)->name);
}

static known_call *find(const char *name)
{
    char usual[128];

    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        const size_t n = strlen(modules[i].name);
        if (strncmp(name, modules[i].name, n))
            continue;
        if (snprintf(usual, sizeof(usual), "%s%s", modules[i].usual, name + n) < (int)sizeof(usual))
            name = usual;
        break;
    }
    const struct known *k =
        bsearch(name, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]), by_name);
    return k ? k->call : NULL;
}

clvits_status clvits_machine_call(clvits_machine *m, clvits_value *out, const clvits_value *callee,
                                  const clvits_value *arguments, size_t n)
{
    if (callee->kind != CLVITS_VALUE_CLASS)
        return clvits_machine_damaged(m, "it calls what is no function");
    known_call *call = find(callee->text);
    if (call)
        return call(m, out, arguments, n);
    if (!strcmp(callee->text, "torch._utils._rebuild_qtensor"))
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "it holds quantised tensors; save the voice before it is "
                                   "quantised");
    return clvits_machine_fail(
        m, CLVITS_E_UNSUPPORTED,
        "the file wants to call %.100s, which no voice needs; this is refused, "
        "and nothing in it was run. If you trust the file, save its "
        "state_dict alone with torch.save",
        callee->text);
}

clvits_status clvits_machine_class(clvits_machine *m, clvits_value *out, const char *module,
                                   const char *name)
{
    const size_t n = strlen(module), size = n + 1 + strlen(name);
    char *to;

    const clvits_status s = clvits_machine_text(m, out, CLVITS_VALUE_CLASS, size, &to);
    if (!s)
        snprintf(to, size + 1, "%s.%s", module, name);
    return s;
}

clvits_status clvits_machine_build(clvits_machine *m, const clvits_value *object,
                                   const clvits_value *state)
{
    const clvits_value *order;

    if (object->kind == CLVITS_VALUE_CLASS)
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "the file wants to change %.100s; this is refused",
                                   object->text);
    if (object->kind == CLVITS_VALUE_TEXT) { /* a type of numpy: version, byte order, ... */
        order = clvits_value_item(state, 1);
        if (order && order->kind == CLVITS_VALUE_TEXT && !strcmp(order->text, ">"))
            return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                       "it holds big-endian numbers of numpy");
    }
    if (object->kind != CLVITS_VALUE_DICT || !object->items->attributes)
        return CLVITS_OK; /* what plain data has besides, such as versions of modules */
    if (state->kind == CLVITS_VALUE_DICT)
        return state->items == object->items ? CLVITS_OK : add_entries(m, object->items, state);
    if (state->kind != CLVITS_VALUE_LIST || state->items->count != 2)
        return CLVITS_OK;
    for (size_t i = 0; i < 2; i++) {
        const clvits_value *part = &state->items->at[i]; /* __dict__ and slots */
        if (part->kind == CLVITS_VALUE_DICT && part->items != object->items) {
            const clvits_status s = add_entries(m, object->items, part);
            if (s)
                return s;
        }
    }
    return CLVITS_OK;
}
