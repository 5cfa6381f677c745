/* advanced/peers.h - an engine as one of several, in as many processes, that train one model: what a transport between
 * them stands on. MPI is one (hogwild/mpi.h); this header knows of no network. What stands in advanced/ may change from
 * one minor version to the next.
 *
 * In step (SPLIT): every engine holds the same parameters and computes its part of every minibatch; the sum of the
 * parts is the gradient, and each lands the same update. On their own (DEALT): every engine has its share of an epoch's
 * minibatches and steps on its own parameters; somebody beside its workers takes what they have come to
 * (hw_engine_peek), and brings what others have done (hw_engine_merge), while they go on. Or (OWN) its examples are
 * its own, and an epoch is once through those; what is said of DEALT below is of both.
 *
 * Counts of the configuration (updates, schedules, epochs) are the whole job's; so are, about, evaluate_every and
 * checkpoint_every: each engine makes its part of them, rounded.
 * hw_result's and hw_progress's are the engine's own: under SPLIT that is the same. */
#ifndef HOGWILD_ADVANCED_PEERS_H
#define HOGWILD_ADVANCED_PEERS_H

#include "../engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hw_sharing {
    HW_SHARE_SPLIT, /* parts of every minibatch: scheduler sync                                       */
    HW_SHARE_DEALT, /* whole minibatches of every epoch: schedulers sequential, async, sync and groups */
    HW_SHARE_OWN    /* as DEALT, but the objective's examples are this engine's own, none of another's */
} hw_sharing;

/* What several have made of the same parameters since each last heard of them, as at most `most` times the mean of it.
 * Where `others` have moved them by D, and one comes who did not know and has made d of them, they are moved by
 * keeps D + share d altogether. others 0: share is 1, at most `most`. */
typedef struct hw_mean_of {
    float keeps, share;
} hw_mean_of;
static inline hw_mean_of hw_peers_mean(unsigned others, float most)
{
    const float all = (float)others + 1, now = all < most ? all : most,
                before = (float)others < most ? (float)others : most;
    const hw_mean_of m = {others ? now * (float)others / (all * before) : 0, now / all};
    return m;
}

/* How many of `parts` others than `own` have changed something since `own` heard of it: it has been changed `changes`
 * times, of which own knows `knows`, and part i did last as number did[i * stride] (0: never). */
static inline unsigned hw_peers_others(const uint32_t *did, size_t stride, unsigned parts, unsigned own,
                                       uint32_t changes, uint32_t knows)
{
    const uint32_t since = changes - knows;
    unsigned count = 0;
    for (unsigned i = 0; since && i < parts; i++) count += i != own && changes - did[i * stride] < since;
    return count;
}

/* What everybody's meeting is for, and what has come of it. */
typedef struct hw_meeting {
    int capture;           /* in: before a capture, of a run that goes on; else before an evaluation */
    int final;             /* in: this engine's run is over but for an evaluation */
    hw_stop_reason reason; /* in: why, of a final one; HW_STOP_NONE: it has made its steps */
    int again; /* out, of a final one: others go on, so that there will be another meeting after this evaluation */
    int later; /* out, before a capture: not now; the engine goes on without, and comes again when it is asked for it */
    int same;  /* out, of a final one: nothing has changed since the last evaluation, which is the final one too */
} hw_meeting;

/* Callbacks are made by one worker of an engine at a time, with no lock held; they may block. A status other than HW_OK
 * ends the run with it, with the sentence in why[HW_WHY]; HW_E_STOPPED ends it well, without the step under way. */
typedef struct hw_peers {
    size_t struct_size; /* sizeof(hw_peers) */
    void *context;
    unsigned part, parts; /* this engine's number, and how many there are */
    hw_sharing sharing;
    int probes; /* hw_engine_curvature will be asked: memory for it, and an estimate before the run */
    int marks;  /* DEALT: hw_engine_touched will be asked: a bit a line of 16 parameters for each worker */
    /* DEALT: what workers have made is to be seen beside them every so many updates, so that a chosen clock_interval,
     * and the shortest sweep, are no longer; one that is given stays. 0: nobody minds. */
    unsigned often;
    /* SPLIT: g[0 .. n-1], this engine's part of a minibatch's mean gradient, to the sum over all; *loss, the sum of the
     * losses of its examples, likewise; *raw (1: deltas instead of gradients; -1: this part has no examples, and does
     * not know) to what the others say. Every engine must come to the same bits. */
    hw_status (*sum)(void *context, float *g, size_t n, double *loss, int *raw, char *why);
    /* With objective.evaluate: sums[0 .. n-1], of which this engine has filled its share and the others are 0, to the
     * sums over all. */
    hw_status (*sums)(void *context, double *sums, size_t n, char *why);
    /* DEALT: all workers of this engine are parked, before an evaluation or a capture. Afterwards its parameters
     * (hw_engine_peek, hw_engine_merge) are those that all are to evaluate. HW_E_STOPPED is an error here. */
    hw_status (*meet)(void *context, hw_meeting *meeting, char *why);
    /* DEALT, may be NULL: an evaluation as this engine counts, to be told in the numbers of all, to callbacks and in
     * hw_engine_evaluations. */
    void (*tell)(void *context, hw_evaluation *evaluation);
} hw_peers;

