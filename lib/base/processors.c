/* processors.c - how many processors this process may use: those of its affinity mask (taskset, a batch system's
 * cpuset), and of them no more than the time that its control group is given (a container's --cpus). */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "base.h"
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned in_mask(void)
{
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (unsigned)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}

/* The first line of a small file, without its end; false where there is none. */
static bool line_of(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool has = fgets(line, size, f) != NULL;
    (void)fclose(f);
    if (has) line[strcspn(line, "\n")] = 0;
    return has;
}

/* Processors by the quota that stands in one folder: version 2 has "quota period" in one file, version 1 a file each.
 * 0: no limit. */
static double quota_in(const char *folder)
{
    char path[1200], line[64];
    double quota = 0, period = 0;
    (void)snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (line_of(path, line, sizeof line)) {
        char *end;
        quota = strtod(line, &end); /* "max" is no number */
        period = strtod(end, NULL);
    } else {
        (void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (line_of(path, line, sizeof line)) quota = strtod(line, NULL);
        (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (line_of(path, line, sizeof line)) period = strtod(line, NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The least quota of a group and of those above it, as far as they can be seen below the mount. */
static double quota_above(const char *mount, const char *group)
{
    char folder[1140];
    double least = 0;
    (void)snprintf(folder, sizeof folder, "%.80s%.1050s", mount, group);
    for (size_t root = strlen(mount);;) {
        double q = quota_in(folder);
        if (q > 0 && (least == 0 || q < least)) least = q;
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root || folder[root] == 0) return least;
        *slash = 0;
    }
}

/* Whether a list like "cpu,cpuacct" has that very word. */
static bool names_cpu(const char *list)
{
    for (;;) {
        size_t n = strcspn(list, ",");
        if (n == 3 && memcmp(list, "cpu", 3) == 0) return true;
        if (!list[n]) return false;
        list += n + 1;
    }
}

double hw__base_quota(const char *groups, const char *root)
{
    char line[1024], mount[80];
    double least = 0;
    FILE *f = fopen(groups, "r");
    /* "0::/path" of version 2; "4:cpu,cpuacct:/path" of version 1 */
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *name = strchr(line, ':'), *group = name ? strchr(name + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        name++;
        bool second = !*name, first = names_cpu(name);
        if (!second && !first) continue;
        (void)snprintf(mount, sizeof mount, "%.60s%s", root, second ? "" : "/cpu");
        double q = quota_above(mount, group);
        if (q > 0 && (least == 0 || q < least)) least = q;
    }
    if (f) (void)fclose(f);
    return least;
}

unsigned hw_processors(void)
{
    unsigned n = in_mask();
    double quota = hw__base_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0 && ceil(quota) < n) n = (unsigned)ceil(quota);
    return n;
}
