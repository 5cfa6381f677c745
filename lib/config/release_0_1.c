/* release_0_1.c - what programs that were compiled against 0.1 call: functions that return a struct by value, which is
 * as long as it was then. Headers since have them as inline functions over an initialiser that is told the size. */
#include "../base/sized.h"
#include "config.h"
#include "hogwild/objective.h"

#if defined(__ELF__)

typedef struct config_0_1 {
    _Alignas(hw_config) unsigned char bytes[HW__CONFIG_LEAST];
} config_0_1;
_Static_assert(sizeof(config_0_1) == HW__CONFIG_LEAST, "0.1's configuration has no padding at its end");
/* Where pointers have eight bytes: 0.1's size, which no later field may change. */
_Static_assert(sizeof(void *) != 8 || HW__CONFIG_LEAST == 608, "0.1's configuration has 608 bytes");

HW_API config_0_1 hw__config_defaults_0_1(void) __asm__("hw_config_defaults");
config_0_1 hw__config_defaults_0_1(void)
{
    config_0_1 c;
    (void)hw_config_init((hw_config *)(void *)&c, sizeof c);
    return c;
}

typedef struct objective_0_1 {
    _Alignas(hw_objective) unsigned char bytes[HW__OBJECTIVE_LEAST];
} objective_0_1;
_Static_assert(sizeof(void *) != 8 || sizeof(objective_0_1) == 184, "0.1's objective has 184 bytes");

HW_API objective_0_1 hw__objective_defaults_0_1(const char *name, size_t parameters) __asm__("hw_objective_defaults");
objective_0_1 hw__objective_defaults_0_1(const char *name, size_t parameters)
{
    objective_0_1 o;
    (void)hw_objective_init((hw_objective *)(void *)&o, sizeof o, name, parameters);
    return o;
}

#endif
