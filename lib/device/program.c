// SPDX-License-Identifier: MIT
//
// Assembles a program's source: dims.h, exact.h, common.cl and NAME.cl, with the headers that this
// one includes in their places. Builds it once per set of options and keeps it for the life
// of the device; binaries go through the disk cache (cache.c).
#include "device/cache.h"
#include "device/device_impl.h"
#include "device/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CL_STANDARD "-cl-std=CL1.2"

enum { MAX_SOURCE = 1 << 24 }; /* bytes */

static char *read_file(const char *dir, const char *name)
{
    char path[4096];
    char *text = NULL;
    long size;
    FILE *f;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
        return NULL;
    f = fopen(path, "rb");
    if (!f)
        return NULL;
    /* A folder opens, and then is as long as can be. */
    if (!fseek(f, 0, SEEK_END) && (size = ftell(f)) >= 0 && size <= MAX_SOURCE &&
        !fseek(f, 0, SEEK_SET)) {
        text = malloc((size_t)size + 1);
        if (text)
            text[fread(text, 1, (size_t)size, f)] = '\0';
    }
    fclose(f);
    return text;
}

/* The text of a file in cl/; NULL when there is none. */
static char *source_of(const clvits_device *d, const char *name, clvits_report *r)
{
    char *text = NULL;

    if (d->source_dir) {
        text = read_file(d->source_dir, name);
        if (!text)
            clvits_fail(r, CLVITS_E_FILE, "cannot read %s/%s", d->source_dir, name);
        return text;
    }
    for (const clvits_source *s = clvits_sources; s->name; s++)
        if (!strcmp(s->name, name)) {
            text = strdup(s->text);
            if (!text)
                clvits_fail_memory(r, "a kernel's source");
            return text;
        }
    clvits_fail(r, CLVITS_E_UNSUPPORTED, "there are no kernels named %s", name);
    return NULL;
}

/* A text that grows. */
typedef struct growing {
    char *text;
    size_t n, room;
} growing;

static bool append(growing *s, const char *text, size_t n, clvits_report *r)
{
    if (s->n + n >= s->room) {
        const size_t room = 2 * (s->n + n) + 1;
        char *more = n < MAX_SOURCE && s->n < MAX_SOURCE ? realloc(s->text, room) : NULL;
        if (!more) {
            clvits_fail_memory(r, "a kernel's source");
            return false;
        }
        s->text = more;
        s->room = room;
    }
    memcpy(s->text + s->n, text, n);
    s->n += n;
    s->text[s->n] = '\0';
    return true;
}

/* A file's lines, and instead of those that include a header the header's; that includes none. */
static bool append_file(growing *s, const clvits_device *d, const char *name, bool header,
                        clvits_report *r)
{
    char *text = source_of(d, name, r), own[64];
    bool ok = text;

    for (const char *line = text; ok && *line;) {
        const size_t n = strcspn(line, "\n");
        if (!header && sscanf(line, "#include \"%63[a-z0-9_.]\"", own) == 1)
            ok = append_file(s, d, own, true, r);
        else
            ok = append(s, line, n, r) && append(s, "\n", 1, r);
        line += n + (line[n] == '\n');
    }
    free(text);
    return ok;
}

/* All parts in one text; -I would need files beside the program. name: NULL for a program with an
 * empty kernel behind what all have. */
static char *assemble(const clvits_device *d, const char *name, clvits_report *r)
{
    static const char *const shared[] = { "dims.h", "exact.h", "common.cl" };
    static const char empty[] = "kernel void nothing(void) {}\n";
    char file[64];
    growing all = { 0 };
    bool ok = true;

    snprintf(file, sizeof(file), "%s.cl", name ? name : "");
    for (size_t i = 0; i < sizeof(shared) / sizeof(*shared) && ok; i++)
        ok = append_file(&all, d, shared[i], true, r);
    if (ok &&
        (name ? append_file(&all, d, file, false, r) : append(&all, empty, sizeof(empty) - 1, r)))
        return all.text;
    free(all.text);
    return NULL;
}

