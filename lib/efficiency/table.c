/* table.c - the rows as a table for people and as JSON. A figure that there is not is not printed. */
#include "../base/json.h"
#include "efficiency.h"
#include <math.h>
#include <string.h>

/* Three digits that mean something. */
static int places(double x)
{
    return fabs(x) >= 100 ? 0 : fabs(x) >= 10 ? 1 : 2;
}

void hw__efficiency_text(char *text, size_t size, hw_estimate x, double scale)
{
    if (isnan(x.value)) {
        (void)snprintf(text, size, "-");
        return;
    }
    int digits = places(scale * x.value), n = snprintf(text, size, "%.*f", digits, scale * x.value);
    if (isnan(x.low) || n < 0 || (size_t)n >= size) return;
    if (isinf(x.high))
        (void)snprintf(text + n, size - (size_t)n, " (%.*f-)", digits, scale * x.low);
    else
        (void)snprintf(text + n, size - (size_t)n, " (%.*f-%.*f)", digits, scale * x.low, digits, scale * x.high);
}

/* That of the fastest row; virtual time has none. */
hw__efficiency_unit hw__efficiency_unit_of(const hw_efficiency *e)
{
    static const hw__efficiency_unit units[] = {{"s", 1}, {"ms", 1e3}, {"us", 1e6}, {"ns", 1e9}};
    double least = INFINITY;
    for (size_t i = 0; i < e->rows; i++)
        for (unsigned k = 0; e->row[i].config.scheduler != HW_SIMULATED && !e->row[i].predicted && k < e->plan.seeds;
             k++) {
            const hw_efficiency_run *r = hw__efficiency_measured(e, i, k);
            if (r && r->seconds_per_update < least) least = r->seconds_per_update;
        }
    int k = 0;
    while (k < 3 && least * units[k].scale < 1) k++;
    return units[k];
}

const char *hw__efficiency_nothing(const hw_efficiency *e, const hw_efficiency_row *r)
{
    if (e->plan.question == HW_QUESTION_TUNED && !r->tuned) return "not tuned yet";
    if (e->plan.question == HW_QUESTION_TUNED && isnan(r->learning_rate)) return "not reached by any point of the grid";
    return r->runs == 0 ? "not run yet" : isnan(r->updates.value) ? "not reached" : NULL;
}

void hw__efficiency_says(const hw_efficiency *e, const hw_efficiency_row *r, char *text, size_t size)
{
    const char *nothing = hw__efficiency_nothing(e, r);
    text[0] = 0;
    if (r->refused || strcmp(r->label, e->row[0].label) == 0) return;
    if (nothing) {
        (void)snprintf(text, size, "%s: %s, %u of %u runs met the target.", r->label, nothing, r->met, r->runs);
        return;
    }
    if (isnan(r->product.value) || isnan(r->statistical.value)) return;
    int n = snprintf(text, size,
                     "%s: an update takes %.2f of the reference's time and %.2f times as many are needed%s: ", r->label,
                     r->hardware.value, r->statistical.value, r->predicted ? ", as is predicted" : "");
    if (n < 0 || (size_t)n >= size) return;
    if (r->product.high < 1)
        (void)snprintf(text + n, size - (size_t)n, "the target is met in %.2f of its time.", r->product.value);
    else if (r->product.low > 1)
        (void)snprintf(text + n, size - (size_t)n, "the target takes %.2f times as long.", r->product.value);
    else if (isnan(r->product.low))
        (void)snprintf(text + n, size - (size_t)n, "%.2f of its time to the target, from too few seeds to be sure.",
                       r->product.value);
    else
        (void)snprintf(text + n, size - (size_t)n, "no difference to the target beyond the noise (%.2f).",
                       r->product.value);
}

