/* import.c - a histogram from the CSV that hw_histogram_csv writes (run-N-staleness.csv of a report). Every byte is
 * untrusted: the numbers are read by hand, whatever the locale, and each mistake names its line. */
#include "../base/files.h"
#include "staleness.h"
#include <string.h>

#define CAP ((size_t)1 << 26)

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool number(cursor *c, uint64_t *value)
{
    const char *from = c->at;
    *value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        uint64_t digit = (uint64_t)(*c->at - '0');
        if (*value > (UINT64_MAX - digit) / 10) return false;
        *value = 10 * *value + digit;
    }
    return c->at > from;
}

static bool comma(cursor *c)
{
    return c->at < c->end && *c->at == ',' ? (c->at++, true) : false;
}

static void next_line(cursor *c)
{
    while (c->at < c->end && *c->at != '\n') c->at++;
    if (c->at < c->end) c->at++;
}

static hw_status read_rows(cursor *c, const char *path, hw_histogram *h, char *why)
{
    uint64_t low, high, count, after = 0;
    for (unsigned line = 2; c->at < c->end; line++, next_line(c)) {
        if (*c->at == '\n' || *c->at == '\r') continue;
        if (!number(c, &low) || !comma(c) || !number(c, &high) || !comma(c) || !number(c, &count))
            return hw__base_fail(why, HW_E_FORMAT, "%.120s:%u: three whole numbers are needed: low,high,count", path,
                                 line);
        if (c->at < c->end && *c->at != ',' && *c->at != '\n' && *c->at != '\r')
            return hw__base_fail(why, HW_E_FORMAT, "%.120s:%u: the count is followed by something else", path, line);
        if (high < low || (line > 2 && low < after))
            return hw__base_fail(why, HW_E_FORMAT, "%.120s:%u: bins must ascend and not overlap", path, line);
        if (high > (uint64_t)1 << 40 || count > (uint64_t)1 << 40)
            return hw__base_fail(why, HW_E_LIMIT, "%.120s:%u: values and counts up to 2^40 only", path, line);
        after = high + 1;
        if (count) hw_histogram_add(h, low + (high - low) / 2, count);
    }
    return h->total ? HW_OK : hw__base_fail(why, HW_E_FORMAT, "%.140s: there are no counts in it", path);
}

hw_status hw_histogram_load(hw_histogram *h, uint32_t linear_bins, const char *path, char *why)
{
    static const char head[] = "low,high,count";
    hw__file f;
    memset(h, 0, sizeof *h);
    if (!path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_histogram_load: a path is needed");
    hw_status status = hw__file_read(path, CAP, &f, why);
    if (status != HW_OK) return status;
    status = hw_histogram_init(h, linear_bins);
    if (status == HW_E_MEMORY) hw__base_fail(why, status, "%.160s: no memory", path);
    if (status == HW_E_ARGUMENT)
        hw__base_fail(why, status, "hw_histogram_load: linear_bins is %u: it must be a power of two in [8, 65536]",
                      linear_bins);
    cursor c = {(const char *)f.data, (const char *)f.data + f.size};
    if (status == HW_OK && (f.size < sizeof head - 1 || memcmp(f.data, head, sizeof head - 1) != 0))
        status = hw__base_fail(why, HW_E_FORMAT, "%.140s:1: the first line must begin with %s", path, head);
    next_line(&c);
    if (status == HW_OK) status = read_rows(&c, path, h, why);
    hw__base_free(f.data);
    if (status != HW_OK) hw_histogram_free(h);
    return status;
}
