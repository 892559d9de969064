// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_VOICE_PARTS_H
#define CLVITS_MODEL_VOICE_PARTS_H

#include "io/json.h"
#include "io/onnx.h"
#include "model/voice_file.h"

/* What the readers of the formats share; seen by model/voice_*.c only. */

/** A voice that is being opened. */
typedef struct clvits_opening {
    clvits_voice_file *v;    /* being filled */
    const char *config_path; /* given by the caller, or NULL */
    int keep_all;            /* raw keeps what inference has no use for */
    int sides;               /* of the training side, what is wanted: CLVITS_SIDE_* */
    /* For a file of PyTorch: */
    const struct clvits_torch *torch; /* open, else NULL */
    const struct clvits_value *state; /* the DICT of its tensors, */
    const char *prefix;               /* and what is in front of the names there */
    clvits_report *r;
} clvits_opening;

/** A path for as long as the voice is open; NULL, with the report filled in, when that failed. */
__attribute__((format(printf, 2, 3))) char *clvits_opening_keep(clvits_opening *o,
                                                                const char *format, ...);

/** Note that the voice is read from a file, too. */
void clvits_voice_file_note(clvits_voice_file *v, const char *path);

/** A copy of a name of any length, likewise. */
char *clvits_opening_name_copy(clvits_opening *o, const char *name);

/**
 * The last part of a path, without the given extension and slashes at its end, for as long as the
 * voice is open. NULL as above.
 */
const char *clvits_opening_name(clvits_opening *o, const char *path, const char *extension);

/** Length of a path up to and with its last slash. */
int clvits_path_folder(const char *path);

/** The step in the name of a training run's checkpoint, as G_1000.pth; -1: it is none. */
long clvits_checkpoint_step(const char *name);

/** The path of the file in a folder that is the voice; NULL with the report filled in. */
const char *clvits_voice_in_folder(clvits_opening *o, const char *path);

/**
 * The path of a checkpoint's configuration: given by the caller, else PATH.json, else config.json
 * beside it, else the only .json file there, else config.json in the folder above (and for
 * checkpoints of Lightning, which keeps them some folders down, above those). NULL with the report
 * filled in.
 */
const char *clvits_config_of(clvits_opening *o, const char *path);

/** Read the arrays of a file of PyTorch that is open into raw; those of a .safetensors file are
 *  there already. */
clvits_status clvits_opening_arrays(clvits_opening *o);

/** Count what of such a file only training uses, where it was not read. */
void clvits_opening_count_training(clvits_opening *o);

/**
 * Check the configuration, then bring the arrays in raw to what it needs. What a format reads of
 * configuration and text is there before.
 */
clvits_status clvits_opening_finish(clvits_opening *o, const char *path);

/*
 * The formats. Each fills in configuration, raw, symbols, text settings, speakers and kind, and the
 * name where it has a better one than the file's, then ends with clvits_opening_finish(); the
 * name that was found from the path is there before.
 */

/** A Hugging Face VitsModel; path is its .safetensors file, which is open in raw. */
clvits_status clvits_voice_hf_open(clvits_opening *o, const char *path);

/** The geometry and defaults in a Hugging Face config.json; nothing is checked but types. */
clvits_status clvits_hf_config_read(clvits_config *c, const char *path, clvits_report *r);

/**
 * Symbols and their handling from vocab.json and tokenizer_config.json.
 *
 * @param v  its configuration is complete
 */
clvits_status clvits_hf_text_read(clvits_voice_file *v, const char *vocab_path,
                                  const char *tokenizer_path, clvits_report *r);

/** A voice of Piper, sherpa-onnx or Coqui; path is its .onnx file. */
clvits_status clvits_voice_piper_open(clvits_opening *o, const char *path);

/** Any voice in a file of PyTorch. */
clvits_status clvits_voice_torch_open(clvits_opening *o, const char *path);

/** A checkpoint of the original training code, or of MMS-TTS; the file is open. */
clvits_status clvits_voice_vits_open(clvits_opening *o, const char *path);

/** A voice of Coqui; the file is open. */
clvits_status clvits_voice_coqui_open(clvits_opening *o, const char *path);

/**
 * How a voice of Coqui reads text: symbols, front-end, names of speakers and languages.
 *
 * @param path  of the voice, whose configuration is complete and stays open until it is read
 */
clvits_status clvits_coqui_text_read(clvits_opening *o, clvits_json *j, const char *path);

/** Whether a file is the configuration of a voice of Coqui. */
int clvits_coqui_config_detect(const char *path);

/**
 * What such a file says of a voice that Coqui exported to ONNX: rate, default scales, symbols and
 * their handling, names of speakers and languages.
 *
 * @param path  of the .onnx file, whose geometry the configuration has
 */
clvits_status clvits_coqui_graph_read(clvits_opening *o, const char *config, const char *path);

/**
 * The file beside a voice of Coqui that is called like the one that its configuration has at a key,
 * where the path is one of the machine of training, or by one of the usual names; NULL: there is
 * none, or the report says why not.
 */
