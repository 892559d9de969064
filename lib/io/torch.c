// SPDX-License-Identifier: MIT
//
// The two forms in which torch.save() writes: a zip archive with a pickle and one file for each
// storage; before 2020 a stream of pickles, behind which are the storages.
#include "io/torch_file.h"
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

static const char tar_word[] = "ustar";

/* What the stream begins with: a number as a pickle, in protocols 2 and up or in 1. */
static const unsigned char magic[] = { 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                       0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };
static const char old_magic[] = "L11954703714603880";

static int is_zip(const unsigned char head[16])
{
    return !memcmp(head, "PK\3\4", 4);
}

static int is_stream(const unsigned char head[16])
{
    const size_t before = head[2] == 0x95 ? 11 : 2; /* a frame's length stands there */

    if (!memcmp(head, old_magic, 16))
        return 1;
    return head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 &&
           !memcmp(head + before, magic, before == 2 ? sizeof(magic) : 16 - before);
}

/* The names of the files in the oldest form. */
static int is_tar(const unsigned char head[16])
{
    static const char *const names[] = { "sys_info", "pickle", "storages", "tensors" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!memcmp(head, names[i], strlen(names[i]) + 1))
            return 1;
    return 0;
}

int clvits_torch_detect(const unsigned char head[16])
{
    return is_zip(head) || is_stream(head) || is_tar(head);
}

/* ---- archive ---- */

/* The last part of the path of a file in the archive. */
static bool is_called(const clvits_zip_entry *e, const char *name)
{
    const size_t n = strlen(name);
    return e->name_size >= n && !memcmp(e->name + e->name_size - n, name, n) &&
           (e->name_size == n || e->name[e->name_size - n - 1] == '/');
}

/* A small file beside the pickle; nothing, when there is none. */
static clvits_status read_beside(const clvits_torch *t, const clvits_zip *z, char *path,
                                 size_t folder, const char *name, char out[16], clvits_report *r)
{
    uint64_t at;

    memset(out, 0, 16);
    strcpy(path + folder, name);
    const clvits_zip_entry *e = clvits_zip_find(z, path);
    if (!e)
        return CLVITS_OK;
    const clvits_status s = clvits_zip_data(&at, e, &t->file, r);
    return s ? s : clvits_file_part(out, e->size < 15 ? (size_t)e->size : 15, at, &t->file, r);
}

static clvits_status find_storages(clvits_torch *t, const clvits_zip *z, char *path, size_t folder,
                                   clvits_report *r)
{
    const clvits_pickle *p = &t->pickle;

    for (size_t i = 0; i < p->n_storages; i++) {
        clvits_storage *storage = p->storages[i];
        const uint64_t bytes = (uint64_t)storage->count * (uint64_t)storage->element->size;
        const size_t n = strlen(storage->key);

        if (n < 64) {
            memcpy(path + folder, "data/", 5);
            memcpy(path + folder + 5, storage->key, n + 1);
        }
        const clvits_zip_entry *e = n < 64 ? clvits_zip_find(z, path) : NULL;
        if (!e)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "%s is damaged: it has tensors whose data is not there",
                               t->file.path);
        const clvits_status s = clvits_zip_data(&storage->at, e, &t->file, r);
        if (s)
            return s;
        if (bytes != e->size)
            return clvits_fail(
                r, CLVITS_E_FORMAT, "%s is damaged: a storage should have %llu bytes, and has %llu",
                t->file.path, (unsigned long long)bytes, (unsigned long long)e->size);
        storage->found = true;
    }
    return CLVITS_OK;
}

/* The path of the pickle, with room for the paths of what is beside it; folder is its folder's
 * length. NULL when there is none, or more than one. */
static char *find_pickle(clvits_torch *t, const clvits_zip *z, size_t *folder, clvits_report *r)
{
    const clvits_zip_entry *found = NULL;

    for (size_t i = 0; i < z->count; i++) {
        if (!is_called(&z->entries[i], "data.pkl"))
            continue;
        if (found) {
            clvits_fail(r, CLVITS_E_FORMAT, "%s is a zip archive with more than one data.pkl",
                        t->file.path);
            return NULL;
        }
        found = &z->entries[i];
    }
    if (!found) {
        clvits_fail(r, CLVITS_E_FORMAT,
                    "%s is a zip archive, but not of PyTorch: there is no data.pkl in it; if it "
                    "is a packed voice, unpack it",
                    t->file.path);
        return NULL;
    }
    char *path = clvits_arena_alloc(&t->pickle.arena, found->name_size + 128);
    if (!path) {
        clvits_fail_memory(r, "a path");
        return NULL;
    }
    memcpy(path, found->name, found->name_size);
    *folder = found->name_size - strlen("data.pkl");
    return path;
}

static clvits_status open_zip(clvits_torch *t, clvits_report *r)
{
    char order[16];
    clvits_zip z;
    size_t folder;
    uint64_t at;

    clvits_status s = clvits_zip_open(&z, &t->pickle.arena, &t->file, r);
    if (s)
        return s;
    char *path = find_pickle(t, &z, &folder, r);
    if (!path)
        return r->status;
    const clvits_zip_entry *pickle = clvits_zip_find(&z, path);
    strcpy(path + folder, "constants.pkl");
    if (!pickle || clvits_zip_find(&z, path))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s is a TorchScript program, whose code is not run; export the voice "
                           "to ONNX, or save its state_dict with torch.save",
                           t->file.path);
    s = read_beside(t, &z, path, folder, "byteorder", order, r);
    if (!s && !strcmp(order, "big"))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s was written by a big-endian machine; load it and save it again on "
                           "another",
                           t->file.path);
    if (!s)
        s = clvits_zip_data(&at, pickle, &t->file, r);
    if (!s)
        s = clvits_pickle_read(&t->root, &t->pickle, &t->file, &at, at + pickle->size, r);
    return s ? s : find_storages(t, &z, path, folder, r);
}

