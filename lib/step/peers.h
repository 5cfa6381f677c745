/* peers.h (internal) - an engine as one of several that train one model: its share of the work, and where it waits for
 * the others. */
#ifndef HW__STEP_PEERS_H
#define HW__STEP_PEERS_H

#include "hogwild/advanced/peers.h"
#include "worker.h"

/* What config.peers must be for this crew. */
hw_status hw__peers_check(const hw_config *c, const hw_objective *o, const hw__scheduler *s, unsigned share, char *why);
/* How many engines split a minibatch. */
unsigned hw__peers_splitting(const hw_config *c);
/* The engine's own copy; counts of the job become the engine's. */
hw_status hw__peers_plan(hw_engine *e, char *why);

/* Minibatches of an epoch that has `all` of them which this engine computes, and the first of them; of a run's `steps`,
 * those that are its own. */
uint64_t hw__peers_share(const hw_engine *e, uint64_t all);
uint64_t hw__peers_first(const hw_engine *e, uint64_t all);
uint64_t hw__peers_steps(const hw_engine *e, uint64_t steps);
/* Of so many updates of all engines those in which this one's steps are counted: its part, where epochs are its own. */
uint64_t hw__peers_updates(const hw_engine *e, uint64_t updates);
/* A run, or the going on of one, begins. */
void hw__peers_begin(hw_engine *e);
/* Before a worker takes a ticket: until as many may be begun. False: the run ends meanwhile. */
bool hw__peers_await(hw_worker *w);

/* Whether this engine evaluates that chunk. */
bool hw__peers_evaluates(const hw_engine *e, uint32_t chunk);
/* False: the run fails, or is over. */
bool hw__peers_sum(hw_worker *leader, double *loss, int *raw);
bool hw__peers_sums(hw_engine *e);
/* Whether this engine meets the others before it evaluates. */
bool hw__peers_meets(const hw_engine *e);
bool hw__peers_meet(hw_engine *e, hw_meeting *meeting);
/* An evaluation, in the numbers of all engines. */
void hw__peers_tell(const hw_engine *e, hw_evaluation *evaluation);

#endif
