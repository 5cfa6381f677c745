/* engine.h (internal) - what the files of this room share: capture and restore, the probe, threads. */
#ifndef HW__ENGINE_ENGINE_H
#define HW__ENGINE_ENGINE_H

#include "../base/blas.h"
#include "../step/step.h"

/* create.c: with this scheduler, whatever config.scheduler says. */
hw_status hw__engine_create(hw_engine **engine, const hw_objective *objective, const hw_config *config,
                            const hw__scheduler *scheduler, const float *params, char *why);

/* check.c: hw_config_check with this scheduler */
hw_status hw__engine_check(const hw_config *c, const hw_objective *o, const hw__scheduler *s, char *why);
/* The caller's structs over the defaults, whatever their length, and checked for the scheduler that they ask for. */
hw_status hw__engine_adopt(const hw_config *config, const hw_objective *objective, hw_config *c, hw_objective *o,
                           char *why);

/* capture.c: everything that a run needs to go on, with nobody at work */
hw_status hw__capture_plan(hw_engine *e, char *why);
void hw__capture_walk(hw_engine *e, hw__walk *v);
void hw__capture_recovery(hw_engine *e, hw__walk *v); /* capture_recovery.c */
/* compatibility.c: what an engine must have in common with the one that was captured */
void hw__compatibility_fields(const hw_engine *e, hw__walk *v);
/* tensors.c: parameters and the arrays beside them, by the objective's names */
void hw__tensors_fields(hw_engine *e, hw__walk *v);
void hw__tensors_first(hw_engine *e, hw__walk *v, unsigned arrays); /* parameters, and so many arrays beside them */

/* progress.c: with the mean loss of all steps; `last` is where progress->last points. */
void hw__progress_of(hw_engine *e, hw_progress *progress, hw_evaluation *last);

/* probe.c: gradients at chosen points, outside a run */
typedef struct hw__probe hw__probe;
hw_status hw__probe_create(hw__probe **probe, const hw_objective *objective, const hw_allocator *allocator, char *why);
size_t hw__probe_bytes(const hw__probe *probe); /* NULL: 0 */
void hw__probe_free(hw__probe *probe);
void hw__probe_heed(hw__probe *probe, const hw_engine *e); /* HW_E_STOPPED as soon as that run is to stop */
/* The largest eigenvalue at x over index[0 .. count-1], gradients in parts of at most `part`. */
hw_status hw__probe_curvature(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                              unsigned iterations, uint64_t seed, const hw_optimizer *o, double *curvature);

/* The same from the direction that stands in hw__probe_direction (as many floats as parameters; 0 gives 0). */
float *hw__probe_direction(hw__probe *p);
hw_status hw__probe_follow(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                           unsigned iterations, const hw_optimizer *o, double *curvature);

/* curvature.c: of the run's loss, before it and while it goes on */
void hw__curvature_estimate(hw_engine *e);
void hw__curvature_follow(hw_engine *e);

/* principal.c: of the objective, into params, where exchanges go by it */
hw_status hw__principal_plan(hw_engine *e, char *why);

/* thread.c: what a worker thread sets up for itself and undoes */
typedef struct hw__thread_state {
    unsigned control;
} hw__thread_state;
void hw__thread_enter(const hw_engine *e, hw__thread_state *state);
void hw__thread_leave(const hw__thread_state *state);

/* pin.c: a core a worker. plan: with the mask of who creates the engine; pin: the calling thread, a worker's own. */
bool hw__pin_possible(void);
hw_status hw__pin_plan(hw_engine *e, char *why);
void hw__pin(hw_engine *e, unsigned worker);

/* run_json.c: a single number of a result by its name in the record; NaN where there is none of that name. */
double hw__result_number(const hw_result *result, const char *name);

/* handle.c: HW_OK where the handle can be used outside a run; else its sentence says why not. */
hw_status hw__handle_usable(hw_engine *e, const char *call);
bool hw__handle_running(hw_engine *e); /* from any thread */

#endif
