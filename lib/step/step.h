/* step.h (internal) - a step and what belongs to it, as schedulers use them. A file each: tickets.c, step.c, sample.c,
 * sweep.c, evaluate.c, periodic.c, park.c, fail.c, times.c. */
#ifndef HW__STEP_STEP_H
#define HW__STEP_STEP_H

#include "worker.h"

/* --- fail.c ---------------------------------------------------------------------------------------------------------
 */
/* The first error of a run ends it: everybody who waits is let go. */
void hw__fail(hw_engine *e, hw_status code, const char *format, ...) HW_PRINTF(3, 4);
void hw__fail_worker(hw_worker *w, hw_status code); /* with the sentence that the worker left, if any */

/* --- times.c --------------------------------------------------------------------------------------------------------
 */
uint64_t hw__times_trained(const hw_engine *e);  /* by a worker; while all are parked only by who is inside */
uint64_t hw__times_training(const hw_engine *e); /* of who is not parked, as of now */
double hw__times_seconds(const hw_engine *e);
void hw__times_check(hw_engine *e); /* stops the run where its seconds are over */
/* Stops it where the caller's flag says so. Every step asks. */
static inline void hw__times_poll_stop(hw_engine *e)
{
    if (e->config.stop_flag && *e->config.stop_flag) hw__flags_stop(&e->flags, HW_STOP_ASKED);
}

/* --- tickets.c ------------------------------------------------------------------------------------------------------
 */
#define HW__NO_LIMIT (UINT64_MAX / 4)
uint64_t hw__tickets_limit(const hw_engine *e); /* the stop by updates or epochs, in steps */
/* The next ticket; false: there is none left. */
bool hw__tickets_take(hw_worker *w, uint64_t *ticket);
/* How many have been handed out: who looks for one at the end counts on beyond the limit. */
static inline uint64_t hw__tickets_handed(const hw_engine *e)
{
    const uint64_t taken = hw__counter_get(&e->tickets.taken), limit = hw__counter_get(&e->tickets.limit);
    return taken < limit ? taken : limit;
}
/* A ticket of this engine's, as the number of the step among those of all engines; and as what the worker is at. */
uint64_t hw__tickets_step(const hw_engine *e, uint64_t ticket);
void hw__tickets_number(hw_worker *w, uint64_t ticket);
/* Its epoch, and the minibatch of that which it is. */
uint64_t hw__tickets_epoch(const hw_engine *e, uint64_t ticket);
uint64_t hw__tickets_position(const hw_engine *e, uint64_t ticket);
/* The minibatch of a ticket, or part `part` of `parts` of it, into w->batch. */
void hw__tickets_batch(hw_worker *w, uint64_t ticket, uint32_t part, uint32_t parts);

/* --- worker.c -------------------------------------------------------------------------------------------------------
 */
/* A caller's objective, shorter or longer, as this version has it. */
hw_status hw__objective_adopt(const hw_objective *from, hw_objective *to, char *why);

/* --- work.c: work that the configuration adds to a step -------------------------------------------------------------
 */
void hw__work_plan(hw_worker *w);
void hw__work_do(hw_worker *w); /* once a step, before its first write */

/* --- sample.c: which examples ---------------------------------------------------------------------------------------
 */
void hw__sample_run(const hw_engine *e, uint64_t epoch, uint32_t position, uint32_t count, uint32_t *index);
/* With replacement: draws from .. to - 1 of a ticket. */
void hw__sample_drawn(const hw_engine *e, uint64_t ticket, uint32_t from, uint32_t to, uint32_t *index);

/* --- step.c: the one place where a step happens ---------------------------------------------------------------------
 */
hw_status hw__step_run(hw_worker *w); /* the objective's step on w->batch */
bool hw__step_whole(hw_worker *w);    /* the same, on a thread: its error is the run's, and false */
const float *hw__step_read(hw_worker *w, const hw__extent *x, float *values);
/* Check and prepare g, and land it: examples, of which it is the mean gradient. */
hw_status hw__step_write(hw_worker *w, const hw__extent *x, const float *g, double loss, uint32_t examples);
/* Its parts: the private pass over g, into w->pending; and the landing of that, the rate times `factor` (negative: by
 * its age). */
