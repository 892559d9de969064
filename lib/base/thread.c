// SPDX-License-Identifier: MIT
#include "base/thread.h"

int clvits_thread_start(pthread_t *out, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    size_t size = 0;
    int error = pthread_attr_init(&attr);

    if (error)
        return error;
    error = pthread_attr_getstacksize(&attr, &size);
    if (!error && size < CLVITS_THREAD_STACK)
        error = pthread_attr_setstacksize(&attr, CLVITS_THREAD_STACK);
    if (!error)
        error = pthread_create(out, &attr, run, arg);
    pthread_attr_destroy(&attr);
    return error;
}
