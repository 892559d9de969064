// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // RTLD_DEFAULT
#include "device/device_impl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clvits_replay {
    clvits_device *device;
    clvits_kernel *const *kernels;
    int n, most, n_recordings;
    clvits_attempt attempt; /* of recording it, and of replaying it first */
    void *recordings[]; /* of `most` launches each, the last one of what is left */
};

static const clvits_player *const players[] = { &clvits_player_khr, &clvits_player_qcom };

bool clvits_extension_calls(cl_platform_id platform, const clvits_extension_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *call = clGetExtensionFunctionAddressForPlatform(platform, calls[i].name);
        if (!call) /* drivers that are their own loader */
            call = dlsym(RTLD_DEFAULT, calls[i].name);
        if (!call)
            return false;
        memcpy(calls[i].to, &call, sizeof(call)); /* no object can point at a function */
    }
    return true;
}

void clvits_player_find(clvits_device *d, clvits_record_mode mode)
{
    cl_platform_id platform = NULL;

    if (mode == CLVITS_RECORD_OFF ||
        clGetDeviceInfo(d->id, CL_DEVICE_PLATFORM, sizeof(platform), &platform, NULL) != CL_SUCCESS)
        return;
    for (size_t i = 0; i < sizeof(players) / sizeof(*players) && !d->player; i++)
        if ((mode == CLVITS_RECORD_ON || (d->info.gpu && players[i]->proven)) &&
            players[i]->find(d, platform))
            d->player = players[i];
}

const char *clvits_device_records(const clvits_device *d)
{
    return d->player && !atomic_load(&d->refused) ? d->player->extension : NULL;
}

static void refuse(clvits_device *d, const char *what, cl_int e, clvits_report *r)
{
    if (!atomic_exchange(&d->refused, true))
        clvits_warn(r, "%s: %s does not %s launches: %s (%d); they are enqueued one by one",
                    d->info.name, d->player->extension, what, clvits_cl_error(e), e);
}

void clvits_replay_distrust(const clvits_replay *p, clvits_report *r)
{
    if (!atomic_exchange(&p->device->refused, true))
        clvits_warn(r, "%s: %s replays something else than what was recorded; launches are "
                       "enqueued one by one", p->device->info.name, p->device->player->extension);
}

/* Each recording is its own, also of the same kernels in another shape: programs may end at a later
 * one, after others went well. */
static uint64_t hash_launches(const clvits_replay *p)
{
    uint64_t h = clvits_hash(CLVITS_HASH, &p->n, sizeof(p->n));

    for (int i = 0; i < p->n; i++) {
        const clvits_kernel *k = p->kernels[i];
        h = clvits_hash(h, k->name, strlen(k->name) + 1);
        h = clvits_hash(h, k->options, strlen(k->options) + 1);
        h = clvits_hash(h, k->global, sizeof(k->global));
        h = clvits_hash(h, k->group, sizeof(k->group));
    }
    return h;
}

/* Whether no earlier programs ended while they recorded or replayed. */
static bool begin_attempt(clvits_replay *p, clvits_report *r)
{
    clvits_device *d = p->device;
    const char *extension = d->player->extension;
    const uint64_t key = clvits_hash(CLVITS_HASH, extension, strlen(extension) + 1);
    clvits_report own = { .log = r->log, .log_user = r->log_user, .stop = r->stop };

    if (!clvits_attempt_begin(&p->attempt, d, key, hash_launches(p), "recording launches",
                              extension, &own))
        return true;
    if (!atomic_exchange(&d->refused, true))
        clvits_warn(r, "%s: %s; launches are enqueued one by one", d->info.name, own.text);
    return false;
}

/* How many launches are in recording i. */
static int launches_in(const clvits_replay *p, int i)
{
    const int left = p->n - i * p->most;
    return left < p->most ? left : p->most;
}

void clvits_replay_make(clvits_replay **out, clvits_kernel *const *kernels, int n,
                        clvits_report *r)
{
    clvits_device *d = n > 0 ? kernels[0]->device : NULL;
    cl_int e = CL_SUCCESS;

    *out = NULL;
    if (!d || !clvits_device_records(d))
        return;
    const int flush = d->quirks.flush;
    const int most = flush && flush < d->calls.most ? flush : d->calls.most;
    const int recordings = n / most + (n % most != 0);
    clvits_replay *p = calloc(1, sizeof(*p) + (size_t)recordings * sizeof(*p->recordings));
    if (!p) {
        refuse(d, "record", CL_OUT_OF_HOST_MEMORY, r);
        return;
    }
    p->device = d;
    p->kernels = kernels;
    p->n = n;
    p->most = most;
    if (!begin_attempt(p, r)) {
        clvits_replay_free(&p);
        return;
    }
    for (; p->n_recordings < recordings && e == CL_SUCCESS; p->n_recordings += e == CL_SUCCESS)
        e = d->player->record(&p->recordings[p->n_recordings], d,
                              kernels + p->n_recordings * most, launches_in(p, p->n_recordings));
    if (e == CL_SUCCESS) {
        clvits_info(r, "%s: %d launches recorded, %s", d->info.name, n, d->player->extension);
    } else {
        refuse(d, "record", e, r);
        clvits_replay_free(&p);
    }
    *out = p;
}

void clvits_replay_free(clvits_replay **replay)
{
    clvits_replay *p = *replay;
    if (!p)
        return;
    if (p->device->calls.forgets)
        clFinish(p->device->queue);
    for (int i = 0; i < p->n_recordings; i++)
        p->device->player->release(p->device, p->recordings[i]);
    clvits_attempt_end(&p->attempt);
    free(p);
    *replay = NULL;
}

void clvits_replays_settle(clvits_replay *const *replays, int n)
{
    for (int i = 0; i < n; i++)
        if (replays[i] && replays[i]->attempt.fd >= 0) {
            clFinish(replays[i]->device->queue);
            clvits_attempt_end(&replays[i]->attempt);
        }
}

int clvits_replay_launches(const clvits_replay *p)
{
    return p->n;
}

clvits_status clvits_replay_run(clvits_replay *p, clvits_report *r)
{
    clvits_device *d = p->device;
    clvits_status s = CLVITS_OK;

    if (d->quirks.flush)
        clvits_device_submit(d);
    for (int i = 0; i < p->n_recordings && !s; i++) {
        const int first = i * p->most, n = launches_in(p, i);
        const cl_int e = atomic_load(&d->refused) ? CL_INVALID_OPERATION
                                                  : d->player->enqueue(d, p->recordings[i]);
        if (e == CL_SUCCESS) {
            atomic_fetch_add(&d->launches, (unsigned long long)n);
            if (d->quirks.flush)
                clvits_device_submit(d);
            continue;
        }
        for (int k = 0; k < n && !s; k++)
            s = clvits_kernel_run(p->kernels[first + k], NULL, r);
        if (e != CL_INVALID_OPERATION && !s) /* it is not the device that failed */
            refuse(d, "replay", e, r);
    }
    return s;
}