void hw__step_prepare(hw_worker *w, const hw__extent *x, const float *g, double loss);
/* The same of the floats from `at` on, both in the gradient and in what was read: *g moves to where they are then.
 * False: one is not finite. */
bool hw__step_prepare_part(hw_worker *w, const hw__extent *x, size_t at, const float **g, bool *clipped);
hw_status hw__step_land(hw_worker *w, uint32_t examples, double factor);
/* Whether what is pending is to land at all; false: what became of the step instead. */
bool hw__step_accepts(hw_worker *w, uint32_t examples, hw_status *status);
/* What follows a landing, which was number `landed`: counters, histograms, hooks, and what is due. */
hw_status hw__step_landed(hw_worker *w, double loss, uint32_t examples, uint64_t landed, const hw__optimizer_write *ow);
/* What is due by the clock n, after a step of that loss whose note stands. */
void hw__step_due(hw_worker *w, uint64_t n, double loss);
/* Instead of a landing: what was not finite; whether the losses have become too large, and that. */
hw_status hw__step_not_finite(hw_worker *w, const char *what);
bool hw__step_diverging(hw_worker *w, double loss, uint32_t examples);
hw_status hw__step_diverged(hw_worker *w);
/* Into the histograms: its gradient landed as number `landed`. */
void hw__step_observe(hw_worker *w, uint64_t landed);
/* The setting in force, where it has changed. */
void hw__step_setting(hw_worker *w);
/* `count` updates of mean loss `loss` landed: counters, and, to be judged, divergence. HW_E_STOPPED where the run
 * fails. */
hw_status hw__step_account(hw_worker *w, double loss, uint32_t count, bool judge);

/* --- layers.c: a step layer by layer --------------------------------------------------------------------------------
 */
/* Why steps of this configuration cannot go layer by layer; NULL: they can. */
const char *hw__layers_refusal(const hw_config *c, const hw_objective *o, const hw__scheduler *s);
hw_status hw__layers_plan(hw_engine *e, char *why);
/* A layer's read; all values stand in what it returns. Its landing. The end of the step, g being its gradient. */
const float *hw__layers_read(hw_worker *w, size_t layer);
hw_status hw__layers_write(hw_worker *w, size_t layer);
hw_status hw__layers_end(hw_worker *w, const float *g, double loss, uint32_t examples);
void hw__layers_record(hw_worker *w, size_t layer, uint64_t staleness);

/* --- layers_delay.c: what the layers' delays mean for policies ------------------------------------------------------
 */
void hw__layers_begin(hw_engine *e); /* of a run: as long as the objective says that they are held */
/* Each layer's share of a direction in parameter space. */
void hw__layers_weigh(hw_engine *e, const float *direction);
/* Of the run in a state, or of the engine's own (PUT). States of 0.1 have whole steps. */
bool hw__layers_of_state(const hw_engine *e, const hw__walk *v);
/* Whether steps go layer by layer, as far as is known: an objective may name layers and read all at once. */
bool hw__layers_used(const hw_engine *e, bool first);
/* The window ends now, and another one begins. measures: the delays are its means from now on. */
void hw__layers_window(hw_engine *e, bool measures);
/* The staleness that the direction of the largest curvature sees: of every layer by its share. */
void hw__layers_mix(const hw_engine *e, hw_histogram *mixed);
/* How many updates of a layer have been recorded since the run's start, and the sum of their staleness; its histogram.
 */
void hw__layers_total(const hw_engine *e, size_t layer, uint64_t *updates, uint64_t *sum);
void hw__layers_histogram(const hw_engine *e, size_t layer, hw_histogram *h);

/* --- sweep.c: runs of single-example updates -------------------------------------------------------------------------
 */
