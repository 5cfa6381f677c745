/* scheduler.h (internal) - one way to let workers run, as a row of functions. Adding one: a file in schedulers/ that
 * defines hw__scheduler_<name>, and its row in HW_SCHEDULER_TABLE (hogwild/engine.h). Nobody asks which scheduler this
 * is: what the others must know of it, it answers here. It stands below schedulers/ since a step calls it. */
#ifndef HW__STEP_SCHEDULER_H
#define HW__STEP_SCHEDULER_H

#include "../state/walk.h"
#include "access.h"
#include "hogwild/engine.h"

/* Who runs, in numbers: from the configuration alone. */
typedef struct hw__crew {
    unsigned threads;   /* real ones                                                                      */
    unsigned slots;     /* M of the formulas: threads, groups, or virtual workers                          */
    unsigned members;   /* entries of hw_engine.worker: threads, or gradients that may be under way        */
    unsigned recorders; /* of staleness                                                                    */
    unsigned writers;   /* slots of the parameter array                                                    */
    unsigned numbers;   /* distinct numbers of workers in events and traces                                */
    unsigned share;     /* workers that split one minibatch                                                */
    unsigned gather;    /* gradients whose mean is one update                                              */
} hw__crew;

enum {
    HW__OWN_STEPS = 1, /* every worker steps on its own: runs of a sweep, replicas and blocks are possible */
    HW__ONE_PAIR = 2,  /* a ticket makes at most one update                                                */
    HW__VIRTUAL = 4,   /* virtual time: a recorded run is repeated bit for bit, and its workers are no threads */
    HW__IN_TURN = 8,   /* a read or a write never meets another: none mixes several states                  */
    HW__LAYERS = 16,   /* layers can grow old by themselves                                                 */
    HW__RESTS = 32,    /* workers can rest between steps                                                    */
    HW__SPLITS = 64,   /* all threads split each minibatch, and may share it with those of other engines    */
    HW__DEALS = 128    /* tickets may be of a share of each epoch's minibatches                             */
};

/* Functions that may be NULL say what that means. */
typedef struct hw__scheduler {
    unsigned flags;
    const hw__access *access;
    /* What it refuses of a configuration, with a sentence, and the numbers of its crew. */
    hw_status (*check)(const hw_config *c, const hw_objective *o, char *why); /* NULL: nothing of its own */
    hw_status (*crew)(const hw_config *c, hw__crew *crew, char *why);
    hw_status (*plan)(hw_engine *e, char *why);   /* everything it needs, allocated before the start; e->worker too  */
    void (*begin)(hw_engine *e, bool restored);   /* nobody runs yet; NULL: nothing to do                            */
    void (*loop)(hw_worker *w);                   /* one thread, from start to stop                                  */
    hw_worker *(*worker)(hw_engine *e, unsigned); /* of a thread; NULL: e->worker + thread                           */
    void (*wake)(hw_engine *e);                   /* the run fails: let go whoever waits; NULL: nobody does          */
    uint64_t (*now)(const hw_engine *e);          /* its clock in nanoseconds; NULL: hw_now()                        */
    double (*time)(const hw_engine *e);           /* virtual time in units of mean work; NULL: 0                     */
    /* The setting that it prescribes in place of the policy's (a replay's); false, or NULL: none. */
    bool (*setting)(const hw_engine *e, uint32_t number, hw_setting *setting);
    /* What policies are given in place of the window's staleness; NULL: that. */
    void (*input)(const hw_engine *e, hw_policy_input *in);
    void (*settle)(hw_worker *w); /* before a capture, all parked; NULL: nothing to do           */
    /* What has been read and not landed is of parameters that are thrown away; all parked. NULL: nobody has any. */
    void (*forget)(hw_engine *e);
    void (*fields)(hw_engine *e, hw__walk *v);    /* what a capture holds of it; NULL: nothing                   */
    void (*complete)(hw_engine *e, bool more);    /* restored; more: tickets are left; NULL: nothing to do       */
    bool (*layers)(const hw_config *c);           /* whether they can, of this configuration; NULL: always           */
    bool (*rests)(const hw_config *c);            /* likewise                                                        */
    void (*rest)(hw_engine *e, unsigned at_work); /* so many step from now on; NULL: the flags tell it all           */
    bool (*cluster)(const hw_engine *e, hw_cluster_result *result); /* false, or NULL: it has none */
    uint64_t (*identity)(const hw_config *c); /* checksum of what is passed by pointers; NULL: 0             */
    void (*free)(hw_engine *e); /* locks and scratch of what plan made, in part or whole; its memory is the engine's */
} hw__scheduler;

#endif
