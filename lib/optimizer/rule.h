/* rule.h (internal) - one step rule as a row. Adding one: a file in rules/ that defines hw__rule_<name>, and its row in
 * HW_RULE_TABLE (hogwild/optimizer.h). */
#ifndef HW__OPTIMIZER_RULE_H
#define HW__OPTIMIZER_RULE_H

#include "../base/base.h"
#include "hogwild/advanced/params.h"
#include "hogwild/optimizer.h"

enum {
    HW__RULE_LINEAR = 1,   /* linear in the gradient: the velocity is the write's, and look-ahead reads along it */
    HW__RULE_MOMENTUM = 2, /* it has one to compensate                                                           */
    HW__RULE_CLOCK = 4,    /* it looks at how many updates have landed                                           */
    HW__RULE_IN_PLACE = 8, /* a sweep can make its step (linear rules: without momentum)                         */
    HW__RULE_PLAIN = 16,   /* at momentum 0 its step is w -= alpha g                                             */
    HW__RULE_SQUARES = 32  /* a sweep divides by the root of summed squares, in the array beside (hw_fused_rule) */
};

typedef struct hw__rule {
    unsigned flags;
    /* Floats a parameter beside the parameters; NULL: a linear rule, whose policy says. */
    unsigned (*arrays)(const hw_optimizer *o);
    hw_status (*check)(const hw_optimizer *o, char *why); /* NULL: nothing to refuse */
    /* Linear: the form of a write with a velocity. */
    hw_form (*form)(float rate, float momentum);
    /* The others: state and delta of n parameters whose section's rate is in info. */
    void (*delta)(const hw_optimizer *o, const hw_rule_info *info, const float *w, float *const *state, const float *g,
                  float *delta, size_t n);
    /* A policy's setting is made for heavy-ball momentum: what it means for this rule. NULL: as it is. */
    void (*adjust)(const hw_optimizer *o, hw_setting *s);
} hw__rule;

/* rules.c: in the order of hw_rule_kind. Every write asks, so that it is no call. */
extern const hw__rule *const hw__rules[];
static inline const hw__rule *hw__rule_of(const hw_optimizer *o)
{
    return hw__rules[o->rule];
}

#endif
