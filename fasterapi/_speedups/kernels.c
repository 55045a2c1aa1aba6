/* The kernels in C: what they do stands in kernels.h, and why they are three in pure.py.

   Words are read and written with memcpy, which compilers turn into one instruction: a cast would
   promise an alignment that received bytes don't have. A length from the wire is compared with what
   is left, and added to a position only after that. */

#include "kernels.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- masking */

static void unmask(const unsigned char *data, size_t size, const unsigned char *key,
                   unsigned char *out)
{
    unsigned char twice[8];
    uint64_t pattern, word;
    size_t i = 0;

    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&pattern, twice, sizeof pattern);
    for (; size - i >= sizeof word; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        word ^= pattern;
        memcpy(out + i, &word, sizeof word);
    }
    for (; i < size; i++)
        out[i] = data[i] ^ key[i & 3];
}

void fasterapi_mask(const char *data, size_t size, const char *key, unsigned phase, char *out)
{
    unsigned char turned[4];
    unsigned i;

    for (i = 0; i < 4; i++)
        turned[i] = (unsigned char)key[(i + phase) & 3];
    unmask((const unsigned char *)data, size, turned, (unsigned char *)out);
}

/* -------------------------------------------------------------------------------------- frames */

/* Reads the header at data, of which left bytes are there. Gives its size, and sets the payload's
   length; 0 for a header that is unfinished or not well-formed. */
static size_t read_header(const unsigned char *data, uint64_t left, int masked, uint64_t *length)
{
    const size_t key_size = masked ? 4 : 0;
    size_t field = 0, i;
    uint64_t value;

    if (left < 2)
        return 0;
    value = data[1] ^ (masked ? 0x80u : 0u);
    if (value > 127)
        return 0; /* the wrong mask bit */
    if (value > 125) {
        field = value == 126 ? 2 : 8;
        if (left < 2 + field)
            return 0;
        value = 0;
        for (i = 0; i < field; i++)
            value = value << 8 | data[2 + i];
        if (value < (field == 2 ? 126u : 0x10000u) || value >> 63)
            return 0;
    }
    if (left < 2 + field + key_size)
        return 0;
    *length = value;
    return 2 + field + key_size;
}

size_t fasterapi_scan(const char *data, uint64_t size, uint64_t start, uint64_t limit, int masked,
                      uint64_t *out)
{
    const unsigned char *from = (const unsigned char *)data;
    unsigned char *to = (unsigned char *)(out + FASTERAPI_FRAMES + 1);
    uint64_t position = start, total = 0, length, body;
    size_t count = 0, header;

    while (count < FASTERAPI_FRAMES && position < size) {
        header = read_header(from + position, size - position, masked, &length);
        if (header == 0 || length > limit || length > size - position - header)
            break;
        body = position + header;
        if (masked)
            unmask(from + body, (size_t)length, from + body - 4, to + total);
        else
            memcpy(to + total, from + body, (size_t)length);
        total += length;
        out[count++] = total << 8 | from[position];
        position = body + length;
    }
    out[count] = position;
    return count;
}

int64_t fasterapi_unwrap(const char *data, size_t size, char *out)
{
    const unsigned char *from = (const unsigned char *)data;
    uint64_t length;
    size_t header = size <= FASTERAPI_UNWRAP_MOST ? read_header(from, size, 1, &length) : 0;

    if (header == 0 || length != size - header)
        return -1;
    unmask(from + header, (size_t)length, from + header - 4, (unsigned char *)out);
    return (int64_t)length;
}

/* --------------------------------------------------------------------------------------- UTF-8 */

/* Counts the ASCII bytes that data begins with. */
static size_t ascii_prefix(const unsigned char *data, size_t size)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    uint64_t word, next;
    size_t i = 0;

    for (; size - i >= 2 * sizeof word; i += 2 * sizeof word) {
        memcpy(&word, data + i, sizeof word);
        memcpy(&next, data + i + sizeof word, sizeof next);
        if ((word | next) & high_bits)
            break;
    }
    for (; i < size && data[i] < 0x80; i++)
        ;
    return i;
}

/* An unfinished character: how many of its bytes are there, how many are not, and the range that
   the next one has to be in. */
static uint32_t pack(uint32_t seen, uint32_t missing, uint32_t low, uint32_t high)
{
    return seen << 24 | missing << 16 | high << 8 | low;
}

/* What the first byte of a character over ASCII asks for (RFC 3629, section 4). */
static uint32_t begin(unsigned char first)
{
    if (first < 0xC2)
        return FASTERAPI_NOT_UTF8;
    if (first < 0xE0)
        return pack(1, 1, 0x80, 0xBF);
    if (first < 0xF0)
        return pack(1, 2, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
    if (first < 0xF5)
        return pack(1, 3, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
    return FASTERAPI_NOT_UTF8;
}

/* What one more byte makes of an unfinished character. */
static uint32_t proceed(uint32_t state, unsigned char byte)
{
    const uint32_t seen = state >> 24, missing = state >> 16 & 0xFF;

    if (byte < (state & 0xFF) || byte > (state >> 8 & 0xFF))
        return FASTERAPI_NOT_UTF8;
    return missing == 1 ? 0 : pack(seen + 1, missing - 1, 0x80, 0xBF);
}

uint32_t fasterapi_utf8(const char *data, size_t size, uint32_t state)
{
    const unsigned char *text = (const unsigned char *)data;
    size_t i = 0;

    while (i < size && state != FASTERAPI_NOT_UTF8) {
        if (state)
            state = proceed(state, text[i++]);
        else if (text[i] < 0x80)
            i += ascii_prefix(text + i, size - i);
        else
            state = begin(text[i++]);
    }
    return state;
}
