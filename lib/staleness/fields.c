/* fields.c - histograms in a state: their entries, and what must be true of the numbers in them, so that nothing that
 * is computed from a histogram of a damaged file is worse than wrong. */
#include "fields.h"
#include "recorder.h"

/* Bins, and the moments beside them: these must be what values in those bins can have. */
typedef struct moments {
    uint64_t total, largest;
    double sum, squares;
} moments;

static void check_moments(hw__walk *v, const char *name, uint32_t linear_bins, const uint64_t *counts, const moments *m)
{
    hw_histogram bins = {.linear_bins = linear_bins, .bins = hw__histogram_bins(linear_bins)};
    uint64_t total = 0, low, high = 0;
    double sum[2] = {0, 0}, squares[2] = {0, 0};
    uint32_t last = 0;
    for (uint32_t b = 0; b < bins.bins; b++) {
        if (!counts[b]) continue;
        if (counts[b] > WALK_MOST || total > WALK_MOST) {
            hw__walk_refuse(v, "entry '%s.counts' of the state counts more than 2^53", name);
            return;
        }
        total += counts[b];
        last = b;
        hw_histogram_bounds(&bins, b, &low, &high);
        const double n = (double)counts[b], ends[2] = {(double)low, (double)high};
        for (int k = 0; k < 2; k++) {
            sum[k] += n * ends[k];
            squares[k] += n * ends[k] * ends[k];
        }
    }
    bool good = total == m->total && (total ? hw__histogram_bin(linear_bins, m->largest) == last : m->largest == 0);
    for (int k = 0; k < 2 && good; k++) {
        /* Sums of nanoseconds may have wrapped: only what lies below 2^63 is compared. */
        double sign = k ? 1 : -1, slack = 1 + 1e-6 * sign;
        if (sum[1] < 9e18) good = sign * m->sum <= sign * sum[k] * slack + 1;
        good = good && sign * m->squares <= sign * squares[k] * slack + 1;
    }
    if (!good)
        hw__walk_refuse(v, "the histogram '%s' of the state does not fit its own total, sum or largest value", name);
}

void hw__histogram_fields(hw_histogram *h, const char *room, hw__walk *v)
{
    static const hw__field table[] = {{"total", offsetof(hw_histogram, total), WALK_U64, WALK_COUNT},
                                      {"largest", offsetof(hw_histogram, largest), WALK_U64, WALK_ANY},
                                      {"sum", offsetof(hw_histogram, sum), WALK_F64, WALK_POSITIVE},
                                      {"squares", offsetof(hw_histogram, squares), WALK_F64, WALK_POSITIVE}};
    char name[HW_STATE_NAME];
    (void)snprintf(name, sizeof name, "%s.counts", room);
    hw__walk_values(v, room, WALK_FIELDS(table), h);
    hw__walk_plain(v, name, HW_U64, h->counts, h->bins);
    if (!hw__walk_checks(v)) return;
    /* It was merged while workers recorded: sum and largest may be a few values ahead of the bins, the total is not. */
    const uint64_t *counts = hw_state_array(v->from, name, HW_U64, h->bins);
    uint64_t total = 0;
    for (uint32_t b = 0; b < h->bins && total <= WALK_MOST; b++)
        total += counts[b] <= WALK_MOST ? counts[b] : WALK_MOST + 1;
    (void)snprintf(name, sizeof name, "%s.total", room);
    if (total > WALK_MOST || total != hw_state_number(v->from, name, 0))
        hw__walk_refuse(v, "the histogram '%s' of the state does not fit its own total", room);
}

static const char *const kinds[HW_HISTOGRAMS] = {"staleness.delay", "staleness.spread", "staleness.overlap",
                                                 "staleness.work"};

static void visit_track(hw_staleness *s, int which, hw__walk *v)
{
    static const hw__field table[] = {{"total", offsetof(track, total), WALK_COUNTER, WALK_COUNT},
                                      {"sum", offsetof(track, sum), WALK_COUNTER, WALK_ANY},
                                      {"squares", offsetof(track, squares), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"largest", offsetof(track, largest), WALK_COUNTER, WALK_ANY}};
    const uint64_t shape[2] = {s->workers, s->bins};
    char name[HW_STATE_NAME];
    hw__walk_columns(v, kinds[which], WALK_FIELDS(table), &s->recorder->track[which], sizeof *s->recorder, s->workers);
    (void)snprintf(name, sizeof name, "%s.counts", kinds[which]);
    uint64_t *counts = hw__walk_array(v, name, HW_U64, 2, shape);
    for (unsigned w = 0; w < s->workers && v->status == HW_OK; w++) {
        uint64_t *row = counts + (size_t)w * s->bins;
        hw__base_counter *own = s->recorder[w].track[which].counts;
        if (v->way == WALK_CHECK) {
            uint64_t whole[3];
            static const char *const parts[] = {"total", "sum", "largest"};
            for (int k = 0; k < 3; k++) {
                (void)snprintf(name, sizeof name, "%s.%s", kinds[which], parts[k]);
                whole[k] = ((uint64_t *)hw_state_array(v->from, name, HW_U64, s->workers))[w];
            }
            (void)snprintf(name, sizeof name, "%s.squares", kinds[which]);
            const double *squares = hw_state_array(v->from, name, HW_F64, s->workers);
            const moments m = {whole[0], whole[2], (double)whole[1], squares[w]};
            check_moments(v, kinds[which], s->linear_bins, row, &m);
            continue;
        }
        for (uint32_t b = 0; b < s->bins; b++) {
            if (v->way == WALK_PUT)
                row[b] = hw__counter_get(own + b);
            else
                hw__counter_set(own + b, row[b]);
        }
    }
}

void hw__staleness_fields(hw_staleness *s, hw__walk *v)
{
    static const hw__field table[] = {{"steps", offsetof(recorder, steps), WALK_COUNTER, WALK_COUNT},
                                      {"ns", offsetof(recorder, work), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"ns_squares", offsetof(recorder, work2), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"ns_next", offsetof(recorder, work_next), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"tau", offsetof(recorder, tau), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"tau_squares", offsetof(recorder, tau2), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"tau_ns", offsetof(recorder, tau_work), WALK_COUNTER_REAL, WALK_POSITIVE},
                                      {"last_ns", offsetof(recorder, last_work), WALK_F64, WALK_POSITIVE}};
    hw__walk_columns(v, "staleness", WALK_FIELDS(table), s->recorder, sizeof *s->recorder, s->workers);
    for (int which = 0; which < HW_HISTOGRAMS; which++) visit_track(s, which, v);
}

void hw__staleness_fields_cover(const hw_staleness *s, int which, const hw_histogram *h, const char *room, hw__walk *v)
{
    char name[HW_STATE_NAME];
    if (!hw__walk_checks(v)) return;
    (void)snprintf(name, sizeof name, "%s.counts", room);
    const uint64_t *part = hw_state_array(v->from, name, HW_U64, h->bins);
    (void)snprintf(name, sizeof name, "%s.counts", kinds[which]);
    const uint64_t *all = hw_state_array(v->from, name, HW_U64, (size_t)s->workers * s->bins);
    for (uint32_t b = 0; b < s->bins; b++) {
        uint64_t sum = 0; /* each worker's total is at most 2^53, and there are fewer than 2^11 recorders */
        for (unsigned w = 0; w < s->workers; w++) sum += all[(size_t)w * s->bins + b];
        if (part[b] > sum) {
            hw__walk_refuse(v, "the histogram '%s' of the state holds more than the recorders' '%s'", room,
                            kinds[which]);
            return;
        }
    }
}
