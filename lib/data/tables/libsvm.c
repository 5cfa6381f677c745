/* libsvm.c - text files of sparse rows, "label index:value index:value ... # comment", as LIBSVM and SVMLight write
 * them. A file is cut into stretches of whole lines, one a thread: a first pass counts line ends and colons, which
 * bounds rows and non-zeros, so that the second writes every number straight to its place or near it. Ranking data
 * (qid:), several labels a row and numbers that are not finite are refused. */
#include "../../base/thread.h"
#include "../../base/files.h"
#include "../../base/base.h"
#include "sparse.h"
#include "../text/text.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINE    ((size_t)1 << 24) /* bytes */
#define MOST_INDEX   ((uint64_t)UINT32_MAX - 1)
#define LEAST_BYTES  ((size_t)1 << 15) /* of a stretch: less is parsed sooner than a thread starts */
#define MOST_THREADS 256u

typedef struct text {
    const char *data;
    size_t size;
    void *map; /* a plain file is mapped, another is read into file */
    hw__file file;
} text;

typedef struct stretch {
    const char *path, *begin, *end; /* whole lines */
    const hw_libsvm_options *options;
    size_t lines, colons; /* counted: no less than its rows and non-zeros */
    uint64_t before;      /* lines of the file before it */
    /* Where its rows go; offsets count from its own first entry. Indices are as in the file until `join`. */
    uint64_t *offset;
    uint32_t *index;
    float *value, *label;
    size_t rows, nonzeros;
    uint64_t low, high; /* smallest and largest index; low > high: none */
    uint64_t edge;      /* first line with the index `columns`, which is too large if the first index is 0; 0: none */
    hw_status status;
    char why[HW_WHY];
} stretch;

HW_PRINTF(4, 5) static bool refuse(stretch *s, uint64_t line, hw_status status, const char *format, ...)
{
    int n = snprintf(s->why, sizeof s->why, "%.100s: line %llu: ", s->path, (unsigned long long)line);
    va_list list;
    va_start(list, format);
    if (n > 0 && (size_t)n < sizeof s->why) (void)vsnprintf(s->why + n, sizeof s->why - (size_t)n, format, list);
    va_end(list);
    s->status = status;
    return false;
}

static inline bool blank(const char *c)
{
    return *c == ' ' || *c == '\t';
}

/* The word at c for a sentence, at most 24 bytes of it; what a terminal could take amiss becomes a question mark. */
typedef struct word {
    char text[28];
} word;
static word quoted(const char *c, const char *end)
{
    word w = {""};
    size_t n = 0;
    for (; n < 24 && c < end && !blank(c); c++) w.text[n++] = (char)(*c < 0x21 || *c > 0x7e ? '?' : *c);
    if (c < end && !blank(c)) memcpy(w.text + n, "...", 3);
    return w;
}

/* One entry "index:value" at *at. `last` is the index before it, or -1. */
static bool parse_entry(stretch *s, uint64_t line, const char **at, const char *end, int64_t *last)
{
    const char *c = *at, *begin = c;
    uint64_t index;
    float value;
    if (!hw__text_unsigned(&c, end, &index)) {
        if (end - begin >= 4 && memcmp(begin, "qid:", 4) == 0)
            return refuse(s, line, HW_E_FORMAT, "ranking data (qid:) is not supported");
        if (*c >= '0' && *c <= '9')
            return refuse(s, line, HW_E_LIMIT, "the index in '%s' is beyond %llu", quoted(begin, end).text,
                          (unsigned long long)MOST_INDEX);
        return refuse(s, line, HW_E_FORMAT, "'%s' stands where index:value is expected", quoted(begin, end).text);
    }
    if (c == end || *c != ':')
        return refuse(s, line, HW_E_FORMAT, "'%s' stands where index:value is expected", quoted(begin, end).text);
    c++;
    if (index > MOST_INDEX)
        return refuse(s, line, HW_E_LIMIT, "the index in '%s' is beyond %llu", quoted(begin, end).text,
                      (unsigned long long)MOST_INDEX);
    if (s->options->base == 1 && index == 0)
        return refuse(s, line, HW_E_FORMAT, "an index is 0, but the first feature was said to be number 1");
    if ((int64_t)index <= *last)
        return refuse(s, line, HW_E_FORMAT, "the index %llu follows %lld: indices must ascend within a line",
                      (unsigned long long)index, (long long)*last);
    uint64_t bound = s->options->columns; /* with the first index unknown, the more generous one */
    if (bound && index >= bound + (s->options->base != 0))
        return refuse(s, line, HW_E_LIMIT, "the index %llu is too large for %llu columns from %d on",
                      (unsigned long long)index, (unsigned long long)bound, s->options->base != 0);
    if (!hw__text_float(&c, end, &value) || (c < end && !blank(c)))
        return refuse(s, line, HW_E_FORMAT, "the value in '%s' must be a finite decimal number",
                      quoted(begin, end).text);
    *last = (int64_t)index;
    *at = c;
    s->low = index < s->low ? index : s->low;
    s->high = index > s->high ? index : s->high;
    if (bound && index == bound && !s->edge) s->edge = line;
    if (value == 0) return true; /* a zero that is written out counts for the number of columns only */
    if (s->nonzeros == s->colons) return refuse(s, line, HW_E_IO, "the file changed while it was read");
    s->index[s->nonzeros] = (uint32_t)index;
    s->value[s->nonzeros++] = value;
    return true;
}

