/* sparse.c - sparse rows in memory: making and checking them, labels as classes, weights of columns, parts. It reads no
 * file. */
#include "sparse.h"
#include "../../base/base.h"
#include <math.h>
#include <string.h>
#include <sys/mman.h>

void hw_sparse_free(hw_sparse *s)
{
    if (!s) return;
    if (s->map) {
        (void)munmap(s->map, s->map_bytes);
    } else {
        hw__base_free(s->offset);
        hw__base_free(s->index);
        hw__base_free(s->value);
        hw__base_free(s->label);
    }
    memset(s, 0, sizeof *s);
}

hw_status hw__sparse_make(hw_sparse *s, uint32_t rows, uint32_t columns, uint64_t nonzeros, char *why)
{
    *s = (hw_sparse){.rows = rows, .columns = columns, .nonzeros = nonzeros};
    if (nonzeros <= SIZE_MAX / 8) {
        s->offset = hw__base_zalloc((size_t)rows + 1, sizeof *s->offset);
        s->index = hw__base_zalloc((size_t)nonzeros, sizeof *s->index);
        s->value = hw__base_zalloc((size_t)nonzeros, sizeof *s->value);
        s->label = hw__base_zalloc(rows, sizeof *s->label);
    }
    if (s->offset && s->index && s->value && s->label) return HW_OK;
    hw_sparse_free(s);
    return hw__base_fail(why, HW_E_MEMORY, "no memory for %u rows with %llu non-zeros", rows,
                         (unsigned long long)nonzeros);
}

hw_status hw__sparse_own(hw_sparse *s, char *why)
{
    hw_sparse own;
    if (!s->map) return HW_OK;
    hw_status status = hw__sparse_make(&own, s->rows, s->columns, s->nonzeros, why);
    if (status != HW_OK) return status;
    memcpy(own.offset, s->offset, ((size_t)s->rows + 1) * sizeof *s->offset);
    memcpy(own.index, s->index, (size_t)s->nonzeros * sizeof *s->index);
    memcpy(own.value, s->value, (size_t)s->nonzeros * sizeof *s->value);
    memcpy(own.label, s->label, (size_t)s->rows * sizeof *s->label);
    hw_sparse_free(s);
    *s = own;
    return HW_OK;
}

const char *hw__sparse_fault(const hw_sparse *s)
{
    if (!s->rows || !s->columns) return "there are no rows or no columns";
    if (!s->offset || !s->index || !s->value || !s->label) return "an array is missing";
    if (s->offset[0] != 0 || s->offset[s->rows] != s->nonzeros) return "the offsets do not span the non-zeros";
    for (uint32_t i = 0; i < s->rows; i++) {
        uint64_t first = s->offset[i], end = s->offset[i + 1];
        if (end < first || end > s->nonzeros) return "an offset is out of order";
        unsigned wrong = 0;
        for (uint64_t k = first + 1; k < end; k++) wrong |= s->index[k] <= s->index[k - 1];
        if (wrong) return "the indices of a row are not ascending";
        if (end > first && s->index[end - 1] >= s->columns) return "an index is not below the number of columns";
    }
    if (!hw__base_all_finite(s->value, (size_t)s->nonzeros)) return "a value is not finite";
    if (!hw__base_all_finite(s->label, s->rows)) return "a label is not finite";
    return NULL;
}

hw_status hw_sparse_signs(hw_sparse *s, double split, char *why)
{
    if (!s || !s->rows) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_signs: a data set with rows is needed");
    float low = s->label[0], high = low;
    for (uint32_t i = 1; i < s->rows; i++) {
        low = s->label[i] < low ? s->label[i] : low;
        high = s->label[i] > high ? s->label[i] : high;
    }
    if (!hw__base_finite_double(split)) {
        for (uint32_t i = 0; i < s->rows; i++)
            if (s->label[i] != low && s->label[i] != high)
                return hw__base_fail(
                    why, HW_E_FORMAT,
                    "labels as signs: there are more than two values (%g, %g and %g in row %u): a split "
                    "is needed",
                    (double)low, (double)high, (double)s->label[i], i);
        if (low == high && low != 1 && low != -1)
            return hw__base_fail(why, HW_E_FORMAT, "labels as signs: all are %g: two values or a split are needed",
                                 (double)low);
        split = low == high ? 0 : (double)high;
    }
    hw_status status = hw__sparse_own(s, why);
    if (status != HW_OK) return status;
    for (uint32_t i = 0; i < s->rows; i++) s->label[i] = (double)s->label[i] < split ? -1.0f : 1.0f;
    return HW_OK;
}

