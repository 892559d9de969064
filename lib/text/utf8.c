// SPDX-License-Identifier: MIT
#include "text/utf8.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

size_t clvits_text_hash(const char *text, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001B3u;
    return (size_t)(h ^ h >> 32);
}

/* The ASCII mark says what to speak; ' ' where the character is spoken as nothing. */
static const struct {
    uint32_t c;
    clvits_char_class class;
    char mark;
} marks[] = {
    { '.', CLVITS_CHAR_STOP, '.' },
    { '!', CLVITS_CHAR_STOP, '!' },
    { '?', CLVITS_CHAR_STOP, '?' },
    { 0x2026, CLVITS_CHAR_STOP, '.' }, /* ellipsis */
    { 0x203C, CLVITS_CHAR_STOP, '!' }, /* double exclamation mark */
    { 0x203D, CLVITS_CHAR_STOP, '?' }, /* interrobang */
    { 0x2047, CLVITS_CHAR_STOP, '?' }, /* double question mark, with ! in the next two */
    { 0x2048, CLVITS_CHAR_STOP, '?' },
    { 0x2049, CLVITS_CHAR_STOP, '!' },
    { 0x0589, CLVITS_CHAR_STOP, '.' },        /* Armenian */
    { 0x061F, CLVITS_CHAR_STOP, '?' },        /* Arabic */
    { 0x06D4, CLVITS_CHAR_STOP, '.' },        /* Urdu */
    { 0x0964, CLVITS_CHAR_WIDE_STOP, '.' },   /* danda */
    { 0x0965, CLVITS_CHAR_WIDE_STOP, '.' },   /* double danda */
    { 0x104A, CLVITS_CHAR_WIDE_CLAUSE, ',' }, /* Myanmar */
    { 0x104B, CLVITS_CHAR_WIDE_STOP, '.' },
    { 0x1362, CLVITS_CHAR_WIDE_STOP, '.' }, /* Ethiopic */
    { 0x1363, CLVITS_CHAR_WIDE_CLAUSE, ',' },
    { 0x1364, CLVITS_CHAR_WIDE_CLAUSE, ';' },
    { 0x1365, CLVITS_CHAR_WIDE_CLAUSE, ':' },
    { 0x1367, CLVITS_CHAR_WIDE_STOP, '?' },
    { 0x17D4, CLVITS_CHAR_WIDE_STOP, '.' }, /* Khmer */
    { 0x3002, CLVITS_CHAR_WIDE_STOP, '.' }, /* ideographic */
    { 0xFF61, CLVITS_CHAR_WIDE_STOP, '.' },
    { 0xFF0E, CLVITS_CHAR_WIDE_STOP, '.' }, /* full width */
    { 0xFF01, CLVITS_CHAR_WIDE_STOP, '!' },
    { 0xFF1F, CLVITS_CHAR_WIDE_STOP, '?' },
    { ',', CLVITS_CHAR_CLAUSE, ',' },
    { ';', CLVITS_CHAR_CLAUSE, ';' },
    { ':', CLVITS_CHAR_CLAUSE, ':' },
    { 0x037E, CLVITS_CHAR_STOP, '?' }, /* Greek question mark */
    { 0x060C, CLVITS_CHAR_CLAUSE, ',' },
    { 0x061B, CLVITS_CHAR_CLAUSE, ';' },
    { 0xFF0C, CLVITS_CHAR_WIDE_CLAUSE, ',' },
    { 0x3001, CLVITS_CHAR_WIDE_CLAUSE, ',' },
    { 0xFF1B, CLVITS_CHAR_WIDE_CLAUSE, ';' },
    { 0xFF1A, CLVITS_CHAR_WIDE_CLAUSE, ':' },
    { '-', CLVITS_CHAR_DASH, ' ' },
    { 0x2013, CLVITS_CHAR_DASH, ';' },
    { 0x2014, CLVITS_CHAR_DASH, ';' },
    { '"', CLVITS_CHAR_CLOSE, ' ' },
    { '\'', CLVITS_CHAR_CLOSE, ' ' },
    { ')', CLVITS_CHAR_CLOSE, ' ' },
    { ']', CLVITS_CHAR_CLOSE, ' ' },
    { '}', CLVITS_CHAR_CLOSE, ' ' },
    { 0x2019, CLVITS_CHAR_CLOSE, ' ' },
    { 0x201D, CLVITS_CHAR_CLOSE, ' ' },
    { 0x00BB, CLVITS_CHAR_CLOSE, ' ' },
    { 0x203A, CLVITS_CHAR_CLOSE, ' ' },
    { 0x300D, CLVITS_CHAR_CLOSE, ' ' },
    { 0x300F, CLVITS_CHAR_CLOSE, ' ' },
    { 0x300B, CLVITS_CHAR_CLOSE, ' ' },
    { 0xFF09, CLVITS_CHAR_CLOSE, ' ' },
    { '(', CLVITS_CHAR_OPEN, ' ' },
    { '[', CLVITS_CHAR_OPEN, ' ' },
    { '{', CLVITS_CHAR_OPEN, ' ' },
    { 0x00A1, CLVITS_CHAR_OPEN, ' ' },
    { 0x00BF, CLVITS_CHAR_OPEN, ' ' },
    { 0x00AB, CLVITS_CHAR_OPEN, ' ' },
    { 0x2018, CLVITS_CHAR_OPEN, ' ' },
    { 0x201C, CLVITS_CHAR_OPEN, ' ' },
    { 0x201E, CLVITS_CHAR_OPEN, ' ' },
    { 0x2039, CLVITS_CHAR_OPEN, ' ' },
    { 0x300C, CLVITS_CHAR_OPEN, ' ' },
    { 0x300E, CLVITS_CHAR_OPEN, ' ' },
    { 0x300A, CLVITS_CHAR_OPEN, ' ' },
    { 0xFF08, CLVITS_CHAR_OPEN, ' ' },
};