/* One line without its line end. */
static bool parse_line(stretch *s, uint64_t line, const char *c, const char *end)
{
    if ((size_t)(end - c) > MOST_LINE)
        return refuse(s, line, HW_E_LIMIT, "%zu bytes: a line has at most %zu", (size_t)(end - c), MOST_LINE);
    if (memchr(c, 0, (size_t)(end - c)))
        return refuse(s, line, HW_E_FORMAT, "there is a zero byte in it: this is no text");
    if (end > c && end[-1] == '\r') end--;
    const char *comment = memchr(c, '#', (size_t)(end - c));
    if (comment) end = comment;
    while (c < end && blank(c)) c++;
    if (c == end) return true;
    const char *begin = c;
    float label;
    if (!hw__text_float(&c, end, &label) || (c < end && !blank(c)))
        return refuse(s, line, HW_E_FORMAT, "'%s' stands where the label is expected, one finite decimal number",
                      quoted(begin, end).text);
    if (s->rows == s->lines) return refuse(s, line, HW_E_IO, "the file changed while it was read");
    s->label[s->rows] = label;
    s->offset[s->rows++] = s->nonzeros;
    int64_t last = -1;
    for (;;) {
        while (c < end && blank(c)) c++;
        if (c == end) return true;
        if (!parse_entry(s, line, &c, end, &last)) return false;
    }
}

static void *parse(void *stretch_)
{
    stretch *s = stretch_;
    uint64_t line = s->before;
    for (const char *c = s->begin; c < s->end;) {
        const char *end = memchr(c, '\n', (size_t)(s->end - c));
        if (!parse_line(s, ++line, c, end ? end : s->end)) break;
        c = end ? end + 1 : s->end;
    }
    return NULL;
}

static void *count(void *stretch_)
{
    stretch *s = stretch_;
    size_t lines = 0, colons = 0;
    for (const char *c = s->begin; c < s->end;) {
        /* Counts of a byte each, so that the loop is one of vectors of bytes. */
        size_t n = (size_t)(s->end - c) < 255 ? (size_t)(s->end - c) : 255;
        unsigned char few_lines = 0, few_colons = 0;
        for (size_t i = 0; i < n; i++) {
            few_lines = (unsigned char)(few_lines + (c[i] == '\n'));
            few_colons = (unsigned char)(few_colons + (c[i] == ':'));
        }
        lines += few_lines;
        colons += few_colons;
        c += n;
    }
    s->lines = lines + (s->begin < s->end && s->end[-1] != '\n');
    s->colons = colons;
    return NULL;
}

/* `work` on every stretch, the first in this thread and each other in one of its own, with signals blocked. */
static hw_status everywhere(stretch *s, size_t n, void *(*work)(void *), char *why)
{
    pthread_t *thread = malloc(n * sizeof *thread);
    if (!thread) return hw__base_fail(why, HW_E_MEMORY, "%.120s: no memory for %zu threads", s->path, n);
    sigset_t all, before;
    size_t started = 1;
    int code = 0;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < n; started++)
        if ((code = hw__base_start_thread(&thread[started], work, &s[started])) != 0) break;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) (void)work(&s[0]);
    for (size_t i = 1; i < started; i++) (void)pthread_join(thread[i], NULL);
    free(thread);
    return code == 0 ? HW_OK
                     : hw__base_fail(why, HW_E_THREAD, "%.120s: thread %zu of %zu could not be started: %s", s->path,
                                     started + 1, n, strerror(code));
}

