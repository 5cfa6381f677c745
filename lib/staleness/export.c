/* export.c - histograms and shapes as CSV, JSON and text, into a stream of the caller's. */
#include "../base/json.h"
#include "staleness.h"
#include <math.h>

static hw_status done(FILE *out)
{
    return ferror(out) ? HW_E_IO : HW_OK;
}

hw_status hw_histogram_csv(const hw_histogram *h, FILE *out)
{
    hw_staleness_summary shape;
    hw_staleness_summarize(h, &shape);
    fputs("low,high,count,share,geometric,poisson,negative_binomial\n", out);
    for (uint32_t b = 0; b < h->bins; b++) {
        uint64_t low, high;
        hw_histogram_bounds(h, b, &low, &high);
        if (!h->counts[b] && (low > h->largest || b >= h->linear_bins)) continue;
        fprintf(out, "%llu,%llu,%llu,", (unsigned long long)low, (unsigned long long)high,
                (unsigned long long)h->counts[b]);
        hw__json_number(out, (double)h->counts[b] / (double)h->total);
        for (int f = 0; f <= HW_FIT_NEGATIVE_BINOMIAL; f++) {
            fputc(',', out);
            if (shape.fit[f].valid && low == high)
                hw__json_number(out, exp(hw__fit_log_probability(f, &shape.fit[f], (double)low)));
        }
        fputc('\n', out);
    }
    return done(out);
}

hw_status hw_histogram_json(const hw_histogram *h, FILE *out)
{
    fprintf(out, "{\"total\":%llu,\"largest\":%llu,\"bins\":[", (unsigned long long)h->total,
            (unsigned long long)h->largest);
    const char *comma = "";
    for (uint32_t b = 0; b < h->bins; b++) {
        uint64_t low, high;
        if (!h->counts[b]) continue;
        hw_histogram_bounds(h, b, &low, &high);
        fprintf(out, "%s[%llu,%llu,%llu]", comma, (unsigned long long)low, (unsigned long long)high,
                (unsigned long long)h->counts[b]);
        comma = ",";
    }
    fputs("]}", out);
    return done(out);
}

hw_status hw_staleness_summary_json(const hw_staleness_summary *s, FILE *out)
{
    double low, high;
    hw_staleness_dispersion(s, &low, &high);
    const struct {
        const char *name;
        double value;
    } fields[] = {{"mean", s->mean},
                  {"variance", s->variance},
                  {"dispersion", s->dispersion},
                  {"dispersion_low", low},
                  {"dispersion_high", high},
                  {"q0", s->q0},
                  {"median", s->median},
                  {"p90", s->p90},
                  {"p99", s->p99},
                  {"largest", s->largest},
                  {"momentum_by_zero_cell", s->by_zero},
                  {"momentum_by_slope", s->by_slope},
                  {"momentum_by_tail", s->by_tail},
                  {"momentum_by_mean_fixed_by_workers", s->by_mean}};
    fprintf(out, "{\"updates\":%llu", (unsigned long long)s->updates);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        fprintf(out, ",\"%s\":", fields[i].name);
        hw__json_number(out, fields[i].value);
    }
    fputs(",\"fits\":[", out);
    for (int f = 0; f < HW_FITS; f++) {
        const hw_fit *fit = s->fit + f;
        fprintf(out, "%s{\"law\":\"%s\",\"valid\":%s,\"parameters\":[", f ? "," : "", fit->name,
                fit->valid ? "true" : "false");
        hw__json_number(out, fit->parameter[0]);
        if (f == HW_FIT_NEGATIVE_BINOMIAL) {
            fputc(',', out);
            hw__json_number(out, fit->parameter[1]);
        }
        fputs("],\"chi_square\":", out);
        hw__json_number(out, fit->chi_square);
        fprintf(out, ",\"degrees\":%d,\"p\":", fit->degrees);
        hw__json_number(out, fit->p_value);
        fputs(",\"total_variation\":", out);
        hw__json_number(out, fit->total_variation);
        fputc('}', out);
    }
    char verdict[256];
    hw_staleness_verdict(s, verdict, sizeof verdict);
    fprintf(out, "],\"geometric\":%s,\"verdict\":", s->geometric ? "true" : "false");
    hw__json_string(out, verdict);
    fputc('}', out);
    return done(out);
}

hw_status hw_histogram_text(const hw_histogram *h, FILE *out, int rows, int unicode)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (rows < 1) rows = 1;
    if (!h->total) {
        fputs("  no updates\n", out);
        return done(out);
    }
    /* Values up to the 99.9 % point get a row (or share one); the rest is one last row. */
    double edge = hw_histogram_quantile(h, 0.999);
    uint64_t last = (uint64_t)edge, width = last / (uint64_t)rows + 1, most = 0;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t rest = h->total;
        for (uint64_t from = 0; from <= last; from += width) {
            uint64_t n = 0, low, high;
            for (uint32_t b = 0; b < h->bins; b++) {
                hw_histogram_bounds(h, b, &low, &high);
                if (low >= from && low < from + width) n += h->counts[b];
            }
            rest -= n;
            if (pass == 0) {
                most = n > most ? n : most;
                continue;
            }
            int bar = most ? (int)(40 * 8 * n / most) : 0;
            if (width == 1)
                fprintf(out, "  %8llu ", (unsigned long long)from);
            else
                fprintf(out, "  %3llu-%-4llu ", (unsigned long long)from, (unsigned long long)(from + width - 1));
            for (int i = 0; i < bar / 8; i++) fputs(unicode ? "█" : "#", out);
            if (unicode) fputs(eighth[bar % 8], out);
            fprintf(out, " %.1f %%\n", 100.0 * (double)n / (double)h->total);
        }
        if (pass == 1 && rest)
            fprintf(out, "     above  %llu updates, the largest %llu\n", (unsigned long long)rest,
                    (unsigned long long)h->largest);
    }
    return done(out);
}

hw_status hw_shape_json(const hw_staleness_summary *summary, FILE *out)
{
    return hw_staleness_summary_json(summary, out);
}
