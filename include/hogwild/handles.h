/* handles.h - configurations and objectives as handles, for other languages: nothing there needs to know how a struct
 * is laid out. From C the structs themselves are simpler. A handle belongs to who made it, one thread at a time.
 *
 *     config = hw_config_new();  hw_config_set(config, "workers", "4", why);
 *     objective = hw_objective_new("mine", n);
 *     hw_objective_set_gradient(objective, loss_gradient, examples);
 *     hw_engine_create(&engine, objective, config, params, why);
 *     hw_engine_run(engine, NULL);  hw_result_json(engine, "run", text, size, &length); */
#ifndef HOGWILD_HANDLES_H
#define HOGWILD_HANDLES_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The defaults; NULL: no memory. free accepts NULL. Options by name: hw_config_set, hw_config_get. */
HW_API hw_config *hw_config_new(void);
HW_API void hw_config_free(hw_config *config);
/* Passed to every callback of the configuration; and the callbacks, NULL: none. */
HW_API void hw_config_set_context(hw_config *config, void *context);
HW_API void hw_config_on_evaluation(hw_config *config,
                                    hw_status (*call)(void *context, const hw_evaluation *evaluation));
HW_API void hw_config_on_progress(hw_config *config, hw_status (*call)(void *context, const hw_progress *progress));
HW_API void hw_config_on_epoch(hw_config *config, hw_status (*call)(void *context, uint64_t epoch));
HW_API void hw_config_on_capture(hw_config *config,
                                 hw_status (*call)(void *context, uint64_t update, const hw_state *state));
/* Borrowed until the engine is created: three pointers (base.h). */
HW_API void hw_config_set_allocator(hw_config *config, const hw_allocator *allocator);

/* name is copied. NULL: no memory. An engine copies what the handle says: it may be freed once the engine is created,
 * the configuration too. What self, scratch and the callbacks point to is borrowed. */
HW_API hw_objective *hw_objective_new(const char *name, size_t parameters);
HW_API void hw_objective_free(hw_objective *objective);
HW_API void hw_objective_set_self(hw_objective *objective, void *self);
/* examples: in the training set; 0: a stream of the caller's own. */
HW_API void hw_objective_set_gradient(hw_objective *objective,
                                      double (*loss_gradient)(void *self, void *scratch, const hw_batch *batch,
                                                              const float *x, float *g),
                                      uint32_t examples);
HW_API void hw_objective_set_step(hw_objective *objective,
                                  hw_status (*step)(void *self, hw_worker *w, const hw_batch *batch),
                                  uint32_t examples);
HW_API void hw_objective_set_evaluation(hw_objective *objective,
                                        hw_status (*evaluate)(void *self, void *scratch, const float *x, uint32_t first,
                                                              uint32_t count, double *sums),
                                        uint32_t examples, uint32_t chunk, unsigned metrics);
HW_API void hw_objective_set_scratch(hw_objective *objective, size_t bytes);
/* Of hw_objective: "network", "blas", "raw", "touched", "hot", "batch_limit". HW_E_ARGUMENT: no such field. */
HW_API hw_status hw_objective_set_number(hw_objective *objective, const char *field, uint64_t value);

/* A batch's fields, and an evaluation's, where a callback cannot look into the structs. */
HW_API const uint32_t *hw_batch_index(const hw_batch *batch); /* NULL for a stream */
HW_API uint32_t hw_batch_count(const hw_batch *batch);
HW_API uint64_t hw_batch_step(const hw_batch *batch);
/* NaN from HW_METRICS (4) on; 0 where the objective has fewer. */
HW_API double hw_evaluation_metric(const hw_evaluation *evaluation, unsigned metric);
HW_API uint64_t hw_evaluation_update(const hw_evaluation *evaluation);
/* A number of the last run by its name; NaN where there is none of that name: the single numbers of the record
 * (hw_result_json), from updates to work_correlation_staleness, and
 *   status bytes metric (the last evaluation's first) staleness (its mean) dispersion
 *   momentum rate look_ahead (in force at the end)
 * During a run, from any thread and any callback, of hw_engine_progress:
 *   updates examples epochs seconds examples_per_second train_loss staleness momentum look_ahead learning_rate
 *   fraction metric
 * At any time: returns updates_lost (hw_engine_returns) at_work mean_at_work (hw_engine_at_work) */
HW_API double hw_engine_number(hw_engine *engine, const char *name);

#ifdef __cplusplus
}
#endif
#endif