/* tickets ticket .. ticket + count - 1, all in hand; false: the worker's loop ends. first NULL: as the sampling has it,
 * else the first of as many examples in a row. */
bool hw__sweep_tickets(hw_worker *w, uint64_t ticket, uint32_t count, const uint32_t *first);

/* --- exchange.c ------------------------------------------------------------------------------------------------------
 */
/* Exchange the worker's replica where it has steps to exchange; due: only if its interval has passed. */
bool hw__exchange(hw_worker *w, bool due);
uint32_t hw__exchange_interval(hw_worker *w); /* steps from the last one to the next */

/* --- due.c ----------------------------------------------------------------------------------------------------------
 */
uint64_t hw__due_updates_of_window(const hw_engine *e);
uint64_t hw__due_window(const hw_engine *e, uint64_t n); /* when the setting is made anew, after n */
uint64_t hw__due_multiple(uint64_t n, uint64_t step);    /* the next multiple of step above n; never for step 0 */
/* The first update after n at which `every` updates of the run have passed again; never for 0. */
uint64_t hw__due_after(const hw_engine *e, uint64_t n, uint64_t every);
uint64_t hw__due_updates(const hw_engine *e, double epochs); /* so many updates as there are in them */
uint64_t hw__due_average(const hw_engine *e); /* from which on the parameters enter the mean, by hw__due_steps */
/* The clock n as if each step had made one update, which lands when the step is over: what epochs are counted by. */
uint64_t hw__due_steps(const hw_engine *e, uint64_t n);

/* --- evaluate.c -----------------------------------------------------------------------------------------------------
 */
void hw__evaluate_chunks(hw_worker *w); /* of the snapshot, by whoever is parked */
void hw__evaluate_end(hw_engine *e);    /* everybody parked, sums complete */
/* After the clock n, by updates or by hw__due_steps; never where they come only at the end. */
uint64_t hw__evaluate_next(const hw_engine *e, uint64_t n);
/* The target of this configuration; and the stop of a run that has met it. */
bool hw__evaluate_meets_target(const hw_engine *e, const hw_evaluation *ev);
void hw__evaluate_target(hw_engine *e, const hw_evaluation *ev);
/* Before the evaluation at the end of a run that others have ended, which the whole run would not make: captures are
 * without it. */
void hw__evaluate_leave_out(hw_engine *e);

/* --- periodic.c: what is due after a landing ------------------------------------------------------------------------
 */
void hw__periodic_keep(hw_engine *e, uint64_t landed, double loss, uint64_t read);
void hw__periodic_epochs(hw_engine *e, uint64_t landed);
hw_policy_input hw__periodic_input(const hw_engine *e); /* what a policy is given, before any staleness */
void hw__periodic_setting(hw_engine *e, bool first);
void hw__periodic_checkpoints(hw_engine *e, uint64_t n); /* when the next ones are due */

/* --- window.c: the window of staleness ------------------------------------------------------------------------------
 */
void hw__window_merge(hw_engine *e); /* all that has been recorded, into settings.merged */
void hw__window_begin(hw_engine *e); /* it begins anew: what came before is of none */

/* --- settings.c: the setting in force -------------------------------------------------------------------------------
 */
void hw__settings_put(hw_engine *e, const hw_setting *s);   /* under the mutex */
void hw__settings_adopt(hw_engine *e, const hw_setting *s); /* none where a replay prescribes them */
/* A replay: setting `number` of the trace, which comes into force with the first worker that has it. */
void hw__settings_recorded(hw_engine *e, uint32_t number, hw_setting *setting);

/* --- losses.c: what the run's losses come to ------------------------------------------------------------------------
 */
void hw__losses_sum(const hw_engine *e, double *sum, uint64_t *count);
double hw__losses_first(const hw_engine *e); /* the mean of the first ones; 0: none yet */

/* --- recovery.c: back to good parameters at a lower rate, instead of the end ----------------------------------------
 */
