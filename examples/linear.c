/* linear.c - linear models on sparse rows (LIBSVM files) by HOGWILD!: training, testing, prediction, cross-validation.
 */
#include "support/cli.h"
#include "support/cluster.h"
#include "support/gnuplot.h"
#include "support/linear.h"
#include "support/plan.h"
#include "support/ranks.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    const char *train, *test, *load, *save, *predict, *loss, *weights, *base, *report, *plan;
    double split, l2;
    unsigned folds;
    bool scores, tf_idf, unit_rows, cache, statistics, quiet, json;
    bool intercept; /* set by option() */
    linear_said said;
    hw_config *config;
    float class_weight[256];
    unsigned n_weights;
    ranks_options ranks;
} options;

static const cli_option own[] = {
    {"--train", "FILE", "rows in LIBSVM's format, plain or gzip (else $HOGWILD_DATA/a9a, else generated rows)",
     CLI_TEXT, offsetof(options, train), 0, 0},
    {"--test", "FILE", "rows to test on", CLI_TEXT, offsetof(options, test), 0, 0},
    {"--load", "FILE", "begin with this model; without --train: test it only", CLI_TEXT, offsetof(options, load), 0, 0},
    {"--save", "FILE", "write the model there", CLI_TEXT, offsetof(options, save), 0, 0},
    {"--predict", "FILE", "write a label for each row of --test there, '-': stdout", CLI_TEXT,
     offsetof(options, predict), 0, 0},
    {"--scores", NULL, "--predict writes scores", CLI_SWITCH, offsetof(options, scores), 0, 0},
    {"--loss", "NAME", "squared, logistic, hinge, squared-hinge or softmax (logistic)", CLI_TEXT,
     offsetof(options, loss), 0, 0},
    {"--split", "X", "labels below X are -1, others +1 (else two values are told apart)", CLI_NUMBER,
     offsetof(options, split), -1e30, 1e30},
    {"--l2", "X", "penalty X / 2 |w|^2 (1 / rows)", CLI_NUMBER, offsetof(options, l2), 0, 1e6},
    {"--l1", "X", "penalty X |w|_1, which makes weights 0 (0)", CLI_NUMBER, offsetof(options, said.l1), 0, 1e6},
    {"--intercept", NULL, "a weight that every row has (the default)", CLI_CALL, 0, 0, 0},
    {"--no-intercept", NULL, "none", CLI_CALL, 0, 0, 0},
    {"--class-weights", "A,B,..", "factors on the loss of each class, labels ascending", CLI_TEXT,
     offsetof(options, weights), 0, 0},
    {"--tf-idf", NULL, "values times ln((1 + rows) / (1 + rows with the column)) + 1", CLI_SWITCH,
     offsetof(options, tf_idf), 0, 0},
    {"--unit-rows", NULL, "rows of length 1", CLI_SWITCH, offsetof(options, unit_rows), 0, 0},
    {"--average", NULL, "the mean of the second half of the path (the default, but for --l1)", CLI_CALL, 0, 0, 0},
    {"--no-average", NULL, "the last weights", CLI_CALL, 0, 0, 0},
    {"--folds", "K", "cross-validation: every row is held out once", CLI_WHOLE, offsetof(options, folds), 2, 1000},
    {"--base", "0|1|auto", "number of the first feature; auto: 0 where there is one (auto)", CLI_TEXT,
     offsetof(options, base), 0, 0},
    {"--cache", NULL, "keep binary copies beside the data, FILE.hwcache", CLI_SWITCH, offsetof(options, cache), 0, 0},
    {"--statistics", NULL, "print Omega, Delta and rho of HOGWILD!'s theory; train nothing", CLI_SWITCH,
     offsetof(options, statistics), 0, 0},
    {"--learning-rate", "X", "at the start (0: from the loss and the rows' lengths)", CLI_NUMBER,
     offsetof(options, said.rate), 0, 1e6},
    {"--schedule", "NAME", "constant, linear, inv, ... (inv; without averaging linear; adagrad: constant)", CLI_CALL, 0,
     0, 0},
    {"--exchange", "K", "steps between exchanges; 1: every step shared; 0: chosen (0 where it can be)", CLI_CALL, 0, 0,
     0},
    {"--report", "FOLDER", "write an HTML report, CSV and JSON lines there", CLI_TEXT, offsetof(options, report), 0, 0},
    PLAN_ROW(offsetof(options, plan)),
    {"--quiet", NULL, "no progress", CLI_SWITCH, offsetof(options, quiet), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, offsetof(options, json), 0, 0},
    RANKS_ROWS(offsetof(options, ranks)),
};

