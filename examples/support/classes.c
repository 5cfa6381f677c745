/* classes.c - the table of classes: which of them a net tells apart, as a line of text and in a report. */
#include "classes.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME      32
#define MATRIX    20 /* classes: beyond, the worst confusions instead of all */
#define WORST     20
#define WIDE_CELL 48

static void name_of(const class_table *t, unsigned label, char *text)
{
    const char *name = t->name(label);
    if (name)
        (void)snprintf(text, NAME, "%.*s", NAME - 1, name);
    else
        (void)snprintf(text, NAME, "class %u", label);
}

static uint32_t images_of(const class_table *t, unsigned label)
{
    uint32_t sum = 0;
    for (unsigned p = 0; p < t->classes; p++) sum += t->count[(size_t)label * t->classes + p];
    return sum;
}

/* Percent; only for a class that has images. */
static double accuracy_of(const class_table *t, unsigned label)
{
    return 100.0 * t->count[(size_t)label * t->classes + label] / images_of(t, label);
}

hw_status class_table_make(class_table *t, const hw_net *net, const hw_images *test, const float *params,
                           const char *(*name)(unsigned label))
{
    size_t bytes = (hw_net_scratch_bytes(net) + 63) / 64 * 64;
    *t = (class_table){hw_net_outputs(net), NULL, name};
    t->count = calloc((size_t)t->classes * t->classes, sizeof *t->count);
    void *scratch = aligned_alloc(64, bytes);
    hw_status status = HW_E_MEMORY;
    if (t->count && scratch) {
        memset(scratch, 0, bytes);
        status = hw_net_confusion(net, scratch, test, 0, test->count, params, t->count);
    }
    free(scratch);
    if (status != HW_OK) class_table_free(t);
    return status;
}

void class_table_free(class_table *t)
{
    free(t->count);
    t->count = NULL;
}

void class_table_print(const class_table *t, FILE *out)
{
    unsigned best = t->classes, worst = t->classes, most = t->classes;
    char high[NAME], low[NAME], other[NAME];
    for (unsigned k = 0; k < t->classes; k++) {
        if (!images_of(t, k)) continue;
        if (best == t->classes || accuracy_of(t, k) > accuracy_of(t, best)) best = k;
        if (worst == t->classes || accuracy_of(t, k) < accuracy_of(t, worst)) worst = k;
    }
    if (best == t->classes) return;
    name_of(t, best, high);
    name_of(t, worst, low);
    fprintf(out, "best class: %s %.1f %%, worst: %s %.1f %%", high, accuracy_of(t, best), low, accuracy_of(t, worst));
    const uint32_t *row = t->count + (size_t)worst * t->classes;
    for (unsigned p = 0; p < t->classes; p++)
        if (p != worst && row[p] && (most == t->classes || row[p] > row[most])) most = p;
    if (most < t->classes) {
        name_of(t, most, other);
        fprintf(out, ", most often taken for %s (%.1f %%)", other, 100.0 * row[most] / images_of(t, worst));
    }
    fputc('\n', out);
}

/* --- report ------------------------------------------------------------------------------------------------------- */

/* A table of texts for hw_report_table. */
typedef struct sheet {
    size_t rows, columns;
    char (*cell)[WIDE_CELL];
    const char **pointer;
} sheet;

static bool sheet_open(sheet *s, size_t rows, size_t columns)
{
    *s = (sheet){rows, columns, calloc(rows * columns, WIDE_CELL), calloc(rows * columns, sizeof(char *))};
    for (size_t i = 0; s->cell && s->pointer && i < rows * columns; i++) s->pointer[i] = s->cell[i];
    return s->cell && s->pointer;
}

static hw_status sheet_close(sheet *s, hw_report *report, const char *heading, bool good)
{
    hw_status status = good ? hw_report_heading(report, heading) : HW_E_MEMORY;
    if (status == HW_OK) status = hw_report_table(report, s->pointer, s->rows, s->columns);
    free(s->cell);
    free(s->pointer);
    return status;
}

