/* plan.c - the planner's regret: the time to the target of what it chooses, against the best cell of a grid of ways to
 * run, minibatches, learning rates and momenta, and against one worker with the solver as it is given. */
#include "bench.h"
#include "cli.h"
#include "workloads.h"
#include <hogwild/efficiency.h>
#include <hogwild/plan.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TESTS = 2000 };

typedef struct options {
    const char *workload, *record;
    bool list, quiet, no_grid;
    unsigned seeds, plans, images;
    double budget, epochs;
} options;

static const cli_option own[] = {
    {"--workload", "NAME", "what is trained (all); --list shows them", CLI_TEXT, offsetof(options, workload), 0, 0},
    {"--list", NULL, "the workloads with their targets, and nothing else", CLI_SWITCH, offsetof(options, list), 0, 0},
    {"--budget", "X", "share of one worker's training time that planning may take (0.1)", CLI_NUMBER,
     offsetof(options, budget), 0.001, 1},
    {"--plans", "N", "plans, from seeds of their own; each is measured (3)", CLI_WHOLE, offsetof(options, plans), 1,
     100},
    {"--seeds", "N", "runs of whatever is measured (5)", CLI_WHOLE, offsetof(options, seeds), 1, 1000},
    {"--epochs", "X", "length of the training, times the workload's own (10)", CLI_NUMBER, offsetof(options, epochs),
     0.001, 1000},
    {"--images", "N", "images to train on (all, at most 20,000 generated)", CLI_WHOLE, offsetof(options, images), 100,
     1e6},
    {"--record", "FILE", "CSV of runs: those in it are not repeated", CLI_TEXT, offsetof(options, record), 0, 0},
    {"--no-grid", NULL, "only against one worker", CLI_SWITCH, offsetof(options, no_grid), 0, 0},
    {"--quiet", NULL, "no line a probe", CLI_SWITCH, offsetof(options, quiet), 0, 0},
};

typedef struct subject {
    const options *o;
    workload w;
    hw_objective objective;
    hw_config config;
} subject;

/* A way to run, and what its runs took to the target. */
typedef struct cell {
    char label[300];
    hw_config config;
    double *seconds; /* by seed */
    unsigned missed;
} cell;

/* Of a row's median run; INFINITY where half of the runs or fewer meet the target. */
static double time_to(const hw_efficiency_row *r)
{
    double x = r->time.value * r->updates.value;
    return !r->refused && x > 0 ? x : INFINITY;
}

static void start(void *context, uint64_t seed, float *x)
{
    const subject *s = context;
    s->w.start(&s->w, seed, x);
}

static hw_status tell(void *context, const hw_plan_probe *p)
{
    const subject *s = context;
    if (!s->o->quiet)
        fprintf(stderr, "    %-40s %s%.3g s, %llu updates, loss %.4g, gain %.2f\n", p->label,
                p->diverged ? "diverged; " : "", p->seconds, (unsigned long long)p->updates, p->loss, p->gain);
    return HW_OK;
}

static hw_efficiency_plan measuring(subject *s, const hw_config *c)
{
    hw_efficiency_plan p;
    (void)hw_efficiency_plan_init(&p, sizeof p);
    p.name = s->w.name;
    p.data = s->w.what;
    p.objective = &s->objective;
    p.config = c;
    p.start = start;
    p.context = s;
    p.seeds = 3;
    p.record = s->o->record;
    p.stop_flag = &cli_interrupted;
    return p;
}

/* The best row, of what the axes (pairs, NULL at the end) span, into *best where it beats `time`. */
static hw_status best_of(const hw_efficiency_plan *p, const char *const *axes, double *time, cell *best, char *why)
{
    hw_efficiency *e = NULL;
    hw_status status = hw_efficiency_create(&e, p, why);
    for (; status == HW_OK && axes[0]; axes += 2) status = hw_efficiency_axis(e, axes[0], axes[1], why);
    if (status == HW_OK) status = hw_efficiency_measure(e, why);
    for (size_t i = 0; status == HW_OK && i < hw_efficiency_rows(e); i++) {
        hw_efficiency_row r;
        if (hw_efficiency_row_of(e, i, &r) != HW_OK || !(time_to(&r) < *time)) continue;
        *time = time_to(&r);
        best->config = *r.config;
        best->config.optimizer.schedule.base = r.learning_rate;
        best->config.optimizer.momentum = r.momentum;
        (void)snprintf(best->label, sizeof best->label, "%s, rate %.3g, momentum %g", r.label, r.learning_rate,
                       r.momentum);
    }
    hw_efficiency_free(e);
    return status;
}

