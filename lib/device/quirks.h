// SPDX-License-Identifier: MIT
//
// What known devices must be spared: the rows of cl/devices.quirks, which says how to read them.
#ifndef CLVITS_DEVICE_QUIRKS_H
#define CLVITS_DEVICE_QUIRKS_H

#include "device/device.h"

enum { CLVITS_MAX_WITHOUT = 16, CLVITS_QUIRKS_TEXT = 1024 };

/** What the rows ask for, of one device; zero: nothing. */
typedef struct clvits_quirks {
    int flush; /* after so many launches; 0: not */
    int group; /* most work-items of a work-group; 0: as the device says */
    int family; /* 0: by device type; else a clvits_family + 1 */
    char without[CLVITS_MAX_WITHOUT][32]; /* kernels */
    int n_without;
    char text[CLVITS_QUIRKS_TEXT]; /* the rows' quirks and reports, for people */
} clvits_quirks;

/**
 * Take up the rows that are for a device.
 *
 * @return how many rows make no sense, or are more than fit, which are left out
 */
int clvits_quirks_read(clvits_quirks *out, const char *table, const clvits_device_info *d);

/** Whether the kernel is left out. */
bool clvits_quirks_without(const clvits_quirks *q, const char *kernel);

#endif
