/* policy.h (internal) - one compensation policy as a row. Adding one: a file in policies/ that defines
 * hw__policy_<name>, and its row in HW_POLICY_TABLE (hogwild/optimizer.h). */
#ifndef HW__OPTIMIZER_POLICY_H
#define HW__OPTIMIZER_POLICY_H

#include "../base/base.h"
#include "hogwild/optimizer.h"

enum {
    HW__POLICY_LEAVES = 1,    /* leaves rules without momentum as they are, so it goes with any              */
    HW__POLICY_CLOCK = 2,     /* a write looks at how many updates have landed                               */
    HW__POLICY_CURVATURE = 4, /* wants the curvature                                                         */
    HW__POLICY_PRIVATE = 8,   /* goes with a velocity of each worker's                                       */
    HW__POLICY_ADVISED = 16,  /* stands in the advisor's table                                               */
    HW__POLICY_BELOW = 32,    /* may ask for less momentum than compensation.floor                           */
    HW__POLICY_AS_ASKED = 64, /* its setting is a user's: refused where it is wrong, never mended            */
    HW__POLICY_ADAPTS = 128,  /* the rate finds its place in the run, which goes back rather than end        */
    HW__POLICY_WHOLE = 256    /* sees all staleness that the engine has recorded, not the last window's      */
};

typedef struct hw__policy {
    unsigned flags;
    unsigned arrays;      /* of a linear rule with a shared velocity                       */
    unsigned arrays_idle; /* the same at momentum 0                                        */
    /* Whether it goes with this rule; a sentence with the policy's name where not. */
    hw_status (*fits)(const hw_optimizer *o, const char *name, char *why);
    void (*apply)(const hw_compensation *c, const hw_policy_input *in, hw_setting *s);
    /* What the setting in force makes of a new summary, so that a small change does not switch it; NULL: nothing. */
    void (*steady)(const hw_setting *now, hw_staleness_summary *shape);
} hw__policy;

/* policies.c: in the order of hw_policy. */
extern const hw__policy *const hw__policies[];
static inline const hw__policy *hw__policy_of(hw_policy policy)
{
    return hw__policies[policy];
}

/* fits.c */
hw_status hw__fits_any(const hw_optimizer *o, const char *name, char *why);
hw_status hw__fits_momentum(const hw_optimizer *o, const char *name, char *why);   /* a rule with momentum       */
hw_status hw__fits_velocity(const hw_optimizer *o, const char *name, char *why);   /* of sgd and nesterov        */
hw_status hw__fits_heavy_ball(const hw_optimizer *o, const char *name, char *why); /* of sgd                     */

/* share.c: what several policies do */
double hw__share_delay(const hw_policy_input *in);  /* the measured mean staleness, or M - 1 */
double hw__share_theory(const hw_policy_input *in); /* 1 - 1/M */
/* Explicit momentum mu, not below the floor, with the learning rate that keeps (or not) the total step of a unit
 * gradient. */
void hw__share_use_momentum(const hw_compensation *c, const hw_policy_input *in, double mu, hw_setting *s);
/* The implicit momentum of the measured kernel, and its error; in->shape is there. */
double hw__share_measured(const hw_policy_input *in, double *error);
void hw__share_look_ahead(const hw_policy_input *in, hw_setting *s);
/* "look-ahead 3.0 steps", or that there is a delay and no momentum to look ahead along. */
void hw__share_say_delay(const hw_setting *s, char *text, size_t size);

#endif
