// SPDX-License-Identifier: MIT
#include "model/context.h"

#include "device/source.h"
#include "model/rates.h"
#include "model/settings.h"
#include "model/speak.h"

#include <clvits/clvits.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clvits_message {
    uintptr_t number; /* whose it is */
    char text[sizeof(((clvits_report *)0)->text)];
};

const char *clvits_version(void)
{
    return CLVITS_VERSION_TEXT;
}

const char *clvits_kernels(void)
{
    return clvits_sources_hash;
}

clvits_report clvits_context_report(const clvits_context *c)
{
    return (clvits_report){ .log = c->log, .log_user = c->log_user,
                            .stop = c->stop.wanted ? &c->stop : NULL };
}

clvits_report clvits_context_traced(const clvits_context *c, clvits_trace *t)
{
    clvits_report r = clvits_context_report(c);

    if (c->trace) {
        clvits_trace_begin(t, c->trace, c->trace_user);
        r.trace = t;
    }
    return r;
}

/* The calling thread's message, or NULL; the lock is held. */
static struct clvits_message *own_message(const clvits_context *c)
{
    const uintptr_t number = c->has_key ? (uintptr_t)pthread_getspecific(c->error) : 0;
    struct clvits_message *m = number ? c->messages[number % CLVITS_MOST_ERRORS] : NULL;

    return m && m->number == number ? m : NULL;
}

/* The place of the thread that got one least recently, and that most likely is no more: nobody
 * tells when a thread ends. NULL: no memory. */
static struct clvits_message *new_message(clvits_context *c)
{
    struct clvits_message **m = &c->messages[(c->n_messages + 1) % CLVITS_MOST_ERRORS];

    if (!*m)
        *m = calloc(1, sizeof(**m));
    if (*m && pthread_setspecific(c->error, (void *)(c->n_messages + 1)))
        return NULL;
    if (*m)
        (*m)->number = ++c->n_messages;
    return *m;
}

clvits_status clvits_context_keep(clvits_context *c, const clvits_report *r)
{
    if (r->status == CLVITS_OK)
        return CLVITS_OK;
    pthread_mutex_lock(&c->lock);
    struct clvits_message *m = own_message(c);
    if (!m && c->has_key)
        m = new_message(c);
    if (m)
        memcpy(m->text, r->text, sizeof(m->text));
    pthread_mutex_unlock(&c->lock);
    if (r->log)
        r->log(r->log_user, CLVITS_LOG_ERROR, r->text);
    return r->status;
}

const char *clvits_context_error(const clvits_context *c)
{
    pthread_mutex_t *lock = &((clvits_context *)c)->lock;

    pthread_mutex_lock(lock);
    const struct clvits_message *m = own_message(c);
    pthread_mutex_unlock(lock);
    return m ? m->text : "";
}

clvits_status clvits_devices(clvits_device_desc **list, size_t *count)
{
    clvits_report r = { 0 };
    clvits_device_info *info;
    int n;
    const clvits_status s = clvits_device_list(&info, &n, &r);

    *list = NULL;
    *count = 0;
    if (s)
        return s;
    clvits_device_desc *d = calloc((size_t)n + 1, sizeof(*d));
    for (int i = 0; d && i < n; i++) {
        d[i] = (clvits_device_desc){ .number = i,
                                     .is_gpu = info[i].gpu,
                                     .compute_units = info[i].compute_units,
                                     .clock_mhz = info[i].clock_mhz,
                                     .max_work_group = info[i].max_work_group,
                                     .local_memory = info[i].local_memory,
                                     .global_memory = info[i].global_memory,
                                     .max_allocation = info[i].max_alloc,
                                     .has_fp16 = info[i].fp16,
                                     .has_unified_memory = info[i].unified_memory };
        memcpy(d[i].name, info[i].name, sizeof(d[i].name));
        memcpy(d[i].vendor, info[i].vendor, sizeof(d[i].vendor));
        memcpy(d[i].platform, info[i].platform, sizeof(d[i].platform));
        memcpy(d[i].version, info[i].version, sizeof(d[i].version));
        memcpy(d[i].driver, info[i].driver, sizeof(d[i].driver));
    }
    free(info);
    if (!d)
        return CLVITS_E_MEMORY;
    *list = d;
    *count = (size_t)n;
    return CLVITS_OK;
}

