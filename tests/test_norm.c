/* test_norm.c - batch normalisation: the layer by itself against PyTorch's values and plain double precision; then its
 * running means in nets that the engine trains. */
#include "layer.h"
#include "golden/norm.h"

/* --- batch normalisation ------------------------------------------------------------------------------------------ */

static void norm_bench(bench *b, size_t n, unsigned c, unsigned h, unsigned w, unsigned copies)
{
    *b = (bench){.l = {.kind = &hw__net_batch_norm,
                       .in = {c, h, w},
                       .out = {c, h, w},
                       .weights = c,
                       .biases = c,
                       .copies = copies,
                       .running = copies * (2 * (size_t)c + 1),
                       .epsilon = golden_epsilon}};
    open_bench(b, n);
}

static void norm_matches_pytorch(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof golden_norms / sizeof *golden_norms; k++) {
        const unsigned *s = golden_norms[k];
        const float *expected = golden_norm[k];
        bench b;
        norm_bench(&b, s[0], s[1], s[2], s[3], 1);
        size_t c = s[1], n = s[0] * hw__net_floats(b.l.in), all = b.l.weights + b.l.biases + b.l.running;
        float *set = b.params + 2 * c;
        fill(b.params, c, 1, 0.5, 1);
        fill(b.params + c, c, 2, 0.3, 0);
        b.c.gain = golden_share / golden_rate;
        for (int step = 0; step < GOLDEN_STEPS; step++) {
            fill(b.in, n, 10 + step, 1.7, 3);
            fill(b.dout, n, 20 + step, 1, 0);
            forward(&b);
            backward(&b);
            if (step == 0) expected = compare("norm: output", b.out, expected, n, 1e-6);
            if (step == 0) expected = compare("norm: input gradient", b.din, expected, n, 2e-6);
            for (size_t i = 0; i < all; i++) b.params[i] -= golden_rate * b.g[i];
        }
        expected = compare("norm: gamma", b.params, expected, c, 1e-6);
        expected = compare("norm: beta", b.params + c, expected, c, 1e-6);
        /* PyTorch's running variance starts at 1, ours at nothing. */
        expected = compare("norm: running mean", set, expected, c, 1e-6);
        assert_near((double)set[2 * c], 1 - pow(0.9, GOLDEN_STEPS), 1e-6);
        float *variance = check_floats(c);
        for (size_t i = 0; i < c; i++) variance[i] = set[c + i] + (1 - set[2 * c]);
        expected = compare("norm: running variance", variance, expected, c, 1e-6);
        fill(b.in, n, 30, 1.7, 3);
        b.c.train = false;
        forward(&b);
        (void)compare("norm: evaluation", b.out, expected, n, 2e-6);
        free(variance);
        close_bench(&b);
    }
}

/* One channel in plain double precision. */
static void check_channel(const bench *b, size_t channel, double tolerance)
{
    size_t plane = (size_t)b->l.in.h * b->l.in.w, count = b->c.n * plane;
    double mean = 0, variance = 0, dbeta = 0, dgamma = 0, inverse;
    for (int pass = 0; pass < 3; pass++) {
        inverse = 1 / sqrt(variance / (double)count + (double)b->l.epsilon);
        for (size_t i = 0; i < count; i++) {
            size_t at = i / plane * hw__net_floats(b->l.in) + channel * plane + i % plane;
            double x = (double)b->in[at], dout = (double)b->dout[at];
            if (pass == 0) mean += x / (double)count;
            if (pass == 1) variance += (x - mean) * (x - mean);
            if (pass == 2) dbeta += dout;
            if (pass == 2) dgamma += dout * (x - mean) * inverse;
        }
    }
    double gamma = (double)b->params[channel], beta = (double)b->params[b->l.in.c + channel];
    assert_near((double)b->g[channel], dgamma, tolerance * (double)count);
    assert_near((double)b->g[b->l.in.c + channel], dbeta, tolerance * (double)count);
    for (size_t i = 0; i < count; i += i < 300 ? 1 : 37) {
        size_t at = i / plane * hw__net_floats(b->l.in) + channel * plane + i % plane;
        double x = ((double)b->in[at] - mean) * inverse;
        double din = gamma * inverse * ((double)b->dout[at] - dbeta / (double)count - x * dgamma / (double)count);
        assert_near((double)b->out[at], gamma * x + beta, tolerance);
        assert_near((double)b->din[at], din, tolerance * fabs(gamma * inverse));
    }
}

