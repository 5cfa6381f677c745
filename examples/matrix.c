/* matrix.c - matrix factorisation of ratings: trains, reports the error, saves the model, predicts and recommends. */
#include "support/cli.h"
#include "support/cluster.h"
#include "support/plan.h"
#include "support/ranks.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "matrix"
#define UNSET   UINT32_MAX

typedef struct options {
    const char *folder, *ratings, *test, *generate, *save, *load, *predict, *recommend, *plan;
    double share, l2;
    unsigned rank, grid, top;
    bool quiet, json, plain, no_biases;
    ranks_options ranks;
} options;

static const cli_option own[] = {
    {"--ratings", "FILE", "MovieLens u.data, ratings.dat or a CSV with a header, plain or gzip", CLI_TEXT,
     offsetof(options, ratings), 0, 0},
    {"--data", "FOLDER", "where ml-latest-small/ratings.csv or ratings.csv is (else $HOGWILD_DATA, generated ones)",
     CLI_TEXT, offsetof(options, folder), 0, 0},
    {"--generate", "UxIxN", "N ratings of U users and I items, of rank 8 with noise 0.5, instead of a file", CLI_TEXT,
     offsetof(options, generate), 0, 0},
    {"--test", "FILE", "other ratings, of the same users and items, to test on", CLI_TEXT, offsetof(options, test), 0,
     0},
    {"--test-share", "X", "share of the ratings that is kept for testing (0.1, with --test 0; 0 to 0.9)", CLI_NUMBER,
     offsetof(options, share), 0, 0.9},
    {"--rank", "N", "factors a row (32; 1 to 1024)", CLI_WHOLE, offsetof(options, rank), 1, 1024},
    {"--l2", "X", "penalty on what a rating touches (0.1; 0 to 1000)", CLI_NUMBER, offsetof(options, l2), 0, 1e3},
    {"--no-adagrad", NULL, "one learning rate for all rows, instead of AdaGrad with one sum a row", CLI_SWITCH,
     offsetof(options, plain), 0, 0},
    {"--no-biases", NULL, "no biases of users and items", CLI_SWITCH, offsetof(options, no_biases), 0, 0},
    {"--blocks", "N",
     "cut users and items into N parts each: no two workers share a row; 0: HOGWILD! (twice the workers where there "
     "are two or more, measured a tenth to a third faster than 0; 0 to 256)",
     CLI_WHOLE, offsetof(options, grid), 0, 256},
    {"--save", "FILE", "write the model there", CLI_TEXT, offsetof(options, save), 0, 0},
    {"--load", "FILE", "read a model instead of training one", CLI_TEXT, offsetof(options, load), 0, 0},
    {"--predict", "FILE",
     "a prediction for each line 'user item' of FILE (-: standard input); of unknown ones by the mean", CLI_TEXT,
     offsetof(options, predict), 0, 0},
    {"--recommend", "USER", "the items with the highest scores that USER has not rated (of a loaded model: any)",
     CLI_TEXT, offsetof(options, recommend), 0, 0},
    {"--top", "N", "how many to recommend (10; 1 to 10000)", CLI_WHOLE, offsetof(options, top), 1, 10000},
    PLAN_ROW(offsetof(options, plan)),
    {"--quiet", NULL, "no progress", CLI_SWITCH, offsetof(options, quiet), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, offsetof(options, json), 0, 0},
    RANKS_ROWS(offsetof(options, ranks)),
    RANK_DATA_ROW(offsetof(options, ranks)),
};

static const char *const engine_flags[] = {
    "--scheduler=scheduler",
    "--clock=clock",
    "--workers=workers",
    "--epochs=epochs",
    "--seconds=seconds",
    "--seed=seed",
    "--learning-rate=learning_rate",
    "--momentum=momentum.target",
    "--schedule=schedule",
    "--gamma=schedule.gamma",
    "--power=schedule.power",
    "--interval=schedule.interval",
    "--warmup=schedule.warmup",
    "--compensation=compensation",
    "--batch=batch",
    "--write=write",
    "--path=path",
    "--sweep=sweep",
    "--fused=sweep",
    "--clock-interval=clock_interval",
    "--exchange-interval=exchange_interval",
    "--shuffle-block=shuffle_block",
    "--evaluate-epochs=evaluate_epochs",
    "--pin=pin",
};

