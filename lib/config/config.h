/* config.h (internal) - what follows from a configuration, by itself. */
#ifndef HW__CONFIG_CONFIG_H
#define HW__CONFIG_CONFIG_H

#include "../base/base.h"
#include "../state/walk.h"
#include "hogwild/engine.h"

/* options.c: every option within its range; options_state.c: and all of them in a state. */
hw_status hw__options_check(const hw_config *c, char *why);
void hw__options_fields(const hw_config *c, hw__walk *v);

/* config.c */
/* What a caller of 0.1 has: all up to the fields of 0.2. */
#define HW__CONFIG_LEAST offsetof(hw_config, on_capture)
/* A caller's configuration, shorter or longer, as this version has it. */
hw_status hw__config_adopt(const hw_config *from, hw_config *to, char *why);
/* One of this version as the caller's, shorter or longer, has it. */
void hw__config_give(const hw_config *from, hw_config *to);
bool hw__config_single(const hw_config *c); /* something looks at single updates, which a sweep does not show */
bool hw__config_exchanges(const hw_config *c, const hw_objective *o); /* on replicas */
/* ... whose exchanges go by the objective's principal direction: plain SGD, at one rate for all parameters */
bool hw__config_principal(const hw_config *c, const hw_objective *o);
hw_params_config hw__config_params(const hw_config *c, const hw_objective *o, unsigned writers);
/* What a replay's step rule must have in common with the recorded run's. */
uint32_t hw__config_rule_checksum(const hw_config *c);

/* tensors.c: the names of an objective's parts */
hw_status hw__tensors_check(const hw_objective *o, char *why);
uint64_t hw__tensors_floats(const hw_tensor *t);

#endif
