// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_PROCESSORS_H
#define CLVITS_BASE_PROCESSORS_H

/**
 * How many processors this process may keep busy: those of its affinity, or as many as its quota of
 * their time makes up where that is less. At least 1.
 */
int clvits_processors(void);

/**
 * How many processors the time makes up that control groups, as containers have them, leave to this
 * process, rounded up. Of its group and those around it the tightest counts; INT_MAX: no limit.
 *
 * @param root  what stands before /proc and /sys; "" but in tests
 */
int clvits_processor_quota(const char *root);

#endif
