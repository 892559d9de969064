// SPDX-License-Identifier: MIT
//
// Voices in other formats: everything that a voice is comes back bit for bit, and so does what it
// says; what cannot be written is refused, and leaves nothing.
#include "commas.h"
#include "files.h"
#include "model/convert.h"
#include "model/weights.h"

#include <check.h>
#include <clvits/clvits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN CLVITS_SOURCE "/tests/golden/"
#define MINI CLVITS_SOURCE "/lib/voices/mini"

static const struct {
    const char *path;
    const char *refusal; /* why a folder of Hugging Face's cannot express it; NULL: it can */
    int training;        /* 1: the training side is there */
} voices[] = {
    { GOLDEN "hf-sdp", NULL, 1 },
    { GOLDEN "hf-sdp/model_weight_g.safetensors", NULL, 1 },
    { GOLDEN "hf-dp-speakers", NULL, 1 },
    { GOLDEN "piper-single/model.onnx", "resblock 2", 0 },
    { GOLDEN "piper-multi/model.onnx", NULL, 0 },
    { GOLDEN "sherpa-characters/model.onnx", "resblock 2", 0 },
    { GOLDEN "sherpa-lexicon/model.onnx", NULL, 0 },
    { GOLDEN "vits-single", NULL, 1 },
    { GOLDEN "vits-speakers", "resblock 2", 1 },
    { GOLDEN "mms", NULL, 1 },
    { GOLDEN "piper-ckpt-speakers/lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt",
      NULL, 1 },
    { GOLDEN "piper-ckpt/lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt",
      "resblock 2", 1 },
    { GOLDEN "coqui-single", "of another width", 1 },
    { GOLDEN "coqui-languages", "resblock 2", 1 },
    { GOLDEN "coqui-phonemes", "several languages", 1 },
    { GOLDEN "coqui-vectors", "resblock 2", 1 },
    { MINI, NULL, 1 },
};
enum { N_VOICES = sizeof(voices) / sizeof(voices[0]) };

Suite *suite(void);

static clvits_context *context;

static void open_case(void)
{
    files_open();
    const clvits_context_params params = { .device = "cpu", .cache_dir = "", .threads = 1 };
    ck_assert_int_eq(clvits_context_open(&context, &params), CLVITS_OK);
}

static void close_case(void)
{
    clvits_context_close(&context);
    files_close();
}

static void convert(const char *voice, const char *path, const clvits_convert_params *params)
{
    clvits_converted done;
    const clvits_status s = clvits_convert(&done, context, voice, path, params);

    ck_assert_msg(s == CLVITS_OK, "%s: %s", voice, clvits_context_error(context));
    ck_assert_int_gt(done.bytes, done.parameters * 2);
}

/* A failure that leaves the test's folder as it was. */
static void refuse(const char *voice, const char *path, const clvits_convert_params *params,
                   clvits_status status, int at_output, const char *message)
{
    const int before = files_count();
    clvits_converted done;

    ck_assert_int_eq(clvits_convert(&done, context, voice, path, params), status);
    ck_assert_msg(strstr(clvits_context_error(context), message) != NULL, "%s",
                  clvits_context_error(context));
    ck_assert_int_eq(done.at_output, at_output);
    ck_assert_int_eq(files_count(), before);
}

static void same_text(const char *a, const char *b)
{
    ck_assert_str_eq(a ? a : "", b ? b : "");
}

/* Without what lists hold beyond their ends, which is cut off where a file has too much. */
static clvits_config plain(const clvits_config *c)
{
    clvits_config p = *c;

    for (int i = 0; i < CLVITS_MAX_STAGES; i++)
        for (int j = p.n_resblock_dilations[i]; j < CLVITS_MAX_STAGES; j++)
            p.resblock_dilation_sizes[i][j] = 0;
    return p;
}

