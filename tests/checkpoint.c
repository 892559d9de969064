// SPDX-License-Identifier: MIT
//
// Checkpoints of training code as voices: what is found, what is taken from it, what is refused.
#include "model/voice_parts.h"
#include "voices.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define CKPT "lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt"

START_TEST(opens_the_original)
{
    voices_take(GOLDEN "vits-single/G_3000.pth", NULL);
    ck_assert_str_eq(v.kind, "VITS checkpoint (jaywalnut310)");
    ck_assert_str_eq(v.name, "vits-single");
    ck_assert_int_eq(v.config.n_vocab, 178);
    ck_assert_int_eq(v.config.hidden_channels, 8);
    ck_assert_int_eq(v.config.use_sdp, 1);
    ck_assert_int_eq(v.config.dp_filter_channels, 8);
    ck_assert_int_eq(v.config.flow_n_layers, 4);
    ck_assert_int_eq(v.config.flow_n_couplings, 4);
    ck_assert_int_eq(v.config.n_speakers, 1);
    ck_assert_int_eq(v.config.gin_channels, 0);
    ck_assert_int_eq(v.config.sampling_rate, 22050);
    ck_assert_int_eq(v.config.hop_length, 16);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_ESPEAK);
    ck_assert_str_eq(v.text.espeak_voice, "en-us");
    ck_assert_int_eq(v.text.bare, 0);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_BLANK);
    ck_assert_int_eq(voices_id("_"), 0);
    ck_assert_int_eq(voices_id(" "), 16);
    ck_assert_int_eq(voices_id("A"), 17);
    ck_assert_int_eq(voices_id("z"), 68);
    ck_assert_int_eq(voices_id("ɑ"), 69);
    ck_assert_int_eq(voices_id("ə"), 83);
    ck_assert_int_eq(voices_id("ˈ"), 156);
    ck_assert_int_eq(voices_id("'"), 176); /* there twice: the later one */
    ck_assert_int_eq(voices_id("\xcc\xa9"), 175);
    ck_assert_int_eq(voices_id("ᵻ"), 177);
    v.text.kind = CLVITS_TEXT_PHONEMES;
    ck_assert_str_eq(voices_ids("ə z"), "0 83 0 16 0 68 0");
}
END_TEST

START_TEST(opens_its_relatives)
{
    voices_take(GOLDEN "vits-speakers", NULL); /* the folder */
    ck_assert_str_eq(v.name, "vits-speakers");
    ck_assert_int_eq(v.config.use_sdp, 0);
    ck_assert_int_eq(v.config.dp_filter_channels, 20);
    ck_assert_int_eq(v.config.resblock, 2);
    ck_assert_int_eq(v.config.n_resblock_dilations[1], 2); /* of three that are listed */
    ck_assert_int_eq(v.config.n_speakers, 3);
    ck_assert_int_eq(v.config.gin_channels, 6);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "cy"), 2);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_CHARACTERS);
    ck_assert_str_eq(voices_ids("A b."), "0 6 0 5 0 7 0 2 0");
}
END_TEST

START_TEST(opens_mms)
{
    voices_take(GOLDEN "mms/", NULL);
    ck_assert_str_eq(v.kind, "MMS-TTS checkpoint");
    ck_assert_str_eq(v.name, "mms");
    ck_assert_int_eq(v.config.sampling_rate, 16000);
    ck_assert_int_eq(v.config.n_heads, 3);
    ck_assert_int_eq(v.config.n_vocab, 29);
    ck_assert_int_eq(voices_id("k"), 0);
    ck_assert_int_eq(voices_id(" "), 28);
    ck_assert_str_eq(voices_ids("Zy Z"), "0 2 0 3 0 28 0 2 0");

    const char *message = voices_ids("жук");
    ck_assert_msg(strstr(message, "uroman") && strstr(message, "ж"), "%s", message);
}
END_TEST

