/* linear.c - model files of linear models, and what a model says about rows. */
#include "linear.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 8192 }; /* bytes that a header has at most: 256 labels of 15 bytes and some lines */

static const char *const losses[] = {"squared", "logistic", "hinge", "squared-hinge", "softmax"};
static const char *const kinds[] = {"real", "two", "split", "classes"};

__attribute__((format(printf, 3, 4))) static hw_status failed(char *why, hw_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(why, HW_WHY, format, list);
    va_end(list);
    return status;
}

const char *linear_loss_name(hw_sparse_loss loss)
{
    return losses[loss];
}

bool linear_loss_named(const char *name, hw_sparse_loss *loss)
{
    for (int i = 0; i <= HW_SPARSE_SOFTMAX; i++)
        if (strcmp(name, losses[i]) == 0) {
            *loss = (hw_sparse_loss)i;
            return true;
        }
    return false;
}

void linear_free(linear_model *m)
{
    free(m->idf);
    free(m->weight);
    m->idf = m->weight = NULL;
}

size_t linear_weights(const linear_model *m)
{
    return ((size_t)m->columns + (m->intercept ? 1 : 0)) * m->scores;
}

static size_t floats_of(const linear_model *m)
{
    return linear_weights(m) + (m->tf_idf ? m->columns : 0);
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

/* FNV-1a: each byte is taken in by a bijection, so that no single one can change unseen. */
static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) sum = (sum ^ b[i]) * 1099511628211U;
    return sum;
}

static uint64_t sum_floats(uint64_t sum, const float *x, size_t n, FILE *out)
{
    for (size_t i = 0; x && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        unsigned char b[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
                              (unsigned char)(bits >> 24)};
        sum = sum_bytes(sum, b, sizeof b);
        if (out) (void)fwrite(b, 1, sizeof b, out); /* ferror is asked at the end */
    }
    return sum;
}

/* All of the header but its checksum; its length. */
static size_t header_of(const linear_model *m, char *text)
{
    int n = snprintf(text, HEADER,
                     "hogwild-linear 1\nloss %s\ncolumns %" PRIu32 "\nscores %u\nintercept %d\nbase %u\nunit-rows "
                     "%d\ntf-idf %d\nfloats %zu\nlabels %s",
                     losses[m->loss], m->columns, m->scores, m->intercept, m->base, m->unit_rows, m->tf_idf,
                     floats_of(m), kinds[m->labels]);
    size_t at = (size_t)n;
    if (m->labels == LINEAR_SPLIT) at += (size_t)snprintf(text + at, HEADER - at, " %.17g", m->split);
    for (unsigned c = 0; m->labels != LINEAR_SPLIT && c < m->classes; c++)
        at += (size_t)snprintf(text + at, HEADER - at, " %.9g", (double)m->value[c]);
    at += (size_t)snprintf(text + at, HEADER - at, "\n");
    return at;
}

hw_status linear_save(const linear_model *m, const char *path, char *why)
{
    char text[HEADER], temporary[1100], folder[1024];
    size_t n = header_of(m, text);
    uint64_t sum = sum_bytes(14695981039346656037U, text, n);
    sum = sum_floats(sum, m->tf_idf ? m->idf : NULL, m->columns, NULL);
    sum = sum_floats(sum, m->weight, linear_weights(m), NULL);
    if (strlen(path) >= sizeof folder) return failed(why, HW_E_IO, "%.60s...: the name is too long", path);
    (void)snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    FILE *out = fopen(temporary, "wbx");
    if (!out) return failed(why, HW_E_IO, "%.160s: %s", temporary, strerror(errno));
    errno = 0;
    (void)fwrite(text, 1, n, out);
    fprintf(out, "checksum %016" PRIx64 "\n\n", sum);
    (void)sum_floats(0, m->tf_idf ? m->idf : NULL, m->columns, out);
    (void)sum_floats(0, m->weight, linear_weights(m), out);
    bool good = fflush(out) == 0 && !ferror(out) && fsync(fileno(out)) == 0;
    good = fclose(out) == 0 && good;
    good = good && rename(temporary, path) == 0;
    if (!good) {
        int error = errno;
        (void)unlink(temporary);
        return failed(why, HW_E_IO, "%.160s: %s", path, error ? strerror(error) : "it could not be written");
    }
    /* The new name is in the folder only once that is on the disk as well. */
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    return HW_OK;
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
    const char *at = field(header, key);
    char *end;
    if (!at) return false;
    *out = strtod(at, &end);
    return end != at && *end == '\n' && *out >= 0 && *out <= high && floor(*out) >= *out;
}

