// SPDX-License-Identifier: MIT
//
// Writes an open voice in another format.
#ifndef CLVITS_MODEL_CONVERT_H
#define CLVITS_MODEL_CONVERT_H

#include "io/safetensors_write.h"
#include "model/voice_file.h"

struct cJSON;

typedef enum clvits_convert_format {
    CLVITS_CONVERT_OWN, /* one .safetensors file */
    CLVITS_CONVERT_HF   /* a Hugging Face folder */
} clvits_convert_format;

typedef struct clvits_convert_plan {
    clvits_convert_format format;
    int halves;        /* what durations do not depend on is rounded to halves */
    int with_training; /* raw is whole, and what is in it for training is written too */
    const char *discriminators; /* a file of PyTorch that has them, to be added, or NULL */
    int replace;       /* what has the name already goes */
    int (*progress)(void *user, size_t done, size_t total); /* as clvits_safetensors_output */
    void *user;
} clvits_convert_plan;

/** What was written. */
typedef struct clvits_convert_outcome {
    int64_t parameters, bytes;
    int writing; /* it had come to writing: a failure is the output's */
} clvits_convert_outcome;

/**
 * Write a voice. It appears under its name when it is complete, or not at all.
 *
 * @param source  the voice's path, which the new one must not replace or be within, nor
 *                any other file that it was read from
 * @return CLVITS_OK, _E_FILE (it cannot be written, or is there already), _E_UNSUPPORTED (the
 *         format cannot express this voice), _E_FORMAT (its training side is damaged), _E_CANCELLED
 *         or _E_MEMORY
 */
clvits_status clvits_voice_file_convert(clvits_convert_outcome *outcome, const clvits_voice_file *v,
                                        const char *source, const char *path,
                                        const clvits_convert_plan *plan, clvits_report *r);

/** The tensors that a voice is written as. */
typedef struct clvits_convert_tensors {
    clvits_arena arena;
    clvits_arrays training;
    clvits_arrays discriminators, discriminators_raw;
    clvits_safetensors_item *items;
    size_t count;
    int64_t parameters;
} clvits_convert_tensors;

/**
 * Read the discriminators of a training run, weight or spectral normalisation folded.
 *
 * @param[out] out  refers to raw; both are the caller's to free, also on failure
 * @return CLVITS_OK, _E_FILE, _E_FORMAT (damaged, or there are none), _E_UNSUPPORTED or _E_MEMORY
 */
clvits_status clvits_discriminators_read(clvits_arrays *out, clvits_arrays *raw, const char *path,
                                         clvits_report *r);

/* What a Hugging Face folder holds. */

/** Refuse, by what it is, whatever of a voice the format cannot express. */
clvits_status clvits_hf_check(const clvits_voice_file *v, clvits_report *r);

/** The same of its training side. */
clvits_status clvits_hf_check_training(const clvits_voice_file *v, clvits_report *r);

/** Its files beside the weights; NULL: out of memory. The caller deletes them. */
struct cJSON *clvits_hf_config(const clvits_voice_file *v, const clvits_arrays *training);
struct cJSON *clvits_hf_vocabulary(const clvits_voice_file *v);
struct cJSON *clvits_hf_tokenizer(const clvits_voice_file *v);

/** Rename the tensors to what the format calls them, and split those that it keeps normed. */
clvits_status clvits_hf_tensors(clvits_convert_tensors *t, int use_sdp, clvits_report *r);

#endif
