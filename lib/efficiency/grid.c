/* grid.c - from axes to rows: every combination of their values, as a configuration each. */
#include "../base/sized.h"
#include "../config/config.h"
#include "../schedulers/schedulers.h"
#include "../step/step.h"
#include "efficiency.h"
#include <math.h>
#include <string.h>

static const char *const question_names[] = {
#define HW_X(value, row, name, help) name,
    HW_QUESTION_TABLE(HW_X)
#undef HW_X
};

const char *hw_question_name(hw_question q)
{
    return (unsigned)q < sizeof question_names / sizeof *question_names ? question_names[q] : "none";
}

hw_status hw_efficiency_plan_init(hw_efficiency_plan *plan, size_t size)
{
    hw_efficiency_plan all;
    memset(&all, 0, sizeof all);
    all.struct_size = sizeof all;
    all.seeds = 5;
    all.tuning_seeds = 3;
    return hw__sized_fill(plan, size, &all, sizeof all, sizeof all);
}

static char *copy_of(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = hw__base_alloc(n, 1);
    if (copy) memcpy(copy, text, n);
    return copy;
}

static hw_status check(const hw_efficiency_plan *p, char *why)
{
    const char *what = NULL;
    if (!p->objective || !p->config)
        what = "objective and config are needed";
    else if (!p->objective->evaluate)
        what = "the objective evaluates nothing: no target can be met";
    else if (!(p->config->target < 0 || p->config->target > 0))
        what = "config.target is 0: a target is needed";
    else if (!p->config->updates && !(p->config->epochs > 0 && p->objective->examples))
        what = "config.updates and config.epochs are 0: a run that does not meet its target needs a limit";
    else if (p->seeds < 1 || p->seeds > EFFICIENCY_SEEDS)
        what = "seeds must be in [1, 1024]";
    else if ((unsigned)p->question > HW_QUESTION_COMPENSATED)
        what = "there is no such question";
    else if ((p->question == HW_QUESTION_TUNED) != (p->n_rates && p->n_momenta && p->rates && p->momenta))
        what = "rates and momenta are the grid of question tuned, and of no other";
    else if (p->question == HW_QUESTION_TUNED && (p->tuning_seeds < 1 || p->tuning_seeds > EFFICIENCY_SEEDS))
        what = "tuning_seeds must be in [1, 1024]";
    else if (p->n_rates > 64 || p->n_momenta > 64 || p->n_predict > 64)
        what = "at most 64 rates, 64 momenta and 64 predicted numbers of workers";
    else if (p->n_predict && !p->predict)
        what = "predict is NULL, but n_predict is not 0";
    else if (p->over && (p->warm || p->n_predict))
        what = "a warm start and predicted rows are not for grids over several machines (plan.over)";
    else if (p->over &&
             (!p->over->ranks || p->over->rank >= p->over->ranks || !p->over->share || !p->over->run || !p->over->end))
        what = "plan.over: rank and ranks, share, run and end are needed";
    for (size_t i = 0; !what && i < p->n_predict; i++)
        if (p->predict[i] < 2 || p->predict[i] > HW_MAX_VIRTUAL) what = "predict: workers must be in [2, 1048576]";
    return what ? hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_create: %s", what) : HW_OK;
}

/* A point that no configuration takes is found before anything has been run. */
static hw_status check_points(const hw_efficiency *e, char *why)
{
    hw_status status = HW_OK;
    for (size_t i = 0; i < e->plan.n_rates + e->plan.n_momenta && status == HW_OK; i++) {
        const hw_config defaults = hw_config_defaults();
        hw_config c = defaults;
        if (i < e->plan.n_rates)
            c.optimizer.schedule.base = e->rates[i];
        else
            c.optimizer.momentum = e->momenta[i - e->plan.n_rates];
        status = hw__options_check(&c, why);
    }
    return status;
}

