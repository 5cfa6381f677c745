/* pin.c - one core a worker, of the cores that the caller's affinity mask leaves. The sets are made in create: reading
 * a machine's topology allocates, and reads many files. A worker pins itself: for a thread that has ended
 * already, the C library would pin whoever asks. */
#if defined(__linux__)
#define _GNU_SOURCE /* cpu_set_t */
#endif
#include "../step/members.h"
#include "engine.h"

#if defined(HW_HWLOC) && defined(__linux__)
#include <errno.h>
#include <hwloc.h>
#include <string.h>

struct hw__cores {
    unsigned count;
    cpu_set_t set[];
};

bool hw__pin_possible(void)
{
    return true;
}

/* The cores of the topology within the mask, in its order; without room only counted. */
static unsigned cores_within(hwloc_topology_t topology, const cpu_set_t *mask, cpu_set_t *set)
{
    /* Some virtual machines show processors without cores. */
    int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    hwloc_obj_type_t type = cores > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    unsigned n = 0;
    for (hwloc_obj_t core = NULL; (core = hwloc_get_next_obj_by_type(topology, type, core)) != NULL;) {
        cpu_set_t of_core;
        CPU_ZERO(&of_core);
        for (int i = hwloc_bitmap_first(core->cpuset); i >= 0 && i < CPU_SETSIZE;
             i = hwloc_bitmap_next(core->cpuset, i))
            if (CPU_ISSET((size_t)i, mask)) CPU_SET((size_t)i, &of_core);
        if (CPU_COUNT(&of_core) == 0) continue;
        if (set) set[n] = of_core;
        n++;
    }
    return n;
}

hw_status hw__pin_plan(hw_engine *e, char *why)
{
    cpu_set_t mask;
    hwloc_topology_t topology;
    if (!e->config.pin) return HW_OK;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) != 0)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.pin: the affinity mask cannot be read: %s",
                             strerror(errno));
    if (hwloc_topology_init(&topology) != 0) return hw__no_memory(why, "the machine's topology");
    unsigned n = hwloc_topology_load(topology) == 0 ? cores_within(topology, &mask, NULL) : 0;
    hw_status status = HW_OK;
    if (n == 0) {
        status = hw__base_fail(why, HW_E_UNSUPPORTED, "config.pin: hwloc finds no core that this process may use");
    } else {
        e->cores = hw__memory_zalloc(&e->memory, 1, sizeof *e->cores + n * sizeof(cpu_set_t));
        if (e->cores)
            e->cores->count = cores_within(topology, &mask, e->cores->set);
        else
            status = hw__no_memory(why, "cores");
    }
    hwloc_topology_destroy(topology);
    return status;
}

void hw__pin(hw_engine *e, unsigned worker)
{
    if (!e->cores) return;
    int code = pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &e->cores->set[worker % e->cores->count]);
    if (code != 0) hw__fail(e, HW_E_UNSUPPORTED, "worker %u could not be pinned: %s", worker, strerror(code));
}

#else

bool hw__pin_possible(void)
{
    return false;
}

hw_status hw__pin_plan(hw_engine *e, char *why)
{
    (void)e, (void)why; /* a configuration that asks for it is refused */
    return HW_OK;
}

void hw__pin(hw_engine *e, unsigned worker)
{
    (void)e, (void)worker;
}

#endif
