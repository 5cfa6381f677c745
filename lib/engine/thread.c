/* thread.c - what a thread sets up for itself as a worker and undoes: denormals. Signals are blocked by the thread that
 * creates the workers, so that no handler ever runs in one. */
#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

void hw__thread_enter(const hw_engine *e, hw__thread_state *state)
{
    state->control = 0;
#if defined(__x86_64__)
    state->control = _mm_getcsr();
    if (e->config.flush_denormals) _mm_setcsr(state->control | 0x8040u); /* flush to zero, denormals are zero */
#else
    (void)e;
#endif
}

void hw__thread_leave(const hw__thread_state *state)
{
#if defined(__x86_64__)
    _mm_setcsr(state->control);
#else
    (void)state;
#endif
}
