/* corpus.c - a text as numbers of words: one pass counts the words, the next numbers them. Every byte of a file is
 * untrusted; a plain one is mapped while it is read, and a writer that changes it meanwhile is noticed. */
#include "../../base/files.h"
#include "../../base/base.h"
#include "hogwild/tables.h"
#include "../mix.h"
#include "vocabulary.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAP  ((size_t)1 << 33)
#define MOST (UINT32_MAX - 1) /* entries of token */

void hw_corpus_free(hw_corpus *c)
{
    if (!c) return;
    hw__base_free(c->count);
    hw__base_free(c->text);
    hw__base_free(c->at);
    hw__base_free(c->token);
    memset(c, 0, sizeof *c);
}

/* --- the bytes -----------------------------------------------------------------------------------------------------
 */

typedef struct source {
    const char *at, *end;
    hw__file file; /* where it was unpacked */
    void *map;     /* or mapped             */
    size_t bytes;
} source;

/* Maps a regular file that is not gzip; false leaves it to hw__file_read, which also tells why a file is
 * unreadable.
 */
static bool map_plain(const char *path, source *s)
{
    struct stat info;
    unsigned char magic[2];
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return false; /* opening a pipe would wait, or eat from it */
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 2 && pread(file, magic, 2, 0) == 2 &&
        !(magic[0] == 0x1f && magic[1] == 0x8b)) {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (map != MAP_FAILED) {
            s->map = map;
            s->bytes = (size_t)info.st_size;
            (void)posix_madvise(map, s->bytes, POSIX_MADV_SEQUENTIAL);
        }
    }
    (void)close(file);
    return s->map != NULL;
}

static void source_close(source *s)
{
    if (s->map) (void)munmap(s->map, s->bytes);
    hw__base_free(s->file.data);
    memset(s, 0, sizeof *s);
}

static hw_status source_open(const char *path, size_t cap, source *s, char *why)
{
    memset(s, 0, sizeof *s);
    if (map_plain(path, s)) {
        s->at = s->map;
        if (s->bytes > cap) {
            hw_status status = hw__base_fail(why, HW_E_LIMIT, "%.120s: it has %zu bytes: more than the limit of %zu",
                                             path, s->bytes, cap);
            source_close(s);
            return status;
        }
    } else {
        hw_status status = hw__file_read(path, cap, &s->file, why);
        if (status != HW_OK) return status;
        s->at = (const char *)s->file.data;
        s->bytes = s->file.size;
    }
    s->end = s->at + s->bytes;
    if (s->bytes >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0) s->at += 3; /* a byte order mark is no word's part */
    return HW_OK;
}

/* --- words ---------------------------------------------------------------------------------------------------------
 */

enum { IN_WORD, SPACE, LINE_END, ZERO, TEXT_END };

