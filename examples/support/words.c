/* words.c - word vectors into files, and out of them the nearest words and the answers to analogies. */
#include "words.h"
#include "jobs.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

static bool fail(char *why, const char *path, const char *sentence)
{
    (void)snprintf(why, HW_WHY, "%.120s: %.120s", path, sentence);
    return false;
}

static const char *name_of(const hw_corpus *c, uint32_t word)
{
    return c->text + c->at[word];
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

bool words_open(words_file *file, const char *path, char *why)
{
    struct stat info;
    memset(file, 0, sizeof *file);
    if (strlen(path) >= sizeof file->path) return fail(why, path, "the name is too long");
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return fail(why, path, "it is there, and no plain file");
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    (void)snprintf(file->temporary, sizeof file->temporary, "%s.part", path);
    file->stream = fopen(file->temporary, "wb");
    return file->stream ? true : fail(why, file->temporary, strerror(errno));
}

void words_discard(words_file *file)
{
    if (!file->stream) return;
    (void)fclose(file->stream);
    (void)remove(file->temporary);
    file->stream = NULL;
}

bool words_save(words_file *file, const words_table *t, bool binary, char *why)
{
    FILE *out = file->stream;
    fprintf(out, "%lu %u\n", (unsigned long)t->corpus->words, t->dimension);
    for (uint32_t v = 0; v < t->corpus->words; v++) {
        const float *row = t->rows + v * t->stride;
        fprintf(out, "%s ", name_of(t->corpus, v));
        if (binary)
            (void)fwrite(row, sizeof *row, t->dimension, out);
        else
            for (unsigned i = 0; i < t->dimension; i++) fprintf(out, "%f ", (double)row[i]);
        fputc('\n', out);
    }
    bool good = fflush(out) == 0 && !ferror(out);
    if (!good) (void)fail(why, file->temporary, strerror(errno));
    good = good && fflush(out) == 0 && fsync(fileno(out)) == 0;
    good = fclose(out) == 0 && good;
    file->stream = NULL;
    if (good && rename(file->temporary, file->path) == 0) return true;
    if (good) (void)fail(why, file->path, strerror(errno));
    (void)remove(file->temporary);
    return false;
}

/* --- cosines -------------------------------------------------------------------------------------------------------
 */

/* The first `words` vectors at length one, packed. NULL: no memory. */
static float *unit_rows(const words_table *t, uint32_t words)
{
    size_t n = t->dimension;
    float *unit = malloc(words * n * sizeof *unit);
    for (uint32_t v = 0; unit && v < words; v++) {
        const float *row = t->rows + v * t->stride;
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)row[i] * (double)row[i];
        float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
        for (size_t i = 0; i < n; i++) unit[v * n + i] = scale * row[i];
    }
    return unit;
}

