/* test_params.c - the shared array: modes against a reference, the wide path against the scalar one, conservation,
 * consistency and the bound on versions. */
#include "check.h"

enum { N = 5003 };

static float noise(size_t i)
{
    return sinf((float)i * 1.7f) + 0.01f * (float)(i % 7);
}

static hw_params *make(size_t n, unsigned workers, unsigned arrays, hw_read_mode read, hw_write_mode write,
                       hw_path path)
{
    hw_params_config c = hw_params_defaults(n, workers);
    c.arrays = arrays;
    c.read = read;
    c.write = write;
    c.path = path;
    char why[HW_WHY] = "";
    hw_params *p = NULL;
    if (hw_params_create(&p, &c, why) != HW_OK) print_error("%s\n", why);
    assert_non_null(p);
    return p;
}

static const struct mode {
    hw_read_mode read;
    hw_write_mode write;
    hw_path path;
} modes[] = {
    {HW_READ_ATOMIC, HW_WRITE_ADD, HW_PATH_SCALAR},     {HW_READ_ATOMIC, HW_WRITE_ADD, HW_PATH_AUTO},
    {HW_READ_ATOMIC, HW_WRITE_STRIPED, HW_PATH_SCALAR}, {HW_READ_ATOMIC, HW_WRITE_STRIPED, HW_PATH_AUTO},
    {HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_SCALAR},    {HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO},
    {HW_READ_CONSISTENT, HW_WRITE_ADD, HW_PATH_SCALAR}, {HW_READ_CONSISTENT, HW_WRITE_ADD, HW_PATH_AUTO},
    {HW_READ_ATOMIC, HW_WRITE_LOCKED, HW_PATH_AUTO},    {HW_READ_CONSISTENT, HW_WRITE_LOCKED, HW_PATH_AUTO},
};
#define MODES (sizeof modes / sizeof *modes)

/* w, v, u in double, by the header's formulas. */
static void reference(double (*a)[N], const hw_form *f, size_t i, double g)
{
    double last = a[2][i];
    if (f->kind == HW_FORM_ADD) {
        a[0][i] += (double)f->e * g;
        return;
    }
    double v = (double)f->a * a[1][i] + (double)f->b * g + (f->kind == HW_FORM_GENERAL ? (double)f->c * last : 0);
    a[1][i] = v;
    if (f->kind == HW_FORM_GENERAL) a[2][i] = g;
    a[0][i] += f->kind == HW_FORM_GENERAL ? (double)f->d * v + (double)f->e * g : v;
}

static void every_mode_matches_the_formulas(void **state)
{
    (void)state;
    static double want[3][N];
    static float g[N], got[N];
    const hw_form forms[] = {{HW_FORM_ADD, 0, 0, 0, 0, -0.1f, NULL, NULL},
                             {HW_FORM_MOMENTUM, 0.9f, -0.05f, 0, 1, 0, NULL, NULL},
                             {HW_FORM_GENERAL, 0.8f, -0.04f, 0.02f, 0.9f, -0.01f, NULL, NULL}};
    const hw_range all = {0, N}, parts[] = {{3, 1}, {17, 900}, {1024, 2048}, {4990, 13}};
    const uint32_t at[] = {0, 5, 6, 2047, 2048, 5002, 77};
    for (size_t m = 0; m < MODES; m++) {
        hw_params *p = make(N, 2, 2, modes[m].read, modes[m].write, modes[m].path);
        hw_read_note note;
        for (size_t i = 0; i < N; i++) {
            got[i] = noise(3 * i);
            want[0][i] = (double)got[i];
            want[1][i] = want[2][i] = 0;
        }
        hw_params_set(p, 0, got);
        uint64_t clock = 0;
        float *buffer = check_floats(N);
        for (int round = 0; round < 9; round++) {
            const hw_form *f = forms + round % 3;
            for (size_t i = 0; i < N; i++) g[i] = noise(i + 31u * (unsigned)round);
            (void)hw_params_read(p, 0, 0, buffer, &note);
            assert_int_equal(note.clock, clock);
            if (round / 3 == 0) {
                assert_int_equal(hw_params_write(p, 0, f, &all, 1, g, &note), clock++);
                for (size_t i = 0; i < N; i++) reference(want, f, i, (double)g[i]);
            } else if (round / 3 == 1) {
                assert_int_equal(hw_params_write(p, 0, f, parts, 4, g, &note), clock++);
                for (size_t r = 0, k = 0; r < 4; r++)
                    for (size_t i = 0; i < parts[r].count; i++) reference(want, f, parts[r].first + i, (double)g[k++]);
            } else {
                assert_int_equal(hw_params_write_at(p, 0, f, at, 7, g, &note), clock++);
                for (size_t k = 0; k < 7; k++) reference(want, f, at[k], (double)g[k]);
            }
        }
        for (unsigned a = 0; a < 3; a++) {
            hw_params_get(p, a, got);
            for (size_t i = 0; i < N; i++) assert_near((double)got[i], want[a][i], 2e-6);
        }
        assert_int_equal(hw_params_clock(p), clock);
        /* Look-ahead and partial reads. */
        const float *x = hw_params_read(p, 1, 0.5f, buffer, &note);
        for (size_t i = 0; i < N; i++) assert_near((double)x[i], want[0][i] + 0.5 * want[1][i], 2e-6);
        float few[4096];
        hw_params_read_ranges(p, 1, parts, 4, 0, few, &note);
        assert_near((double)few[1], want[0][17], 2e-6);
        assert_near((double)few[1 + 900 + 2048 + 12], want[0][5002], 2e-6);
        hw_params_read_at(p, 1, at, 7, 0.5f, few, &note);
        for (size_t k = 0; k < 7; k++) assert_near((double)few[k], want[0][at[k]] + 0.5 * want[1][at[k]], 2e-6);
        hw_params_release(p, 1);
        free(buffer);
        hw_params_free(p);
    }
}

