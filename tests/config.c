// SPDX-License-Identifier: MIT
#include "base_voice.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <string.h>

START_TEST(accepts_the_base_voice)
{
    const clvits_config c = base_voice();
    clvits_report r = { 0 };

    ck_assert_msg(clvits_config_check(&c, &r) == CLVITS_OK, "%s", r.text);
}
END_TEST

START_TEST(refuses_an_unfilled_one)
{
    const clvits_config c = clvits_config_default();
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_config_check(&c, &r), CLVITS_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(r.text, "n_vocab is 0"));
}
END_TEST

static clvits_config changed; /* the fields below are addressed in it */

static const struct {
    int *field;
    int value;
    const char *name;
} wrong[] = {
    { &changed.n_vocab, -1, "n_vocab" },
    { &changed.inter_channels, 191, "inter_channels" },
    { &changed.hidden_channels, INT_MAX, "hidden_channels" },
    { &changed.filter_channels, 0, "filter_channels" },
    { &changed.n_heads, 5, "n_heads" },
    { &changed.n_heads, 0, "n_heads" },
    { &changed.kernel_size, 256, "kernel_size" },
    { &changed.window_size, 0, "window_size" },
    { &changed.resblock, 3, "resblock" },
    { &changed.n_resblocks, 9, "n_resblocks" },
    { &changed.resblock_kernel_sizes[1], 4, "resblock_kernel_sizes" },
    { &changed.resblock_kernel_sizes[2], -3, "resblock_kernel_sizes" },
    { &changed.n_resblock_dilations[0], 9, "resblock_dilation_sizes" },
    { &changed.resblock_dilation_sizes[1][1], 1025, "resblock_dilation_sizes" },
    { &changed.n_upsamples, 0, "n_upsamples" },
    { &changed.upsample_rates[0], 0, "upsample_rates" },
    { &changed.upsample_rates[0], 255, "upsample_kernel_sizes" },
    { &changed.upsample_kernel_sizes[0], 6, "upsample_kernel_sizes" },
    { &changed.upsample_kernel_sizes[0], 17, "upsample_kernel_sizes" },
    { &changed.upsample_initial_channel, 15, "upsample_initial_channel" },
    { &changed.conv_pre_kernel, 6, "conv_pre_kernel" },
    { &changed.dp_filter_channels, 0, "dp_filter_channels" },
    { &changed.dp_kernel_size, 65, "dp_kernel_size" },
    { &changed.spline_bins, 1, "spline_bins" },
    { &changed.flow_kernel_size, 2, "flow_kernel_size" },
    { &changed.flow_dilation_rate, 11, "flow_dilation_rate" },
    { &changed.n_speakers, 2, "gin_channels" },
    { &changed.n_speakers, 0, "n_speakers" },
    { &changed.sampling_rate, 0, "sampling_rate" },
    { &changed.hop_length, 512, "hop_length" },
};

START_TEST(refuses_by_name)
{
    clvits_report r = { 0 };

    changed = base_voice();
    *wrong[_i].field = wrong[_i].value;
    ck_assert_int_eq(clvits_config_check(&changed, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, wrong[_i].name), "%s", r.text);
}
END_TEST

/* Of the posterior encoder, which only some are opened with. */
static const struct {
    int *field;
    int value;
    const char *name;
} wrong_posterior[] = {
    { &changed.n_fft, 1, "n_fft" },
    { &changed.n_fft, 4098, "n_fft" },
    { &changed.win_length, 0, "win_length" },
    { &changed.win_length, 1025, "win_length is 1025, but must be 1 to 1024" },
    { &changed.posterior_n_layers, 65, "posterior_n_layers" },
    { &changed.posterior_kernel_size, 4, "posterior_kernel_size" },
    { &changed.posterior_dilation_rate, 0, "posterior_dilation_rate" },
    { &changed.posterior_dilation_rate, 2, "posterior_dilation_rate" },
};

START_TEST(refuses_posterior_encoders_by_name)
{
    clvits_report r = { 0 };

    changed = base_voice();
    ck_assert_int_eq(clvits_config_check_posterior(&changed, &r), CLVITS_E_FORMAT);
    changed.n_fft = changed.win_length = 1024;
    changed.posterior_n_layers = 16;
    changed.posterior_kernel_size = 5;
    changed.posterior_dilation_rate = 1;
    r = (clvits_report){ 0 };
    ck_assert_int_eq(clvits_config_check_posterior(&changed, &r), CLVITS_OK);
    *wrong_posterior[_i].field = wrong_posterior[_i].value;
    ck_assert_int_eq(clvits_config_check(&changed, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_config_check_posterior(&changed, &r), CLVITS_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(r.text, wrong_posterior[_i].name));
}
END_TEST

START_TEST(refuses_an_absurd_hop)
{
    clvits_report r = { 0 };

    changed = base_voice();
    changed.n_upsamples = 8;
    for (int i = 0; i < 8; i++)
        changed.upsample_rates[i] = changed.upsample_kernel_sizes[i] = 255;
    ck_assert_int_eq(clvits_config_check(&changed, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "product of upsample_rates"), "%s", r.text);
}
END_TEST

START_TEST(refuses_scales_that_are_no_numbers)
{
    clvits_report r = { 0 };

    changed = base_voice();
    changed.noise_w = NAN;
    ck_assert_int_eq(clvits_config_check(&changed, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "noise_w"), "%s", r.text);

    clvits_report_clear(&r);
    changed = base_voice();
    changed.length_scale = 0;
    ck_assert_int_eq(clvits_config_check(&changed, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "length_scale"), "%s", r.text);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("cases");

    tcase_add_test(t, accepts_the_base_voice);
    tcase_add_test(t, refuses_an_unfilled_one);
    tcase_add_loop_test(t, refuses_by_name, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_loop_test(t, refuses_posterior_encoders_by_name, 0,
                        sizeof(wrong_posterior) / sizeof(wrong_posterior[0]));
    tcase_add_test(t, refuses_an_absurd_hop);
    tcase_add_test(t, refuses_scales_that_are_no_numbers);
    suite_add_tcase(s, t);
    return s;
}