hw_status hw_efficiency_create(hw_efficiency **out, const hw_efficiency_plan *plan, char *why)
{
    hw_efficiency_plan p;
    (void)hw_efficiency_plan_init(&p, sizeof p);
    hw_status status = hw__sized_adopt(&p, sizeof p, plan, sizeof p, "the plan", "hw_efficiency_plan_init()", why);
    if (status == HW_OK) status = check(&p, why);
    if (status != HW_OK) return status;
    hw_efficiency *e = hw__base_zalloc(1, sizeof *e);
    if (!e) return hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_create: no memory");
    e->plan = p;
    if (p.over) e->over = *p.over;
    status = hw__config_adopt(p.config, &e->base, why);
    if (status == HW_OK) status = hw__objective_adopt(p.objective, &e->objective, why);
    if (status != HW_OK) {
        hw_efficiency_free(e);
        return status;
    }
    (void)snprintf(e->name, sizeof e->name, "%s", p.name ? p.name : e->objective.name ? e->objective.name : "");
    (void)snprintf(e->data, sizeof e->data, "%s", p.data ? p.data : "");
    if (p.metric)
        (void)snprintf(e->metric, sizeof e->metric, "%s", p.metric);
    else
        (void)snprintf(e->metric, sizeof e->metric, "metric %d", e->base.target_metric);
    bool good = true;
    if (p.record && e->over.rank == 0) good = (e->record = copy_of(p.record)) != NULL;
    if (good && p.n_predict) {
        e->predict = hw__base_alloc(p.n_predict, sizeof *e->predict);
        good = e->predict != NULL;
        if (good) memcpy(e->predict, p.predict, p.n_predict * sizeof *e->predict);
    }
    if (good && p.n_rates) {
        e->rates = hw__base_alloc(p.n_rates, sizeof *e->rates);
        e->momenta = hw__base_alloc(p.n_momenta, sizeof *e->momenta);
        good = e->rates && e->momenta;
        if (good) memcpy(e->rates, p.rates, p.n_rates * sizeof *e->rates);
        if (good) memcpy(e->momenta, p.momenta, p.n_momenta * sizeof *e->momenta);
    }
    if (!good) status = hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_create: no memory");
    if (status == HW_OK) status = check_points(e, why);
    if (status == HW_OK) status = hw__efficiency_rows_make(e, why);
    if (status != HW_OK) {
        hw_efficiency_free(e);
        return status;
    }
    *out = e;
    return HW_OK;
}

static void free_rows(hw_efficiency *e)
{
    for (size_t i = 0; e->row && i < e->rows; i++) hw_histogram_free(&e->row[i].work);
    hw__base_free(e->row);
}

void hw_efficiency_free(hw_efficiency *e)
{
    if (!e) return;
    for (unsigned i = 0; i < e->axes; i++) {
        hw__base_free(e->axis[i].option);
        hw__base_free(e->axis[i].values);
    }
    hw__base_free(e->rates);
    hw__base_free(e->momenta);
    hw__base_free(e->predict);
    hw__base_free(e->record);
    free_rows(e);
    for (size_t i = 0; i < e->n_kept; i++) hw__efficiency_forget(e->kept + i);
    hw__base_free(e->kept);
    hw__base_free(e->start);
    hw_state_free(e->warm);
    hw__base_free(e);
}

/* Value k of a list into text; how many there are. */
static size_t value_of(const char *list, size_t k, char *text, size_t size)
{
    size_t n = 0;
    for (const char *at = list;; n++) {
        size_t length = strcspn(at, ",");
        if (n == k) (void)snprintf(text, size, "%.*s", (int)length, at);
        if (!at[length]) return n + 1;
        at += length + 1;
    }
}

static hw_status set(hw__efficiency_setting *row, const char *option, const char *value, char *why)
{
    hw_status status = hw_config_set(&row->config, option, value, why);
    size_t used = strlen(row->label);
    (void)snprintf(row->label + used, sizeof row->label - used, "%s%s %s", used ? ", " : "", option, value);
    return status;
}

