/* page.c - the rows in a report: a table, and a picture each of hardware, statistical efficiency and their product over
 * the number of workers. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

enum { COLUMNS = 11, TEXT = 64, CURVES = 24, SENTENCES = 24 };

/* A row, and where it stands in a picture. */
typedef struct point {
    hw_efficiency_row row;
    double m;
    char curve[200]; /* its label without the axis of the picture */
} point;

static bool over_ranks(const hw_config *c)
{
    return c->cluster.ranks && c->scheduler != HW_SIMULATED;
}

static double count_of(const hw_config *c)
{
    return over_ranks(c) ? c->cluster.ranks : c->scheduler == HW_GROUPS ? c->groups : c->workers;
}

/* "workers 4, write racy" without "workers 4". */
static void name_curve(point *p)
{
    const hw_config *c = p->row.config;
    const char *axis = over_ranks(c) ? "cluster.ranks " : c->scheduler == HW_GROUPS ? "groups " : "workers ";
    size_t used = 0;
    p->curve[0] = 0;
    for (const char *at = p->row.label; *at;) {
        size_t n = strcspn(at, ",");
        if (strncmp(at, axis, strlen(axis)) != 0) {
            int put = snprintf(p->curve + used, sizeof p->curve - used, "%s%.*s", used ? ", " : "", (int)n, at);
            used += put > 0 ? (size_t)put : 0;
            if (used >= sizeof p->curve) return;
        }
        at += n;
        at += strspn(at, ", ");
    }
    /* Nobody is to take what was not run for a part of what was. */
    if (p->row.predicted) (void)snprintf(p->curve + used, sizeof p->curve - used, "%spredicted", used ? ", " : "");
}

static point *points_of(const hw_efficiency *e, hw_status *status)
{
    point *p = hw__base_zalloc(e->rows, sizeof *p);
    *status = p ? HW_OK : HW_E_MEMORY;
    for (size_t i = 0; i < e->rows && *status == HW_OK; i++) {
        *status = hw_efficiency_row_of(e, i, &p[i].row);
        p[i].m = count_of(p[i].row.config);
        name_curve(p + i);
    }
    return p;
}

static hw_status put_table(const hw_efficiency *e, const point *p, hw_report *r)
{
    static const char *const heads[COLUMNS] = {"row",
                                               "reached",
                                               "product",
                                               "hardware",
                                               "statistical",
                                               "time an update",
                                               "updates to target",
                                               "staleness",
                                               "rate, momentum",
                                               "tuning updates",
                                               "at work"};
    size_t cells = (e->rows + 1) * COLUMNS, shown[COLUMNS];
    bool tuned = e->plan.question == HW_QUESTION_TUNED;
    char(*text)[TEXT] = hw__base_zalloc(cells, TEXT);
    const char **cell = hw__base_zalloc(cells, sizeof *cell);
    hw_status status = text && cell ? HW_OK : HW_E_MEMORY;
    hw__efficiency_unit unit = hw__efficiency_unit_of(e);
    for (size_t i = 0; status == HW_OK && i < e->rows; i++) {
        const hw_efficiency_row *x = &p[i].row;
        char(*t)[TEXT] = text + (i + 1) * COLUMNS;
        if (x->refused) {
            (void)snprintf(t[1], TEXT, "refused");
            continue;
        }
        const char *nothing = hw__efficiency_nothing(e, x);
        (void)snprintf(t[1], TEXT, "%u of %u%s", x->met, x->runs, x->diverged ? ", some diverged" : "");
        hw__efficiency_text(t[2], TEXT, x->product, 1);
        hw__efficiency_text(t[3], TEXT, x->hardware, 1);
        hw__efficiency_text(t[4], TEXT, x->statistical, 1);
        hw__efficiency_text(t[5], TEXT, x->time, x->simulated ? 1 : unit.scale);
        size_t used = strlen(t[5]);
        if (!isnan(x->time.value))
            (void)snprintf(t[5] + used, TEXT - used, " %s", x->simulated ? "virtual" : unit.name);
        hw__efficiency_text(t[6], TEXT, x->updates, 1);
        if (nothing) (void)snprintf(t[6], TEXT, "%s", nothing);
        if (!isnan(x->staleness)) (void)snprintf(t[7], TEXT, "%.2f", x->staleness);
        if (!isnan(x->dispersion)) (void)snprintf(t[7], TEXT, "%.2f, dispersion %.2f", x->staleness, x->dispersion);
        if (tuned && !isnan(x->learning_rate))
            (void)snprintf(t[8], TEXT, "%.3g, %.3g%s", x->learning_rate, x->momentum,
                           x->at_edge ? " (at the grid's edge)" : "");
        if (x->tuning_runs) (void)snprintf(t[9], TEXT, "%.0f", x->tuning_updates);
        if (x->at_work < 0.95 * hw_config_asynchronous(x->config))
            (void)snprintf(t[10], TEXT, "%.1f of %u", x->at_work, hw_config_asynchronous(x->config));
    }
    /* Columns in which nothing stands would only make the table wider. */
    size_t columns = 0;
    for (size_t j = 0; status == HW_OK && j < COLUMNS; j++) {
        bool any = j == 0;
        for (size_t i = 1; i <= e->rows; i++) any = any || text[i * COLUMNS + j][0];
        if (any) shown[columns++] = j;
    }
    for (size_t i = 0; status == HW_OK && i <= e->rows; i++)
        for (size_t j = 0; j < columns; j++)
            cell[i * columns + j] = !i          ? heads[shown[j]]
                                    : !shown[j] ? p[i - 1].row.label
                                                : text[i * COLUMNS + shown[j]];
    if (status == HW_OK) status = hw_report_table(r, cell, e->rows + 1, columns);
    hw__base_free(text);
    hw__base_free(cell);
    return status;
}