/* Closes the gaps that blank lines, comments and zeros left between the stretches, and counts indices from 0. */
static void join(const stretch *s, size_t n, uint32_t base, hw_sparse *out)
{
    size_t rows = 0, nonzeros = 0;
    for (size_t k = 0; k < n; k++) {
        memmove(out->label + rows, s[k].label, s[k].rows * sizeof *out->label);
        memmove(out->value + nonzeros, s[k].value, s[k].nonzeros * sizeof *out->value);
        /* Forward and never to a higher address, so no entry is overwritten before it is read. */
        for (size_t i = 0; i < s[k].rows; i++) out->offset[rows + i] = s[k].offset[i] + nonzeros;
        for (size_t i = 0; i < s[k].nonzeros; i++) out->index[nonzeros + i] = s[k].index[i] - base;
        rows += s[k].rows;
        nonzeros += s[k].nonzeros;
    }
    out->rows = (uint32_t)rows;
    out->nonzeros = nonzeros;
    out->offset[rows] = nonzeros;
}

/* What the stretches have in common: the first error, or the sizes of the set. */
static hw_status conclude(const stretch *s, size_t n, const char *path, hw_sparse *out, char *why)
{
    const hw_libsvm_options *o = s->options;
    uint64_t low = UINT64_MAX, high = 0, edge = 0, rows = 0;
    for (size_t k = 0; k < n; k++) {
        if (s[k].status != HW_OK) return hw__base_fail(why, s[k].status, "%s", s[k].why);
        low = s[k].low < low ? s[k].low : low;
        high = s[k].high > high ? s[k].high : high;
        edge = edge ? edge : s[k].edge;
        rows += s[k].rows;
    }
    if (rows == 0) return hw__base_fail(why, HW_E_FORMAT, "%.120s: there is no row in it", path);
    uint32_t base = o->base >= 0 ? (uint32_t)o->base : low != 0;
    if (low == UINT64_MAX && !o->columns)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: none of its %llu rows has an index:value", path,
                             (unsigned long long)rows);
    if (o->columns && base == 0 && edge)
        return hw__base_fail(why, HW_E_LIMIT, "%.100s: line %llu: the index %u is too large for %u columns from 0 on",
                             path, (unsigned long long)edge, o->columns, o->columns);
    out->columns = o->columns ? o->columns : (uint32_t)(high + 1 - base);
    join(s, n, base, out);
    return HW_OK;
}

static hw_status parse_text(const text *t, const char *path, const hw_libsvm_options *o, hw_sparse *out, char *why)
{
    const char *begin = t->data, *end = begin + t->size;
    if (t->size >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0) begin += 3; /* an editor's mark of UTF-8 */
    size_t n = o->threads ? o->threads : hw_processors();
    if (!o->threads && n > 16) n = 16;
    if (n > t->size / LEAST_BYTES + 1) n = t->size / LEAST_BYTES + 1;
    stretch *s = calloc(n, sizeof *s);
    if (!s) return hw__base_fail(why, HW_E_MEMORY, "%.120s: no memory for %zu threads", path, n);
    for (size_t k = 0; k < n; k++) {
        const char *cut = k + 1 == n ? end : begin + (size_t)(end - begin) / (n - k);
        const char *line_end = cut < end ? memchr(cut, '\n', (size_t)(end - cut)) : NULL;
        cut = line_end ? line_end + 1 : end;
        s[k] = (stretch){.path = path, .begin = begin, .end = cut, .options = o, .low = UINT64_MAX};
        begin = cut;
    }
    hw_status status = everywhere(s, n, count, why);
    uint64_t lines = 0, colons = 0;
    for (size_t k = 0; k < n; k++) {
        s[k].before = lines;
        lines += s[k].lines; /* both are at most the file's bytes */
        colons += s[k].colons;
    }
    if (status == HW_OK && lines > UINT32_MAX)
        status = hw__base_fail(why, HW_E_LIMIT, "%.120s: %llu lines: at most %lu", path, (unsigned long long)lines,
                               (unsigned long)UINT32_MAX);
    if (status == HW_OK && (status = hw__sparse_make(out, (uint32_t)lines, 0, colons, NULL)) != HW_OK)
        status = hw__base_fail(why, status, "%.120s: no memory for its %llu lines with %llu entries", path,
                               (unsigned long long)lines, (unsigned long long)colons);
    if (status == HW_OK) {
        uint64_t row = 0, entry = 0;
        for (size_t k = 0; k < n; k++) {
            s[k].offset = out->offset + row;
            s[k].label = out->label + row;
            s[k].index = out->index + entry;
            s[k].value = out->value + entry;
            row += s[k].lines;
            entry += s[k].colons;
        }
        status = everywhere(s, n, parse, why);
    }
    if (status == HW_OK) status = conclude(s, n, path, out, why);
    if (status != HW_OK) hw_sparse_free(out);
    free(s);
    return status;
}

