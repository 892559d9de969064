// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_COQUI_NAMES_H
#define CLVITS_IO_COQUI_NAMES_H

#include <stddef.h>

/**
 * What the original code calls a tensor, or a node of an exported graph, of Coqui's VITS: the
 * modules by their other names, the flows numbered with the flips between them.
 *
 * Modules may be parted by full stops or slashes; what stands before the first of VITS's modules,
 * and any other name, stays as it is.
 *
 * @return 0 when the result does not fit
 */
int clvits_coqui_name(char *out, size_t size, const char *name);

/** Whether this is the name of a tensor or node that only Coqui's VITS has. */
int clvits_coqui_sign(const char *name);

#endif
