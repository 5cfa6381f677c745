/* histogram.c - a run's histograms as a text of "bin:count" with spaces between, which fits into the record: single
 * values up to 63, eight bins a factor of two above. */
#include "../base/number.h"
#include "efficiency.h"
#include <string.h>

enum { LINEAR = 64, ENTRY = 28 };

hw_status hw__efficiency_histogram_init(hw_histogram *h)
{
    return hw_histogram_init(h, LINEAR);
}

/* What stands in finer bins counts at their middle. */
static void rebin(const hw_histogram *from, hw_histogram *to)
{
    for (uint32_t b = 0; b < from->bins; b++) {
        uint64_t low, high;
        if (!from->counts[b]) continue;
        hw_histogram_bounds(from, b, &low, &high);
        hw_histogram_add(to, low + (high - low) / 2, from->counts[b]);
    }
}

char *hw__efficiency_pack(const hw_histogram *from)
{
    hw_histogram h;
    if (hw__efficiency_histogram_init(&h) != HW_OK) return NULL;
    rebin(from, &h);
    size_t bins = 0, at = 0;
    for (uint32_t b = 0; b < h.bins; b++) bins += h.counts[b] > 0;
    char *text = hw__base_alloc(bins * ENTRY + 1, 1);
    if (text) text[0] = 0;
    for (uint32_t b = 0; text && b < h.bins; b++)
        if (h.counts[b])
            at += (size_t)snprintf(text + at, ENTRY, "%s%u:%llu", at ? " " : "", b, (unsigned long long)h.counts[b]);
    hw_histogram_free(&h);
    return text;
}

bool hw__efficiency_unpack(const char *text, hw_histogram *to)
{
    uint64_t counted = to->total;
    for (const char *at = text; *at;) {
        double bin, count;
        uint64_t low, high;
        if (!hw__number_parse(at, &at, &bin) || *at++ != ':' || !hw__number_parse(at, &at, &count)) return false;
        if (!(bin >= 0 && bin < to->bins && count >= 1 && count <= 1e15)) return false;
        hw_histogram_bounds(to, (uint32_t)bin, &low, &high);
        hw_histogram_add(to, low + (high - low) / 2, (uint64_t)count);
        if ((counted += (uint64_t)count) > UINT64_C(1000000000000000000)) return false;
        if (*at == ' ') at++;
    }
    return true;
}

void hw__efficiency_forget(hw__efficiency_kept *kept)
{
    hw__base_free(kept->work);
    hw__base_free(kept->staleness);
    kept->work = kept->staleness = NULL;
}