bool hw__recovery_plan(const hw_engine *e);                        /* whether this run does so */
uint64_t hw__recovery_interval(const hw_engine *e, uint64_t keep); /* updates between looks, and between snapshots */
void hw__recovery_begin(hw_engine *e);
void hw__recovery_resume(hw_engine *e); /* where a state tells nothing of it */
/* A worker or a look asks for a return: true where there will be one, and what the worker has in hand is not to land.
 */
bool hw__recovery_ask(hw_engine *e);
void hw__recovery_note(hw_worker *w, double loss); /* of an update that has landed */
/* The return itself, by this worker, with all parked between steps. */
void hw__recovery_return(hw_worker *w);
/* The last good parameters; velocities, last gradients and second moments start anew. Nobody steps. */
void hw__recovery_fall_back(hw_engine *e);
/* The policy's setting s, made of that input, with a rate within the window. False: fewer or more workers step from now
 * on, and the setting is to be made for them. */
bool hw__recovery_limit(hw_engine *e, const hw_policy_input *in, hw_setting *s);
typedef enum hw__recovery_sign { HW__RECOVERY_UNKNOWN, HW__RECOVERY_CALM, HW__RECOVERY_RISEN } hw__recovery_sign;
/* What the losses since the last look say of the parameters before them. */
hw__recovery_sign hw__recovery_look(hw_engine *e);
/* At the end of a run, once: whether its last losses have risen, so that the parameters before are the better ones. */
bool hw__recovery_ends_badly(hw_engine *e);

/* --- rest.c: how many workers step ---------------------------------------------------------------------------------
 */
void hw__rest_plan(hw_engine *e);       /* whether workers of this engine may rest */
void hw__rest_begin(hw_engine *e);      /* of a run: all step */
void hw__rest_resume(hw_engine *e);     /* those who are said to, from now on: nobody runs yet */
bool hw__has_steps(const hw_engine *e); /* some are left: the run goes on */
/* Why the number has changed since the setting in force was made; NULL: it has not. */
const char *hw__rest_why(const hw_engine *e);
/* Of those, on average over the run's updates. */
double hw__rest_mean(const hw_engine *e);
/* Between steps: whether this worker is to wait, rather than to step. */
bool hw__rests(const hw_worker *w);
/* The same, to park for it: until the number changes, or the run ends. */
bool hw__rest_now(hw_worker *w);
bool hw__rest_possible(const hw_engine *e); /* for more of them than do */
/* True where more of them rest now: when a run begins all but so many as nobody sees the delay of, and the fewest at
 * least; half when the loss has risen. */
bool hw__rest_at_start(hw_engine *e, const hw_policy_input *in);
bool hw__rest_after_failure(hw_engine *e, uint64_t now);
/* As few as may step do so from now on: what delay has shaken comes to rest. */
void hw__rest_at_end(hw_engine *e, uint64_t now);
/* With every new setting: true where that rate, which has risen as far as it may or not, is one for fewer or for more
 * of them, who step from now on. */
bool hw__rest_judge(hw_engine *e, const hw_policy_input *in, double rate, bool risen);

/* --- park.c ---------------------------------------------------------------------------------------------------------
 */
typedef enum hw__park_place {
    HW__PARK_WRITE,   /* before a write: reads in flight keep their clock */
    HW__PARK_BETWEEN, /* between steps, with no gradient in hand */
    HW__PARK_REST,    /* there, for as long as this worker rests; its part of a pause is taken meanwhile */
    HW__PARK_FINISH   /* at the end of the run */
} hw__park_place;
/* Park until the evaluation or capture asked for is over (or, finishing, until all have finished). False: the run
 * failed. */
bool hw__park(hw_worker *w, hw__park_place place);
/* Those who rest look again whether they do. */
void hw__park_changed(hw_engine *e, unsigned at_work);
/* Before a write, where an evaluation has been asked for; the time counts neither as work nor as training. */
bool hw__park_before_write(hw_worker *w);

#endif
