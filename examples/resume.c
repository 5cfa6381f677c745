/* resume.c - checkpoints: a run that is stopped, and another engine that goes on with it as if nothing had happened.
 * Start it again with the same folder and it goes on from there.
 *
 *     resume [FOLDER] */
#include <hogwild.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct folder {
    const char *path;
    uint64_t number;
} folder;

/* Called with the whole state of the run, all workers parked; after it has returned the file survives a crash. */
static hw_status on_capture(void *context, uint64_t update, const hw_state *state)
{
    folder *f = context;
    char why[HW_WHY];
    hw_status status = hw_checkpoint_save(f->path, f->number = update, 3, state, why);
    if (status != HW_OK) fprintf(stderr, "resume: %s\n", why);
    return status; /* an error stops the run; HW_OK here would go on without this checkpoint */
}

int main(int argc, char **argv)
{
    char why[HW_WHY];
    folder f = {argc > 1 ? argv[1] : "resume.checkpoints", 0};
    hw_images digits;
    hw_net *net = hw_net_perceptron(1, 28, 28, 32, 10, 32, why);
    if (!net || hw_digits_generate(4000, 1, &digits) != HW_OK) return fprintf(stderr, "no memory\n"), 1;
    hw_net_task task = {net, &digits, &digits, NULL};
    hw_objective objective;
    hw_config config = hw_config_defaults();
    config.scheduler = HW_SYNC; /* bit for bit; HW_ASYNC goes on from the same parameters, velocity and clock */
    config.batch = 32;
    config.epochs = 4;
    config.checkpoint_epochs = 1;
    config.on_capture = on_capture;
    config.context = &f;
    hw_engine *engine;
    float *x = calloc(hw_net_parameters(net), sizeof *x);
    if (!x || hw_net_objective(&task, &objective, why) != HW_OK) return fprintf(stderr, "%s\n", why), 1;
    hw_net_init(net, 1, x);
    if (hw_engine_create(&engine, &objective, &config, x, why) != HW_OK) return fprintf(stderr, "%s\n", why), 1;

    if (hw_checkpoint_newest(f.path, &f.number) == HW_OK) { /* else there is none yet; damaged ones are an error */
        char from[1024];
        hw_state *state = hw_state_create();
        hw_status status = hw_checkpoint_load(f.path, state, from, sizeof from, why);
        if (status == HW_OK && *why) fprintf(stderr, "resume: %s\n", why); /* what was passed over */
        if (status == HW_OK) status = hw_engine_restore(engine, state, why);
        if (status != HW_OK) return fprintf(stderr, "resume: %s\n", why), 1;
        printf("goes on from %s\n", from);
        hw_state_free(state);
    }
    hw_result result;
    if (hw_engine_run(engine, &result) != HW_OK) return fprintf(stderr, "%s\n", result.message), 1;
    printf("%llu updates in all, accuracy %.2f %%, newest checkpoint %llu in %s\n", (unsigned long long)result.updates,
           100 * result.last.metric[1], (unsigned long long)f.number, f.path);
    hw_engine_free(engine);
    hw_net_free(net);
    hw_images_free(&digits);
    free(x);
    return 0;
}
