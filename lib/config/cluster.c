/* cluster.c - an option by its text, and a cluster as people write it: ranks=64,threads=16,latency=20us. */
#include "../base/number.h"
#include "config.h"
#include "options.h"
#include <math.h>
#include <string.h>

typedef struct unit {
    const char *name;
    double is;
} unit;
static const unit none[] = {{"", 1}, {NULL, 0}};
static const unit times[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {NULL, 0}};
static const unit rates[] = {{"b/s", 0.125}, {"kb/s", 125},  {"Mb/s", 1.25e5}, {"Gb/s", 1.25e8}, {"Tb/s", 1.25e11},
                             {"B/s", 1},     {"kB/s", 1000}, {"MB/s", 1e6},    {"GB/s", 1e9},    {NULL, 0}};

/* A key, the option that it sets, and the units that its value may have. */
typedef struct key {
    const char *name, *option;
    const unit *units;
} key;
static const key keys[] = {{"ranks", "cluster.ranks", none},       {"threads", NULL, none},
                           {"interval", "cluster.interval", none}, {"bound", "cluster.bound", none},
                           {"latency", "cluster.latency", times},  {"bandwidth", "cluster.bandwidth", rates},
                           {"work", "cluster.work", times},        {"per-float", "cluster.per_float", times},
                           {"combine", "cluster.combine", NULL},   {"law", "clock", NULL},
                           {"shape", "clock.shape", none}};
enum { KEYS = sizeof keys / sizeof *keys, SHAPE = KEYS - 1, LAW = KEYS - 2, VALUE = 40, DIGITS = 17 };

static hw_status value_of(const key *k, const char *text, double *x, char *why)
{
    const char *end = text;
    const bool number = hw__number_parse(text, &end, x);
    for (const unit *u = k->units; number && u->name; u++)
        if (strcmp(end, u->name) == 0) {
            *x *= u->is;
            return HW_OK;
        }
    return hw__base_fail(why, HW_E_ARGUMENT, "cluster: %s is '%.40s': a number%s", k->name, text,
                         k->units == times   ? " with s, ms, us or ns behind it is needed"
                         : k->units == rates ? " with b/s or B/s behind it, and k, M or G before that, is needed"
                                             : " is needed");
}

static hw_status set(hw_config *c, const key *k, const char *text, unsigned *threads, char *why)
{
    char number[32];
    double x = 0;
    if (!k->units) return hw__option_set(c, k->option, text, why);
    hw_status status = value_of(k, text, &x, why);
    if (status != HW_OK) return status;
    if (!k->option) {
        if (!(x >= 1 && x <= HW_MAX_VIRTUAL) || floor(x) < x)
            return hw__base_fail(why, HW_E_ARGUMENT, "cluster: threads is '%.40s': a whole number from 1 on is needed",
                                 text);
        *threads = (unsigned)x;
        return HW_OK;
    }
    (void)hw__number_print(number, sizeof number, DIGITS, x);
    return hw__option_set(c, k->option, number, why);
}

hw_status hw_cluster_parse(hw_config *config, const char *text, char *why)
{
    hw_config c;
    unsigned threads = 1;
    bool given[KEYS] = {false};
    if (!config || !text) return hw__base_fail(why, HW_E_ARGUMENT, "hw_cluster_parse: config or text is NULL");
    if (config->struct_size < offsetof(hw_config, cluster) + sizeof config->cluster)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.cluster is newer than this configuration, which has %zu bytes",
                             config->struct_size);
    hw_status status = hw__config_adopt(config, &c, why);
    if (status == HW_OK) status = hw__option_set(&c, "clock", "lognormal", why);
    c.cluster = (hw_cluster){.interval = 1};
    for (const char *at = text; status == HW_OK;) {
        const size_t length = strcspn(at, ","), name = strcspn(at, "=,");
        size_t i = 0;
        while (i < KEYS && (strlen(keys[i].name) != name || strncmp(keys[i].name, at, name) != 0)) i++;
        if (i == KEYS)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "cluster: there is no key '%.*s'; there are ranks, threads, interval, bound, latency, "
                                 "bandwidth, work, per-float, combine, law and shape",
                                 (int)(name < VALUE ? name : VALUE), at);
        char value[VALUE + 1] = "";
        if (name == length || length - name - 1 > VALUE)
            return hw__base_fail(why, HW_E_ARGUMENT, "cluster: %s%s: %s=VALUE is needed", keys[i].name,
                                 name == length ? " has no value" : "'s value is too long", keys[i].name);
        if (given[i]) return hw__base_fail(why, HW_E_ARGUMENT, "cluster: %s is given twice", keys[i].name);
        given[i] = true;
        memcpy(value, at + name + 1, length - name - 1);
        status = set(&c, keys + i, value, &threads, why);
        if (!at[length]) break;
        at += length + 1;
    }
    if (status == HW_OK && !given[SHAPE]) c.simulation.shape = given[LAW] ? 2 : 0.1;
    if (status != HW_OK) return status;
    if (!c.cluster.ranks || c.cluster.ranks > HW_MAX_VIRTUAL / threads)
        return hw__base_fail(why, HW_E_ARGUMENT, "cluster: ranks=N is needed, and at most %d threads in all",
                             HW_MAX_VIRTUAL);
    c.workers = c.cluster.ranks * threads;
    hw__config_give(&c, config);
    return HW_OK;
}

hw_status hw_config_set(hw_config *config, const char *name, const char *value, char *why)
{
    static const char cluster[] = "cluster:";
    const bool is_one = name && value && strcmp(name, "clock") == 0 && strncmp(value, cluster, sizeof cluster - 1) == 0;
    return is_one ? hw_cluster_parse(config, value + sizeof cluster - 1, why)
                  : hw__option_set(config, name, value, why);
}
