/* plan.h - what to run on this box: how many workers, asynchronous or in step, at which exchange interval, minibatch,
 * learning rate and momentum, found by short probes of an objective from its own start.
 *
 * A probe is a run of some hundredth of the training. Probes are compared by how long they take to a loss that both
 * reach, so that a step's time (hardware efficiency) and its worth (statistical efficiency) count in one figure. First
 * come the ways to let workers run, all with the solver of one worker; then, for the best of them, other learning rates
 * and momenta, and minibatches as the noise scale of the gradients proposes them; last longer probes of what was chosen
 * and of one worker. Nothing is chosen that was not measured to be quicker than one worker.
 *
 * Mitliagkas et al.'s Omnivore is the precedent: hardware says how much asynchrony pays, the loss how much of it the
 * problem bears. Not included by hogwild.h. */
#ifndef HOGWILD_PLAN_H
#define HOGWILD_PLAN_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a probe came to. */
typedef struct hw_plan_probe {
    char label[96];        /* "2 workers", "2 threads in step", "learning rate 0.02" */
    int diverged, refused; /* refused: this objective cannot be run so, or no budget was left for it */
    double seconds;        /* of training */
    uint64_t updates;
    double seconds_per_update;
    double loss; /* at its end */
    double gain; /* how much sooner it reaches a loss than what it is compared with: 2 is half of the time; 0: never */
} hw_plan_probe;

#define HW_PLAN_LINES 5

/* What is not tried: the solver's part stays as config has it. */
enum { HW_PLAN_KEEP_BATCH = 1, HW_PLAN_KEEP_RATE = 2, HW_PLAN_KEEP_MOMENTUM = 4, HW_PLAN_KEEP_SOLVER = 7 };

typedef struct hw_plan_request {
    size_t struct_size;
    const hw_objective *objective; /* it evaluates; metric 0 is what probes are compared by, or the
                                      steps' own loss where that does not tell; borrowed */
    const hw_config *config; /* the solver of one worker; its stop by updates, epochs or seconds is the length of the
                                training that the plan is for; borrowed */
    void (*start)(void *context, uint64_t seed, float *params);       /* initial parameters; NULL: zeros */
    hw_status (*on_probe)(void *context, const hw_plan_probe *probe); /* after each; a status other than HW_OK ends the
                                planning with it */
    void *context;
    double budget;    /* share of one worker's training time that all probes may take, (0, 1]; default 0.1. Where that
                         is less than 0.2 s, 0.2 s */
    unsigned threads; /* most to plan for; 0: as many as there are processors */
    unsigned keep;    /* HW_PLAN_KEEP_... */
    const volatile sig_atomic_t *stop_flag; /* or NULL: ends the planning with HW_E_STOPPED */
} hw_plan_request;

/* budget 0.1, all else empty. size: sizeof(hw_plan_request). */
HW_API hw_status hw_plan_request_init(hw_plan_request *request, size_t size);

typedef struct hw_planned {
    char line[HW_PLAN_LINES][400]; /* why, in five sentences */
    double expected; /* time to a loss relative to one worker with its own solver, as the longest probes of it had it;
                        1: that is what was chosen */
    double one_seconds; /* what the whole training takes one worker, as the probes had it */
    double spent;       /* seconds that planning took, all included */
    unsigned probes;
    double curvature, noise_scale; /* where one worker's first probe ended; noise_scale in examples. 0: not known */
} hw_planned;

/* What to run into *config (from hw_config_defaults(); may be the request's own): the request's with what was chosen;
 * hw_config_save makes a file of it. HW_E_ARGUMENT: the request, with a sentence, or a *config shorter than its;
 * HW_E_DIVERGED: one worker does with the given solver; HW_E_STOPPED, HW_E_MEMORY, what the objective's callbacks
 * return. A probe that diverges or that the configuration does not allow is a result, no error. The configuration's own
 * callbacks are not called. Threads of its own; one call at a time on an objective whose self is not made for more. */
HW_API hw_status hw_plan(const hw_plan_request *request, hw_config *config, hw_planned *planned, char *why);

#ifdef __cplusplus
}
#endif
#endif
