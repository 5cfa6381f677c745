/* regret.c - how much worse a policy ends than the best that could be chosen by hand.
 *
 * By hand: no compensation, look-ahead at the whole rate, a half, a quarter and an eighth of it, and SYNC; the same
 * epochs and seeds. Regret is the best of these means minus the policy's mean, in points of the workload's score, and
 * beside it the same against the asynchronous choices alone: what no policy on stale gradients can give is the rest.
 * Seeds are the outer loop, so that what the machine does meets all alike. The best of several noisy means is too good
 * by about the noise, which is why its spread stands beside it. Runs that stand in the file of --out already, made with
 * the same options, are not made again: a table of many hours can be had in parts. */
#include "bench.h"
#include "cli.h"
#include "workloads.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 10, WAYS = 6, MOST = 12, COUNTS = 8, NAME = 100, ROOM = 20000 };

typedef struct way {
    char name[NAME]; /* a policy's with +option=value behind it as often as wanted */
    hw_policy policy;
    double rate; /* of the solver's */
    bool sync;
} way;

/* The grid by hand; chosen policies follow it. */
static const way by_hand[WAYS] = {{"none", HW_POLICY_NONE, 1, false},
                                  {"look-ahead", HW_POLICY_LOOK_AHEAD, 1, false},
                                  {"x 1/2", HW_POLICY_LOOK_AHEAD, 0.5, false},
                                  {"x 1/4", HW_POLICY_LOOK_AHEAD, 0.25, false},
                                  {"x 1/8", HW_POLICY_LOOK_AHEAD, 0.125, false},
                                  {"sync", HW_POLICY_NONE, 1, true}};

typedef struct options {
    const char *out;
    unsigned clock, layers, seeds, images, n_workers, n_ways;
    unsigned workers[COUNTS];
    double epochs, rate;
    bool list, judged_only, chosen[32], any;
    char given[300]; /* what runs of one file have in common */
    way ways[MOST];
} options;

#define CLOCKS "threads|exponential|round-robin"

static const cli_option own[] = {
    {"--list", NULL, "the workloads, and nothing else", CLI_SWITCH, offsetof(options, list), 0, 0},
    {"--workloads", "LIST", "names with commas, or all (all)", CLI_CALL, 0, 0, 0},
    {"--policies", "LIST",
     "what is judged, names with commas, each with +option=value for options of the library "
     "beside it: none+compensation.age=tail (auto)",
     CLI_CALL, 0, 0, 0},
    {"--judged-only", NULL, "nothing by hand, and no regret", CLI_SWITCH, offsetof(options, judged_only), 0, 0},
    {"--workers", "LIST", "numbers with commas (2,4,8)", CLI_CALL, 0, 0, 0},
    {"--clock", CLOCKS, "real threads, or simulated workers on a clock", CLI_CHOICE, offsetof(options, clock), 0, 0},
    {"--layers", "auto|whole|each", "how the policies' nets read and write (auto); by hand they do whole", CLI_CHOICE,
     offsetof(options, layers), 0, 0},
    {"--seeds", "N", "runs of each (3; 1 to 10)", CLI_WHOLE, offsetof(options, seeds), 1, SEEDS},
    {"--images", "N", "at most so many training images (0: all)", CLI_WHOLE, offsetof(options, images), 0, 1e9},
    {"--epochs", "X", "times the workload's own epochs (1; 0.01 to 100)", CLI_NUMBER, offsetof(options, epochs), 0.01,
     100},
    {"--rate", "X", "times the workload's own learning rate (1; 0.01 to 100)", CLI_NUMBER, offsetof(options, rate),
     0.01, 100},
    {"--out", "FILE", "every run as a line of CSV (regret.csv)", CLI_TEXT, offsetof(options, out), 0, 0},
};

static bool each_word(const char *list, bool (*take)(options *o, const char *word), options *o)
{
    char copy[8 * NAME], *save = NULL;
    if (strlen(list) >= sizeof copy) return cli_error("regret", 2, "a list of 799 characters at most") == 0;
    (void)snprintf(copy, sizeof copy, "%s", list);
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (!take(o, word)) return false;
    return true;
}

static bool take_workload(options *o, const char *word)
{
    char text[200];
    bool found = false;
    for (size_t i = 0; i < workloads_count(); i++)
        if (strcmp(word, "all") == 0 || strcmp(word, workloads_name(i)) == 0) o->chosen[i] = o->any = found = true;
    if (found) return true;
    (void)snprintf(text, sizeof text, "--workloads %.60s: there is no such workload (--list shows them)", word);
    return cli_error("regret", 2, text) == 0;
}