static void build_failure(clvits_device *d, cl_program program, const char *what, cl_int e,
                          clvits_report *r)
{
    char log[2048] = "";
    clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, sizeof(log), log, NULL);
    log[sizeof(log) - 1] = '\0';
    for (char *line = log; (line = strpbrk(line, "\n\r\t")) != NULL;) /* a message is one line */
        *line = ' ';
    clvits_fail(r, CLVITS_E_DEVICE, "%s: %s does not build: %s%s%.300s", d->info.name, what,
                clvits_cl_error(e), *log ? ": " : "", log);
}

/* OpenCL's error, which the report tells. A shortage that does not pass is a failure like others:
 * what never fits is not built again for every plan. */
static cl_int build_source(cl_program *out, clvits_device *d, const char *what, const char *text,
                           const char *options, clvits_report *r)
{
    cl_int e;
    cl_program program = clCreateProgramWithSource(d->context, 1, &text, NULL, &e);

    if (e != CL_SUCCESS) {
        clvits_cl_fail(r, d, "cannot make a program", e);
        return e;
    }
    e = clBuildProgram(program, 1, &d->id, options, NULL, NULL);
    if (clvits_cl_shortage(e))
        e = clBuildProgram(program, 1, &d->id, options, NULL, NULL);
    if (e == CL_SUCCESS) {
        *out = program;
        return e;
    }
    build_failure(d, program, what, e, r);
    clReleaseProgram(program);
    clvits_cl_note_loss(d, e);
    if (clvits_cl_shortage(e)) /* as is said of a device that is gone, too */
        clvits_device_probe(d);
    return e;
}

/* After a build that failed where none went well yet: a compiler that does not build an empty
 * kernel behind common.cl either builds nothing, and the device is of no more use than one that is
 * gone. The report then says so. What is short says nothing of the compiler, which is tried again
 * after the next one. */
static clvits_status try_compiler(clvits_device *d, clvits_report *r)
{
    clvits_report own = { 0 };
    cl_program program = NULL;
    char *text = assemble(d, NULL, &own);
    const cl_int e = text ? build_source(&program, d, "even an empty kernel behind common.cl", text,
                                         CL_STANDARD, &own)
                          : CL_OUT_OF_HOST_MEMORY;

    d->compiles = e == CL_SUCCESS;
    if (!d->compiles && !clvits_cl_shortage(e)) {
        atomic_store(&d->lost, true);
        clvits_report_clear(r);
        clvits_fail(r, CLVITS_E_DEVICE, "%s", own.text);
    }
    if (program)
        clReleaseProgram(program);
    free(text);
    return r->status;
}

static double seconds_since(int64_t start)
{
    return 1e-9 * (double)(clvits_trace_clock() - start);
}

static clvits_status build(struct clvits_program *p, clvits_device *d, const clvits_launch *l,
                           clvits_report *r)
{
    cl_program *out = &p->program;
    char options[320], what[64];
    char *text = assemble(d, l->program, r);
    clvits_status s;

    if (!text)
        return r->status;
    p->source = clvits_hash(CLVITS_HASH, text, strlen(text));
    snprintf(options, sizeof(options), CL_STANDARD " %s", l->options);
    snprintf(what, sizeof(what), "%s.cl", l->program);
    int64_t start = clvits_trace_clock();
    *out = clvits_cache_load(d, text, options, r);
    if (*out) {
        d->builds.loaded++;
        d->builds.load_seconds += seconds_since(start);
        free(text);
        return CLVITS_OK;
    }
    clvits_attempt attempt;
    s = clvits_attempt_begin(&attempt, d, clvits_hash(p->source, options, strlen(options)), 0,
                             "the build of its kernels", l->options, r);
    start = clvits_trace_clock();
    if (!s) {
        d->compiles = build_source(out, d, what, text, options, r) == CL_SUCCESS || d->compiles;
        s = r->status;
        d->builds.compiled++;
        d->builds.compile_seconds += seconds_since(start);
        if (s == CLVITS_E_DEVICE && !d->compiles && !d->builds.loaded && !clvits_device_lost(d))
            s = try_compiler(d, r);
    }
    if (!s)
        clvits_cache_store(d, text, options, *out, r);
    clvits_attempt_end(&attempt);
    free(text);
    return s;
}

