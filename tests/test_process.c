/* test_process.c - what a run shares with the process around it: OpenBLAS's thread count, forks, the processors that
 * the process may use, and pinning. */
#define _GNU_SOURCE
#include "../lib/base/base.h"
#include "../lib/step/barrier.h"
#include "check.h"
#include "hogwild.h"
#include <cblas.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 160 }; /* a product that OpenBLAS would split among threads */

typedef struct product {
    _Atomic unsigned worst; /* highest thread count that a step saw; most threads in the process */
    _Atomic unsigned most;
    uint64_t set_at; /* the step in which the program sets another count; 0: none */
} product;

static unsigned threads_of_process(void)
{
    char line[200];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Threads: %u", &n) == 1) break;
    if (f) fclose(f);
    return n;
}

static void raise_to(_Atomic unsigned *most, unsigned value)
{
    unsigned seen = atomic_load(most);
    while (value > seen && !atomic_compare_exchange_weak(most, &seen, value)) {
    }
}

static double product_gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    product *p = self;
    raise_to(&p->worst, (unsigned)openblas_get_num_threads());
    float *c = scratch;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, x, N, x, N, 0, c, N);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1e-4f, c, N, x, N, 0, g, N);
    if (b->step % 8 == 0) raise_to(&p->most, threads_of_process());
    if (p->set_at && b->step == p->set_at) openblas_set_num_threads(2);
    double loss = 0;
    for (int i = 0; i < N * N; i++) {
        g[i] = x[i] - 1;
        loss += 0.5 * (double)g[i] * (double)g[i];
    }
    return loss;
}

static hw_objective product_objective(product *p)
{
    hw_objective o = hw_objective_defaults("product", (size_t)N * N);
    o.loss_gradient = product_gradient;
    o.scratch_bytes = sizeof(float) * N * N;
    o.self = p;
    o.blas = 1;
    return o;
}

static hw_config short_run(unsigned workers, uint64_t updates)
{
    hw_config c = hw_config_defaults();
    c.workers = workers;
    c.epochs = 0;
    c.updates = updates;
    c.batch = 1;
    c.optimizer.schedule.base = 1e-4;
    c.compensation.policy = HW_POLICY_NONE;
    c.curvature = -1;
    c.divergence = 0;
    return c;
}

/* Also where OpenBLAS is built on OpenMP, which gives every new thread a team of its own. */
static void workers_have_one_thread_each(void **state)
{
    (void)state;
    product p = {0, 0, 0};
    hw_objective o = product_objective(&p);
    hw_config c = short_run(2, 200);
    openblas_set_num_threads(2);
    unsigned before = threads_of_process();
    assert_int_equal(hw_train(&o, &c, NULL, NULL), HW_OK);
    if (openblas_get_parallel() != OPENBLAS_OPENMP) assert_int_equal(p.worst, 1);
    assert_true(p.most <= before + 2);
    assert_int_equal(openblas_get_num_threads(), 2);
    /* Advice before a run computes gradients, too. */
    hw_engine *e;
    hw_policy_input in;
    hw_staleness_summary shape;
    hw_histogram delays;
    p = (product){0, 0, 0};
    o.examples = 10;
    c.compensation.policy = HW_POLICY_AUTO;
    c.curvature = 0;
    assert_int_equal(hw_histogram_init(&delays, 8), HW_OK);
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_policy_input(e, &in, &delays, &shape), HW_OK);
    assert_true(p.worst > 0);
    if (openblas_get_parallel() != OPENBLAS_OPENMP) assert_int_equal(p.worst, 1);
    assert_int_equal(openblas_get_num_threads(), 2);
    hw_histogram_free(&delays);
    hw_engine_free(e);
}

/* The program, or a second copy of the library that ends its own run, sets a count while a run is under way: one step
 * may see it, the next ones go on with one thread, and after the run it is what was set last. */
static void a_count_that_is_set_meanwhile_holds_after_the_run(void **state)
{
    (void)state;
    if (openblas_get_parallel() != OPENBLAS_THREAD) skip();
    product p = {0, 0, 50};
    hw_objective o = product_objective(&p);
    hw_config c = short_run(1, 100);
    openblas_set_num_threads(1);
    assert_int_equal(hw_train(&o, &c, NULL, NULL), HW_OK);
    assert_int_equal(p.worst, 1); /* step 51 saw 1 again */
    assert_int_equal(openblas_get_num_threads(), 2);
}

typedef struct short_runs {
    _Atomic int stop, failed;
    uint64_t runs;
} short_runs;

static double point_gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b;
    double loss = 0;
    for (int i = 0; i < 64; i++) {
        g[i] = x[i] - 1;
        loss += 0.5 * (double)g[i] * (double)g[i];
    }
    return loss;
}

