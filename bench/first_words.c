// SPDX-License-Identifier: MIT
//
// Level (d): what a voice takes in a new process: opening the device, opening the voice from its
// file, and the first word; and how much memory texts take.
#include "voice.h"

#include "model/convert.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static double host_peak(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0.0 : 1024.0 * (double)u.ru_maxrss;
}

static void add_memory(bench *b, bench_record *r, const char *text)
{
    char name[64];

    snprintf(name, sizeof(name), "peak_host_mb_%s", text);
    bench_value(r, name, host_peak() * 1e-6);
    if (b->machine.n_places < 2)
        return;
    snprintf(name, sizeof(name), "peak_device_mb_%s", text);
    bench_value(r, name, (double)clvits_device_peak_bytes(b->machine.device[1]) * 1e-6);
}

/* One more thing to say, behind what is said already. */
static void __attribute__((format(printf, 2, 3))) add_reason(bench_record *r, const char *format,
                                                             ...)
{
    const size_t n = strlen(r->reason);
    va_list args;

    va_start(args, format);
    snprintf(r->reason + n, sizeof(r->reason) - n, "%s", n ? "; " : "");
    vsnprintf(r->reason + strlen(r->reason), sizeof(r->reason) - strlen(r->reason), format, args);
    va_end(args);
}

/* A generated voice as a file, which stands in the folder of caches and goes with it. */
static clvits_status store(int n, const char *path, clvits_report *r)
{
    const clvits_convert_plan plan = { .format = CLVITS_CONVERT_OWN, .replace = 1 };
    clvits_convert_outcome outcome;
    voice v;
    clvits_status s = voice_open(&v, n, r);

    if (!s) {
        const clvits_voice_file f = { .config = *v.model.config,
                                      .weights = *v.model.weights,
                                      .name = v.name,
                                      .text = { .kind = CLVITS_TEXT_IDS } };
        s = clvits_voice_file_convert(&outcome, &f, "", path, &plan, r);
    }
    voice_close(&v);
    return s;
}

/* Ask the system to forget what it keeps of a file in memory, which it need not do. */
static void forget(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd); /* what is not written yet cannot be forgotten */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* The share of a file that is in memory; below 0: nobody knows. */
static double resident(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    double share = -1.0;
    struct stat st;

    if (fd < 0)
        return share;
    const size_t size = fstat(fd, &st) || st.st_size < 1 ? 0 : (size_t)st.st_size;
    const size_t pages = (size + page - 1) / page;
    unsigned char *kept = size ? malloc(pages) : NULL;
    void *at = kept ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED && !mincore(at, size, kept)) {
        size_t n = 0;
        for (size_t i = 0; i < pages; i++)
            n += kept[i] & 1;
        share = (double)n / (double)pages;
    }
    if (at != MAP_FAILED)
        munmap(at, size);
    free(kept);
    close(fd);
    return share;
}

/* The voice's file, made if it must be, and cold if that is wanted and can be had. */
static clvits_status prepare(bench *b, int n, bool warm, char path[4096])
{
    clvits_status s = CLVITS_OK;

    if (voice_is_embedded(n))
        s = clvits_voice_file_embedded_path(path, 4096, &b->report);
    else if ((size_t)snprintf(path, 4096, "%s/voice.safetensors", b->o->cache_dir) >= 4096)
        s = clvits_fail(&b->report, CLVITS_E_FILE, "the folder's name is too long");
    else if (access(path, R_OK))
        s = store(n, path, &b->report);
    if (!s && !warm)
        forget(path);
    return s;
}

/* More texts, and what they take. */
static clvits_status hear_texts(bench *b, clvits_engine *e, const voice *v, bench_record *r)
{
    clvits_status s = CLVITS_OK;
    hearing h = { 0 };
    double took = 0.0;

    for (int t = VOICE_SHORT; t <= VOICE_LONG && !s; t++) {
        if (t > VOICE_SHORT && took > VOICE_TOO_LONG / 10) {
            add_reason(r, "no memory of longer texts: %s took %.1f s", v->texts[t - 1].name, took);
            break;
        }
        s = voice_speak(e, v, &v->texts[t], 1, &h, &b->report);
        took = bench_now() - h.start;
        if (!s)
            add_memory(b, r, v->texts[t].name);
    }
    return s;
}

void bench_voice_first(bench *b, int n, double start, bool warm)
{
    bench_record r = { .level = "speech", .verdict = "ok" };
    clvits_report *report = &b->report;
    const double opened = bench_now() - start;
    hearing h = { .keep = true }, want = { 0 };
    clvits_engine *e = NULL;
    char path[4096];
    voice v = { 0 };

    snprintf(r.name, sizeof(r.name), "%s/first words, %s", voice_name(n), warm ? "warm" : "cold");
    if (!bench_record_begin(b, &r))
        return;
    clvits_status s = prepare(b, n, warm, path);
    const double share = s ? -1.0 : resident(path), reading = bench_now();
    if (!s)
        s = voice_open_file(&v, n, path, report);
    const double read = bench_now() - reading;
    if (!s)
        s = clvits_engine_open(&e, &v.model, &b->machine, NULL, report);
    if (!s)
        s = voice_speak(e, &v, &v.texts[VOICE_SHORT], 1, &h, report);
    if (!s) {
        /* A voice has its file in life; making that here does not count. */
        r.host.sample[r.host.n++] = opened + h.start + h.first - reading;
        bench_value(&r, "device_open_s", opened);
        bench_value(&r, "voice_open_s", read);
        if (share >= 0.0)
            bench_value(&r, "voice_in_memory", share);
        snprintf(r.reason, sizeof(r.reason), "%s", v.note);
    }
    if (!s && warm)
        s = hear_texts(b, e, &v, &r);
    if (!s)
        s = voice_check(b, &v, &v.texts[VOICE_SHORT], 1, &h, &want, &r);
    if (s)
        bench_note_failure(&r, report);
    if (strcmp(r.verdict, "ok"))
        r.host.n = 0;
    bench_send(b, &r);
    voice_forget(&h);
    voice_forget(&want);
    clvits_engine_close(&e);
    voice_close(&v);
}
