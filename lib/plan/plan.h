/* plan.h (internal) - candidates, the curves of their probes, and what is made of them. It trains through the public
 * engine, as a caller would. */
#ifndef HW__PLAN_PLAN_H
#define HW__PLAN_PLAN_H

#include "../base/base.h"
#include "hogwild/plan.h"

enum { PLAN_POINTS = 16, PLAN_CANDIDATES = 64, PLAN_REPEATS = 5 };
#define PLAN_WORTH 1.05   /* a gain that is no noise */
enum { PLAN_STEPS = 16 }; /* of one worker: a probe of fewer says nothing */

/* --- curve.c: loss over training time ------------------------------------------------------------------------------
 */

typedef struct hw__plan_curve {
    size_t n;
    double seconds[PLAN_POINTS + 1], loss[PLAN_POINTS + 1];
    double noise; /* root mean square of what `fall` took off the losses */
} hw__plan_curve;

/* The nearest curve that never rises (least squares): what is left of it when noise is averaged. */
void hw__plan_curve_fall(hw__plan_curve *c);
/* It falls in its second half by more than so many times its noise. */
bool hw__plan_curve_falls(const hw__plan_curve *c, double noises);
/* It falls by far more in its first half than in its second, and than its noise. */
bool hw__plan_curve_early(const hw__plan_curve *c);
/* When it comes down to `loss`; INFINITY: not within its points. */
double hw__plan_curve_at(const hw__plan_curve *c, double loss);
typedef enum hw__plan_part {
    HW__PLAN_WHOLE, /* from the start */
    HW__PLAN_LATE,  /* from the loss that b has at half of its time: without what a run takes to begin */
    HW__PLAN_KEPT   /* from the start where b does not catch up after that, else the smaller of the two: a learning
                       rate may look good at the start only */
} hw__plan_part;
/* How much sooner `a` comes down to losses than `b`, the mean over those that b has in the second half of its way to
 * the lowest that both reach: 2 is half of the time. 0 where a has nothing. */
double hw__plan_curve_gain(const hw__plan_curve *a, const hw__plan_curve *b, hw__plan_part part);
/* The logarithm of a gain that is no more than noise. */
double hw__plan_curve_doubt(const hw__plan_curve *a, const hw__plan_curve *b);
/* A ratio as far as it is beyond doubt: 1 where it is not. */
double hw__plan_beyond(double ratio, double doubt);

/* --- sampled.c: an objective whose evaluation looks at a few examples from all over the set
 * ----------------------------
 */

typedef struct hw__plan_sampled {
    hw_objective inner, outer;
    bool all;       /* the whole set, as its own evaluation goes */
    uint32_t parts; /* else so many of outer.evaluation_chunk examples each */
} hw__plan_sampled;

void hw__plan_sample(hw__plan_sampled *s, const hw_objective *inner, uint32_t examples, unsigned threads);

/* --- candidates.c ----------------------------------------------------------------------------------------------------
 */

typedef struct hw__plan_candidate {
    hw_config config;
    struct {
        hw__plan_curve curve, target; /* the loss; the target's metric, negated where it is a score */
        hw__plan_curve train;         /* the steps' own loss, each point the mean since the one before */
        double step;                  /* seconds an update */
    } run[PLAN_REPEATS];              /* each from a seed of its own, the same for all candidates */
    unsigned runs;
    hw_plan_probe probe; /* of all runs: sums, and medians */
    size_t parent;       /* of a solver: the one that it was made from */
    bool longer;         /* the same as another one, for longer */
} hw__plan_candidate;

/* The ways to let at most `threads` threads run with the solver `c`, one worker first; those that the objective or the
 * options do not allow are left out. How many, into list[PLAN_CANDIDATES]. */
size_t hw__plan_structures(const hw_config *c, const hw_objective *o, unsigned threads, hw__plan_candidate *list);
/* `from` with a minibatch times `factor`, all that counts updates, and where `rate` the learning rate as the noise
 * scale has it. */
