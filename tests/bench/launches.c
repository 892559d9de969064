// SPDX-License-Identifier: MIT
//
// What is heard is what "clvits check" has checked: every kernel that voices run is among those
// that it runs, and so is every form of the CPU path's convolution. Devices are described, since
// they choose by what they are; nothing is run.
#include "../../bench/nodes.h"
#include "../../bench/voice.h"

#include "graph/build.h"
#include "model/check.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *suite(void);

enum { MOST = 256, TEXT = 320, PARAMS = 256 };

/* Where nodes run, and what the checks run there. */
static struct place {
    const char *name;
    bool cpu_path;
    clvits_family family;
    int vector; /* floats */
    clvits_target at;
    char checked[MOST][TEXT];
    int n_checked;
} places[] = {
    { "GPU", false, CLVITS_FAMILY_GPU, 4 },
    { "CPU device, vectors of 4", false, CLVITS_FAMILY_CPU, 4 },
    { "CPU device, vectors of 8", false, CLVITS_FAMILY_CPU, 8 },
    { "CPU device, vectors of 16", false, CLVITS_FAMILY_CPU, 16 },
    { "CPU path, vectors of 4", true, CLVITS_FAMILY_CPU, 4 },
    { "CPU path, vectors of 8", true, CLVITS_FAMILY_CPU, 8 },
    { "CPU path, vectors of 16", true, CLVITS_FAMILY_CPU, 16 },
};

static clvits_device *devices[LENGTH(places)];
static clvits_cpu_table tables[LENGTH(places)];
static clvits_cpu cpus[LENGTH(places)];

typedef struct looking {
    const char *who; /* a voice; NULL: a check */
    const nodes_way *way;
    clvits_report report;
    char missing[4096];
} looking;

static void begin(void)
{
    clvits_report r = { 0 };

    for (int i = 0; i < LENGTH(places); i++) {
        struct place *p = &places[i];
        clvits_device_info info = nodes_gpu;
        p->at = (clvits_target){ .place = !p->cpu_path };
        tables[i].vector = p->vector;
        cpus[i].table = &tables[i];
        if (p->cpu_path) {
            p->at.cpu = &cpus[i];
            continue;
        }
        if (p->family == CLVITS_FAMILY_CPU) { /* as PoCL's are */
            info.family = CLVITS_FAMILY_CPU;
            info.gpu = false;
            info.vector = p->vector;
            info.max_work_group = info.max_work_item[0] = 4096;
            info.local_memory = 512 << 10;
        }
        ck_assert_int_eq(clvits_device_describe(&devices[i], &info, &r), CLVITS_OK);
        p->at.device = devices[i];
    }
}

static void end(void)
{
    for (int i = 0; i < LENGTH(places); i++)
        clvits_device_close(&devices[i]);
}

/* Without those that say how much there is of something, and not what is done with it. */
static void append_options(char *out, const char *options)
{
    static const char *const sizes[] = { "-DHEAD=", "-DCHUNK=" };
    char copy[TEXT], *rest = copy, *option;

    snprintf(copy, sizeof(copy), "%s", options);
    while ((option = strsep(&rest, " ")) != NULL) {
        bool size = false;
        for (int i = 0; i < LENGTH(sizes); i++)
            size |= !strncmp(option, sizes[i], strlen(sizes[i]));
        if (!size)
            snprintf(out + strlen(out), TEXT - strlen(out), " %s", option);
    }
}

static void name_kernel(char *out, const clvits_node *n, const clvits_target *at, const void *dims)
{
    clvits_launch l = { .dimensions = 1 };

    n->op->launch(n, at, dims, &l);
    snprintf(out, TEXT, "%s.cl, %s", l.program, l.kernel);
    append_options(out, l.options);
}

/* The CPU path has one function for all of an operator, and a convolution many ways to go. */
static void name_path(char *out, const clvits_node *n, const clvits_target *at, const void *dims)
{
    const conv1d_dims *d = dims;

    if (n->op->knobs != clvits_op_conv1d.knobs)
        snprintf(out, TEXT, "%s", n->op->name);
    else
        snprintf(out, TEXT, "convolution, layout %d, %d outputs from %d taps, vectors of lanes %d, "
                 "activated %d, gate %d", d->layout, d->layout == CLVITS_CONV_TOOM ? d->m : 0,
                 d->layout == CLVITS_CONV_TOOM ? d->r : 0, d->lanes / at->cpu->table->vector,
                 d->pre_slope != 1.0f, d->act == CLVITS_ACT_GATE);
}

