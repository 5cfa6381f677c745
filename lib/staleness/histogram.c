/* histogram.c - counts of non-negative integers: exact below a bound, eight bins a factor of two above. */
#include "staleness.h"
#include <math.h>
#include <string.h>

static unsigned log2_of(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

uint32_t hw__histogram_bins(uint32_t linear_bins)
{
    return linear_bins + 8 * (64 - log2_of(linear_bins));
}

uint32_t hw__histogram_bin(uint32_t linear_bins, uint64_t value)
{
    if (value < linear_bins) return (uint32_t)value;
    unsigned top = log2_of(value);
    return linear_bins + 8 * (top - log2_of(linear_bins)) + (uint32_t)(value >> (top - 3) & 7);
}

void hw_histogram_bounds(const hw_histogram *h, uint32_t bin, uint64_t *low, uint64_t *high)
{
    if (bin < h->linear_bins) {
        *low = *high = bin;
        return;
    }
    uint32_t above = bin - h->linear_bins;
    unsigned top = log2_of(h->linear_bins) + above / 8;
    *low = (uint64_t)(8 + above % 8) << (top - 3);
    *high = *low + (((uint64_t)1 << (top - 3)) - 1);
}

hw_status hw__histogram_plan(hw_histogram *h, uint32_t linear_bins, hw__memory *memory)
{
    memset(h, 0, sizeof *h);
    if (linear_bins < 8 || linear_bins > 65536 || (linear_bins & (linear_bins - 1))) return HW_E_ARGUMENT;
    h->linear_bins = linear_bins;
    h->bins = hw__histogram_bins(linear_bins);
    h->counts =
        memory ? hw__memory_zalloc(memory, h->bins, sizeof *h->counts) : hw__base_zalloc(h->bins, sizeof *h->counts);
    return h->counts ? HW_OK : HW_E_MEMORY;
}

hw_status hw_histogram_init(hw_histogram *h, uint32_t linear_bins)
{
    return hw__histogram_plan(h, linear_bins, NULL);
}

void hw_histogram_free(hw_histogram *h)
{
    if (!h) return;
    hw__base_free(h->counts);
    memset(h, 0, sizeof *h);
}

void hw_histogram_clear(hw_histogram *h)
{
    memset(h->counts, 0, h->bins * sizeof *h->counts);
    h->total = h->largest = 0;
    h->sum = h->squares = 0;
}

void hw_histogram_add(hw_histogram *h, uint64_t value, uint64_t weight)
{
    h->counts[hw__histogram_bin(h->linear_bins, value)] += weight;
    h->total += weight;
    h->sum += (double)value * (double)weight;
    h->squares += (double)value * (double)value * (double)weight;
    if (value > h->largest) h->largest = value;
}

static void combine(hw_histogram *to, const hw_histogram *from, bool add)
{
    for (uint32_t b = 0; b < to->bins && b < from->bins; b++)
        to->counts[b] = add ? to->counts[b] + from->counts[b] : to->counts[b] - from->counts[b];
    to->total = add ? to->total + from->total : to->total - from->total;
    to->sum += add ? from->sum : -from->sum;
    to->squares += add ? from->squares : -from->squares;
}

void hw_histogram_merge(hw_histogram *to, const hw_histogram *from)
{
    combine(to, from, true);
    if (from->largest > to->largest) to->largest = from->largest;
}

void hw__histogram_settle(hw_histogram *h)
{
    double low = 0, high = 0, low_squares = 0, high_squares = 0;
    for (uint32_t b = 0; b < h->bins; b++) {
        if (!h->counts[b]) continue;
        uint64_t from, to;
        double n = (double)h->counts[b];
        hw_histogram_bounds(h, b, &from, &to);
        low += n * (double)from;
        high += n * (double)to;
        low_squares += n * (double)from * (double)from;
        high_squares += n * (double)to * (double)to;
    }
    h->sum = fmin(fmax(h->sum, low), high);
    h->squares = fmin(fmax(h->squares, low_squares), high_squares);
}

void hw_histogram_subtract(hw_histogram *to, const hw_histogram *from)
{
    combine(to, from, false);
    /* The largest of the difference is known to its bin. */
    uint64_t low, high = 0;
    for (uint32_t b = to->bins; b-- > 0;)
        if (to->counts[b]) {
            hw_histogram_bounds(to, b, &low, &high);
            break;
        }
    if (high < to->largest) to->largest = high;
    hw__histogram_settle(to);
}

void hw_histogram_copy(hw_histogram *to, const hw_histogram *from)
{
    hw_histogram_clear(to);
    hw_histogram_merge(to, from);
}

double hw_histogram_quantile(const hw_histogram *h, double p)
{
    double want = p * (double)h->total, below = 0;
    for (uint32_t b = 0; b < h->bins; b++) {
        below += (double)h->counts[b];
        if (h->counts[b] && below >= want) {
            uint64_t low, high;
            hw_histogram_bounds(h, b, &low, &high);
            if (high > h->largest) high = h->largest;
            return 0.5 * ((double)low + (double)high);
        }
    }
    return NAN;
}
