// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_CHECK_H
#define CLVITS_PUBLIC_CHECK_H

#include <clvits/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What comparing one operator on a device with the CPU path came to. */
typedef struct clvits_check_result {
    const char *name;  /* of the operator, and what is special: "conv1d, dilated" */
    const char *shape; /* of its operands: "(3,37,7) [33][7][3]", weights in brackets */
    int taken;         /* 0: the device leaves it to the CPU path, and nothing was compared */
    int ok;            /* 1: within the tolerance, or left to the CPU path */
    double error;      /* largest difference over the largest value; infinite when not a number */
    double tolerance;  /* 0: all bits must be the same */
    double device_milliseconds, cpu_milliseconds; /* of the operator alone, once warm */
    const char *failure; /* NULL, or why it could not run, or what kernel is wrong with what rows */
} clvits_check_result;

/** Receives the operators one after the other; not 0 ends the check. */
typedef int (*clvits_check_fn)(void *user, const clvits_check_result *result);

/**
 * Run every operator, on odd shapes and items of different lengths, on the context's first OpenCL
 * device and on the CPU path, and compare; and then each kernel that it has for the device, with 1
 * to 300 rows and an empty item, NaNs in memory that nobody wrote, and the rows about its results
 * compared as well. A kernel that does not build is a failure, unless the library leaves it out on
 * that device. Without a device, on the CPU path as built for this processor and as built for every
 * one.
 *
 * Where the context's precision is not fp32, the device runs the operators of flow and decoder with
 * halves. An operator that fails does not keep the others from being checked. What
 * context_params.place says has no influence. The first run on a device builds its kernels, which
 * takes its time.
 *
 * @param result  called from the calling thread; the texts are valid during the call; may be NULL
 * @return CLVITS_OK when all agree, _E_DEVICE (one does not), _E_CANCELLED (result() ended it, or
 *         context_params.cancel) or
 *         _E_MEMORY
 */
CLVITS_API clvits_status clvits_check(clvits_context *context, clvits_check_fn result, void *user);

/** What to check; zeros are the defaults. */
typedef struct clvits_check_params {
    /** Operators ("conv1d"), or single checks as their results name them ("conv1d, dilated"). NULL:
     *  all; borrowed. A name that nothing has adds nothing: ask clvits_check_next() for it. */
    const char *const *names;
    size_t n_names;
    int first; /* go by the checks before this one, counted from 0 among all */
} clvits_check_params;

/**
 * The same for some of the operators. A driver may crash: who runs the check in a process of its
 * own knows by the results that came how far it got, and can go on behind that.
 *
 * @param params  NULL: everything
 */
CLVITS_API clvits_status clvits_check_some(clvits_context *context,
                                           const clvits_check_params *params,
                                           clvits_check_fn result, void *user);

/** The first of the wanted checks, from number params.first on; -1 where there are no more. */
CLVITS_API int clvits_check_next(const clvits_check_params *params);

/** The name of the i-th check; NULL where there are no more. */
CLVITS_API const char *clvits_check_name(int i);

#ifdef __cplusplus
}
#endif
#endif