START_TEST(opens_checkpoints_of_piper)
{
    voices_take(GOLDEN "piper-ckpt/" CKPT, NULL);
    ck_assert_str_eq(v.kind, "Piper checkpoint");
    ck_assert_str_eq(v.name, "golden"); /* as its JSON says */
    ck_assert_int_eq(v.config.n_upsamples, 3); /* whose rates are text */
    ck_assert_int_eq(v.config.upsample_rates[0], 5);
    ck_assert_int_eq(v.config.resblock_dilation_sizes[1][1], 6);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_ESPEAK);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_PIPER);

    voices_take(GOLDEN "piper-ckpt-speakers/" CKPT, NULL);
    ck_assert_int_eq(v.config.n_speakers, 3);
    ck_assert_int_eq(v.config.gin_channels, 7);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "bob"), 1);
}
END_TEST

/* A folder with the original's golden voice, without its configuration. */
static void copy_run(void)
{
    files_copy("run/G_3000.pth", GOLDEN "vits-single/G_3000.pth");
}

START_TEST(takes_the_newest_of_a_run)
{
    copy_run();
    files_copy("run/config.json", GOLDEN "vits-single/config.json");
    files_text("run/G_900.pth", "an older one, whose name sorts behind");
    files_text("run/D_4000.pth", "a discriminator");
    files_text("run/G_latest.pth", "no step");
    voices_take(files_path("run"), NULL);
    ck_assert_str_eq(v.name, "run");
    clvits_voice_file_free(&v);
    files_text("run/G_10000.pth", "cut short while it was saved");
    voices_refuse(files_path("run"), NULL, CLVITS_E_FORMAT, "G_10000.pth");
}
END_TEST

START_TEST(finds_one_file_in_a_folder)
{
    files_text("run/notes.txt", "none of these");
    voices_refuse(files_path("run"), NULL, CLVITS_E_FILE, "holds no voice");
    files_copy("run/config.json", GOLDEN "vits-single/config.json");
    files_copy("run/pretrained.pth", GOLDEN "vits-single/G_3000.pth");
    voices_take(files_path("run"), NULL);
    voices_take(files_path("run/pretrained.pth"), NULL);
    ck_assert_str_eq(v.name, "pretrained");
    files_text("run/zz.pth", "");
    files_text("run/aa.pth", "");
    voices_refuse(files_path("run"), NULL, CLVITS_E_FILE, "aa.pth and pretrained.pth");
}
END_TEST

START_TEST(finds_the_configuration)
{
    static const char *const names[] = { "config.json", "run/ljs_base.json", "run/config.json",
                                         "run/G_3000.pth.json" };
    const char *path = files_path("run/G_3000.pth");

    copy_run();
    voices_refuse(path, NULL, CLVITS_E_FILE, "name it with -c");
    /* Each is preferred to those before it. */
    for (int i = 0; i < LENGTH(names); i++) {
        files_copy(names[i], GOLDEN "vits-single/config.json");
        voices_take(files_path("run/G_3000.pth"), NULL);
        files_text(names[i], "no JSON");
        voices_refuse(files_path("run/G_3000.pth"), NULL, CLVITS_E_FORMAT, names[i]);
    }
    voices_take(files_path("run/G_3000.pth"), GOLDEN "vits-single/config.json");
    voices_refuse(files_path("run/G_3000.pth"), files_path("none.json"), CLVITS_E_FILE,
                  "none.json");

    ck_assert_int_eq(remove(files_path("run/G_3000.pth.json")), 0);
    ck_assert_int_eq(remove(files_path("run/config.json")), 0);
    ck_assert_int_eq(remove(files_path("config.json")), 0);
    files_text("run/other.json", "{}");
    voices_refuse(files_path("run/G_3000.pth"), NULL, CLVITS_E_FILE, "several other .json");
}
END_TEST

