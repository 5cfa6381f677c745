/* linear_file.c - a linear model as a file: a text header, an empty line and little-endian floats (docs/formats.md).
 * What is read must be, to the byte, what would be written. */
#include "../base/bytes.h"
#include "../base/files.h"
#include "../base/hash.h"
#include "../base/number.h"
#include "../base/sized.h"
#include "hogwild/model_files.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 7168, /* bytes that a header has at most: 256 labels of 15 bytes and some lines */
    ROOM = 2 * HEADER + 1
};
#define SUM_START UINT64_C(14695981039346656037)

static const char *const kinds[] = {"real", "two", "split", "classes"};

static size_t floats_of(const hw_linear_model *m)
{
    return hw_linear_model_weights(m) + (m->tf_idf ? m->columns : 0);
}

/* All of the header but its checksum; its length. */
static size_t header_of(const hw_linear_model *m, char *text)
{
    int n = snprintf(text, HEADER,
                     "hogwild-linear 1\nloss %s\ncolumns %" PRIu32 "\nscores %u\nintercept %d\nbase %u\nunit-rows "
                     "%d\ntf-idf %d\nfloats %zu\nlabels %s",
                     hw_sparse_loss_name(m->loss), m->columns, m->scores, m->intercept != 0, m->base, m->unit_rows != 0,
                     m->tf_idf != 0, floats_of(m), kinds[m->labels]);
    size_t at = (size_t)n;
    if (m->labels == HW_LABELS_SPLIT) {
        text[at++] = ' ';
        at += hw__number_print(text + at, HEADER - at, 17, m->split);
    }
    for (unsigned c = 0; m->labels != HW_LABELS_SPLIT && c < m->classes && at + 20 < HEADER; c++) {
        text[at++] = ' ';
        at += hw__number_print(text + at, HEADER - at, 9, (double)m->value[c]);
    }
    at += (size_t)snprintf(text + at, HEADER - at, "\n");
    return at;
}

/* The rest of the line after "key ", or NULL. */
static const char *field(const char *header, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = header; *line; line++) {
        if (strncmp(line, key, n) == 0 && line[n] == ' ') return line + n + 1;
        line = strchr(line, '\n');
        if (!line) break;
    }
    return NULL;
}

static bool number(const char *header, const char *key, double high, double *out)
{
    const char *at = field(header, key), *end;
    return at && hw__number_parse(at, &end, out) && *end == '\n' && *out >= 0 && *out <= high && floor(*out) >= *out;
}

static bool parse_labels(hw_linear_model *m, const char *at)
{
    size_t n = at ? strcspn(at, " \n") : 0, k = 0;
    while (k < 4 && !(at && strlen(kinds[k]) == n && strncmp(at, kinds[k], n) == 0)) k++;
    if (k == 4) return false;
    m->labels = (hw_labels)k;
    unsigned values = 0;
    const char *end;
    for (at += n; *at == ' '; at = end) {
        double x;
        if (!hw__number_parse(at + 1, &end, &x) || values == 256) return false;
        m->split = x;
        m->value[values++] = (float)x;
    }
    for (unsigned c = 0; c < values; c++)
        if (!hw__base_finite(m->value[c]) || (c && !(m->value[c - 1] < m->value[c]))) return false;
    m->classes = m->labels == HW_LABELS_SPLIT ? 0 : values;
    return m->labels == HW_LABELS_REAL    ? values == 0 && m->loss == HW_SPARSE_SQUARED
           : m->labels == HW_LABELS_TWO   ? values == 2 && m->scores == 1
           : m->labels == HW_LABELS_SPLIT ? values == 1 && m->scores == 1
                                          : values == m->scores && m->loss == HW_SPARSE_SOFTMAX;
}

/* What the header says, if it is to the byte what save would write. again: room for HEADER bytes. */
static bool parse_header(hw_linear_model *m, const char *header, size_t n, char *again)
{
    double columns, scores, intercept, base, unit, idf;
    char name[32];
    const char *loss = field(header, "loss");
    (void)snprintf(name, sizeof name, "%.*s", loss ? (int)strcspn(loss, "\n") : 0, loss ? loss : "");
    if (hw_sparse_loss_named(name, &m->loss) != HW_OK || !number(header, "columns", UINT32_MAX, &columns) ||
        !number(header, "scores", 256, &scores) || !number(header, "intercept", 1, &intercept) ||
        !number(header, "base", 1, &base) || !number(header, "unit-rows", 1, &unit) ||
        !number(header, "tf-idf", 1, &idf))
        return false;
    m->columns = (uint32_t)columns;
    m->scores = (unsigned)scores;
    m->intercept = intercept > 0;
    m->base = (unsigned)base;
    m->unit_rows = unit > 0;
    m->tf_idf = idf > 0;
    bool shape = m->columns > 0 && (m->loss == HW_SPARSE_SOFTMAX ? m->scores >= 2 : m->scores == 1);
    return shape && parse_labels(m, field(header, "labels")) && header_of(m, again) == n &&
           memcmp(again, header, n) == 0;
}

/* Into the sum and, where there is one, the stream. */
static uint64_t put_floats(uint64_t sum, const float *x, size_t n, FILE *out)
{
    for (size_t i = 0; x && i < n; i++) {
        unsigned char b[4];
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        hw__bytes_put(b, bits, 4);
        sum = hw__hash(sum, b, 4);
        if (out) (void)fwrite(b, 1, 4, out); /* the writer asks at the end */
    }
    return sum;
}