void clvits_devices_free(clvits_device_desc **list)
{
    free(*list);
    *list = NULL;
}

static bool contains(const char *text, const char *part, size_t n)
{
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

/* The device that a name of n bytes means, or -1. */
static int match(const clvits_device_info *list, int count, const char *name, size_t n)
{
    char *end;
    const long number = strtol(name, &end, 10);

    if (end == name + n && n > 0)
        return number >= 0 && number < count ? (int)number : -1;
    for (int i = 0; i < count; i++)
        if (contains(list[i].name, name, n) || contains(list[i].platform, name, n))
            return i;
    return -1;
}

/* The first GPU, else the first device, else -1. */
static int best(const clvits_device_info *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i].gpu)
            return i;
    return count > 0 ? 0 : -1;
}

static bool is(const char *name, size_t n, const char *what)
{
    return strlen(what) == n && !strncmp(name, what, n);
}

static void no_device(clvits_report *r, const clvits_device_info *list, int count,
                      const char *name, size_t n)
{
    char all[256] = "";
    size_t used = 0;

    for (int i = 0; i < count && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%d: %.60s", i ? ", " : "", i,
                                 list[i].name);
    if (!count)
        clvits_fail(r, CLVITS_E_DEVICE,
                    "there is no OpenCL device on this machine; install a driver for your GPU (or "
                    "pocl-opencl-icd), or choose \"cpu\"");
    else
        clvits_fail(r, CLVITS_E_ARGUMENT,
                    "no OpenCL device matches \"%.*s\"; there are: %s; or choose \"cpu\"",
                    (int)(n < 60 ? n : 60), name, all);
}

/* The device that a name of n bytes means; -1 where it means the CPU path. */
static clvits_status find_device(int *out, const clvits_setting *wanted, const char *name, size_t n,
                                 const clvits_device_info *list, int count, clvits_report *r)
{
    const bool any = is(name, n, "auto");

    *out = -1;
    if (is(name, n, "cpu"))
        return CLVITS_OK;
    if (!n) {
        clvits_fail(r, CLVITS_E_ARGUMENT, "a device is missing in \"%.60s\": give numbers or names "
                                          "with one comma between them", wanted->text);
        return clvits_setting_blame(wanted, r);
    }
    *out = any || is(name, n, "opencl") ? best(list, count) : match(list, count, name, n);
    if (*out >= 0 || any)
        return CLVITS_OK;
    no_device(r, list, count, name, n);
    return clvits_setting_blame(wanted, r);
}

/* Give the machine one more place; a device that nobody named may fail. */
static clvits_status open_device(clvits_context *c, const clvits_setting *wanted, int index,
                                 bool any, clvits_device_params own, clvits_report *r)
{
    own.place = c->machine.n_places;
    if (own.place == CLVITS_MAX_PLACES) {
        clvits_fail(r, CLVITS_E_ARGUMENT, "more than %d devices in \"%.60s\"",
                    CLVITS_MAX_PLACES - 1, wanted->text);
        return clvits_setting_blame(wanted, r);
    }
    const clvits_status s = clvits_device_open(&c->machine.device[own.place], index, &own, r);
    if (!s)
        c->machine.n_places++;
    if (!s || !any)
        return s;
    clvits_warn(r, "%s; going on without it", r->text);
    clvits_report_clear(r);
    return CLVITS_OK;
}

/* Open what the comma-separated list names, in its order. The CPU path takes every node, so what
 * stands behind it is never used: it has to be a device's name all the same, and is not opened. */
