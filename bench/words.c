/* words.c - word vectors (dimension 100, window 5, 5 negatives, sample 1e-4, one pass): words per second of every way
 * to train them, and how many analogies come out right. */
#include "cli.h"
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 20 };

typedef struct options {
    unsigned rounds, epochs;
    bool ask;
} options;

static const cli_option own[] = {
    {"--rounds", "N", "repeats, which alternate (5)", CLI_WHOLE, offsetof(options, rounds), 1, MOST},
    {"--epochs", "N", "passes a run (1)", CLI_WHOLE, offsetof(options, epochs), 1, 100},
    {"--analogies", NULL, "ask questions-words.txt after every run, not only after the first of each way", CLI_SWITCH,
     offsetof(options, ask), 0, 0},
};

typedef struct way {
    const char *name;
    unsigned workers, interval, hot; /* hot: words in the replicas */
    hw_write_mode write;
    bool shared, cbow;
    double speed[MOST], right[MOST];
    unsigned asked;
    hw_result last;
} way;

typedef struct text {
    hw_corpus corpus;
    char questions[700];
} text;

static bool open_text(text *t)
{
    char folder[600], path[700], why[HW_WHY];
    memset(t, 0, sizeof *t);
    hw_data_folder(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/words/imdb-unsup-40k.txt.gz", folder);
    bool real = folder[0] && access(path, R_OK) == 0;
    if (real) (void)snprintf(t->questions, sizeof t->questions, "%s/words/questions-words.txt", folder);
    hw_status status = real ? hw_corpus_read(path, 5, 0, &t->corpus, why)
                            : hw_corpus_generate(20000, 20, 100000, 20, 1, &t->corpus, why);
    if (status != HW_OK) return cli_error("words", 1, why) == 0;
    printf("\n%s: %u words of vocabulary, %llu to train on\n", real ? "imdb-unsup-40k" : "generated topics",
           t->corpus.words, (unsigned long long)t->corpus.running);
    return true;
}

static bool run(const text *t, way *v, unsigned round, const options *o)
{
    char why[HW_WHY];
    hw_objective objective;
    hw_engine *e = NULL;
    hw_skipgram m = hw_skipgram_defaults(&t->corpus);
    m.cbow = v->cbow;
    m.shared_negatives = v->shared;
    float *x = NULL;
    hw_status status = hw_skipgram_objective(&m, &objective, why);
    if (status == HW_OK) {
        x = malloc(objective.parameters * sizeof *x);
        status = x ? HW_OK : HW_E_MEMORY;
    }
    hw_config c = hw_config_defaults();
    c.scheduler = v->workers > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    c.workers = v->workers;
    c.batch = 1;
    c.write = v->write;
    c.clock_interval = 1024;
    c.shuffle_block = 4096;
    c.exchange_interval = v->interval;
    c.exchanged = (size_t)v->hot * 2 * m.stride;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.kind = HW_SCHEDULE_LINEAR;
    c.optimizer.schedule.base = v->cbow ? 0.05 : 0.025;
    c.optimizer.schedule.interval = (uint64_t)objective.examples * o->epochs;
    c.compensation.policy = HW_POLICY_NONE;
    c.epochs = o->epochs;
    c.evaluate_epochs = 0;
    c.seed = round + 1;
    if (status == HW_OK) {
        hw_skipgram_start(&m, c.seed, x);
        status = hw_engine_create(&e, &objective, &c, x, why);
    }
    if (status == HW_OK) {
        status = hw_engine_run(e, &v->last);
        (void)snprintf(why, sizeof why, "%.250s", v->last.message);
    }
    if (status == HW_OK) {
        v->speed[round] = (double)t->corpus.running * o->epochs / v->last.seconds;
        v->right[round] = NAN;
        (void)hw_engine_get(e, x);
        hw_analogies score;
        hw_vectors *vectors = NULL;
        if (t->questions[0] && (round == 0 || o->ask)) {
            status = hw_vectors_create(&vectors, &m, x, why);
            if (status == HW_OK) status = hw_vectors_analogies(vectors, t->questions, 30000, 2, &score, why);
            hw_vectors_free(vectors);
            if (status == HW_OK) v->right[round] = 100.0 * score.all.right / score.all.asked;
        }
    }
    hw_engine_free(e);
    hw_skipgram_free(&m);
    free(x);
    return status == HW_OK || cli_error("words", 1, why) == 0;
}

int main(int argc, char **argv)
{
    options o = {5, 1, false};
    hw_config config = hw_config_defaults();
    cli c = {"words", "word vectors: words per second and analogies", own, sizeof own / sizeof *own, NULL, &o, NULL, 0,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    text t;
    bench_header("words");
    if (!open_text(&t)) return 1;
    way ways[] = {
        {"1 worker", 1, 1, 0, HW_WRITE_RACY, false, false, {0}, {0}, 0, {0}},
        {"1 worker, negatives shared by a window", 1, 1, 0, HW_WRITE_RACY, true, false, {0}, {0}, 0, {0}},
        {"1 worker, CBOW", 1, 1, 0, HW_WRITE_RACY, false, true, {0}, {0}, 0, {0}},
        {"2 workers, racy", 2, 1, 0, HW_WRITE_RACY, false, false, {0}, {0}, 0, {0}},
        {"2 workers, racy, shared negatives", 2, 1, 0, HW_WRITE_RACY, true, false, {0}, {0}, 0, {0}},
        {"2 workers, racy, CBOW", 2, 1, 0, HW_WRITE_RACY, false, true, {0}, {0}, 0, {0}},
        {"2 workers, replicas of 500 words, 256", 2, 256, 500, HW_WRITE_RACY, false, false, {0}, {0}, 0, {0}},
        {"2 workers, replicas of 2000 words, 1024", 2, 1024, 2000, HW_WRITE_RACY, false, false, {0}, {0}, 0, {0}},
        {"2 workers, replicas, chosen", 2, 0, 0, HW_WRITE_RACY, false, false, {0}, {0}, 0, {0}},
        {"2 workers, replicas, chosen, shared neg.", 2, 0, 0, HW_WRITE_RACY, true, false, {0}, {0}, 0, {0}},
    };
    size_t n = sizeof ways / sizeof *ways;
    double before = bench_latency(), alone = 0;
    bool good = true;
    for (unsigned r = 0; good && r < o.rounds; r++)
        for (size_t i = 0; good && i < n; i++) good = run(&t, ways + i, r, &o);
    printf("%-42s %-32s %6s %8s %12s %9s %9s\n", "", "thousand words/s", "ratio", "loss", "analogies %", "staleness",
           "interval");
    for (size_t i = 0; good && i < n; i++) {
        way *v = ways + i;
        double right[MOST], k[MOST];
        size_t asked = 0;
        for (unsigned r = 0; r < o.rounds; r++) {
            k[r] = v->speed[r] / 1e3;
            if (isfinite(v->right[r])) right[asked++] = v->right[r];
        }
        bench_stat s = bench_of(k, o.rounds), a = bench_of(right, asked);
        if (i == 0) alone = s.median;
        printf("%-42s %7.0f (%.0f-%.0f)  %15s %5.2f %8.4f", v->name, s.median, s.low, s.high, "", s.median / alone,
               v->last.last.metric[0]);
        if (asked)
            printf("  %5.2f (%zu)", a.median, asked);
        else
            printf("  %9s", "-");
        printf(" %9.2f %9u\n", v->last.staleness.mean, v->last.exchange_interval);
    }
    printf("a line crosses the cores in %.0f ns before, %.0f ns after; ratio: against the first line\n", before,
           bench_latency());
    hw_corpus_free(&t.corpus);
    return good ? 0 : 1;
}
