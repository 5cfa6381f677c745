/* matrix.c - matrix factorisation of ratings: trains, reports the error, saves the model, predicts and recommends. */
#include "support/cli.h"
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
    const char *folder, *ratings, *generate, *save, *load, *predict, *recommend;
    double share, l2;
    unsigned rank, grid, top;
    bool quiet, json, plain, no_biases;
} options;

static const cli_option own[] = {
    {"--ratings", "FILE", "MovieLens u.data, ratings.dat or a CSV with a header, plain or gzip", CLI_TEXT,
     offsetof(options, ratings), 0, 0},
    {"--data", "FOLDER", "where ml-latest-small/ratings.csv or ratings.csv is (else $HOGWILD_DATA, generated ones)",
     CLI_TEXT, offsetof(options, folder), 0, 0},
    {"--generate", "UxIxN", "N ratings of U users and I items, of rank 8 with noise 0.5, instead of a file", CLI_TEXT,
     offsetof(options, generate), 0, 0},
    {"--test-share", "X", "share of the ratings that is kept for testing (0.1; 0 to 0.9)", CLI_NUMBER,
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
    {"--predict", "FILE", "a prediction, within the scale, for each line 'user item' of FILE (-: standard input)",
     CLI_TEXT, offsetof(options, predict), 0, 0},
    {"--recommend", "USER", "the items with the highest scores that USER has not rated (of a loaded model: any)",
     CLI_TEXT, offsetof(options, recommend), 0, 0},
    {"--top", "N", "how many to recommend (10; 1 to 10000)", CLI_WHOLE, offsetof(options, top), 1, 10000},
    {"--quiet", NULL, "no progress", CLI_SWITCH, offsetof(options, quiet), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, offsetof(options, json), 0, 0},
};

static const char *const engine_flags[] = {
    "--scheduler=scheduler",
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
    "--fused=fused",
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

/* --- a model: what prediction needs ------------------------------------------------------------------------------ */

typedef struct model {
    uint32_t users, items;
    uint64_t *user_id, *item_id; /* NULL: ids are the numbers */
    float low, high, *x;
    hw_factorize factors; /* its layout is what counts */
} model;

static uint32_t find(const uint64_t *id, uint32_t n, uint64_t wanted)
{
    if (!id) return wanted < n ? (uint32_t)wanted : UNSET;
    for (uint32_t i = 0; i < n; i++)
        if (id[i] == wanted) return i;
    return UNSET;
}

static uint64_t checksum(uint64_t hash, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

/* The file's bytes behind its header, in order: ids (8 bytes each), then rank factors and a bias a row, users first.
 * One walk serves writing, reading and the checksum. */
typedef enum walk { CHECK, WRITE, READ } walk;

static bool word(FILE *f, walk kind, uint64_t *value, unsigned bytes, uint64_t *hash)
{
    unsigned char b[8];
    for (unsigned i = 0; i < bytes; i++) b[i] = (unsigned char)(*value >> 8 * i);
    if (kind == READ && fread(b, 1, bytes, f) != bytes) return false;
    if (kind == WRITE && fwrite(b, 1, bytes, f) != bytes) return false;
    *hash = checksum(*hash, b, bytes);
    *value = 0;
    for (unsigned i = 0; i < bytes; i++) *value |= (uint64_t)b[i] << 8 * i;
    return true;
}

static bool walk_model(FILE *f, walk kind, model *m, uint64_t *hash)
{
    const hw_pairs *p = &m->factors.pairs;
    *hash = 1469598103934665603u;
    for (uint32_t i = 0; m->user_id && i < m->users; i++)
        if (!word(f, kind, m->user_id + i, 8, hash)) return false;
    for (uint32_t i = 0; m->item_id && i < m->items; i++)
        if (!word(f, kind, m->item_id + i, 8, hash)) return false;
    for (size_t r = 0; r < (size_t)m->users + m->items; r++)
        for (unsigned d = 0; d <= p->rank; d++) {
            float *at = m->x + (d < p->rank ? r * p->stride + d : p->head_a + 2 * r);
            uint32_t bits;
            memcpy(&bits, at, sizeof bits);
            uint64_t value = bits;
            if (!word(f, kind, &value, 4, hash)) return false;
            bits = (uint32_t)value;
            memcpy(at, &bits, sizeof bits);
            if (!isfinite(*at)) return false;
        }
    return true;
}

#define HEADER \
    "hogwild-matrix 1 users %" PRIu32 " items %" PRIu32 " rank %u biases %d ids %d mean %.9g low %.9g high %.9g"
#define SCAN "hogwild-matrix 1 users %" SCNu32 " items %" SCNu32 " rank %u biases %d ids %d mean %f low %f high %f"

static int save_model(const char *path, model *m)
{
    uint64_t hash;
    const hw_pairs *p = &m->factors.pairs;
    char temporary[1100];
    (void)snprintf(temporary, sizeof temporary, "%.1000s.part", path);
    FILE *f = fopen(temporary, "wb");
    if (!f) return fail(1, "%.200s: it could not be written", path);
    bool good = walk_model(f, CHECK, m, &hash);
    good = good && fprintf(f, HEADER " checksum %016" PRIx64 "\n", m->users, m->items, p->rank, p->biases,
                           m->user_id && m->item_id, (double)p->mean, (double)m->low, (double)m->high, hash) > 0;
    good = good && walk_model(f, WRITE, m, &hash);
    good = good && fflush(f) == 0 && fsync(fileno(f)) == 0;
    good = fclose(f) == 0 && good;
    if (good && rename(temporary, path) == 0) return 0;
    (void)remove(temporary);
    return fail(1, "%.200s: it could not be written whole", path);
}

static void free_model(model *m)
{
    free(m->user_id);
    free(m->item_id);
    free(m->x);
    memset(m, 0, sizeof *m);
}

static bool lay_out(model *m, bool ids)
{
    hw_pairs *p = &m->factors.pairs;
    p->stride = (p->rank + 15) / 16 * 16;
    p->b = m->users * p->stride;
    p->head_a = p->b + m->items * p->stride;
    p->head_b = p->head_a + 2 * (size_t)m->users;
    m->x = calloc(p->head_b + 2 * (size_t)m->items, sizeof(float));
    if (ids) m->user_id = calloc(m->users, sizeof(uint64_t));
    if (ids) m->item_id = calloc(m->items, sizeof(uint64_t));
    return m->x && (!ids || (m->user_id && m->item_id));
}

static int load_model(const char *path, model *m)
{
    char head[400];
    int ids = 0;
    uint64_t expected = 0, hash = 0;
    hw_pairs *p = &m->factors.pairs;
    FILE *f = fopen(path, "rb");
    if (!f) return fail(1, "%.200s: it could not be opened", path);
    const char *sum = fgets(head, sizeof head, f) ? strstr(head, " checksum ") : NULL;
    bool good = sum && sscanf(sum, " checksum %" SCNx64, &expected) == 1 &&
                sscanf(head, SCAN, &m->users, &m->items, &p->rank, &p->biases, &ids, &p->mean, &m->low, &m->high) == 8;
    good = good && m->users && m->items && p->rank >= 1 && p->rank <= 1024 && isfinite(p->mean) && m->low <= m->high;
    /* What the header promises is held against the bytes that are there before any memory is taken. */
    uint64_t rows = (uint64_t)m->users + m->items, promised = rows * (4 * ((uint64_t)p->rank + 1) + (ids ? 8 : 0));
    long begin = ftell(f);
    good = good && begin > 0 && fseek(f, 0, SEEK_END) == 0 && (uint64_t)(ftell(f) - begin) == promised &&
           fseek(f, begin, SEEK_SET) == 0;
    if (good && !lay_out(m, ids != 0)) {
        (void)fclose(f);
        return fail(1, "%.200s: there is no memory for this model", path);
    }
    good = good && walk_model(f, READ, m, &hash) && hash == expected;
    (void)fclose(f);
    return good ? 0 : fail(1, "%.200s: this is no whole model of --save, or it was damaged", path);
}

/* --- predictions ---------------------------------------------------------------------------------------------------
 */

static int predict(const char *path, const model *m)
{
    char text[256], why[200];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    unsigned long line = 0;
    int code = f ? 0 : fail(1, "%.200s: it could not be opened", path);
    while (code == 0 && fgets(text, sizeof text, f)) {
        uint64_t user, item;
        char rest[2];
        line++;
        for (char *c = text; *c; c++)
            if (*c == ',' || *c == ';') *c = ' ';
        if (text[strspn(text, " \t\r\n")] == 0) continue;
        bool pair = !strchr(text, '-') && sscanf(text, "%" SCNu64 " %" SCNu64 " %1s", &user, &item, rest) == 2;
        uint32_t u = pair ? find(m->user_id, m->users, user) : UNSET, i = UNSET;
        if (u != UNSET) i = find(m->item_id, m->items, item);
        if (i != UNSET) {
            double score = hw_factorize_predict(&m->factors, m->x, u, i);
            printf("%" PRIu64 "\t%" PRIu64 "\t%.4f\n", user, item, fmin(fmax(score, (double)m->low), (double)m->high));
            continue;
        }
        (void)snprintf(why, sizeof why, "line %lu: %s", line,
                       !pair        ? "a user and an item, two whole numbers, are needed"
                       : u == UNSET ? "the model does not know this user"
                                    : "the model does not know this item");
        code = cli_error(PROGRAM, 1, why);
    }
    if (f && f != stdin) (void)fclose(f);
    return code;
}

typedef struct scored {
    double score;
    uint32_t item;
} scored;

static int higher(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : x->item < y->item ? -1 : x->item > y->item;
}

/* seen: sets of ratings whose items are left out. */
static int recommend(const options *o, const model *m, const hw_ratings *const *seen, size_t sets)
{
    char *end;
    errno = 0;
    uint64_t id = strtoull(o->recommend, &end, 10);
    uint32_t user = *end || errno || *o->recommend == '-' ? UNSET : find(m->user_id, m->users, id);
    if (user == UNSET) return fail(1, "--recommend %.60s: there is no such user", o->recommend);
    scored *list = calloc(m->items, sizeof *list);
    if (!list) return fail(1, "%s", "there is no memory for the list of items");
    for (uint32_t i = 0; i < m->items; i++) list[i] = (scored){hw_factorize_predict(&m->factors, m->x, user, i), i};
    for (size_t s = 0; s < sets; s++)
        for (uint32_t k = 0; k < seen[s]->count; k++)
            if (seen[s]->rating[k].user == user) list[seen[s]->rating[k].item].score = -HUGE_VAL;
    qsort(list, m->items, sizeof *list, higher);
    for (uint32_t i = 0; i < m->items && i < o->top && list[i].score > -HUGE_VAL; i++)
        printf("%" PRIu64 "\t%.4f\n", m->item_id ? m->item_id[list[i].item] : list[i].item, list[i].score);
    free(list);
    return 0;
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
    printf("staleness: mean %.2f", r->shape.mean);
    if (isfinite(r->collisions)) printf("  collisions: %.4f %% of what was read", 100 * r->collisions);
    if (blocks)
        printf("  %u x %u blocks", blocks, blocks);
    else
        printf("  no blocks");
    printf("  policy in force: %s\n", r->setting.reason);
}

/* Trains; the parameters end in m->x, which the caller frees. */
static int train(const options *o, hw_config *config, hw_factorize *f, model *m)
{
    char why[HW_WHY];
    hw_objective objective;
    hw_engine *engine;
    hw_result result;
    progress p = {
        o->json ? stderr : stdout, o->quiet || o->json, f->test != NULL, config->epochs, 0, 0, f->train->count};
    if (hw_factorize_objective(f, &objective, why) != HW_OK) return cli_error(PROGRAM, 2, why);
    m->x = aligned_alloc(64, (objective.parameters * sizeof(float) + 63) / 64 * 64);
    if (!m->x) return fail(1, "%s", "there is no memory for the parameters");
    hw_factorize_start(f, 0, config->seed, m->x);
    config->context = &p;
    config->on_evaluation = on_evaluation;
    config->stop_flag = &cli_interrupted;
    if (hw_engine_create(&engine, &objective, config, m->x, why) != HW_OK) return cli_error(PROGRAM, 2, why);
    cli_catch_interrupt();
    hw_status status = hw_engine_run(engine, &result);
    (void)hw_engine_get(engine, m->x);
    if (o->json) {
        (void)hw_run_json(engine, PROGRAM, &result, stdout);
        printf("\n");
    } else if (status == HW_OK && !o->predict && !o->recommend) {
        summary(&result, &p, f->grid);
    }
    if (cli_interrupted)
        fprintf(stderr, PROGRAM ": interrupted after %.2f epochs%s\n", result.epochs,
                o->save ? "; the model is saved" : "; with --save FILE the model would be kept");
    hw_engine_free(engine);
    m->factors = *f;
    return status == HW_OK ? 0 : cli_error(PROGRAM, 1, result.message);
}

static int answer(const options *o, const model *m, const hw_ratings *const *seen, size_t sets)
{
    int code = o->predict ? predict(o->predict, m) : 0;
    return code == 0 && o->recommend ? recommend(o, m, seen, sets) : code;
}

static int train_and_answer(const options *o, hw_config *config)
{
    char source[200], why[HW_WHY];
    hw_ratings all = {0}, training = {0}, test = {0};
    const hw_ratings *const seen[] = {&training, &test};
    bool talks = !o->json && !o->predict && !o->recommend;
    int code = open_ratings(o, config->seed, &all, source, sizeof source);
    if (code != 0) return code;
    if (hw_ratings_split(&all, o->share, config->seed, &training, &test, why) != HW_OK) {
        hw_ratings_free(&all);
        return cli_error(PROGRAM, 1, why);
    }
    hw_factorize f = hw_factorize_defaults(&training, o->rank);
    f.test = test.count ? &test : NULL;
    f.l2 = o->l2;
    f.biases = !o->no_biases;
    f.adagrad = !o->plain;
    f.batch = config->batch;
    f.seed = config->seed;
    uint32_t fewer = training.users < training.items ? training.users : training.items;
    bool alone = config->workers == 1 || config->scheduler != HW_ASYNC || config->batch > 1;
    f.grid = o->grid != UNSET ? o->grid : alone || 2 * config->workers > fewer ? 0 : 2 * config->workers;
    if (talks)
        printf(PROGRAM ": %" PRIu32 " ratings (%" PRIu32 " for testing), %" PRIu32 " users, %" PRIu32 " items: %s\n",
               training.count, test.count, training.users, training.items, source);
    options quiet = *o;
    quiet.quiet = o->quiet || !talks;
    model m = {
        training.users, training.items, training.user_id, training.item_id, training.low, training.high, NULL, {0}};
    code = train(&quiet, config, &f, &m);
    if (code == 0 && o->save) code = save_model(o->save, &m);
    if (code == 0) code = answer(o, &m, seen, 2);
    free(m.x);
    hw_factorize_free(&f);
    hw_ratings_free(&training);
    hw_ratings_free(&test);
    return code;
}

int main(int argc, char **argv)
{
    options o = {.share = 0.1, .l2 = 0.1, .rank = 32, .grid = UNSET, .top = 10};
    hw_config config = hw_config_defaults();
    config.batch = 1;
    config.write = HW_WRITE_RACY;
    config.clock_interval = 1024; /* a measured step costs as much as some fifty others */
    config.shuffle_block = 1024;
    config.epochs = 20;
    config.optimizer.momentum = 0;
    config.optimizer.schedule.base = 0.1;
    config.curvature = -1;
    config.divergence = 1000; /* losses of single ratings scatter widely */
    config.compensation.policy = HW_POLICY_NONE;
    cli c = {
        PROGRAM,      "matrix factorisation of ratings, HOGWILD! style", own,    sizeof own / sizeof *own, NULL, &o,
        engine_flags, sizeof engine_flags / sizeof *engine_flags,        &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (config.scheduler == HW_SEQUENTIAL) config.workers = 1;
    if (config.scheduler == HW_SIMULATED) config.clock_interval = 1;
    if ((o.ratings != NULL) + (o.folder != NULL) + (o.generate != NULL) > 1)
        return cli_error(PROGRAM, 2, "--ratings, --data and --generate: one of them is enough");
    if (o.json && (o.predict || o.recommend))
        return cli_error(PROGRAM, 2, "--json prints the run and nothing else: without --predict and --recommend");
    if (!o.plain && config.optimizer.momentum > 0)
        return cli_error(PROGRAM, 2, "--momentum is for --no-adagrad: AdaGrad's steps have none");
    if (!o.load) return train_and_answer(&o, &config);
    if (o.save || (!o.predict && !o.recommend))
        return cli_error(PROGRAM, 2, "--load is for --predict or --recommend, without --save");
    model m = {0};
    code = load_model(o.load, &m);
    if (code == 0) code = answer(&o, &m, NULL, 0);
    free_model(&m);
    return code;
}