static int fail(int status, const char *format, const char *what)
{
    char text[3 * HW_WHY];
    (void)snprintf(text, sizeof text, format, what);
    return cli_error(PROGRAM, status, text);
}

/* --- ratings -------------------------------------------------------------------------------------------------------
 */

static int generate(const char *spec, uint64_t seed, hw_ratings *r)
{
    char why[HW_WHY], rest;
    uint32_t users, items, count;
    if (strchr(spec, '-') || sscanf(spec, "%" SCNu32 "x%" SCNu32 "x%" SCNu32 "%c", &users, &items, &count, &rest) != 3)
        return fail(2, "--generate %.60s: users x items x ratings are needed, as in 1000x500x100000", spec);
    hw_ratings_plan plan = hw_ratings_plan_defaults(count, users, items);
    plan.seed = seed;
    hw_status status = hw_ratings_generate(&plan, r, why);
    return status == HW_OK ? 0 : cli_error(PROGRAM, status == HW_E_ARGUMENT ? 2 : 1, why);
}

static int open_ratings(const options *o, uint64_t seed, hw_ratings *r, char *source, size_t size)
{
    static const char *const names[] = {"ml-latest-small/ratings.csv", "ratings.csv"};
    char folder[900], path[1024], why[HW_WHY];
    (void)snprintf(source, size, "generated ratings");
    if (o->generate) return generate(o->generate, seed, r);
    (void)snprintf(folder, sizeof folder, "%s", o->folder ? o->folder : "");
    if (!o->folder) hw_data_folder(folder, sizeof folder);
    for (unsigned i = 0; i < (o->ratings ? 1 : *folder ? 2 : 0); i++) {
        (void)snprintf(path, sizeof path, "%s%s%s", o->ratings ? o->ratings : folder, o->ratings ? "" : "/",
                       o->ratings ? "" : names[i]);
        FILE *there = fopen(path, "rb");
        if (there) (void)fclose(there);
        if (!there && !o->ratings) continue;
        (void)snprintf(source, size, "%.150s", path);
        return hw_ratings_read(path, 0, r, why) == HW_OK ? 0 : cli_error(PROGRAM, 1, why);
    }
    if (o->folder) return fail(1, "%.200s: there is no ml-latest-small/ratings.csv and no ratings.csv in it", folder);
    (void)snprintf(source, size, "generated ratings (no MovieLens found; set HOGWILD_DATA to use it)");
    return generate("2000x1000x200000", seed, r);
}

/* --- predictions ---------------------------------------------------------------------------------------------------
 */

static int predict(const char *path, const hw_factors *m)
{
    char text[256], why[200];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    unsigned long line = 0, unknown = 0;
    int code = f ? 0 : fail(1, "%.200s: it could not be opened", path);
    while (code == 0 && fgets(text, sizeof text, f)) {
        uint64_t user, item;
        char rest[2];
        line++;
        for (char *c = text; *c; c++)
            if (*c == ',' || *c == ';') *c = ' ';
        if (text[strspn(text, " \t\r\n")] == 0) continue;
        bool pair = !strchr(text, '-') && sscanf(text, "%" SCNu64 " %" SCNu64 " %1s", &user, &item, rest) == 2;
        if (!pair) {
            (void)snprintf(why, sizeof why, "line %lu: a user and an item, two whole numbers, are needed", line);
            code = cli_error(PROGRAM, 1, why);
            break;
        }
        uint32_t u = hw_factors_user(m, user), i = hw_factors_item(m, item);
        unknown += u == UNSET || i == UNSET;
        printf("%" PRIu64 "\t%" PRIu64 "\t%.4f\n", user, item, hw_factors_fallback(m, u, i, 1));
    }
    if (unknown)
        fprintf(stderr,
                PROGRAM ": %lu of %lu lines have a user or an item that the model does not know: the mean and the "
                        "bias that is known stand there\n",
                unknown, line);
    if (f && f != stdin) (void)fclose(f);
    return code;
}

/* What a user has rated already. */
typedef struct rated {
    bool *item;
} rated;

static int is_rated(void *context, uint32_t item)
{
    const rated *r = context;
    return r->item[item];
}

