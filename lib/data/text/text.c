/* text.c - numbers in text files, independent of the locale and bounded by the end that the caller gives. */
#include "text.h"

static inline bool digit(const char *c, const char *end)
{
    return c < end && *c >= '0' && *c <= '9';
}

bool hw__text_unsigned(const char **at, const char *end, uint64_t *out)
{
    const char *c = *at;
    uint64_t x = 0;
    if (!digit(c, end)) return false;
    for (; digit(c, end); c++) {
        uint64_t d = (uint64_t)(*c - '0');
        if (x > (UINT64_MAX - d) / 10) return false;
        x = 10 * x + d;
    }
    *at = c;
    *out = x;
    return true;
}

/* x * 10^e. Up to 10^22 a power of ten is a double, so one operation rounds once; beyond, a few roundings of a double
 * are far below a unit of a float. Exponents that lead out of a float's range are cut before. */
static double scaled(double x, int64_t e)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    for (; e > 22; e -= 22) x *= 1e22;
    for (; e < -22; e += 22) x /= 1e22;
    return e < 0 ? x / power[-e] : x * power[e];
}

bool hw__text_float(const char **at, const char *end, float *out)
{
    const char *c = *at;
    bool negative = c < end && *c == '-';
    if (c < end && (*c == '-' || *c == '+')) c++;
    /* 19 digits fit 64 bits; of those after them only the places count. A text has fewer bytes than an int64_t. */
    uint64_t digits = 0;
    int64_t exponent = 0;
    bool any = digit(c, end);
    for (; digit(c, end); c++) {
        if (digits < (uint64_t)1000000000000000000)
            digits = 10 * digits + (uint64_t)(*c - '0');
        else
            exponent++;
    }
    if (c < end && *c == '.') {
        c++;
        any = any || digit(c, end);
        for (; digit(c, end); c++) {
            if (digits >= (uint64_t)1000000000000000000) continue;
            digits = 10 * digits + (uint64_t)(*c - '0');
            exponent--;
        }
    }
    if (!any) return false;
    if (c < end && (*c == 'e' || *c == 'E')) {
        c++;
        bool down = c < end && *c == '-';
        if (c < end && (*c == '-' || *c == '+')) c++;
        if (!digit(c, end)) return false;
        int64_t e = 0;
        for (; digit(c, end); c++)
            if (e < (int64_t)1 << 40) e = 10 * e + (*c - '0'); /* far beyond the places of any text in memory */
        exponent += down ? -e : e;
    }
    double x = 0;
    if (digits) {
        if (exponent > 60) return false;                           /* at least 10^61, and a float ends at 3.4 * 10^38 */
        x = exponent < -80 ? 0 : scaled((double)digits, exponent); /* at most 10^-61, and a float begins at 10^-45 */
    }
    if (x >= 0x1.ffffffp127) return false; /* half way between the largest float and the next power of two */
    *out = (float)(negative ? -x : x);
    *at = c;
    return true;
}
