/* recorder.c - one recorder a worker, written by that worker alone, readable by anybody while it runs. */
#include "recorder.h"
#include <math.h>

hw_status hw_staleness_create(hw_staleness **out, unsigned workers, uint32_t exact, char *why)
{
    *out = NULL;
    if (workers < 1 || exact < 8 || exact > 65536 || (exact & (exact - 1)))
        return base_fail(why, HW_E_ARGUMENT,
                         "hw_staleness_create: exact is %u: it must be a power of two in [8, 65536]"
                         ", with at least one worker",
                         exact);
    hw_staleness *s = base_zalloc(1, sizeof *s);
    /* Each track is padded to whole cache lines, with a line of distance between workers. */
    uint32_t bins = (histogram_bins(exact) + 15) / 8 * 8;
    size_t counts = (size_t)bins * HW_HISTOGRAMS * workers;
    if (s) {
        s->recorder = base_zalloc(workers, sizeof *s->recorder);
        s->counts = base_zalloc(counts, sizeof *s->counts);
    }
    if (!s || !s->recorder || !s->counts) {
        hw_staleness_free(s);
        return base_fail(why, HW_E_MEMORY, "hw_staleness_create: no memory for %u histograms", workers);
    }
    s->workers = workers;
    s->exact = exact;
    s->bins = histogram_bins(exact);
    s->bytes = sizeof *s + workers * sizeof *s->recorder + counts * sizeof *s->counts;
    for (unsigned w = 0; w < workers; w++)
        for (int t = 0; t < HW_HISTOGRAMS; t++)
            s->recorder[w].track[t].counts = s->counts + (size_t)bins * (HW_HISTOGRAMS * w + (unsigned)t);
    *out = s;
    return HW_OK;
}

void hw_staleness_free(hw_staleness *s)
{
    if (!s) return;
    base_free(s->recorder);
    base_free(s->counts);
    base_free(s);
}

size_t hw_staleness_bytes(const hw_staleness *s)
{
    return s->bytes;
}

uint32_t hw_staleness_exact(const hw_staleness *s)
{
    return s->exact;
}

static void add(track *t, uint32_t exact, uint64_t value, uint64_t weight)
{
    counter_add(&t->counts[histogram_bin(exact, value)], weight);
    counter_add(&t->total, weight);
    counter_add(&t->sum, value * weight);
    counter_add_double(&t->squares, (double)value * (double)value * (double)weight);
    if (value > counter_get(&t->largest)) counter_set(&t->largest, value);
}

void hw_staleness_record(hw_staleness *s, unsigned worker, const hw_observation *o, uint64_t weight)
{
    recorder *r = s->recorder + worker;
    add(&r->track[HW_HISTOGRAM_STALENESS], s->exact, o->staleness, weight);
    add(&r->track[HW_HISTOGRAM_SPREAD], s->exact, o->spread, weight);
    add(&r->track[HW_HISTOGRAM_OVERLAP], s->exact, o->overlap, weight);
    add(&r->track[HW_HISTOGRAM_WORK], s->exact, o->work_ns, weight);
    double w = (double)o->work_ns, tau = (double)o->staleness;
    if (counter_get(&r->steps)) counter_add_double(&r->work_next, w * r->last_work);
    counter_add(&r->steps, 1);
    counter_add_double(&r->work, w);
    counter_add_double(&r->work2, w * w);
    counter_add_double(&r->tau, tau);
    counter_add_double(&r->tau2, tau * tau);
    counter_add_double(&r->tau_work, tau * w);
    r->last_work = w;
}

void hw_staleness_worker(const hw_staleness *s, int which, unsigned worker, hw_histogram *h)
{
    const track *t = &s->recorder[worker].track[which];
    /* The total is what the bins add up to, so that the two agree while the worker goes on recording. */
    for (uint32_t b = 0; b < s->bins; b++) {
        uint64_t n = counter_get(&t->counts[b]);
        h->counts[b] += n;
        h->total += n;
    }
    h->sum += (double)counter_get(&t->sum);
    h->squares += counter_get_double(&t->squares);
    uint64_t largest = counter_get(&t->largest);
    if (largest > h->largest) h->largest = largest;
    /* The sums may be one value ahead of the bins or behind them. */
    histogram_settle(h);
}

void hw_staleness_merge(const hw_staleness *s, int which, hw_histogram *h)
{
    for (unsigned w = 0; w < s->workers; w++) hw_staleness_worker(s, which, w, h);
}

uint64_t hw_staleness_count(const hw_staleness *s, unsigned worker)
{
    return counter_get(&s->recorder[worker].track[HW_HISTOGRAM_STALENESS].total);
}

void hw_staleness_work(const hw_staleness *s, hw_work_shape *out)
{
    double n = 0, pairs = 0, work = 0, work2 = 0, next = 0, tau = 0, tau2 = 0, both = 0;
    for (unsigned i = 0; i < s->workers; i++) {
        const recorder *r = s->recorder + i;
        double steps = (double)counter_get(&r->steps);
        n += steps;
        pairs += steps > 0 ? steps - 1 : 0;
        work += counter_get_double(&r->work);
        work2 += counter_get_double(&r->work2);
        next += counter_get_double(&r->work_next);
        tau += counter_get_double(&r->tau);
        tau2 += counter_get_double(&r->tau2);
        both += counter_get_double(&r->tau_work);
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
