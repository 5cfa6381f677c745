/* text.h (internal) - numbers in text files, for the readers of this room. It knows no format, no line and no locale.
 */
#ifndef HW__DATA_TEXT_TEXT_H
#define HW__DATA_TEXT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Both read a number that begins exactly at *at, never look at *end or beyond, and leave *at behind the number's last
 * byte. What stands there is the caller's to judge: "0x10" is the number 0 followed by an x. On false *at and *out are
 * as before. Thread-safe. */

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point, decimal point always '.', any number
 * of digits. False: no number (so also inf and nan), an exponent without digits, or a value that rounds to infinity.
 * The result is within one unit in the last place; up to 19 digits with a small exponent it is the nearest double,
 * rounded to float. What is too small becomes a subnormal or a zero of its sign. */
bool hw__text_float(const char **at, const char *end, float *out);

/* Digits without a sign, any number of leading zeros. False: no digit, or 2^64 and more. */
bool hw__text_unsigned(const char **at, const char *end, uint64_t *out);

#endif