/* The policy of a word and what stands behind it, into c. */
static bool adopt(const char *word, hw_config *c, char *why)
{
    char copy[NAME], *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", word);
    char *part = strtok_r(copy, "+", &save);
    if (!part || strcmp(part, "user") == 0 || hw_config_set(c, "compensation", part, why) != HW_OK) {
        (void)snprintf(why, HW_WHY, "--policies: '%.60s' is no name of mnist --help's --compensation, or user", word);
        return false;
    }
    while ((part = strtok_r(NULL, "+", &save))) {
        char *value = strchr(part, '=');
        if (!value) {
            (void)snprintf(why, HW_WHY, "--policies: '%.60s' is no option=value", part);
            return false;
        }
        *value = 0;
        static const char *const said[] = {"workers", "scheduler", "clock", "seed", "layers", "compensation"};
        for (size_t i = 0; i < sizeof said / sizeof *said; i++)
            if (strcmp(part, said[i]) == 0) {
                (void)snprintf(why, HW_WHY, "--policies: %s is said by the table itself", part);
                return false;
            }
        if (hw_config_set(c, part, value + 1, why) != HW_OK) return false;
    }
    return true;
}

static bool take_policy(options *o, const char *word)
{
    char why[HW_WHY];
    hw_config c = hw_config_defaults();
    if (o->n_ways == MOST) return cli_error("regret", 2, "--policies: six at most") == 0;
    if (strlen(word) >= NAME) return cli_error("regret", 2, "--policies: a name of 99 characters at most") == 0;
    if (!adopt(word, &c, why)) return cli_error("regret", 2, why) == 0;
    way *w = o->ways + o->n_ways++;
    *w = (way){.policy = c.compensation.policy, .rate = 1};
    (void)snprintf(w->name, sizeof w->name, "%s", word);
    return true;
}

static bool take_count(options *o, const char *word)
{
    double x;
    if (o->n_workers == COUNTS) return cli_error("regret", 2, "--workers: eight numbers at most") == 0;
    if (!cli_number("regret", "--workers", word, 2, 1024, &x)) return false;
    o->workers[o->n_workers++] = (unsigned)x;
    return true;
}

static bool set(void *context, const char *flag, const char *value)
{
    options *o = context;
    if (strcmp(flag, "--workloads") == 0) return each_word(value, take_workload, o);
    if (strcmp(flag, "--policies") == 0) return each_word(value, take_policy, o);
    o->n_workers = 0;
    return each_word(value, take_count, o);
}

/* --- runs -----------------------------------------------------------------------------------------------------------
 */

typedef struct outcome {
    double score, seconds, rate;
    double lost; /* percent of the updates, to returns to earlier parameters; NaN: an older file does not say */
    bool ended;  /* by divergence: it scores as a model that has learnt nothing */
} outcome;

/* judged: one of --policies, whose name says more than its policy. */
static bool run(const workload *w, const options *o, const way *how, bool judged, unsigned workers, uint64_t seed,
                float *x, outcome *out)
{
    hw_config c = w->config;
    hw_result r;
    c.seed = seed;
    c.epochs *= o->epochs;
    c.optimizer.schedule.base *= o->rate * how->rate;
    char why[HW_WHY];
    if (judged && !adopt(how->name, &c, why)) return cli_error("regret", 1, why) == 0;
    c.compensation.policy = how->policy;
    c.workers = workers;
    if (judged && w->objective.layers) c.layers = (hw_layer_mode)o->layers;
    if (workers > 1 && how->sync) {
        c.scheduler = HW_SYNC;
        c.clock_interval = 1;
        if (c.batch < workers) c.scheduler = HW_SEQUENTIAL, c.workers = 1; /* one example cannot be split */
    } else if (workers > 1 && o->clock) {
        c.scheduler = HW_SIMULATED;
        c.clock_interval = 1;
        c.simulation.clock = o->clock == 1 ? HW_CLOCK_EXPONENTIAL : HW_CLOCK_ROUND_ROBIN;
    }
    if (workers > 1 && how->sync && o->clock) c.scheduler = HW_SEQUENTIAL, c.workers = 1; /* the same arithmetic */
    w->start(w, seed, x);
    hw_engine *e;
    uint64_t lost = 0;
    hw_status status = hw_engine_create(&e, &w->objective, &c, x, why);
    if (judged && (status == HW_E_UNSUPPORTED || status == HW_E_ARGUMENT)) {
        fprintf(stderr, "regret: %s, %s: %s\n", w->name, how->name, why);
        *out = (outcome){.score = NAN, .seconds = NAN, .rate = NAN, .lost = NAN};
        return true;
    }
    if (status != HW_OK) return cli_error("regret", 1, why) == 0;
    status = hw_engine_run(e, &r);
    (void)hw_engine_returns(e, &lost);
    hw_engine_free(e);
    out->lost = 100 * (double)lost / fmax(1, (double)r.updates);
    out->ended = status == HW_E_DIVERGED;
    out->seconds = r.seconds;
    out->rate = r.setting.rate;
    out->score = out->ended ? w->worst : w->score(r.last.metric);
    if (!isfinite(out->score) || out->score < w->worst) out->score = w->worst;
    if (status == HW_OK || out->ended) return true;
    (void)cli_error("regret", 1, r.message);
    return false;
}