static hw_estimate figure_of(const hw_efficiency_row *r, int which)
{
    return which == 0 ? r->hardware : which == 1 ? r->statistical : r->product;
}

/* Rooms for the points of all curves, their intervals (two ends and a gap each), and crosses. */
typedef struct plot {
    hw_curve curve[2 * CURVES + 1];
    size_t curves;
    double *number;
} plot;

static double *some(plot *g, size_t n)
{
    double *x = g->number;
    g->number += n;
    return x;
}

/* The rows of p[first]'s curve from there on; taken: which have been drawn. */
static void add_curve(plot *g, const point *p, size_t rows, size_t first, bool *taken, int which, double top)
{
    hw_curve c = {.name = p[first].curve[0] ? p[first].curve : "workers", .style = HW_CURVE_LINE_POINTS};
    hw_curve ends = {.name = "", .style = HW_CURVE_LINE};
    double *x = some(g, rows), *y = some(g, rows), *at = some(g, 3 * rows), *end = some(g, 3 * rows);
    for (size_t i = first; i < rows; i++) {
        if (strcmp(p[i].curve, p[first].curve) != 0) continue;
        taken[i] = true;
        hw_estimate f = figure_of(&p[i].row, which);
        x[c.n] = p[i].m;
        y[c.n++] = f.value; /* NaN: a gap */
        if (isnan(f.value) || isnan(f.low)) continue;
        const double ys[] = {f.low, isinf(f.high) ? top : f.high, NAN}; /* an open end goes to the border */
        for (int k = 0; k < 3; k++) {
            at[ends.n] = p[i].m;
            end[ends.n++] = ys[k];
        }
    }
    c.x = x;
    c.y = y;
    ends.x = at;
    ends.y = end;
    c.colour = ends.colour = (unsigned)(g->curves / 2 % 8) + 1;
    g->curve[g->curves++] = c;
    g->curve[g->curves++] = ends;
}

/* Rows that ran and have no figure, where nobody takes them for one. */
static void add_misses(plot *g, const point *p, size_t rows, int which, double top)
{
    hw_curve c = {.name = "not reached", .style = HW_CURVE_CROSSES, .colour = 8};
    double *x = some(g, rows), *y = some(g, rows);
    for (size_t i = 0; which > 0 && i < rows; i++) {
        const hw_efficiency_row *r = &p[i].row;
        if (r->refused || (!r->runs && !isnan(r->learning_rate)) || !isnan(figure_of(r, which).value)) continue;
        x[c.n] = p[i].m;
        y[c.n++] = top;
    }
    c.x = x;
    c.y = y;
    if (c.n) g->curve[g->curves++] = c;
}

