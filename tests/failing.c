// SPDX-License-Identifier: MIT
#include "failing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOTS = 1 << 18 };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

extern const char __executable_start, etext;

static atomic_bool on; /* allocations are counted, and what is left of them */
static bool ours_alone;
static atomic_long count;
static long fail_from, fail_to;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static void *left[SLOTS];
static long n_left;

static size_t slot_of(const void *p)
{
    return (size_t)((uintptr_t)p >> 4) * 2654435761u % SLOTS;
}

/* Notes a block; with open addressing. */
static void *note(void *p)
{
    if (!p)
        return p;
    pthread_mutex_lock(&lock);
    if (++n_left == SLOTS) /* one stays free, where a search ends */
        abort();
    size_t i = slot_of(p);
    while (left[i])
        i = (i + 1) % SLOTS;
    left[i] = p;
    pthread_mutex_unlock(&lock);
    return p;
}

/* What comes after it may have gone around it: that moves up, so that searches stay short. */
static void forget(const void *p)
{
    pthread_mutex_lock(&lock);
    size_t hole = slot_of(p);
    while (left[hole] && left[hole] != p)
        hole = (hole + 1) % SLOTS;
    if (left[hole]) {
        n_left--;
        for (size_t i = (hole + 1) % SLOTS; left[i]; i = (i + 1) % SLOTS)
            if ((i - slot_of(left[i])) % SLOTS >= (i - hole) % SLOTS) {
                left[hole] = left[i];
                hole = i;
            }
        left[hole] = NULL;
    }
    pthread_mutex_unlock(&lock);
}

static bool is_ours(const char *caller)
{
    return caller >= &__executable_start && caller < &etext;
}

/* Whether an allocation is counted, and then whether it is to fail. */
static bool counted(const void *caller, bool *fails)
{
    *fails = false;
    if (!atomic_load(&on) || (ours_alone && !is_ours(caller)))
        return false;
    const long n = atomic_fetch_add(&count, 1) + 1;
    *fails = n >= fail_from && n <= fail_to;
    return true;
}

#define ALLOCATE(call)                                                                             \
    do {                                                                                           \
        bool fails;                                                                                \
        const bool noted = counted(__builtin_return_address(0), &fails);                           \
        return fails ? NULL : noted ? note(call) : (call);                                         \
    } while (0)

void *malloc(size_t size)
{
    ALLOCATE(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    ALLOCATE(__libc_calloc(n, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    ALLOCATE(__libc_memalign(alignment, size));
}

void *realloc(void *old, size_t size)
{
    bool fails;
    const bool noted = counted(__builtin_return_address(0), &fails);

    if (fails)
        return NULL;
    if (old)
        forget(old);
    void *p = __libc_realloc(old, size);
    return noted ? note(p) : p;
}

/* The C library's own would be its allocation. */
char *strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    bool fails;
    const bool noted = counted(__builtin_return_address(0), &fails);
    char *copy = fails ? NULL : __libc_malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return noted ? note(copy) : copy;
}

void free(void *p)
{
    if (p)
        forget(p);
    __libc_free(p);
}

/* The library's large blocks; whatever else is mapped is others' business. */
void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    const void *caller = __builtin_return_address(0);
    bool fails = false;
    const bool noted = flags & MAP_ANONYMOUS && is_ours(caller) && counted(caller, &fails);

    if (fails) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *p = (void *)syscall(SYS_mmap, at, size, access, flags, fd, offset);
    return noted && p != MAP_FAILED ? note(p) : p;
}

int munmap(void *at, size_t size)
{
    forget(at);
    return (int)syscall(SYS_munmap, at, size);
}

void failing_begin(long from, long to, bool this_program)
{
    atomic_store(&count, 0);
    fail_from = from;
    fail_to = to;
    ours_alone = this_program;
    atomic_store(&on, true);
}

void failing_spare(void)
{
    fail_to = 0;
}

void failing_end(void)
{
    atomic_store(&on, false);
}

long failing_count(void)
{
    return atomic_load(&count);
}

long failing_left(void)
{
    return n_left;
}
