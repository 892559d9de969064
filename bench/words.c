// SPDX-License-Identifier: MIT
#include "words.h"

#include "device/device.h"

#include <string.h>

static int check(const char *name, const char *text, size_t n, const char *const *known)
{
    char all[256] = "";
    size_t used = 0;

    for (const char *const *k = known; *k; k++) {
        if (strlen(*k) == n && !memcmp(*k, text, n))
            return CODE_OK;
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
                                     k == known ? "" : k[1] ? ", " : " and ", *k);
    }
    return program_fail(CODE_USAGE, "--%s \"%.*s\": there are %s", name, (int)(n < 60 ? n : 60),
                        text, all);
}

int words_check(const char *name, const char *text, const char *const *known)
{
    return text ? check(name, text, strlen(text), known) : CODE_OK;
}

int words_check_list(const char *name, const char *list, const char *const *known)
{
    int code = CODE_OK;

    for (size_t n; list && !code; list = list[n] ? list + n + 1 : NULL) {
        n = strcspn(list, ",");
        code = check(name, list, n, known);
    }
    return code;
}

int words_family(int *family, const char *text)
{
    static const char *const known[] = { "gpu", "cpu", NULL };
    const int code = words_check("kernels", text, known);

    *family = !text || code ? 0
                            : 1 + (strcmp(text, "gpu") ? CLVITS_FAMILY_CPU : CLVITS_FAMILY_GPU);
    return code;
}
