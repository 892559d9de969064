// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_VOICE_H
#define CLVITS_PUBLIC_VOICE_H

#include <clvits/device.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A loaded voice. Any number of threads may speak with it at once. */
typedef struct clvits_voice clvits_voice;

/**
 * Open a voice: a Piper voice (NAME.onnx, beside which NAME.onnx.json stands), one of sherpa-onnx
 * (beside which tokens.txt stands), a Hugging Face VitsModel, what clvits_convert() wrote, a
 * voice of Coqui (a file of PyTorch, or ONNX), a checkpoint of the original VITS code, of MMS-TTS
 * or of Piper's trainer (files of PyTorch, with their configuration beside them); or the folder of
 * one. What it is, is seen from the content.
 *
 * @param[out] out      NULL on failure
 * @param      context  outlives the voice
 * @param      path     NULL for the embedded voice
 * @return CLVITS_OK, _E_FILE (unreadable), _E_FORMAT (not a voice, or damaged), _E_UNSUPPORTED
 *         (a model that only looks like VITS) or _E_MEMORY
 */
CLVITS_API clvits_status clvits_voice_open(clvits_voice **out, clvits_context *context,
                                           const char *path);

/**
 * The same, with the path of the file that holds the voice's configuration, where it does not stand
 * beside the voice under its usual name. NULL: it does.
 */
CLVITS_API clvits_status clvits_voice_open_config(clvits_voice **out, clvits_context *context,
                                                  const char *path, const char *config_path);

/**
 * The same, also with the posterior encoder, by which a voice listens: see clvits_align() and
 * clvits_revoice(). It speaks as well. Only training leaves that encoder in a voice: checkpoints
 * have it, also as clvits_convert() writes them with their training side, and the embedded voice.
 *
 * @return as above, and _E_UNSUPPORTED where the voice has no posterior encoder
 */
CLVITS_API clvits_status clvits_voice_open_listening(clvits_voice **out, clvits_context *context,
                                                     const char *path, const char *config_path);

/** The most samples that a voice listens to at once: 25 minutes at 22.05 kHz. */
CLVITS_API size_t clvits_listen_limit(const clvits_voice *voice);

/** Release a voice that nobody speaks with and set it to NULL; releasing NULL is allowed. */
CLVITS_API void clvits_voice_close(clvits_voice **voice);

/** Whether a path is that of a file which the voice was read from: it, its configuration, or
 *  another one beside it. */
CLVITS_API int clvits_voice_has_file(const clvits_voice *voice, const char *path);

/** The context that a voice was opened on. */
CLVITS_API clvits_context *clvits_voice_context(const clvits_voice *voice);

/** Parameters of a part of the model, named as in the original code: "enc_p", "dp", "flow", "dec",
 *  "emb_g", "enc_q", ... */
typedef struct clvits_voice_module {
    char name[24];
    int64_t parameters; /* that speaking uses */
    int64_t training;   /* that the file has besides, and only training uses */
} clvits_voice_module;

/** What a voice is. Texts are valid while it is open. */
typedef struct clvits_voice_info {
    const char *name;
    int sample_rate;     /* Hz */
    int hop_length;      /* samples per frame, the unit of durations */
    int n_symbols;       /* ids are 0 to n_symbols - 1 */
    int n_speakers;      /* at least 1 */
    int n_languages;     /* at least 1 */
    int64_t parameters;  /* of the inference part */
    int takes_text;      /* 0: ids only */
    const char *front_end; /* "espeak-ng", "characters", "lexicon" or "ids" */
    const char *language;  /* espeak-ng's name of it, or "" */
    float noise_scale, noise_w, length_scale; /* the voice's own defaults */
    /* geometry */
    int hidden_channels, inter_channels, n_layers, n_heads, resblock, stochastic_durations;
    int upsample_initial_channel;
    const char *kind;   /* of its files, in words: "Piper voice" */
    const char *origin; /* the kind that it was converted from, or "" */
    const clvits_voice_module *modules; /* n_modules of them; valid while the voice is open */
    int n_modules;
    int has_training;   /* the file has the training side, or a part of it */
} clvits_voice_info;
CLVITS_API void clvits_voice_get_info(const clvits_voice *voice, clvits_voice_info *info);

/** What a second of speech takes: billions of operations, a multiply and an add counting as two. */
typedef struct clvits_voice_cost {
    double text, durations, flow, decoder; /* enc_p, dp, flow, dec */
    double total;                          /* with what is between them */
} clvits_voice_cost;

