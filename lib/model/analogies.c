/* analogies.c - questions "a is to b as c is to d" about word vectors (3CosAdd). */
#include "../base/thread.h"
#include "../base/files.h"
#include "vectors.h"
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>

enum { TOGETHER = 16, MOST_THREADS = 64 }; /* questions that go through the words together */

typedef struct question {
    uint32_t word[4];
    unsigned section;
    bool right;
} question;

typedef struct quiz {
    const float *unit; /* the first `words` vectors at length one */
    uint32_t words;
    size_t dimension;
    question *question;
    unsigned questions;
} quiz;

typedef struct part {
    quiz *quiz;
    float *target; /* dimension x TOGETHER */
    unsigned from, step;
    pthread_t thread;
} part;

static float *unit_rows(const hw_vectors *v, uint32_t words)
{
    size_t n = v->dimension;
    float *unit = hw__base_alloc(words * n, sizeof *unit);
    for (uint32_t w = 0; unit && w < words; w++) {
        const float *row = hw_vectors_row(v, w);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)row[i] * (double)row[i];
        float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
        for (size_t i = 0; i < n; i++) unit[w * n + i] = scale * row[i];
    }
    return unit;
}

/* As it stands, else in small letters: questions are written with capitals, and many vocabularies have none. */
static uint32_t find(const hw_vectors *v, uint32_t words, const char *word)
{
    char small[256];
    uint32_t w = hw_vectors_find(v, word);
    size_t n = strlen(word);
    if (w >= words && n < sizeof small) {
        for (size_t i = 0; i <= n; i++) small[i] = (char)tolower((unsigned char)word[i]);
        w = hw_vectors_find(v, small);
    }
    return w < words ? w : UINT32_MAX;
}

/* ": name" begins a section; every other line is a question of four words. */
static hw_status read_questions(quiz *q, const hw_vectors *v, char *text, const char *path, hw_analogies *score,
                                char *why)
{
    unsigned room = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char w[4][256];
        if (line[0] == ':') {
            if (score->sections == HW_ANALOGY_SECTIONS)
                return hw__base_fail(why, HW_E_FORMAT, "%.160s: more than %d sections", path, HW_ANALOGY_SECTIONS);
            (void)sscanf(line + 1, " %47s", score->section[score->sections++].name);
            continue;
        }
        if (sscanf(line, "%255s %255s %255s %255s", w[0], w[1], w[2], w[3]) != 4) continue;
        if (!score->sections) (void)snprintf(score->section[score->sections++].name, 48, "questions");
        if (q->questions == room) {
            question *more = realloc(q->question, (room = room ? 2 * room : 1024) * sizeof *more);
            if (!more) return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory for its questions", path);
            q->question = more;
        }
        question *n = q->question + q->questions;
        *n = (question){.section = score->sections - 1};
        bool known = true;
        for (int i = 0; i < 4; i++) known = (n->word[i] = find(v, q->words, w[i])) != UINT32_MAX && known;
        score->section[n->section].questions++;
        score->section[n->section].asked += known;
        q->questions += known;
    }
    return HW_OK;
}

/* Their targets side by side, so that every word's vector is read once for all of them. */
static void answer(const quiz *q, question *ask, unsigned asked, float *target)
{
    size_t n = q->dimension;
    float best[TOGETHER];
    uint32_t choice[TOGETHER] = {0};
    for (unsigned k = 0; k < TOGETHER; k++) best[k] = -INFINITY;
    memset(target, 0, n * TOGETHER * sizeof *target);
    for (unsigned k = 0; k < asked; k++) {
        const uint32_t *w = ask[k].word;
        for (size_t i = 0; i < n; i++)
            target[i * TOGETHER + k] = q->unit[w[1] * n + i] - q->unit[w[0] * n + i] + q->unit[w[2] * n + i];
    }
    for (uint32_t v = 0; v < q->words; v++) {
        const float *row = q->unit + v * n;
        float sum[TOGETHER] = {0};
        for (size_t i = 0; i < n; i++)
            for (unsigned k = 0; k < TOGETHER; k++) sum[k] += row[i] * target[i * TOGETHER + k];
        for (unsigned k = 0; k < asked; k++) {
            const uint32_t *w = ask[k].word;
            if (sum[k] <= best[k] || v == w[0] || v == w[1] || v == w[2]) continue;
            best[k] = sum[k];
            choice[k] = v;
        }
    }
    for (unsigned k = 0; k < asked; k++) ask[k].right = best[k] > -INFINITY && choice[k] == ask[k].word[3];
}

static void *work(void *context)
{
    part *p = context;
    quiz *q = p->quiz;
    for (unsigned from = p->from * TOGETHER; from < q->questions; from += p->step * TOGETHER) {
        unsigned left = q->questions - from;
        answer(q, q->question + from, left < TOGETHER ? left : TOGETHER, p->target);
    }
    return NULL;
}

/* The caller's thread takes part; who cannot be started leaves its share to it. */
static hw_status ask_all(quiz *q, unsigned threads, char *why)
{
    part all[MOST_THREADS];
    unsigned n = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads, started = 1;
    float *target = hw__base_alloc(n * q->dimension, TOGETHER * sizeof *target);
    if (!target) return hw__base_fail(why, HW_E_MEMORY, "no memory to ask the questions");
    for (unsigned i = 0; i < n; i++)
        all[i] = (part){.quiz = q, .target = target + i * q->dimension * TOGETHER, .from = i, .step = n};
    sigset_t every, old; /* signals are for the caller's threads */
    (void)sigfillset(&every);
    (void)pthread_sigmask(SIG_SETMASK, &every, &old);
    while (started < n && hw__base_start_thread(&all[started].thread, work, all + started) == 0) started++;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)work(all);
    for (unsigned i = started; i < n; i++) (void)work(all + i);
    for (unsigned i = 1; i < started; i++) (void)pthread_join(all[i].thread, NULL);
    hw__base_free(target);
    return HW_OK;
}

static void add_up(hw_analogy_section *sum, const hw_analogy_section *x)
{
    sum->questions += x->questions;
    sum->asked += x->asked;
    sum->right += x->right;
}

hw_status hw_vectors_analogies(const hw_vectors *v, const char *path, uint32_t limit, unsigned threads,
                               hw_analogies *score, char *why)
{
    hw__file file;
    if (!v || !path || !score) return hw__base_fail(why, HW_E_ARGUMENT, "vectors, questions and a score are needed");
    memset(score, 0, sizeof *score);
    hw_status status = hw__file_read(path, (size_t)1 << 28, &file, why);
    if (status != HW_OK) return status;
    quiz q = {.words = limit && limit < v->words ? limit : v->words, .dimension = v->dimension};
    float *unit = unit_rows(v, q.words);
    q.unit = unit;
    status = unit ? read_questions(&q, v, (char *)file.data, path, score, why)
                  : hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory to ask its questions", path);
    if (status == HW_OK) status = ask_all(&q, threads, why);
    for (unsigned i = 0; status == HW_OK && i < q.questions; i++)
        score->section[q.question[i].section].right += q.question[i].right;
    for (unsigned s = 0; s < score->sections; s++) {
        const hw_analogy_section *x = score->section + s;
        add_up(&score->all, x);
        add_up(strncmp(x->name, "gram", 4) == 0 ? &score->syntactic : &score->semantic, x);
    }
    free(q.question);
    hw__base_free(unit);
    hw__base_free(file.data);
    return status;
}
