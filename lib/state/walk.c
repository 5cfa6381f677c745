/* walk.c - fields of records into a state and out of it. */
#include "walk.h"
#include "../base/counter.h"
#include <stdarg.h>
#include <string.h>

void hw__walk_refuse(hw__walk *v, const char *format, ...)
{
    char sentence[HW_WHY];
    if (v->status != HW_OK) return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    v->status = hw__base_fail(v->why, HW_E_FORMAT, "%s", sentence);
}

static void put_failed(hw__walk *v, hw_status status, const char *name)
{
    if (status != HW_OK)
        v->status =
            hw__base_fail(v->why, status, "the state does not take entry '%s': %s", name, hw_status_text(status));
}

static const hw_entry *entry_of(hw__walk *v, const char *name, hw_entry_kind kind)
{
    static const char *const kinds[] = {"an array", "a whole number", "a real number", "a text"};
    const hw_entry *x = hw_state_find(v->from, name);
    if (!x)
        hw__walk_refuse(v, "the state has no entry '%s'", name);
    else if (x->kind != kind)
        hw__walk_refuse(v, "entry '%s' of the state is not %s", name, kinds[kind]);
    return x && x->kind == kind ? x : NULL;
}

static bool same_shape(const hw_entry *x, hw_dtype dtype, unsigned dims, const uint64_t *shape)
{
    if (x->kind != HW_ENTRY_ARRAY || x->dtype != dtype || x->dims != dims) return false;
    for (unsigned d = 0; d < dims; d++)
        if (x->shape[d] != shape[d]) return false;
    return true;
}

static void describe(hw_dtype dtype, unsigned dims, const uint64_t *shape, char *text, size_t size)
{
    static const char *const names[] = {"F32", "F64", "U64", "U32", "U8"};
    int n = snprintf(text, size, "%s[", (unsigned)dtype < 5 ? names[dtype] : "?");
    for (unsigned d = 0; d < dims && n > 0 && (size_t)n < size; d++)
        n += snprintf(text + n, size - (size_t)n, "%s%llu", d ? "," : "", (unsigned long long)shape[d]);
    if (n > 0 && (size_t)n < size) (void)snprintf(text + n, size - (size_t)n, "]");
}

/* An empty array has no data that anybody looks at, but is there. */
static void *data_of(const hw_entry *x)
{
    return x->data ? x->data : (void *)&((hw_entry *)x)->data;
}

void *hw__walk_array(hw__walk *v, const char *name, hw_dtype dtype, unsigned dims, const uint64_t *shape)
{
    if (v->status != HW_OK) return NULL;
    if (v->way == WALK_PUT) {
        const hw_entry *there = hw_state_find(v->to, name);
        if (!there || !same_shape(there, dtype, dims, shape)) {
            put_failed(v, hw_state_put(v->to, name, dtype, dims, shape, NULL), name);
            there = hw_state_find(v->to, name);
        }
        return v->status == HW_OK ? data_of(there) : NULL;
    }
    const hw_entry *x = entry_of(v, name, HW_ENTRY_ARRAY);
    if (!x) return NULL;
    if (same_shape(x, dtype, dims, shape)) return data_of(x);
    char is[96], should[96];
    describe(x->dtype, x->dims, x->shape, is, sizeof is);
    describe(dtype, dims, shape, should, sizeof should);
    hw__walk_refuse(v, "entry '%s' of the state is %s, expected %s", name, is, should);
    return NULL;
}

void hw__walk_floats(hw__walk *v, const char *name, float *values, size_t stride, size_t rows, size_t columns)
{
    const uint64_t shape[2] = {rows, columns};
    float *data = rows == 1 ? hw__walk_array(v, name, HW_F32, 1, shape + 1) : hw__walk_array(v, name, HW_F32, 2, shape);
    if (!data) return;
    if (v->way == WALK_CHECK && !hw__base_all_finite(data, rows * columns))
        hw__walk_refuse(v, "entry '%s' of the state holds a value that is not finite", name);
    for (size_t r = 0; v->way != WALK_CHECK && r < rows; r++) {
        float *x = values + r * stride, *y = data + r * columns;
        memcpy(v->way == WALK_PUT ? y : x, v->way == WALK_PUT ? x : y, columns * sizeof *x);
    }
}