static hw_status train_point(uint64_t updates)
{
    hw_objective o = hw_objective_defaults("point", 64);
    o.loss_gradient = point_gradient;
    o.blas = 1;
    hw_config c = short_run(1, updates);
    c.record = 0;
    return hw_train(&o, &c, NULL, NULL);
}

static void *train_again_and_again(void *context)
{
    short_runs *r = context;
    for (; !atomic_load(&r->stop); r->runs++)
        if (train_point(1) != HW_OK) atomic_store(&r->failed, 1);
    return NULL;
}

/* Children of a process that holds and gives back BLAS all the time: each trains, and has the caller's count then. */
static void children_of_a_training_process_train(void **state)
{
    (void)state;
    short_runs r = {0, 0, 0};
    pthread_t thread;
    openblas_set_num_threads(2);
    assert_int_equal(pthread_create(&thread, NULL, train_again_and_again, &r), 0);
    int lost = 0, failed = 0, counts = 0;
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)alarm(20);
            if (train_point(5) != HW_OK) _exit(2);
            _exit(openblas_get_num_threads() == 2 ? 0 : 3);
        }
        int status = 0;
        (void)waitpid(child, &status, 0);
        lost += WIFSIGNALED(status);
        failed += WIFEXITED(status) && WEXITSTATUS(status) == 2;
        counts += WIFEXITED(status) && WEXITSTATUS(status) == 3;
    }
    atomic_store(&r.stop, 1);
    pthread_join(thread, NULL);
    /* A sanitizer's allocator may be locked by another thread at the fork, and then stays so in the child. */
    if (!CHECK_SLOW) assert_int_equal(lost, 0);
    assert_int_equal(failed, 0);
    assert_int_equal(counts, 0);
    assert_false(r.failed);
}

/* --- small stacks -------------------------------------------------------------------------------------------------
 */

typedef struct small {
    hw_engine *engine;
    hw_status status;
} small;

static void *work_on_a_small_stack(void *context)
{
    small *s = context;
    s->status = hw_engine_work(s->engine, 0);
    hw_advice advice;
    hw_compensation c = hw_config_defaults().compensation;
    hw_policy_input in = {.workers = 300, .momentum = 0.9, .learning_rate = 0.01, .curvature = 10};
    c.policy = HW_POLICY_LOOK_AHEAD;
    hw_advise_policy(&c, &in, &advice);
    if (!(advice.bound > 0)) s->status = HW_E_MEMORY;
    return NULL;
}

/* What the policy, the advisor and a step take of a caller's thread. */
static void a_thread_of_128_kB_works(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
    skip(); /* sanitizers add to every frame */
#endif
    hw_objective o = hw_objective_defaults("point", 64);
    o.loss_gradient = point_gradient;
    o.examples = 1000;
    hw_config c = short_run(1, 500);
    c.workers = 1;
    c.curvature = 50;
    c.compensation.policy = HW_POLICY_AUTO;
    small s = {NULL, HW_E_STATE};
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(hw_engine_create(&s.engine, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 128 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attributes, work_on_a_small_stack, &s), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    hw_engine_free(s.engine);
    assert_int_equal(s.status, HW_OK);
}

/* Refused by what is there, not by what malloc promises. */
static void more_memory_than_there_is_is_refused_at_once(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_engine *e;
    hw_objective o = hw_objective_defaults("point", UINT32_MAX);
    o.loss_gradient = point_gradient;
    hw_config c = short_run(64, 10); /* two terabytes */
    assert_true(hw_memory_available() > 0);
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_E_MEMORY);
    assert_null(e);
    assert_text(why, "GB are there");
}

/* --- pools that are not complete -----------------------------------------------------------------------------------
 */

typedef struct pooled {
    hw_engine *engine;
    unsigned number;
    hw_status status;
    _Atomic int back;
} pooled;

static void *work_in_a_pool(void *context)
{
    pooled *p = context;
    p->status = hw_engine_work(p->engine, p->number);
    atomic_store(&p->back, 1);
    return NULL;
}

/* One of three threads could not be started: the others come back when the run is stopped, by a call or by the flag,
 * nothing has been trained, and a whole pool can work afterwards. */