static void norm_is_accurate(void **state)
{
    (void)state;
    /* images, channels, height, width; a plane of more than a run; more channels than a group; one value; a mean far
     * from 0, of which single precision leaves 5 digits of the deviation; an image unlike the others. */
    const struct {
        unsigned n, c, h, w;
        double mean, first, tolerance;
    } rows[] = {{2, 2, 70, 70, 0.3, 0, 5e-6}, {3, 130, 4, 5, -1, 0, 5e-6}, {1, 3, 1, 1, 5, 0, 1e-6},
                {9, 2, 9, 7, 1000, 0, 5e-4},  {33, 1, 8, 8, 0, 500, 2e-5}, {16, 5, 1, 3, 0, 0, 5e-6}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        bench b;
        norm_bench(&b, rows[r].n, rows[r].c, rows[r].h, rows[r].w, 1);
        size_t n = rows[r].n * hw__net_floats(b.l.in);
        hw_rng rng;
        hw_rng_seed(&rng, 5, r);
        for (size_t i = 0; i < n; i++) b.in[i] = (float)(rows[r].mean + hw_rng_normal(&rng));
        for (size_t i = 0; i < hw__net_floats(b.l.in); i++) b.in[i] += (float)rows[r].first;
        fill(b.dout, n, 3, 1, 0.1);
        fill(b.params, rows[r].c, 1, 0.5, 1);
        fill(b.params + rows[r].c, rows[r].c, 2, 0.3, 0);
        forward(&b);
        backward(&b);
        for (size_t k = 0; k < rows[r].c; k++) check_channel(&b, k, rows[r].tolerance);
        for (size_t i = 0; i < b.l.running; i++) assert_true(b.g[2 * rows[r].c + i] == 0); /* no gain: they stay */
        /* The same bits again, and over dout. */
        float *before = b.din;
        b.c.din = b.dout;
        backward(&b);
        assert_memory_equal(b.dout, before, n * sizeof *before);
        close_bench(&b);
    }
}

static void norm_keeps_sets_apart(void **state)
{
    (void)state;
    bench b;
    norm_bench(&b, 4, 2, 3, 3, 3);
    float *sets = b.params + 4, *g = b.g + 4;
    fill(b.in, 72, 1, 1, 2);
    fill(b.dout, 72, 2, 1, 0);
    fill(b.params, 4, 3, 1, 0.5);
    fill(sets, 15, 4, 1, 0.2);
    b.c.gain = 0.5f;
    for (unsigned worker = 0; worker < 7; worker++) {
        b.c.copy = worker;
        memset(b.g, 0xee, 19 * sizeof *b.g);
        forward(&b);
        backward(&b);
        for (unsigned k = 0; k < 15; k++) {
            if (k / 5 != worker % 3)
                assert_true(g[k] == 0);
            else if (k % 5 == 4)
                assert_near((double)g[k], 0.5 * ((double)sets[k] - 1), 1e-6);
            else if (k % 5 < 2)
                assert_near((double)g[k], 0.5 * (double)(sets[k] - b.c.packed[k % 5]), 1e-6);
            else
                assert_true(g[k] != 0);
        }
    }
    /* Evaluation: the sum of the sets over the sum of their weights, variances cut at 0. */
    const float some[] = {1, 2, 3, -1, 0.25f, 0, 0, 0, 0, 0, 2, 4, 6, -2, 0.5f};
    memcpy(sets, some, sizeof some);
    b.c.train = false;
    forward(&b);
    assert_near((double)b.out[0], (double)(b.params[0] * (b.in[0] - 4)) / sqrt(12 + 1e-3) + (double)b.params[2], 1e-6);
    assert_near((double)b.out[9], (double)(b.params[1] * (b.in[9] - 8)) / sqrt(1e-3) + (double)b.params[3], 1e-4);
    /* Nothing measured yet: mean 0, variance 1. */
    memset(sets, 0, sizeof some);
    sets[4] = 9e-4f;
    forward(&b);
    assert_near((double)b.out[9], (double)(b.params[1] * b.in[9]) / sqrt(1 + 1e-3) + (double)b.params[3], 1e-6);
    sets[2] = NAN;
    sets[4] = 1;
    forward(&b);
    assert_true(isnan(b.out[0]) && !isnan(b.out[9]));
    close_bench(&b);
}