/* As large numbers of models were published: weights and configuration under their own names. */
START_TEST(refuses_what_is_no_voice)
{
    voices_refuse(GOLDEN "vits-single/D_3000.pth", NULL, CLVITS_E_UNSUPPORTED, "discriminator");
    voices_refuse(GOLDEN "vits-speakers/D_200.pth", NULL, CLVITS_E_UNSUPPORTED, "discriminator");
    voices_refuse(GOLDEN "vits-single/G_3000.pth", GOLDEN "piper-ckpt/config.json", CLVITS_E_FORMAT,
                  "no configuration of a VITS training run");
    voices_refuse(GOLDEN "vits-single/G_3000.pth", GOLDEN "hf-sdp/config.json", CLVITS_E_FORMAT,
                  "no configuration of a VITS training run");
    voices_refuse(GOLDEN "vits-single/G_3000.pth", GOLDEN "mms/config.json", CLVITS_E_FORMAT,
                  "has 29 symbols, but the model has 178");
    voices_refuse(GOLDEN "piper-ckpt/" CKPT, GOLDEN "vits-single/config.json", CLVITS_E_FORMAT,
                  "audio.sample_rate is missing");
}
END_TEST

/* Put other text in the place of some in a configuration; "" for the old one: at the start. */
static const char *edit(const char *from, const char *old, const char *new)
{
    return files_edited("edited.json", from, old, new);
}

static const struct {
    const char *voice, *old, *new;
    clvits_status status;
    const char *message;
} edits[] = {
    { "vits-single", "\"hidden_channels\": 8", "\"hidden_channels\": 10", CLVITS_E_FORMAT,
      "of the wrong shape" },
    { "vits-single", "\"hidden_channels\": 8", "\"hidden_channels\": null", CLVITS_E_FORMAT,
      "model.hidden_channels is missing" },
    { "vits-single", "\"n_layers\": 2", "\"n_layers\": 3", CLVITS_E_FORMAT, "missing (enc_p" },
    { "vits-single", "\"n_layers\": 2", "\"n_layers\": 1", CLVITS_E_FORMAT, "left over (enc_p" },
    { "vits-single", "\"resblock\": \"1\"", "\"resblock\": \"3\"", CLVITS_E_FORMAT,
      "model.resblock" },
    { "vits-single", "\"resblock\": \"1\"", "\"resblock\": 2", CLVITS_E_FORMAT,
      "missing (dec.resblocks" },
    { "vits-single", "\"n_speakers\": 0", "\"n_speakers\": 109", CLVITS_E_FORMAT, "gin_channels" },
    { "vits-single", "\"hop_length\": 16", "\"hop_length\": 256", CLVITS_E_FORMAT,
      "data.hop_length is 256, but model.upsample_rates multiply to 16" },
    { "vits-single", "\"sampling_rate\": 22050", "\"rate\": 22050", CLVITS_E_FORMAT,
      "data.sampling_rate is missing" },
    { "vits-single", "\"add_blank\": true", "\"add_blank\": 1", CLVITS_E_FORMAT,
      "data.add_blank should be true or false" },
    { "vits-single", "\"p_dropout\": 0.1", "\"use_sdp\": false", CLVITS_E_FORMAT,
      "missing (dp.conv_1.weight" },
    { "vits-single", "{", "{\"symbols\": [\"a\", \"b\"],", CLVITS_E_FORMAT,
      "symbols has 2 symbols, but the model has 178" },
    { "vits-single", "{", "{\"symbols\": \"aé\",", CLVITS_E_FORMAT,
      "symbols has 2 symbols, but the model has 178" },
    { "vits-single", "{", "{\"symbols\": [1],", CLVITS_E_FORMAT, "symbols should be a list of" },
    { "vits-single", "\"p_dropout\"", "\"use_transformer_flows\": true, \"p_dropout\"",
      CLVITS_E_UNSUPPORTED, "VITS2" },
    { "vits-single", "\"p_dropout\"", "\"mb_istft_vits\": true, \"p_dropout\"",
      CLVITS_E_UNSUPPORTED, "iSTFT" },
    { "vits-single", "\"p_dropout\"",
      "\"mb_istft_vits\": false, \"ms_istft_vits\": null, \"istft_vits\": true, \"p_dropout\"",
      CLVITS_E_UNSUPPORTED, "(iSTFT-VITS)" },
    { "vits-single", "\"p_dropout\"", "\"ssl_dim\": 256, \"p_dropout\"", CLVITS_E_UNSUPPORTED,
      "so-vits-svc" },
    { "vits-single", "{", "{\"num_tones\": 16,", CLVITS_E_UNSUPPORTED, "MeloTTS" },
    { "vits-speakers", "\"n_speakers\": 3", "\"n_speakers\": 4", CLVITS_E_FORMAT,
      "emb_g.weight is [3,6], not [4,6]" },
    { "vits-speakers", "\"ann\"", "1", CLVITS_E_FORMAT, "speakers should be a list of names" },
};