void hw__efficiency_model_text(const hw_efficiency_row *r, hw__efficiency_unit unit, char *text, size_t size)
{
    int n = snprintf(text, size, "alone %.4g %s, each other worker adds %.3g %s, fitted to %u numbers of workers",
                     r->alone * unit.scale, unit.name, r->each * unit.scale, unit.name, r->fitted);
    if (r->each > 0.5 * r->alone && n > 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n,
                      " (as good as a whole step: other programs were on the cores, or this does not scale)");
    if (isnan(r->check_time) || n < 0 || (size_t)n >= size) return;
    n +=
        snprintf(text + n, size - (size_t)n, "; check: predicted over measured, time of an update %.2f", r->check_time);
    if ((size_t)n >= size) return;
    if (isnan(r->check_updates))
        (void)snprintf(text + n, size - (size_t)n, ", updates to the target not reached in one of them");
    else
        (void)snprintf(text + n, size - (size_t)n, ", updates to the target %.2f", r->check_updates);
}

/* Columns as wide as what stands in them. */
typedef struct layout {
    int label;
    hw__efficiency_unit unit;
} layout;

static void print_row(const hw_efficiency *e, const hw_efficiency_row *r, const layout *l, FILE *out)
{
    char time[64], updates[64], hardware[64], statistical[64], product[64], met[32];
    if (r->refused) {
        fprintf(out, "%-*s  refused: %s\n", l->label, r->label, r->why);
        return;
    }
    const char *nothing = hw__efficiency_nothing(e, r);
    (void)snprintf(met, sizeof met, "%u of %u", r->met, r->runs);
    hw__efficiency_text(time, sizeof time, r->time, r->simulated ? 1 : l->unit.scale);
    hw__efficiency_text(updates, sizeof updates, r->updates, 1);
    hw__efficiency_text(hardware, sizeof hardware, r->hardware, 1);
    hw__efficiency_text(statistical, sizeof statistical, r->statistical, 1);
    hw__efficiency_text(product, sizeof product, r->product, 1);
    if (nothing) (void)snprintf(updates, sizeof updates, "%s", nothing);
    fprintf(out, "%-*s  %-10s %s%-20s %-22s%s %-18s %-18s %-18s", l->label, r->label, met, r->simulated ? "~" : " ",
            time, updates, r->coarse ? "!" : " ", hardware, statistical, product);
    if (e->plan.question == HW_QUESTION_TUNED && !isnan(r->learning_rate))
        fprintf(out, " %.3g%-*s %-5.3g %8.0f", r->learning_rate, 4, r->at_edge ? "*" : "", r->momentum,
                r->tuning_updates);
    if (r->diverged) fprintf(out, " %u diverged", r->diverged);
    if (r->at_work < 0.95 * hw_config_asynchronous(r->config))
        fprintf(out, " %.1f of %u at work", r->at_work, hw_config_asynchronous(r->config));
    fputc('\n', out);
}

const char *hw__efficiency_predicted(void)
{
    return "no such run was made. A step of m workers takes alone + each (m - 1), on a machine with a core for each of "
           "them; updates are simulated with the recorded work times";
}

/* What predicted rows go by, and how it did where it was measured, too. */
static void print_models(const hw_efficiency *e, const layout *l, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < e->rows; i++) {
        hw_efficiency_row r;
        char text[400];
        if (!e->row[i].predicted || hw_efficiency_row_of(e, i, &r) != HW_OK || r.refused || !r.fitted) continue;
        any = true;
        hw__efficiency_model_text(&r, l->unit, text, sizeof text);
        fprintf(out, "%s: %s\n", r.label, text);
    }
    if (any) fprintf(out, "predicted: %s\n", hw__efficiency_predicted());
}

