// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_VOICE_FILE_H
#define CLVITS_MODEL_VOICE_FILE_H

#include "io/arrays.h"
#include "io/file.h"
#include "model/config.h"
#include "model/weights.h"
#include "text/lexicon.h"
#include "text/text.h"

/** A speaker that the voice has a name for. */
typedef struct clvits_speaker {
    const char *name;
    int id; /* below config.n_speakers */
} clvits_speaker;

/** The voice, its configuration, and the lists of symbols, words, speakers and languages. */
enum { CLVITS_MAX_FILES = 16 };

/** A language of a voice that has several. */
typedef struct clvits_language {
    const char *name;
    int id; /* below config.n_languages */
    const char *espeak_voice; /* where text becomes phonemes; NULL: as text says */
} clvits_language;

/**
 * Everything that a voice's files say, checked, whatever format they are in. Read-only once open.
 *
 * It holds pointers into itself: it stays where it was opened.
 */
typedef struct clvits_voice_file {
    clvits_config config;
    clvits_arrays weights; /* what clvits_weights_walk() visits, float32, and of the training */
    int sides;             /* side that it was opened for, these parts: CLVITS_SIDE_* */
    clvits_arrays raw;     /* the file behind weights */
    clvits_symbols symbols;
    clvits_lexicon lexicon; /* of voices that have one */
    clvits_text_settings text;
    clvits_speaker *speakers; /* in the file's order; voices need not name theirs */
    int n_speakers;           /* named ones */
    clvits_language *languages;
    int n_languages; /* likewise */
    const char *name;
    const char *kind;   /* what it is, in words */
    const char *origin; /* what it was before it was converted, or NULL */
    clvits_voice_module modules[CLVITS_MAX_MODULES]; /* also those of training in the file */
    int n_modules;
    clvits_file_id files[CLVITS_MAX_FILES]; /* that it is read from */
    int n_files;
    clvits_arena arena; /* names */
} clvits_voice_file;

/**
 * Open a voice. What it is, is seen from the content:
 *  - a Hugging Face VitsModel: a .safetensors file, or pytorch_model.bin. Beside it stand
 *    config.json, and vocab.json with tokenizer_config.json; a model.safetensors.json, which
 *    gives symbols and defaults the way Piper does, is preferred to those two;
 *  - a Piper voice: the .onnx file, beside which NAME.onnx.json stands;
 *  - a voice of sherpa-onnx: the .onnx file, whose metadata says what it is, beside which
 *    tokens.txt stands, and lexicon.txt where its text needs that;
 *  - a checkpoint of the original training code (and, with vocab.txt, of MMS-TTS) or of Piper's
 *    trainer, in a file of PyTorch. For its configuration see clvits_config_of();
 *  - a voice of Coqui, likewise or as .onnx, with the files of speakers and languages that its
 *    configuration names beside it;
 *  - what clvits_convert() wrote: a .safetensors file that has all of it inside.
 *
 * Of a folder, model.safetensors is opened, else the newest G_STEP.pth, else the only file that may
 * be a voice.
 *
 * @param[out] out          empty on failure; free with clvits_voice_file_free()
 * @param      config_path  the JSON file with the configuration; NULL for the usual name
 * @return CLVITS_OK, _E_FILE (a file is missing or unreadable), _E_FORMAT (damaged, no voice, or
 *         parts that do not fit each other), _E_UNSUPPORTED (a relative of VITS) or _E_MEMORY
 */
clvits_status clvits_voice_file_open(clvits_voice_file *out, const char *path,
                                     const char *config_path, clvits_report *r);

/**
 * The same with parts of the training side, CLVITS_SIDE_*, as far as the file has them: see sides
 * and n_fft of what was opened. One that is there in part is refused, with what is missing.
 */
clvits_status clvits_voice_file_open_sides(clvits_voice_file *out, const char *path,
                                           const char *config_path, int sides, clvits_report *r);

/** The same; raw keeps every array of the file, under the file's names, also those of training. */
clvits_status clvits_voice_file_open_whole(clvits_voice_file *out, const char *path,
                                           const char *config_path, clvits_report *r);

void clvits_voice_file_free(clvits_voice_file *v);

/** Whether the voice was read from the file of that name, and of others with it. */
int clvits_voice_file_has(const clvits_voice_file *v, const char *path);

/** The id of a named speaker, or -1. */
int clvits_voice_file_speaker(const clvits_voice_file *v, const char *name);

/** The id of a named language, or -1. */
int clvits_voice_file_language(const clvits_voice_file *v, const char *name);

/**
 * Where the embedded voice is: in the folder that the environment's CLVITS_VOICES names, else in
 * the source tree this was built from, else among the installed data: beside the running library
 * or program, else where it was configured to go.
 *
 * @param[out] out  room for size bytes
 * @return CLVITS_OK or _E_FILE, with the places that were looked at
 */
clvits_status clvits_voice_file_embedded_path(char *out, size_t size, clvits_report *r);

#endif
