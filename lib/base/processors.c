// SPDX-License-Identifier: MIT
//
// Quotas of time are read where Linux shows them: cgroup v2 has "QUOTA PERIOD" or "max PERIOD" in a
// group's cpu.max, v1 has a file for each, with a quota of -1 where there is none. What cannot be
// read, or makes no sense, is no limit. Nothing here allocates memory.
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS = 16384, PATH = 4096, NUMBERS = 64 }; /* bytes */
enum { SETS = 64 };                                 /* each of 1024 processors */

/* A file as far as there is room; "" where there is none. */
static void read_text(char *text, size_t room, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;

    while (fd >= 0 && n + 1 < room) {
        const ssize_t got = read(fd, text + n, room - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Whether a file of a folder has n numbers above 0 and nothing else. */
static bool read_numbers(long long *number, int n, const char *folder, const char *name)
{
    char path[PATH], text[NUMBERS], *at = text;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH)
        return false;
    read_text(text, sizeof(text), path);
    for (int i = 0; i < n; i++) {
        char *end;
        errno = 0;
        number[i] = strtoll(at, &end, 10);
        if (end == at || errno || number[i] <= 0)
            return false;
        at = end;
    }
    return !*at || !strcmp(at, "\n");
}

/* The processors of one group. */
static int of_group(const char *folder, bool v2)
{
    long long of[2]; /* quota, period */

    if (v2 ? !read_numbers(of, 2, folder, "cpu.max")
           : !read_numbers(&of[0], 1, folder, "cpu.cfs_quota_us") ||
                 !read_numbers(&of[1], 1, folder, "cpu.cfs_period_us"))
        return INT_MAX;
    const long long whole = of[0] / of[1];
    return whole < INT_MAX ? (int)whole + (of[0] % of[1] != 0) : INT_MAX;
}

/* The least of a group and those around it. A container may see its own as the outermost one, under
 * a path that is not there. */
static int of_groups(const char *root, const char *folder, const char *group, bool v2)
{
    char path[PATH];
    const int outermost = snprintf(path, sizeof(path), "%s/sys/fs/cgroup%s", root, folder);
    const int all = outermost + (int)strlen(group);
    int least = INT_MAX;

    if (all >= PATH)
        return least;
    strcpy(path + outermost, group);
    for (int length = all; length >= outermost; length--)
        if (length == all || path[length] == '/') {
            path[length] = '\0';
            const int n = of_group(path, v2);
            least = n < least ? n : least;
        }
    return least;
}

/* Whether a list with commas names the controller of processors' time. */
static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, "cpu", 3) && (!at[3] || at[3] == ','))
            return true;
    return false;
}

/* A line is NUMBER:CONTROLLERS:GROUP, without controllers for v2. */
static int of_line(const char *root, char *line)
{
    /* Where v1 has its controller for processors, and v2 stands alone or beside v1. */
    static const char *const folders[][2] = { { "/cpu", "/cpu,cpuacct" }, { "", "/unified" } };
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!group)
        return INT_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    const bool v2 = !*controllers;
    if (!v2 && !has_cpu(controllers))
        return INT_MAX;
    const int a = of_groups(root, folders[v2][0], group, v2);
    const int b = of_groups(root, folders[v2][1], group, v2);
    return a < b ? a : b;
}

int clvits_processor_quota(const char *root)
{
    char path[PATH], text[GROUPS];
    int least = INT_MAX;

    if (snprintf(path, sizeof(path), "%s/proc/self/cgroup", root) >= PATH)
        return least;
    read_text(text, sizeof(text), path);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        const int n = of_line(root, line);
        least = n < least ? n : least;
    }
    return least;
}

int clvits_processors(void)
{
    const int quota = clvits_processor_quota("");
    cpu_set_t set[SETS]; /* the system refuses what is too small for its processors */
    const long n = sched_getaffinity(0, sizeof(set), set) ? sysconf(_SC_NPROCESSORS_ONLN)
                                                          : CPU_COUNT_S(sizeof(set), set);

    return n < 1 ? 1 : n < quota ? (int)n : quota;
}
