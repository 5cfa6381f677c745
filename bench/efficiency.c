/* efficiency.c - hardware against statistical efficiency (Mitliagkas et al., Section 1) of the workloads that policies
 * are judged on, or of anybody's objective out of a shared object: a grid of settings, some seeds, one of three
 * questions. It can be interrupted, and goes on. */
#include "cli.h"
#include "bench.h"
#include "gnuplot.h"
#include "over.h"
#include "workloads.h"
#include <dlfcn.h>
#include <hogwild/efficiency.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PAIRS = 24, POINTS = 64 };

typedef struct pair {
    char option[48], value[200];
} pair;

typedef struct options {
    const char *workload, *object, *out;
    bool list;
    unsigned question, seeds, images, warm, tests;
    double target, epochs;
    pair axis[PAIRS], set[PAIRS];
    unsigned axes, sets;
    double rates[POINTS], momenta[POINTS], more[POINTS];
    size_t n_rates, n_momenta, n_more;
    unsigned predict[POINTS];
    ranks_options ranks;
} options;

static const cli_option own[] = {
    {"--workload", "NAME", "what is trained (lenet); --list shows them", CLI_TEXT, offsetof(options, workload), 0, 0},
    {"--objective", "FILE", "instead: a shared object with hw_efficiency_objective (hogwild/efficiency.h)", CLI_TEXT,
     offsetof(options, object), 0, 0},
    {"--list", NULL, "the workloads with their targets, and nothing else", CLI_SWITCH, offsetof(options, list), 0, 0},
    {"--question", "fixed|tuned|compensated",
     "rate and momentum the same; the best of a grid for each row; the solver of one worker, and the policy",
     CLI_CHOICE, offsetof(options, question), 0, 0},
    {"--workers", "LIST", "axis of workers, the first is the reference (1,2,4)", CLI_CALL, 0, 0, 0},
    {"--axis", "OPTION=LIST", "one axis more, by an option of the library: write=racy,striped; several times", CLI_CALL,
     0, 0, 0},
    {"--set", "OPTION=VALUE", "the same for all rows: learning_rate=0.02; several times", CLI_CALL, 0, 0, 0},
    {"--rates", "LIST", "tuned: learning rates (1, 2, 1/2, 4 and 1/4 times the workload's)", CLI_CALL, 0, 0, 0},
    {"--momenta", "LIST", "tuned: momenta (0.9, 0.5, 0; where the workload has none: 0)", CLI_CALL, 0, 0, 0},
    {"--predict", "LIST", "rows for more workers than cores, predicted from the others: 8,16,32", CLI_CALL, 0, 0, 0},
    {"--seeds", "N", "runs of each row (5)", CLI_WHOLE, offsetof(options, seeds), 1, 1000},
    {"--target", "X", "of the target's metric (the workload's own)", CLI_NUMBER, offsetof(options, target), -1e30,
     1e30},
    {"--epochs", "X", "limit of a run, times the workload's own (3)", CLI_NUMBER, offsetof(options, epochs), 0.001,
     1000},
    {"--start", "N", "every row starts where one worker stands after N updates (0)", CLI_WHOLE, offsetof(options, warm),
     0, 1e9},
    {"--images", "N", "images to train on (all, at most 20,000 generated)", CLI_WHOLE, offsetof(options, images), 100,
     1e6},
    {"--tests", "N", "test examples an evaluation looks at (nets 2000, others all)", CLI_WHOLE,
     offsetof(options, tests), 1, 1e9},
    {"--out", "FOLDER", "runs.csv, from where an interrupted measuring goes on, efficiency.json, index.html", CLI_TEXT,
     offsetof(options, out), 0, 0},
    RANKS_ROWS(offsetof(options, ranks)),
};

static const char *const metric_names[] = {"loss", "accuracy"};

