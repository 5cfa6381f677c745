/* predict_rows.c - the rows that predictions add to a grid: for more workers, as many as asked for in each combination
 * of the other axes, and one that checks the model. */
#include "efficiency.h"
#include <string.h>

static size_t axis_of_workers(const hw_efficiency *e)
{
    size_t a = 0;
    while (a < e->axes && strcmp(e->axis[a].option, "workers") != 0) a++;
    return a;
}

bool hw__efficiency_same_group(const hw_efficiency *e, const hw__efficiency_setting *a, const hw__efficiency_setting *b)
{
    size_t workers = axis_of_workers(e);
    for (size_t k = 0; k < e->axes; k++)
        if (k != workers && a->value[k] != b->value[k]) return false;
    return true;
}

bool hw__efficiency_on_threads(const hw__efficiency_setting *row)
{
    return row->config.scheduler == HW_ASYNC && !row->predicted && row->refused == HW_OK;
}

/* Of a group's rows: how many, and the largest number of workers. */
static size_t count_group(const hw_efficiency *e, const hw__efficiency_setting *row, size_t rows, size_t first,
                          unsigned *most)
{
    size_t n = 0;
    *most = 0;
    for (size_t i = 0; i < rows; i++) {
        if (!hw__efficiency_on_threads(row + i) || !hw__efficiency_same_group(e, row + i, row + first)) continue;
        n++;
        if (row[i].config.workers > *most) *most = row[i].config.workers;
    }
    return n;
}

/* Among the first n numbers that are asked for. */
static bool listed(const hw_efficiency *e, size_t n, unsigned workers)
{
    bool found = false;
    for (size_t k = 0; k < n; k++) found = found || e->predict[k] == workers;
    return found;
}

static void make(const hw_efficiency *e, const hw__efficiency_setting *from, unsigned workers,
                 hw__efficiency_setting *to)
{
    *to = *from;
    to->predicted = true;
    to->config.workers = workers;
    to->value[axis_of_workers(e)] = SIZE_MAX;
    /* The label with another number of workers in it: at its start, or behind ", " (not that of least_workers). */
    const char *at = from->label;
    while (strncmp(at, "workers ", 8) != 0) {
        const char *next = strstr(at, ", ");
        if (!next) break;
        at = next + 2;
    }
    const size_t before = (size_t)(at - from->label);
    const char *rest = at + strcspn(at, ",");
    (void)snprintf(to->label + before, sizeof to->label - before, "workers %u (predicted)%.150s", workers, rest);
}

size_t hw__efficiency_predict_rows(const hw_efficiency *e, const hw__efficiency_setting *row, size_t rows,
                                   hw__efficiency_setting *at)
{
    size_t n = 0;
    if (!e->plan.n_predict || axis_of_workers(e) == e->axes) return 0;
    for (size_t i = 0; i < rows; i++) {
        unsigned most;
        bool first = hw__efficiency_on_threads(row + i);
        for (size_t k = 0; k < i && first; k++)
            first = !(hw__efficiency_on_threads(row + k) && hw__efficiency_same_group(e, row + k, row + i));
        if (!first) continue;
        size_t points = count_group(e, row, rows, i, &most);
        if (points >= 3 && !listed(e, e->plan.n_predict, most)) { /* the check */
            if (at) make(e, row + i, most, at + n);
            n++;
        }
        for (size_t k = 0; k < e->plan.n_predict; k++) {
            if (listed(e, k, e->predict[k])) continue; /* asked for twice */
            if (at) make(e, row + i, e->predict[k], at + n);
            n++;
        }
    }
    return n;
}

void hw__efficiency_predicted_config(const hw__efficiency_setting *row, hw_config *c)
{
    const hw_config defaults = hw_config_defaults();
    c->scheduler = HW_SIMULATED;
    c->simulation = defaults.simulation;
    c->cluster = defaults.cluster;
    c->simulation.clock = HW_CLOCK_RECORDED;
    c->simulation.delays = &row->work;
    c->simulation.threads = 0;
    c->work = defaults.work; /* it is in the recorded times */
    c->clock_interval = c->exchange_interval = 1;
    c->pin = 0;
}
