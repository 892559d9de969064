// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_TORCH_H
#define CLVITS_IO_TORCH_H

#include "io/pickle.h"

/** A file that torch.save() wrote: a zip archive, or the older stream. Read-only once open. */
typedef struct clvits_torch clvits_torch;

/** Whether a file that begins so is one, or a zip archive of another kind. */
int clvits_torch_detect(const unsigned char head[16]);

/**
 * Read what a file says, but none of the tensors' data.
 *
 * @param[out] out  NULL on failure
 * @return CLVITS_OK, _E_FILE (unreadable), _E_FORMAT (damaged, or no file of PyTorch),
 *         _E_UNSUPPORTED (calls functions, is compressed, ...) or _E_MEMORY
 */
clvits_status clvits_torch_open(clvits_torch **out, const char *path, clvits_report *r);

/** Release a file and set it to NULL; releasing NULL is allowed. */
void clvits_torch_close(clvits_torch **t);

/** What was saved; valid until the file is closed. */
const clvits_value *clvits_torch_root(const clvits_torch *t);

/**
 * Read the tensors of a DICT whose keys start with a prefix, under the rest of their keys; tensors
 * of nested dicts are not taken, other values are passed over.
 *
 * Only the parts of storages that these tensors need are read, each once. Tensors that are views
 * of one storage share it; what does not lie in one piece is copied so that it does. Integers of
 * less than 32 bits, and booleans, become I32.
 *
 * @param[out] out     stands alone: the file may be closed. Empty on failure; free with
 *                     clvits_arrays_free()
 * @param      prefix  "" takes all
 * @return CLVITS_OK, _E_FILE (unreadable, or changed meanwhile), _E_FORMAT (no DICT, damaged),
 *         _E_UNSUPPORTED (elements or ranks that no voice has) or _E_MEMORY
 */
clvits_status clvits_torch_arrays(clvits_arrays *out, const clvits_torch *t,
                                  const clvits_value *dict, const char *prefix, clvits_report *r);

/** The same without those whose names, less the prefix, the caller has no use for. */
clvits_status clvits_torch_arrays_but(clvits_arrays *out, const clvits_torch *t,
                                      const clvits_value *dict, const char *prefix,
                                      int (*useless)(const char *name), clvits_report *r);

#endif