static const char *const engine_flags[] = {
    "--workers=workers",
    "--scheduler=scheduler",
    "--groups=groups",
    "--clock=clock",
    "--write=write",
    "--rule=rule",
    "--momentum=momentum.target",
    "--batch=batch",
    "--gamma=schedule.gamma",
    "--power=schedule.power",
    "--epochs=epochs",
    "--seconds=seconds",
    "--target=target",
    "--target-metric=target_metric",
    "--evaluate-epochs=evaluate_epochs",
    "--seed=seed",
    "--clock-interval=clock_interval",
    "--shuffle-block=shuffle_block",
    "--divergence=divergence",
    "--pin=pin",
};

static bool option(void *context, const char *flag, const char *value)
{
    options *o = context;
    char why[HW_WHY], text[HW_WHY];
    if (!value) {
        bool on = strncmp(flag, "--no-", 5) != 0;
        if (strcmp(flag + (on ? 2 : 5), "intercept") == 0)
            o->intercept = on;
        else
            o->said.average = on, o->said.average_given = true;
        return true;
    }
    bool schedule = strcmp(flag, "--schedule") == 0;
    o->said.exchange = o->said.exchange || !schedule;
    if (hw_config_set(o->config, schedule ? "schedule" : "exchange_interval", value, why) == HW_OK) return true;
    const char *colon = strstr(why, ": ");
    (void)snprintf(text, sizeof text, "%s %.60s%.150s", flag, value, colon ? colon : "");
    return cli_error("linear", 2, text) == 0;
}

/* --- a run ---------------------------------------------------------------------------------------------------------
 */

typedef struct progress {
    bool quiet, terminal;
    double epochs, next;
} progress;

static hw_status on_progress(void *context, const hw_progress *now)
{
    progress *p = context;
    if (p->quiet || (!p->terminal && now->seconds < p->next)) return HW_OK;
    p->next = now->seconds + 10;
    printf("%sepoch %.2f/%g  %.0f rows/s  loss %.4f", p->terminal ? "\r\033[K" : "", now->epoch, p->epochs,
           now->examples_per_second, now->train_loss);
    if (now->last) printf("  evaluated %.4f", now->last->metric[0]);
    if (now->fraction > 0 && now->fraction < 1)
        printf("  %.0f s left", now->seconds * (1 - now->fraction) / now->fraction);
    if (!p->terminal) printf("\n");
    (void)fflush(stdout);
    return HW_OK;
}

static void print_run(const hw_result *r, const hw_config *c, const hw_sparse *s, const double train[2])
{
    printf("training: objective %.6f", train[0]);
    if (isfinite(train[1])) printf("  accuracy %.2f %%", 100 * train[1]);
    printf("  %.2f epochs in %.3f s  %.2f ns per non-zero  %.0f updates/s\n", r->epochs, r->seconds,
           r->seconds * 1e9 / (r->epochs * (double)s->nonzeros), (double)r->updates / r->seconds);
    if (c->workers > 1) {
        printf("%u workers: staleness mean %.2f", c->workers, r->staleness.mean);
        if (isfinite(r->collisions)) printf("  collisions %.4f", r->collisions);
        if (r->exchange_interval > 1) printf("  an exchange every %u steps", r->exchange_interval);
        printf("\n");
    }
    if (isfinite(r->seconds_to_target))
        printf("target met after %.3f s, %llu updates\n", r->seconds_to_target,
               (unsigned long long)r->updates_to_target);
}

static int write_report(const options *o, const linear_rows *r, hw_engine *engine, const ranks *over, unsigned metrics,
                        const hw_result *result)
{
    hw_report *report;
    char why[HW_WHY], path[1024], machine[160];
    if (support_report_open(&report, o->report, "linear: one run", why) != HW_OK) return cli_error("linear", 1, why);
    cli_machine(machine, sizeof machine);
    (void)hw_report_note(report, "data", r->source);
    (void)hw_report_note(report, "machine", machine);
    (void)hw_report_note(report, "commit", hw_commit());
    if (result->message[0]) (void)hw_report_text(report, result->message);
    hw_status status = cli_report_run(report, "run", engine, metrics, result);
    if (status == HW_OK) status = ranks_report(over, report);
    hw_status closed = hw_report_close(report, path, sizeof path, why);
    if (status != HW_OK || closed != HW_OK)
        return cli_error("linear", 1, closed != HW_OK ? why : hw_status_text(status));
    if (!o->json) printf("report: %s\n", path);
    return 0;
}

