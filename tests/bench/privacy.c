// SPDX-License-Identifier: MIT
//
// Results name neither folders nor the machine, whatever it is called.
#include "../../bench/bench.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

Suite *suite(void);

static const char *host;

int gethostname(char *name, size_t n)
{
    snprintf(name, n, "%s", host);
    return 0;
}

static const struct {
    const char *host, *before, *after;
} cases[] = {
    { "m", "on m: no memory", "on host: no memory" },
    { "box", "box-2.json of Box.local, inbox, boxes", "host-2.json of host.local, inbox, boxes" },
    { "a", "a b a a", "host b host host" },
    { "far-away", "far-away, far-away-2, so-far-away, far-awayness",
      "host, host-2, so-host, far-awayness" },
    { "box", "/home/box/results/a.json", "a.json" },
    { "", "nothing", "nothing" },
    { "medium", "medium, and /dev/null", "host, and null" },
};

START_TEST(hidden)
{
    cJSON *o = cJSON_CreateObject();

    host = cases[_i].host;
    cJSON_AddStringToObject(o, "reason", cases[_i].before);
    cJSON *list = cJSON_AddArrayToObject(o, "command");
    cJSON_AddItemToArray(list, cJSON_CreateString(cases[_i].before));
    bench_hide(o);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(o, "reason")), cases[_i].after);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetArrayItem(list, 0)), cases[_i].after);
    cJSON_Delete(o);
}
END_TEST

/* What files are compared by. */
START_TEST(kept)
{
    static const char *const keys[] = { "name", "level", "verdict" };
    cJSON *o = cJSON_CreateObject();

    host = "medium";
    for (int i = 0; i < LENGTH(keys); i++)
        cJSON_AddStringToObject(o, keys[i], "medium/medium");
    bench_hide(o);
    for (int i = 0; i < LENGTH(keys); i++)
        ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(o, keys[i])), "medium/medium");
    cJSON_Delete(o);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench-privacy");
    TCase *t = tcase_create("texts");

    tcase_add_loop_test(t, hidden, 0, LENGTH(cases));
    tcase_add_test(t, kept);
    suite_add_tcase(s, t);
    return s;
}