static bool bad(const char *flag, const char *value, const char *wanted)
{
    char text[300];
    (void)snprintf(text, sizeof text, "%s %.100s: %s", flag, value, wanted);
    (void)cli_error("efficiency", 2, text);
    return false;
}

static bool take_pair(pair *list, unsigned *n, const char *flag, const char *option, size_t length, const char *value)
{
    if (*n == PAIRS) return bad(flag, value, "too many of these");
    if (!length || length >= sizeof list->option || !*value || strlen(value) >= sizeof list->value)
        return bad(flag, value, "OPTION=VALUES is needed, with an option of the library and at most 199 letters");
    (void)snprintf(list[*n].option, sizeof list->option, "%.*s", (int)length, option);
    (void)snprintf(list[*n].value, sizeof list->value, "%s", value);
    (*n)++;
    return true;
}

static bool take_numbers(double *x, size_t *n, const char *flag, const char *value)
{
    char copy[400], *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", value);
    *n = 0;
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (*n == POINTS) return bad(flag, value, "at most 64 numbers");
        if (!cli_number("efficiency", flag, word, 0, 1e6, x + *n)) return false;
        ++*n;
    }
    return *n ? true : bad(flag, value, "a list with commas is needed");
}

static bool take(void *context, const char *flag, const char *value)
{
    options *o = context;
    const char *equals = strchr(value, '=');
    if (strcmp(flag, "--rates") == 0) return take_numbers(o->rates, &o->n_rates, flag, value);
    if (strcmp(flag, "--predict") == 0) return take_numbers(o->more, &o->n_more, flag, value);
    if (strcmp(flag, "--momenta") == 0) return take_numbers(o->momenta, &o->n_momenta, flag, value);
    if (strcmp(flag, "--workers") == 0) return take_pair(o->axis, &o->axes, flag, "workers", 7, value);
    if (!equals) return bad(flag, value, "OPTION=VALUES is needed");
    size_t length = (size_t)(equals - value);
    return strcmp(flag, "--axis") == 0 ? take_pair(o->axis, &o->axes, flag, value, length, equals + 1)
                                       : take_pair(o->set, &o->sets, flag, value, length, equals + 1);
}

/* --- what is measured -----------------------------------------------------------------------------------------------
 */

typedef struct subject {
    workload w;
    void *object;
    hw_objective objective;
    hw_config config;
    hw_efficiency_plan plan;
    void (*start)(void *context, uint64_t seed, float *x); /* a shared object's */
    void *context;
    time_t begun;
    size_t runs; /* made by this process */
    char origin[400];
    const hw_efficiency *efficiency;
    over ranks;
} subject;

static void start(void *context, uint64_t seed, float *x)
{
    const subject *s = context;
    if (s->start)
        s->start(s->context, seed, x);
    else
        s->w.start(&s->w, seed, x);
}

static int open_object(subject *s, const char *path)
{
    char why[HW_WHY] = "", text[HW_WHY + 300];
    void *found = NULL;
    s->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (s->object) found = dlsym(s->object, "hw_efficiency_objective");
    if (!found) {
        (void)snprintf(text, sizeof text, "--objective: %.250s", dlerror());
        return cli_error("efficiency", 2, text);
    }
    hw_efficiency_entry *entry;
    memcpy(&entry, &found, sizeof entry); /* C has no other way from an object's address to a function's */
    hw_status status = entry(&s->objective, &s->config, &s->plan, why);
    s->start = s->plan.start;
    s->context = s->plan.context;
    if (s->start) s->plan.start = start;
    if (status == HW_OK) return 0;
    (void)snprintf(text, sizeof text, "--objective: %.200s: %.250s", path, why[0] ? why : hw_status_text(status));
    return cli_error("efficiency", 1, text);
}