static int recommend(const options *o, const hw_factors *m, const hw_ratings *const *seen, size_t sets)
{
    char *end;
    errno = 0;
    uint64_t id = strtoull(o->recommend, &end, 10);
    uint32_t user = *end || errno || *o->recommend == '-' ? UNSET : hw_factors_user(m, id);
    if (user == UNSET) return fail(1, "--recommend %.60s: there is no such user", o->recommend);
    uint32_t *item = calloc(o->top, sizeof *item);
    double *score = calloc(o->top, sizeof *score);
    rated r = {calloc(hw_factors_items(m), sizeof *r.item)};
    int code = item && score && r.item ? 0 : fail(1, "%s", "there is no memory for the list of items");
    for (size_t s = 0; code == 0 && s < sets; s++)
        for (uint32_t k = 0; k < seen[s]->count; k++)
            if (seen[s]->rating[k].user == user) r.item[seen[s]->rating[k].item] = true;
    uint32_t n = code == 0 ? hw_factors_best(m, user, o->top, is_rated, &r, item, score) : 0;
    for (uint32_t i = 0; i < n; i++) printf("%" PRIu64 "\t%.4f\n", hw_factors_item_id(m, item[i]), score[i]);
    free(item);
    free(score);
    free(r.item);
    return code;
}

/* --- training ------------------------------------------------------------------------------------------------------
 */

typedef struct progress {
    FILE *out;
    bool quiet, test;
    double epochs, epoch, seconds;
    uint32_t count;
} progress;

static hw_status on_evaluation(void *context, const hw_evaluation *e)
{
    progress *p = context;
    if (p->quiet || e->epoch <= p->epoch) return HW_OK;
    fprintf(p->out, "epoch %6.2f/%g  loss %.4f  %s RMSE %.4f  %6.2f ns/rating\n", e->epoch, p->epochs, e->train_loss,
            p->test ? "test" : "train", sqrt(e->metric[0]),
            (e->seconds - p->seconds) * 1e9 / ((e->epoch - p->epoch) * p->count));
    (void)fflush(p->out);
    p->epoch = e->epoch;
    p->seconds = e->seconds;
    return HW_OK;
}

static void summary(const hw_result *r, const progress *p, unsigned blocks)
{
    printf("%s RMSE %.4f  %.1f million ratings/s (%.2f ns each)  %.2f s\n", p->test ? "test" : "train",
           sqrt(r->last.metric[0]), (double)r->examples / r->seconds * 1e-6, r->seconds * 1e9 / (double)r->examples,
           r->seconds);
    printf("staleness: mean %.2f", r->staleness.mean);
    if (isfinite(r->collisions)) printf("  collisions: %.4f %% of what was read", 100 * r->collisions);
    if (blocks)
        printf("  %u x %u blocks", blocks, blocks);
    else
        printf("  no blocks");
    printf("  policy in force: %s\n", r->setting.reason);
}

static void start(void *context, uint64_t seed, float *x)
{
    hw_factorize_start(context, 0, seed, x);
}

/* Each rank keeps the ratings of its users, whose rows no other one's steps touch. */
static int keep_own(hw_ratings *training, hw_factorize *f, uint32_t *first, uint32_t *count)
{
    char why[HW_WHY];
    f->scale = hw_ratings_deviation(training); /* of all, whatever part each has */
    if (hw_ratings_of_users(training, ranks_number(), ranks_count(), first, count, why) == HW_OK) return 0;
    return cli_error(PROGRAM, 1, why);
}

static void own_rows(const hw_pairs *p, uint32_t first, uint32_t count, hw_range *rows)
{
    const size_t apart = hw_pairs_apart(p);
    rows[0] = (hw_range){p->a + first * p->stride, count * p->stride};
    rows[1] = (hw_range){p->head_a + first * apart, count * apart};
}