/* Where x stands, or would stand, in an ascending list. */
static unsigned place(const float *list, unsigned n, float x)
{
    unsigned low = 0, high = n;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (list[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

hw_status hw_sparse_classes(hw_sparse *s, unsigned *classes, float *values, char *why)
{
    float list[256];
    unsigned n = classes ? *classes : 0;
    bool given = n > 0;
    if (!s || !s->rows || n > 256 || (given && !values))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_sparse_classes: a data set with rows is needed, at most 256 classes and, where they are "
            "given, their values");
    if (given) memcpy(list, values, n * sizeof *list);
    for (unsigned c = 1; c < n; c++)
        if (!(list[c - 1] < list[c]))
            return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_classes: the classes' values are not ascending");
    for (uint32_t i = 0; i < s->rows; i++) {
        float x = s->label[i];
        unsigned at = place(list, n, x);
        if (at < n && list[at] <= x) continue;
        if (given)
            return hw__base_fail(why, HW_E_FORMAT, "labels as classes: the label %g of row %u is none of the %u known",
                                 (double)x, i, n);
        if (n == 256)
            return hw__base_fail(why, HW_E_LIMIT, "labels as classes: more than 256 different ones up to row %u", i);
        memmove(list + at + 1, list + at, (n - at) * sizeof *list);
        list[at] = x;
        n++;
    }
    hw_status status = hw__sparse_own(s, why);
    if (status != HW_OK) return status;
    for (uint32_t i = 0; i < s->rows; i++) s->label[i] = (float)place(list, n, s->label[i]);
    if (classes) *classes = n;
    if (values) memcpy(values, list, n * sizeof *list);
    return HW_OK;
}

void hw_sparse_frequency(const hw_sparse *s, uint32_t *count)
{
    memset(count, 0, (size_t)s->columns * sizeof *count);
    for (uint64_t k = 0; k < s->nonzeros; k++) count[s->index[k]] += s->value[k] != 0;
}

void hw_sparse_idf(const hw_sparse *s, float *idf)
{
    /* The counts live in the result's own memory as bits, since a float counts to 2^24 only. */
    memset(idf, 0, (size_t)s->columns * sizeof *idf);
    for (uint64_t k = 0; k < s->nonzeros; k++) {
        uint32_t n;
        memcpy(&n, idf + s->index[k], sizeof n);
        n += s->value[k] != 0;
        memcpy(idf + s->index[k], &n, sizeof n);
    }
    for (uint32_t j = 0; j < s->columns; j++) {
        uint32_t n;
        memcpy(&n, idf + j, sizeof n);
        idf[j] = (float)(log((1.0 + s->rows) / (1.0 + n)) + 1);
    }
}

hw_status hw_sparse_scale(hw_sparse *s, const float *scale, char *why)
{
    if (!s || !scale) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_scale: a data set and factors are needed");
    for (uint64_t k = 0; k < s->nonzeros; k++)
        if (!hw__base_finite(s->value[k] * scale[s->index[k]]))
            return hw__base_fail(why, HW_E_ARGUMENT, "scale: %g times the factor %g of column %u is not finite",
                                 (double)s->value[k], (double)scale[s->index[k]], s->index[k]);
    hw_status status = hw__sparse_own(s, why);
    if (status != HW_OK) return status;
    for (uint64_t k = 0; k < s->nonzeros; k++) s->value[k] *= scale[s->index[k]];
    return HW_OK;
}

hw_status hw_sparse_unit_rows(hw_sparse *s, char *why)
{
    if (!s) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_unit_rows: a data set is needed");
    hw_status status = hw__sparse_own(s, why);
    if (status != HW_OK) return status;
    for (uint32_t i = 0; i < s->rows; i++) {
        double sum = 0; /* of squares of floats: neither overflows nor vanishes in doubles */
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) sum += (double)s->value[k] * (double)s->value[k];
        double length = sqrt(sum);
        for (uint64_t k = s->offset[i]; length > 0 && k < s->offset[i + 1]; k++)
            s->value[k] = (float)((double)s->value[k] / length);
    }
    return HW_OK;
}

hw_status hw_sparse_subset(const hw_sparse *s, uint64_t seed, uint32_t first, uint32_t count, hw_sparse *out, char *why)
{
    if (out && out != s) memset(out, 0, sizeof *out);
    if (!s || !out || s == out || !count || first > s->rows || count > s->rows - first)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_subset: rows %u and %u more of a set of %u", first, count,
                             s ? s->rows : 0);
    uint64_t nonzeros = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = hw_permute(seed, 0, s->rows, first + i);
        nonzeros += s->offset[row + 1] - s->offset[row];
    }
    hw_status status = hw__sparse_make(out, count, s->columns, nonzeros, why);
    if (status != HW_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = hw_permute(seed, 0, s->rows, first + i);
        uint64_t from = s->offset[row], to = out->offset[i];
        size_t n = (size_t)(s->offset[row + 1] - from);
        memcpy(out->index + to, s->index + from, n * sizeof *out->index);
        memcpy(out->value + to, s->value + from, n * sizeof *out->value);
        out->offset[i + 1] = to + n;
        out->label[i] = s->label[row];
    }
    return HW_OK;
}
