// SPDX-License-Identifier: MIT
#include "listening.h"
#include "names.h"
#include "speak.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char help[] =
    "usage: clvits align [OPTION]... AUDIO TEXT\n"
    "       clvits align [OPTION]... -f FILE AUDIO\n"
    "\n"
    "Find where each phoneme and word of a text is heard in a recording of it, by a voice whose\n"
    "posterior encoder is at hand: the embedded one, or a checkpoint. Without -o, lines of start,\n"
    "duration (seconds), kind, text and score go to standard output. A score is the mean of a\n"
    "frame's log-likelihood: higher is better, among those of one voice.\n"
    "\n"
    "  -m, --model VOICE     otherwise the embedded voice\n"
    "  -c, --config FILE     of the voice, where it does not stand beside it\n"
    "  -s, --speaker ID|NAME who speaks, of a voice with several; otherwise the first\n"
    "  -l, --language ID|NAME  of a voice with several; otherwise the first\n"
    "  -f, --input-file FILE the text, in as many lines as it has; - is standard input\n"
    "      --phonemes        the text is symbols of the voice already, IPA for most\n"
    "  -o, --output-file FILE  .tsv .json .srt or .TextGrid (for Praat)\n"
    "      --plot FILE.svg   a picture: waveform, mel spectrogram, phonemes and words\n"
    LISTENING_HELP
    "\n"
    "AUDIO is anything that libsndfile reads, at any rate, mono or not, up to some 25 minutes;\n"
    "the text is said in it from its first word to its last. Five minutes at once take 1 GB.\n"
    "\n" PROGRAM_CODES;

enum { MOST_TEXT = 1 << 24 }; /* bytes */

typedef struct aligner {
    listening l;
    const char *speaker, *language, *path, *output, *plot;
    bool phonemes;
    char *read; /* the text, where it came from a file */
    const char *text;
    size_t n;
    timings_format format;
    timings out;
    speech_plot picture;
} aligner;

/* The first line that is not UTF-8; 0: there is none. */
static int bad_line(const char *text, size_t n)
{
    for (int line = 1; n; line++) {
        const char *end = memchr(text, '\n', n);
        const size_t length = end ? (size_t)(end - text) + 1 : n;
        if (!speech_is_utf8(text, length))
            return line;
        text += length;
        n -= length;
    }
    return 0;
}

static int read_text(aligner *a)
{
    const char *name = strcmp(a->path, "-") ? a->path : "standard input";
    FILE *f = strcmp(a->path, "-") ? fopen(a->path, "re") : stdin;
    int code = CODE_OK;

    if (!f)
        return program_fail(CODE_INPUT, "%s cannot be opened: %s", name, strerror(errno));
    a->read = malloc(MOST_TEXT + 1);
    if (!a->read)
        code = program_fail(CODE_FAILED, "out of memory for the text");
    a->n = code ? 0 : fread(a->read, 1, MOST_TEXT + 1, f);
    if (!code && ferror(f))
        code = program_fail(CODE_INPUT, "%s cannot be read: %s", name, strerror(errno));
    else if (!code && a->n > MOST_TEXT)
        code = program_fail(CODE_INPUT, "%s is longer than any text that is aligned at once: "
                                        "%d MiB at most", name, MOST_TEXT >> 20);
    if (f != stdin)
        fclose(f);
    a->text = a->read;
    if (!code && a->n > 2 && !memcmp(a->text, "\xef\xbb\xbf", 3)) { /* as some editors begin it */
        a->text += 3;
        a->n -= 3;
    }
    const int bad = code ? 0 : bad_line(a->text, a->n);
    if (bad)
        code = program_fail(CODE_USAGE, "%s, line %d: this is not UTF-8 text; convert it first",
                            name, bad);
    return code;
}

static int check(aligner *a, int argc, char **argv)
{
    const char *const read[] = { a->l.voice_path, a->l.config, a->path, argc ? argv[0] : NULL };

    if (argc < 1)
        return program_fail(CODE_USAGE, "give the recording, and the text that is said in it");
    if (argc < 2 && !a->path)
        return program_fail(CODE_USAGE, "give the text that is said in the recording after it, or "
                                        "-f FILE");
    if (argc > 1 && a->path)
        return program_fail(CODE_USAGE, "the text is given more than once; choose one of TEXT and "
                                        "-f");
    if (argc > 2)
        return program_fail(CODE_USAGE, "\"%.40s\" is one argument too many; put the text in "
                                        "quotes", argv[2]);
    if (a->output && !strcmp(a->output, "-"))
        a->output = NULL;
    a->format = a->output ? timings_format_of(a->output) : TIMINGS_TSV;
    if (a->format == TIMINGS_NONE)
        return program_fail(CODE_USAGE, "-o %s: end the name in .tsv, .json, .srt or .TextGrid",
                            a->output);
    const size_t n = a->plot ? strlen(a->plot) : 0;
    if (a->plot && (n < 4 || strcasecmp(a->plot + n - 4, ".svg")))
        return program_fail(CODE_USAGE, "--plot %s: end the name in .svg", a->plot);
    if (program_same_file(a->output, a->plot))
        return program_fail(CODE_USAGE, "%s would be written twice; give each file its own name",
                            a->plot);
    a->text = argc > 1 ? argv[1] : NULL;
    a->n = a->text ? strlen(a->text) : 0;
    const int code = program_check_output(a->output, read, 4, NULL);
    return code ? code : program_check_output(a->plot, read, 4, NULL);
}