/* Trains, and makes the model of it; or plans, and makes none. */
static int train(const options *o, hw_config *config, hw_factorize *f, hw_ratings *training, hw_factors **m)
{
    hw_range rows[2];
    ranks_options own_options = o->ranks;
    uint32_t first = 0, count = 0;
    const uint32_t whole = f->train->count;
    int code = o->ranks.data ? keep_own(training, f, &first, &count) : 0;
    if (code != 0) return code;
    char why[HW_WHY];
    hw_objective objective;
    hw_engine *engine;
    ranks over;
    hw_result result;
    progress p = {o->json ? stderr : stdout, o->quiet || o->json, f->test != NULL, config->epochs, 0, 0, whole};
    if (hw_factorize_objective(f, &objective, why) != HW_OK) return cli_error(PROGRAM, 2, why);
    if (o->plan) {
        const plan_options plan = {o->plan, 0, config->workers, false, o->quiet};
        code = plan_write(PROGRAM, &plan, &objective, config, start, f);
        if (code == 0 && f->grid) printf("run it with: matrix --config %s --blocks %u\n", o->plan, f->grid);
        return code;
    }
    float *x = calloc(objective.parameters, sizeof *x);
    if (!x) return fail(1, "%s", "there is no memory for the parameters");
    hw_factorize_start(f, 0, config->seed, x);
    config->context = &p;
    config->on_evaluation = on_evaluation;
    config->stop_flag = &cli_interrupted;
    if (o->ranks.data) {
        own_rows(&f->pairs, first, count, rows);
        own_options.own = rows;
        own_options.n_own = 2;
    }
    code = cluster_prepare(PROGRAM, &objective, x, config, p.out);
    if (code != 0) {
        free(x);
        return code;
    }
    if (ranks_create(&over, &own_options, &objective, config, x, &engine, why) != HW_OK) {
        free(x);
        return ranks_number() ? 2 : cli_error(PROGRAM, 2, why);
    }
    cli_catch_interrupt();
    hw_status status = ranks_run(&over, engine, &result);
    (void)hw_engine_get(engine, x);
    if (o->json) {
        (void)ranks_json(&over, engine, PROGRAM, &result, stdout);
        printf("\n");
    } else if (status == HW_OK && !o->predict && !o->recommend) {
        summary(&result, &p, f->grid);
        cluster_print(engine, config, &result, stdout);
        ranks_print(&over, stdout);
    }
    if (cli_interrupted)
        fprintf(stderr, PROGRAM ": interrupted after %.2f epochs%s\n", result.epochs,
                o->save ? "; the model is saved" : "; with --save FILE the model would be kept");
    hw_engine_free(engine);
    ranks_free(&over);
    code = status == HW_OK ? 0 : cli_error(PROGRAM, 1, result.message);
    if (code == 0 && hw_factors_create(m, f, x, why) != HW_OK) code = cli_error(PROGRAM, 1, why);
    free(x);
    return code;
}

static int answer(const options *o, const hw_factors *m, const hw_ratings *const *seen, size_t sets)
{
    int code = o->predict ? predict(o->predict, m) : 0;
    return code == 0 && o->recommend ? recommend(o, m, seen, sets) : code;
}

static int train_and_answer(const options *o, hw_config *config)
{
    char source[200], why[HW_WHY];
    hw_ratings all = {0}, training = {0}, test = {0}, other = {0};
    const hw_ratings *const seen[] = {&training, &test};
    bool talks = !o->json && !o->predict && !o->recommend;
    int code = open_ratings(o, config->seed, &all, source, sizeof source);
    if (code != 0) return code;
    double share = o->share >= 0 ? o->share : o->test ? 0 : 0.1;
    uint32_t left_out = 0;
    if (o->test && (hw_ratings_read(o->test, 0, &other, why) != HW_OK ||
                    hw_ratings_renumber(&other, &all, &left_out, why) != HW_OK)) {
        hw_ratings_free(&other);
        hw_ratings_free(&all);
        return cli_error(PROGRAM, 1, why);
    }
    if (left_out)
        fprintf(stderr,
                PROGRAM ": %" PRIu32 " ratings of --test are left out: their user or item has no rating to train "
                        "on\n",
                left_out);
    if (hw_ratings_split(&all, share, config->seed, &training, &test, why) != HW_OK) {
        hw_ratings_free(&all);
        hw_ratings_free(&other);
        return cli_error(PROGRAM, 1, why);
    }
    if (o->test) {
        hw_ratings_free(&test);
        test = other;
    }
    hw_factorize f = hw_factorize_defaults(&training, o->rank);
    f.test = test.count ? &test : NULL;
    f.l2 = o->l2;
    f.biases = !o->no_biases;
    f.adagrad = !o->plain;
    f.batch = config->batch;
    f.seed = config->seed;
    uint32_t fewer = training.users < training.items ? training.users : training.items;
    bool alone = o->ranks.mpi || config->workers == 1 || config->scheduler != HW_ASYNC || config->batch > 1;
    f.grid = o->grid != UNSET ? o->grid : alone || 2 * config->workers > fewer ? 0 : 2 * config->workers;
    if (talks)
        printf(PROGRAM ": %" PRIu32 " ratings (%" PRIu32 " for testing), %" PRIu32 " users, %" PRIu32 " items: %s\n",
               training.count, test.count, training.users, training.items, source);
    options quiet = *o;
    quiet.quiet = o->quiet || !talks;
    hw_factors *m = NULL;
    code = train(&quiet, config, &f, &training, &m);
    if (code == 0 && o->save && !ranks_number() && hw_factors_save(m, o->save, why) != HW_OK)
        code = cli_error(PROGRAM, 1, why);
    if (code == 0 && m) code = answer(o, m, seen, 2);
    hw_factors_free(m);
    hw_factorize_free(&f);
    hw_ratings_free(&training);
    hw_ratings_free(&test);
    return code;
}