static void same_voice(const clvits_voice_file *a, const clvits_voice_file *b)
{
    const clvits_text_settings *t = &a->text, *u = &b->text;
    const clvits_config c = plain(&a->config), d = plain(&b->config);

    ck_assert_mem_eq(&c, &d, sizeof(c));
    files_same_arrays(&a->weights, &b->weights);
    same_text(a->name, b->name);
    ck_assert_int_eq(t->kind, u->kind);
    ck_assert_int_eq(t->padding, u->padding);
    same_text(t->espeak_voice, u->espeak_voice);
    ck_assert_int_eq(t->blank_id, u->blank_id);
    ck_assert_int_eq(t->longest_match, u->longest_match);
    ck_assert_int_eq(t->lower_case, u->lower_case);
    ck_assert_int_eq(t->max_ids, u->max_ids);
    ck_assert_uint_eq(a->symbols.count, b->symbols.count);
    for (size_t i = 0; i < a->symbols.count; i++) {
        const clvits_symbol *x = &a->symbols.items[i], *y = &b->symbols.items[i];
        ck_assert_str_eq(x->text, y->text);
        ck_assert_int_eq(x->n_ids, y->n_ids);
        ck_assert_mem_eq(x->ids, y->ids, (size_t)x->n_ids * sizeof(*x->ids));
    }
    same_text(t->pause, u->pause);
    same_text(t->unread, u->unread);
    ck_assert_int_eq(t->bare, u->bare);
    ck_assert_int_eq(t->romanised, u->romanised);
    ck_assert_mem_eq(&t->ends, &u->ends, sizeof(t->ends));
    ck_assert_uint_eq(a->lexicon.count, b->lexicon.count);
    for (size_t i = 0; i < a->lexicon.count; i++) {
        const clvits_lexeme *x = &a->lexicon.words[i], *y = &b->lexicon.words[i];
        ck_assert_mem_eq(x, y, sizeof(*x));
        ck_assert_mem_eq(a->lexicon.text + x->text, b->lexicon.text + y->text, x->n);
        ck_assert_mem_eq(a->lexicon.symbols + x->first, b->lexicon.symbols + y->first,
                         x->n_symbols * sizeof(uint32_t));
    }
    ck_assert_int_eq(a->n_languages, b->n_languages);
    for (int i = 0; i < a->n_languages; i++) {
        ck_assert_str_eq(a->languages[i].name, b->languages[i].name);
        ck_assert_int_eq(a->languages[i].id, b->languages[i].id);
        same_text(a->languages[i].espeak_voice, b->languages[i].espeak_voice);
    }
    ck_assert_int_eq(a->n_speakers, b->n_speakers);
    for (int i = 0; i < a->n_speakers; i++) {
        ck_assert_str_eq(a->speakers[i].name, b->speakers[i].name);
        ck_assert_int_eq(a->speakers[i].id, b->speakers[i].id);
    }
}

static void open_whole(clvits_voice_file *v, const char *path)
{
    clvits_report r = { 0 };

    ck_assert_msg(!clvits_voice_file_open_whole(v, path, NULL, &r), "%s", r.text);
}

static void same_voices(const char *one, const char *two, int with_training)
{
    clvits_voice_file a, b;
    open_whole(&a, one);
    open_whole(&b, two);
    for (int i = 0; i < 2 && !with_training; i++) /* one may have a posterior encoder */
        clvits_config_drop_posterior(i ? &a.config : &b.config);
    same_voice(&a, &b);
    if (with_training) {
        clvits_arrays x, y;
        clvits_report r = { 0 };

        ck_assert_int_eq(clvits_weights_training(&x, &a.raw, &r), CLVITS_OK);
        ck_assert_int_eq(clvits_weights_training(&y, &b.raw, &r), CLVITS_OK);
        ck_assert_uint_gt(x.count, 0);
        files_same_arrays(&x, &y);
        clvits_arrays_free(&x);
        clvits_arrays_free(&y);
    }
    clvits_voice_file_free(&a);
    clvits_voice_file_free(&b);
}

/* What a voice has for training is known whether it was read or not. */
static void same_modules(const char *path)
{
    clvits_voice_file whole, part;
    clvits_report r = { 0 };

    open_whole(&whole, path);
    ck_assert_msg(!clvits_voice_file_open(&part, path, NULL, &r), "%s", r.text);
    ck_assert_int_eq(whole.n_modules, part.n_modules);
    for (int i = 0; i < whole.n_modules; i++) {
        const clvits_voice_module *a = &whole.modules[i], *b = &part.modules[i];
        ck_assert_str_eq(a->name, b->name);
        ck_assert_int_eq(a->parameters, b->parameters);
        ck_assert_int_eq(a->training, b->training);
    }
    clvits_voice_file_free(&whole);
    clvits_voice_file_free(&part);
}

typedef struct heard {
    float samples[1 << 17];
    size_t n;
    int32_t durations[32];
    size_t n_durations;
} heard;