/* Run the engine, and print unless this is a fold. x: the weights in the order of the columns of s. */
static int drive(const options *o, const linear_rows *r, const hw_linear_model *m, hw_sparse_linear *l,
                 const hw_sparse *s, float *x, bool fold)
{
    char why[HW_WHY];
    hw_objective objective;
    hw_engine *engine;
    ranks over;
    hw_result result;
    hw_rule rule;
    hw_config c = linear_configure(&o->said, o->config, m, s, o->class_weight, o->n_weights);
    progress p = {fold || o->quiet || o->json, isatty(STDOUT_FILENO) != 0, c.epochs, 10};
    if (hw_sparse_linear_objective(l, &objective, why) != HW_OK) return cli_error("linear", 2, why);
    if (o->said.l1 > 0) {
        c.optimizer.rule = HW_RULE_USER;
        c.optimizer.user_rule = &rule;
        if (hw_sparse_linear_rule(l, &c.optimizer.schedule, &rule, why) != HW_OK)
            return cli_error("linear", 2, "--l1 goes with the schedules constant and inv");
    }
    if (o->plan) {
        const plan_options plan = {o->plan, 0, c.workers, false, o->quiet};
        return plan_write("linear", &plan, &objective, &c, NULL, NULL);
    }
    const int prepared = cluster_prepare("linear", &objective, x, &c, fold || o->json ? stderr : stdout);
    if (prepared != 0) return prepared;
    c.context = &p;
    c.on_progress = on_progress;
    c.stop_flag = &cli_interrupted;
    if (ranks_create(&over, &o->ranks, &objective, &c, x, &engine, why) != HW_OK)
        return ranks_number() ? 2 : cli_error("linear", 2, why);
    hw_status status = ranks_run(&over, engine, &result);
    if (p.terminal && !p.quiet) printf("\r\033[K");
    if (hw_engine_average(engine, x) != HW_OK || status != HW_OK) (void)hw_engine_get(engine, x);
    double metric[2];
    int code = status == HW_OK ? 0 : cli_error("linear", 1, result.message);
    if (!fold && o->json) {
        (void)ranks_json(&over, engine, "linear", &result, stdout);
        printf("\n");
    } else if (!fold && status == HW_OK && linear_objective(l, x, metric) == HW_OK) {
        print_run(&result, &c, s, metric);
        cluster_print(engine, &c, &result, stdout);
        ranks_print(&over, stdout);
    }
    if (!fold && o->report && !ranks_number() && write_report(o, r, engine, &over, objective.metrics, &result) != 0)
        code = 1;
    if (!fold && cli_interrupted)
        fprintf(stderr, "linear: interrupted: stopped after %llu updates%s\n", (unsigned long long)result.updates,
                o->save ? "; the model is saved" : "; with --save FILE the model would be kept");
    hw_engine_free(engine);
    ranks_free(&over);
    return code;
}

/* Train m on s (weighed already), whose columns are renumbered for more workers than one; weights a model has are
 * where it begins. */