/* ---- stream ---- */

/* What wrote it: the version of the form, then a dict. */
static clvits_status read_writer(clvits_torch *t, uint64_t *at, clvits_report *r)
{
    clvits_value v;
    int number;

    clvits_status s = CLVITS_OK;
    for (int i = 0; i < 2 && !s; i++) /* the magic number before it is known */
        s = clvits_pickle_read(&v, &t->pickle, &t->file, at, t->file.size, r);
    if (!s && (!clvits_value_int(&number, &v) || number != 1001))
        s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                        "%s has PyTorch's older form in a version that is not known", t->file.path);
    if (!s)
        s = clvits_pickle_read(&v, &t->pickle, &t->file, at, t->file.size, r);
    if (!s && clvits_value_int(&number, clvits_value_at(&v, "little_endian")) && !number)
        s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                        "%s was written by a big-endian machine; load it and save it again on "
                        "another",
                        t->file.path);
    return s;
}

static clvits_status fail_storage(const clvits_torch *t, const char *what, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FORMAT,
                       "%s is damaged or cut short: %s; copy or download the file again",
                       t->file.path, what);
}

/* Storages follow each other in the order of the list, each behind the number of its elements. */
static clvits_status place_storages(clvits_torch *t, const clvits_value *keys, uint64_t at,
                                    clvits_report *r)
{
    const size_t n = clvits_value_count(keys);

    for (size_t i = 0; i < n; i++) {
        const char *key = clvits_value_text(clvits_value_item(keys, i));
        clvits_storage *storage = key ? clvits_pickle_storage(&t->pickle, key) : NULL;
        int64_t count;

        if (!storage || storage->found)
            return fail_storage(t, "its list of storages is not that of its tensors", r);
        if (t->file.size - at < sizeof(count))
            return fail_storage(t, "a storage is missing", r);
        const clvits_status s = clvits_file_part(&count, sizeof(count), at, &t->file, r);
        if (s)
            return s;
        at += sizeof(count);
        if (count != storage->count)
            return fail_storage(t, "a storage has another size than its tensors say", r);
        if ((uint64_t)count > (t->file.size - at) / (uint64_t)storage->element->size)
            return fail_storage(t, "a storage goes beyond its end", r);
        storage->at = at;
        storage->found = true;
        at += (uint64_t)count * (uint64_t)storage->element->size;
    }
    if (n != t->pickle.n_storages)
        return fail_storage(t, "its list of storages is not that of its tensors", r);
    return CLVITS_OK;
}

static clvits_status open_stream(clvits_torch *t, clvits_report *r)
{
    clvits_value keys;
    uint64_t at = 0;

    clvits_status s = read_writer(t, &at, r);
    if (!s)
        s = clvits_pickle_read(&t->root, &t->pickle, &t->file, &at, t->file.size, r);
    if (!s)
        s = clvits_pickle_read(&keys, &t->pickle, &t->file, &at, t->file.size, r);
    return s ? s : place_storages(t, &keys, at, r);
}

/* ---- either ---- */

static clvits_status open_any(clvits_torch *t, clvits_report *r)
{
    unsigned char head[512] = { 0 };

    const clvits_status s = clvits_file_part(
        head, t->file.size < sizeof(head) ? (size_t)t->file.size : sizeof(head), 0, &t->file, r);
    if (s)
        return s;
    if (is_zip(head))
        return open_zip(t, r);
    if (is_stream(head))
        return open_stream(t, r);
    if (is_tar(head) || !memcmp(head + 257, tar_word, sizeof(tar_word) - 1))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s is a tar archive, the form in which PyTorch saved before 2017, or "
                           "of another program; load it and save it again with torch.save",
                           t->file.path);
    return clvits_fail(r, CLVITS_E_FORMAT, "%s is no file of PyTorch", t->file.path);
}

clvits_status clvits_torch_open(clvits_torch **out, const char *path, clvits_report *r)
{
    clvits_torch *t = calloc(1, sizeof(*t));
    clvits_report own = { 0 };

    *out = NULL;
    r = r ? r : &own;
    if (!t)
        return clvits_fail_memory(r, "a file of PyTorch");
    t->file.fd = -1;
    const char *copy = clvits_arena_text(&t->pickle.arena, path, strlen(path));
    clvits_status s = copy ? clvits_file_open(&t->file, copy, r) : clvits_fail_memory(r, "a path");
    if (!s)
        s = open_any(t, r);
    if (!s)
        s = clvits_file_unchanged(&t->file, r);
    if (s)
        clvits_torch_close(&t);
    *out = t;
    return s;
}

void clvits_torch_close(clvits_torch **t)
{
    if (!*t)
        return;
    if ((*t)->file.fd >= 0)
        clvits_file_close(&(*t)->file);
    clvits_pickle_free(&(*t)->pickle);
    free(*t);
    *t = NULL;
}

const clvits_value *clvits_torch_root(const clvits_torch *t)
{
    return &t->root;
}