hw_status hw_efficiency_print(const hw_efficiency *e, FILE *out)
{
    if (!e || !out) return HW_E_ARGUMENT;
    static const char *const help[] = {
#define HW_X(value, row, name, help) help,
        HW_QUESTION_TABLE(HW_X)
#undef HW_X
    };
    const hw_config *c = &e->base;
    layout l = {4, hw__efficiency_unit_of(e)};
    for (size_t i = 0; i < e->rows; i++)
        if ((int)strlen(e->row[i].label) > l.label) l.label = (int)strlen(e->row[i].label);
    fprintf(out, "%s: %s (%s); target: %s %s %g", e->name, hw_question_name(e->plan.question), help[e->plan.question],
            e->metric, c->target_metric ? ">=" : "<=", c->target);
    if (e->plan.warm)
        fprintf(out, "; from where one worker stands after %llu updates", (unsigned long long)e->plan.warm);
    fprintf(out, "\n%-*s  %-10s  %-20s %-22s  %-18s %-18s %-18s%s\n", l.label, "row", "reached", "time an update",
            "updates to target", "hardware", "statistical", "product",
            e->plan.question == HW_QUESTION_TUNED ? " rate    momentum, tuning updates" : "");
    bool any = false, missed = false, edge = false, coarse = false;
    double updates = 0, seconds = 0;
    unsigned runs = 0;
    for (size_t i = 0; i < e->rows; i++) {
        hw_efficiency_row r;
        hw_status status = hw_efficiency_row_of(e, i, &r);
        if (status != HW_OK) return status;
        print_row(e, &r, &l, out);
        any |= r.simulated != 0;
        edge |= r.at_edge != 0;
        coarse |= r.coarse != 0;
        missed |= r.met < r.runs;
        updates += r.tuning_updates;
        seconds += r.tuning_seconds;
        runs += r.tuning_runs;
    }
    size_t all, recorded, there = hw_efficiency_progress(e, &all, &recorded);
    fprintf(
        out,
        "time in %s; medians over seeds, 95 %% intervals by bootstrap from three seeds on, ratios paired by seed\n"
        "hardware and statistical efficiency, and their product, the time to the target: below 1 is better than the "
        "first row\n",
        l.unit.name);
    if (there < all) fprintf(out, "unfinished: %zu of %zu runs\n", there, all);
    if (recorded) fprintf(out, "%zu runs were in the record\n", recorded);
    if (missed)
        fprintf(out,
                "runs that missed the target count as longer than their limit (Kaplan-Meier); a row of which at most "
                "half met it has no figure\n");
    if (any)
        fprintf(
            out,
            "~ simulated: virtual time an update, in units of mean work; hardware and product relative to the first "
            "simulated row\n");
    print_models(e, &l, out);
    if (coarse)
        fprintf(out, "! met within two evaluations: a harder target, or a smaller evaluate_every, would say more\n");
    if (e->plan.question == HW_QUESTION_TUNED) {
        fprintf(out, "tuning: %u runs, %.0f updates, %.1f s; learning rates", runs, updates, seconds);
        for (size_t i = 0; i < e->plan.n_rates; i++) fprintf(out, " %g", e->rates[i]);
        fprintf(out, ", momenta");
        for (size_t i = 0; i < e->plan.n_momenta; i++) fprintf(out, " %g", e->momenta[i]);
        fprintf(out,
                "; a point is as good as the worst of its %u seeds, and given up where it is no better than the best "
                "before it\n",
                e->plan.tuning_seeds);
        if (edge) fprintf(out, "* at the edge of the grid: the best rate may lie beyond\n");
    }
    return ferror(out) ? HW_E_IO : HW_OK;
}

static void put_estimate(FILE *out, const char *name, hw_estimate x)
{
    fprintf(out, ", \"%s\": [", name);
    const double each[] = {x.value, x.low, x.high};
    for (int i = 0; i < 3; i++) {
        if (i) fputs(", ", out);
        hw__json_number(out, each[i]);
    }
    fputc(']', out);
}

static void put_number(FILE *out, const char *name, double x)
{
    fprintf(out, ", \"%s\": ", name);
    hw__json_number(out, x);
}

