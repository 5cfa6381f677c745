/* recorder.c - one recorder a worker, written by that worker alone, readable by anybody while it runs. */
#include "recorder.h"
#include <math.h>

hw_status hw_staleness_create(hw_staleness **out, unsigned workers, uint32_t linear_bins, char *why)
{
    return hw__staleness_create(out, workers, linear_bins, NULL, why);
}

hw_status hw__staleness_create(hw_staleness **out, unsigned workers, uint32_t linear_bins,
                               const hw_allocator *allocator, char *why)
{
    *out = NULL;
    if (workers < 1 || linear_bins < 8 || linear_bins > 65536 || (linear_bins & (linear_bins - 1)))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_staleness_create: linear_bins is %u: it must be a power of two in [8, 65536]"
                             ", with at least one worker",
                             linear_bins);
    hw_staleness *s = hw__memory_handle(allocator, sizeof *s, offsetof(hw_staleness, memory));
    /* Each track is padded to whole cache lines, with a line of distance between workers. */
    uint32_t bins = (hw__histogram_bins(linear_bins) + 15) / 8 * 8;
    size_t counts = (size_t)bins * HW_HISTOGRAMS * workers;
    if (s) {
        s->recorder = hw__memory_zalloc(&s->memory, workers, sizeof *s->recorder);
        s->counts = hw__memory_zalloc(&s->memory, counts, sizeof *s->counts);
    }
    if (!s || !s->recorder || !s->counts) {
        hw_staleness_free(s);
        return hw__base_fail(why, HW_E_MEMORY, "hw_staleness_create: no memory for %u histograms", workers);
    }
    s->workers = workers;
    s->linear_bins = linear_bins;
    s->bins = hw__histogram_bins(linear_bins);
    for (unsigned w = 0; w < workers; w++)
        for (int t = 0; t < HW_HISTOGRAMS; t++)
            s->recorder[w].track[t].counts = s->counts + (size_t)bins * (HW_HISTOGRAMS * w + (unsigned)t);
    *out = s;
    return HW_OK;
}

void hw_staleness_free(hw_staleness *s)
{
    if (s) hw__memory_release(&s->memory);
}

size_t hw_staleness_bytes(const hw_staleness *s)
{
    return s->memory.bytes;
}

uint32_t hw_staleness_linear_bins(const hw_staleness *s)
{
    return s->linear_bins;
}

uint32_t hw_staleness_exact(const hw_staleness *s)
{
    return hw_staleness_linear_bins(s);
}

static void add(track *t, uint32_t linear_bins, uint64_t value, uint64_t weight)
{
    hw__counter_add(&t->counts[hw__histogram_bin(linear_bins, value)], weight);
    hw__counter_add(&t->total, weight);
    hw__counter_add(&t->sum, value * weight);
    hw__counter_add_double(&t->squares, (double)value * (double)value * (double)weight);
    if (value > hw__counter_get(&t->largest)) hw__counter_set(&t->largest, value);
}

void hw_staleness_record(hw_staleness *s, unsigned worker, const hw_observation *o, uint64_t weight)
{
    recorder *r = s->recorder + worker;
    add(&r->track[HW_HISTOGRAM_STALENESS], s->linear_bins, o->staleness, weight);
    add(&r->track[HW_HISTOGRAM_SPREAD], s->linear_bins, o->spread, weight);
    add(&r->track[HW_HISTOGRAM_OVERLAP], s->linear_bins, o->overlap, weight);
    add(&r->track[HW_HISTOGRAM_WORK], s->linear_bins, o->work_ns, weight);
    double w = (double)o->work_ns, tau = (double)o->staleness;
    if (hw__counter_get(&r->steps)) hw__counter_add_double(&r->work_next, w * r->last_work);
    hw__counter_add(&r->steps, 1);
    hw__counter_add_double(&r->work, w);
    hw__counter_add_double(&r->work2, w * w);
    hw__counter_add_double(&r->tau, tau);
    hw__counter_add_double(&r->tau2, tau * tau);
    hw__counter_add_double(&r->tau_work, tau * w);
    r->last_work = w;
}

void hw_staleness_worker(const hw_staleness *s, int which, unsigned worker, hw_histogram *h)
{
    const track *t = &s->recorder[worker].track[which];
    /* The total is what the bins add up to, so that the two agree while the worker goes on recording. */
    for (uint32_t b = 0; b < s->bins; b++) {
        uint64_t n = hw__counter_get(&t->counts[b]);
        h->counts[b] += n;
        h->total += n;
    }
    h->sum += (double)hw__counter_get(&t->sum);
    h->squares += hw__counter_get_double(&t->squares);
    uint64_t largest = hw__counter_get(&t->largest);
    if (largest > h->largest) h->largest = largest;
    /* The sums may be one value ahead of the bins or behind them. */
    hw__histogram_settle(h);
}

void hw_staleness_merge(const hw_staleness *s, int which, hw_histogram *h)
{
    for (unsigned w = 0; w < s->workers; w++) hw_staleness_worker(s, which, w, h);
}

uint64_t hw_staleness_count(const hw_staleness *s, unsigned worker)
{
    return hw__counter_get(&s->recorder[worker].track[HW_HISTOGRAM_STALENESS].total);
}

void hw_staleness_work(const hw_staleness *s, hw_work_summary *out)
{
    double n = 0, pairs = 0, work = 0, work2 = 0, next = 0, tau = 0, tau2 = 0, both = 0;
    for (unsigned i = 0; i < s->workers; i++) {
        const recorder *r = s->recorder + i;
        double steps = (double)hw__counter_get(&r->steps);
        n += steps;
        pairs += steps > 0 ? steps - 1 : 0;
        work += hw__counter_get_double(&r->work);
        work2 += hw__counter_get_double(&r->work2);
        next += hw__counter_get_double(&r->work_next);
        tau += hw__counter_get_double(&r->tau);
        tau2 += hw__counter_get_double(&r->tau2);
        both += hw__counter_get_double(&r->tau_work);
    }
    double mean = n > 0 ? work / n : NAN, variance = work2 / n - mean * mean;
    double mean_tau = tau / n, variance_tau = tau2 / n - mean_tau * mean_tau;
    out->steps = (uint64_t)n;
    out->mean_ns = mean;
    out->variation = variance > 0 ? sqrt(variance) / mean : 0;
    out->correlation_next = variance > 0 && pairs > 0 ? (next / pairs - mean * mean) / variance : 0;
    out->correlation_staleness =
        variance > 0 && variance_tau > 0 ? (both / n - mean * mean_tau) / sqrt(variance * variance_tau) : 0;
}