static hw_status grid(subject *s, cell *best, char *why)
{
    const hw_config *c = &s->config;
    static const double times[] = {1, 2, 0.5, 4, 8}, momenta[] = {0.9, 0.5, 0};
    double rates[5], time = INFINITY;
    char batches[64], list[200];
    for (int i = 0; i < 5; i++) rates[i] = times[i] * c->optimizer.schedule.base;
    (void)snprintf(batches, sizeof batches, "%u,%u,%u", c->batch, 2 * c->batch, (c->batch + 1) / 2);
    (void)snprintf(list, sizeof list, "%.6g,%.6g,%.6g,%.6g", rates[0], rates[1], rates[2], rates[3]);
    hw_efficiency_plan p = measuring(s, c);
    p.question = HW_QUESTION_TUNED;
    p.rates = rates;
    p.n_rates = 5;
    p.momenta = c->optimizer.momentum > 0 ? momenta : momenta + 2;
    p.n_momenta = c->optimizer.momentum > 0 ? 3 : 1;
    if (c->batch == 1) {
        const char *const single[] = {"exchange_interval", "1,0", "workers", "1,2", NULL};
        return best_of(&p, single, &time, best, why);
    }
    const char *const free_of[] = {"batch", batches, "workers", "1,2", NULL}, *const in_step[] = {
                                                                                  "scheduler", "sync",  "workers", "2",
                                                                                  "batch",     batches, NULL};
    hw_status status = best_of(&p, free_of, &time, best, why);
    if (status == HW_OK) status = best_of(&p, in_step, &time, best, why);
    if (status != HW_OK) return status;
    /* And what the policy makes of several workers, at these rates. */
    const char *const compensated[] = {"compensation", "auto", "workers", "2,4", "learning_rate", list, NULL};
    p = measuring(s, c);
    return best_of(&p, compensated, &time, best, why);
}

/* One plan: what it says, how long that takes to the target. */
static hw_status plan(subject *s, uint64_t seed, hw_config *chosen, hw_planned *planned, char *why)
{
    hw_plan_request r;
    hw_config c = s->config;
    (void)hw_plan_request_init(&r, sizeof r);
    c.seed = seed;
    r.objective = &s->objective;
    r.config = &c;
    r.start = start;
    r.on_probe = tell;
    r.context = s;
    r.budget = s->o->budget;
    r.stop_flag = &cli_interrupted;
    *chosen = hw_config_defaults();
    hw_status status = hw_plan(&r, chosen, planned, why);
    chosen->seed = s->config.seed;
    return status;
}

/* --- the contest
 * ------------------------------------------------------------------------------------------------------
 */

/* Training seconds to the target, between two evaluations; INFINITY: it was not met. */
static hw_status time_one(subject *s, const hw_config *from, uint64_t seed, float *x, double *seconds, char *why)
{
    hw_config c = *from;
    hw_engine *engine;
    hw_result r;
    size_t n;
    c.seed = seed;
    c.evaluate_every = 1 + (c.updates ? c.updates : (uint64_t)(c.epochs * s->objective.examples / c.batch)) / 200;
    c.evaluate_epochs = 0;
    c.stop_flag = &cli_interrupted;
    s->w.start(&s->w, seed, x);
    hw_status status = hw_engine_create(&engine, &s->objective, &c, x, why);
    if (status != HW_OK) return status;
    status = hw_engine_run(engine, &r);
    const hw_evaluation *e = hw_engine_evaluations(engine, &n);
    int m = c.target_metric;
    *seconds = INFINITY;
    for (size_t i = 0; i < n && isinf(*seconds); i++) {
        if (m ? e[i].metric[m] < c.target : !(e[i].metric[m] <= c.target)) continue;
        double before = i ? e[i - 1].metric[m] : NAN, part = (c.target - before) / (e[i].metric[m] - before);
        *seconds = part >= 0 && part <= 1 ? e[i - 1].seconds + part * (e[i].seconds - e[i - 1].seconds) : e[i].seconds;
    }
    hw_engine_free(engine);
    if (status == HW_OK && r.reason == HW_STOP_ASKED) return HW_E_STOPPED;
    if (status == HW_E_DIVERGED) status = HW_OK;
    if (status != HW_OK) (void)snprintf(why, HW_WHY, "%.200s", r.message);
    return status;
}

/* Seed by seed through all cells, so that a drift of the machine meets all alike. */
static hw_status contest(subject *s, cell *cells, size_t n, char *why)
{
    float *x = malloc(s->objective.parameters * sizeof *x);
    hw_status status = x ? HW_OK : HW_E_MEMORY;
    for (unsigned k = 0; k < s->o->seeds && status == HW_OK; k++)
        for (size_t i = 0; i < n && status == HW_OK; i++) {
            if (i == 1 && s->o->no_grid) continue; /* there is no best cell of one */
            status = time_one(s, &cells[i].config, 9000 + k, x, cells[i].seconds + k, why);
            cells[i].missed += status == HW_OK && isinf(cells[i].seconds[k]);
        }
    free(x);
    return status;
}

/* Ratios to another cell's runs of the same seeds; room: seeds numbers. */
static bench_stat ratios(const cell *c, const cell *to, unsigned seeds, double *room)
{
    for (unsigned k = 0; k < seeds; k++) /* two that miss the target are alike */
        room[k] = isinf(c->seconds[k]) && isinf(to->seconds[k]) ? 1 : c->seconds[k] / to->seconds[k];
    return bench_of(room, seeds);
}

