// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILES = 4 };

const char *fuzz_file(int number, const void *data, size_t size)
{
    static char paths[FILES][32];
    static int fds[FILES];

    if (fds[number])
        close(fds[number]);
    fds[number] = memfd_create("input", MFD_CLOEXEC);
    FUZZ_CHECK(fds[number] > 0 && write(fds[number], data, size) == (ssize_t)size);
    snprintf(paths[number], sizeof(paths[number]), "/proc/self/fd/%d", fds[number]);
    return paths[number];
}

char *fuzz_part(const uint8_t **data, size_t *size, size_t *n)
{
    const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;

    *n = end ? (size_t)(end - *data) : *size;
    char *copy = malloc(*n + 1);
    FUZZ_CHECK(copy);
    memcpy(copy, *data, *n);
    copy[*n] = '\0';
    const size_t used = *n + (end != NULL);
    *data += used;
    *size -= used;
    return copy;
}

void fuzz_status(clvits_status s, const clvits_report *r)
{
    FUZZ_CHECK(s == r->status);
    FUZZ_CHECK(s == CLVITS_OK || strlen(r->text) > 5);
    FUZZ_CHECK(s != CLVITS_E_MEMORY && s != CLVITS_E_DEVICE);
}
