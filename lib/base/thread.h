// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_THREAD_H
#define CLVITS_BASE_THREAD_H

#include <pthread.h>

/** Bytes of stack that a thread of the library has at least: the CPU path takes some 530 KiB, and a
 *  device's compiler more. */
enum { CLVITS_THREAD_STACK = 2 << 20 };

/** pthread_create() with such a stack, where the process's default is less; 0 or an errno. */
int clvits_thread_start(pthread_t *out, void *(*run)(void *), void *arg);

#endif
