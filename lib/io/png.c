// SPDX-License-Identifier: MIT
//
// Portable Network Graphics (ISO/IEC 15948), the smallest part of it: a palette, and rows in stored
// blocks of deflate (RFC 1951) within zlib's frame (RFC 1950).
#include "io/png.h"

#include <stdlib.h>
#include <string.h>

enum { STORED = 65535, PALETTE = 256 * 3, HEADER = 13, CHUNK = 12 };

typedef struct bytes {
    uint8_t *p;
    size_t n;
} bytes;

static void put(bytes *b, const void *from, size_t n)
{
    memcpy(b->p + b->n, from, n);
    b->n += n;
}

static void put_32(bytes *b, uint32_t v)
{
    put(b, (const uint8_t[]){ (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                              (uint8_t)v }, 4);
}

static uint32_t crc_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* A chunk is its length, its name, so many bytes and the checksum of both. */
static size_t begin_chunk(bytes *b, size_t length, const char *name)
{
    put_32(b, (uint32_t)length);
    put(b, name, 4);
    return b->n - 4;
}

static void end_chunk(bytes *b, size_t begun)
{
    put_32(b, crc_of(b->p + begun, b->n - begun));
}

/* Each row has a filter's number in front: none. */
static void put_rows(bytes *b, const uint8_t *pixels, int width, int height)
{
    const size_t row = (size_t)width + 1, all = row * (size_t)height;
    uint32_t low = 1, high = 0; /* Adler-32 */

    put(b, "\x78\x01", 2);
    for (size_t i = 0; i < all; i++) {
        if (i % STORED == 0) {
            const size_t n = all - i < STORED ? all - i : STORED;
            put(b, (const uint8_t[]){ i + n == all, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n,
                                      (uint8_t)(~n >> 8) }, 5);
        }
        const uint8_t v = i % row ? pixels[i / row * (size_t)width + i % row - 1] : 0;
        put(b, &v, 1);
        low = (low + v) % 65521;
        high = (high + low) % 65521;
    }
    put_32(b, high << 16 | low);
}

static char *base64(const bytes *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((b->n + 2) / 3 * 4 + 1), *to = text;

    for (size_t i = 0; text && i < b->n; i += 3) {
        const uint32_t second = i + 1 < b->n ? b->p[i + 1] : 0;
        const uint32_t third = i + 2 < b->n ? b->p[i + 2] : 0;
        const uint32_t v = (uint32_t)b->p[i] << 16 | second << 8 | third;
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < b->n ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < b->n ? digits[v & 63] : '=';
    }
    if (text)
        *to = '\0';
    return text;
}

clvits_status clvits_png_base64(char **out, const uint8_t *pixels, int width, int height,
                                const uint8_t palette[256][3], clvits_report *r)
{
    *out = NULL;
    if (width < 1 || height < 1 || width > CLVITS_PNG_MOST || height > CLVITS_PNG_MOST)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "an image of %d by %d pixels; %d are the most",
                           width, height, CLVITS_PNG_MOST);
    const size_t rows = ((size_t)width + 1) * (size_t)height;
    const size_t data = 2 + rows + (rows + STORED - 1) / STORED * 5 + 4;
    bytes b = { .p = malloc(8 + 4 * CHUNK + HEADER + PALETTE + data) };
    if (!b.p)
        return clvits_fail_memory(r, "an image");
    put(&b, "\x89PNG\r\n\x1a\n", 8);
    size_t begun = begin_chunk(&b, HEADER, "IHDR");
    put_32(&b, (uint32_t)width);
    put_32(&b, (uint32_t)height);
    put(&b, (const uint8_t[]){ 8, 3, 0, 0, 0 }, 5); /* bits, palette, no choices */
    end_chunk(&b, begun);
    begun = begin_chunk(&b, PALETTE, "PLTE");
    put(&b, palette, PALETTE);
    end_chunk(&b, begun);
    begun = begin_chunk(&b, data, "IDAT");
    put_rows(&b, pixels, width, height);
    end_chunk(&b, begun);
    end_chunk(&b, begin_chunk(&b, 0, "IEND"));
    *out = base64(&b);
    free(b.p);
    return *out ? CLVITS_OK : clvits_fail_memory(r, "an image");
}
