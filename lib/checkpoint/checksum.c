/* checksum.c - the checksum of a checkpoint file. It finds accidents, not attackers.
 *
 * 24 digits, lower-case hexadecimal: 8 of zlib's CRC-32, then 16 of
 *
 *     mix = rotate(mix xor word, 29) * 0x9e3779b97f4a7c15
 *
 * over the file's little-endian 64-bit words, then a word of the 0 to 7 bytes that are left, filled up with zeros, then
 * the number of bytes. Every step is a bijection of the word and of what came before: a change within one word is never
 * lost. */
#include "../base/bytes.h"
#include "checkpoint.h"
#include <string.h>
#include <zlib.h>

static uint64_t step(uint64_t mix, uint64_t word)
{
    mix ^= word;
    return (mix << 29 | mix >> 35) * 0x9e3779b97f4a7c15u;
}

void hw__checkpoint_sum_begin(hw__checkpoint_sum *sum)
{
    *sum = (hw__checkpoint_sum){.crc = (uint32_t)crc32_z(0, NULL, 0), .mix = 0x6a09e667f3bcc908u};
}

static void add_block(hw__checkpoint_sum *sum, const unsigned char *at, size_t size)
{
    sum->crc = (uint32_t)crc32_z(sum->crc, at, size);
    size_t filled = (size_t)(sum->bytes & 7);
    sum->bytes += size;
    if (filled) {
        size_t n = size < 8 - filled ? size : 8 - filled;
        memcpy(sum->word + filled, at, n);
        at += n;
        size -= n;
        if (filled + n < 8) return;
        sum->mix = step(sum->mix, hw__bytes_get(sum->word, 8));
    }
    uint64_t mix = sum->mix;
    for (; size >= 8; at += 8, size -= 8) mix = step(mix, hw__bytes_get(at, 8));
    sum->mix = mix;
    memcpy(sum->word, at, size);
}

void hw__checkpoint_sum_add(hw__checkpoint_sum *sum, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size) { /* blocks that stay in the first cache between the two sums */
        size_t n = size < 16384 ? size : 16384;
        add_block(sum, at, n);
        at += n;
        size -= n;
    }
}

void hw__checkpoint_sum_digits(const hw__checkpoint_sum *sum, char digits[CHECKPOINT_DIGITS + 1])
{
    unsigned char last[8] = {0};
    memcpy(last, sum->word, (size_t)(sum->bytes & 7));
    uint64_t mix = step(step(sum->mix, hw__bytes_get(last, 8)), sum->bytes);
    mix ^= mix >> 32;
    (void)snprintf(digits, CHECKPOINT_DIGITS + 1, "%08lx%016llx", (unsigned long)sum->crc, (unsigned long long)mix);
}