/* --- in nets ------------------------------------------------------------------------------------------------------ */

enum { CLASSES = 4, SIDE = 32, IMAGES = 320, BATCH = 32, FIRST = 6, SECOND = 12 };

static void train_set(hw_images *images, uint32_t count, uint64_t seed)
{
    assert_int_equal(hw_textures_generate(count, CLASSES, seed, images), HW_OK);
}

/* Two convolutions with batch norm: layer 1 of FIRST channels, and layer 4 of SECOND. */
static hw_net *small_net(hw_statistics where, unsigned copies, hw_path path, bool smooth)
{
    char why[HW_WHY] = "";
    hw_net *net = hw_net_create(3, SIDE, SIDE);
    hw_net_use_path(net, path);
    hw_net_statistics(net, where, copies, 0.1, 1e-5);
    hw_net_conv(net, FIRST, 5, 3, 1);
    hw_net_batch_norm(net);
    if (!smooth) hw_net_relu(net);
    hw_net_conv(net, SECOND, 3, 2, 1);
    hw_net_batch_norm(net);
    if (!smooth) hw_net_relu(net);
    hw_net_global_average(net);
    hw_net_dense(net, CLASSES);
    if (hw_net_finish(net, BATCH, why) != HW_OK) fail_msg("%s", why);
    return net;
}

static void nets_against_differences(void **state)
{
    (void)state;
    hw_images images;
    train_set(&images, BATCH, 3);
    for (int k = 0; k < 2; k++) {
        char why[HW_WHY] = "";
        hw_net *net = small_net(HW_STATISTICS_SHARED, 1, k ? HW_PATH_AUTO : HW_PATH_SCALAR, true);
        hw_net_task task = {net, &images, NULL, NULL};
        hw_objective o;
        hw_gradient_report r;
        float *x = check_floats(hw_net_parameters(net));
        uint32_t index[12];
        for (uint32_t i = 0; i < 12; i++) index[i] = 2 * i;
        hw_net_init(net, 5, x);
        for (size_t i = 0; i < hw_net_parameters(net); i++) x[i] += 0.05f * sinf(3.1f * (float)i);
        assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
        if (hw_check_gradient(&o, x, index, 12, CHECK_SLOW ? 20 : 150, 3e-3, &r, why) != HW_OK)
            fail_msg("net %d: %s", k, why);
        free(x);
        hw_net_free(net);
    }
    hw_images_free(&images);
}

static hw_config config_of(hw_scheduler scheduler, unsigned workers, double rate, double epochs)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = BATCH;
    c.seed = 7;
    c.epochs = epochs;
    c.evaluate_epochs = 0;
    c.optimizer.momentum = 0.9;
    c.optimizer.schedule.base = rate;
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

/* Mean and deviation of the first convolution's channel over all images, in double precision. */
static void measure(const hw_images *images, const float *weights, float bias, double *mean, double *variance)
{
    double sum = 0, square = 0, count = 0;
    for (size_t i = 0; i < images->count; i++)
        for (int y = -1; y + 5 <= SIDE + 1; y += 3)
            for (int x = -1; x + 5 <= SIDE + 1; x += 3, count++) {
                double out = (double)bias;
                for (int tap = 0; tap < 75; tap++) {
                    int row = y + tap / 5 % 5, column = x + tap % 5;
                    if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
                    size_t at = ((i * 3 + (size_t)tap / 25) * SIDE + (size_t)row) * SIDE + (size_t)column;
                    out += (double)weights[tap] * images->pixels[at] / 256;
                }
                sum += out;
                square += out * out;
            }
    *mean = sum / count;
    *variance = square / count - *mean * *mean;
}