START_TEST(refuses_wrong_configurations)
{
    char golden[512], path[512];

    snprintf(golden, sizeof(golden), GOLDEN "%s/config.json", edits[_i].voice);
    snprintf(path, sizeof(path), GOLDEN "%s", edits[_i].voice);
    voices_refuse(path, edit(golden, edits[_i].old, edits[_i].new), edits[_i].status,
                  edits[_i].message);
    ck_assert_msg(strstr(r.text, "edited.json") || strstr(r.text, path), "no path in: %s", r.text);
}
END_TEST

/* What published configurations leave out or put elsewhere. */
START_TEST(takes_what_configurations_differ_in)
{
    const char *single = GOLDEN "vits-single/config.json";
    const char *speakers = GOLDEN "vits-speakers/config.json";

    voices_take(GOLDEN "vits-single", edit(single, "\"resblock\": \"1\"", "\"resblock\": 1"));
    voices_take(GOLDEN "vits-single", edit(single, "\"n_speakers\": 0", "\"n_speakers\": 1"));
    voices_take(GOLDEN "vits-single",
                edit(single, "\"p_dropout\"",
                     "\"use_transformer_flows\": false, \"ssl_dim\": 0, \"p_dropout\""));
    voices_take(GOLDEN "vits-single", edit(single, "\"add_blank\": true", "\"add_blank\": false"));
    v.text.kind = CLVITS_TEXT_PHONEMES;
    ck_assert_str_eq(voices_ids("ə z"), "83 16 68");

    voices_take(GOLDEN "vits-single", edit(single, "english_cleaners2", "english_cleaners"));
    ck_assert_int_eq(v.text.bare, 1);
    voices_take(GOLDEN "vits-single", edit(single, "english_cleaners2", "japanese_cleaners"));
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_IDS);
    ck_assert_msg(strstr(voices_ids("ka"), "japanese_cleaners") && strstr(r.text, "--phonemes"),
                  "%s", r.text);

    /* Told by the table of speakers where the configuration does not. */
    voices_take(GOLDEN "vits-speakers", edit(speakers, "\"n_speakers\": 3,", ""));
    ck_assert_int_eq(v.config.n_speakers, 3);
    voices_take(GOLDEN "vits-speakers", edit(speakers, "\"gin_channels\": 6,", ""));
    ck_assert_int_eq(v.config.gin_channels, 6);
    voices_take(GOLDEN "vits-speakers", edit(speakers, "\"use_sdp\": false,", ""));
    ck_assert_int_eq(v.config.use_sdp, 0);
    voices_take(GOLDEN "vits-speakers", edit(speakers, "\"speakers\": [", "\"names\": ["));
    ck_assert_int_eq(v.n_speakers, 0);
    voices_take(GOLDEN "vits-speakers",
                edit(speakers, "\"speakers\": [", "\"speakers\": {\"x\": 2}, \"names\": ["));
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "x"), 2);
}
END_TEST