static int hear(void *user, const clvits_chunk *chunk)
{
    heard *h = user;

    ck_assert_uint_le(h->n + chunk->n_samples, sizeof(h->samples) / sizeof(h->samples[0]));
    memcpy(h->samples + h->n, chunk->samples, chunk->n_samples * sizeof(float));
    h->n += chunk->n_samples;
    if (chunk->is_first) {
        memcpy(h->durations, chunk->durations, chunk->n_durations * sizeof(int32_t));
        h->n_durations = chunk->n_durations;
    }
    return 0;
}

static void speak(heard *h, const char *path)
{
    const int32_t ids[] = { 1, 0, 7, 0, 9, 3, 0, 12, 15, 0, 2 };
    clvits_speak_params params;
    clvits_voice_info info;
    clvits_voice *v;

    ck_assert_int_eq(clvits_voice_open(&v, context, path), CLVITS_OK);
    clvits_voice_get_info(v, &info);
    clvits_speak_params_default(v, &params);
    params.speaker = info.n_speakers - 1;
    params.seed = 5;
    params.audio = hear;
    params.user = h;
    h->n = 0;
    ck_assert_msg(!clvits_speak_ids(v, ids, sizeof(ids) / sizeof(ids[0]), &params), "%s",
                  clvits_context_error(context));
    ck_assert_uint_gt(h->n, 0);
    clvits_voice_close(&v);
}

static heard want, got;

static void says_the_same(const char *path)
{
    speak(&got, path);
    ck_assert_uint_eq(got.n, want.n);
    ck_assert_mem_eq(got.samples, want.samples, want.n * sizeof(float));
}

static void says_nearly_the_same(const char *path)
{
    double error = 0, power = 0;

    speak(&got, path);
    ck_assert_uint_eq(got.n_durations, want.n_durations);
    ck_assert_mem_eq(got.durations, want.durations, want.n_durations * sizeof(int32_t));
    ck_assert_uint_eq(got.n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        error += pow((double)got.samples[i] - want.samples[i], 2);
        power += pow(want.samples[i], 2);
    }
    ck_assert_msg(power >= error * pow(10, 4.5), "%.1f dB", 10 * log10(power / error));
}

START_TEST(one_file)
{
    const char *path = files_path("v.safetensors"), *again = files_path("w.safetensors");
    const clvits_convert_params whole = { .with_training = voices[_i].training };

    speak(&want, voices[_i].path);
    convert(voices[_i].path, path, &whole);
    says_the_same(path);
    same_voices(voices[_i].path, path, voices[_i].training);
    same_modules(voices[_i].path);
    same_modules(path);
    convert(path, again, &whole);
    same_voices(path, again, voices[_i].training);
}
END_TEST

/* Numbers that are read and written where a program has commas are those of its files. */
START_TEST(any_locale)
{
    const char *path = files_path("v.safetensors");

    commas_begin();
    convert(GOLDEN "hf-sdp", path, NULL);
    same_voices(GOLDEN "hf-sdp", path, 0);
    commas_end();
    same_voices(GOLDEN "hf-sdp", path, 0);
}
END_TEST

START_TEST(one_file_of_halves)
{
    const clvits_convert_params halves = { .precision = "fp16" };
    const char *whole = files_path("v.safetensors"), *half = files_path("h.safetensors");
    struct stat a, b;

    convert(voices[_i].path, whole, NULL);
    convert(voices[_i].path, half, &halves);
    speak(&want, voices[_i].path);
    says_nearly_the_same(half);
    ck_assert(!stat(whole, &a) && !stat(half, &b));
    ck_assert_int_lt(b.st_size, a.st_size);
}
END_TEST

START_TEST(one_folder)
{
    const clvits_convert_params hf = { .format = "hf", .with_training = voices[_i].training };
    const clvits_convert_params halves = { .format = "hf", .precision = "fp16" };
    const char *path = files_path("v"), *file = files_path("v.safetensors");

    if (voices[_i].refusal) {
        refuse(voices[_i].path, path, &hf, CLVITS_E_UNSUPPORTED, 0, voices[_i].refusal);
        return;
    }
    speak(&want, voices[_i].path);
    convert(voices[_i].path, path, &hf);
    says_the_same(path);
    same_voices(voices[_i].path, path, voices[_i].training);
    convert(path, file, &(clvits_convert_params){ .with_training = voices[_i].training });
    same_voices(voices[_i].path, file, voices[_i].training);
    convert(voices[_i].path, files_path("h"), &halves);
    says_nearly_the_same(files_path("h"));
}
END_TEST

/* Nothing is copied that a file has as floats: every tensor lies in it at a multiple of 64 bytes,
 * or of what its own size is a multiple of. */