static hw_objective objective_of(hw_net_task *task)
{
    char why[HW_WHY] = "";
    hw_objective o;
    if (hw_net_objective(task, &o, why) != HW_OK) fail_msg("%s", why);
    return o;
}

static void train(const hw_objective *o, const hw_config *c, float *x)
{
    hw_result r;
    if (hw_train(o, c, x, &r) != HW_OK) fail_msg("%s", r.message);
}

/* Layer i's sets stand behind its weights and biases. */
static size_t sets_at(const hw_net *net, unsigned i)
{
    hw_range biases;
    assert_true(hw_net_layer(net, i, NULL, &biases));
    return biases.first + biases.count;
}

/* Everything but the sets stands still, so that what they should hold is known; a weight decay that takes a third off
 * them, staleness and momentum: all must cancel. */
static void running_means_are_those_of_the_data(void **state)
{
    (void)state;
    const struct {
        hw_scheduler scheduler;
        unsigned workers, copies, used;
    } rows[] = {{HW_SEQUENTIAL, 1, 1, 1}, {HW_SIMULATED, 4, 1, 1}, {HW_SIMULATED, 4, 6, 4}, {HW_ASYNC, 2, 3, 2}};
    hw_images images;
    double mean[FIRST], variance[FIRST];
    train_set(&images, IMAGES, 4);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        hw_net *net = small_net(rows[k].copies > 1 ? HW_STATISTICS_PER_WORKER : HW_STATISTICS_SHARED, rows[k].copies,
                                HW_PATH_AUTO, false);
        hw_net_task task = {net, &images, NULL, NULL};
        hw_objective o = objective_of(&task);
        hw_config c = config_of(rows[k].scheduler, rows[k].workers, 0.1, 24);
        hw_section frozen[8];
        float *x = check_floats(o.parameters);
        hw_net_init(net, 2, x);
        for (unsigned j = 0; k == 0 && j < FIRST; j++) /* all rows' nets begin alike */
            measure(&images, x + j * 75, x[FIRST * 75 + j], &mean[j], &variance[j]);
        for (unsigned i = 0; i < hw_net_layers(net); i++) {
            hw_range w, b;
            if (!hw_net_layer(net, i, &w, &b)) continue;
            frozen[c.optimizer.n_sections++] = (hw_section){w.first, w.count + b.count, 0, 0};
        }
        c.optimizer.sections = frozen;
        c.optimizer.weight_decay = 0.05;
        train(&o, &c, x);
        for (unsigned set = 0; set < rows[k].copies; set++) {
            const float *r = x + sets_at(net, 1) + set * (2 * FIRST + 1);
            for (unsigned j = 0; set >= rows[k].used && j < 2 * FIRST + 1; j++) assert_true(r[j] == 0);
            if (set >= rows[k].used) continue;
            double weight = (double)r[2 * FIRST];
            if (rows[k].scheduler == HW_SEQUENTIAL) assert_near(weight, 2.0 / 3, 0.03);
            for (unsigned j = 0; j < FIRST; j++) {
                assert_near((double)r[j] / weight, mean[j], 0.1 * sqrt(variance[j]));
                assert_near((double)r[FIRST + j] / weight, variance[j], 0.15 * variance[j]);
            }
        }
        free(x);
        hw_net_free(net);
    }
    hw_images_free(&images);
}

/* Loss and accuracy on the images: with each minibatch's own moments, or in evaluation mode. */
static void look(const hw_net *net, const hw_images *images, const float *x, bool own, double *loss, double *accuracy)
{
    float *g = check_floats(hw_net_parameters(net));
    void *scratch = check_floats(hw_net_scratch_bytes(net) / sizeof(float) + 1);
    uint32_t index[BATCH], correct = 0;
    *loss = 0;
    for (uint32_t i = 0; i < images->count; i += BATCH) {
        hw_batch batch = {index, BATCH, 0, BATCH, 0, 0, 0};
        for (uint32_t k = 0; k < BATCH; k++) index[k] = i + k;
        *loss += BATCH * hw_net_loss(net, scratch, images, &batch, x, own ? g : NULL, &correct) / images->count;
    }
    *accuracy = (double)correct / images->count;
    free(scratch);
    free(g);
}

