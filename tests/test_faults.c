/* test_faults.c - the N-th allocation fails, then all after it, for every public call that allocates; the N-th
 * pthread_create likewise; no run allocates. The linker sends the library's calls here (--wrap). */
#include "faults.h"
#include "small_linear.h"
#include <unistd.h>

static float curvature[8] = {1, 2, 3, 1, 2, 3, 1, 2}, optimum[8];
static hw_quadratic quadratic = {8, curvature, optimum, 0};

static hw_config config_of(int i)
{
    hw_config c = hw_config_defaults();
    c.scheduler = (hw_scheduler)(i % 4);
    c.workers = i % 4 == 0 ? 1 : 4;
    c.groups = 2;
    c.batch = 8;
    c.write = i >= 4 ? HW_WRITE_LOCKED : HW_WRITE_STRIPED;
    if (i >= 8) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
    return c;
}

static hw_status use_engine(int i)
{
    hw_objective o;
    hw_config c = config_of(i);
    float x[4] = {0};
    if (hw_linear_objective(&linear, &o, NULL) != HW_OK) return HW_E_ARGUMENT;
    o.scratch_bytes = 100;
    return hw_train(&o, &c, x, NULL);
}

static hw_config simulated(int i, const hw_histogram *delays)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.workers = 6;
    c.batch = 8;
    c.epochs = 3;
    c.simulation.threads = 1 + (unsigned)i % 2;
    c.simulation.clock =
        (hw_clock_kind[]){HW_CLOCK_ROUND_ROBIN, HW_CLOCK_EXPONENTIAL, HW_CLOCK_HISTOGRAM, HW_CLOCK_GAMMA}[i % 4];
    c.simulation.delays = delays;
    c.simulation.per_group = i == 1 ? 2 : 1;
    c.simulation.gather = i == 3 ? 2 : 1;
    c.trace = i % 4 != 3;
    return c;
}

/* Create, run, record, save, load. */
static hw_status use_simulation(int i)
{
    hw_objective o;
    hw_histogram h;
    hw_engine *e = NULL;
    hw_trace *trace = NULL, *back = NULL;
    hw_status status = hw_histogram_init(&h, 64);
    if (status != HW_OK) return status;
    hw_histogram_add(&h, 3, 5);
    hw_histogram_add(&h, 1, 5);
    hw_config c = simulated(i, &h);
    (void)hw_linear_objective(&linear, &o, NULL);
    o.scratch_bytes = 100;
    status = hw_engine_create(&e, &o, &c, NULL, NULL);
    if (status == HW_OK) status = hw_engine_run(e, NULL);
    if (status == HW_OK && c.trace) {
        status = hw_engine_trace(e, &trace, NULL);
        if (status == HW_OK) status = hw_trace_save(trace, "faults-trace", NULL);
        if (status == HW_OK) status = hw_trace_load(&back, "faults-trace", NULL);
        (void)remove("faults-trace");
        if (status == HW_OK) { /* and the replay */
            hw_engine_free(e);
            hw_config again = simulated(i, &h);
            again.trace = 0;
            again.simulation.clock = HW_CLOCK_REPLAY;
            again.simulation.trace = back;
            again.simulation.gather = 1;
            status = hw_engine_create(&e, &o, &again, NULL, NULL);
            if (status == HW_OK) status = hw_engine_run(e, NULL);
        }
    }
    hw_trace_free(trace);
    hw_trace_free(back);
    hw_engine_free(e);
    hw_histogram_free(&h);
    return status;
}

static hw_status use_params(int i)
{
    hw_params *p;
    hw_params_config c = hw_params_defaults(5000, 3);
    c.arrays = 2;
    if (i == 1) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
    if (i == 2) c.write = HW_WRITE_LOCKED;
    if (i == 3) c.clock_interval = 16;
    hw_status status = hw_params_create(&p, &c, NULL);
    hw_params_free(p);
    return status;
}