clvits_char_class clvits_char_classify(uint32_t c)
{
    if (c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029)
        return CLVITS_CHAR_NEWLINE;
    if (c <= ' ' || c == 0x7F || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200B) ||
        c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF)
        return CLVITS_CHAR_SPACE;
    for (size_t i = 0; i < LENGTH(marks); i++)
        if (marks[i].c == c)
            return marks[i].class;
    return CLVITS_CHAR_LETTER;
}

char clvits_char_mark(uint32_t c)
{
    for (size_t i = 0; i < LENGTH(marks); i++)
        if (marks[i].c == c)
            return marks[i].mark == ' ' ? 0 : marks[i].mark;
    return 0;
}

/* Capitals first..last in steps become c + add; step 2 is where the two cases alternate. */
static const struct {
    uint32_t first, last;
    int step, add;
} cases[] = {
    { 'A', 'Z', 1, 32 },
    { 0xC0, 0xD6, 1, 32 },
    { 0xD8, 0xDE, 1, 32 },
    { 0x100, 0x12E, 2, 1 },
    { 0x130, 0x130, 1, 'i' - 0x130 },
    { 0x132, 0x136, 2, 1 },
    { 0x139, 0x147, 2, 1 },
    { 0x14A, 0x176, 2, 1 },
    { 0x178, 0x178, 1, -121 },
    { 0x179, 0x17D, 2, 1 },
    { 0x181, 0x181, 1, 210 },
    { 0x182, 0x184, 2, 1 },
    { 0x186, 0x186, 1, 206 },
    { 0x187, 0x187, 1, 1 },
    { 0x189, 0x18A, 1, 205 },
    { 0x18B, 0x18B, 1, 1 },
    { 0x18E, 0x18E, 1, 79 },
    { 0x18F, 0x18F, 1, 202 },
    { 0x190, 0x190, 1, 203 },
    { 0x191, 0x191, 1, 1 },
    { 0x193, 0x193, 1, 205 },
    { 0x194, 0x194, 1, 207 },
    { 0x196, 0x196, 1, 211 },
    { 0x197, 0x197, 1, 209 },
    { 0x198, 0x198, 1, 1 },
    { 0x19C, 0x19C, 1, 211 },
    { 0x19D, 0x19D, 1, 213 },
    { 0x19F, 0x19F, 1, 214 },
    { 0x1A0, 0x1A4, 2, 1 },
    { 0x1A6, 0x1A6, 1, 218 },
    { 0x1A7, 0x1A7, 1, 1 },
    { 0x1A9, 0x1A9, 1, 218 },
    { 0x1AC, 0x1AC, 1, 1 },
    { 0x1AE, 0x1AE, 1, 218 },
    { 0x1AF, 0x1AF, 1, 1 },
    { 0x1B1, 0x1B2, 1, 217 },
    { 0x1B3, 0x1B5, 2, 1 },
    { 0x1B7, 0x1B7, 1, 219 },
    { 0x1B8, 0x1B8, 1, 1 },
    { 0x1CD, 0x1DB, 2, 1 },
    { 0x1DE, 0x1EE, 2, 1 },
    { 0x1F8, 0x21E, 2, 1 },
    { 0x222, 0x232, 2, 1 },
    { 0x243, 0x243, 1, -195 },
    { 0x244, 0x244, 1, 69 },
    { 0x245, 0x245, 1, 71 },
    { 0x246, 0x24E, 2, 1 },
    { 0x386, 0x386, 1, 38 },
    { 0x388, 0x38A, 1, 37 },
    { 0x38C, 0x38C, 1, 64 },
    { 0x38E, 0x38F, 1, 63 },
    { 0x391, 0x3A1, 1, 32 },
    { 0x3A3, 0x3AB, 1, 32 },
    { 0x400, 0x40F, 1, 80 },
    { 0x410, 0x42F, 1, 32 },
    { 0x460, 0x480, 2, 1 },
    { 0x48A, 0x4BE, 2, 1 },
    { 0x4C0, 0x4C0, 1, 15 },
    { 0x4C1, 0x4CD, 2, 1 },
    { 0x4D0, 0x52E, 2, 1 },
    { 0x531, 0x556, 1, 48 },
    { 0x10A0, 0x10C5, 1, 7264 },
    { 0x1C90, 0x1CBA, 1, -3008 },
    { 0x1E00, 0x1E94, 2, 1 },
    { 0x1E9E, 0x1E9E, 1, -7615 },
    { 0x1EA0, 0x1EFE, 2, 1 },
    { 0xFF21, 0xFF3A, 1, 32 },
};