static bool is_axis(const hw_efficiency *e, const char *option)
{
    bool found = false;
    for (unsigned a = 0; a < e->axes; a++) found = found || strcmp(e->axis[a].option, option) == 0;
    return found;
}

/* What the axes leave open: no law has no mean, and a simulation's clock is exact. */
static void complete(const hw_efficiency *e, hw_config *c)
{
    const hw__scheduler *s = hw__scheduler_of(c, &e->objective);
    if (c->work.law.kind == HW_CLOCK_ROUND_ROBIN && is_axis(e, "work")) c->work.law.mean = 0;
    if (s && s->flags & HW__VIRTUAL && !is_axis(e, "clock_interval")) c->clock_interval = 1;
}

/* What a row would otherwise be without a word: compute groups of which there is one are the synchronous scheduler, and
 * the others have none. */
static void refuse(hw__efficiency_setting *row, const hw_efficiency *e)
{
    const hw_config *c = &row->config;
    row->refused = hw__efficiency_takes(e, c, row->why);
    if (row->refused == HW_OK && c->scheduler == HW_GROUPS && c->groups == 1 && c->workers > 1 && !is_axis(e, "groups"))
        row->refused = hw__base_fail(row->why, HW_E_ARGUMENT,
                                     "config.groups is 1: one group is scheduler sync; give groups an axis");
    if (row->refused == HW_OK && c->scheduler != HW_GROUPS && c->groups > 1)
        row->refused =
            hw__base_fail(row->why, HW_E_ARGUMENT, "config.groups is %u, but the scheduler has none", c->groups);
}

/* As the engine counts: steps of an epoch are whole, and a step is a gradient where several make an update. */
static void measure_limit(hw__efficiency_setting *row, const hw_objective *o)
{
    const hw_config *c = &row->config;
    const hw__scheduler *s = hw__scheduler_of(c, o);
    hw__crew crew;
    char why[HW_WHY];
    if (!s || s->crew(c, &crew, why) != HW_OK) crew = (hw__crew){.share = 1, .gather = 1};
    double batch = (double)c->batch * (c->batch_per_worker ? crew.share : 1),
           steps = c->updates ? (double)c->updates : ceil(c->epochs * ceil((double)o->examples / batch));
    row->gather = crew.gather > 1 ? crew.gather : 1;
    row->limit = floor(steps / row->gather);
    if (row->limit < 1) row->limit = 1;
}

hw_status hw__efficiency_rows_make(hw_efficiency *e, char *why)
{
    size_t rows = 1, n[EFFICIENCY_AXES];
    char text[64];
    for (unsigned a = 0; a < e->axes; a++) {
        n[a] = value_of(e->axis[a].values, SIZE_MAX, text, sizeof text);
        if (n[a] > EFFICIENCY_ROWS / rows)
            return hw__base_fail(why, HW_E_LIMIT, "hw_efficiency_axis: more than %d rows", EFFICIENCY_ROWS);
        rows *= n[a];
    }
    hw__efficiency_setting *row = hw__base_zalloc(rows, sizeof *row);
    if (!row) return hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_axis: no memory");
    hw_status status = HW_OK;
    for (size_t i = 0; i < rows && status == HW_OK; i++) {
        row[i].config = e->base;
        if (e->plan.question != HW_QUESTION_COMPENSATED) row[i].config.compensation.policy = HW_POLICY_NONE;
        size_t rest = i, place = rows;
        for (unsigned a = 0; a < e->axes && status == HW_OK; a++) {
            place /= n[a];
            row[i].value[a] = rest / place;
            (void)value_of(e->axis[a].values, rest / place, text, sizeof text);
            rest %= place;
            status = set(row + i, e->axis[a].option, text, why);
        }
        complete(e, &row[i].config);
        const hw_config *c = &row[i].config;
        if (!row[i].label[0]) (void)snprintf(row[i].label, sizeof row[i].label, "as configured");
        row[i].rate = c->optimizer.schedule.base;
        row[i].momentum = c->optimizer.momentum;
        row[i].best = INFINITY;
        measure_limit(row + i, &e->objective);
        refuse(row + i, e);
    }
    size_t predicted = status == HW_OK ? hw__efficiency_predict_rows(e, row, rows, NULL) : 0;
    if (rows + predicted > EFFICIENCY_ROWS)
        status = hw__base_fail(why, HW_E_LIMIT, "hw_efficiency_axis: more than %d rows", EFFICIENCY_ROWS);
    hw__efficiency_setting *all = NULL;
    if (status == HW_OK && predicted) {
        all = hw__base_zalloc(rows + predicted, sizeof *all);
        if (!all) status = hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_axis: no memory");
    }
    if (status == HW_OK && predicted) {
        memcpy(all, row, rows * sizeof *all);
        (void)hw__efficiency_predict_rows(e, row, rows, all + rows);
    }
    if (status != HW_OK || predicted) hw__base_free(row);
    if (status != HW_OK) return status;
    free_rows(e);
    e->row = predicted ? all : row;
    e->rows = rows + predicted;
    return HW_OK;
}

