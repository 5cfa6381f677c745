/* words.c - trains word vectors on a text (skip-gram or CBOW with negative sampling), saves them in word2vec's formats
 * and asks them analogies. */
#include "support/cli.h"
#include "support/plan.h"
#include "support/ranks.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    const char *text, *questions, *save, *similar, *plan;
    unsigned dimension, window, negatives, least, limit, hot;
    double sample, rate;
    bool cbow, shared, binary, quiet, json;
    ranks_options ranks;
} options;

static const cli_option own[] = {
    {"--text", "FILE",
     "the text, plain or gzip, a sentence a line (else words/imdb-unsup-40k.txt.gz in $HOGWILD_DATA or the user's data "
     "folder, else generated topics)",
     CLI_TEXT, offsetof(options, text), 0, 0},
    {"--questions", "FILE", "analogies to ask at the end (with the text from there: words/questions-words.txt)",
     CLI_TEXT, offsetof(options, questions), 0, 0},
    {"--vocabulary-limit", "N", "ask them among the N most frequent words (30000; 0: all)", CLI_WHOLE,
     offsetof(options, limit), 0, 1e9},
    {"--similar", "WORD", "print the words nearest to it", CLI_TEXT, offsetof(options, similar), 0, 0},
    {"--save", "FILE", "write the vectors there, as word2vec does", CLI_TEXT, offsetof(options, save), 0, 0},
    {"--binary", NULL, "in its binary format", CLI_SWITCH, offsetof(options, binary), 0, 0},
    {"--dimension", "N", "floats a vector (100; 1 to 4096)", CLI_WHOLE, offsetof(options, dimension), 1, 4096},
    {"--window", "N", "most words to each side (5; 1 to 100)", CLI_WHOLE, offsetof(options, window), 1, 100},
    {"--negatives", "N", "words drawn against each (5; 1 to 100)", CLI_WHOLE, offsetof(options, negatives), 1, 100},
    {"--sample", "X", "words more frequent than this share are thinned out (1e-4; 0: none)", CLI_NUMBER,
     offsetof(options, sample), 0, 1},
    {"--least", "N", "leave out words seen fewer times (5; from 1)", CLI_WHOLE, offsetof(options, least), 1, 1e9},
    {"--cbow", NULL, "predict a word from its window's mean, not each word of it from the word", CLI_SWITCH,
     offsetof(options, cbow), 0, 0},
    {"--shared-negatives", NULL, "one draw of negatives a window: faster, about as good", CLI_SWITCH,
     offsetof(options, shared), 0, 0},
    {"--learning-rate", "X", "falls in a line to 1e-4 of itself (0.025; with --cbow 0.05)", CLI_NUMBER,
     offsetof(options, rate), 1e-9, 10},
    {"--hot", "WORDS", "with --exchange: only the most frequent words in the replicas, the others shared (0: all)",
     CLI_WHOLE, offsetof(options, hot), 0, 1e9},
    PLAN_ROW(offsetof(options, plan)),
    {"--quiet", NULL, "no progress, one line of analogies", CLI_SWITCH, offsetof(options, quiet), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, offsetof(options, json), 0, 0},
    RANKS_ROWS(offsetof(options, ranks)),
};

static const char *const engine_flags[] = {
    "--workers=workers",
    "--epochs=epochs",
    "--seconds=seconds",
    "--seed=seed",
    "--exchange=exchange_interval",
    "--write=write",
    "--path=path",
    "--pin=pin",
    "--clock-interval=clock_interval",
    "--shuffle-block=shuffle_block",
    "--evaluate-epochs=evaluate_epochs",
    "--divergence=divergence",
};

enum { TOPICS = 20, TOPIC_WORDS = 50 };

typedef struct text {
    hw_corpus corpus;
    char source[300], questions[1024];
    bool topics;
} text;