static void print_cell(const char *what, const cell *c, const cell *one, const cell *best, unsigned seeds, double *room)
{
    memcpy(room, c->seconds, seeds * sizeof *room);
    double seconds = bench_of(room, seeds).median;
    bench_stat r = ratios(c, one, seeds, room);
    printf("  %-10s %.4g s to the target (%u of %u missed it), of one worker's %.2f (%.2f-%.2f)", what, seconds,
           c->missed, seeds, r.median, r.low, r.high);
    if (best) {
        r = ratios(c, best, seeds, room);
        printf(", regret %+.0f %% (%+.0f to %+.0f)", 100 * (r.median - 1), 100 * (r.low - 1), 100 * (r.high - 1));
    }
    printf("%s%s\n", c->label[0] ? ": " : "", c->label);
}

/* room: as many numbers as there are seeds. */
static hw_status judge(subject *s, cell *cells, double *room, char *why)
{
    hw_status status = HW_OK;
    size_t n = 2 + s->o->plans;
    cell *one = cells, *best = s->o->no_grid ? NULL : cells + 1;
    one->config = s->config;
    one->config.scheduler = HW_SEQUENTIAL;
    if (best) status = grid(s, best, why);
    printf("%s: %s\n", s->w.name, s->w.what);
    for (unsigned k = 0; k < s->o->plans && status == HW_OK; k++) {
        hw_planned planned;
        status = plan(s, 5000 + k, &cells[2 + k].config, &planned, why);
        if (status != HW_OK) break;
        for (int i = 0; i < HW_PLAN_LINES; i++) printf("    %s\n", planned.line[i]);
        (void)snprintf(cells[2 + k].label, sizeof cells[2 + k].label, "planned in %.3g s, %.0f %% of one worker's",
                       planned.spent, 100 * planned.spent / planned.one_seconds);
    }
    if (status == HW_OK) status = contest(s, cells, n, why);
    if (status != HW_OK) return status;
    print_cell("one worker", one, one, best, s->o->seeds, room);
    if (best) print_cell("grid", best, one, NULL, s->o->seeds, room);
    for (unsigned k = 0; k < s->o->plans; k++) {
        char what[32];
        (void)snprintf(what, sizeof what, "plan %u", k + 1);
        print_cell(what, cells + 2 + k, one, best, s->o->seeds, room);
    }
    (void)fflush(stdout);
    return HW_OK;
}

static hw_status judged(subject *s, char *why)
{
    size_t n = 2 + s->o->plans;
    cell *cells = calloc(n, sizeof *cells);
    double *seconds = calloc((n + 1) * s->o->seeds, sizeof *seconds);
    hw_status status = cells && seconds ? HW_OK : HW_E_MEMORY;
    for (size_t i = 0; i < n && status == HW_OK; i++) cells[i].seconds = seconds + i * s->o->seeds;
    if (status == HW_OK) status = judge(s, cells, seconds + n * s->o->seeds, why);
    free(seconds);
    free(cells);
    return status;
}

static int run(const options *o, size_t i)
{
    char why[HW_WHY] = "";
    subject s = {.o = o};
    if (!workload_open("plan", i, o->images, &s.w)) return 1;
    s.objective = s.w.objective;
    s.config = s.w.config;
    s.config.target_metric = s.w.metric;
    s.config.target = s.w.target;
    if (s.config.updates > 0) s.config.updates = (uint64_t)fmax(1, (double)s.config.updates * o->epochs);
    if (s.config.epochs > 0) s.config.epochs *= o->epochs;
    if (s.objective.network && s.objective.evaluation_examples > TESTS) s.objective.evaluation_examples = TESTS;
    hw_status status = judged(&s, why);
    workload_close(&s.w);
    return status == HW_OK ? 0 : cli_error("plan", 1, why[0] ? why : hw_status_text(status));
}

int main(int argc, char **argv)
{
    options o = {.seeds = 5, .plans = 3, .budget = 0.1, .epochs = 10};
    cli c = {"plan", "the planner's regret in time to the target", own, sizeof own / sizeof *own, NULL, &o, NULL, 0,
             NULL};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    for (size_t i = 0; o.list && i < workloads_count(); i++) printf("%-14s %s\n", workloads_name(i), workloads_what(i));
    if (o.list) return 0;
    if (o.workload && workloads_find(o.workload) == workloads_count()) {
        char text[200];
        (void)snprintf(text, sizeof text, "--workload %.60s: there is no such workload; --list shows them", o.workload);
        return cli_error("plan", 2, text);
    }
    cli_catch_interrupt();
    bench_header("plan");
    code = 0;
    for (size_t i = 0; i < workloads_count() && code == 0 && !cli_interrupted; i++)
        if (!o.workload || strcmp(o.workload, workloads_name(i)) == 0) code = run(&o, i);
    return code;
}
