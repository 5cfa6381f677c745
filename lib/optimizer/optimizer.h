/* optimizer.h (internal) - from a setting and a schedule to the form of one write. */
#ifndef HW__OPTIMIZER_OPTIMIZER_H
#define HW__OPTIMIZER_OPTIMIZER_H

#include "../base/base.h"
#include "policy.h"
#include "rule.h"

/* Arrays beside the parameters that the rule and the policy need. */
unsigned hw__optimizer_arrays(const hw_optimizer *o, const hw_compensation *c);
/* Whether a write looks at the clock. */
bool hw__optimizer_needs_clock(const hw_optimizer *o, const hw_compensation *c);
/* The option that keeps what several workers did apart from each other from being added up; NULL: it may be (replicas),
 * so that sweeps are possible too. */
const char *hw__optimizer_no_sum(const hw_optimizer *o, const hw_compensation *c);
/* What a policy's setting, which is made for heavy-ball momentum, means for this rule. */
void hw__optimizer_adjust(const hw_optimizer *o, hw_setting *s);
hw_status hw__optimizer_check(const hw_optimizer *o, const hw_compensation *c, size_t size, char *why);

/* The context of a rule while one write goes on; lives on the writer's stack. */
typedef struct hw__optimizer_write {
    const hw_optimizer *o;
    double learning_rate, momentum;
    uint64_t update;
    hw_form form;
} hw__optimizer_write;
void hw__optimizer_begin(hw__optimizer_write *w, const hw_optimizer *o, const hw_compensation *c,
                         const hw_setting *setting, double factor, uint64_t t, uint64_t landed);

/* One pass over a private gradient: checks it, clips it, adds weight decay, applies the sections' multipliers.
 * x: the values read, packed like g. Returns false where a gradient is not finite. *clipped is set where it was. */
bool hw__optimizer_prepare(const hw_optimizer *o, float *g, const float *x, const hw_range *ranges,
                           const uint32_t *indices, size_t n, bool *clipped);

#endif
