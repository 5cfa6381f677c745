/* page_staleness.c - how old gradients were, row by row. */
#include "efficiency.h"

enum { TOGETHER = 6, CHARTS = 4 };

/* Of all of a row's runs, added to h. */
static void gather(const hw_efficiency *e, size_t row, hw_histogram *h)
{
    hw_histogram_clear(h);
    for (unsigned k = 0; k < e->plan.seeds; k++) {
        const hw__efficiency_kept *kept = hw__efficiency_kept_of(e, row, k);
        if (kept && kept->staleness) (void)hw__efficiency_unpack(kept->staleness, h);
    }
}

/* Share of the updates for each age; that of a wide bin spread over it. Up to the oldest hundredth. */
static size_t points_of(const hw_histogram *h, double *x, double *y)
{
    size_t n = 0;
    double seen = 0;
    for (uint32_t b = 0; b < h->bins && seen < 0.99 * (double)h->total; b++) {
        uint64_t low, high;
        hw_histogram_bounds(h, b, &low, &high);
        seen += (double)h->counts[b];
        x[n] = ((double)low + (double)high) / 2;
        y[n++] = (double)h->counts[b] / (double)h->total / ((double)(high - low) + 1);
    }
    return n;
}

hw_status hw__efficiency_staleness_page(const hw_efficiency *e, hw_report *r, const char *prefix, char *why)
{
    hw_histogram h;
    hw_curve curve[TOGETHER];
    char file[120];
    if (hw__efficiency_histogram_init(&h) != HW_OK) return HW_E_MEMORY;
    double *room = hw__base_alloc((size_t)2 * TOGETHER * h.bins, sizeof *room);
    hw_status status = room ? HW_OK : HW_E_MEMORY;
    unsigned charts = 0;
    for (size_t i = 0; i < e->rows && charts < CHARTS && status == HW_OK;) {
        size_t n = 0;
        for (; i < e->rows && n < TOGETHER; i++) {
            gather(e, i, &h);
            if (!h.largest) continue; /* no runs, or all fresh: one worker */
            double *x = room + 2 * n * h.bins, *y = x + h.bins;
            curve[n] = (hw_curve){.name = e->row[i].label, .x = x, .y = y};
            curve[n].n = points_of(&h, x, y);
            n++;
        }
        if (!n) break;
        (void)snprintf(file, sizeof file, charts ? "%.60s-staleness-%u" : "%.60s-staleness", prefix, charts + 1);
        charts++;
        const hw_chart chart = {.file = file,
                                .title = "Staleness: updates of others between read and write",
                                .x_label = "updates",
                                .y_label = "share of the row's updates, but the oldest hundredth",
                                .y_low = 0,
                                .y_high = NAN};
        status = hw_report_chart(r, &chart, curve, n, why);
    }
    hw__base_free(room);
    hw_histogram_free(&h);
    return status;
}