static void text_close(text *t)
{
    if (t->map) (void)munmap(t->map, t->size);
    hw__base_free(t->file.data);
}

/* A plain file that begins unlike gzip is mapped; whatever else is read. */
static hw_status text_open(text *t, const char *path, bool regular, size_t cap, char *why)
{
    memset(t, 0, sizeof *t);
    int file = regular ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat info;
    unsigned char magic[2] = {0, 0};
    if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) && pread(file, magic, 2, 0) == 2 &&
        !(magic[0] == 0x1f && magic[1] == 0x8b)) {
        hw_status status = HW_OK;
        if ((uint64_t)info.st_size > cap)
            status = hw__base_fail(why, HW_E_LIMIT, "%.120s: %lld bytes: more than the limit of %zu", path,
                                   (long long)info.st_size, cap);
        else if ((t->map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0)) == MAP_FAILED)
            t->map = NULL; /* some file systems cannot; then it is read */
        t->size = (size_t)info.st_size;
        t->data = t->map;
        if (status != HW_OK || t->map) {
            (void)close(file);
            return status;
        }
    }
    if (file >= 0) (void)close(file);
    hw_status status = hw__file_read(path, cap, &t->file, why);
    t->data = (const char *)t->file.data;
    t->size = t->file.size;
    return status;
}

hw_libsvm_options hw_libsvm_defaults(void)
{
    return (hw_libsvm_options){.struct_size = sizeof(hw_libsvm_options), .base = -1};
}

/* What the file is now; false where it is none that keeps still. */
static bool identify(const char *path, const hw_libsvm_options *o, hw__sparse_source *source)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return false;
    *source = (hw__sparse_source){(uint64_t)info.st_size,
                                  (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec, o->base,
                                  o->columns};
    return true;
}

/* Whether a cache may be put there: over nothing, an empty file or another cache, but never over anything else. */
static bool replaceable(const char *path)
{
    struct stat info;
    char magic[8];
    if (lstat(path, &info) != 0) return errno == ENOENT;
    if (!S_ISREG(info.st_mode)) return false;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(magic, 1, sizeof magic, f) : sizeof magic;
    if (f) (void)fclose(f);
    return n == 0 || (f && n == sizeof magic && memcmp(magic, SPARSE_MAGIC, sizeof magic) == 0);
}

hw_status hw_libsvm_read(const char *path, const hw_libsvm_options *options, hw_sparse *s, char *why)
{
    hw_libsvm_options o = hw_libsvm_defaults();
    const uint64_t most = (uint64_t)1 << 33;
    hw__sparse_source source, after;
    char cache[1024];
    text t;
    if (s) memset(s, 0, sizeof *s);
    if (!path || !s) return hw__base_fail(why, HW_E_ARGUMENT, "hw_libsvm_read: a path and a data set are needed");
    if (options && options->struct_size != sizeof o)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "options.struct_size is %zu, expected %zu: start from hw_libsvm_defaults()",
                             options->struct_size, sizeof o);
    if (options) o = *options;
    if (o.base < -1 || o.base > 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "options.base is %d: it must be -1, 0 or 1", o.base);
    if (o.threads > MOST_THREADS)
        return hw__base_fail(why, HW_E_ARGUMENT, "options.threads is %u: at most %u", o.threads, MOST_THREADS);
    if (!o.cap) o.cap = most > SIZE_MAX / 4 ? SIZE_MAX / 4 : (size_t)most;
    bool regular = identify(path, &o, &source);
    int n = o.cache && regular
                ? snprintf(cache, sizeof cache, "%s%s", *o.cache ? o.cache : path, *o.cache ? "" : ".hwcache")
                : -1;
    bool cached = n > 0 && (size_t)n < sizeof cache;
    if (cached && hw__sparse_load(s, &source, cache, NULL) == HW_OK) return HW_OK;
    hw_status status = text_open(&t, path, regular, o.cap, why);
    if (status == HW_OK) status = parse_text(&t, path, &o, s, why);
    text_close(&t);
    /* A file that changed meanwhile has no cache; neither has one where it cannot be written. */
    if (status == HW_OK && cached && identify(path, &o, &after) && after.size == source.size &&
        after.time == source.time && replaceable(cache))
        (void)hw__sparse_save(s, &source, cache, NULL);
    return status;
}