/* --- the file, and what stands in it --------------------------------------------------------------------------------
 */

typedef struct done {
    char workload[32], way[NAME];
    unsigned workers, seed;
    outcome out;
} done;

typedef struct record {
    FILE *file;
    done *list;
    size_t count;
    bool cut; /* its last line has no end */
} record;

static const char head[] = "workload,workers,way,seed,score,ended,seconds,rate,lost\n";

static bool read_back(record *r, const options *o, FILE *f)
{
    char line[512], given[512];
    (void)snprintf(given, sizeof given, "# %s\n", o->given);
    if (!fgets(line, sizeof line, f)) return true; /* empty */
    if (strcmp(line, given) != 0)
        return cli_error("regret", 2, "the file of --out was made with other options: another name, or take it away") ==
               0;
    while (fgets(line, sizeof line, f) && r->count < ROOM) {
        r->cut = !strchr(line, '\n');
        if (r->cut) break; /* a number may be cut, too */
        done *d = r->list + r->count;
        int ended;
        d->out.lost = NAN;
        r->count += sscanf(line, "%31[^,],%u,%99[^,],%u,%lf,%d,%lf,%lf,%lf", d->workload, &d->workers, d->way, &d->seed,
                           &d->out.score, &ended, &d->out.seconds, &d->out.rate, &d->out.lost) >= 8;
        d->out.ended = ended != 0;
    }
    return true;
}

static bool record_open(record *r, options *o)
{
    (void)snprintf(o->given, sizeof o->given, "clock %u, layers %u, images %u, epochs %g, rate %g", o->clock, o->layers,
                   o->images, o->epochs, o->rate);
    r->list = calloc(ROOM, sizeof *r->list);
    if (!r->list) return cli_error("regret", 1, "no memory") == 0;
    FILE *before = fopen(o->out, "r");
    bool good = !before || read_back(r, o, before);
    if (before) (void)fclose(before);
    if (!good) return false;
    r->file = fopen(o->out, "a");
    if (!r->file) return cli_error("regret", 1, "the file of --out cannot be written") == 0;
    if (fseek(r->file, 0, SEEK_END) == 0 && ftell(r->file) == 0) fprintf(r->file, "# %s\n%s", o->given, head);
    if (r->cut) fputs("\n", r->file); /* a run was killed while it wrote its line */
    return true;
}

/* From the file, or by a run, which then stands there. */
static bool have(record *r, const workload *w, const options *o, const way *how, bool judged, unsigned workers,
                 unsigned seed, float *x, outcome *out)
{
    for (size_t i = 0; i < r->count; i++) {
        const done *d = r->list + i;
        if (d->workers != workers || d->seed != seed || strcmp(d->workload, w->name) != 0 ||
            strcmp(d->way, how->name) != 0)
            continue;
        *out = d->out;
        return true;
    }
    if (!run(w, o, how, judged, workers, seed, x, out)) return false;
    fprintf(r->file, "%s,%u,%s,%u,%.4f,%d,%.3f,%.4f,%.3f\n", w->name, workers, how->name, seed, out->score, out->ended,
            out->seconds, out->rate, out->lost);
    return fflush(r->file) == 0 || cli_error("regret", 1, "the file of --out cannot be written") == 0;
}

/* --- the table ------------------------------------------------------------------------------------------------------
 */

typedef struct cell {
    double score[SEEDS], mean, deviation, seconds, lost; /* lost: the most of all seeds */
    unsigned ended;
} cell;

static void settle(cell *c, unsigned seeds)
{
    double copy[SEEDS];
    memcpy(copy, c->score, sizeof copy);
    bench_stat s = bench_of(copy, seeds);
    c->mean = s.mean;
    c->deviation = seeds > 1 ? s.deviation : 0;
    c->seconds /= seeds;
}

static void print_cell(const cell *c)
{
    char text[40] = "-"; /* what does not go with this workload */
    if (!isnan(c->mean))
        (void)snprintf(text, sizeof text, c->ended ? "%.1f (%.1f) %u!" : "%.1f (%.1f)", c->mean, c->deviation,
                       c->ended);
    printf(" %14s", text);
}