/**
 * Add up what the voice's operators take for a second, of sixteen symbols with a blank after each.
 *
 * @return CLVITS_OK or _E_MEMORY
 */
CLVITS_API clvits_status clvits_voice_get_cost(const clvits_voice *voice, clvits_voice_cost *cost);

/** The name of speaker i, or NULL where the voice has none for it. */
CLVITS_API const char *clvits_voice_speaker_name(const clvits_voice *voice, int speaker);

/** The speaker of that name, or -1. */
CLVITS_API int clvits_voice_find_speaker(const clvits_voice *voice, const char *name);

/** The name of language i of a voice with several, or NULL where it has none for it. */
CLVITS_API const char *clvits_voice_language_name(const clvits_voice *voice, int language);

/** The language of that name, or -1. */
CLVITS_API int clvits_voice_find_language(const clvits_voice *voice, const char *name);

/** Receives a piece of text, n bytes; not 0 ends the call that writes. */
typedef int (*clvits_text_fn)(void *user, const char *text, size_t n);

/**
 * Write the voice's graphs as text for Graphviz: three clusters, text, latent and wave, with each
 * operator's shape and cost at its smallest capacity and the place where the context runs it.
 *
 * @return CLVITS_OK, _E_CANCELLED (write() ended it), _E_ARGUMENT (context_params.place is none),
 *         _E_DEVICE or _E_MEMORY
 */
CLVITS_API clvits_status clvits_voice_write_graph(clvits_voice *voice, clvits_text_fn write,
                                                  void *user);

/** A flag by which another thread ends a call of clvits_speak(). */
typedef struct clvits_cancel clvits_cancel;
CLVITS_API clvits_status clvits_cancel_make(clvits_cancel **out);
CLVITS_API void clvits_cancel_raise(clvits_cancel *cancel); /* any thread; also a signal handler */
CLVITS_API void clvits_cancel_lower(clvits_cancel *cancel); /* ready for another call */
CLVITS_API void clvits_cancel_free(clvits_cancel **cancel);

/** When a phoneme or word is heard, in samples from the start of the call's audio. */
typedef struct clvits_timing {
    const char *text;      /* UTF-8, n bytes, not terminated where it is a word */
    size_t n;
    int64_t start, length; /* samples */
    int word;              /* of a phoneme: index of its word in the chunk, or -1 */
} clvits_timing;

/** A piece of speech. All pointers are valid during the callback only. */
typedef struct clvits_chunk {
    const float *samples; /* mono, about -1 to 1 */
    size_t n_samples;
    int sample_rate;      /* Hz */
    int64_t position;     /* of the first sample in the call's audio */
    int sentence;         /* counted from 0 */
    int is_silence;       /* the pause between two sentences */
    int is_first, is_last; /* of its sentence; timings come with the first */
    size_t text_start, text_n; /* bytes of the sentence in the text; 0 for ids */
    const clvits_timing *phonemes;
    size_t n_phonemes;
    const clvits_timing *words;
    size_t n_words;
    const int32_t *durations; /* frames per id, padding included */
    size_t n_durations;
    size_t utterance; /* of clvits_speak_batch(), which one; otherwise 0 */
} clvits_chunk;

/** Receives audio in order, on the thread that called clvits_speak(), while what follows is yet to
 *  be computed; not 0 ends the call. */
typedef int (*clvits_audio_fn)(void *user, const clvits_chunk *chunk);

/** How to speak; begin with clvits_speak_params_default(). */
typedef struct clvits_speak_params {
    float noise_scale;      /* variety of the sound, 0 and up */
    float noise_w;          /* variety of the durations, 0 and up */
    float length_scale;     /* slowness, above 0: 2 is half as fast */
    float sentence_silence; /* seconds after each sentence but the last */
    float volume;           /* factor; 1 leaves the voice as it is */
    int speaker;            /* 0 to n_speakers - 1 */
    int language;           /* 0 to n_languages - 1 */
    uint64_t seed;          /* the same seed gives the same speech */
    int phonemes;           /* not 0: the text is symbols of the voice already (IPA for most) */
    clvits_audio_fn audio;  /* may be NULL */
    void *user;
    clvits_cancel *cancel;  /* may be NULL; outlives the call */
    /**
     * How soon audio is wanted, and in what pieces, counted in frames of hop_length samples: the
     * first chunk has at most first_chunk frames (0: as chunk), those after it grow, and none has
     * more than chunk (at most 1024; 0: what is efficient, 512, and about 1024 on a GPU that has
     * the memory). The samples are the same whatever the chunks, bit for bit, on the same devices.
     * Every chunk computes again what reaches into it from either side, so many small ones cost; a
     * small first one hardly does. 16 is a good first chunk for listening along.
     */
    int first_chunk, chunk;
} clvits_speak_params;