static double product(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

unsigned words_nearest(const words_table *t, uint32_t word, unsigned count, uint32_t *near, double *cosine)
{
    unsigned n = 0;
    const float *x = t->rows + word * t->stride;
    double length = sqrt(product(x, x, t->dimension));
    for (uint32_t v = 0; v < t->corpus->words; v++) {
        const float *y = t->rows + v * t->stride;
        double c = product(x, y, t->dimension) / (length * sqrt(product(y, y, t->dimension)));
        if (v == word || !isfinite(c) || (n == count && c <= cosine[n - 1])) continue;
        unsigned at = n < count ? n++ : n - 1;
        for (; at && cosine[at - 1] < c; at--) {
            cosine[at] = cosine[at - 1];
            near[at] = near[at - 1];
        }
        cosine[at] = c;
        near[at] = v;
    }
    return n;
}

double words_in_topic(const words_table *t, uint32_t own)
{
    uint32_t good = 0, near;
    double cosine;
    for (uint32_t v = 0; v < t->corpus->words; v++)
        good += words_nearest(t, v, 1, &near, &cosine) && near / own == v / own;
    return (double)good / t->corpus->words;
}

/* --- questions -----------------------------------------------------------------------------------------------------
 */

enum { LANES = 16 }; /* questions that go through the words together */

typedef struct question {
    uint32_t word[4];
    unsigned section;
    bool right;
} question;

typedef struct quiz {
    const float *unit;
    uint32_t words, *slot; /* a table of the words' names */
    uint32_t slots;
    size_t dimension;
    question *question;
    unsigned questions;
} quiz;

static uint32_t hash(const char *word)
{
    uint32_t h = 2166136261u;
    for (; *word; word++) h = (h ^ (unsigned char)*word) * 16777619u;
    return h ^ h >> 15;
}

static uint32_t find(const quiz *q, const hw_corpus *c, const char *word)
{
    for (uint32_t at = hash(word) & (q->slots - 1); q->slot[at]; at = (at + 1) & (q->slots - 1))
        if (strcmp(name_of(c, q->slot[at] - 1), word) == 0) return q->slot[at] - 1;
    return UINT32_MAX;
}

static bool enter_words(quiz *q, const hw_corpus *c)
{
    for (q->slots = 16; q->slots < 2 * q->words;) q->slots *= 2;
    q->slot = calloc(q->slots, sizeof *q->slot);
    for (uint32_t v = 0; q->slot && v < q->words; v++) {
        uint32_t at = hash(name_of(c, v)) & (q->slots - 1);
        while (q->slot[at]) at = (at + 1) & (q->slots - 1);
        q->slot[at] = v + 1;
    }
    return q->slot != NULL;
}

/* ": name" begins a section; every other line is a question of four words. */
static bool read_questions(quiz *q, const hw_corpus *c, const char *path, words_score *score, char *why)
{
    FILE *in = fopen(path, "r");
    char line[1200], w[4][256];
    unsigned room = 0;
    bool good = in != NULL || fail(why, path, strerror(errno));
    while (good && fgets(line, sizeof line, in)) {
        for (char *x = line; *x; x++) *x = (char)tolower((unsigned char)*x);
        if (line[0] == ':') {
            if (score->sections == WORDS_SECTIONS) good = fail(why, path, "more than 64 sections");
            if (good) (void)sscanf(line + 1, " %47s", score->section[score->sections++].name);
            continue;
        }
        if (sscanf(line, "%255s %255s %255s %255s", w[0], w[1], w[2], w[3]) != 4) continue;
        if (!score->sections) (void)snprintf(score->section[score->sections++].name, 48, "questions");
        if (q->questions == room) {
            question *more = realloc(q->question, (room = room ? 2 * room : 1024) * sizeof *more);
            if (!more) {
                good = fail(why, path, "no memory for its questions");
                break;
            }
            q->question = more;
        }
        question *n = q->question + q->questions;
        *n = (question){.section = score->sections - 1};
        bool known = true;
        for (int i = 0; i < 4; i++) known = (n->word[i] = find(q, c, w[i])) != UINT32_MAX && known;
        score->section[n->section].questions++;
        score->section[n->section].asked += known;
        q->questions += known;
    }
    if (in) (void)fclose(in);
    return good;
}

/* LANES questions at once: their targets side by side, so that every word's vector is read once for all of them. */
static bool answer(void *context, unsigned number)
{
    quiz *q = context;
    size_t n = q->dimension;
    question *ask = q->question + number * LANES;
    unsigned asked = q->questions - number * LANES < LANES ? q->questions - number * LANES : LANES;
    float *target = calloc(n, LANES * sizeof *target), best[LANES];
    uint32_t choice[LANES];
    if (!target) return false;
    for (unsigned k = 0; k < LANES; k++) best[k] = -INFINITY;
    for (unsigned k = 0; k < asked; k++) {
        const uint32_t *w = ask[k].word;
        for (size_t i = 0; i < n; i++)
            target[i * LANES + k] = q->unit[w[1] * n + i] - q->unit[w[0] * n + i] + q->unit[w[2] * n + i];
    }
    for (uint32_t v = 0; v < q->words; v++) {
        const float *row = q->unit + v * n;
        float sum[LANES] = {0};
        for (size_t i = 0; i < n; i++)
            for (unsigned k = 0; k < LANES; k++) sum[k] += row[i] * target[i * LANES + k];
        for (unsigned k = 0; k < asked; k++) {
            const uint32_t *w = ask[k].word;
            if (sum[k] <= best[k] || v == w[0] || v == w[1] || v == w[2]) continue;
            best[k] = sum[k];
            choice[k] = v;
        }
    }
    for (unsigned k = 0; k < asked; k++) ask[k].right = best[k] > -INFINITY && choice[k] == ask[k].word[3];
    free(target);
    return true;
}

static void sum_up(words_section *sum, const words_section *part)
{
    sum->questions += part->questions;
    sum->asked += part->asked;
    sum->right += part->right;
}

bool words_analogies(const words_table *t, const char *path, uint32_t limit, words_score *score, char *why)
{
    uint32_t words = limit && limit < t->corpus->words ? limit : t->corpus->words;
    quiz q = {.words = words, .dimension = t->dimension};
    memset(score, 0, sizeof *score);
    float *unit = unit_rows(t, words);
    q.unit = unit;
    bool good = (unit && enter_words(&q, t->corpus)) || fail(why, path, "no memory to ask its questions");
    if (good) good = read_questions(&q, t->corpus, path, score, why);
    if (good && !jobs_run(answer, &q, (q.questions + LANES - 1) / LANES, NULL))
        good = fail(why, path, "no memory to ask its questions");
    for (unsigned i = 0; good && i < q.questions; i++)
        score->section[q.question[i].section].right += q.question[i].right;
    for (unsigned s = 0; s < score->sections; s++) {
        const words_section *part = score->section + s;
        sum_up(&score->all, part);
        sum_up(strncmp(part->name, "gram", 4) == 0 ? &score->syntactic : &score->semantic, part);
    }
    free(q.question);
    free(q.slot);
    free(unit);
    return good;
}
