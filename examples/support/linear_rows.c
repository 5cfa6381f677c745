/* linear_rows.c - the rows that linear models are trained and tested on: where they come from, and the
 * preparation that a model must repeat on new ones. */
#include "linear.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static hw_status failed(char *why, hw_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(why, HW_WHY, format, list);
    va_end(list);
    return status;
}

/* --- data ----------------------------------------------------------------------------------------------------------
 */

unsigned linear_rebase(hw_sparse *s)
{
    if (s->columns < 2) return 0;
    for (uint64_t k = 0; k < s->nonzeros; k++)
        if (s->index[k] == 0) return 0;
    for (uint64_t k = 0; k < s->nonzeros; k++) s->index[k]--;
    s->columns--;
    return 1;
}

static hw_status copy_rows(const hw_sparse *s, uint32_t skip, uint32_t skipped, hw_sparse *out, char *why)
{
    uint64_t from = s->offset[skip], gap = s->offset[skip + skipped] - from;
    *out = (hw_sparse){.rows = s->rows - skipped, .columns = s->columns, .nonzeros = s->nonzeros - gap};
    out->offset = malloc(((size_t)out->rows + 1) * sizeof *out->offset);
    out->index = malloc((out->nonzeros + 1) * sizeof *out->index);
    out->value = malloc((out->nonzeros + 1) * sizeof *out->value);
    out->label = malloc(out->rows * sizeof *out->label);
    if (!out->offset || !out->index || !out->value || !out->label) {
        hw_sparse_free(out);
        return failed(why, HW_E_MEMORY, "no memory for a fold");
    }
    for (uint32_t i = 0, to = 0; i <= s->rows; i++) {
        bool after = i >= skip + skipped;
        if (i < skip || after) out->offset[to] = s->offset[i] - (after ? gap : 0);
        if (i < s->rows && (i < skip || after)) out->label[to] = s->label[i];
        to += i < skip || after;
    }
    memcpy(out->index, s->index, from * sizeof *out->index);
    memcpy(out->value, s->value, from * sizeof *out->value);
    memcpy(out->index + from, s->index + from + gap, (out->nonzeros - from) * sizeof *out->index);
    memcpy(out->value + from, s->value + from + gap, (out->nonzeros - from) * sizeof *out->value);
    return HW_OK;
}

hw_status linear_fold(const hw_sparse *s, uint32_t first, uint32_t count, hw_sparse *kept, hw_sparse *out, char *why)
{
    hw_sparse head;
    memset(out, 0, sizeof *out);
    hw_status status = copy_rows(s, first, count, kept, why);
    if (status != HW_OK) return status;
    status = copy_rows(s, first + count, s->rows - first - count, &head, why); /* what is before its end ... */
    if (status == HW_OK) status = first ? copy_rows(&head, 0, first, out, why) : HW_OK;
    if (status == HW_OK && first == 0)
        *out = head;
    else if (status == HW_OK)
        hw_sparse_free(&head);
    if (status != HW_OK) hw_sparse_free(kept);
    return status;
}

/* --- where rows come from ------------------------------------------------------------------------------------------
 */

static hw_status generate(linear_rows *r, char *why)
{
    hw_sparse_plan plan = hw_sparse_plan_defaults(20000, 2000);
    hw_status status = hw_sparse_generate(&plan, NULL, &r->train, why);
    plan.first = plan.rows;
    plan.rows = 5000;
    if (status == HW_OK) status = hw_sparse_generate(&plan, NULL, &r->test, why);
    r->has_test = status == HW_OK;
    (void)snprintf(r->source, sizeof r->source,
                   "20000 generated rows (no --train, and no a9a found; set HOGWILD_DATA to use it)");
    return status;
}

static hw_status read_rows(const linear_files *f, const char *path, unsigned base, uint32_t columns, hw_sparse *s,
                           char *why)
{
    hw_libsvm_options l = hw_libsvm_defaults();
    l.base = (int)base;
    l.columns = columns;
    l.cache = f->cache ? "" : NULL;
    return hw_libsvm_read(path, &l, s, why);
}

/* Rows in random order, once, so that neighbours can be visited together. */
static hw_status shuffle(hw_sparse *s, uint64_t seed, char *why)
{
    hw_sparse out;
    hw_status status = hw_sparse_subset(s, seed, 0, s->rows, &out, why);
    if (status != HW_OK) return status;
    hw_sparse_free(s);
    *s = out;
    return HW_OK;
}

static hw_status label(hw_linear_model *m, hw_sparse *s, bool fresh, const char *path, char *why)
{
    char detail[HW_WHY];
    hw_status status = hw_linear_model_label(m, s, fresh, detail);
    return status == HW_OK ? HW_OK : failed(why, status, "%.100s: %.150s", path, detail);
}

static hw_status open_train(const linear_files *f, hw_linear_model *m, linear_rows *r, const char *path, char *why)
{
    bool given = strcmp(f->base, "auto") != 0, fresh = !f->loaded;
    if (fresh) m->base = given && *f->base == '1';
    hw_status status = r->train.rows ? HW_OK : read_rows(f, path, m->base, fresh ? 0 : m->columns, &r->train, why);
    if (status == HW_OK) status = label(m, &r->train, fresh, r->source, why);
    if (status == HW_OK) status = shuffle(&r->train, f->seed, why);
    if (status == HW_OK && fresh && !given && path) m->base = linear_rebase(&r->train);
    if (status == HW_OK && fresh) m->columns = r->train.columns;
    r->train.columns = m->columns; /* a loaded model may have more */
    return status;
}

static hw_status open_test(const linear_files *f, hw_linear_model *m, linear_rows *r, const char *path, char *why)
{
    if (path) {
        hw_status status = read_rows(f, path, m->base, 0, &r->test, why);
        if (status != HW_OK) return status;
        r->has_test = true;
    }
    if (!r->has_test) return HW_OK;
    hw_status status = label(m, &r->test, false, path ? path : r->source, why);
    r->labelled = status == HW_OK;
    if (r->labelled || !f->labels_optional) return status;
    (void)snprintf(r->note, sizeof r->note, "%s", why);
    return HW_OK;
}

hw_status linear_open(const linear_files *f, hw_linear_model *m, linear_rows *r, char *why)
{
    char folder[600], train[640], test[640];
    const char *train_path = f->train, *test_path = f->test;
    hw_status status = HW_OK;
    memset(r, 0, sizeof *r);
    if (!f->train && !f->loaded) {
        hw_data_folder(folder, sizeof folder);
        (void)snprintf(train, sizeof train, "%s/a9a/a9a", folder);
        (void)snprintf(test, sizeof test, "%s/a9a/a9a.t", folder);
        bool found = *folder && access(train, R_OK) == 0;
        train_path = found ? train : NULL;
        if (found && !f->test && access(test, R_OK) == 0) test_path = test;
        if (!found) status = generate(r, why);
    }
    if (train_path) (void)snprintf(r->source, sizeof r->source, "%.280s", train_path);
    if (status == HW_OK && (train_path || r->train.rows)) status = open_train(f, m, r, train_path, why);
    if (status == HW_OK) status = open_test(f, m, r, test_path, why);
    if (status != HW_OK) linear_close(r);
    return status;
}

void linear_close(linear_rows *r)
{
    hw_sparse_free(&r->train);
    hw_sparse_free(&r->test);
}