static bool row(record *r, const workload *w, const options *o, unsigned workers, const cell *one, float *x)
{
    cell cells[MOST];
    unsigned first = o->judged_only ? WAYS : 0;
    memset(cells, 0, sizeof cells);
    for (unsigned s = 0; s < o->seeds; s++)
        for (unsigned k = first; k < o->n_ways; k++) {
            outcome out;
            if (!have(r, w, o, o->ways + k, k >= WAYS, workers, s + 1, x, &out)) return false;
            cells[k].score[s] = out.score;
            cells[k].seconds += out.seconds;
            cells[k].ended += out.ended;
            cells[k].lost = fmax(cells[k].lost, out.lost);
        }
    unsigned best = 0, stale = 0; /* stale: of those that are not synchronous */
    for (unsigned k = first; k < o->n_ways; k++) {
        settle(cells + k, o->seeds);
        if (k < WAYS && cells[k].mean > cells[best].mean) best = k;
        if (k < WAYS && !o->ways[k].sync && cells[k].mean > cells[stale].mean) stale = k;
    }
    printf("%-14s %4u", w->name, workers);
    print_cell(one);
    for (unsigned k = first; k < o->n_ways; k++) print_cell(cells + k);
    for (unsigned k = WAYS; k < o->n_ways && !first; k++)
        if (isnan(cells[k].mean))
            printf("   - (-)");
        else
            printf("   %.2f (%.2f)", cells[best].mean - cells[k].mean, cells[stale].mean - cells[k].mean);
    for (unsigned k = WAYS; k < o->n_ways; k++)
        if (cells[k].lost > 0) printf("   %s lost %.1f %%", o->ways[k].name, cells[k].lost);
    if (!first) printf("   best %s (%s)", o->ways[best].name, o->ways[stale].name);
    printf("\n");
    (void)fflush(stdout);
    return true;
}

static bool judge(record *r, size_t i, const options *o)
{
    workload w;
    bool good = workload_open("regret", i, o->images, &w);
    float *x = good ? aligned_alloc(64, (w.objective.parameters * sizeof *x + 63) / 64 * 64) : NULL;
    good = x != NULL;
    if (good) {
        cell one = {.ended = 0};
        const way alone = {"one worker", HW_POLICY_NONE, 1, false};
        printf("# %s: %s; score: %s\n", w.name, w.what, w.unit);
        for (unsigned s = 0; good && s < o->seeds; s++) {
            outcome out;
            good = have(r, &w, o, &alone, false, 1, s + 1, x, &out);
            one.score[s] = out.score;
            one.seconds += out.seconds;
            one.ended += out.ended;
        }
        settle(&one, o->seeds);
        for (unsigned k = 0; good && k < o->n_workers; k++) good = row(r, &w, o, o->workers[k], &one, x);
    }
    free(x);
    workload_close(&w);
    return good;
}

int main(int argc, char **argv)
{
    options o = {.out = "regret.csv", .seeds = 3, .epochs = 1, .rate = 1, .n_workers = 3, .workers = {2, 4, 8}};
    memcpy(o.ways, by_hand, sizeof by_hand);
    o.n_ways = WAYS;
    hw_config config = hw_config_defaults();
    const cli c = {
        "regret", "policies against the best choice by hand", own, sizeof own / sizeof *own, set, &o, NULL, 0, &config};
    int status = cli_parse(&c, argc, argv);
    if (status >= 0) return status;
    if (o.n_ways == WAYS) (void)take_policy(&o, "auto");
    for (size_t i = 0; o.list && i < workloads_count(); i++) printf("%-14s %s\n", workloads_name(i), workloads_what(i));
    if (o.list) return 0;
    record r = {NULL, NULL, 0, false};
    bool good = record_open(&r, &o);
    if (good) {
        bench_header("regret");
        printf("mean (deviation) over %u seeds, n!: so many ended in divergence and count as untrained; last: regret, "
               "(against the asynchronous ones)\n%-14s %4s %14s",
               o.seeds, "workload", "M", "one worker");
        for (unsigned k = o.judged_only ? WAYS : 0; k < o.n_ways; k++) printf(" %14s", o.ways[k].name);
        printf("\n");
    }
    for (size_t i = 0; good && i < workloads_count(); i++)
        if (o.chosen[i] || !o.any) good = judge(&r, i, &o);
    if (r.file && fclose(r.file) != 0) good = cli_error("regret", 1, "the file of --out cannot be written") == 0;
    free(r.list);
    return good ? 0 : 1;
}