static void a_pool_that_is_not_complete_is_released(void **state)
{
    (void)state;
    for (int by_flag = 0; by_flag < 2; by_flag++) {
        volatile sig_atomic_t flag = 0;
        hw_objective o = hw_objective_defaults("point", 64);
        o.loss_gradient = point_gradient;
        hw_config c = short_run(3, 300);
        c.stop_flag = by_flag ? &flag : NULL;
        pooled p[3];
        pthread_t thread[3];
        hw_engine *e;
        hw_result r;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        for (unsigned present = 2; present <= 3; present++) {
            flag = by_flag && present == 2;
            for (unsigned i = 0; i < present; i++) {
                p[i].engine = e;
                p[i].number = i;
                p[i].status = HW_E_STATE;
                atomic_store(&p[i].back, 0);
                assert_int_equal(pthread_create(thread + i, NULL, work_in_a_pool, p + i), 0);
            }
            /* Who comes after the others have gone waits anew. */
            while (present == 2 && !(atomic_load(&p[0].back) && atomic_load(&p[1].back))) {
                if (!by_flag) hw_engine_stop(e);
                (void)usleep(1000);
            }
            for (unsigned i = 0; i < present; i++) pthread_join(thread[i], NULL);
            for (unsigned i = 0; i < present; i++) assert_int_equal(p[i].status, HW_OK);
            hw_engine_result(e, &r);
            assert_int_equal(r.updates, present == 2 ? 0 : 300);
            assert_int_equal(r.reason, present == 2 ? HW_STOP_ASKED : HW_STOP_UPDATES);
        }
        hw_engine_free(e);
    }
}

static hw_status always_there(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)x, (void)first;
    sums[0] += 0.5 * (double)count;
    return HW_OK;
}

/* A run that is over as it begins waits for who comes late all the same: nobody is left behind to wait alone. */
static void a_late_thread_finds_a_run_that_had_met_its_target(void **state)
{
    (void)state;
    hw_objective o = hw_objective_defaults("point", 64);
    o.loss_gradient = point_gradient;
    o.evaluate = always_there;
    o.evaluation_examples = 10;
    o.metrics = 1;
    hw_config c = short_run(2, 300);
    c.evaluate_every = 10;
    c.target = 1;
    c.target_metric = 0;
    hw_engine *e;
    hw_result r;
    char why[HW_WHY] = "";
    hw_state *s = hw_state_create();
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_TARGET);
    assert_int_equal(hw_engine_capture(e, s), HW_OK);
    uint64_t updates = r.updates;
    if (hw_engine_restore(e, s, why) != HW_OK) fail_msg("%s", why);
    pooled p[2] = {{e, 0, HW_E_STATE, 0}, {e, 1, HW_E_STATE, 0}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(thread + i, NULL, work_in_a_pool, p + i), 0);
        (void)usleep(100000);
    }
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    hw_engine_result(e, &r);
    assert_int_equal(p[0].status, HW_OK);
    assert_int_equal(p[1].status, HW_OK);
    assert_int_equal(r.reason, HW_STOP_TARGET);
    assert_true(r.updates == updates);
    hw_state_free(s);
    hw_engine_free(e);
}

/* --- processors --------------------------------------------------------------------------------------------------- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_folder(char *path, size_t size, const char *parent, const char *name)
{
    snprintf(path, size, "%s/%s", parent, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static char root[] = "hogwild-quota-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void the_least_quota_of_a_group_and_those_above_counts(void **state)
{
    (void)state;
    char groups[100], path[200];
    snprintf(groups, sizeof groups, "%s/groups", root);
    assert_true(hw__base_quota("nothing/here", root) == 0);
    /* Version 2: the group has no limit, the one above has one and a half, the root none. */
    put(root, "groups", "0::/a/b\n");
    make_folder(path, sizeof path, root, "a");
    put(path, "cpu.max", "150000 100000\n");
    make_folder(path, sizeof path, root, "a/b");
    put(path, "cpu.max", "max 100000\n");
    assert_true(hw__base_quota(groups, root) == 1.5);
    put(path, "cpu.max", "50000 100000\n");
    assert_true(hw__base_quota(groups, root) == 0.5);
    /* A container sees its own group as the root, whatever the name that the host has for it. */
    put(root, "groups", "0::/not/seen/here\n");
    put(root, "cpu.max", "300000 100000\n");
    assert_true(hw__base_quota(groups, root) == 3);
    /* Version 1: two files, and other groups that say nothing of time. */
    put(root, "groups", "7:cpuset,cpuacct:/a\n4:net,cpu,cpuacct:/c\n2:memory:/a\n");
    make_folder(path, sizeof path, root, "cpu");
    make_folder(path, sizeof path, root, "cpu/c");
    put(path, "cpu.cfs_quota_us", "250000\n");
    put(path, "cpu.cfs_period_us", "100000\n");
    assert_true(hw__base_quota(groups, root) == 2.5);
    put(path, "cpu.cfs_quota_us", "-1\n");
    assert_true(hw__base_quota(groups, root) == 0);
}

/* Of the calling thread, which is put back by the last line of each test. */
static cpu_set_t own_mask(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static cpu_set_t last_of(const cpu_set_t *all)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t i = CPU_SETSIZE; i-- > 0;)
        if (CPU_ISSET(i, all)) {
            CPU_SET(i, &one);
            return one;
        }
    return one;
}