static int fit(const options *o, const linear_rows *r, hw_linear_model *m, hw_sparse *s, bool fold)
{
    char why[HW_WHY] = "no memory";
    /* One feature with a large number is enough for this: it comes before any of the memory is touched. */
    double need =
        10.0 * sizeof(float) * (double)hw_linear_model_weights(m); /* three copies here, the engine's, AdaGrad's */
    double there = need > 1e9 ? (double)hw_memory_available() : need;
    if (need > there) {
        (void)snprintf(why, sizeof why,
                       "%.100s: its largest feature is number %u: so many weights need %.0f GB of memory, %.1f GB are "
                       "there; give the features lower numbers, or hash them",
                       r->source, m->columns - 1 + m->base, need * 1e-9, there * 1e-9);
        return cli_error("linear", 1, why);
    }
    hw_sparse test = {0};
    size_t n = hw_linear_model_weights(m);
    uint32_t *number = malloc((size_t)m->columns * sizeof *number);
    float *x = calloc(n, sizeof *x), *ordered = calloc(n, sizeof *ordered);
    bool tested = r->labelled && !fold;
    hw_status status = number && x && ordered ? HW_OK : HW_E_MEMORY;
    /* The hottest weights side by side; the test rows themselves stay as they are, for predictions. */
    if (status == HW_OK && tested) status = hw_sparse_subset(&r->test, 1, 0, r->test.rows, &test, why);
    for (uint32_t j = 0; status == HW_OK && j < m->columns; j++) number[j] = j;
    if (status == HW_OK && (o->config->workers > 1 || o->plan))
        status = hw_sparse_by_frequency(s, tested ? &test : NULL, number, why);
    int code = status == HW_OK ? 0 : cli_error("linear", 1, why);
    if (code == 0) {
        if (m->weight) memcpy(x, m->weight, n * sizeof *x);
        memcpy(ordered, x, n * sizeof *x); /* intercepts are where they were */
        for (uint32_t j = 0; j < m->columns; j++)
            memcpy(ordered + (size_t)number[j] * m->scores, x + (size_t)j * m->scores, m->scores * sizeof *x);
        hw_sparse_linear l = hw_sparse_linear_defaults(m->loss, s);
        l.test = tested ? &test : NULL;
        l.classes = m->scores;
        l.l2 = o->l2 >= 0 ? o->l2 : 1.0 / s->rows;
        l.l1 = o->said.l1;
        l.intercept = m->intercept;
        l.class_weight = o->n_weights ? o->class_weight : NULL;
        l.batch = o->config->batch;
        l.prefetch = s->columns > 1U << 18 ? 2 : 0; /* fewer weights are in a core's own cache as it is */
        code = drive(o, r, m, &l, s, ordered, fold);
        hw_sparse_linear_free(&l);
        memcpy(x, ordered, n * sizeof *x);
        for (uint32_t j = 0; j < m->columns; j++)
            memcpy(x + (size_t)j * m->scores, ordered + (size_t)number[j] * m->scores, m->scores * sizeof *x);
        free(m->weight);
        m->weight = x;
        x = NULL;
    }
    free(number), free(ordered), free(x);
    hw_sparse_free(&test);
    return code;
}

/* --- what the program does -----------------------------------------------------------------------------------------
 */

static int validate(const options *o, const linear_rows *r, hw_linear_model *m)
{
    char why[HW_WHY];
    double sum[2] = {0, 0}, squares[2] = {0, 0};
    if (o->folds > r->train.rows) return cli_error("linear", 2, "--folds: there are fewer rows than folds");
    for (unsigned k = 0; k < o->folds; k++) {
        hw_sparse kept, out;
        hw_linear_model copy = *m; /* of what is not allocated */
        double metric[2];
        uint32_t first = (uint32_t)((uint64_t)r->train.rows * k / o->folds);
        uint32_t end = (uint32_t)((uint64_t)r->train.rows * (k + 1) / o->folds);
        if (linear_fold(&r->train, first, end - first, &kept, &out, why) != HW_OK) return cli_error("linear", 1, why);
        hw_status status = hw_linear_model_weigh(&copy, &kept, true, why);
        if (status == HW_OK) status = hw_linear_model_weigh(&copy, &out, false, why);
        int code = status == HW_OK ? fit(o, r, &copy, &kept, true) : cli_error("linear", 1, why);
        if (code == 0 && hw_linear_model_measure(&copy, copy.weight, &out, metric, why) != HW_OK)
            code = cli_error("linear", 1, why);
        for (int i = 0; code == 0 && i < 2; i++) {
            sum[i] += metric[i];
            squares[i] += metric[i] * metric[i];
        }
        if (code == 0 && !o->quiet && !o->json) {
            printf("fold %u: %u rows held out  loss %.6f", k + 1, end - first, metric[0]);
            printf(isfinite(metric[1]) ? "  accuracy %.2f %%\n" : "\n", 100 * metric[1]);
        }
        hw_linear_model_free(&copy);
        hw_sparse_free(&kept), hw_sparse_free(&out);
        if (code == 0 && cli_interrupted) code = cli_error("linear", 1, "interrupted: not all folds were run");
        if (code != 0) return code;
    }
    double n = o->folds, mean[2] = {sum[0] / n, sum[1] / n}, sd[2];
    for (int i = 0; i < 2; i++) sd[i] = sqrt(fmax(0, squares[i] - n * mean[i] * mean[i]) / (n - 1));
    bool accuracy = isfinite(mean[1]);
    if (o->json) {
        printf("{\"name\":\"linear\",\"folds\":%u,\"loss\":{\"mean\":%.9g,\"sd\":%.9g}", o->folds, mean[0], sd[0]);
        if (accuracy) printf(",\"accuracy\":{\"mean\":%.9g,\"sd\":%.9g}", mean[1], sd[1]);
        printf("}\n");
    } else {
        printf("%u folds: loss %.6f +- %.6f", o->folds, mean[0], sd[0]);
        if (accuracy) printf("  accuracy %.2f +- %.2f %%", 100 * mean[1], 100 * sd[1]);
        printf("\n");
    }
    return 0;
}