START_TEST(tensors_lie_where_they_are_used)
{
    clvits_voice_file v;
    const char *path = files_path("v.safetensors");

    convert(GOLDEN "hf-sdp", path, NULL);
    open_whole(&v, path);
    for (size_t i = 0; i < v.weights.count; i++) {
        const clvits_array *a = &v.weights.items[i];
        const size_t size = (size_t)clvits_array_count(a) * sizeof(float);
        const size_t at = (size_t)((const char *)a->data - (const char *)v.raw.file);

        ck_assert_msg(at < v.raw.file_size, "%s is a copy", a->name);
        ck_assert_msg(at % 64 == 0 || at % (size & ~(size - 1)) == 0, "%s is at %zu", a->name, at);
    }
    clvits_voice_file_free(&v);
}
END_TEST

START_TEST(says_what_it_is)
{
    clvits_voice_info info;
    clvits_voice *v;
    int64_t sum = 0, training = 0;

    convert(GOLDEN "hf-sdp", files_path("v.safetensors"),
            &(clvits_convert_params){ .with_training = 1 });
    ck_assert_int_eq(clvits_voice_open(&v, context, files_path("v.safetensors")), CLVITS_OK);
    clvits_voice_get_info(v, &info);
    ck_assert_str_eq(info.kind, "clvits voice");
    ck_assert_str_eq(info.origin, "Hugging Face VitsModel");
    ck_assert_str_eq(info.name, "hf-sdp");
    ck_assert_int_eq(info.has_training, 1);
    for (int i = 0; i < info.n_modules; i++) {
        sum += info.modules[i].parameters;
        training += info.modules[i].training;
    }
    ck_assert_int_eq(sum, info.parameters);
    ck_assert_int_gt(training, 0);
    ck_assert_str_eq(info.modules[0].name, "enc_p");
    ck_assert_str_eq(info.modules[info.n_modules - 1].name, "enc_q");
    clvits_voice_close(&v);
}
END_TEST

START_TEST(adds_discriminators)
{
    const clvits_convert_params both = { .with_training = 1,
                                         .discriminators = GOLDEN "vits-single/D_3000.pth" };
    const char *path = files_path("v.safetensors");
    clvits_arrays judges, raw, written;
    clvits_voice_file v;
    clvits_report r = { 0 };

    convert(GOLDEN "vits-single", path, &both);
    speak(&want, GOLDEN "vits-single");
    says_the_same(path);
    ck_assert_msg(!clvits_discriminators_read(&judges, &raw, both.discriminators, &r), "%s",
                  r.text);
    ck_assert_uint_gt(judges.count, 0);
    open_whole(&v, path);
    int listed = 0;
    for (int i = 0; i < v.n_modules; i++)
        listed += !strcmp(v.modules[i].name, "discriminators") && v.modules[i].training > 0;
    ck_assert_int_eq(listed, 1);
    ck_assert_int_eq(clvits_weights_training(&written, &v.raw, &r), CLVITS_OK);
    for (size_t i = 0; i < judges.count; i++) {
        const clvits_array *a = &judges.items[i], *b = clvits_arrays_find(&written, a->name);
        ck_assert_msg(b != NULL, "%s is not there", a->name);
        ck_assert_mem_eq(a->data, b->data, (size_t)clvits_array_count(a) * sizeof(float));
    }
    ck_assert_ptr_nonnull(clvits_arrays_find(&written, "enc_q.pre.weight"));
    clvits_arrays_free(&written);
    clvits_arrays_free(&judges);
    clvits_arrays_free(&raw);
    clvits_voice_file_free(&v);

    refuse(GOLDEN "vits-single", files_path("w"),
           &(clvits_convert_params){ .discriminators = GOLDEN "vits-single/G_3000.pth" },
           CLVITS_E_FORMAT, 0, "has no discriminators");
    refuse(GOLDEN "vits-single", files_path("w"),
           &(clvits_convert_params){ .discriminators = GOLDEN "none.pth" }, CLVITS_E_FILE, 0,
           "none.pth");
    refuse(GOLDEN "vits-single", files_path("w"),
           &(clvits_convert_params){ .format = "hf", .discriminators = both.discriminators },
           CLVITS_E_UNSUPPORTED, 0, "no place for discriminators");
}
END_TEST

static int stop_half_way(void *user, int64_t done, int64_t total)
{
    (void)user;
    return done > total / 2;
}