static hw_status use_staleness(int i)
{
    hw_staleness *s;
    hw_histogram h;
    if (i == 0) {
        hw_status status = hw_staleness_create(&s, 3, 64, NULL);
        hw_staleness_free(s);
        return status;
    }
    hw_status status = hw_histogram_init(&h, 64);
    hw_histogram_free(&h);
    return status;
}

static hw_status use_net(int i)
{
    char why[HW_WHY] = "";
    (void)i;
    hw_net *net = hw_net_lenet(2, why);
    hw_net_free(net);
    return net ? HW_OK : HW_E_MEMORY;
}

static hw_status use_data(int i)
{
    hw_images images;
    if (i == 2) {
        hw_status status = hw_textures_generate(3, 10, 1, &images);
        hw_images_free(&images);
        return status;
    }
    if (i == 3) {
        static unsigned char record[2 * 3073];
        const char *paths[] = {"faults-cifar", "faults-cifar"};
        FILE *f = fopen("faults-cifar", "wb");
        fwrite(record, 1, sizeof record, f);
        fclose(f);
        hw_status status = hw_cifar10_files(paths, 2, &images, NULL);
        hw_images_free(&images);
        remove("faults-cifar");
        return status;
    }
    if (i == 0) {
        hw_status status = hw_digits_generate(3, 1, &images);
        hw_images_free(&images);
        return status;
    }
    FILE *f = fopen("faults-images", "wb");
    const unsigned char bytes[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4};
    fwrite(bytes, 1, sizeof bytes, f);
    fclose(f);
    f = fopen("faults-labels", "wb");
    const unsigned char label[] = {0, 0, 8, 1, 0, 0, 0, 1, 7};
    fwrite(label, 1, sizeof label, f);
    fclose(f);
    hw_status status = hw_idx_read("faults-images", "faults-labels", 10, &images, NULL);
    hw_images_free(&images);
    remove("faults-images");
    remove("faults-labels");
    return status;
}

static hw_status use_tools(int i)
{
    hw_objective o;
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    double h;
    if (i == 2) {
        hw_status status = hw_weights_save("faults-weights", x, 8, NULL);
        if (status == HW_OK) status = hw_weights_load("faults-weights", x, 8, NULL);
        remove("faults-weights");
        return status;
    }
    if (hw_quadratic_objective(&quadratic, &o, NULL) != HW_OK) return HW_E_ARGUMENT;
    if (i == 0) return hw_check_gradient(&o, x, NULL, 1, 0, 1e-3, NULL, NULL);
    return hw_curvature(&o, x, NULL, 1, 5, 1, &h, NULL);
}

static hw_status use_report(int i)
{
    hw_report *r;
    char path[1024], why[HW_WHY];
    const char *const cells[] = {"a", "b", "1", "<2>"};
    (void)i;
    hw_status status = hw_report_open(&r, "faults-report", "t", why);
    if (status != HW_OK) return status;
    hw_evaluation e = {10, 1, 0.5, 2, {1, 0.5, 0, 0}, 0, 1, 0.9, 0.01, 0};
    status = hw_report_note(r, "k", "v");
    if (status == HW_OK) status = hw_report_table(r, cells, 2, 2);
    if (status == HW_OK) status = hw_report_run(r, "one", &e, 1, 2, NULL, 0, NULL);
    const double x[] = {1, 2};
    hw_curve curve = {"c", x, x, x, 2, HW_CURVE_LINE, 0};
    hw_chart chart = {.file = "chart", .title = "t", .x_label = "x", .y_label = "y"};
    if (status == HW_OK) status = hw_report_heading(r, "h");
    if (status == HW_OK) status = hw_report_chart(r, &chart, &curve, 1, why);
    hw_status closed = hw_report_close(r, path, sizeof path, why);
    return status != HW_OK ? status : closed;
}

