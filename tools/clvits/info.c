// SPDX-License-Identifier: MIT
#include "options.h"

#include <string.h>

static const char help[] =
    "usage: clvits info [OPTION]... [VOICE]\n"
    "\n"
    "Say what a voice is: whatever \"clvits speak\" takes. Without VOICE, the embedded one.\n"
    "\n"
    "  -c, --config FILE its configuration, where that does not stand beside it\n"
    "  --json            as JSON, with every speaker\n"
    "  --graph FILE.dot  also the graphs of its three stages, with each operator's shape, cost\n"
    "                    and place, for Graphviz: dot -Tsvg FILE.dot > FILE.svg\n"
    "  --device D        with --graph, to place operators on: as for \"clvits speak\"\n"
    "  --place RULE      likewise\n"
    "  --precision P     likewise\n"
    "\n" PROGRAM_CODES;

enum { SPEAKERS_SHOWN = 12 };

static void json_text(const char *key, const char *text)
{
    printf(",\n  \"%s\": ", key);
    program_json(stdout, text, strlen(text));
}

static void json_modules(const clvits_voice_info *v)
{
    printf(",\n  \"modules\": {");
    for (int i = 0; i < v->n_modules; i++)
        printf("%s\n    \"%s\": { \"parameters\": %lld, \"training\": %lld }", i ? "," : "",
               v->modules[i].name, (long long)v->modules[i].parameters,
               (long long)v->modules[i].training);
    printf("\n  },\n  \"has_training\": %s", v->has_training ? "true" : "false");
}

static void json_cost(const clvits_voice_cost *c)
{
    printf(",\n  \"gflop_per_second\": { \"enc_p\": %.4f, \"dp\": %.4f, \"flow\": %.4f, "
           "\"dec\": %.4f, \"total\": %.4f }",
           c->text, c->durations, c->flow, c->decoder, c->total);
}

/* The names of all speakers, or of all languages; null for those that have none. */
static void json_names(const char *key, const clvits_voice *voice, int n,
                       const char *(*name_of)(const clvits_voice *voice, int i))
{
    printf(",\n  \"%s\": [", key);
    for (int i = 0; i < n; i++) {
        const char *name = name_of(voice, i);
        printf("%s", i ? ", " : "");
        if (name)
            program_json(stdout, name, strlen(name));
        else
            printf("null");
    }
    printf("]");
}

static void print_json(const clvits_voice *voice, const clvits_voice_info *v,
                       const clvits_voice_cost *cost)
{
    printf("{\n  \"name\": ");
    program_json(stdout, v->name, strlen(v->name));
    json_text("kind", v->kind);
    json_text("origin", v->origin);
    printf(",\n  \"sample_rate\": %d,\n  \"hop_length\": %d,\n  \"symbols\": %d,\n"
           "  \"parameters\": %lld",
           v->sample_rate, v->hop_length, v->n_symbols, (long long)v->parameters);
    json_modules(v);
    json_cost(cost);
    json_text("front_end", v->front_end);
    json_text("language", v->language);
    printf(",\n  \"noise_scale\": %g,\n  \"noise_w\": %g,\n  \"length_scale\": %g,\n"
           "  \"hidden_channels\": %d,\n  \"inter_channels\": %d,\n  \"layers\": %d,\n"
           "  \"heads\": %d,\n  \"resblock\": %d,\n  \"stochastic_durations\": %s,\n"
           "  \"upsample_initial_channel\": %d",
           (double)v->noise_scale, (double)v->noise_w, (double)v->length_scale,
           v->hidden_channels, v->inter_channels, v->n_layers, v->n_heads, v->resblock,
           v->stochastic_durations ? "true" : "false", v->upsample_initial_channel);
    json_names("speakers", voice, v->n_speakers, clvits_voice_speaker_name);
    json_names("languages", voice, v->n_languages > 1 ? v->n_languages : 0,
               clvits_voice_language_name);
    printf("\n}\n");
}

static void print_parameters(const clvits_voice_info *v)
{
    const char *name;
    const double unit = program_unit(v->parameters, &name);
    int64_t training = 0;

    printf("parameters   %.2f %s:", (double)v->parameters / unit, name);
    for (int i = 0, shown = 0; i < v->n_modules; i++) {
        if (v->modules[i].parameters)
            printf("%s %s %.2f", shown++ ? "," : "", v->modules[i].name,
                   (double)v->modules[i].parameters / unit);
        training += v->modules[i].training;
    }
    printf("\ntraining     ");
    if (!training)
        printf("not in the file");
    else
        printf("%.2f %s more:", (double)training / unit, name);
    for (int i = 0, shown = 0; i < v->n_modules; i++)
        if (v->modules[i].training)
            printf("%s %s %.2f", shown++ ? "," : "", v->modules[i].name,
                   (double)v->modules[i].training / unit);
    printf("\n");
}

static void print_cost(const clvits_voice_cost *c)
{
    const struct {
        const char *name;
        double gflop;
    } stages[] = { { "dec", c->decoder },
                   { "flow", c->flow },
                   { "enc_p", c->text },
                   { "dp", c->durations } };

    printf("cost         %.2f GFLOP per second of speech:", c->total);
    for (int i = 0; i < 4; i++)
        printf("%s %s %.1f %%", i ? "," : "", stages[i].name, 100.0 * stages[i].gflop / c->total);
    printf("\n");
}