hw_config hw__plan_batch(const hw_config *from, double factor, double noise_scale, bool rate);
/* The learning rate that moves parameters as far at another momentum. */
double hw__plan_rate(double rate, double momentum, double other);
/* The length of a training in updates; 0: it has none. */
double hw__plan_updates(const hw_config *c, const hw_objective *o);

/* --- probe.c ---------------------------------------------------------------------------------------------------------
 */

typedef struct hw__planner {
    hw_plan_request request;
    hw_config base;
    hw_objective objective;
    hw__plan_sampled sampled;
    float *start, *end; /* end: where the last probe's parameters go; NULL: nowhere */
    void *scratch;      /* for evaluations of the start */
    bool ready;         /* ... scratch_init has been called for it */
    double start_metric[HW_METRICS];
    uint64_t began;
    double budget;                 /* seconds, of all */
    double one, total;             /* seconds: an update of one worker; the whole training */
    double overhead;               /* seconds that the last probe took beside its training */
    double curvature, noise_scale; /* where the first probe of one worker ended; 0: not known */
    hw__plan_candidate *list;
    size_t n, structures; /* structures: so many come first */
    unsigned probes;
    size_t structure, best; /* the way to run; with its solver */
    double structure_gain, gain;
    bool tells;        /* probes are long enough for the loss to fall */
    bool by_train;     /* by the steps' own loss, since the evaluated one does not tell */
    bool short_budget; /* for any probe */
    bool confirmed;    /* by longer probes */
    bool given;        /* those have the plan's curvature, too: each one's own estimate would take too long */
} hw__planner;

double hw__plan_spent(const hw__planner *p);
double hw__plan_left(const hw__planner *p); /* of the budget, in seconds */
/* Another candidate, of this configuration. NULL: there is no room, or the configuration is none to run. */
hw__plan_candidate *hw__plan_next(hw__planner *p, const hw_config *c);
/* Runs it for so many seconds of training, several times where that costs little; all of it but the gain. */
hw_status hw__plan_probe(hw__planner *p, hw__plan_candidate *c, double seconds, char *why);
/* What a run says that cannot be, of this candidate: no reason to end the plan. */
bool hw__plan_impossible(hw_status status);
/* The same, with its gain against `base` (NULL: 1), of which the request's callback is told. */
hw_status hw__plan_try(hw__planner *p, hw__plan_candidate *c, const hw__plan_candidate *base, double seconds,
                       hw__plan_part part, char *why);
/* The loss that candidates are compared by. */
const hw__plan_curve *hw__plan_loss(const hw__planner *p, const hw__plan_candidate *c, unsigned run);
/* It falls in the second half by twice its noise, in most of its runs. */
bool hw__plan_tells(const hw__planner *p, const hw__plan_candidate *c);
/* It fell in the first half, and hardly any more after that, in most of its runs. */
bool hw__plan_early(const hw__planner *p, const hw__plan_candidate *c);
/* Seconds until the candidate's probe met the target; INFINITY: it did not, or there is none. */
double hw__plan_meets(const hw__planner *p, const hw__plan_candidate *c);
/* It met the target, or its loss was still falling at its end: a learning rate may be quick and end too early. */
bool hw__plan_lasts(const hw__planner *p, const hw__plan_candidate *c);
/* Metrics at the start. */
hw_status hw__plan_look(hw__planner *p, char *why);

/* --- solver.c --------------------------------------------------------------------------------------------------------
 */
/* Tries other solvers for the best way to run, while the budget allows it. */
hw_status hw__plan_solver(hw__planner *p, char *why);

/* --- confirm.c -------------------------------------------------------------------------------------------------------
 */
/* What was found and one worker for as long as the budget has left, and what takes the place of a choice that does not
 * last. */
hw_status hw__plan_confirm(hw__planner *p, char *why);

/* --- reasons.c -------------------------------------------------------------------------------------------------------
 */
void hw__plan_reasons(const hw__planner *p, hw_planned *planned);

#endif