static char *at(const sheet *s, size_t row, size_t column)
{
    return s->cell[row * s->columns + column];
}

static hw_status report_accuracy(const class_table *t, hw_report *report)
{
    sheet s;
    static const char *const head[] = {"class", "test images", "right", "accuracy"};
    bool good = sheet_open(&s, t->classes + 1, 4);
    for (size_t j = 0; good && j < 4; j++) (void)snprintf(at(&s, 0, j), WIDE_CELL, "%s", head[j]);
    for (unsigned k = 0; good && k < t->classes; k++) {
        uint32_t images = images_of(t, k);
        name_of(t, k, at(&s, k + 1, 0));
        (void)snprintf(at(&s, k + 1, 1), WIDE_CELL, "%u", images);
        (void)snprintf(at(&s, k + 1, 2), WIDE_CELL, "%u", t->count[(size_t)k * t->classes + k]);
        if (images) (void)snprintf(at(&s, k + 1, 3), WIDE_CELL, "%.1f %%", accuracy_of(t, k));
    }
    return sheet_close(&s, report, "Accuracy by class", good);
}

static hw_status report_matrix(const class_table *t, hw_report *report)
{
    sheet s;
    bool good = sheet_open(&s, t->classes + 1, t->classes + 1);
    if (good) (void)snprintf(at(&s, 0, 0), WIDE_CELL, "is \\ taken for");
    for (unsigned k = 0; good && k < t->classes; k++) {
        name_of(t, k, at(&s, 0, k + 1));
        name_of(t, k, at(&s, k + 1, 0));
        for (unsigned p = 0; p < t->classes; p++)
            (void)snprintf(at(&s, k + 1, p + 1), WIDE_CELL, "%u", t->count[(size_t)k * t->classes + p]);
    }
    return sheet_close(&s, report,
                       "Confusion matrix: test images of a class (row) by what they were taken for (column)", good);
}

/* The largest counts off the diagonal, in order: worst[i] is a place in count. Returns how many. */
static size_t find_worst(const class_table *t, size_t worst[WORST])
{
    size_t n = 0, cells = (size_t)t->classes * t->classes;
    for (size_t i = 0; i < cells; i++) {
        if (i / t->classes == i % t->classes || !t->count[i]) continue;
        size_t place = n;
        while (place > 0 && t->count[worst[place - 1]] < t->count[i]) place--;
        if (place == WORST) continue;
        if (n < WORST) n++;
        memmove(worst + place + 1, worst + place, (n - 1 - place) * sizeof *worst);
        worst[place] = i;
    }
    return n;
}

static hw_status report_worst(const class_table *t, hw_report *report)
{
    sheet s;
    static const char *const head[] = {"class", "taken for", "test images", "of the class"};
    size_t worst[WORST], n = find_worst(t, worst);
    bool good = sheet_open(&s, n + 1, 4);
    for (size_t j = 0; good && j < 4; j++) (void)snprintf(at(&s, 0, j), WIDE_CELL, "%s", head[j]);
    for (size_t i = 0; good && i < n; i++) {
        unsigned label = (unsigned)(worst[i] / t->classes);
        name_of(t, label, at(&s, i + 1, 0));
        name_of(t, (unsigned)(worst[i] % t->classes), at(&s, i + 1, 1));
        (void)snprintf(at(&s, i + 1, 2), WIDE_CELL, "%u", t->count[worst[i]]);
        (void)snprintf(at(&s, i + 1, 3), WIDE_CELL, "%.1f %%", 100.0 * t->count[worst[i]] / images_of(t, label));
    }
    return sheet_close(&s, report, "Most frequent confusions", good);
}

hw_status class_table_report(const class_table *t, hw_report *report)
{
    hw_status status = report_accuracy(t, report);
    if (status != HW_OK) return status;
    return t->classes <= MATRIX ? report_matrix(t, report) : report_worst(t, report);
}