static clvits_status open_devices(clvits_context *c, const clvits_setting *wanted,
                                  const clvits_device_params *p, clvits_report *r)
{
    const char *names = wanted->text ? wanted->text : "auto";
    clvits_device_info *list;
    int count, index;
    bool used = true;

    if (!strcmp(names, "cpu")) /* needs no driver, so none is loaded */
        return CLVITS_OK;
    clvits_status s = clvits_device_list(&list, &count, r);

    while (names && !s) {
        const size_t n = strcspn(names, ",");
        s = find_device(&index, wanted, names, n, list, count, r);
        used = used && !is(names, n, "cpu");
        if (!s && used && index >= 0)
            s = open_device(c, wanted, index, is(names, n, "auto"), *p, r);
        names = names[n] ? names + n + 1 : NULL;
    }
    free(list);
    return s;
}

/* Kernels are proven where that is wanted, and what was found earlier counts where it may. */
static clvits_status set_trust(clvits_context *c, const clvits_settings *wanted, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    c->machine.trust = &c->trust;
    c->trust.proves = wanted->proves;
    c->trust.recheck = wanted->recheck;
    for (int i = 1; i < c->machine.n_places && wanted->cached && !s; i++)
        s = clvits_verdicts_load(c->machine.device[i], r);
    return s;
}

/* A copy of both texts together; text may be NULL. */
static bool keep_text(char **out, const char *before, const char *text)
{
    const size_t n = strlen(before) + (text ? strlen(text) : 0) + 1;

    *out = malloc(n);
    if (*out)
        snprintf(*out, n, "%s%s", before, text ? text : "");
    return *out;
}

/* Everything that the settings name, in place. */
static clvits_status open_machine(clvits_context *c, const clvits_settings *wanted,
                                  const clvits_device_params *d, clvits_report *r)
{
    const char *precision = wanted->precision.text;
    clvits_status s = clvits_cpu_open(&c->machine.cpu, wanted->isa.text, wanted->threads, r);

    if (!s)
        s = open_devices(c, &wanted->device, d, r);
    if (!s)
        s = clvits_tuning_open(&c->tuning, d->cache_dir, r);
    if (!s)
        s = clvits_machine_tune(&c->machine, c->tuning, r);
    if (!s)
        s = set_trust(c, wanted, r); /* before the precision, which is probed */
    if (!s && precision && clvits_machine_set_precision(&c->machine, precision, r))
        s = clvits_setting_blame(&wanted->precision, r);
    if (!s && clvits_place_check(&c->machine, c->place, r))
        s = clvits_setting_blame(&wanted->place, r);
    return s;
}

static clvits_status open_parts(clvits_context *c, const clvits_context_params *p,
                                clvits_report *r)
{
    clvits_settings wanted;
    clvits_status s = clvits_settings_read(&wanted, p, r);
    const clvits_device_params d = { .cache_dir = wanted.cache_dir,
                                     .cache_told = &c->cache_told,
                                     .source_dir = wanted.kernel_dir,
                                     .family = wanted.family,
                                     .memory = wanted.memory,
                                     .taken = &c->taken,
                                     .record = wanted.record,
                                     .measure = p->trace != NULL };
    const char *device = wanted.device.text;

    if (s)
        return s;
    /* Where nobody names the device, the library chooses what runs where. */
    if (!keep_text(&c->place, !device || !strcmp(device, "auto") ? "auto," : "",
                   wanted.place.text) ||
        /* Kernels under development change what their rates are. */
        (d.cache_dir && !d.source_dir && !keep_text(&c->cache_dir, "", d.cache_dir)))
        return clvits_fail_memory(r, "a context");
    return open_machine(c, &wanted, &d, r);
}

static bool is_raised(const void *cancel)
{
    return clvits_cancel_is_raised(cancel);
}