static int program(int argc, char **argv)
{
    options o = {.share = -1, .l2 = 0.1, .rank = 32, .grid = UNSET, .top = 10};
    hw_config config = hw_config_defaults();
    config.workers = ranks_workers(config.workers);
    config.batch = 1;
    config.write = HW_WRITE_RACY;
    config.clock_interval = 1024; /* a measured step costs as much as some fifty others */
    config.shuffle_block = 1024;
    config.epochs = 20;
    config.target_metric = 0;
    config.optimizer.momentum = 0;
    config.optimizer.schedule.base = 0.1;
    config.curvature = -1;
    config.compensation.policy = HW_POLICY_NONE;
    cli c = {
        PROGRAM,      "matrix factorisation of ratings, HOGWILD! style", own,    sizeof own / sizeof *own, NULL, &o,
        engine_flags, sizeof engine_flags / sizeof *engine_flags,        &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (config.scheduler == HW_SEQUENTIAL) config.workers = 1;
    if (config.scheduler == HW_SIMULATED || config.scheduler == HW_ROUND_ROBIN) config.clock_interval = 1;
    if ((o.ratings != NULL) + (o.folder != NULL) + (o.generate != NULL) > 1)
        return cli_error(PROGRAM, 2, "--ratings, --data and --generate: one of them is enough");
    if (o.test && (o.share > 0 || o.load || o.generate))
        return cli_error(PROGRAM, 2, "--test goes with ratings from a file, without --test-share and --load");
    if (o.json && (o.predict || o.recommend))
        return cli_error(PROGRAM, 2, "--json prints the run and nothing else: without --predict and --recommend");
    if (!o.plain && config.optimizer.momentum > 0)
        return cli_error(PROGRAM, 2, "--momentum is for --no-adagrad: AdaGrad's steps have none");
    if (o.ranks.data && (o.recommend || (o.share >= 0 && o.share <= 0 && !o.test)))
        return cli_error(PROGRAM, 2, "--rank-data own: without --recommend, and with ratings to test on");
    char refusal[HW_WHY];
    if (ranks_check(&o.ranks, refusal) != HW_OK) return cli_error(PROGRAM, 2, refusal);
    if (o.plan && o.ranks.mpi) return cli_error(PROGRAM, 2, "--plan plans for this machine alone: without --mpi");
    if (o.plan && (o.load || o.save || o.predict || o.recommend || o.json))
        return cli_error(PROGRAM, 2, "--plan trains nothing: without --load, --save, --predict, --recommend, --json");
    if (!o.load)
        return cli_can_write(PROGRAM, o.save) && cli_can_write(PROGRAM, o.plan) ? train_and_answer(&o, &config) : 1;
    if (o.save || (!o.predict && !o.recommend))
        return cli_error(PROGRAM, 2, "--load is for --predict or --recommend, without --save");
    hw_factors *m;
    char why[HW_WHY];
    if (hw_factors_load(&m, o.load, why) != HW_OK) return cli_error(PROGRAM, 1, why);
    code = answer(&o, m, NULL, 0);
    hw_factors_free(m);
    return code;
}

int main(int argc, char **argv)
{
    int code = ranks_begin(PROGRAM, argc, argv);
    return ranks_end(code < 0 ? program(argc, argv) : code);
}