/* Tests, predicts and saves what is trained or loaded. */
static int finish(const options *o, const linear_rows *r, const hw_linear_model *m)
{
    char why[HW_WHY];
    double metric[2];
    bool standard = o->predict && strcmp(o->predict, "-") == 0;
    if (o->save && hw_linear_model_save(m, o->save, why) != HW_OK) return cli_error("linear", 1, why);
    if (r->labelled && !o->json && !standard) {
        if (hw_linear_model_measure(m, m->weight, &r->test, metric, why) != HW_OK) return cli_error("linear", 1, why);
        printf("test: loss %.6f", metric[0]);
        printf(isfinite(metric[1]) ? "  accuracy %.2f %%\n" : "\n", 100 * metric[1]);
    }
    if (o->predict && linear_predict(m, &r->test, o->scores, o->predict, why) != HW_OK)
        return cli_error("linear", 1, why);
    return 0;
}

static bool parse_weights(options *o, const hw_linear_model *m)
{
    enum { MOST = sizeof o->class_weight / sizeof *o->class_weight };
    double x[MOST];
    size_t n = o->weights ? cli_numbers(o->weights, x, MOST) : 0;
    unsigned classes = m->loss == HW_SPARSE_SOFTMAX ? m->scores : 2;
    if (!o->weights) return true;
    if (n != classes || n > MOST || m->loss == HW_SPARSE_SQUARED) return false;
    for (; o->n_weights < n; o->n_weights++) {
        if (!(x[o->n_weights] > 0 && x[o->n_weights] <= 1e6)) return false;
        o->class_weight[o->n_weights] = (float)x[o->n_weights];
    }
    return true;
}

static int check(const options *o)
{
    hw_sparse_loss loss;
    if (o->loss && hw_sparse_loss_named(o->loss, &loss) != HW_OK)
        return cli_error("linear", 2, "--loss: it must be squared, logistic, hinge, squared-hinge or softmax");
    if (strcmp(o->base, "0") != 0 && strcmp(o->base, "1") != 0 && strcmp(o->base, "auto") != 0)
        return cli_error("linear", 2, "--base: it must be 0, 1 or auto");
    if (o->load && (o->loss || o->tf_idf || o->unit_rows || isfinite(o->split) || strcmp(o->base, "auto") != 0))
        return cli_error("linear", 2,
                         "--load: the model has its own --loss, --split, --base, --tf-idf and --unit-rows already");
    if (o->load && !o->train && !o->test)
        return cli_error("linear", 2, "--load needs --test FILE to test on, or --train FILE to go on with");
    if (o->predict && !o->test) return cli_error("linear", 2, "--predict needs --test FILE, whose rows it labels");
    if (o->plan && o->said.l1 > 0)
        return cli_error("linear", 2,
                         "--plan does not go with --l1: its rule is made for one learning rate and schedule");
    if (o->plan && (o->folds || o->load || o->save || o->predict || o->report || o->json || o->statistics))
        return cli_error("linear", 2,
                         "--plan trains nothing: without --folds, --load, --save, --predict, --report, --json, "
                         "--statistics");
    if (o->folds && (o->load || o->save || o->predict || o->test))
        return cli_error("linear", 2,
                         "--folds trains models that are dropped: without --load, --save, --test, --predict");
    if (isfinite(o->split) && o->loss && strcmp(o->loss, "softmax") == 0)
        return cli_error("linear", 2, "--split makes two labels: softmax is for more");
    if (o->said.l1 > 0 && (o->config->optimizer.rule != HW_RULE_SGD || o->config->optimizer.momentum > 0))
        return cli_error("linear", 2, "--l1 has a rule of its own: --rule sgd without --momentum");
    if (o->ranks.mpi && o->said.average_given && o->said.average)
        return cli_error("linear", 2,
                         "--average does not go with --mpi: each rank's mean would be of its own parameters");
    return 0;
}