static bool open_text(const options *o, text *t)
{
    char folder[800] = "", path[1024], why[HW_WHY];
    memset(t, 0, sizeof *t);
    if (o->questions) (void)snprintf(t->questions, sizeof t->questions, "%s", o->questions);
    if (o->questions && access(o->questions, R_OK) != 0) {
        (void)snprintf(why, sizeof why, "%.200s: these questions cannot be read", o->questions);
        return cli_error("words", 0, why) != 0;
    }
    if (!o->text) hw_data_folder(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/words/imdb-unsup-40k.txt.gz", folder);
    if (o->text || (*folder && access(path, F_OK) == 0)) {
        const char *from = o->text ? o->text : path;
        if (hw_corpus_read(from, o->least, 0, &t->corpus, why) != HW_OK) return cli_error("words", 0, why) != 0;
        (void)snprintf(t->source, sizeof t->source, "%.200s", from);
        (void)snprintf(path, sizeof path, "%s/words/questions-words.txt", folder);
        if (!o->text && !o->questions && access(path, F_OK) == 0)
            (void)snprintf(t->questions, sizeof t->questions, "%s", path);
        return true;
    }
    if (hw_corpus_generate(TOPICS * TOPIC_WORDS, TOPICS, 40000, 20, 1, &t->corpus, why) != HW_OK)
        return cli_error("words", 0, why) != 0;
    (void)snprintf(t->source, sizeof t->source,
                   "generated sentences of %d topics (no text found: --text, or set HOGWILD_DATA)", TOPICS);
    t->topics = true;
    return true;
}

typedef struct progress {
    cli_progress line;
    double words; /* of the text to its tokens, which count the ends too */
} progress;

static hw_status on_progress(void *context, const hw_progress *n)
{
    progress *p = context;
    if (p->line.quiet || isnan(n->train_loss) || (!p->line.terminal && n->seconds < p->line.next_plain)) return HW_OK;
    p->line.next_plain = n->seconds + 10;
    if (p->line.terminal) fputs("\r\033[K", p->line.out);
    fprintf(p->line.out, "epoch %.2f/%g  %.0f words/s  loss %.3f a word", n->epoch, p->line.epochs,
            p->words * n->examples_per_second, n->train_loss / p->words);
    if (n->last) fprintf(p->line.out, ", %.4f on fixed windows", n->last->metric[0]);
    fprintf(p->line.out, "  learning rate %.5f", n->learning_rate);
    if (n->fraction > 0 && n->fraction < 1)
        fprintf(p->line.out, "  %.0f s left", n->seconds * (1 - n->fraction) / n->fraction);
    if (!p->line.terminal) fputc('\n', p->line.out);
    (void)fflush(p->line.out);
    return HW_OK;
}

static double percent(const hw_analogy_section *s)
{
    return s->asked ? 100.0 * s->right / s->asked : 0;
}

static bool ask(const options *o, const hw_vectors *v, const char *questions, FILE *out)
{
    hw_analogies s;
    char why[HW_WHY];
    if (hw_vectors_analogies(v, questions, o->limit, hw_processors(), &s, why) != HW_OK)
        return cli_error("words", 0, why) != 0;
    for (unsigned i = 0; !o->quiet && i < s.sections; i++)
        if (s.section[i].asked)
            fprintf(out, "  %-28s %5u of %5u right  %6.2f %%\n", s.section[i].name, s.section[i].right,
                    s.section[i].asked, percent(&s.section[i]));
    fprintf(out, "analogies: %u of %u right  %.2f %%  (semantic %.2f %%, syntactic %.2f %%; %u have an unknown word)\n",
            s.all.right, s.all.asked, percent(&s.all), percent(&s.semantic), percent(&s.syntactic),
            s.all.questions - s.all.asked);
    return true;
}

static void print_similar(const hw_vectors *v, uint32_t number, FILE *out)
{
    enum { COUNT = 10 };
    uint32_t near[COUNT];
    double cosine[COUNT];
    unsigned n = hw_vectors_nearest(v, hw_vectors_row(v, number), &number, 1, COUNT, near, cosine);
    fprintf(out, "near %s:", hw_vectors_word(v, number));
    for (unsigned i = 0; i < n; i++) fprintf(out, "%s %s %.2f", i ? "," : "", hw_vectors_word(v, near[i]), cosine[i]);
    fputc('\n', out);
}

/* Of generated topics: share of the words whose nearest word is of their own topic. */
static double in_topic(const hw_vectors *v)
{
    uint32_t good = 0, near, words = hw_vectors_words(v);
    double cosine;
    for (uint32_t w = 0; w < words; w++)
        good += hw_vectors_nearest(v, hw_vectors_row(v, w), &w, 1, 1, &near, &cosine) &&
                near / TOPIC_WORDS == w / TOPIC_WORDS;
    return (double)good / words;
}

/* What comes out of the vectors, in the order of what is lost if it fails. */
static int finish(const options *o, const text *t, const hw_vectors *v, uint32_t similar)
{
    char why[HW_WHY];
    FILE *out = o->json ? stderr : stdout;
    int code = 0;
    hw_vectors_format format = o->binary ? HW_VECTORS_BINARY : HW_VECTORS_TEXT;
    if (o->save && hw_vectors_save(v, format, o->save, why) != HW_OK) code = cli_error("words", 1, why);
    if (o->similar) print_similar(v, similar, out);
    if (cli_interrupted) return code;
    if (t->topics) fprintf(out, "%.1f %% of the words have a nearest word of their own topic\n", 100 * in_topic(v));
    if (*t->questions && !ask(o, v, t->questions, out)) code = 1;
    return code;
}

/* What depends on the text. */
static void configure(const options *o, hw_config *config, const hw_skipgram *model, const hw_objective *objective)
{
    if (o->hot) config->exchanged = (size_t)o->hot * 2 * model->stride;
    if (config->exchanged > objective->parameters) config->exchanged = 0;
    hw_schedule *h = &config->optimizer.schedule;
    if (h->kind == HW_SCHEDULE_LINEAR || !h->interval)
        h->interval = (uint64_t)ceil(config->epochs * objective->examples);
    if (config->keep_every < objective->examples / 2) config->keep_every = objective->examples / 2;
}

static void start(void *context, uint64_t seed, float *params)
{
    hw_skipgram_start(context, seed, params);
}

static int train(const options *o, hw_config *config, const text *t, const hw_skipgram *model,
                 const hw_objective *objective, float *params, bool *trained)
{
    char why[HW_WHY];
    hw_engine *engine;
    ranks over;
    hw_result r;
    progress p = {.words = (double)t->corpus.running / t->corpus.tokens};
    cli_progress_init(&p.line, o->json ? stderr : stdout, "words", o->quiet || o->json, config->epochs);
    config->context = &p;
    config->on_progress = on_progress;
    config->stop_flag = &cli_interrupted;
    configure(o, config, model, objective);
    if (ranks_create(&over, &o->ranks, objective, config, params, &engine, why) != HW_OK)
        return ranks_number() ? 2 : cli_error("words", 2, why);
    cli_catch_interrupt();
    hw_status status = ranks_run(&over, engine, &r);
    cli_progress_done(&p.line);
    if (o->json) {
        (void)ranks_json(&over, engine, "words", &r, stdout);
        printf("\n");
    } else if (status == HW_OK) {
        printf("loss %.4f on fixed windows  %.0f words/s in %.1f s, %u worker%s\n", r.last.metric[0],
               p.words * (double)r.examples / r.seconds, r.seconds, config->workers, config->workers > 1 ? "s" : "");
    }
    int code = status == HW_OK ? 0 : cli_error("words", 1, r.message);
    *trained = status == HW_OK && hw_engine_get(engine, params) == HW_OK;
    if (cli_interrupted)
        fprintf(stderr, "words: interrupted: stopped after %.2f epochs%s\n", r.epochs,
                o->save ? "; the vectors are saved" : "; with --save FILE the vectors would be kept");
    if (status == HW_OK && !o->json) ranks_print(&over, stdout);
    hw_engine_free(engine);
    ranks_free(&over);
    return code;
}

static int run(const options *o, hw_config *config, const text *t, uint32_t similar)
{
    char why[HW_WHY];
    hw_skipgram model = hw_skipgram_defaults(&t->corpus);
    hw_objective objective;
    hw_vectors *vectors = NULL;
    bool trained = false;
    model.dimension = o->dimension;
    model.window = o->window;
    model.negatives = o->negatives;
    model.sample = o->sample;
    model.cbow = o->cbow;
    model.shared_negatives = o->shared;
    if (hw_skipgram_objective(&model, &objective, why) != HW_OK) return cli_error("words", 2, why);
    float *params = aligned_alloc(64, objective.parameters * sizeof *params);
    int code = params ? 0 : cli_error("words", 1, "no memory for the vectors");
    if (code == 0 && (!cli_can_write("words", o->save) || !cli_can_write("words", o->plan))) code = 1;
    if (code == 0 && o->plan) {
        const plan_options plan = {o->plan, 0, config->workers, false, o->quiet};
        configure(o, config, &model, &objective);
        code = plan_write("words", &plan, &objective, config, start, &model);
    } else if (code == 0) {
        hw_skipgram_start(&model, config->seed, params);
        code = train(o, config, t, &model, &objective, params, &trained);
    }
    if (trained && hw_vectors_create(&vectors, &model, params, why) != HW_OK) code = cli_error("words", 1, why);
    if (vectors && !ranks_number() && finish(o, t, vectors, similar) != 0) code = 1;
    hw_vectors_free(vectors);
    free(params);
    hw_skipgram_free(&model);
    return code;
}

static int program(int argc, char **argv)
{
    options o = {.dimension = 100, .window = 5, .negatives = 5, .least = 5, .limit = 30000, .sample = 1e-4};
    hw_config config = hw_config_defaults();
    config.scheduler = HW_ASYNC;
    config.workers = ranks_workers(hw_processors());
    config.batch = 1;
    config.write = HW_WRITE_RACY;
    config.clock_interval = 256;
    config.shuffle_block = 256; /* as many positions as a worker takes at once: no two are in the same sentence */
    config.optimizer.momentum = 0;
    config.target_metric = 0;
    config.optimizer.schedule.kind = HW_SCHEDULE_LINEAR;
    config.optimizer.schedule.base = 0;
    cli c = {"words",      "word vectors, HOGWILD! style",
             own,          sizeof own / sizeof *own,
             NULL,         &o,
             engine_flags, sizeof engine_flags / sizeof *engine_flags,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.binary && !o.save) return cli_error("words", 2, "--binary goes with --save FILE (--help lists the options)");
    if (o.hot && config.exchange_interval == 1)
        return cli_error("words", 2, "--hot goes with --exchange N, or 0 for a chosen one (--help lists the options)");
    if (config.epochs <= 0) return cli_error("words", 2, "--epochs 0: the learning rate falls over them: more than 0");
    double *rate = &config.optimizer.schedule.base; /* 0: no file of --config has said it */
    *rate = o.rate > 0 ? o.rate : *rate > 0 ? *rate : o.cbow ? 0.05 : 0.025;
    if (o.plan && (o.save || o.json || o.similar || o.questions))
        return cli_error("words", 2, "--plan trains nothing: without --save, --similar, --questions, --json");
    text t;
    if (!open_text(&o, &t)) return 1;
    if (!o.json)
        printf("words: %llu words, %lu different ones, from %s\n", (unsigned long long)t.corpus.running,
               (unsigned long)t.corpus.words, t.source);
    uint32_t similar = o.similar ? hw_corpus_find(&t.corpus, o.similar) : 0;
    if (similar == UINT32_MAX) {
        char why[HW_WHY];
        (void)snprintf(why, sizeof why, "--similar %.60s: that is no word of the text seen %u times or more", o.similar,
                       o.least);
        code = cli_error("words", 2, why);
    } else {
        code = run(&o, &config, &t, similar);
    }
    hw_corpus_free(&t.corpus);
    return code;
}

int main(int argc, char **argv)
{
    int code = ranks_begin("words", argc, argv);
    return ranks_end(code < 0 ? program(argc, argv) : code);
}