static void evaluation_agrees_with_training(void **state)
{
    (void)state;
    const struct {
        hw_scheduler scheduler;
        unsigned workers;
        hw_statistics where;
        double momentum, rate;
    } rows[] = {{HW_SEQUENTIAL, 1, HW_STATISTICS_SHARED, 0.9, 0.05},
                {HW_SEQUENTIAL, 1, HW_STATISTICS_PER_WORKER, 0.9, 0.05},
                {HW_SIMULATED, 4, HW_STATISTICS_SHARED, 0.5, 0.2},
                {HW_SIMULATED, 4, HW_STATISTICS_PER_WORKER, 0.5, 0.2}};
    hw_images images;
    train_set(&images, IMAGES, 6);
    for (size_t k = CHECK_SLOW ? 2 : 0; k < sizeof rows / sizeof *rows; k++) {
        hw_net *net = small_net(rows[k].where, 4, HW_PATH_AUTO, false);
        hw_net_task task = {net, &images, NULL, NULL};
        hw_objective o = objective_of(&task);
        hw_config c = config_of(rows[k].scheduler, rows[k].workers, rows[k].rate, 16);
        float *x = check_floats(o.parameters);
        double loss[2], accuracy[2], untrained;
        /* The rate falls to 0, so that in the end nothing runs ahead of its mean. */
        c.optimizer.schedule.kind = HW_SCHEDULE_COSINE;
        c.optimizer.schedule.interval = 16 * IMAGES / BATCH + 1;
        c.optimizer.weight_decay = 1e-3;
        c.optimizer.momentum = rows[k].momentum;
        hw_net_init(net, 2, x);
        look(net, &images, x, true, &untrained, &accuracy[0]);
        train(&o, &c, x);
        for (int own = 0; own < 2; own++) look(net, &images, x, own, &loss[own], &accuracy[own]);
        if (getenv("HOGWILD_SHOW"))
            printf("    %zu: loss %.3f, at its own moments %.3f (before %.3f); accuracy %.3f, %.3f\n", k, loss[0],
                   loss[1], untrained, accuracy[0], accuracy[1]);
        assert_true(loss[1] < 0.7 * untrained);
        assert_near(loss[0], loss[1], 0.15);
        assert_near(accuracy[0], accuracy[1], 0.06);
        free(x);
        hw_net_free(net);
    }
    hw_images_free(&images);
}

static void other_rules_are_refused(void **state)
{
    (void)state;
    hw_images images;
    train_set(&images, BATCH, 6);
    hw_net *net = small_net(HW_STATISTICS_SHARED, 1, HW_PATH_AUTO, false);
    hw_net_task task = {net, &images, NULL, NULL};
    hw_objective o = objective_of(&task);
    hw_config c = config_of(HW_SEQUENTIAL, 1, 0.01, 1);
    hw_result r;
    float *x = check_floats(o.parameters);
    c.optimizer.rule = HW_RULE_ADAM;
    hw_net_init(net, 2, x);
    assert_int_equal(hw_train(&o, &c, x, &r), HW_E_UNSUPPORTED);
    assert_text(r.message, "batch normalisation");
    assert_text(r.message, "sgd or nesterov");
    c.optimizer.rule = HW_RULE_NESTEROV;
    train(&o, &c, x);
    free(x);
    hw_net_free(net);
    hw_images_free(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_matches_pytorch),
        cmocka_unit_test(norm_is_accurate),
        cmocka_unit_test(norm_keeps_sets_apart),
        cmocka_unit_test(nets_against_differences),
        cmocka_unit_test(running_means_are_those_of_the_data),
        cmocka_unit_test(evaluation_agrees_with_training),
        cmocka_unit_test(other_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