static void put_row(const hw_efficiency *e, const hw_efficiency_row *r, FILE *out)
{
    char says[600];
    fputs("{\"row\": ", out);
    hw__json_string(out, r->label);
    hw__efficiency_says(e, r, says, sizeof says);
    fputs(", \"says\": ", out);
    hw__json_string(out, says);
    fprintf(out, ", \"refused\": ");
    if (r->refused)
        hw__json_string(out, r->why);
    else
        fputs("null", out);
    fprintf(out, ", \"simulated\": %s, \"runs\": %u, \"met\": %u, \"diverged\": %u", r->simulated ? "true" : "false",
            r->runs, r->met, r->diverged);
    put_number(out, "learning_rate", r->learning_rate);
    put_number(out, "momentum", r->momentum);
    fprintf(out, ", \"at_edge\": %s", r->at_edge ? "true" : "false");
    put_number(out, "tuning_runs", r->tuning_runs);
    put_number(out, "tuning_updates", r->tuning_updates);
    put_number(out, "tuning_seconds", r->tuning_seconds);
    put_estimate(out, "time_per_update", r->time);
    put_estimate(out, "updates_to_target", r->updates);
    put_estimate(out, "restricted_mean_updates", r->mean_updates);
    put_estimate(out, "hardware_efficiency", r->hardware);
    put_estimate(out, "statistical_efficiency", r->statistical);
    put_estimate(out, "product", r->product);
    fprintf(out, ", \"predicted\": %s", r->predicted ? "true" : "false");
    if (r->predicted) {
        put_number(out, "fitted", r->fitted);
        put_number(out, "alone", r->alone);
        put_number(out, "each", r->each);
        put_number(out, "check_time", r->check_time);
        put_number(out, "check_updates", r->check_updates);
    }
    put_number(out, "staleness", r->staleness);
    put_number(out, "dispersion", r->dispersion);
    put_number(out, "at_work", r->at_work);
    fprintf(out, ", \"coarse\": %s", r->coarse ? "true" : "false");
    fputc('}', out);
}

hw_status hw_efficiency_json(const hw_efficiency *e, FILE *out)
{
    if (!e || !out) return HW_E_ARGUMENT;
    fputs("{\"workload\": ", out);
    hw__json_string(out, e->name);
    fprintf(out, ", \"question\": \"%s\", \"target_metric\": %d", hw_question_name(e->plan.question),
            e->base.target_metric);
    put_number(out, "target", e->base.target);
    put_number(out, "seeds", e->plan.seeds);
    size_t all, there = hw_efficiency_progress(e, &all, NULL);
    put_number(out, "runs", (double)there);
    put_number(out, "runs_wanted", (double)all);
    put_number(out, "first_seed", (double)e->base.seed);
    put_number(out, "warm_updates", (double)e->plan.warm);
    fputs(", \"rows\": [", out);
    for (size_t i = 0; i < e->rows; i++) {
        hw_efficiency_row r;
        hw_status status = hw_efficiency_row_of(e, i, &r);
        if (status != HW_OK) return status;
        if (i) fputs(", ", out);
        put_row(e, &r, out);
    }
    fputs("]}", out);
    return ferror(out) ? HW_E_IO : HW_OK;
}

hw_status hw__efficiency_lines(const hw_efficiency *e, FILE *out)
{
    for (size_t i = 0; i < e->rows; i++)
        for (unsigned k = 0; k < e->plan.seeds; k++) {
            const hw_efficiency_run *run = hw__efficiency_measured(e, i, k);
            const bool predicted = e->row[i].predicted;
            if (!run) continue;
            fputs("{\"row\": ", out);
            hw__json_string(out, e->row[i].label);
            fprintf(out, ", \"seed\": %llu, \"met\": %s, \"diverged\": %s, \"predicted\": %s",
                    (unsigned long long)run->seed, run->met ? "true" : "false", run->diverged ? "true" : "false",
                    predicted ? "true" : "false");
            put_number(out, "updates", run->updates);
            put_number(out, "seconds_per_update",
                       predicted ? hw__efficiency_predicted_time(e, i, k) : run->seconds_per_update);
            put_number(out, "metric", run->metric);
            put_number(out, "staleness", run->staleness);
            put_number(out, "dispersion", run->dispersion);
            put_number(out, "learning_rate", run->learning_rate);
            put_number(out, "momentum", run->momentum);
            put_number(out, "at_work", run->at_work);
            fputs("}\n", out);
        }
    return ferror(out) ? HW_E_IO : HW_OK;
}