/** The voice's own scales, speaker 0, seed 0, volume 1, 0.2 s between sentences, chunks of as many
 *  frames as are efficient. */
CLVITS_API void clvits_speak_params_default(const clvits_voice *voice,
                                            clvits_speak_params *params);

/**
 * Speak a text, sentence by sentence. What this takes of memory depends on the longest sentence,
 * of which a front-end splits those that are very long, and not on the text. The calling thread
 * computes too: it needs 768 KiB of stack, and as much more as an OpenCL driver wants.
 *
 * A device whose driver reports an error is not used any more by the context, whether it was named
 * or not: a warning says why, and the other devices and the CPU path do its work. Audio that was
 * delivered stands, and goes on where it ended, off by rounding at most. A device that runs out of
 * memory gets less at a time, and then nothing of this call.
 *
 * @param text  UTF-8, n bytes; need not be terminated
 * @return CLVITS_OK, _E_ARGUMENT (no text, invalid UTF-8, nothing in it that the voice can say, a
 *         parameter out of range), _E_UNSUPPORTED (the voice takes ids only, or espeak-ng is not
 *         installed), _E_FORMAT (the voice makes what is no number), _E_CANCELLED, _E_DEVICE or
 *         _E_MEMORY
 */
CLVITS_API clvits_status clvits_speak(clvits_voice *voice, const char *text, size_t n,
                                      const clvits_speak_params *params);

/**
 * Speak ids as one sentence: exactly these, with whatever padding the voice wants among them.
 *
 * @param ids  n of them, each from 0 to n_symbols - 1; n up to 16384
 * @return as clvits_speak()
 */
CLVITS_API clvits_status clvits_speak_ids(clvits_voice *voice, const int32_t *ids, size_t n,
                                          const clvits_speak_params *params);

/** How one of several utterances ended. */
typedef struct clvits_spoken {
    size_t voice; /* of a queue, which voice spoke it: an index into those of clvits_queue_open(),
                     SIZE_MAX where none did before the queue was closed; otherwise 0 */
    clvits_status status;
    const char *message; /* what went wrong; "" otherwise. Valid during the call only */
} clvits_spoken;

/** Receives the end of an utterance, after its last audio; user is that of its params. */
typedef void (*clvits_spoken_fn)(void *user, const clvits_spoken *spoken);

/** One of several utterances; text or ids is NULL. */
typedef struct clvits_utterance {
    const char *text;   /* UTF-8, n bytes, spoken as clvits_speak() does */
    const int32_t *ids; /* n of them, spoken as clvits_speak_ids() does */
    size_t n;
    clvits_speak_params params; /* each has its own seed, speaker, audio, cancel ... */
    clvits_spoken_fn done;      /* may be NULL */
} clvits_utterance;

/** How many utterances of a batch are computed at once. */
#define CLVITS_BATCH 16

/**
 * Speak several utterances, which takes less time than one after the other where one alone does not
 * keep the device busy: many short ones.
 *
 * Each gives the samples and timings of clvits_speak() or clvits_speak_ids() with its text and
 * params, bit for bit on the same devices; only the pieces may differ, since the smallest chunks
 * that one of them asks for are everybody's. Up to CLVITS_BATCH of them are under way at a time,
 * and the next begins where one ends, so that memory does not grow with n. Audio comes on the
 * calling thread, for each in order, for several by turns: clvits_chunk.utterance, or params.user,
 * tells whose it is.
 *
 * What is wrong with one utterance (its text, ids, params, cancel, or an audio() that ends it) ends
 * this one alone: its done() is told, and the others are spoken as if it were not there. What a
 * device or memory fails in ends all that were not spoken, with that status.
 *
 * @param utterances  n of them, as they are until the call returns; n may be 0
 * @return CLVITS_OK when all were spoken, otherwise the status of the first in the array that was
 *         not, whose message clvits_context_error() then has; as clvits_speak(), and _E_ARGUMENT
 *         where an utterance has both text and ids
 */
CLVITS_API clvits_status clvits_speak_batch(clvits_voice *voice, const clvits_utterance *utterances,
                                            size_t n);

#ifdef __cplusplus
}
#endif
#endif