hw_status hw_efficiency_axis(hw_efficiency *e, const char *option, const char *values, char *why)
{
    if (!e || !option || !values || !*values)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_axis: an option and a list of values are needed");
    if (e->axes == EFFICIENCY_AXES)
        return hw__base_fail(why, HW_E_LIMIT, "hw_efficiency_axis: at most %d axes", EFFICIENCY_AXES);
    for (unsigned a = 0; a < e->axes; a++)
        if (strcmp(e->axis[a].option, option) == 0)
            return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_axis: %.40s is an axis already", option);
    static const char *const not_axes[] = {"seed",   "updates",       "epochs",         "seconds",
                                           "target", "target_metric", "evaluate_every", "evaluate_epochs"};
    for (size_t i = 0; i < sizeof not_axes / sizeof *not_axes; i++)
        if (strcmp(option, not_axes[i]) == 0)
            return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_axis: %s is the same for all rows", option);
    if (e->plan.question != HW_QUESTION_FIXED && strncmp(option, "compensation", 12) == 0)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_efficiency_axis: question %s has its compensation; %s is an axis of question fixed",
                             hw_question_name(e->plan.question), option);
    if (e->plan.question == HW_QUESTION_TUNED &&
        (strcmp(option, "learning_rate") == 0 || strcmp(option, "momentum.target") == 0))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_axis: %s is what question tuned chooses", option);
    unsigned a = e->axes;
    e->axis[a].option = copy_of(option);
    e->axis[a].values = copy_of(values);
    e->axes++;
    hw_status status = e->axis[a].option && e->axis[a].values
                           ? hw__efficiency_rows_make(e, why)
                           : hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_axis: no memory");
    if (status == HW_OK) return status;
    e->axes--;
    hw__base_free(e->axis[a].option);
    hw__base_free(e->axis[a].values);
    return status;
}

hw_config hw__efficiency_config(const hw_efficiency *e, const hw__efficiency_setting *row, uint64_t seed, double rate,
                                double momentum, double limit)
{
    hw_config c = row->config;
    c.seed = seed;
    c.optimizer.schedule.base = rate;
    c.optimizer.momentum = momentum;
    c.epochs = 0;
    c.updates = (uint64_t)limit * row->gather;
    double every = e->base.evaluate_every ? (double)e->base.evaluate_every : floor(row->limit / 100);
    c.evaluate_every = every > 1 ? (uint64_t)every : 1;
    c.evaluate_epochs = 0;
    c.stop_flag = e->plan.stop_flag;
    if (row->predicted) hw__efficiency_predicted_config(row, &c);
    return c;
}

size_t hw_efficiency_rows(const hw_efficiency *e)
{
    return e ? e->rows : 0;
}

const char *hw_efficiency_label(const hw_efficiency *e, size_t i)
{
    return e && i < e->rows ? e->row[i].label : NULL;
}