uint32_t clvits_char_lower(uint32_t c)
{
    for (size_t i = 0; i < LENGTH(cases); i++)
        if (c >= cases[i].first && c <= cases[i].last)
            return (c - cases[i].first) % (uint32_t)cases[i].step
                       ? c
                       : (uint32_t)((int32_t)c + cases[i].add);
    return c;
}

/* The letters among those of espeak's IPA, and of hand-written IPA with tone accents, that
 * Unicode has precomposed; that is all of NFD that phonemes need. */
static const struct {
    uint16_t mark;
    const char *base;
    uint16_t composed[12];
} composed[] = {
    { 0x300, "aeiounwy", { 0xE0, 0xE8, 0xEC, 0xF2, 0xF9, 0x1F9, 0x1E81, 0x1EF3 } },
    { 0x301,
      "aeiouycnszlr",
      { 0xE1, 0xE9, 0xED, 0xF3, 0xFA, 0xFD, 0x107, 0x144, 0x15B, 0x17A, 0x13A, 0x155 } },
    { 0x302,
      "aeioucghjswy",
      { 0xE2, 0xEA, 0xEE, 0xF4, 0xFB, 0x109, 0x11D, 0x125, 0x135, 0x15D, 0x175, 0x177 } },
    { 0x303, "aeiounvy", { 0xE3, 0x1EBD, 0x129, 0xF5, 0x169, 0xF1, 0x1E7D, 0x1EF9 } },
    { 0x304, "aeiouy", { 0x101, 0x113, 0x12B, 0x14D, 0x16B, 0x233 } },
    { 0x306, "aeioug", { 0x103, 0x115, 0x12D, 0x14F, 0x16D, 0x11F } },
    { 0x308, "aeiouyhtwx", { 0xE4, 0xEB, 0xEF, 0xF6, 0xFC, 0xFF, 0x1E27, 0x1E97, 0x1E85, 0x1E8D } },
    { 0x30A, "auwy", { 0xE5, 0x16F, 0x1E98, 0x1E99 } },
    { 0x30C,
      "aeioucnszrgj",
      { 0x1CE, 0x11B, 0x1D0, 0x1D2, 0x1D4, 0x10D, 0x148, 0x161, 0x17E, 0x159, 0x1E7, 0x1F0 } },
    { 0x323, "dlmnrstz", { 0x1E0D, 0x1E37, 0x1E43, 0x1E47, 0x1E5B, 0x1E63, 0x1E6D, 0x1E93 } },
    { 0x327, "cst", { 0xE7, 0x15F, 0x163 } },
    { 0x328, "aeiou", { 0x105, 0x119, 0x12F, 0x1EB, 0x173 } },
};

int clvits_char_decompose(uint32_t *base, uint32_t *mark, uint32_t c)
{
    for (size_t i = 0; c >= 0xC0 && i < LENGTH(composed); i++)
        for (size_t k = 0; composed[i].base[k]; k++)
            if (composed[i].composed[k] == c) {
                *base = (uint32_t)composed[i].base[k];
                *mark = composed[i].mark;
                return 1;
            }
    return 0;
}