static inline int kind_of(char c)
{
    static const unsigned char kind[33] = {
        [0] = ZERO, ['\t'] = SPACE, ['\n'] = LINE_END, ['\v'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE, [' '] = SPACE};
    return (unsigned char)c <= 32 ? kind[(unsigned char)c] : IN_WORD;
}

/* The next word, cut to its longest at the beginning of a character; or LINE_END, ZERO, TEXT_END. */
static inline int next_word(const char **at, const char *end, const char **word, size_t *length)
{
    const char *c = *at;
    int kind = TEXT_END;
    *word = c;
    *length = 0;
    while (c < end && (kind = kind_of(*c)) == SPACE) c++;
    if (c == end) {
        *at = end;
        return TEXT_END;
    }
    if (kind != IN_WORD) {
        *at = c + 1;
        return kind;
    }
    *word = c;
    while (c < end && kind_of(*c) == IN_WORD) c++;
    *at = c;
    size_t n = (size_t)(c - *word);
    if (n > VOCABULARY_LONGEST) {
        n = VOCABULARY_LONGEST;
        while (n > VOCABULARY_LONGEST - 4 && ((unsigned char)(*word)[n] & 0xc0) == 0x80) n--;
        if (((unsigned char)(*word)[n] & 0xc0) == 0x80) n = VOCABULARY_LONGEST; /* no UTF-8 */
    }
    *length = n;
    return IN_WORD;
}

/* Counts the words; *lines: line ends and the text's own. */
static hw_status count_words(const char *path, const source *s, vocabulary *v, uint64_t *seen, uint64_t *lines,
                             char *why)
{
    const char *at = s->at, *word;
    size_t length;
    for (*seen = 0, *lines = 1;;) {
        int kind = next_word(&at, s->end, &word, &length);
        if (kind == TEXT_END) return HW_OK;
        if (kind == ZERO)
            return hw__base_fail(why, HW_E_FORMAT, "%.120s: line %llu: a zero byte: words of a text are expected", path,
                                 (unsigned long long)*lines);
        if (kind == LINE_END) {
            ++*lines;
            continue;
        }
        hw_status status = hw__vocabulary_count(v, word, length);
        if (status == HW_E_LIMIT)
            return hw__base_fail(why, status, "%.120s: line %llu: the different words take more than 2^32 - 1 bytes",
                                 path, (unsigned long long)*lines);
        if (status != HW_OK)
            return hw__base_fail(why, status, "%.120s: line %llu: no memory for %u different words", path,
                                 (unsigned long long)*lines, v->words);
        ++*seen;
    }
}

/* --- numbers -------------------------------------------------------------------------------------------------------
 */

typedef struct ranked {
    const char *text;
    uint32_t count, word;
} ranked;

static int more_frequent(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return strcmp(x->text, y->text); /* by bytes: strcmp compares unsigned characters */
}

/* Which words are kept, their sums into the corpus, room for all of it. */
static hw_status measure(const char *path, const vocabulary *v, uint64_t least, uint64_t lines, hw_corpus *c,
                         size_t *bytes, char *why)
{
    uint32_t most = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < v->words; i++) {
        const hw__vocabulary_word *w = v->word + i;
        if (w->count > most) most = w->count;
        if (w->count < least) continue;
        c->words++;
        c->running += w->count;
        *bytes += strlen(v->text + w->at) + 1;
    }
    if (!v->words) return hw__base_fail(why, HW_E_FORMAT, "%.120s: there are no words in it", path);
    if (!c->words)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: no word is seen %llu times: the most frequent one is seen %u",
                             path, (unsigned long long)least, most);
    uint64_t room = c->running + (lines < c->running ? lines : c->running);
    if (room > MOST)
        return hw__base_fail(why, HW_E_LIMIT, "%.120s: %llu words and line ends: a corpus holds at most %u", path,
                             (unsigned long long)room, MOST);
    c->tokens = (uint32_t)room;
    c->count = hw__base_zalloc(c->words, sizeof *c->count);
    c->at = hw__base_zalloc(c->words, sizeof *c->at);
    c->text = hw__base_zalloc(*bytes, 1);
    c->token = hw__base_zalloc(c->tokens, sizeof *c->token);
    if (c->count && c->at && c->text && c->token) return HW_OK;
    return hw__base_fail(why, HW_E_MEMORY, "%.120s: no memory for %llu words and line ends", path,
                         (unsigned long long)room);
}

/* Sorts the kept words and copies them; after it the vocabulary's count of a word is its number, UINT32_MAX where it is
 * left out. */
static bool number_words(vocabulary *v, uint64_t least, hw_corpus *c)
{
    ranked *rank = hw__base_zalloc(c->words, sizeof *rank);
    if (!rank) return false;
    uint32_t n = 0, bytes = 0;
    for (uint32_t i = 0; i < v->words; i++) {
        hw__vocabulary_word *w = v->word + i;
        if (w->count >= least) rank[n++] = (ranked){v->text + w->at, w->count, i};
        w->count = UINT32_MAX;
    }
    qsort(rank, n, sizeof *rank, more_frequent);
    for (uint32_t i = 0; i < n; i++) {
        size_t length = strlen(rank[i].text) + 1;
        memcpy(c->text + bytes, rank[i].text, length);
        c->at[i] = bytes;
        c->count[i] = rank[i].count;
        v->word[rank[i].word].count = i;
        bytes += (uint32_t)length;
    }
    hw__base_free(rank);
    return true;
}

/* The second pass. False where the text is another one than before: a mapped file that somebody writes. */
static bool number_text(const source *s, const vocabulary *v, hw_corpus *c)
{
    const char *at = s->at, *word;
    size_t length;
    uint32_t n = 0;
    uint64_t running = 0;
    bool open = false; /* the sentence has a word */
    for (int kind = SPACE; kind != TEXT_END;) {
        kind = next_word(&at, s->end, &word, &length);
        uint32_t number = HW_SENTENCE_END;
        if (kind == IN_WORD) {
            uint32_t found = hw__vocabulary_find(v, word, length);
            if (found == UINT32_MAX) return false;
            number = v->word[found].count;
            if (number == UINT32_MAX) continue;
            running++;
        } else if (!open) {
            continue;
        }
        if (n == c->tokens) return false;
        c->token[n++] = number;
        open = kind == IN_WORD;
    }
    c->tokens = n;
    return running == c->running;
}