const char *clvits_coqui_file(clvits_opening *o, clvits_json *j, const char *path, const char *key,
                              const char *const usual[4]);

/**
 * Speakers that are known by vectors of recordings: their table becomes emb_g.weight of raw.
 *
 * @param path   of the file of recordings, in JSON or PyTorch's form
 * @param width  numbers of a vector
 */
clvits_status clvits_coqui_vectors_read(clvits_opening *o, const char *path, int width);

/** A checkpoint of Piper's trainer; the file is open. */
clvits_status clvits_voice_piper_checkpoint_open(clvits_opening *o, const char *path);

/**
 * How a checkpoint of the original training code reads text: symbols, cleaners, names of speakers.
 *
 * @param v      its configuration is complete
 * @param vocab  the path of MMS-TTS's list of symbols, or NULL
 */
clvits_status clvits_vits_text_read(clvits_voice_file *v, clvits_json *j, const char *vocab);

/**
 * The geometry as training code calls it: what clvits_decoder_read() reads and inter_channels,
 * hidden_channels, filter_channels, n_heads, n_layers, kernel_size, use_sdp, resblock.
 *
 * @param section  before the keys: "", or as "model."
 */
void clvits_geometry_read(clvits_json *j, clvits_config *c, const char *section);

/** What the posterior encoder listens to, from the keys of n_fft and win_length; raw has the
 *  voice's arrays, and where there is no such encoder among them, nothing is read. */
void clvits_spectrogram_read(clvits_opening *o, clvits_json *j, const char *n_fft_key,
                             const char *win_length_key);

/** Speakers and their channels, from their keys; clvits_config_measure() went before. */
void clvits_speakers_read(clvits_json *j, clvits_config *c, const char *n_key,
                          const char *gin_key);

/** A voice in one file; path is the .safetensors file that is open in raw, with its metadata. */
clvits_status clvits_voice_clvits_open(clvits_opening *o, const char *path);

/**
 * Read what clvits_voice_about() makes: name, origin, text settings, symbols and speakers.
 *
 * @param with_config  also the configuration, which is complete otherwise
 */
clvits_status clvits_voice_about_read(clvits_voice_file *v, clvits_json *j, int with_config);

/** What is told of a voice, at most. */
typedef enum clvits_voice_telling {
    CLVITS_TELL_TEXT,    /* all but the configuration */
    CLVITS_TELL_SPEECH,  /* and that, without the posterior encoder */
    CLVITS_TELL_TRAINING /* everything */
} clvits_voice_telling;

/** What a voice is beside its weights, as JSON; NULL: out of memory. The caller deletes it. */
struct cJSON *clvits_voice_about(const clvits_voice_file *v, clvits_voice_telling most);

/** The double with the fewest digits of those that become this float. */
double clvits_float_shortest(float x);

/**
 * What the JSON file beside a Piper voice says: rate, default scales, symbols and their handling,
 * names of speakers.
 *
 * @param v  n_vocab and n_speakers of its configuration are set
 */
clvits_status clvits_piper_json_read(clvits_voice_file *v, const char *path, clvits_report *r);

/**
 * The symbols in a tokens.txt: lines of a symbol and its id, where a missing symbol is a space.
 *
 * @param v  n_vocab of its configuration is set
 */
clvits_status clvits_tokens_read(clvits_voice_file *v, const char *path, clvits_report *r);

/**
 * What the metadata of a graph says to sherpa-onnx, and tokens.txt and lexicon.txt beside it: rate,
 * symbols and their handling.
 *
 * @param path  of the .onnx file, whose geometry the configuration has
 */
clvits_status clvits_sherpa_read(clvits_opening *o, const clvits_onnx_metadata *m,
                                 const char *path);

/**
 * The decoder as training configurations have it: upsample_initial_channel, upsample_rates,
 * upsample_kernel_sizes, resblock_kernel_sizes and resblock_dilation_sizes, and the hop_length that
 * they make.
 *
 * @param section  before the keys: "", or as "model."
 * @param suffix   behind them: "", or as "_decoder"
 */
void clvits_decoder_read(clvits_json *j, clvits_config *c, const char *section, const char *suffix);

/** Its dilations alone: a list of lists, one for each of resblock_kernel_sizes, at a key. */
void clvits_dilations_read(clvits_json *j, clvits_config *c, const char *key);

/** Refuse the configuration of a model that only looks like VITS. */
clvits_status clvits_refuse_config(clvits_json *j);

/** Refuse a model by the name of a tensor that VITS does not have. */
clvits_status clvits_refuse_tensor(const char *name, const char *path, clvits_report *r);

/** The same for all of a model, by their names and by what the last layer of the decoder makes. */
clvits_status clvits_refuse_arrays(const clvits_arrays *raw, const char *path, clvits_report *r);

/** Add a symbol after a check of its ids; key is where it stands in the JSON file. */
clvits_status clvits_voice_symbol_add(clvits_voice_file *v, clvits_json *j, const char *key,
                                      const char *text, const int32_t *ids, int n_ids);

#endif