static hw_status put_picture(const point *p, size_t rows, int which, hw_report *r, const char *prefix, char *why)
{
    static const char *const names[] = {"hardware", "statistical", "product"},
                             *const titles[] = {"Hardware efficiency: time per update",
                                                "Statistical efficiency: updates to the target",
                                                "Product: time to the target"};
    char file[120];
    plot *g = hw__base_zalloc(1, sizeof *g);
    double *room = hw__base_zalloc(rows, (8 * CURVES + 2) * sizeof *room), top = 1;
    bool *taken = hw__base_zalloc(rows, sizeof *taken), left_out = false;
    hw_status status = g && room && taken ? HW_OK : HW_E_MEMORY;
    if (status == HW_OK) {
        g->number = room;
        for (size_t i = 0; i < rows; i++) {
            hw_estimate f = figure_of(&p[i].row, which);
            double high = isinf(f.high) || isnan(f.high) ? f.value : f.high;
            if (high > top) top = high;
        }
        top *= 1.15;
        for (size_t i = 0; i < rows; i++) {
            if (taken[i] || p[i].row.refused) continue;
            if (g->curves == 2 * CURVES) {
                left_out = true;
                break;
            }
            add_curve(g, p, rows, i, taken, which, top);
        }
        add_misses(g, p, rows, which, top);
        (void)snprintf(file, sizeof file, "%.60s-%s", prefix, names[which]);
        hw_chart chart = {.file = file,
                          .title = titles[which],
                          .x_label = "workers (groups, ranks)",
                          .y_label = "relative to the first row (of its kind); lower is better",
                          .log_x = 2,
                          .y_low = 0,
                          .y_high = 1.05 * top};
        status = hw_report_chart(r, &chart, g->curve, g->curves, why);
        if (status == HW_OK && left_out)
            status = hw_report_text(r, "The picture has the first 24 curves; the table has all rows.");
    }
    hw__base_free(g);
    hw__base_free(room);
    hw__base_free(taken);
    return status;
}

static hw_status put_sentences(const hw_efficiency *e, const hw_efficiency_row *x, hw_report *r)
{
    char text[900], model[400];
    hw__efficiency_says(e, x, text, sizeof text);
    hw_status status = text[0] ? hw_report_text(r, text) : HW_OK;
    if (status != HW_OK || !x->predicted || x->refused || !x->fitted) return status;
    hw__efficiency_model_text(x, hw__efficiency_unit_of(e), model, sizeof model);
    (void)snprintf(text, sizeof text, "%.200s: %s; %s.", x->label, model, hw__efficiency_predicted());
    return hw_report_text(r, text);
}

hw_status hw_efficiency_report(const hw_efficiency *e, hw_report *r, const char *prefix, char *why)
{
    char text[400];
    hw_status status;
    if (!e || !r || !prefix)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_report: a grid, a report and a prefix are needed");
    if (why) why[0] = 0;
    point *p = points_of(e, &status);
    if (status == HW_OK) status = hw_report_heading(r, e->name);
    (void)snprintf(text, sizeof text,
                   "Question: %s. Target: %s %s %g. Medians over %u seeds with 95 %% intervals (bootstrap, paired by "
                   "seed); runs that missed the target count as longer than their limit.",
                   hw_question_name(e->plan.question), e->metric, e->base.target_metric ? "at least" : "at most",
                   e->base.target, e->plan.seeds);
    if (status == HW_OK) status = hw_report_text(r, text);
    size_t all, there = hw_efficiency_progress(e, &all, NULL);
    (void)snprintf(text, sizeof text, "Unfinished: %zu of %zu runs.", there, all);
    if (status == HW_OK && there < all) status = hw_report_text(r, text);
    if (status == HW_OK) status = put_table(e, p, r);
    for (size_t i = 0; status == HW_OK && i < e->rows && i < SENTENCES; i++) status = put_sentences(e, &p[i].row, r);
    for (int which = 0; status == HW_OK && which < 3; which++) status = put_picture(p, e->rows, which, r, prefix, why);
    if (status == HW_OK) status = hw__efficiency_staleness_page(e, r, prefix, why);
    if (status == HW_OK) status = hw__efficiency_lines(e, hw_report_lines(r));
    for (size_t i = 0; status == HW_OK && i < e->rows; i++) {
        if (!p[i].row.refused) continue;
        (void)snprintf(text, sizeof text, "%s was refused: %s", p[i].row.label, p[i].row.why);
        status = hw_report_text(r, text);
    }
    hw__base_free(p);
    if (status != HW_OK && why && !why[0])
        (void)hw__base_fail(why, status, "hw_efficiency_report: %s", hw_status_text(status));
    return status;
}