START_TEST(reads_lists_of_symbols)
{
    const char *path = files_path("mms/G_100000.pth");

    files_copy("mms/G_100000.pth", GOLDEN "mms/G_100000.pth");
    files_copy("mms/config.json", GOLDEN "mms/config.json");
    /* Capital letters only, and the line ends of Windows. */
    files_text("mms/vocab.txt", "K\r\n'\r\nZ\r\nY\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n11\r\n12\r\n"
                                "13\r\n14\r\n15\r\n16\r\n17\r\n18\r\n19\r\n20\r\n21\r\n22\r\n23\r\n"
                                "24\r\n25\r\n26\r\n27\r\n28\r\n \r\n");
    voices_take(path, NULL);
    ck_assert_str_eq(voices_ids("zY k"), "0 2 0 3 0 28 0 0 0");
    files_text("mms/vocab.txt", "k\n'\n");
    voices_refuse(path, NULL, CLVITS_E_FORMAT, "has 2 symbols, but the model has 29");
    files_text("mms/vocab.txt", "k\n\xff\n");
    voices_refuse(path, NULL, CLVITS_E_FORMAT, "UTF-8");
    files_write("mms/vocab.txt", "k\n\0\n", 4);
    voices_refuse(path, NULL, CLVITS_E_FORMAT, "line 2 is no symbol");
}
END_TEST

static const struct {
    const char *name, *model; /* NULL: VITS has it */
} tensors[] = {
    { "enc_p.emb.weight", NULL },
    { "enc_p.encoder.attn_layers.0.conv_q.weight", NULL },
    { "flow.flows.0.enc.in_layers.0.weight_g", NULL },
    { "dec.conv_post.weight", NULL },
    { "enc_q.enc.cond_layer.weight_v", NULL },
    { "dp.post_flows.7.proj.bias", NULL },
    { "enc_p.tone_emb.weight", "MeloTTS" },
    { "enc_p.bert_proj.weight", "Bert-VITS2" },
    { "enc_p.ja_bert_proj.weight", "Bert-VITS2" },
    { "sdp.flows.0.m", "Bert-VITS2" },
    { "flow.flows.0.pre_transformer.attn_layers.0.conv_q.weight", "VITS2" },
    { "flow.flows.6.enc.attn_layers.0.conv_q.weight", "VITS2" },
    { "enc_p.emb_pitch.weight", "RVC" },
    { "emb_uv.weight", "so-vits-svc" },
    { "dec.m_source.l_linear.weight", "pitch" },
    { "enc_p.encoder_ssl.attn_layers.0.conv_q.weight", "GPT-SoVITS" },
    { "quantizer.vq.layers.0._codebook.embed", "GPT-SoVITS" },
    { "model.ar_text_embedding.word_embeddings.weight", "GPT-SoVITS" },
    { "enc_spk.lstm.weight_ih_l0", "FreeVC" },
    { "ref_enc.convs.0.weight_g", "OpenVoice" },
    { "dec.subband_conv_post.weight_g", "iSTFT" },
    { "dec.multistream_conv_post.weight_v", "iSTFT" },
    { "generator.text_encoder.emb.weight", "icefall" },
    { "tts.generator.decoder.input_conv.weight", "ESPnet" },
    { "dec.conv_pre._packed_params", "quantised" },
    { "dec.conv_pre.zero_point", "quantised" },
};

START_TEST(knows_relatives_by_their_tensors)
{
    const clvits_status want = tensors[_i].model ? CLVITS_E_UNSUPPORTED : CLVITS_OK;

    ck_assert_int_eq(clvits_refuse_tensor(tensors[_i].name, "x.pth", &r), want);
    if (tensors[_i].model)
        ck_assert_msg(strstr(r.text, tensors[_i].model) && strstr(r.text, "x.pth") &&
                      strstr(r.text, tensors[_i].name), "%s", r.text);
}
END_TEST