clvits_status clvits_context_open(clvits_context **out, const clvits_context_params *params)
{
    const clvits_context_params none = { 0 };
    const clvits_context_params *p = params ? params : &none;
    clvits_report r = { .log = p->log, .log_user = p->log_user };
    clvits_context *c = calloc(1, sizeof(*c));
    clvits_status s;

    *out = NULL;
    if (!c) {
        s = clvits_fail_memory(&r, "a context");
    } else {
        c->log = p->log;
        c->log_user = p->log_user;
        if (p->cancel)
            c->stop = (clvits_stop){ .wanted = is_raised, .user = p->cancel,
                                     .marks = &p->cancel->marks };
        c->trace = p->trace;
        c->trace_user = p->trace_user;
        c->machine.n_places = 1;
        pthread_mutex_init(&c->lock, NULL);
        pthread_mutex_init(&c->rate_lock, NULL);
        c->has_key = pthread_key_create(&c->error, NULL) == 0;
        s = open_parts(c, p, &r);
    }
    if (s) {
        if (r.log)
            r.log(r.log_user, CLVITS_LOG_ERROR, r.text);
        clvits_context_close(&c);
    }
    *out = c;
    return s;
}

void clvits_context_close(clvits_context **context)
{
    clvits_context *c = *context;
    if (!c)
        return;
    for (int i = 1; i < c->machine.n_places; i++)
        clvits_device_close(&c->machine.device[i]);
    clvits_cpu_close(&c->machine.cpu);
    clvits_tuning_close(&c->tuning);
    if (c->has_key)
        pthread_key_delete(c->error);
    for (int i = 0; i < CLVITS_MOST_ERRORS; i++)
        free(c->messages[i]);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->rate_lock);
    free(c->place);
    free(c->cache_dir);
    free(c);
    *context = NULL;
}

clvits_status clvits_context_rate(clvits_context *c, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    pthread_mutex_lock(&c->rate_lock);
    if (!c->rated && c->machine.n_places > 1 && clvits_place_by_cost(c->place)) {
        s = clvits_rates_get(c->rates, &c->machine, c->cache_dir, &c->cache_told, r);
        if (!s) {
            c->machine.rates = c->rates;
        } else if (s != CLVITS_E_CANCELLED) {
            clvits_warn(r, "%s; everything goes to the first device instead of where it costs "
                           "least", r->text);
            clvits_report_clear(r);
            s = CLVITS_OK;
        }
    }
    if (!c->rated)
        atomic_store(&c->rating, clvits_context_launches(c));
    c->rated = c->rated || !s;
    pthread_mutex_unlock(&c->rate_lock);
    return s;
}

const char *clvits_context_device(const clvits_context *c)
{
    return c->machine.n_places > 1 ? clvits_device_get_info(c->machine.device[1])->name
                                   : c->machine.cpu.name;
}

int clvits_context_device_count(const clvits_context *c)
{
    return c->machine.n_places - 1;
}

int clvits_context_lost_count(const clvits_context *c)
{
    unsigned bits = atomic_load((atomic_uint *)&c->trust.short_of_memory) |
                    clvits_machine_distrusted(&c->machine);
    int n = 0;

    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

int clvits_context_tuned(const clvits_context *c, int place, const char **file, int *own)
{
    const clvits_tuned *t = NULL;

    if (place >= 0 && place < c->machine.n_places)
        t = place ? clvits_device_tuned(c->machine.device[place]) : c->machine.cpu.tuned;
    if (file)
        *file = t && t->file ? t->file : "";
    if (own)
        *own = t ? t->own : 0;
    return t ? t->n : 0;
}

const char *clvits_context_quirks(const clvits_context *c, int place)
{
    return place > 0 && place < c->machine.n_places ? clvits_device_quirks(c->machine.device[place])
                                                    : "";
}

uint64_t clvits_context_launches(const clvits_context *c)
{
    uint64_t n = 0;

    for (int i = 1; i < c->machine.n_places; i++)
        n += clvits_device_launches(c->machine.device[i]);
    return n - atomic_load((atomic_ullong *)&c->rating);
}

size_t clvits_context_device_bytes(const clvits_context *c, size_t *peak)
{
    size_t now = 0, most = 0;
    for (int i = 1; i < c->machine.n_places; i++) {
        now += clvits_device_bytes(c->machine.device[i]);
        most += clvits_device_peak_bytes(c->machine.device[i]);
    }
    if (peak)
        *peak = most;
    return now;
}