static int open_workload(subject *s, const options *o)
{
    size_t at = workloads_find(o->workload);
    if (at == workloads_count()) {
        (void)bad("--workload", o->workload, "there is no such workload; --list shows them");
        return 2;
    }
    if (!workload_open("efficiency", at, o->images, &s->w)) return 1;
    s->objective = s->w.objective;
    s->config = s->w.config;
    s->config.target_metric = s->w.metric;
    s->config.target = s->w.target;
    s->plan.name = s->w.name;
    s->plan.start = start;
    return 0;
}

static hw_status told(void *context, const hw_efficiency_run *r, size_t done, size_t all)
{
    subject *s = context;
    const char *label = hw_efficiency_label(s->efficiency, r->row);
    double passed = difftime(time(NULL), s->begun), left = passed / (double)++s->runs * (double)(all - done);
    fprintf(stderr, "  %zu of %zu: %s, seed %llu", done, all, label ? label : "", (unsigned long long)r->seed);
    if (r->tuning) fprintf(stderr, ", tuning: rate %.3g, momentum %.3g", r->learning_rate, r->momentum);
    fprintf(stderr, ": %s after %.0f updates, staleness %.2f; %.0f s, at most about %.0f s to go\n",
            r->met        ? "target met"
            : r->diverged ? "diverged"
            : r->tuning   ? "given up"
                          : "target not met",
            r->met ? r->updates : r->spent, r->staleness, passed, left);
    return HW_OK;
}

/* The program's part of the plan: the objective's stays its own. */
static int set_up(subject *s, options *o)
{
    char why[HW_WHY];
    hw_config *c = &s->config;
    for (unsigned i = 0; i < o->sets; i++) {
        const char *refusal = strncmp(o->set[i].option, "compensation", 12) == 0 && !strchr(o->set[i].option, '.')
                                  ? "--set compensation: the question says it; it is an --axis of question fixed"
                              : strcmp(o->set[i].option, "workers") == 0 ? "--set workers: that is --workers"
                                                                         : NULL;
        if (refusal) return cli_error("efficiency", 2, refusal);
        if (hw_config_set(c, o->set[i].option, o->set[i].value, why) != HW_OK) return cli_error("efficiency", 2, why);
    }
    if (o->question != HW_QUESTION_TUNED && (o->n_rates || o->n_momenta))
        return cli_error("efficiency", 2, "--rates and --momenta are the grid of --question tuned");
    if (o->target > -1e30) c->target = o->target;
    if (c->updates > 0) c->updates = (uint64_t)fmax(1, (double)c->updates * o->epochs);
    if (c->epochs > 0) c->epochs *= o->epochs;
    unsigned tests = o->tests ? o->tests : s->objective.network ? 2000 : UINT32_MAX;
    if (s->objective.evaluation_examples > tests) s->objective.evaluation_examples = tests;
    if (o->question == HW_QUESTION_TUNED) {
        static const double times[] = {1, 2, 0.5, 4, 0.25}, momenta[] = {0.9, 0.5, 0}; /* good ones first */
        if (!o->n_rates)
            for (; o->n_rates < 5; o->n_rates++) o->rates[o->n_rates] = times[o->n_rates] * c->optimizer.schedule.base;
        if (!o->n_momenta) {
            o->n_momenta = c->optimizer.momentum > 0 ? 3 : 1;
            if (o->n_momenta > 1) memcpy(o->momenta, momenta, sizeof momenta); /* else 0 */
        }
        s->plan.rates = o->rates;
        s->plan.momenta = o->momenta;
        s->plan.n_rates = o->n_rates;
        s->plan.n_momenta = o->n_momenta;
    }
    struct stat there;
    const ranks_options *r = &o->ranks;
    size_t used = 0;
    if (r->mpi) /* first, since the record knows runs by the beginning of this */
        used = (size_t)snprintf(s->origin, sizeof s->origin,
                                "ranks %s, exchange %u, bound %u, gather %u, velocity %u, combine %u, sum %u; ",
                                r->scheduler ? "sync" : "async", r->interval, r->bound, r->gather, r->velocity,
                                r->combine, r->sum);
    if (o->object && stat(o->object, &there) == 0)
        (void)snprintf(s->origin + used, sizeof s->origin - used, "%.180s, %lld bytes of %lld", o->object,
                       (long long)there.st_size, (long long)there.st_mtime);
    else
        (void)snprintf(s->origin + used, sizeof s->origin - used, "%s", s->w.what ? s->w.what : "");
    s->plan.data = s->origin;
    if (!o->object)
        s->plan.metric = strcmp(s->w.name, "matrix") ? metric_names[c->target_metric == 1] : "squared error";
    for (size_t i = 0; i < o->n_more; i++) {
        if (!(o->more[i] >= 2 && o->more[i] <= HW_MAX_VIRTUAL && fmod(o->more[i], 1) == 0))
            return cli_error("efficiency", 2, "--predict: numbers of workers from 2 on are needed");
        o->predict[i] = (unsigned)o->more[i];
    }
    s->plan.predict = o->n_more ? o->predict : NULL;
    s->plan.n_predict = o->n_more;
    s->plan.objective = &s->objective;
    s->plan.config = c;
    s->plan.question = (hw_question)o->question;
    s->plan.seeds = o->seeds;
    s->plan.warm = o->warm;
    s->plan.stop_flag = &cli_interrupted;
    s->plan.on_run = told;
    s->plan.over = over_ranks(&s->ranks, &o->ranks);
    s->plan.context = s;
    return 0;
}

