// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_VOICE_PARTS_H
#define CLVITS_MODEL_VOICE_PARTS_H

#include "io/json.h"
#include "model/voice_file.h"

/* What the readers of the formats share; seen by model/voice_*.c only. */

/** The geometry and defaults in a Hugging Face config.json; nothing is checked but types. */
clvits_status clvits_hf_config_read(clvits_config *c, const char *path, clvits_report *r);

/**
 * Symbols and their handling from vocab.json and tokenizer_config.json.
 *
 * @param v  its configuration is complete
 */
clvits_status clvits_hf_text_read(clvits_voice_file *v, const char *vocab_path,
                                  const char *tokenizer_path, clvits_report *r);

/**
 * What the JSON file beside a Piper voice says: rate, default scales, symbols and their handling,
 * names of speakers.
 *
 * @param v  n_vocab and n_speakers of its configuration are set
 */
clvits_status clvits_piper_json_read(clvits_voice_file *v, const char *path, clvits_report *r);

/** Add a symbol after a check of its ids; key is where it stands in the JSON file. */
clvits_status clvits_voice_symbol_add(clvits_voice_file *v, clvits_json *j, const char *key,
                                      const char *text, const int32_t *ids, int n_ids);

#endif
