/* sample.c - which example stands at a position of an epoch: a keyed permutation of the examples, or of blocks of them;
 * or, with replacement, which ones a ticket draws.
 */
#include "step.h"

/* Whole blocks are permuted; what is left over at the end of the data stays last. */
static uint32_t example_at(const hw_engine *e, uint64_t epoch, uint32_t position)
{
    uint32_t n = e->objective.examples, block = e->config.shuffle_block, whole = n / block;
    if (position / block >= whole) return position;
    return hw_permute(e->config.seed, epoch, whole, position / block) * block + position % block;
}

void hw__sample_run(const hw_engine *e, uint64_t epoch, uint32_t position, uint32_t count, uint32_t *index)
{
    uint32_t block = e->config.shuffle_block;
    if (block == 1) {
        hw__base_permute(e->config.seed, epoch, e->objective.examples, position, count, index);
        return;
    }
    for (uint32_t i = 0; i < count;) {
        uint32_t at = example_at(e, epoch, position + i), run = block - (position + i) % block;
        if (run > count - i) run = count - i;
        for (uint32_t k = 0; k < run; k++) index[i + k] = at + k;
        i += run;
    }
}

void hw__sample_drawn(const hw_engine *e, uint64_t ticket, uint32_t from, uint32_t to, uint32_t *index)
{
    hw_rng rng;
    hw_rng_seed(&rng, e->config.seed, ticket + ((uint64_t)1 << 40));
    for (uint32_t i = 0; i < to; i++) {
        uint32_t pick = (uint32_t)hw_rng_below(&rng, e->objective.examples);
        if (i >= from) index[i - from] = pick;
    }
}