static void memory_fails_everywhere(void **state)
{
    (void)state;
    /* A report whose plots could not be read back is still a report. */
    const fault_call list[] = {{"engine", use_engine, 12, false},      {"params", use_params, 4, false},
                               {"staleness", use_staleness, 2, false}, {"net", use_net, 1, false},
                               {"data", use_data, 4, false},           {"tools", use_tools, 3, false},
                               {"report", use_report, 1, true},        {"simulation", use_simulation, 4, false}};
    assert_true(faults_everywhere(list, sizeof list / sizeof *list) > 100);
    (void)!system("rm -rf faults-report");
}

static void threads_fail(void **state)
{
    (void)state;
    for (int s = 0; s < 5; s++)
        for (long n = 1; n <= (s == 0 ? 1 : s == 4 ? 2 : 4); n++) {
            hw_objective o;
            hw_config c = s == 4 ? simulated(1, NULL) : config_of(s);
            hw_result r;
            assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
            threads = 0;
            fail_thread = n;
            hw_status status = hw_train(&o, &c, NULL, &r);
            fail_thread = 0;
            assert_int_equal(status, HW_E_THREAD);
            assert_int_equal(r.updates, 0); /* no step has run */
            assert_text(r.message, "could not be started");
            assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        }
}

static void a_run_allocates_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        hw_objective o;
        hw_config c = config_of(i);
        hw_engine *e;
        hw_result r;
        assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
        o.scratch_bytes = 100;
        c.epochs = 50;
        c.compensation.window = 20;
        c.keep_every = 30;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        run_allocates_nothing(e, &r);
        assert_int_equal(r.updates, 400);
        hw_engine_free(e);
    }
    for (int i = 0; i < 4; i++) { /* simulated ones neither, and the trace they record is theirs already */
        hw_histogram h;
        hw_objective o;
        hw_engine *e;
        assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
        hw_histogram_add(&h, 3, 1);
        hw_config c = simulated(i, &h);
        assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        run_allocates_nothing(e, NULL);
        hw_engine_free(e);
        hw_histogram_free(&h);
    }
}

static void memory_is_what_the_header_promises(void **state)
{
    (void)state;
    /* What the allocator was asked for, against hw_engine_bytes and the header's formula; with the curvature probe
     * (data with examples and policy auto) and without (a stream). */
    size_t n = 100000;
    float *h = __real_malloc(n * sizeof *h), *x = __real_malloc(n * sizeof *x),
          *rows = __real_calloc(4 * n, sizeof *rows);
    float *targets = __real_calloc(4, sizeof *targets);
    for (size_t i = 0; i < n; i++) h[i] = 1, x[i] = 0;
    hw_quadratic q = {n, h, x, 0};
    hw_linear m = {HW_LOSS_SQUARED, n - 1, 0, 0, rows, targets, 4, NULL, NULL, 0};
    for (int probe = 0; probe < 2; probe++)
        for (int consistent = 0; consistent < 2; consistent++) {
            hw_objective o;
            hw_engine *e;
            if (probe)
                assert_int_equal(hw_linear_objective(&m, &o, NULL), HW_OK);
            else
                assert_int_equal(hw_quadratic_objective(&q, &o, NULL), HW_OK);
            hw_config c = hw_config_defaults();
            c.workers = 3;
            c.batch = 1;
            c.epochs = probe;
            c.updates = 1;
            if (consistent) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
            requested = 0;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            double got = (double)requested, said = (double)hw_engine_bytes(e);
            /* parameters and velocity (a version each time), 2 n a worker, 3 n for evaluation and good parameters */
            double floats = ((consistent ? 2 * (2 * 4 + 2) : 2) + 2 * 3 + 3 + (probe ? 6 : 0)) * (double)n;
            assert_near(said, got, 0.01 * got);
            assert_true(got > 4 * floats && got < 4 * floats + (2 << 20));
            hw_engine_free(e);
        }
    __real_free(h);
    __real_free(x);
    __real_free(rows);
    __real_free(targets);
}

int main(void)
{
    small_linear_fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_fails_everywhere),
        cmocka_unit_test(threads_fail),
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(memory_is_what_the_header_promises),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