START_TEST(refusals)
{
    const char *voice = GOLDEN "hf-sdp", *file = files_text("there", "text");
    const char *path = files_path("v.safetensors");
    const clvits_convert_params hf = { .format = "hf" };

    refuse(voice, file, NULL, CLVITS_E_FILE, 1, "there already");
    refuse(voice, file, &hf, CLVITS_E_FILE, 1, "there already");
    refuse(voice, file, &(clvits_convert_params){ .format = "hf", .replace = 1 }, CLVITS_E_FILE, 1,
           "no folder");
    refuse(voice, files_path("."), &(clvits_convert_params){ .replace = 1 }, CLVITS_E_FILE, 1,
           "no regular file");
    refuse(voice, files_path("none/v"), NULL, CLVITS_E_FILE, 1, "none/v cannot be written");
    refuse(voice, files_path("none/v"), &hf, CLVITS_E_FILE, 1, "none/v cannot be written");
    refuse(voice, "", NULL, CLVITS_E_FILE, 1, "no name");
    refuse(files_path("none"), path, NULL, CLVITS_E_FILE, 0, "none");
    refuse(file, path, NULL, CLVITS_E_FORMAT, 0, "no voice");
    refuse(GOLDEN "piper-multi/model.onnx", path, &(clvits_convert_params){ .with_training = 1 },
           CLVITS_E_UNSUPPORTED, 0, "no training side");
    refuse(voice, path, &(clvits_convert_params){ .format = "onnx" }, CLVITS_E_ARGUMENT, 0,
           "\"onnx\"");
    refuse(voice, path, &(clvits_convert_params){ .precision = "fp8" }, CLVITS_E_ARGUMENT, 0,
           "\"fp8\"");
    refuse(voice, path, &(clvits_convert_params){ .progress = stop_half_way }, CLVITS_E_CANCELLED,
           1, "stopped");
    refuse(voice, path, &(clvits_convert_params){ .format = "hf", .progress = stop_half_way },
           CLVITS_E_CANCELLED, 1, "stopped");
}
END_TEST

START_TEST(never_replaces_its_source)
{
    const clvits_convert_params force = { .replace = 1 };
    const clvits_convert_params hf = { .format = "hf", .replace = 1 };
    const char *file = files_path("v.safetensors"), *folder = files_path("v");

    convert(GOLDEN "hf-sdp", file, NULL);
    convert(GOLDEN "hf-sdp", folder, &hf);
    refuse(file, file, &force, CLVITS_E_FILE, 1, "is the voice");
    ck_assert_int_eq(symlink(file, files_path("link")), 0);
    refuse(files_path("link"), file, &force, CLVITS_E_FILE, 1, "is the voice");
    refuse(folder, folder, &hf, CLVITS_E_FILE, 1, "is the voice");
    refuse(folder, files_path("v/config.json"), &force, CLVITS_E_FILE, 1, "is a part of");
    refuse(files_path("v/model.safetensors"), folder, &hf, CLVITS_E_FILE, 1, "holds");
    same_voices(file, folder, 0);
}
END_TEST

START_TEST(replaces_what_is_there)
{
    const char *file = files_path("v.safetensors"), *folder = files_path("v");

    files_text("v.safetensors", "text");
    convert(GOLDEN "hf-sdp", file, &(clvits_convert_params){ .replace = 1 });
    same_voices(GOLDEN "hf-sdp", file, 0);

    files_text("v/config.json", "text");
    files_text("v/added_tokens.json", "text");
    convert(GOLDEN "hf-sdp", folder, &(clvits_convert_params){ .format = "hf", .replace = 1 });
    same_voices(GOLDEN "hf-sdp", folder, 0);
    ck_assert_int_ne(access(files_path("v/added_tokens.json"), F_OK), 0);
    ck_assert_int_eq(files_count(), 2);

    files_text("v/thesis.txt", "text");
    refuse(GOLDEN "hf-sdp", folder, &(clvits_convert_params){ .format = "hf", .replace = 1 },
           CLVITS_E_FILE, 1, "thesis.txt");
}
END_TEST

