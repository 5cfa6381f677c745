/* streams.c - random numbers of workers of several engines: no two have the same. */
#include "streams.h"
#include "hogwild/advanced/peers.h"

uint64_t hw__streams_number(const hw_worker *w)
{
    const hw_peers *p = w->engine->config.peers;
    return (p ? (uint64_t)p->part * w->engine->crew.threads : 0) + w->id;
}

/* Where they had come to stands in no state, so they begin at a place of the clock's. */
void hw__streams_again(hw_engine *e)
{
    const hw_peers *p = e->config.peers;
    const uint64_t place = (hw_params_clock(e->params) + 1) << 43;
    for (unsigned i = 0; p && p->part && i < e->crew.threads; i++)
        hw_rng_seed(&e->worker[i].rng, e->config.seed, place + hw__streams_number(e->worker + i) + 1);
}
