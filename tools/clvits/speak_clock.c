// SPDX-License-Identifier: MIT
#include "speak.h"

#include <sys/resource.h>

/* Progress appears when speaking takes longer than a moment, and then not too often. */
static const double patience = 1.0, interval = 0.2;

void speech_clock_begin(speech_clock *c)
{
    c->began = program_now();
}

void speech_clock_end(speech_clock *c)
{
    c->speaking += program_now() - c->began;
    if (c->shown > 0.0)
        fputs("\r\033[K", stderr);
    c->shown = 0.0;
}

void speech_clock_heard(speech_clock *c, double seconds, double share)
{
    const double now = program_now(), spent = c->speaking + now - c->began;

    if (c->first < 0.0)
        c->first = spent;
    c->audio += seconds;
    if (!c->progress || spent < patience || now - c->shown < interval)
        return;
    c->shown = now;
    if (share >= 0.0)
        fprintf(stderr, "\rclvits: %3.0f %%, %.1f s of speech\033[K", 100.0 * share, c->audio);
    else
        fprintf(stderr, "\rclvits: %.1f s of speech\033[K", c->audio);
}

/* What stands before and after the device's name, where others did its work. */
static const char *const *surround(const speech_clock *c, const clvits_context *context)
{
    static const char *const nothing[] = { "", "" };
    static const char *const unused[] = { "CPU path (", " was not used)" };
    static const char *const lost[] = { "", ", then the CPU path" };
    static const char *const some_lost[] = { "", " and others, not all to the end" };
    const int devices = clvits_context_device_count(context);

    if (*c->who || !devices)
        return nothing;
    if (!clvits_context_launches(context))
        return unused;
    return !clvits_context_lost_count(context)             ? nothing
           : clvits_context_lost_count(context) == devices ? lost
                                                           : some_lost;
}

void speech_clock_report(const speech_clock *c, const clvits_context *context,
                         const clvits_voice_info *voice, const char *where)
{
    struct rusage usage;
    size_t peak;

    if (c->quiet)
        return;
    const char *const *around = surround(c, context);
    program_note("%s%s%s: %.2f s of speech in %.2f s, RTF %.3f, first audio after %.3f s%s%s",
                 around[0], *c->who ? c->who : clvits_context_device(context), around[1], c->audio,
                 c->speaking,
                 c->audio > 0.0 ? c->speaking / c->audio : 0.0, c->first > 0.0 ? c->first : 0.0,
                 where ? ", in " : "", where ? where : "");
    if (!c->verbose)
        return;
    const char *unit_name;
    const double unit = program_unit(voice->parameters, &unit_name);
    program_note("voice %s: %.2f %s parameters, %d Hz; device and voice opened in %.2f s",
                 voice->name, (double)voice->parameters / unit, unit_name, voice->sample_rate,
                 c->load);
    clvits_context_device_bytes(context, &peak);
    if (!getrusage(RUSAGE_SELF, &usage))
        program_note("peak memory: host %.1f MiB, %d OpenCL device%s %.1f MiB",
                     (double)usage.ru_maxrss / 1024.0, clvits_context_device_count(context),
                     clvits_context_device_count(context) == 1 ? "" : "s",
                     (double)peak / 1048576.0);
}