static bool is_checked(const struct place *p, const char *what)
{
    for (int i = 0; i < p->n_checked; i++)
        if (!strcmp(p->checked[i], what))
            return true;
    return false;
}

static void look_at(looking *l, struct place *p, const clvits_node *n)
{
    const size_t used = strlen(l->missing);
    long long dims[64]; /* as aligned as any */
    char what[TEXT];

    ck_assert_uint_le(n->op->dims_size, sizeof(dims));
    if (!p->cpu_path && (!n->op->launch || (n->op->takes && !n->op->takes(n, p->at.device))))
        return; /* the CPU path's */
    n->op->dims(n, &p->at, dims);
    (p->cpu_path ? name_path : name_kernel)(what, n, &p->at, dims);
    if (is_checked(p, what))
        return;
    if (l->who)
        snprintf(l->missing + used, sizeof(l->missing) - used, "\n%s, %s%s, %s: %s", p->name,
                 l->who, l->way->name, n->label, what);
    ck_assert_int_lt(p->n_checked, MOST);
    memcpy(p->checked[p->n_checked++], what, TEXT); /* once is enough to say it */
}

/* Whether a plan may have the node activate its input itself, instead of the node before. */
static bool may_activate(const clvits_node *n, const clvits_target *at)
{
    const clvits_node *made = n->in[0] ? n->in[0]->producer : NULL;

    return made && n->in[0] == made->out[1] && made->out[0] && made->op->slope &&
           made->op->slope(made) != 0.0f && n->op->activates && n->op->activates(n, at);
}

/* The CPU path knows no halves, and its rule, as that of CPU devices, transforms by itself. */
static bool runs(const struct place *p, const nodes_way *way)
{
    return p->family == CLVITS_FAMILY_GPU || (!way->transformed && !(p->cpu_path && way->halves));
}

static void look(void *user, const clvits_node *n)
{
    looking *l = user;

    for (int i = 0; i < LENGTH(places); i++) {
        struct place *p = &places[i];
        long long params[PARAMS / sizeof(long long)];
        clvits_node activating = *n;
        if (!runs(p, l->way))
            continue;
        look_at(l, p, n);
        if (!may_activate(n, &p->at))
            continue;
        ck_assert_uint_le(n->op->params_size, sizeof(params));
        memcpy(params, n->params, n->op->params_size);
        n->op->activate(params, n->in[0]->producer->op->slope(n->in[0]->producer));
        activating.params = params;
        look_at(l, p, &activating);
    }
}

static void look_at_checks(looking *l, const nodes_way *way)
{
    l->way = way;
    for (int i = 0; i < LENGTH(places); i++)
        if (devices[i])
            nodes_choose(devices[i], way);
    for (int i = 0; i < clvits_check_case_count; i++)
        ck_assert_msg(nodes_of_check(i, way, look, l, &l->report) == CLVITS_OK, "%s",
                      l->report.text);
}

START_TEST(what_voices_run_is_checked)
{
    looking l = { 0 };

    for (int i = 0; i < LENGTH(places); i++)
        places[i].n_checked = 0;
    look_at_checks(&l, &nodes_ways[0]); /* much of a voice stays in floats */
    look_at_checks(&l, &nodes_ways[_i]);
    for (int i = 0; i < voice_count(); i++) {
        l.who = voice_name(i);
        ck_assert_msg(nodes_of_voice(i, l.way, look, &l, &l.report) == CLVITS_OK, "%s",
                      l.report.text);
    }
    ck_assert_msg(!*l.missing, "no check runs what voices do:%s", l.missing);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_launches");
    TCase *t = tcase_create("launches");

    tcase_add_checked_fixture(t, begin, end);
    tcase_add_loop_test(t, what_voices_run_is_checked, 0, NODES_WAYS);
    suite_add_tcase(s, t);
    return s;
}