static void a_mask_of_one_processor_is_one(void **state)
{
    (void)state;
    cpu_set_t all = own_mask(), one = last_of(&all);
    assert_true(hw_processors() >= 1 && hw_processors() <= (unsigned)CPU_COUNT(&all));
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint32_t alone = hw__barrier_spins(1, 4000), two = hw__barrier_spins(2, 4000);
    unsigned processors = hw_processors(), workers = hw_config_defaults().workers;
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(processors, 1);
    assert_int_equal(alone, 4000);
    assert_int_equal(two, 0); /* who spins there keeps the one that it waits for from running */
    assert_int_equal(workers, 1);
}

/* Whether the system says that processors of the mask are of different cores. */
static bool several_cores(const cpu_set_t *mask)
{
    int first = -1;
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        char path[120];
        int core = -1;
        if (!CPU_ISSET(i, mask)) continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/topology/core_id", i);
        FILE *f = fopen(path, "r");
        bool known = f && fscanf(f, "%d", &core) == 1;
        if (f) fclose(f);
        if (!known) return false;
        if (first >= 0 && core != first) return true;
        first = core;
    }
    return false;
}

typedef struct seen {
    cpu_set_t allowed;
    _Atomic int outside, wide; /* steps with a mask beyond that; with a mask of several cores */
} seen;

static double masked_gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    seen *s = self;
    cpu_set_t set, both;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        CPU_AND(&both, &set, &s->allowed);
        if (!CPU_EQUAL(&both, &set)) atomic_fetch_add(&s->outside, 1);
        if (CPU_COUNT(&set) == CPU_COUNT(&s->allowed) && CPU_COUNT(&set) > 1) atomic_fetch_add(&s->wide, 1);
    }
    return point_gradient(self, scratch, b, x, g);
}

/* Threads that have ended before anybody comes to pin them, and a mask without the first processor. */
static void workers_are_pinned_inside_the_callers_mask_and_nobody_else(void **state)
{
    (void)state;
    cpu_set_t all = own_mask(), one = last_of(&all);
    for (int narrow = 0; narrow < 2; narrow++) {
        seen s = {.allowed = narrow ? one : all};
        hw_objective o = hw_objective_defaults("masked", 64);
        o.loss_gradient = masked_gradient;
        o.self = &s;
        hw_config c = short_run(3, 30);
        c.pin = 1;
        char why[HW_WHY] = "";
        assert_int_equal(sched_setaffinity(0, sizeof s.allowed, &s.allowed), 0);
        hw_status status = hw_config_check(&c, &o, why);
        int changed = 0;
        for (int i = 0; i < 20 && status == HW_OK; i++) {
            hw_result r;
            status = hw_train(&o, &c, NULL, &r);
            cpu_set_t after = own_mask();
            changed += !CPU_EQUAL(&after, &s.allowed);
        }
        assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
        if (status == HW_E_UNSUPPORTED && strstr(why, "hwloc")) skip();
        assert_int_equal(status, HW_OK);
        assert_int_equal(changed, 0);
        assert_int_equal(s.outside, 0);
        if (several_cores(&s.allowed)) assert_int_equal(s.wide, 0);
    }
}

/* OpenBLAS's own text is written anew by every caller, to one place. */
static void *ask(void *context)
{
    const char *expected = context;
    uintptr_t odd = 0;
    for (int i = 0; i < 20000; i++) {
        char text[300];
        hw_build_info(text, sizeof text);
        odd += strcmp(text, expected) != 0;
    }
    return (void *)odd;
}

static void build_info_from_many_threads(void **state)
{
    (void)state;
    char text[300];
    pthread_t thread[4];
    hw_build_info(text, sizeof text);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(thread + i, NULL, ask, text), 0);
    for (int i = 0; i < 4; i++) {
        void *odd = NULL;
        assert_int_equal(pthread_join(thread[i], &odd), 0);
        assert_null(odd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_info_from_many_threads),
        cmocka_unit_test(workers_have_one_thread_each),
        cmocka_unit_test(a_count_that_is_set_meanwhile_holds_after_the_run),
        cmocka_unit_test(children_of_a_training_process_train),
        cmocka_unit_test(a_thread_of_128_kB_works),
        cmocka_unit_test(a_pool_that_is_not_complete_is_released),
        cmocka_unit_test(more_memory_than_there_is_is_refused_at_once),
        cmocka_unit_test(a_late_thread_finds_a_run_that_had_met_its_target),
        cmocka_unit_test_setup_teardown(the_least_quota_of_a_group_and_those_above_counts, make_root, drop_root),
        cmocka_unit_test(a_mask_of_one_processor_is_one),
        cmocka_unit_test(workers_are_pinned_inside_the_callers_mask_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