static void wide_equals_scalar_at_every_offset(void **state)
{
    (void)state;
    hw_params *probe = make(16, 1, 0, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO);
    bool wide = strcmp(hw_params_path(probe), "scalar") != 0;
    hw_params_free(probe);
    if (!wide) skip();
    enum { W = 200 };
    hw_params *a = make(W, 1, 2, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_SCALAR),
              *b = make(W, 1, 2, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_WIDE);
    float g[W], x[W], y[W];
    const hw_form form = {HW_FORM_GENERAL, 0.5f, -0.25f, 0.125f, 0.5f, -0.125f, NULL, NULL}; /* exact in float32 */
    for (size_t first = 0; first < 40; first++)
        for (size_t n = 1; n <= 70; n++) {
            hw_range r = {first, n};
            for (size_t i = 0; i < W; i++) g[i] = (float)((i * 37 + first + n) % 16) - 8;
            for (size_t i = 0; i < W; i++) x[i] = (float)(i % 32);
            for (unsigned k = 0; k < 3; k++) {
                hw_params_set(a, k, x);
                hw_params_set(b, k, x);
            }
            (void)hw_params_write(a, 0, &form, &r, 1, g, NULL);
            (void)hw_params_write(b, 0, &form, &r, 1, g, NULL);
            for (unsigned k = 0; k < 3; k++) {
                hw_params_get(a, k, x);
                hw_params_get(b, k, y);
                assert_memory_equal(x, y, sizeof x); /* outside the range nothing moved, either */
            }
        }
    hw_params_free(a);
    hw_params_free(b);
}

static void refusals_name_the_field(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_params *p = (void *)1;
    hw_params_config c = hw_params_defaults(10, 2);
    c.read = HW_READ_CONSISTENT;
    c.write = HW_WRITE_RACY;
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_UNSUPPORTED);
    assert_null(p);
    assert_text(why, "CONSISTENT");
    assert_text(why, "RACY");
    c = hw_params_defaults(10, 0);
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_ARGUMENT);
    assert_text(why, "config.workers is 0");
    c = hw_params_defaults(0, 1);
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_ARGUMENT);
    c = hw_params_defaults(10, 1);
    c.exchange_interval = 4;
    c.read = HW_READ_CONSISTENT;
    c.write = HW_WRITE_ADD;
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_UNSUPPORTED);
    assert_text(why, "exchange_interval is 4");
    c = hw_params_defaults(10, 1);
    c.exchange_interval = 4;
    c.exchanged = 5;
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_UNSUPPORTED);
    assert_text(why, "only 5 of 10");
    c = hw_params_defaults(10, 1);
    c.stripe = 1025;
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_ARGUMENT);
    c = hw_params_defaults(10, 1);
    c.struct_size = 4;
    assert_int_equal(hw_params_create(&p, &c, why), HW_E_ARGUMENT);
    hw_params_free(NULL);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

typedef struct job {
    hw_params *p;
    unsigned worker;
    size_t rounds, n;
    uint64_t torn, reads, staleness;
} job;

static void *adder(void *context)
{
    job *j = context;
    float *g = aligned_alloc(64, (j->n + 16) * sizeof(float) / 64 * 64 + 64);
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    hw_range all = {0, j->n};
    for (size_t i = 0; i < j->n; i++) g[i] = 1;
    for (size_t r = 0; r < j->rounds; r++) (void)hw_params_write(j->p, j->worker, &add, &all, 1, g, NULL);
    free(g);
    return NULL;
}

