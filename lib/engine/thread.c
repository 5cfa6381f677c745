/* thread.c - what a worker sets up for its thread and undoes: denormals, core. Signals are blocked by the thread that
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

void hw__thread_leave(const hw_engine *e, const hw__thread_state *state)
{
    (void)e;
#if defined(__x86_64__)
    _mm_setcsr(state->control);
#else
    (void)state;
#endif
}

#ifdef HW_HWLOC
#include <hwloc.h>

bool hw__thread_can_pin(void)
{
    return true;
}

hw_status hw__thread_pin(pthread_t thread, unsigned worker, char *why)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) return hw__base_fail(why, HW_E_MEMORY, "hwloc: no memory");
    hw_status status = HW_OK;
    if (hwloc_topology_load(topology) != 0) {
        status = hw__base_fail(why, HW_E_IO, "hwloc could not read this machine's topology");
    } else {
        int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
        hwloc_obj_t core = cores > 0 ? hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, worker % (unsigned)cores) : NULL;
        if (!core || hwloc_set_thread_cpubind(topology, thread, core->cpuset, 0) != 0)
            status = hw__base_fail(why, HW_E_UNSUPPORTED, "worker %u could not be pinned: the system refused", worker);
    }
    hwloc_topology_destroy(topology);
    return status;
}

#else

bool hw__thread_can_pin(void)
{
    return false;
}

hw_status hw__thread_pin(pthread_t thread, unsigned worker, char *why)
{
    (void)thread, (void)worker;
    return hw__base_fail(why, HW_E_UNSUPPORTED, "this build has no hwloc: pinning is not available");
}

#endif