void hw__walk_plain(hw__walk *v, const char *name, hw_dtype dtype, void *values, size_t count)
{
    const uint64_t shape = count;
    void *data = hw__walk_array(v, name, dtype, 1, &shape);
    if (!data || v->way == WALK_CHECK) return;
    memcpy(v->way == WALK_PUT ? data : values, v->way == WALK_PUT ? values : data, count * hw_dtype_size(dtype));
}

bool hw__walk_has(const hw__walk *v, const char *name)
{
    return v->way == WALK_PUT || hw_state_find(v->from, name) != NULL;
}

void hw__walk_same(hw__walk *v, const char *name, uint64_t value, const char *what)
{
    if (v->status != HW_OK) return;
    if (v->way == WALK_PUT) {
        put_failed(v, hw_state_put_number(v->to, name, value), name);
        return;
    }
    const hw_entry *x = entry_of(v, name, HW_ENTRY_COUNT);
    if (x && x->number != value)
        hw__walk_refuse(v, "the state was captured with %s %llu, this engine has %llu", what,
                        (unsigned long long)x->number, (unsigned long long)value);
}

/* --- fields: every whole number is 64 bits on its way, every real a double -----------------------------------------
 */

static bool is_real(hw__field_kind kind)
{
    return kind == WALK_F64 || kind == WALK_COUNTER_REAL;
}

static uint64_t whole_of(hw__field_kind kind, const void *at)
{
    switch (kind) {
    case WALK_U64: return *(const uint64_t *)at;
    case WALK_U32: return *(const uint32_t *)at;
    case WALK_INT: return *(const unsigned *)at;
    case WALK_SIZE: return *(const size_t *)at;
    case WALK_BOOL: return *(const bool *)at;
    case WALK_COUNTER: return hw__counter_get(at);
    default: return 0;
    }
}

static void set_whole(hw__field_kind kind, void *at, uint64_t x)
{
    switch (kind) {
    case WALK_U64: *(uint64_t *)at = x; break;
    case WALK_U32: *(uint32_t *)at = (uint32_t)x; break;
    case WALK_INT: *(unsigned *)at = (unsigned)x; break;
    case WALK_SIZE: *(size_t *)at = (size_t)x; break;
    case WALK_BOOL: *(bool *)at = x != 0; break;
    case WALK_COUNTER: hw__counter_set(at, x); break;
    default: break;
    }
}

static double real_of(hw__field_kind kind, const void *at)
{
    return kind == WALK_F64 ? *(const double *)at : hw__counter_get_double(at);
}