/* text: room for two headers, which is more than a small stack has. */
static hw_status save_with(char *text, const hw_linear_model *m, const char *path, char *why)
{
    hw__file_writer w;
    if (!m || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_linear_model_save: a model and a path are needed");
    if (!m->weight || (m->tf_idf && !m->idf))
        return hw__base_fail(why, HW_E_STATE, "%.160s: the model is not trained: %s is NULL", path,
                             m->weight ? "idf" : "weight");
    bool named = (unsigned)m->labels < sizeof kinds / sizeof *kinds && m->classes <= 256;
    size_t columns = m->tf_idf ? m->columns : 0, n = named ? header_of(m, text) : 0;
    hw_linear_model again = hw_linear_model_defaults();
    if (!named || !parse_header(&again, text, n, text + HEADER))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "%.160s: the model's loss, columns (%" PRIu32
                             "), scores (%u), labels and classes (%u) do not "
                             "fit together: hw_linear_model_label sets the last three",
                             path, m->columns, m->scores, m->classes);
    if (!hw__base_all_finite(m->weight, hw_linear_model_weights(m)) ||
        (columns && !hw__base_all_finite(m->idf, columns)))
        return hw__base_fail(why, HW_E_DIVERGED, "%.160s: a weight is not finite", path);
    uint64_t sum = hw__hash(SUM_START, text, n);
    sum = put_floats(put_floats(sum, m->idf, columns, NULL), m->weight, hw_linear_model_weights(m), NULL);
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    (void)fwrite(text, 1, n, w.stream);
    fprintf(w.stream, "checksum %016" PRIx64 "\n\n", sum);
    (void)put_floats(0, m->idf, columns, w.stream);
    (void)put_floats(0, m->weight, hw_linear_model_weights(m), w.stream);
    return hw__file_write_end(&w, why);
}

hw_status hw_linear_model_save(const hw_linear_model *m, const char *path, char *why)
{
    char *text = malloc(ROOM);
    hw_status status = text ? save_with(text, m, path, why) : hw__base_fail(why, HW_E_MEMORY, "no memory for a header");
    free(text);
    return status;
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static float *take_floats(const unsigned char *at, size_t n)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) {
        uint32_t bits = (uint32_t)hw__bytes_get(at + 4 * i, 4);
        memcpy(x + i, &bits, sizeof bits);
    }
    return x;
}

static hw_status parse(char *text, hw_linear_model *m, const hw__file *file, const char *path, char *why)
{
    char expected[17];
    size_t n = file->size < HEADER ? file->size : HEADER;
    memcpy(text, file->data, n);
    text[n] = 0;
    if (strncmp(text, "hogwild-linear ", 15) != 0)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: this is no file of a linear model", path);
    if (strncmp(text, "hogwild-linear 1\n", 17) != 0)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the format's version is not 1, which is all that is known",
                             path);
    char *blank = strstr(text, "\n\n"), *check = strstr(text, "\nchecksum ");
    if (!blank || !check || check + 27 - 1 != blank)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the header does not end in a checksum and an empty line", path);
    size_t header = (size_t)(blank - text) + 2, length = (size_t)(check - text) + 1;
    memcpy(expected, check + 10, 16);
    expected[16] = 0;
    text[length] = 0;
    if (!parse_header(m, text, length, text + HEADER + 1))
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the header is not what a save writes", path);
    const unsigned char *at = file->data + header;
    size_t bytes = file->size - header, columns = m->tf_idf ? m->columns : 0;
    if (bytes / 4 != floats_of(m) || bytes % 4)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the header promises %zu floats but %zu bytes follow it", path,
                             floats_of(m), bytes);
    char sum[17];
    (void)snprintf(sum, sizeof sum, "%016" PRIx64, hw__hash(hw__hash(SUM_START, text, length), at, bytes));
    if (strcmp(sum, expected) != 0)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the checksum does not fit: the file is damaged", path);
    if (m->tf_idf) m->idf = take_floats(at, columns);
    m->weight = take_floats(at + 4 * columns, hw_linear_model_weights(m));
    if (!m->weight || (m->tf_idf && !m->idf))
        return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory for %zu floats", path, floats_of(m));
    if ((m->idf && !hw__base_all_finite(m->idf, columns)) ||
        !hw__base_all_finite(m->weight, hw_linear_model_weights(m)))
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: a weight is not finite", path);
    return HW_OK;
}

hw_status hw_linear_model_load(hw_linear_model *m, const char *path, char *why)
{
    hw__file file;
    hw_linear_model loaded;
    if (!m || !path) return hw__base_fail(why, HW_E_ARGUMENT, "an initialised model and a path are needed");
    if (m->weight || m->idf) return hw__base_fail(why, HW_E_STATE, "the model holds something already");
    (void)hw_linear_model_init(&loaded, sizeof loaded);
    hw_status status = hw__file_read(path, SIZE_MAX / 4, &file, why);
    if (status != HW_OK) return status;
    char *text = malloc(ROOM);
    status = text ? parse(text, &loaded, &file, path, why) : hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory", path);
    free(text);
    hw__base_free(file.data);
    if (status != HW_OK) {
        hw_linear_model_free(&loaded);
        return status;
    }
    if (hw__sized_fill(m, m->struct_size, &loaded, sizeof loaded, sizeof loaded) == HW_OK) return HW_OK;
    hw_linear_model_free(&loaded);
    return hw__base_fail(why, HW_E_ARGUMENT,
                         "hw_linear_model_load: the model was not initialised: its struct_size is %zu", m->struct_size);
}