static int run(options *o, hw_linear_model *m, linear_rows *r)
{
    char why[HW_WHY];
    linear_files files = {o->train, o->test, o->base, o->cache, o->load != NULL, o->predict != NULL, o->config->seed};
    if (linear_open(&files, m, r, why) != HW_OK) return cli_error("linear", 1, why);
    bool standard = o->predict && strcmp(o->predict, "-") == 0;
    if (standard) o->quiet = true;
    if (r->note[0]) fprintf(stderr, "linear: the labels of --test are not used: %s\n", r->note);
    if (r->train.rows && !o->json && !standard)
        printf("linear: %s loss on %s: %u rows, %u columns, %llu non-zeros\n", hw_sparse_loss_name(m->loss), r->source,
               r->train.rows, r->train.columns, (unsigned long long)r->train.nonzeros);
    if (o->statistics) {
        hw_sparse_figures f;
        if (hw_sparse_measure(r->train.rows ? &r->train : &r->test, &f, why) != HW_OK)
            return cli_error("linear", 1, why);
        hw_sparse_print(&f, stdout);
        return 0;
    }
    if (!parse_weights(o, m))
        return cli_error("linear", 2,
                         "--class-weights: a positive number for each class is needed, labels ascending (squared loss "
                         "has no classes)");
    if (!cli_can_write("linear", o->save) || !cli_can_write("linear", o->plan) || !cli_can_fill("linear", o->report))
        return 1;
    cli_catch_interrupt();
    if (o->folds) return validate(o, r, m);
    hw_status status = r->train.rows ? hw_linear_model_weigh(m, &r->train, !o->load, why) : HW_OK;
    if (status == HW_OK && r->has_test) status = hw_linear_model_weigh(m, &r->test, false, why);
    if (status != HW_OK) return cli_error("linear", 1, why);
    int code = r->train.rows ? fit(o, r, m, &r->train, false) : 0;
    const bool ends = !o->plan && m->weight && !ranks_number() && (code == 0 || o->save);
    int end = ends ? finish(o, r, m) : 0;
    return code ? code : end;
}

static int program(int argc, char **argv)
{
    hw_config config = hw_config_defaults();
    config.workers = ranks_workers(config.workers);
    options o = {.base = "auto", .split = NAN, .l2 = -1, .said.rate = -1, .intercept = true, .config = &config};
    config.batch = 1;
    config.write = HW_WRITE_RACY;
    config.clock_interval = 0;
    config.shuffle_block = 64;
    config.optimizer.momentum = 0;
    config.optimizer.schedule.gamma = 0;
    config.optimizer.schedule.power = 1;
    linear_unsay(&config);
    config.compensation.policy = HW_POLICY_NONE;
    config.target_metric = 0;
    config.epochs = 5;
    cli c = {"linear",     "linear models on sparse rows, HOGWILD! style", own,    sizeof own / sizeof *own, option, &o,
             engine_flags, sizeof engine_flags / sizeof *engine_flags,     &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    linear_heed(&o.said, &config);
    code = check(&o);
    if (code != 0) return code;
    if (o.ranks.mpi) o.said.average_given = true; /* false: the schedule is that of last weights, too */
    if (config.scheduler == HW_ASYNC && config.workers == 1) config.scheduler = HW_SEQUENTIAL;
    if (config.scheduler == HW_SEQUENTIAL) config.workers = 1;
    hw_linear_model m = hw_linear_model_defaults();
    linear_rows r = {.labelled = false};
    char why[HW_WHY];
    if (o.load) {
        if (hw_linear_model_load(&m, o.load, why) != HW_OK) return cli_error("linear", 1, why);
    } else {
        if (o.loss) (void)hw_sparse_loss_named(o.loss, &m.loss);
        m.intercept = o.intercept;
        m.unit_rows = o.unit_rows;
        m.tf_idf = o.tf_idf;
        m.split = o.split;
        m.labels = o.statistics                  ? HW_LABELS_REAL
                   : isfinite(o.split)           ? HW_LABELS_SPLIT
                   : m.loss == HW_SPARSE_SQUARED ? HW_LABELS_REAL
                   : m.loss == HW_SPARSE_SOFTMAX ? HW_LABELS_CLASSES
                                                 : HW_LABELS_TWO;
    }
    code = run(&o, &m, &r);
    linear_close(&r);
    hw_linear_model_free(&m);
    return code;
}

int main(int argc, char **argv)
{
    int code = ranks_begin("linear", argc, argv);
    return ranks_end(code < 0 ? program(argc, argv) : code);
}