/* A disk that is full after any number of bytes. */
START_TEST(full_disk)
{
    static const char *const formats[] = { "safetensors", "hf" };
    const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++)
        for (rlim_t size = 0; size < 300000; size = size * 3 + 100) {
            const struct rlimit limit = { size, RLIM_INFINITY };
            const clvits_convert_params params = { .format = formats[i] };
            clvits_converted done;

            setrlimit(RLIMIT_FSIZE, &limit); /* for what the test itself writes as well */
            const clvits_status s =
                clvits_convert(&done, context, GOLDEN "hf-sdp", files_path("v"), &params);
            setrlimit(RLIMIT_FSIZE, &unlimited);
            ck_assert_int_eq(s, CLVITS_E_FILE);
            ck_assert_msg(strstr(clvits_context_error(context),
                                 "v cannot be written: File too large") != NULL,
                          "%s", clvits_context_error(context));
            ck_assert_int_eq(done.at_output, 1);
            ck_assert_int_eq(files_count(), 0);
        }
}
END_TEST

/* Other metadata, of the same length. */
static const struct {
    const char *old, *new;
    clvits_status status;
    const char *message;
} edits[] = {
    { "\\\"version\\\":1", "\\\"version\\\":2", CLVITS_E_UNSUPPORTED, "of version 2" },
    { "\\\"version\\\":1", "\\\"vermion\\\":1", CLVITS_E_FORMAT, "version is missing" },
    { "{\\\"version", "[\\\"version", CLVITS_E_FORMAT, "not JSON" },
    { "\\\"n_vocab\\\"", "\\\"n_vomit\\\"", CLVITS_E_UNSUPPORTED, "config.n_vomit is not known" },
    { "\\\"n_vocab\\\":29", "\\\"n_vocab\\\":28", CLVITS_E_FORMAT, "28 symbols" },
    { "\\\"config\\\"", "\\\"conf_g\\\"", CLVITS_E_FORMAT, "config is missing" },
    { "\\\"hidden_channels\\\":16", "\\\"hidden_channels\\\":18", CLVITS_E_FORMAT,
      "of the wrong shape" },
    { "\\\"hop_length\\\":32", "\\\"hop_length\\\":33", CLVITS_E_FORMAT, "hop_length" },
    { "\\\"upsample_rates\\\":[8,2,2]", "\\\"upsample_rates\\\":[8,212]", CLVITS_E_FORMAT,
      "config.upsample_kernel_sizes has 3 items instead of 2" },
    { "\\\"characters\\\"", "\\\"charactors\\\"", CLVITS_E_UNSUPPORTED, "\"charactors\"" },
    { "\\\"blank_id\\\":0", "\\\"blank_id\\\":-", CLVITS_E_FORMAT, "not JSON" },
    { "\\\"romanised\\\":false", "\\\"romanised\\\":12345", CLVITS_E_FORMAT,
      "romanised should be" },
    { "\\\" \\\":28", "\\\" \\\":29", CLVITS_E_FORMAT, "has the id 29" },
    { "\\\" \\\":28", "\\\" \\\":[]", CLVITS_E_FORMAT, "\" \" should have an id" },
};

START_TEST(refuses_wrong_metadata)
{
    clvits_voice_file v;
    clvits_report r = { 0 };

    convert(GOLDEN "hf-sdp", files_path("v.safetensors"), NULL);
    ck_assert_uint_eq(strlen(edits[_i].new), strlen(edits[_i].old));
    const char *path = files_edited("e.safetensors", files_path("v.safetensors"),
                                    edits[_i].old, edits[_i].new);
    ck_assert_int_eq(clvits_voice_file_open(&v, path, NULL, &r), edits[_i].status);
    ck_assert_msg(strstr(r.text, edits[_i].message), "%s", r.text);
    ck_assert_msg(strstr(r.text, path), "no path in: %s", r.text);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("convert");
    TCase *t = tcase_create("voices");

    tcase_add_checked_fixture(t, open_case, close_case);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, one_file, 0, N_VOICES);
    tcase_add_loop_test(t, one_file_of_halves, 0, N_VOICES);
    tcase_add_test(t, any_locale);
    tcase_add_loop_test(t, one_folder, 0, N_VOICES);
    tcase_add_test(t, tensors_lie_where_they_are_used);
    tcase_add_test(t, says_what_it_is);
    tcase_add_test(t, adds_discriminators);
    suite_add_tcase(s, t);

    t = tcase_create("refusals");
    tcase_add_checked_fixture(t, open_case, close_case);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, refusals);
    tcase_add_test(t, never_replaces_its_source);
    tcase_add_test(t, replaces_what_is_there);
    tcase_add_test(t, full_disk);
    tcase_add_loop_test(t, refuses_wrong_metadata, 0, sizeof(edits) / sizeof(edits[0]));
    suite_add_tcase(s, t);
    return s;
}