static void run(void *(*body)(void *), job *jobs, unsigned n)
{
    pthread_t threads[16];
    for (unsigned i = 0; i < n; i++) assert_int_equal(pthread_create(&threads[i], NULL, body, jobs + i), 0);
    for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    enum { THREADS = 4, LENGTH = 4096 };
    const size_t rounds = 500;
    for (size_t m = 0; m < MODES; m++) {
        hw_params *p = make(LENGTH, THREADS, 0, modes[m].read, modes[m].write, modes[m].path);
        job jobs[THREADS];
        float got[LENGTH];
        for (unsigned i = 0; i < THREADS; i++) jobs[i] = (job){p, i, rounds, LENGTH, 0, 0, 0};
        run(adder, jobs, THREADS);
        assert_int_equal(hw_params_clock(p), THREADS * rounds);
        hw_params_get(p, 0, got);
        double sum = 0;
        for (size_t i = 0; i < LENGTH; i++) sum += (double)got[i];
        double whole = (double)THREADS * (double)rounds * LENGTH;
        if (modes[m].write != HW_WRITE_RACY)
            for (size_t i = 0; i < LENGTH; i++) assert_true(got[i] == (float)(THREADS * rounds));
        else
            print_message("RACY (%s) lost %.3f %% of the updates\n", hw_params_path(p), 100 * (1 - sum / whole));
        assert_true(sum <= whole);
        hw_params_free(p);
    }
}

/* Every update adds 1 to all coordinates: in one state they are all equal, and equal to its number. */
static void *reader_writer(void *context)
{
    job *j = context;
    float *g = aligned_alloc(64, (j->n + 16) * sizeof(float) / 64 * 64 + 64),
          *b = aligned_alloc(64, (j->n + 16) * sizeof(float) / 64 * 64 + 64);
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    hw_range all = {0, j->n};
    hw_read_note note;
    for (size_t i = 0; i < j->n; i++) g[i] = 1;
    for (size_t r = 0; r < j->rounds; r++) {
        const float *x = hw_params_read(j->p, j->worker, 0, b, &note);
        for (size_t i = 0; i < j->n; i++) j->torn += x[i] != x[0];
        j->torn += x[0] != (float)note.clock || note.spread != 0;
        j->reads++;
        j->staleness += hw_params_write(j->p, j->worker, &add, &all, 1, g, &note) - note.clock;
    }
    free(g);
    free(b);
    return NULL;
}

static void a_consistent_read_is_one_past_state(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 1000, 20000};
    for (int locked = 0; locked < 2; locked++)
        for (size_t s = 0; s < 3; s++) {
            hw_params *p =
                make(sizes[s], 4, 0, HW_READ_CONSISTENT, locked ? HW_WRITE_LOCKED : HW_WRITE_ADD, HW_PATH_AUTO);
            size_t bytes = hw_params_bytes(p);
            job jobs[4];
            for (unsigned i = 0; i < 4; i++) jobs[i] = (job){p, i, 20000000 / sizes[s] / 20 + 200, sizes[s], 0, 0, 0};
            if (jobs[0].rounds > 20000)
                for (unsigned i = 0; i < 4; i++) jobs[i].rounds = 20000;
            run(reader_writer, jobs, 4);
            uint64_t reads = 0;
            for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(jobs[i].torn, 0);
                reads += jobs[i].reads;
            }
            assert_int_equal(hw_params_clock(p), reads);
            assert_int_equal(hw_params_bytes(p), bytes); /* the slots of the header, whatever was published */
            if (!locked)
                assert_true(bytes >= (2 * 5 + 2) * sizes[s] * 4 && bytes < (2 * 5 + 2) * (sizes[s] + 16) * 4 + 8192);
            hw_params_free(p);
        }
}

static void the_sampled_clock_counts_others_only(void **state)
{
    (void)state;
    hw_params_config c = hw_params_defaults(64, 2);
    c.clock_interval = 4;
    hw_params *p;
    assert_int_equal(hw_params_create(&p, &c, NULL), HW_OK);
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    const uint32_t at[] = {3};
    float value, g = 1;
    hw_read_note mine, other;
    int measured = 0;
    for (int i = 0; i < 16; i++) {
        hw_params_read_at(p, 0, at, 1, 0, &value, &mine);
        for (int k = 0; k < i % 3; k++) {
            hw_params_read_at(p, 1, at, 1, 0, &value, &other);
            (void)hw_params_write_at(p, 1, &add, at, 1, &g, &other);
        }
        uint64_t landed = hw_params_write_at(p, 0, &add, at, 1, &g, &mine);
        if (mine.measured) assert_int_equal(landed - mine.clock, i % 3);
        measured += mine.measured;
    }
    assert_int_equal(measured, 4);
    assert_int_equal(hw_params_clock(p), 16 + 15);
    hw_params_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_matches_the_formulas),
        cmocka_unit_test(wide_equals_scalar_at_every_offset),
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(a_consistent_read_is_one_past_state),
        cmocka_unit_test(the_sampled_clock_counts_others_only),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
