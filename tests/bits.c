/* bits.c - a checksum of the parameters after some simulated runs, for comparing builds of different compilers and
 * numbers of threads: prints one line for each objective. */
#include <hogwild.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t hash(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static void run(const char *name, const hw_objective *o, float *params, unsigned threads, hw_clock_kind clock,
                hw_policy policy)
{
    hw_config c = hw_config_defaults();
    hw_result r;
    c.scheduler = HW_SIMULATED;
    c.workers = 6;
    c.simulation.clock = clock;
    c.simulation.threads = threads;
    c.batch = 8;
    c.epochs = 0;
    c.updates = 120;
    c.optimizer.schedule.base = 1e-3;
    c.compensation.policy = policy;
    c.curvature = 1;
    (void)hw_train(o, &c, params, &r);
    printf("%s %016llx %016llx\n", name, (unsigned long long)hash(params, o->parameters * sizeof *params),
           (unsigned long long)hash(&r.train_loss, sizeof r.train_loss));
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    char why[HW_WHY];
    hw_images digits, textures;
    if (hw_digits_generate(400, 1, &digits) != HW_OK || hw_textures_generate(400, 10, 1, &textures) != HW_OK) return 1;
    printf("digits %016llx\ntextures %016llx\n", (unsigned long long)hash(digits.pixels, (size_t)digits.count * 784),
           (unsigned long long)hash(textures.pixels, (size_t)textures.count * 3072));
    for (int path = 0; path < 2; path++) {
        hw_net *nets[] = {hw_net_lenet(8, why), hw_net_xu(8, 1, 0.2, why),
                          hw_net_perceptron(1, 28, 28, 32, 10, 8, why)};
        for (int k = 0; k < 3; k++) {
            if (!nets[k]) return 1;
            hw_net_task t = {nets[k], k == 1 ? &textures : &digits, NULL, NULL};
            hw_objective o;
            float *params = calloc(hw_net_parameters(nets[k]), sizeof *params);
            if (!params || hw_net_objective(&t, &o, why) != HW_OK) return 1;
            hw_net_init(nets[k], 1, params);
            run(k == 0   ? "lenet"
                : k == 1 ? "xu"
                         : "perceptron",
                &o, params, threads, path ? HW_CLOCK_LOGNORMAL : HW_CLOCK_ROUND_ROBIN,
                path ? HW_POLICY_AUTO : HW_POLICY_NONE);
            free(params);
            hw_net_free(nets[k]);
        }
    }
    float eigenvalue[4] = {4, 3, 2, 1}, v[40];
    hw_pca pca = {4, 10, eigenvalue};
    hw_objective o;
    if (hw_pca_objective(&pca, &o, why) != HW_OK) return 1;
    hw_pca_start(&pca, 1, v);
    run("pca", &o, v, threads, HW_CLOCK_EXPONENTIAL, HW_POLICY_EXACT);
    float h[16], best[16], x[16] = {0};
    for (int i = 0; i < 16; i++) h[i] = 0.1f * (float)(i + 1), best[i] = (float)i / 16;
    hw_quadratic q = {16, h, best, 0.1};
    if (hw_quadratic_objective(&q, &o, why) != HW_OK) return 1;
    run("quadratic", &o, x, threads, HW_CLOCK_GAMMA, HW_POLICY_AUTO);
    hw_images_free(&digits);
    hw_images_free(&textures);
    return 0;
}