static void print_speakers(const clvits_voice *voice, const clvits_voice_info *v)
{
    printf("speakers     %d", v->n_speakers);
    for (int i = 0, shown = 0; i < v->n_speakers && shown <= SPEAKERS_SHOWN; i++) {
        const char *name = clvits_voice_speaker_name(voice, i);
        if (!name)
            continue;
        if (shown++ == SPEAKERS_SHOWN)
            printf(", ... (--json lists all)");
        else
            printf("%s%s", shown == 1 ? ": " : ", ", name);
    }
    printf("\n");
}

static void print_languages(const clvits_voice *voice, const clvits_voice_info *v)
{
    if (v->n_languages < 2)
        return;
    printf("languages    %d", v->n_languages);
    for (int i = 0; i < v->n_languages; i++) {
        const char *name = clvits_voice_language_name(voice, i);
        printf("%s%s", i ? ", " : ": ", name ? name : "?");
    }
    printf("\n");
}

static void print_text(const clvits_voice *voice, const clvits_voice_info *v,
                       const clvits_voice_cost *cost)
{
    printf("name         %s\n", v->name);
    printf("kind         %s%s%s\n", v->kind, *v->origin ? ", was: " : "", v->origin);
    printf("rate         %d Hz, %d samples per frame\n", v->sample_rate, v->hop_length);
    printf("text         %s%s%s, %d symbols\n", v->front_end, *v->language ? ", " : "",
           v->language, v->n_symbols);
    print_parameters(v);
    print_cost(cost);
    printf("geometry     hidden %d, latent %d, %d layers of %d heads, %s durations, decoder from "
           "%d channels with residual block %d\n",
           v->hidden_channels, v->inter_channels, v->n_layers, v->n_heads,
           v->stochastic_durations ? "stochastic" : "deterministic", v->upsample_initial_channel,
           v->resblock);
    printf("defaults     noise scale %g, noise w %g, length scale %g\n", (double)v->noise_scale,
           (double)v->noise_w, (double)v->length_scale);
    print_speakers(voice, v);
    print_languages(voice, v);
}

static int write_piece(void *file, const char *text, size_t n)
{
    return fwrite(text, 1, n, file) != n;
}

static int write_graph(clvits_context *context, clvits_voice *voice, const char *path)
{
    text_file file;
    const int code = text_file_open(&file, path);

    if (code)
        return code;
    const clvits_status s = clvits_voice_write_graph(voice, write_piece, file.f);
    if (s == CLVITS_OK || s == CLVITS_E_CANCELLED)
        return text_file_finish(&file); /* says so when writing failed */
    text_file_discard(&file);
    return program_fail(program_code(s, CODE_FAILED), "%s", clvits_context_error(context));
}

int command_info(int argc, char **argv)
{
    bool json = false;
    const char *path = NULL, *config = NULL, *graph = NULL;
    clvits_context_params params = { 0 };
    const option table[] = { { "json", 0, OPTION_FLAG, &json, 0, 0 },
                             { "model", 'm', OPTION_TEXT, &path, 0, 0 },
                             { "config", 'c', OPTION_TEXT, &config, 0, 0 },
                             { "graph", 0, OPTION_TEXT, &graph, 0, 0 },
                             { "device", 0, OPTION_TEXT, &params.device, 0, 0 },
                             { "place", 0, OPTION_TEXT, &params.place, 0, 0 },
                             { "precision", 0, OPTION_TEXT, &params.precision, 0, 0 } };
    program_log log = { 0 };
    clvits_context *context = NULL;
    clvits_voice *voice = NULL;
    clvits_voice_info info;
    clvits_voice_cost cost;
    int code = options_parse(table, 7, "info", help, &argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    if (argc > 1 || (argc && path))
        return program_fail(CODE_USAGE, "one voice at a time");
    if (!graph) { /* the CPU path is quick to open, and enough to say what a voice is */
        params.device = "cpu";
        params.place = params.place ? params.place : "";
        params.precision = params.precision ? params.precision : "fp32";
    }
    if (argc)
        path = argv[0];
    if (config && !path)
        return program_fail(CODE_USAGE, "-c goes with a voice: it says where its configuration is");
    code = program_check_output(graph, (const char *const[]){ path, config }, 2, NULL);
    if (!code)
        code = program_open(&context, &params, &log);
    if (code)
        return code;
    clvits_status s = clvits_voice_open_config(&voice, context, path, config);
    if (!s)
        s = clvits_voice_get_cost(voice, &cost);
    if (s) {
        code = program_fail(program_code(s, CODE_INPUT), "%s", clvits_context_error(context));
    } else {
        clvits_voice_get_info(voice, &info);
        code = program_check_output(graph, NULL, 0, voice);
        if (graph && !code)
            code = write_graph(context, voice, graph);
        if (!code && json)
            print_json(voice, &info, &cost);
        else if (!code)
            print_text(voice, &info, &cost);
    }
    clvits_voice_close(&voice);
    clvits_context_close(&context);
    return code;
}