/* Built, or failed to be; NULL: out of memory. The lock is held. */
static struct clvits_program *make(clvits_device *d, const clvits_launch *l, const char *key,
                                   const clvits_report *r)
{
    struct clvits_program *p = calloc(1, sizeof(*p));

    if (p)
        p->key = strdup(key);
    if (!p || !p->key) {
        free(p);
        return NULL;
    }
    p->failure.log = r->log;
    p->failure.log_user = r->log_user;
    p->failure.stop = r->stop;
    const int64_t start = clvits_trace_now(r);
    build(p, d, l, &p->failure);
    clvits_trace_host(r, start, "build kernels", l->program, l->options);
    p->failure.log = NULL;
    p->failure.stop = NULL;
    return p;
}

static clvits_status fail_as(const struct clvits_program *p, const clvits_device *d,
                             clvits_report *r)
{
    clvits_device_blame(d, r);
    return clvits_fail(r, p->failure.status, "%s", p->failure.text);
}

/* The lock is held. */
static clvits_status get_locked(cl_program *out, uint64_t *source, clvits_device *d,
                                const clvits_launch *l, clvits_report *r)
{
    struct clvits_program *p;
    char key[384];

    snprintf(key, sizeof(key), "%s %s", l->program, l->options);
    for (p = d->programs; p && strcmp(p->key, key); p = p->next)
        ;
    if (!p && clvits_stopped(r))
        return r->status;
    if (!p) {
        p = make(d, l, key, r);
        if (!p)
            return clvits_fail_memory(r, "a program");
        if (p->failure.status == CLVITS_E_MEMORY) { /* that passes */
            const clvits_status s = fail_as(p, d, r);
            free(p->key);
            free(p);
            return s;
        }
        p->next = d->programs;
        d->programs = p;
    }
    *source = p->source;
    *out = p->program;
    return p->program ? CLVITS_OK : fail_as(p, d, r);
}

/* As clvits_program_get(); source receives the hash of the program's text. */
static clvits_status get(cl_program *out, uint64_t *source, clvits_device *d,
                         const clvits_launch *l, clvits_report *r)
{
    *out = NULL;
    *source = 0;
    pthread_mutex_lock(&d->lock);
    const clvits_status s = get_locked(out, source, d, l, r);
    pthread_mutex_unlock(&d->lock);
    return s;
}

clvits_status clvits_program_get(cl_program *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r)
{
    uint64_t source;

    return get(out, &source, d, l, r);
}

clvits_status clvits_kernel_hash(uint64_t *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r)
{
    cl_program program;
    const clvits_status s = get(&program, out, d, l, r);

    *out = clvits_hash(*out, l->kernel, strlen(l->kernel) + 1);
    return s;
}

clvits_status clvits_launch_hash(uint64_t *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r)
{
    const clvits_status s = clvits_kernel_hash(out, d, l, r);

    *out = clvits_hash(*out, l->options, strlen(l->options) + 1);
    *out = clvits_hash(*out, l->local, sizeof(l->local));
    return s;
}

clvits_status clvits_program_check(clvits_device *d, const clvits_launch *l, clvits_report *r)
{
    cl_program program;
    cl_int e;

    if (clvits_quirks_without(&d->quirks, l->kernel))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED, "%s: kernel %s is left out on this device",
                           d->info.name, l->kernel);
    const clvits_status s = clvits_program_get(&program, d, l, r);

    if (s)
        return s;
    const cl_kernel k = clCreateKernel(program, l->kernel, &e);
    if (e != CL_SUCCESS)
        return clvits_cl_fail(r, d, l->kernel, e);
    clReleaseKernel(k);
    return CLVITS_OK;
}

clvits_builds clvits_device_builds(clvits_device *d)
{
    pthread_mutex_lock(&d->lock);
    const clvits_builds builds = d->builds;
    pthread_mutex_unlock(&d->lock);
    return builds;
}
