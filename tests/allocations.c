// SPDX-License-Identifier: MIT
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__real_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);

/* A test is a process of its own, with one thread. */
static bool on;
static long count, fails;
static size_t taken, peak;

static bool allowed(void)
{
    return !on || ++count != fails;
}

static void *note(void *p, size_t size)
{
    if (on && p && p != MAP_FAILED) {
        taken += size;
        peak = taken > peak ? taken : peak;
    }
    return p;
}

static void *note_block(void *p)
{
    return note(p, on && p ? malloc_usable_size(p) : 0);
}

static void forget(size_t size)
{
    if (on)
        taken -= size;
}

void *__wrap_malloc(size_t size)
{
    return allowed() ? note_block(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allowed() ? note_block(__real_calloc(n, size)) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return allowed() ? note_block(__real_aligned_alloc(alignment, size)) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    const size_t before = old ? malloc_usable_size(old) : 0;

    if (!allowed())
        return NULL;
    void *p = note_block(__real_realloc(old, size)); /* both may be there for a moment */
    if (p)
        forget(before);
    return p;
}

void __wrap_free(void *p)
{
    if (p)
        forget(malloc_usable_size(p));
    __real_free(p);
}

void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    if (!allowed()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return note(__real_mmap64(at, size, access, flags, fd, offset), size);
}

int __wrap_munmap(void *at, size_t size)
{
    forget(size);
    return __real_munmap(at, size);
}

void allocations_begin(long failing)
{
    count = 0;
    fails = failing;
    taken = peak = 0;
    on = true;
}

long allocations_end(void)
{
    on = false;
    return count;
}

size_t allocations_peak(void)
{
    return peak;
}

size_t allocations_left(void)
{
    return taken;
}
