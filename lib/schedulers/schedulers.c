/* schedulers.c - the table: a row for each value of hw_scheduler, in its order. */
#include "schedulers.h"

#define DECLARE(value, row, name, help) extern const hw__scheduler hw__scheduler_##row;
HW_SCHEDULER_TABLE(DECLARE)
extern const hw__scheduler hw__scheduler_blocks;

#define ROW(value, row, name, help) &hw__scheduler_##row,
static const hw__scheduler *const table[] = {HW_SCHEDULER_TABLE(ROW)};

const hw__scheduler *hw__scheduler_of(const hw_config *c, const hw_objective *o)
{
    if ((unsigned)c->scheduler >= sizeof table / sizeof *table) return NULL;
    const hw__scheduler *s = table[c->scheduler];
    return o->blocks && s->flags & HW__OWN_STEPS ? &hw__scheduler_blocks : s;
}
