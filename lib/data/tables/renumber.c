/* renumber.c - columns in order of how often they occur: the hottest weights then lie side by side, in few cache lines,
 * and a replica of the leading ones covers most of what a step touches. */
#include "sparse.h"
#include "../../base/base.h"
#include <stdlib.h>

typedef struct entry {
    uint32_t key, column;
    float value;
} entry;

static int more_frequent(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

static int by_column(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->column > y->column) - (x->column < y->column);
}

static uint64_t longest(const hw_sparse *s)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->rows; i++)
        if (s->offset[i + 1] - s->offset[i] > most) most = s->offset[i + 1] - s->offset[i];
    return most;
}

/* Columns beyond the numbering keep their place behind it. row: room for the longest one. */
static void renumber(hw_sparse *s, const uint32_t *number, uint32_t columns, entry *row)
{
    for (uint32_t i = 0; i < s->rows; i++) {
        uint64_t from = s->offset[i], n = s->offset[i + 1] - from;
        for (uint64_t k = 0; k < n; k++) {
            uint32_t old = s->index[from + k];
            row[k] = (entry){0, old < columns ? number[old] : old, s->value[from + k]};
        }
        qsort(row, (size_t)n, sizeof *row, by_column);
        for (uint64_t k = 0; k < n; k++) {
            s->index[from + k] = row[k].column;
            s->value[from + k] = row[k].value;
        }
    }
}

hw_status hw_sparse_by_frequency(hw_sparse *train, hw_sparse *other, uint32_t *number, char *why)
{
    if (!train || !number)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_by_frequency: a data set and numbers are needed");
    uint64_t room = longest(train), n = train->columns;
    if (other && longest(other) > room) room = longest(other);
    if (room < n) room = n;
    uint32_t *count = hw__base_zalloc((size_t)n + 1, sizeof *count);
    entry *work = hw__base_zalloc((size_t)room + 1, sizeof *work);
    hw_status status = HW_OK;
    if (!count || !work)
        status = hw__base_fail(why, HW_E_MEMORY, "hw_sparse_by_frequency: no memory for %llu columns",
                               (unsigned long long)n);
    if (status == HW_OK) status = hw__sparse_own(train, why);
    if (status == HW_OK && other) status = hw__sparse_own(other, why);
    if (status == HW_OK) {
        hw_sparse_frequency(train, count);
        for (uint32_t j = 0; j < n; j++) work[j] = (entry){count[j], j, 0};
        qsort(work, (size_t)n, sizeof *work, more_frequent);
        for (uint32_t j = 0; j < n; j++) number[work[j].column] = j;
        renumber(train, number, (uint32_t)n, work);
        if (other) renumber(other, number, (uint32_t)n, work);
    }
    hw__base_free(count);
    hw__base_free(work);
    return status;
}