/* The engine's parameters, from a thread beside its workers, during a run or outside; and values added to those of
 * ranges[0 .. n-1], packed one after the other (ranges NULL: to all), without losing anything (write racy: what a
 * worker writes at the same moment may be lost). Neither is an update of the engine's clock. x: as many floats as the
 * objective has parameters, or NULL. One thread at a time. *clock (may be NULL): updates that had landed before the
 * peek, which may hold some of later ones, too. In step: peek only, from within `sums`. HW_E_UNSUPPORTED: the engine
 * was not created with config.peers, or (merge) goes in step. */
HW_API hw_status hw_engine_peek(hw_engine *engine, float *x, uint64_t *clock);
HW_API hw_status hw_engine_merge(hw_engine *engine, const hw_range *ranges, size_t n, const float *delta);
/* As peek, of those ranges alone: each to where it stands in x. */
HW_API hw_status hw_engine_peek_at(hw_engine *engine, const hw_range *ranges, size_t n, float *x, uint64_t *clock);

/* With peers->marks. lines[0 .. n-1], n returned: the numbers of the lines of 16 parameters (from 16 line on) that
 * steps have written to since the last call, ascending; room for all of them. What peek_at reads of those afterwards
 * has all of these steps; what is written later is in the next call's. Every update that *clock (may be NULL) counts
 * is in this call's or the next one's lines: in this one's where no worker is stepping. What merge adds is in none. By
 * one thread at a time. */
HW_API size_t hw_engine_touched(hw_engine *engine, uint32_t *lines, uint64_t *clock);

/* DEALT: workers begin no more than so many steps since the run began, or went on, and wait; UINT64_MAX, as at first:
 * any number. They look before each step, so that those who look at once may all begin the last one (with a sampled
 * clock, and some tickets in hand, a few more). From one thread beside the workers. After hw_engine_stop they are let
 * go by the next call. awaited: seconds that workers have waited so, added up. */
HW_API hw_status hw_engine_allow(hw_engine *engine, uint64_t steps);
HW_API double hw_engine_awaited(const hw_engine *engine);
/* DEALT: gradients' learning rate, times that from each worker's next step on, where others will do so to what this
 * engine makes (1: at first). HW_E_ARGUMENT: it is not above 0. */
HW_API hw_status hw_engine_slow(hw_engine *engine, double rate);
/* 1: every worker waits so, or is parked, so that nothing will land before more are allowed. */
HW_API int hw_engine_idle(hw_engine *engine);
/* DEALT, with captures: one (asked 1) as if it were due after the next landing, beside those that are; none (0), which
 * is for when all workers are known to wait in `meet`, before an evaluation or at their end. hw_engine_run forgets what
 * was asked for before it. HW_E_UNSUPPORTED: the engine makes no captures. */
HW_API hw_status hw_engine_ask_capture(hw_engine *engine, int asked);
/* DEALT: how many more updates, or steps where they come by epochs, until the next evaluation; UINT64_MAX: there is
 * none. While no worker steps. */
HW_API uint64_t hw_engine_until_evaluation(const hw_engine *engine);
/* DEALT: the next step of its share; and whose engine this is: peers->context, NULL without. */
HW_API uint64_t hw_engine_position(const hw_engine *engine);
HW_API const void *hw_engine_peers(const hw_engine *engine);
/* DEALT: steps that have been begun since the run began, or went on, without those that landed nothing (gradients that
 * are skipped); what each has read is older than what is merged now. */
HW_API uint64_t hw_engine_begun(const hw_engine *engine);
/* With peers->probes. x NULL: the curvature of the loss where the run began. Else at x, from `direction`, which is
 * lost, on a minibatch of its own for every `number`: four gradients, by this thread. Both as many floats as
 * parameters; one thread at a time. *curvature: 0 where it is not known. */
HW_API hw_status hw_engine_curvature(hw_engine *engine, const float *x, float *direction, uint64_t number,
                                     double *curvature);
/* DEALT: the engine's step number t is number t + steps of its share from now on. For an engine that goes on from the
 * state of another one, whose share had come to another number; before it is restored or run. */
HW_API hw_status hw_engine_shift(hw_engine *engine, int64_t steps);
/* The same for a new run that begins where others have come to: without its share of the job's first so many steps. */
HW_API hw_status hw_engine_skip(hw_engine *engine, uint64_t steps);
/* Likewise without its first so many epochs, which of OWN are its own. HW_E_ARGUMENT: negative, or too many. */
HW_API hw_status hw_engine_skip_epochs(hw_engine *engine, double epochs);

#ifdef __cplusplus
}
#endif
#endif
