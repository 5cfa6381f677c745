/* available.c - how much memory can still be had, so that what cannot fit is refused before any of it is taken: most
 * systems promise memory that they do not have, and end the process that uses it. */
#include "base.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* "Name:   123 kB"; UINT64_MAX where the file does not say it. */
static uint64_t in_kilobytes(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncmp(line, name, n) == 0 && line[n] == ':' ? strtoull(line + n + 1, NULL, 10) * 1024 : UINT64_MAX;
}

static uint64_t of_system(void)
{
    char line[128];
    uint64_t free_pages = UINT64_MAX, swap = 0, x;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if ((x = in_kilobytes(line, "MemAvailable")) != UINT64_MAX) free_pages = x;
        if ((x = in_kilobytes(line, "SwapFree")) != UINT64_MAX) swap = x;
    }
    if (f) (void)fclose(f);
    return free_pages == UINT64_MAX ? UINT64_MAX : free_pages + swap;
}

/* What an address space limit (ulimit -v) leaves. */
static uint64_t of_limit(void)
{
    struct rlimit most;
    unsigned long long pages = 0;
    if (getrlimit(RLIMIT_AS, &most) != 0 || most.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    FILE *f = fopen("/proc/self/statm", "r");
    bool known = f && fscanf(f, "%llu", &pages) == 1;
    if (f) (void)fclose(f);
    uint64_t taken = known ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return taken < most.rlim_cur ? (uint64_t)most.rlim_cur - taken : 0;
}

uint64_t hw_memory_available(void)
{
    uint64_t a = of_system(), b = of_limit();
    return a < b ? a : b;
}