/* --- what is written ------------------------------------------------------------------------------------------------
 */

static int write_json(const hw_efficiency *e, const char *folder)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/efficiency.json", folder);
    FILE *f = fopen(path, "w");
    bool good = f && hw_efficiency_json(e, f) == HW_OK && fputc('\n', f) != EOF;
    if (f && fclose(f) != 0) good = false;
    return good ? 0 : cli_error("efficiency", 1, "--out: efficiency.json could not be written");
}

static int write_page(const hw_efficiency *e, const char *folder, const subject *s)
{
    char why[HW_WHY] = "", closing[HW_WHY] = "", path[1100], machine[220], library[300], crossing[160];
    hw_report *r;
    if (hw_report_open(&r, folder, "Hardware against statistical efficiency", why) != HW_OK)
        return cli_error("efficiency", 1, why);
    hw_report_plotter(r, support_gnuplot, NULL);
    bench_crossing(crossing, sizeof crossing);
    (void)snprintf(machine, sizeof machine, "%u processors; %s", hw_processors(), crossing);
    hw_build_info(library, sizeof library);
    (void)hw_report_note(r, "data", s->plan.data);
    (void)hw_report_note(r, "machine", machine);
    (void)hw_report_note(r, "library", library);
    hw_status status = hw_efficiency_report(e, r, "efficiency", why),
              closed = hw_report_close(r, path, sizeof path, closing);
    if (status != HW_OK || closed != HW_OK) return cli_error("efficiency", 1, status != HW_OK ? why : closing);
    printf("page: %s%s%s\n", path, closing[0] ? "; " : "", closing);
    return 0;
}