/* The original's tensors in a .safetensors file, beside the original's configuration. */
START_TEST(opens_checkpoints_stored_as_safetensors)
{
    clvits_voice_file other;
    clvits_array *items;
    size_t count;

    ck_assert_msg(!clvits_voice_file_open_whole(&other, GOLDEN "vits-single", NULL, &r), "%s",
                  r.text);
    items = other.raw.items;
    count = other.raw.count;
    files_copy("run/config.json", GOLDEN "vits-single/config.json");
    files_safetensors("run/model.safetensors", items, count);
    voices_take(files_path("run"), NULL);
    ck_assert_str_eq(v.kind, "VITS checkpoint (jaywalnut310)");
    files_same_arrays(&v.weights, &other.weights);

    /* A decoder that ends in more channels than one ends in an iSTFT. */
    for (size_t i = 0; i < count; i++)
        if (!strcmp(items[i].name, "dec.conv_post.weight"))
            items[i].shape[0] = 2, items[i].shape[1] /= 2;
    files_safetensors("run/model.safetensors", items, count);
    voices_refuse(files_path("run"), NULL, CLVITS_E_UNSUPPORTED, "iSTFT");
    clvits_voice_file_free(&other);
}
END_TEST

static const struct {
    const char *name;
    clvits_status status;
    const char *message;
} relatives[] = {
    { "melotts", CLVITS_E_UNSUPPORTED, "MeloTTS" },
    { "vits2", CLVITS_E_UNSUPPORTED, "VITS2" },
    { "mb-istft", CLVITS_E_UNSUPPORTED, "iSTFT" },
    { "so-vits-svc", CLVITS_E_UNSUPPORTED, "so-vits-svc" },
    { "rvc", CLVITS_E_UNSUPPORTED, "RVC" },
    { "gpt-sovits", CLVITS_E_UNSUPPORTED, "GPT-SoVITS" },
    { "icefall", CLVITS_E_UNSUPPORTED, "icefall" },
    { "espnet", CLVITS_E_UNSUPPORTED, "ESPnet" },
    { "hifigan", CLVITS_E_UNSUPPORTED, "HiFi-GAN" },
    { "unknown", CLVITS_E_UNSUPPORTED, "fc.weight" },
    { "list", CLVITS_E_FORMAT, "holds no tensors" },
};

START_TEST(refuses_relatives)
{
    char path[512];

    snprintf(path, sizeof(path), GOLDEN "relatives/%s.pth", relatives[_i].name);
    voices_refuse(path, NULL, relatives[_i].status, relatives[_i].message);
    ck_assert_msg(strstr(r.text, path), "no path in: %s", r.text);
}
END_TEST

START_TEST(finds_steps)
{
    ck_assert_int_eq(clvits_checkpoint_step("G_0.pth"), 0);
    ck_assert_int_eq(clvits_checkpoint_step("G_123000.pth"), 123000);
    ck_assert_int_eq(clvits_checkpoint_step("D_123000.pth"), -1);
    ck_assert_int_eq(clvits_checkpoint_step("G_-1.pth"), -1);
    ck_assert_int_eq(clvits_checkpoint_step("G_1.pth.old"), -1);
    ck_assert_int_eq(clvits_checkpoint_step("G_99999999999999999999.pth"), -1);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, voices_open, voices_close);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, opens_the_original);
    tcase_add_test(t, opens_its_relatives);
    tcase_add_test(t, opens_mms);
    tcase_add_test(t, opens_checkpoints_of_piper);
    tcase_add_test(t, takes_the_newest_of_a_run);
    tcase_add_test(t, finds_one_file_in_a_folder);
    tcase_add_test(t, finds_the_configuration);
    tcase_add_test(t, refuses_what_is_no_voice);
    tcase_add_loop_test(t, refuses_wrong_configurations, 0, LENGTH(edits));
    tcase_add_test(t, takes_what_configurations_differ_in);
    tcase_add_test(t, reads_lists_of_symbols);
    tcase_add_loop_test(t, knows_relatives_by_their_tensors, 0, LENGTH(tensors));
    tcase_add_test(t, opens_checkpoints_stored_as_safetensors);
    tcase_add_loop_test(t, refuses_relatives, 0, LENGTH(relatives));
    tcase_add_test(t, finds_steps);
    suite_add_tcase(s, t);
    return s;
}