static void set_real(hw__field_kind kind, void *at, double x)
{
    if (kind == WALK_F64) {
        *(double *)at = x;
        return;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    hw__counter_set(at, bits);
}

static void check_whole(hw__walk *v, const hw__field *f, const char *name, uint64_t x)
{
    uint64_t most = f->kind == WALK_BOOL                            ? 1
                    : f->kind == WALK_U32 || f->kind == WALK_INT    ? UINT32_MAX
                    : f->rule == WALK_COUNT || f->rule == WALK_WHEN ? WALK_MOST
                    : f->kind == WALK_SIZE && SIZE_MAX < UINT64_MAX ? SIZE_MAX
                                                                    : UINT64_MAX;
    if (x > most && !(f->rule == WALK_WHEN && x == UINT64_MAX))
        hw__walk_refuse(v, "entry '%s' of the state holds %llu: at most %llu is possible", name, (unsigned long long)x,
                        (unsigned long long)most);
}

static void check_real(hw__walk *v, const hw__field *f, const char *name, double x)
{
    bool bounded = f->rule == WALK_FINITE || f->rule == WALK_POSITIVE;
    if ((bounded && !hw__base_finite_double(x)) || (f->rule == WALK_POSITIVE && x < 0))
        hw__walk_refuse(v, "entry '%s' of the state holds %g: it must be finite%s", name, x,
                        f->rule == WALK_POSITIVE ? " and not negative" : "");
}

static void check_stream(hw__walk *v, const char *name, const uint64_t *s)
{
    if (!(s[0] | s[1] | s[2] | s[3])) hw__walk_refuse(v, "entry '%s' of the state has a random stream of zeros", name);
}

void hw__walk_values(hw__walk *v, const char *room, const hw__field *table, size_t fields, void *record)
{
    for (size_t i = 0; i < fields && v->status == HW_OK; i++) {
        const hw__field *f = table + i;
        void *at = (char *)record + f->offset;
        char name[HW_STATE_NAME];
        (void)snprintf(name, sizeof name, "%s.%s", room, f->name);
        if (v->way == WALK_PUT) {
            put_failed(v,
                       is_real(f->kind) ? hw_state_put_real(v->to, name, real_of(f->kind, at))
                                        : hw_state_put_number(v->to, name, whole_of(f->kind, at)),
                       name);
            continue;
        }
        const hw_entry *x = entry_of(v, name, is_real(f->kind) ? HW_ENTRY_REAL : HW_ENTRY_COUNT);
        if (!x) return;
        if (v->way == WALK_TAKE && is_real(f->kind))
            set_real(f->kind, at, x->real);
        else if (v->way == WALK_TAKE)
            set_whole(f->kind, at, x->number);
        else if (is_real(f->kind))
            check_real(v, f, name, x->real);
        else
            check_whole(v, f, name, x->number);
    }
}

static void visit_column(hw__walk *v, const hw__field *f, const char *name, void *records, size_t stride, size_t count)
{
    const uint64_t shape[2] = {count, 4};
    hw_dtype dtype = is_real(f->kind)                             ? HW_F64
                     : f->kind == WALK_U32 || f->kind == WALK_INT ? HW_U32
                     : f->kind == WALK_BOOL                       ? HW_U8
                                                                  : HW_U64;
    void *data = hw__walk_array(v, name, dtype, f->kind == WALK_STREAM ? 2 : 1, shape);
    for (size_t i = 0; data && i < count && v->status == HW_OK; i++) {
        void *at = records ? (char *)records + i * stride + f->offset : NULL;
        if (f->kind == WALK_STREAM) {
            uint64_t *s = (uint64_t *)data + 4 * i;
            if (v->way == WALK_CHECK)
                check_stream(v, name, s);
            else
                memcpy(v->way == WALK_PUT ? (void *)s : at, v->way == WALK_PUT ? at : (void *)s, 4 * sizeof *s);
        } else if (dtype == HW_F64) {
            double *x = (double *)data + i;
            if (v->way == WALK_PUT)
                *x = real_of(f->kind, at);
            else if (v->way == WALK_TAKE)
                set_real(f->kind, at, *x);
            else
                check_real(v, f, name, *x);
        } else {
            uint64_t *u64 = data;
            uint32_t *u32 = data;
            uint8_t *u8 = data;
            if (v->way == WALK_PUT) {
                uint64_t x = whole_of(f->kind, at);
                if (dtype == HW_U64)
                    u64[i] = x;
                else if (dtype == HW_U32)
                    u32[i] = (uint32_t)x;
                else
                    u8[i] = (uint8_t)x;
                continue;
            }
            uint64_t x = dtype == HW_U64 ? u64[i] : dtype == HW_U32 ? u32[i] : u8[i];
            if (v->way == WALK_TAKE)
                set_whole(f->kind, at, x);
            else
                check_whole(v, f, name, x);
        }
    }
}

void hw__walk_columns(hw__walk *v, const char *room, const hw__field *table, size_t fields, void *records,
                      size_t stride, size_t count)
{
    for (size_t i = 0; i < fields && v->status == HW_OK; i++) {
        char name[HW_STATE_NAME];
        (void)snprintf(name, sizeof name, "%s.%s", room, table[i].name);
        visit_column(v, table + i, name, records, stride, count);
    }
}
