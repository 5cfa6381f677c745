/* vectors_file.c - word vectors in word2vec.c's two formats: a line "words dimension", then for each word its text, a
 * space, and its vector, as text or as little-endian floats, and a line end. Every byte is untrusted. */
#include "../base/bytes.h"
#include "../base/files.h"
#include "../data/text/text.h"
#include "vectors.h"
#include <string.h>

hw_status hw_vectors_save(const hw_vectors *v, hw_vectors_format format, const char *path, char *why)
{
    hw__file_writer w;
    if (!v || !path || format > HW_VECTORS_BINARY)
        return hw__base_fail(why, HW_E_ARGUMENT, "vectors, a format and a path are needed");
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    fprintf(w.stream, "%lu %u\n", (unsigned long)v->words, v->dimension);
    for (uint32_t word = 0; word < v->words; word++) {
        const float *row = hw_vectors_row(v, word);
        fprintf(w.stream, "%s ", hw_vectors_word(v, word));
        for (unsigned i = 0; i < v->dimension; i++) {
            char text[64];
            uint32_t bits;
            if (format == HW_VECTORS_BINARY) {
                unsigned char b[4];
                memcpy(&bits, row + i, sizeof bits);
                hw__bytes_put(b, bits, 4);
                (void)fwrite(b, 1, 4, w.stream);
                continue;
            }
            (void)snprintf(text, sizeof text, "%f ", (double)row[i]);
            char *comma = strchr(text, ','); /* the caller's locale may write one */
            if (comma) *comma = '.';
            (void)fputs(text, w.stream);
        }
        (void)fputc('\n', w.stream);
    }
    return hw__file_write_end(&w, why);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

typedef struct cursor {
    const char *at, *end;
    const char *path;
    char *why;
} cursor;

/* The text of a word: up to a space; line ends before it belong to the word before. */
static bool take_word(cursor *c, const char **word, size_t *length)
{
    while (c->at < c->end && (*c->at == '\n' || *c->at == '\r')) c->at++;
    const char *from = c->at;
    while (c->at < c->end && *c->at != ' ' && *c->at != '\n' && *c->at != 0) c->at++;
    *word = from;
    *length = (size_t)(c->at - from);
    if (*length == 0 || c->at == c->end || *c->at != ' ') return false;
    c->at++;
    return true;
}

static bool take_text(cursor *c, float *row, unsigned dimension)
{
    for (unsigned i = 0; i < dimension; i++) {
        while (c->at < c->end && *c->at == ' ') c->at++;
        if (!hw__text_float(&c->at, c->end, row + i)) return false;
        if (c->at < c->end && *c->at != ' ' && *c->at != '\n' && *c->at != '\r') return false;
    }
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\r')) c->at++;
    return c->at == c->end || *c->at == '\n';
}

static bool take_bytes(cursor *c, float *row, unsigned dimension)
{
    if ((size_t)(c->end - c->at) < 4 * (size_t)dimension) return false;
    for (unsigned i = 0; i < dimension; i++, c->at += 4) {
        uint32_t bits = (uint32_t)hw__bytes_get(c->at, 4);
        memcpy(row + i, &bits, sizeof bits);
    }
    return hw__base_all_finite(row, dimension);
}

/* The letters of all words, with an end each; 0: the file does not hold them. */
static size_t measure(cursor c, uint32_t words, unsigned dimension, bool binary, float *scratch)
{
    size_t letters = 0;
    for (uint32_t w = 0; w < words; w++) {
        const char *word;
        size_t n;
        if (!take_word(&c, &word, &n) || n > 4095) return 0;
        if (!(binary ? take_bytes(&c, scratch, dimension) : take_text(&c, scratch, dimension))) return 0;
        letters += n + 1;
    }
    while (c.at < c.end && (*c.at == '\n' || *c.at == '\r' || *c.at == ' ')) c.at++;
    return c.at == c.end ? letters : 0;
}

static void fill(hw_vectors *v, cursor c, bool binary)
{
    size_t letters = 0;
    for (uint32_t w = 0; w < v->words; w++) {
        const char *word;
        size_t n;
        (void)take_word(&c, &word, &n);
        memcpy(v->text + letters, word, n);
        v->at[w] = letters;
        letters += n + 1;
        float *row = v->row + (size_t)w * v->dimension;
        (void)(binary ? take_bytes(&c, row, v->dimension) : take_text(&c, row, v->dimension));
    }
}

static hw_status parse(hw_vectors **out, cursor c)
{
    uint64_t words = 0, dimension = 0;
    bool good = hw__text_unsigned(&c.at, c.end, &words) && c.at < c.end && *c.at++ == ' ' &&
                hw__text_unsigned(&c.at, c.end, &dimension) && c.at < c.end;
    while (good && c.at < c.end && (*c.at == ' ' || *c.at == '\r')) c.at++;
    good = good && c.at < c.end && *c.at++ == '\n';
    if (!good || words < 1 || words > UINT32_MAX / 4 || dimension < 1 || dimension > 65536)
        return hw__base_fail(c.why, HW_E_FORMAT,
                             "%.150s: the first line is not a number of words and a dimension, as word2vec writes them",
                             c.path);
    /* Two bytes a number at least, whatever the format, before any memory is taken. */
    if (words * dimension > (uint64_t)(c.end - c.at) / 2)
        return hw__base_fail(c.why, HW_E_FORMAT,
                             "%.120s: %llu vectors of %llu numbers do not fit into the %zu bytes left", c.path,
                             (unsigned long long)words, (unsigned long long)dimension, (size_t)(c.end - c.at));
    float *scratch = hw__base_alloc((size_t)dimension, sizeof *scratch);
    if (!scratch) return hw__base_fail(c.why, HW_E_MEMORY, "%.150s: no memory", c.path);
    bool binary = false;
    size_t letters = measure(c, (uint32_t)words, (unsigned)dimension, false, scratch);
    if (!letters) {
        binary = true;
        letters = measure(c, (uint32_t)words, (unsigned)dimension, true, scratch);
    }
    hw__base_free(scratch);
    if (!letters)
        return hw__base_fail(c.why, HW_E_FORMAT,
                             "%.150s: it holds neither the text nor the binary vectors that its first line promises",
                             c.path);
    hw_vectors *v = hw__vectors_allocate((uint32_t)words, (unsigned)dimension, letters);
    if (!v)
        return hw__base_fail(c.why, HW_E_MEMORY, "%.150s: no memory for %llu words", c.path, (unsigned long long)words);
    fill(v, c, binary);
    if (!hw__vectors_enter(v)) {
        hw_vectors_free(v);
        return hw__base_fail(c.why, HW_E_FORMAT, "%.150s: a word comes twice", c.path);
    }
    *out = v;
    return HW_OK;
}

hw_status hw_vectors_load(hw_vectors **out, const char *path, char *why)
{
    hw__file file;
    if (!out || !path) return hw__base_fail(why, HW_E_ARGUMENT, "the address for the vectors and a path are needed");
    *out = NULL;
    hw_status status = hw__file_read(path, SIZE_MAX / 4, &file, why);
    if (status != HW_OK) return status;
    const char *text = (const char *)file.data;
    status = parse(out, (cursor){text, text + file.size, path, why});
    hw__base_free(file.data);
    return status;
}
