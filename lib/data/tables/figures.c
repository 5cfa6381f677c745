/* figures.c - the figures of a sparse set that HOGWILD!'s theory is written in (Niu et al. 2011, section 2): how many
 * columns a row touches, how many rows a column is in, how many rows meet one row. */
#include "../../base/base.h"
#include "sparse.h"
#include <stdlib.h>
#include <string.h>

#define MOST_VISITS ((uint64_t)1 << 27)

/* The set turned on its side: which rows each column is in. */
typedef struct sides {
    uint32_t columns;
    const uint32_t *column; /* of each entry                                                      */
    uint32_t *renumbered;   /* column's memory where the set's own numbers would be too wide      */
    uint64_t *start;        /* columns + 1: column j is in rows row[start[j]] .. row[start[j + 1] - 1] */
    uint32_t *row;
} sides;

static void sides_free(sides *t)
{
    hw__base_free(t->renumbered);
    hw__base_free(t->start);
    hw__base_free(t->row);
}

static int ascending(const void *a_, const void *b_)
{
    uint32_t a, b;
    memcpy(&a, a_, sizeof a);
    memcpy(&b, b_, sizeof b);
    return a < b ? -1 : a > b;
}

/* Numbers only the columns that occur, so that memory follows the entries: a file of one row can claim 2^32 columns. */
static bool renumber(const hw_sparse *s, sides *t)
{
    size_t n = (size_t)s->nonzeros;
    uint32_t *distinct = hw__base_zalloc(n, sizeof *distinct), count = 0;
    t->renumbered = hw__base_zalloc(n, sizeof *t->renumbered);
    if (distinct && t->renumbered) {
        memcpy(distinct, s->index, n * sizeof *distinct);
        qsort(distinct, n, sizeof *distinct, ascending);
        for (size_t k = 0; k < n; k++)
            if (count == 0 || distinct[count - 1] != distinct[k]) distinct[count++] = distinct[k];
        for (size_t k = 0; k < n; k++) {
            const uint32_t *at = bsearch(&s->index[k], distinct, count, sizeof *distinct, ascending);
            t->renumbered[k] = (uint32_t)(at - distinct);
        }
    }
    t->column = t->renumbered;
    t->columns = count;
    hw__base_free(distinct);
    return count > 0;
}

static bool turn(const hw_sparse *s, sides *t)
{
    *t = (sides){.columns = s->columns, .column = s->index};
    if (s->columns / 4 > s->nonzeros + 16384 && s->nonzeros && !renumber(s, t)) return false;
    if (!s->nonzeros) t->columns = 0;
    t->start = hw__base_zalloc((size_t)t->columns + 2, sizeof *t->start);
    t->row = hw__base_zalloc((size_t)s->nonzeros, sizeof *t->row);
    if (!t->start || !t->row) return false;
    /* Counted two places further on and summed, start[j + 1] is where the next row of column j goes; at the end it is
     * where column j ends. */
    for (uint64_t k = 0; k < s->nonzeros; k++) t->start[t->column[k] + (size_t)2]++;
    for (size_t j = 1; j <= t->columns; j++) t->start[j + 1] += t->start[j];
    for (uint32_t i = 0; i < s->rows; i++)
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) t->row[t->start[t->column[k] + (size_t)1]++] = i;
    return true;
}

typedef struct candidate {
    uint64_t visits; /* entries in the columns of the row, so it meets no more rows than that */
    uint32_t row;
} candidate;

static int most_first(const void *a_, const void *b_)
{
    const candidate *a = a_, *b = b_;
    if (a->visits != b->visits) return a->visits > b->visits ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* The most rows that one row meets. Rows are tried from the one with most entries in its columns downwards, so that the
 * search ends as soon as no other can meet more; *exact says whether it came to that within MOST_VISITS. */
static uint32_t most_met(const hw_sparse *s, const sides *t, candidate *list, uint32_t *stamp, int *exact)
{
    uint32_t best = 0, filled = 0;
    for (uint32_t i = 0; i < s->rows; i++) {
        list[i] = (candidate){0, i};
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++)
            list[i].visits += t->start[t->column[k] + (size_t)1] - t->start[t->column[k]];
        filled += s->offset[i + 1] > s->offset[i];
    }
    qsort(list, s->rows, sizeof *list, most_first);
    uint64_t left = MOST_VISITS;
    for (uint32_t i = 0; i < s->rows && best < filled && list[i].visits > best; i++) {
        uint32_t row = list[i].row, met = 0;
        if (list[i].visits > left) {
            *exact = 0;
            break;
        }
        left -= list[i].visits;
        for (uint64_t k = s->offset[row]; k < s->offset[row + 1] && met < filled; k++)
            for (uint64_t v = t->start[t->column[k]]; v < t->start[t->column[k] + (size_t)1]; v++) {
                met += stamp[t->row[v]] != i + 1;
                stamp[t->row[v]] = i + 1;
            }
        best = met > best ? met : best;
    }
    return best;
}

hw_status hw_sparse_measure(const hw_sparse *s, hw_sparse_figures *f, char *why)
{
    if (!s || !f || !s->rows)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_measure: a data set with rows and a place for its figures");
    *f = (hw_sparse_figures){.rows = s->rows, .columns = s->columns, .nonzeros = s->nonzeros, .rho_exact = 1};
    sides t;
    bool turned = turn(s, &t);
    candidate *list = hw__base_zalloc(s->rows, sizeof *list);
    uint32_t *stamp = hw__base_zalloc(s->rows, sizeof *stamp);
    hw_status status = HW_OK;
    if (turned && list && stamp) {
        uint64_t delta = 0;
        for (uint32_t i = 0; i < s->rows; i++) {
            uint64_t n = s->offset[i + 1] - s->offset[i];
            f->omega = n > f->omega ? (uint32_t)n : f->omega;
        }
        for (size_t j = 0; j < t.columns; j++)
            delta = t.start[j + 1] - t.start[j] > delta ? t.start[j + 1] - t.start[j] : delta;
        f->mean = (double)s->nonzeros / s->rows;
        f->delta = (double)delta / s->rows;
        f->rho = (double)most_met(s, &t, list, stamp, &f->rho_exact) / s->rows;
    } else {
        status = hw__base_fail(why, HW_E_MEMORY, "no memory for the figures of %u rows with %llu non-zeros", s->rows,
                               (unsigned long long)s->nonzeros);
    }
    sides_free(&t);
    hw__base_free(list);
    hw__base_free(stamp);
    return status;
}

void hw_sparse_print(const hw_sparse_figures *f, FILE *out)
{
    fprintf(out,
            "%u rows, %u columns, %llu non-zeros; a row has %.1f on average and at most %u (Omega); one column is in "
            "%.4g of the rows (Delta); one row meets %s%.4g of them (rho)\n",
            f->rows, f->columns, (unsigned long long)f->nonzeros, f->mean, f->omega, f->delta,
            f->rho_exact ? "" : "at least ", f->rho);
}