static bool parse_labels(linear_model *m, const char *at)
{
    char *end;
    size_t n = at ? strcspn(at, " \n") : 0, k = 0;
    while (k < 4 && !(at && strlen(kinds[k]) == n && strncmp(at, kinds[k], n) == 0)) k++;
    if (k == 4) return false;
    m->labels = (linear_labels)k;
    for (at += n; *at == ' '; at = end) {
        double x = strtod(at, &end);
        if (end == at || !isfinite(x) || m->classes == 256) return false;
        m->split = x;
        m->value[m->classes++] = (float)x;
    }
    for (unsigned c = 1; c < m->classes; c++)
        if (!(m->value[c - 1] < m->value[c])) return false;
    unsigned classes = m->classes;
    if (m->labels == LINEAR_SPLIT) m->classes = 0;
    return m->labels == LINEAR_REAL    ? classes == 0 && m->loss == HW_SPARSE_SQUARED
           : m->labels == LINEAR_TWO   ? classes == 2 && m->scores == 1
           : m->labels == LINEAR_SPLIT ? classes == 1 && m->scores == 1
                                       : classes == m->scores && m->loss == HW_SPARSE_SOFTMAX;
}

/* What the header says, if it is to the byte what save would write. */
static bool parse_header(linear_model *m, const char *header, size_t n)
{
    double columns, scores, intercept, base, unit, idf;
    char again[HEADER];
    const char *loss = field(header, "loss");
    size_t length = loss ? strcspn(loss, "\n") : 0;
    int k = 0;
    while (k <= HW_SPARSE_SOFTMAX && !(strlen(losses[k]) == length && strncmp(loss, losses[k], length) == 0)) k++;
    if (k > HW_SPARSE_SOFTMAX || !number(header, "columns", UINT32_MAX, &columns) ||
        !number(header, "scores", 256, &scores) || !number(header, "intercept", 1, &intercept) ||
        !number(header, "base", 1, &base) || !number(header, "unit-rows", 1, &unit) ||
        !number(header, "tf-idf", 1, &idf))
        return false;
    m->loss = (hw_sparse_loss)k;
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

static float *read_floats(FILE *in, size_t n, uint64_t *sum)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) {
        unsigned char b[4];
        if (fread(b, 1, sizeof b, in) != sizeof b) {
            free(x);
            return NULL;
        }
        uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(x + i, &bits, sizeof bits);
        *sum = sum_bytes(*sum, b, sizeof b);
    }
    return x;
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static hw_status read_model(linear_model *m, FILE *in, size_t size, const char *path, char *why)
{
    char text[HEADER + 1], line[32];
    size_t n = fread(text, 1, HEADER, in);
    text[n] = 0;
    static const char magic[] = "hogwild-linear ";
    if (strncmp(text, magic, sizeof magic - 1) != 0)
        return failed(why, HW_E_FORMAT, "%.160s: this is no model of a linear program", path);
    if (strncmp(text, "hogwild-linear 1\n", 17) != 0)
        return failed(why, HW_E_FORMAT, "%.160s: the format's version is not 1, which is all that is known", path);
    char *blank = strstr(text, "\n\n"), *check = strstr(text, "\nchecksum ");
    if (!blank || !check || check + 27 - 1 != blank)
        return failed(why, HW_E_FORMAT, "%.160s: the header does not end in a checksum and an empty line", path);
    size_t header = (size_t)(blank - text) + 2, length = (size_t)(check - text) + 1;
    (void)snprintf(line, sizeof line, "%s", check + 10);
    line[16] = 0;
    text[length] = 0;
    if (!parse_header(m, text, length))
        return failed(why, HW_E_FORMAT, "%.160s: the header is not what this program writes", path);
    if (size < header || (size - header) / 4 != floats_of(m) || (size - header) % 4)
        return failed(why, HW_E_FORMAT, "%.160s: the header promises %zu floats but %zu bytes follow it", path,
                      floats_of(m), size < header ? 0 : size - header);
    if (fseek(in, (long)header, SEEK_SET) != 0) return failed(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    uint64_t sum = sum_bytes(14695981039346656037U, text, length);
    if (m->tf_idf) m->idf = read_floats(in, m->columns, &sum);
    m->weight = read_floats(in, linear_weights(m), &sum);
    if (!m->weight || (m->tf_idf && !m->idf))
        return failed(why, HW_E_IO, "%.160s: it could not be read, or there is no memory", path);
    char expected[32];
    (void)snprintf(expected, sizeof expected, "%016" PRIx64, sum);
    if (strcmp(line, expected) != 0)
        return failed(why, HW_E_FORMAT, "%.160s: the checksum does not fit: the file is damaged", path);
    if (!all_finite(m->idf, m->columns) || !all_finite(m->weight, linear_weights(m)))
        return failed(why, HW_E_FORMAT, "%.160s: a weight is not finite", path);
    return HW_OK;
}

hw_status linear_load(linear_model *m, const char *path, char *why)
{
    struct stat info;
    memset(m, 0, sizeof *m);
    FILE *in = fopen(path, "rb");
    if (!in) return failed(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    hw_status status;
    if (fstat(fileno(in), &info) != 0 || !S_ISREG(info.st_mode))
        status = failed(why, HW_E_IO, "%.160s: this is no file", path);
    else
        status = read_model(m, in, (size_t)info.st_size, path, why);
    (void)fclose(in);
    if (status != HW_OK) linear_free(m);
    return status;
}

/* --- scores --------------------------------------------------------------------------------------------------------
 */

double linear_decide(const linear_model *m, const double *score)
{
    unsigned best = 0;
    for (unsigned c = 1; c < m->scores; c++)
        if (score[c] > score[best]) best = c;
    if (m->labels == LINEAR_REAL) return score[0];
    if (m->labels == LINEAR_CLASSES) return (double)m->value[best];
    if (m->labels == LINEAR_SPLIT) return score[0] > 0 ? 1 : -1;
    return (double)m->value[score[0] > 0];
}

/* What the library needs to know of the model: `shape` stands for its training rows. */
static hw_sparse_linear view(const linear_model *m, hw_sparse *shape)
{
    *shape = (hw_sparse){.columns = m->columns};
    hw_sparse_linear v = hw_sparse_linear_defaults(m->loss, shape);
    v.classes = m->scores;
    v.intercept = m->intercept;
    return v;
}

hw_status linear_measure(const linear_model *m, const float *weight, const hw_sparse *rows, double metric[2], char *why)
{
    hw_sparse shape;
    uint64_t offset[2] = {0, 0};
    float label = m->loss == HW_SPARSE_SOFTMAX ? 0 : 1;
    hw_objective o;
    double sums[HW_METRICS] = {0};
    hw_sparse_linear v = view(m, &shape);
    shape.rows = 1;
    shape.offset = offset;
    shape.label = &label;
    v.test = rows;
    hw_status status = hw_sparse_linear_objective(&v, &o, why);
    if (status == HW_OK) status = o.evaluate(o.self, NULL, weight, 0, rows->rows, sums);
    hw_sparse_linear_free(&v);
    metric[0] = sums[0] / rows->rows;
    metric[1] = m->loss == HW_SPARSE_SQUARED ? NAN : sums[1] / rows->rows;
    return status;
}

hw_status linear_objective(const hw_sparse_linear *l, const float *weight, double metric[2])
{
    hw_sparse_linear own = *l;
    hw_objective o;
    double sums[HW_METRICS] = {0};
    own.test = NULL;
    own.plan = NULL;
    hw_status status = hw_sparse_linear_objective(&own, &o, NULL);
    if (status == HW_OK) status = o.evaluate(o.self, NULL, weight, 0, own.train->rows, sums);
    hw_sparse_linear_free(&own);
    metric[0] = sums[0] / own.train->rows;
    metric[1] = own.loss == HW_SPARSE_SQUARED ? NAN : sums[1] / own.train->rows;
    return status;
}

/* In units of 1 / (mean of |x|^2, each row weighted by its own). Measured on a9a and on tf-idf reviews: runs of one
 * epoch to five come nearest to the optimum at about these. */
double linear_rate(const linear_model *m, const hw_sparse *s, const float *class_weight, unsigned weights)
{
    static const double factor[] = {0.5, 1.5, 0.75, 0.25, 1};
    double squares = 0, fourths = 0, heaviest = 1;
    for (uint32_t i = 0; i < s->rows; i++) {
        double x = m->intercept ? 1 : 0;
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) x += (double)s->value[k] * (double)s->value[k];
        squares += x;
        fourths += x * x;
    }
    for (unsigned c = 0; c < weights; c++) heaviest = fmax(heaviest, (double)class_weight[c]);
    double rate = squares > 0 ? factor[m->loss] * squares / fourths / heaviest : 1;
    return fmax(1e-30, fmin(1e6, rate));
}

hw_status linear_predict(const linear_model *m, const hw_sparse *rows, bool scores, const char *path, char *why)
{
    hw_sparse shape;
    double score[256];
    hw_sparse_linear v = view(m, &shape);
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    if (!out) return failed(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    errno = 0;
    for (uint32_t i = 0; i < rows->rows && !ferror(out); i++) {
        hw_sparse_linear_scores(&v, m->weight, rows, i, score);
        if (!scores) fprintf(out, "%.9g", linear_decide(m, score));
        for (unsigned c = 0; scores && c < m->scores; c++) fprintf(out, c ? " %.9g" : "%.9g", score[c]);
        fputc('\n', out);
    }
    bool good = fflush(out) == 0 && !ferror(out);
    if (!standard) good = fclose(out) == 0 && good;
    return good ? HW_OK : failed(why, HW_E_IO, "%.160s: %s", path, errno ? strerror(errno) : "it could not be written");
}
