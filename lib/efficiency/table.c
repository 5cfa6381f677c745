/* table.c - the rows as a table for people and as JSON. A figure that there is not is not printed. */
#include "../base/json.h"
#include "efficiency.h"
#include <math.h>
#include <string.h>

void hw__efficiency_text(char *text, size_t size, hw_estimate x, double scale, int digits)
{
    if (isnan(x.value)) {
        (void)snprintf(text, size, "-");
        return;
    }
    int n = snprintf(text, size, "%.*f", digits, scale * x.value);
    if (isnan(x.low) || n < 0 || (size_t)n >= size) return;
    if (isinf(x.high))
        (void)snprintf(text + n, size - (size_t)n, " (%.*f-)", digits, scale * x.low);
    else
        (void)snprintf(text + n, size - (size_t)n, " (%.*f-%.*f)", digits, scale * x.low, digits, scale * x.high);
}

void hw__efficiency_time(char *text, size_t size, hw_estimate x, bool virtual)
{
    static const struct unit {
        const char *name;
        double scale;
    } units[] = {{"s", 1}, {"ms", 1e3}, {"us", 1e6}, {"ns", 1e9}};
    int k = 0;
    while (!virtual && k < 3 && x.value * units[k].scale < 1) k++;
    hw__efficiency_text(text, size, x, virtual ? 1 : units[k].scale, 3);
    size_t used = strlen(text);
    if (!virtual && !isnan(x.value)) (void)snprintf(text + used, size - used, " %s", units[k].name);
}

static void print_row(const hw_efficiency *e, const hw_efficiency_row *r, FILE *out)
{
    char time[48], updates[48], hardware[48], statistical[48], product[48], met[24];
    if (r->refused) {
        fprintf(out, "%-36s refused: %s\n", r->label, r->why);
        return;
    }
    (void)snprintf(met, sizeof met, "%u of %u", r->met, r->runs);
    hw__efficiency_time(time, sizeof time, r->time, r->simulated);
    hw__efficiency_text(updates, sizeof updates, r->updates, 1, 0);
    hw__efficiency_text(hardware, sizeof hardware, r->hardware, 1, 3);
    hw__efficiency_text(statistical, sizeof statistical, r->statistical, 1, 2);
    hw__efficiency_text(product, sizeof product, r->product, 1, 2);
    bool none = isnan(r->learning_rate); /* no point of the grid */
    if (isnan(r->updates.value)) (void)snprintf(updates, sizeof updates, r->runs || none ? "not reached" : "-");
    fprintf(out, "%-36s %-9s %s%-32s %-22s %-20s %-18s %-18s", r->label, met, r->simulated ? "~" : " ", time, updates,
            hardware, statistical, product);
    if (none)
        fprintf(out, " no point of the grid met the target");
    else if (e->plan.question == HW_QUESTION_TUNED)
        fprintf(out, " %.3g%-*s %-5.3g", r->learning_rate, 4, r->at_edge ? "*" : "", r->momentum);
    if (r->diverged) fprintf(out, " %u diverged", r->diverged);
    fputc('\n', out);
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
    fprintf(out, "%s: %s (%s); target: metric %d %s %g", e->name, hw_question_name(e->plan.question),
            help[e->plan.question], c->target_metric, c->target_metric ? ">=" : "<=", c->target);
    if (e->plan.warm)
        fprintf(out, "; from where one worker stands after %llu updates", (unsigned long long)e->plan.warm);
    fprintf(out, "\n%-36s %-9s %-33s %-22s %-20s %-18s %-18s%s\n", "row", "reached", " time an update",
            "updates to target", "hardware", "statistical", "product",
            e->plan.question == HW_QUESTION_TUNED ? " rate      momentum" : "");
    bool any = false, missed = false, edge = false;
    double updates = 0, seconds = 0;
    unsigned runs = 0;
    for (size_t i = 0; i < e->rows; i++) {
        hw_efficiency_row r;
        hw_status status = hw_efficiency_row_of(e, i, &r);
        if (status != HW_OK) return status;
        print_row(e, &r, out);
        any |= r.simulated != 0;
        edge |= r.at_edge != 0;
        missed |= r.met < r.runs;
        updates += r.tuning_updates;
        seconds += r.tuning_seconds;
        runs += r.tuning_runs;
    }
    fprintf(out,
            "median over seeds (95 %% interval by bootstrap, from three seeds on; ratios paired by seed, to the first "
            "row)\n");
    if (missed)
        fprintf(out,
                "runs that missed the target count as longer than their limit (Kaplan-Meier); a row of which at most "
                "half met it has no figure\n");
    if (any)
        fprintf(out, "~ simulated: virtual time per update, in units of mean work; hardware relative to the first "
                     "simulated row\n");
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

static void put_row(const hw_efficiency_row *r, FILE *out)
{
    fputs("{\"row\": ", out);
    hw__json_string(out, r->label);
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
    put_number(out, "staleness", r->staleness);
    put_number(out, "dispersion", r->dispersion);
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
    put_number(out, "first_seed", (double)e->base.seed);
    put_number(out, "warm_updates", (double)e->plan.warm);
    fputs(", \"rows\": [", out);
    for (size_t i = 0; i < e->rows; i++) {
        hw_efficiency_row r;
        hw_status status = hw_efficiency_row_of(e, i, &r);
        if (status != HW_OK) return status;
        if (i) fputs(", ", out);
        put_row(&r, out);
    }
    fputs("]}", out);
    return ferror(out) ? HW_E_IO : HW_OK;
}
