/* rules.c - the table of step rules: a row for each value of hw_rule_kind, in its order. */
#include "rule.h"

#define DECLARE(value, row, name, help) extern const hw__rule hw__rule_##row;
HW_RULE_TABLE(DECLARE)

#define ROW(value, row, name, help) &hw__rule_##row,
const hw__rule *const hw__rules[] = {HW_RULE_TABLE(ROW)};