static int measure(subject *s, const options *o)
{
    char why[HW_WHY] = "", record[1100];
    hw_efficiency *e = NULL;
    if (o->out) {
        (void)snprintf(record, sizeof record, "%.1000s/runs.csv", o->out);
        s->plan.record = record;
        if (!ranks_number() && !cli_can_fill("efficiency", o->out)) return 2;
    }
    int code = hw_efficiency_create(&e, &s->plan, why) == HW_OK ? 0 : cli_error("efficiency", 2, why);
    for (unsigned i = 0; i < o->axes && code == 0; i++)
        if (hw_efficiency_axis(e, o->axis[i].option, o->axis[i].value, why) != HW_OK)
            code = cli_error("efficiency", 2, why);
    if (code == 0 && o->out && !ranks_number() && !cli_make_folder(o->out))
        code = cli_error("efficiency", 1, "--out: the folder cannot be made");
    s->begun = time(NULL);
    s->efficiency = e;
    hw_status status = code == 0 ? hw_efficiency_measure(e, why) : HW_OK;
    if (status != HW_OK && status != HW_E_STOPPED) code = cli_error("efficiency", 1, why);
    if (ranks_number()) {
        hw_efficiency_free(e); /* rank 0 says what came out */
        return code;
    }
    if (code == 0) {
        status = hw_efficiency_print(e, stdout) == HW_OK ? status : HW_E_IO;
        char crossing[160];
        bench_crossing(crossing, sizeof crossing);
        printf("%s\n", crossing);
        if (o->out) code = write_json(e, o->out);
    }
    size_t refused = 0, all, there = hw_efficiency_progress(e, &all, NULL);
    for (size_t i = 0; i < hw_efficiency_rows(e); i++) {
        hw_efficiency_row r;
        refused += hw_efficiency_row_of(e, i, &r) == HW_OK && r.refused;
    }
    if (o->out && code == 0 && there) code = write_page(e, o->out, s);
    if (code == 0 && refused == hw_efficiency_rows(e)) code = cli_error("efficiency", 1, "no row could run");
    if (code == 0 && status == HW_E_IO) code = cli_error("efficiency", 1, "the table could not be written");
    if (code == 0 && status == HW_E_STOPPED)
        code = cli_error("efficiency", 1, o->out ? "interrupted: the same command goes on" : "interrupted");
    hw_efficiency_free(e);
    return code;
}

static int program(int argc, char **argv)
{
    static subject s;
    static options o;
    o = (options){.question = HW_QUESTION_COMPENSATED,
                  .seeds = 5,

                  .epochs = 3,
                  .target = -1e30};
    cli c = {"efficiency", "hardware and statistical efficiency of asynchronous training",
             own,          sizeof own / sizeof *own,
             take,         &o,
             NULL,         0,
             NULL};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.list) {
        for (size_t k = 0; k < workloads_count(); k++) {
            double real, generated;
            int metric = workloads_target(k, &real, &generated);
            printf("%-14s %s; target: metric %d %s %g (%g on generated data)\n", workloads_name(k), workloads_what(k),
                   metric, metric ? ">=" : "<=", real, generated);
        }
        return 0;
    }
    bool workers = false;
    for (unsigned i = 0; i < o.axes; i++) workers |= strcmp(o.axis[i].option, "workers") == 0;
    if (!workers) {
        if (o.axes == PAIRS) return cli_error("efficiency", 2, "--axis: too many of these");
        memmove(o.axis + 1, o.axis, o.axes++ * sizeof *o.axis);
        o.axis[0] = (pair){"workers", "1,2,4"};
    }
    char refusal[HW_WHY];
    if (ranks_check(&o.ranks, refusal) != HW_OK) return cli_error("efficiency", 2, refusal);
    if (o.workload && o.object) return cli_error("efficiency", 2, "--workload and --objective: one of them");
    if (!o.workload) o.workload = "lenet";
    s.config = hw_config_defaults();
    if (hw_efficiency_plan_init(&s.plan, sizeof s.plan) != HW_OK) return cli_error("efficiency", 1, "no plan");
    code = o.object ? open_object(&s, o.object) : open_workload(&s, &o);
    if (code == 0) code = set_up(&s, &o);
    cli_catch_interrupt();
    if (code == 0) {
        bench_header("efficiency");
        printf("%s: %s\n", s.plan.name ? s.plan.name : "objective", s.w.what ? s.w.what : o.object);
        (void)fflush(stdout);
        code = measure(&s, &o);
    }
    workload_close(&s.w);
    if (s.object) (void)dlclose(s.object);
    return code;
}

int main(int argc, char **argv)
{
    int code = ranks_begin("efficiency", argc, argv);
    return ranks_end(code < 0 ? program(argc, argv) : code);
}
