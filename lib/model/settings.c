// SPDX-License-Identifier: MIT
#include "model/settings.h"

#include "cpu/cpu.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first is what counts where nothing is said, if anything does. */
static const char *const trusts[] = { "cached", "always", "never", NULL };
static const char *const records[] = { [CLVITS_RECORD_AUTO] = "auto", [CLVITS_RECORD_OFF] = "off",
                                       [CLVITS_RECORD_ON] = "on", NULL };
static const char *const families[] = { [CLVITS_FAMILY_GPU] = "gpu", [CLVITS_FAMILY_CPU] = "cpu",
                                        NULL };
static const char *const precisions[] = { "fp32", "fp16-storage", "fp16", NULL };
static const char *const isas[] = { "baseline", "avx2", "avx512", NULL };

static clvits_setting find(const char *given, const char *variable)
{
    const char *text = given ? given : getenv(variable);

    if (!text || !*text)
        return (clvits_setting){ 0 };
    return (clvits_setting){ text, given ? NULL : variable };
}

/* What a message calls a setting. */
static const char *name_of(const clvits_setting *s, const char *name)
{
    return s->variable ? s->variable : name;
}

/* The index of what is said among the words; -1: nothing is. */
static clvits_status choose(int *out, clvits_setting s, const char *name, const char *const *words,
                            clvits_report *r)
{
    char all[128] = "";
    size_t used = 0;

    *out = -1;
    if (!s.text)
        return CLVITS_OK;
    for (int i = 0; words[i]; i++) {
        if (!strcmp(words[i], s.text)) {
            *out = i;
            return CLVITS_OK;
        }
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
                                     !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
    return clvits_fail(r, CLVITS_E_ARGUMENT, "%s \"%.40s\": give %s", name_of(&s, name), s.text,
                       all);
}

/* A whole number of the environment; as it was where nothing is said. */
static clvits_status read_number(int *out, const char *variable, int least, int most,
                                 clvits_report *r)
{
    const clvits_setting s = find(NULL, variable);
    char *end;

    if (!s.text)
        return CLVITS_OK;
    const long n = strtol(s.text, &end, 10);
    if (end == s.text || *end || n < least || n > most)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%s \"%.40s\": give a whole number from %d to %d",
                           variable, s.text, least, most);
    *out = (int)n;
    return CLVITS_OK;
}

/* Bytes as in "512M"; 0: nothing is said. */
static clvits_status read_memory(size_t *out, clvits_setting s, clvits_report *r)
{
    static const char units[] = "KMG";
    char *end;

    *out = 0;
    if (!s.text)
        return CLVITS_OK;
    errno = 0;
    const unsigned long long number = strtoull(s.text, &end, 10);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    const int shift = unit ? 10 * (1 + (int)(unit - units)) : 0;
    if (!isdigit((unsigned char)*s.text) || errno || number == 0 || number > SIZE_MAX >> shift ||
        end[unit != NULL])
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "%s \"%.40s\": give bytes, as in 268435456 or 256M",
                           name_of(&s, "memory limit"), s.text);
    *out = (size_t)number << shift;
    return CLVITS_OK;
}

static clvits_status check_kernels(const clvits_setting *s, clvits_report *r)
{
    char path[4096];

    if (s->text && ((size_t)snprintf(path, sizeof(path), "%s/common.cl", s->text) >= sizeof(path) ||
                    access(path, R_OK)))
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "%s \"%.200s\": there are no kernels; give the folder cl of clvits' "
                           "sources, or leave it out", name_of(s, "kernel folder"), s->text);
    return CLVITS_OK;
}

static clvits_status check_isa(const clvits_setting *s, clvits_report *r)
{
    int index;
    const clvits_status status = choose(&index, *s, "instruction set", isas, r);

    if (!status && s->text && !clvits_cpu_has(s->text))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%s \"%s\": this processor, or this build, does "
                                                 "not have it; give baseline, or leave it out",
                           name_of(s, "instruction set"), s->text);
    return status;
}

const char *clvits_settings_cache(char *out, size_t size, const char *given)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *chosen = given ? given : getenv("CLVITS_CACHE");
    size_t n = size;

    if (chosen)
        return *chosen ? chosen : NULL;
    if (base && *base)
        n = (size_t)snprintf(out, size, "%s/clvits", base);
    else if (home && *home)
        n = (size_t)snprintf(out, size, "%s/.cache/clvits", home);
    return n < size ? out : NULL;
}

/* What is one of a few words. */
static clvits_status read_words(clvits_settings *out, const clvits_context_params *p,
                                clvits_report *r)
{
    const clvits_setting family = find(NULL, "CLVITS_FAMILY");
    int trust = 0, record = 0, index = -1;
    clvits_status s = choose(&trust, find(p->trust, "CLVITS_TRUST"), "trust", trusts, r);

    if (!s)
        s = choose(&record, find(p->record, "CLVITS_RECORD"), "recording of launches", records, r);
    if (!s)
        s = choose(&index, out->precision, "precision", precisions, r);
    if (!s)
        s = choose(&index, family, "", families, r);
    if (!s && (p->kernel_family < 0 || p->kernel_family > 2))
        s = clvits_fail(r, CLVITS_E_ARGUMENT, "there are two families of kernels: gpu and cpu");
    out->proves = trust < 2;
    out->cached = trust < 1;
    out->record = record < 0 ? CLVITS_RECORD_AUTO : (clvits_record_mode)record;
    out->family = p->kernel_family ? p->kernel_family : 1 + index;
    return s ? s : check_isa(&out->isa, r);
}

clvits_status clvits_settings_read(clvits_settings *out, const clvits_context_params *p,
                                   clvits_report *r)
{
    const clvits_setting kernels = find(p->kernel_dir, "CLVITS_KERNELS");

    *out = (clvits_settings){ .device = find(p->device, "CLVITS_DEVICE"),
                              .place = find(p->place, "CLVITS_PLACE"),
                              .precision = find(p->precision, "CLVITS_PRECISION"),
                              .isa = find(p->cpu_isa, "CLVITS_CPU"),
                              .kernel_dir = kernels.text };
    out->cache_dir = clvits_settings_cache(out->own_cache, sizeof(out->own_cache), p->cache_dir);
    clvits_status s = read_words(out, p, r);
    if (!s)
        s = read_memory(&out->memory, find(p->memory, "CLVITS_MEMORY"), r);
    if (!s)
        s = read_number(&out->threads, "CLVITS_THREADS", 1, CLVITS_MAX_THREADS, r);
    if (!s)
        s = read_number(&out->recheck, "CLVITS_RECHECK", 0, INT_MAX, r);
    if (p->threads)
        out->threads = p->threads;
    if (p->recheck)
        out->recheck = p->recheck > 0 ? p->recheck : 0;
    return s ? s : check_kernels(&kernels, r);
}

clvits_status clvits_setting_blame(const clvits_setting *s, clvits_report *r)
{
    char text[sizeof(r->text)];

    if (r->status && s->variable) {
        memcpy(text, r->text, sizeof(text));
        snprintf(r->text, sizeof(r->text), "%s: %.*s", s->variable,
                 (int)(sizeof(text) - strlen(s->variable) - 3), text);
    }
    return r->status;
}
