// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_PNG_H
#define CLVITS_IO_PNG_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/** Width and height of an image, at most. */
enum { CLVITS_PNG_MOST = 16384 };

/**
 * An image of up to 256 colours as PNG in base64, not compressed.
 *
 * @param[out] out      terminated; NULL on failure; release with free()
 * @param      pixels   [height][width], from the top
 * @param      palette  red, green, blue
 * @return CLVITS_OK, _E_ARGUMENT (its size) or _E_MEMORY
 */
clvits_status clvits_png_base64(char **out, const uint8_t *pixels, int width, int height,
                                const uint8_t palette[256][3], clvits_report *r);

#endif
