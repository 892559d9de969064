// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_ONNX_H
#define CLVITS_IO_ONNX_H

#include "io/arrays.h"
#include "model/config.h"

/**
 * Whether the file's first bytes read like an ONNX model. It says nothing of what is computed:
 * clvits_onnx_voice_open() finds that out, and refuses by name.
 *
 * @return 1 or 0; a file that cannot be read gives 0
 */
int clvits_onnx_detect(const char *path);

/** What an exporter wrote beside a graph: keys and texts, in the file's order. */
typedef struct clvits_onnx_metadata {
    clvits_arena arena;
    const char **keys, **values;
    size_t count;
} clvits_onnx_metadata;

/** The text of a key, or NULL. */
const char *clvits_onnx_metadata_find(const clvits_onnx_metadata *m, const char *key);

void clvits_onnx_metadata_free(clvits_onnx_metadata *m);

/**
 * Read an exported VITS graph, as Piper, Coqui and the scripts of sherpa-onnx write it, back into
 * the arrays it was made of.
 *
 * The arrays carry the names of the original training code (`enc_p.emb.weight`,
 * `flow.flows.0.enc.in_layers.0.weight`, ...) with weight normalisation folded, in the shapes
 * PyTorch gives them, and may be fp32 or fp16. Only what inference needs is there: no posterior
 * encoder, no `dp.flows.1`, no `dp.post_*`.
 *
 * In config every field that the graph's shapes, attributes and constants determine is set. The
 * others are left as they were: sampling_rate, and the three default scales, which the JSON file
 * beside the graph holds.
 *
 * @param[out] out       empty on failure; free with clvits_arrays_free()
 * @param      config    holds defaults on entry
 * @param[out] metadata  empty on failure; free with clvits_onnx_metadata_free(). May be NULL
 * @return CLVITS_OK, _E_FILE (unreadable), _E_FORMAT (damaged, or no VITS graph),
 *         _E_UNSUPPORTED (a relative of VITS, quantised, or data in a second file) or _E_MEMORY
 */
clvits_status clvits_onnx_voice_open(clvits_arrays *out, clvits_config *config,
                                     clvits_onnx_metadata *metadata, const char *path,
                                     clvits_report *r);

#endif