static hw_status read_text(const char *path, const source *s, vocabulary *v, uint64_t least, hw_corpus *c, char *why)
{
    uint64_t lines;
    size_t bytes;
    hw_status status = count_words(path, s, v, &c->seen, &lines, why);
    if (status == HW_OK) status = measure(path, v, least, lines, c, &bytes, why);
    if (status != HW_OK) return status;
    if (!number_words(v, least, c))
        return hw__base_fail(why, HW_E_MEMORY, "%.120s: no memory to sort %u words", path, c->words);
    if (!number_text(s, v, c)) return hw__base_fail(why, HW_E_IO, "%.120s: it was changed while it was read", path);
    uint32_t *less = realloc(c->token, c->tokens * sizeof *c->token);
    if (less) c->token = less;
    return HW_OK;
}

hw_status hw_corpus_read(const char *path, uint64_t least, size_t cap, hw_corpus *c, char *why)
{
    source s;
    if (!c) return hw__base_fail(why, HW_E_ARGUMENT, "hw_corpus_read: the place for the corpus is NULL");
    memset(c, 0, sizeof *c);
    if (!path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_corpus_read: a path is needed");
    hw_status status = source_open(path, cap ? cap : CAP, &s, why);
    if (status != HW_OK) return status;
    vocabulary v = {.key = mix_key(&s)};
    status = read_text(path, &s, &v, least, c, why);
    hw__vocabulary_free(&v);
    source_close(&s);
    if (status != HW_OK) hw_corpus_free(c);
    return status;
}

uint32_t hw_corpus_find(const hw_corpus *c, const char *word)
{
    for (uint32_t i = 0; i < c->words; i++)
        if (strcmp(c->text + c->at[i], word) == 0) return i;
    return UINT32_MAX;
}

/* --- a text of topics ----------------------------------------------------------------------------------------------
 */

hw_status hw_corpus_generate(uint32_t words, uint32_t topics, uint32_t sentences, uint32_t length, uint64_t seed,
                             hw_corpus *c, char *why)
{
    if (!c) return hw__base_fail(why, HW_E_ARGUMENT, "hw_corpus_generate: the place for the corpus is NULL");
    memset(c, 0, sizeof *c);
    if (!topics || !words || words % topics || !sentences || !length)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_corpus_generate: %u words of %u topics, %u sentences of %u: each must be at least 1, and "
            "the words a multiple of the topics",
            words, topics, sentences, length);
    uint64_t tokens = (uint64_t)sentences * ((uint64_t)length + 1);
    uint32_t own = words / topics;
    size_t longest = (size_t)snprintf(NULL, 0, "t%uw%u", topics - 1, own - 1) + 1;
    if (tokens > MOST || words > UINT32_MAX / longest)
        return hw__base_fail(why, HW_E_LIMIT,
                             "hw_corpus_generate: %u words, %llu words and sentence ends: at most %u words and %u",
                             words, (unsigned long long)tokens, (uint32_t)(UINT32_MAX / longest), MOST);
    *c = (hw_corpus){.words = words, .tokens = (uint32_t)tokens};
    c->seen = c->running = (uint64_t)sentences * length;
    c->count = hw__base_zalloc(words, sizeof *c->count);
    c->text = hw__base_zalloc(words, longest);
    c->at = hw__base_zalloc(words, sizeof *c->at);
    c->token = hw__base_zalloc(c->tokens, sizeof *c->token);
    double *share = hw__base_zalloc(own, sizeof *share), sum = 0;
    if (!c->count || !c->text || !c->at || !c->token || !share) {
        hw__base_free(share);
        hw_corpus_free(c);
        return hw__base_fail(why, HW_E_MEMORY, "hw_corpus_generate: no memory for %llu words and sentence ends",
                             (unsigned long long)tokens);
    }
    for (uint32_t i = 0; i < own; i++) sum += 1 / ((double)i + 1);
    for (uint32_t i = 0; i < own; i++) share[i] = (i ? share[i - 1] : 0) + 1 / ((double)i + 1) / sum;
    for (uint32_t i = 0, bytes = 0; i < words; i++) {
        c->at[i] = bytes;
        bytes += (uint32_t)snprintf(c->text + bytes, longest, "t%uw%u", i / own, i % own) + 1;
    }
    uint32_t *to = c->token;
    for (uint32_t s = 0; s < sentences; s++) {
        hw_rng rng;
        hw_rng_seed(&rng, seed, s);
        uint32_t first = (uint32_t)hw_rng_below(&rng, topics) * own;
        for (uint32_t i = 0; i < length; i++) {
            uint32_t word = first + (uint32_t)hw__base_draw(share, own, &rng);
            c->count[word]++;
            *to++ = word;
        }
        *to++ = HW_SENTENCE_END;
    }
    hw__base_free(share);
    return HW_OK;
}
