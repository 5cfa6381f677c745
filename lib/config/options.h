/* options.h (internal) - the table of options, for options.c and for what a state has of them. */
#ifndef HW__CONFIG_OPTIONS_H
#define HW__CONFIG_OPTIONS_H

#include "config.h"

typedef enum hw__option_field { F_INT, F_UNSIGNED, F_U32, F_U64, F_SIZE, F_DOUBLE, F_ENUM } hw__option_field;

typedef struct hw__option_entry {
    const char *name, *unit, *help;
    hw__option_field kind;
    size_t offset;
    double low, high;
    int open_high;
    const char *choices;
} hw__option_entry;

extern const hw__option_entry hw__option_table[];
extern const size_t hw__option_entries;
double hw__option_value(const hw_config *c, const hw__option_entry *o);
hw_status hw__option_set(hw_config *config, const char *name, const char *value, char *why); /* no cluster */
void hw__option_print(const hw__option_entry *o, double x, char *text, size_t size);
/* What a choice of an option is called now; and the option itself in states of 0.1, or NULL where it has its name. */
const char *hw__option_present_name(const char *option, const char *name);
const char *hw__option_former_name(const char *option);

#endif
