/* The kernels in C; pure.py in the same folder is their specification.

   build.py gives the declarations below to cffi as they stand, without the preprocessor's lines. So
   they use nothing but C's own types and those of <stdint.h> and <stddef.h>. No kernel allocates,
   keeps anything between two calls, or knows of Python. */

#ifndef FASTERAPI_KERNELS_H
#define FASTERAPI_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* How many frames one call of the scan takes at most: 32 KiB of descriptors. */
enum { FASTERAPI_FRAMES = 4096 };

/* Takes complete, well-formed frames from data[start..size) (RFC 6455, section 5.2) and stops in
   front of the first one that is not, or whose payload is over limit bytes.

   out has room for FASTERAPI_FRAMES + 1 numbers and, behind them, for size - start bytes. For each
   frame it receives one number: the end of its payload << 8 | its first byte; then the position in
   data where the scan stopped. Behind all the room for numbers it receives the payloads, unmasked
   and joined, and an end is one within these. Returns the number of frames. */
size_t fasterapi_scan(const char *data, uint64_t size, uint64_t start, uint64_t limit, int masked,
                      uint64_t *out);

/* The longest read that fasterapi_unwrap takes. */
enum { FASTERAPI_UNWRAP_MOST = 262144 };

/* Takes a read that is exactly one well-formed, masked frame: writes its payload, unmasked, to out,
   which has room for FASTERAPI_UNWRAP_MOST bytes. Returns the payload's length, or -1 if the read
   is anything else, or longer. */
int64_t fasterapi_unwrap(const char *data, size_t size, char *out);

/* Writes data, XORed with the four bytes of key repeated, to out (RFC 6455, section 5.3). The first
   byte meets key[phase], with phase from 0 to 3. */
void fasterapi_mask(const char *data, size_t size, const char *key, unsigned phase, char *out);

/* What fasterapi_utf8 returns for a text that can't be UTF-8 any more. */
enum { FASTERAPI_NOT_UTF8 = 1 };

/* Checks one more piece of a text (RFC 3629, section 4).

   state is 0 at the beginning of a text, then what the call before returned; 0 between two
   characters. Its highest byte counts the bytes of an unfinished character, 0 to 3. */
uint32_t fasterapi_utf8(const char *data, size_t size, uint32_t state);

#endif