static int add_sentence(aligner *a, const clvits_aligned *s)
{
    const timings_scores scores = { s->score, s->phoneme_scores };
    const clvits_chunk chunk = {
        .position = s->start,
        .text_start = s->text_start,
        .text_n = s->text_n,
        .phonemes = s->phonemes,
        .n_phonemes = s->n_phonemes,
        .words = s->words,
        .n_words = s->n_words,
    };

    timings_add(&a->out, &chunk, a->text, 0, s->length, &scores);
    return speech_plot_add(&a->picture, &chunk, 0);
}

static int write_all(aligner *a, const clvits_alignment *made)
{
    int code = speech_plot_open(&a->picture, a->plot);

    if (!code)
        code = timings_open(&a->out, a->output, a->format, made->sample_rate, true);
    if (code)
        return code;
    a->out.score = made->score;
    for (size_t i = 0; i < made->n_sentences && !code; i++)
        code = add_sentence(a, &made->sentences[i]);
    if (!code)
        code = speech_plot_write(&a->picture, a->l.samples, a->l.n);
    if (!code)
        code = speech_plot_finish(&a->picture, a->l.context, made->sample_rate);
    return code ? code : timings_finish(&a->out, made->n_frames * made->hop_length);
}

/* A muted microphone records a file like any other, and silence has a best path, too. */
static void tell_silence(const listening *l, const char *audio)
{
    const float step = 1.0f / 32768; /* of 16 bits */
    float peak = 0;

    for (size_t i = 0; i < l->n; i++)
        peak = fmaxf(peak, fabsf(l->samples[i]));
    if (peak < step && !l->quiet)
        program_note("warning: %s is silent: nothing in it is louder than a step of 16 bits",
                     audio);
}

static int run(aligner *a, const char *audio)
{
    clvits_align_params params = { .phonemes = a->phonemes };
    clvits_alignment *made = NULL;

    int code = a->path ? read_text(a) : CODE_OK;
    if (!code)
        code = listening_open(&a->l, audio);
    if (!code && a->speaker)
        code = names_find_speaker(a->l.voice, "", a->speaker, &params.speaker);
    if (!code && a->language)
        code = names_find_language(a->l.voice, a->language, &params.language);
    if (!code)
        code = program_check_output(a->output, NULL, 0, a->l.voice);
    if (!code)
        code = program_check_output(a->plot, NULL, 0, a->l.voice);
    if (code)
        return code;
    const double start = program_now();
    const clvits_status s = clvits_align(&made, a->l.voice, a->l.samples, a->l.n, a->text, a->n,
                                         &params);
    if (s)
        return listening_fail(&a->l, s);
    tell_silence(&a->l, audio);
    code = write_all(a, made);
    if (!code && !a->l.quiet)
        program_note("%.2f s of speech in %.2f s, score %.2f",
                     (double)a->l.n / made->sample_rate, program_now() - start,
                     (double)made->score);
    clvits_alignment_free(&made);
    return code;
}

int command_align(int argc, char **argv)
{
    aligner a = { .l.recheck = -1 };
    const option table[] = {
        LISTENING_OPTIONS(&a.l),
        { "speaker", 's', OPTION_TEXT, &a.speaker, 0, 0 },
        { "language", 'l', OPTION_TEXT, &a.language, 0, 0 },
        { "input-file", 'f', OPTION_TEXT, &a.path, 0, 0 },
        { "phonemes", 0, OPTION_FLAG, &a.phonemes, 0, 0 },
        { "output-file", 'o', OPTION_TEXT, &a.output, 0, 0 },
        { "plot", 0, OPTION_TEXT, &a.plot, 0, 0 },
    };
    int code = options_parse(table, (int)(sizeof(table) / sizeof(*table)), "align", help, &argc,
                             argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    code = check(&a, argc, argv);
    if (!code)
        code = run(&a, argv[0]);
    timings_discard(&a.out);
    speech_plot_discard(&a.picture);
    listening_close(&a.l);
    free(a.read);
    return code;
}
