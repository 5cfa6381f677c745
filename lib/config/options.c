/* options.c - the one table of options: names, bounds, defaults and help for checks, setting by text, --help and
 * records. */
#include "../base/json.h"
#include "../base/number.h"
#include "options.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

/* "a|b|c" of a table's names, and the value of the last. */
#define NAME(value, row, name, help) "|" name
#define CHOICES(table)               (&("" table(NAME))[1])
#define LAST(table)                  (HW__ROWS(table) - 1)

#define AT(member) offsetof(hw_config, member)
#define E32        4294967295.0
#define E53        9007199254740992.0

const hw__option_entry hw__option_table[] = {
    {"scheduler", "", "who runs when", F_ENUM, AT(scheduler), 0, LAST(HW_SCHEDULER_TABLE), 0,
     CHOICES(HW_SCHEDULER_TABLE)},
    {"workers", "threads", "worker threads, or simulated workers", F_UNSIGNED, AT(workers), 1, HW_MAX_VIRTUAL, 0, NULL},
    {"groups", "groups", "compute groups, for scheduler groups", F_UNSIGNED, AT(groups), 1, HW_MAX_WORKERS, 0, NULL},
    {"batch", "examples", "examples an update", F_U32, AT(batch), 1, E32, 0, NULL},
    {"batch.per_worker", "", "sync and groups: batch is one thread's share", F_ENUM, AT(batch_per_worker), 0, 1, 0,
     "off|on"},
    {"clock", "", "simulated: who lands when; or cluster:ranks=64,threads=16,latency=20us,bandwidth=10Gb/s", F_ENUM,
     AT(simulation.clock), 0, HW_CLOCK_RECORDED, 0,
     "round-robin|exponential|gamma|lognormal|pareto|constant|delay|histogram|adversary|replay|recorded"},
    {"clock.shape", "", "gamma: k; lognormal: sigma; pareto: index", F_DOUBLE, AT(simulation.shape), 0, 1e6, 0, NULL},
    {"clock.delay", "updates", "delay: of every update; adversary: longest hold", F_UNSIGNED, AT(simulation.delay), 0,
     1048575, 0, NULL},
    {"clock.stragglers", "workers", "simulated: so many are slow", F_UNSIGNED, AT(simulation.stragglers), 0,
     HW_MAX_VIRTUAL, 0, NULL},
    {"clock.straggler_factor", "", "simulated: slow by this factor", F_DOUBLE, AT(simulation.straggler_factor), 1e-6,
     1e6, 0, NULL},
    {"simulation.threads", "threads", "simulated: real threads, which never change a bit; 0: as many as cores",
     F_UNSIGNED, AT(simulation.threads), 0, HW_MAX_WORKERS, 0, NULL},
    {"simulation.per_group", "workers", "simulated: workers a compute group", F_UNSIGNED, AT(simulation.per_group), 1,
     HW_MAX_VIRTUAL, 0, NULL},
    {"simulation.gather", "gradients", "simulated, gather: an update is the mean of the first so many", F_UNSIGNED,
     AT(simulation.gather), 1, HW_MAX_VIRTUAL, 0, NULL},
    {"cluster.ranks", "ranks", "simulated: machines of workers / ranks threads each; 0: none", F_UNSIGNED,
     AT(cluster.ranks), 0, 65536, 0, NULL},
    {"cluster.interval", "updates", "of a rank between its exchanges", F_U32, AT(cluster.interval), 1, 1 << 20, 0,
     NULL},
    {"cluster.bound", "updates", "that a rank may have begun and not sent; 0: chosen", F_U32, AT(cluster.bound), 0,
     1 << 20, 0, NULL},
    {"cluster.latency", "s", "of a message", F_DOUBLE, AT(cluster.latency), 0, 1e6, 0, NULL},
    {"cluster.bandwidth", "B/s", "of a rank's link, each way; 0: no limit", F_DOUBLE, AT(cluster.bandwidth), 0, 1e18, 0,
     NULL},
    {"cluster.work", "s", "mean work of a step", F_DOUBLE, AT(cluster.work), 0, 1e6, 0, NULL},
    {"cluster.per_float", "s", "what an end of an exchange takes for each float", F_DOUBLE, AT(cluster.per_float), 0, 1,
     0, NULL},
    {"cluster.combine", "", "what several ranks have made of the same parameters", F_ENUM, AT(cluster.combine), 0, 3, 0,
     "chosen|sums|means|averages"},
    {"pin", "", "pin workers to cores (hwloc)", F_ENUM, AT(pin), 0, 1, 0, "off|on"},
    {"flush_denormals", "", "flush denormals to zero in the workers", F_ENUM, AT(flush_denormals), 0, 1, 0, "off|on"},
    {"read", "", "what a reader sees", F_ENUM, AT(read), 0, LAST(HW_READ_TABLE), 0, CHOICES(HW_READ_TABLE)},
    {"write", "", "how updates land", F_ENUM, AT(write), 0, LAST(HW_WRITE_TABLE), 0, CHOICES(HW_WRITE_TABLE)},
    {"layers", "", "nets go layer by layer where the policy is auto, all at once, or always layer by layer", F_ENUM,
     AT(layers), 0, LAST(HW_LAYER_TABLE), 0, CHOICES(HW_LAYER_TABLE)},
    {"path", "", "vectors or the scalar reference", F_ENUM, AT(path), 0, 2, 0, "auto|scalar|wide"},
    {"stripe", "floats", "floats under one stripe lock, a multiple of 16", F_UNSIGNED, AT(stripe), 1024, 4096, 0, NULL},
    {"clock_interval", "updates", "1: exact clock; n: every n-th update of a worker is measured; 0: chosen", F_UNSIGNED,
     AT(clock_interval), 0, 65536, 0, NULL},
    {"exchange_interval", "steps",
     "steps on a private replica between exchanges; 1: none, every step on the shared array; 0: chosen", F_UNSIGNED,
     AT(exchange_interval), 0, 1 << 30, 0, NULL},
    {"exchanged", "floats", "leading parameters in the replicas; 0: all", F_SIZE, AT(exchanged), 0, E32, 0, NULL},
    {"sweep", "", "read and update in place where the objective and the options allow it", F_ENUM, AT(sweep), 0, 1, 0,
     "off|on"},
    {"rule", "", "step rule", F_ENUM, AT(optimizer.rule), 0, LAST(HW_RULE_TABLE), 0, CHOICES(HW_RULE_TABLE)},
    {"velocity", "", "one shared velocity or one per worker", F_ENUM, AT(optimizer.velocity), 0, 1, 0,
     "shared|private"},
    {"momentum.target", "", "wanted total momentum (adam: beta 1)", F_DOUBLE, AT(optimizer.momentum), 0, 1, 1, NULL},
    {"weight_decay", "", "L2 coefficient", F_DOUBLE, AT(optimizer.weight_decay), 0, 1e6, 0, NULL},
    {"clip_norm", "", "largest L2 norm of a gradient; 0: off", F_DOUBLE, AT(optimizer.clip_norm), 0, 1e30, 0, NULL},
    {"beta2", "", "adam's second decay", F_DOUBLE, AT(optimizer.beta2), 0, 1, 1, NULL},
    {"epsilon", "", "adam's and adagrad's guard", F_DOUBLE, AT(optimizer.epsilon), 1e-30, 1, 0, NULL},
    {"schedule", "", "learning rate over updates", F_ENUM, AT(optimizer.schedule.kind), 0, 5, 0,
     "constant|step|inv|exponential|cosine|linear"},
    {"learning_rate", "", "base learning rate", F_DOUBLE, AT(optimizer.schedule.base), 1e-30, 1e6, 0, NULL},
    {"schedule.gamma", "", "step, inv, exponential", F_DOUBLE, AT(optimizer.schedule.gamma), 0, 1e6, 0, NULL},
    {"schedule.power", "", "inv", F_DOUBLE, AT(optimizer.schedule.power), 0, 100, 0, NULL},
    {"schedule.interval", "updates", "step: between steps; cosine: length", F_U64, AT(optimizer.schedule.interval), 0,
     E53, 0, NULL},
    {"schedule.warmup", "updates", "linear warm-up", F_U64, AT(optimizer.schedule.warmup), 0, E53, 0, NULL},
    {"compensation", "", "policy for asynchrony's momentum", F_ENUM, AT(compensation.policy), 0, LAST(HW_POLICY_TABLE),
     0, CHOICES(HW_POLICY_TABLE)},
    {"compensation.keep_gain", "", "raise the learning rate as the momentum falls", F_ENUM, AT(compensation.keep_gain),
     0, 1, 0, "off|on"},
    {"compensation.fixed", "", "explicit momentum of policy fixed", F_DOUBLE, AT(compensation.fixed), -0.999, 1, 1,
     NULL},
    {"compensation.floor", "", "smallest explicit momentum", F_DOUBLE, AT(compensation.floor), -0.999, 0, 0, NULL},
    {"compensation.shrinkage", "", "policy pole-zero: share of the pole that is cancelled", F_DOUBLE,
     AT(compensation.shrinkage), 0, 1, 0, NULL},
    {"compensation.margin", "", "policy auto: learning rate allowed, over the linear bound; 0: 0.7, networks 2",
     F_DOUBLE, AT(compensation.margin), 0, 10, 0, NULL},
    {"compensation.window", "updates", "updates between recomputations, times clock_interval", F_U64,
     AT(compensation.window), 10, 1e12, 0, NULL},
    {"compensation.age", "", "step by the age of the single gradient", F_ENUM, AT(compensation.age), 0,
     LAST(HW_AGE_TABLE), 0, CHOICES(HW_AGE_TABLE)},
    {"compensation.age_gain", "", "age exponential, power, tail and kernel: gamma", F_DOUBLE, AT(compensation.age_gain),
     0, 1e6, 0, NULL},
    {"compensation.age_base", "", "age power and kernel: n", F_DOUBLE, AT(compensation.age_base), 1, 1e6, 0, NULL},
    {"delay_correction", "", "lambda of delay compensation: g + lambda g g (w_now - w_read); 0: off", F_DOUBLE,
     AT(delay_correction), 0, 1e30, 0, NULL},
    {"least_workers", "workers", "policy auto: never fewer step, others may rest; as many as workers: none does", F_U32,
     AT(least_workers), 0, E32, 0, NULL},
    {"work", "", "work added to every step of a thread: the law of its duration", F_ENUM, AT(work.law.kind), 0, 5, 0,
     "none|exponential|gamma|lognormal|pareto|constant"},
    {"work.mean", "s", "mean of the added work", F_DOUBLE, AT(work.law.mean), 0, 1e6, 0, NULL},
    {"work.shape", "", "gamma: k; lognormal: sigma; pareto: index", F_DOUBLE, AT(work.law.shape), 0, 1e6, 0, NULL},
    {"work.spin", "", "added work keeps its core busy instead of sleeping", F_ENUM, AT(work.spin), 0, 1, 0, "off|on"},
    {"curvature", "", "largest Hessian eigenvalue; 0: estimated where needed; negative: never", F_DOUBLE, AT(curvature),
     -1, 1e30, 0, NULL},
    {"seed", "", "of everything random", F_U64, AT(seed), 0, E53, 0, NULL},
    {"with_replacement", "", "draw examples with replacement", F_ENUM, AT(with_replacement), 0, 1, 0, "off|on"},
    {"shuffle_block", "examples", "neighbours that are visited together; 1: every example by itself", F_U32,
     AT(shuffle_block), 1, E32, 0, NULL},
    {"updates", "updates", "stop after (gather: so many gradients); 0: no limit", F_U64, AT(updates), 0, E53, 0, NULL},
    {"epochs", "epochs", "stop after; 0: no limit", F_DOUBLE, AT(epochs), 0, 1e9, 0, NULL},
    {"seconds", "s", "stop after this much training; 0: no limit", F_DOUBLE, AT(seconds), 0, 1e9, 0, NULL},
    {"target_metric", "", "metric of the target", F_INT, AT(target_metric), 0, HW_METRICS - 1, 0, NULL},
    {"target", "", "stop when the metric reaches it; 0: none", F_DOUBLE, AT(target), -1e30, 1e30, 0, NULL},
    {"evaluate_every", "updates", "updates between evaluations; 0: by epochs", F_U64, AT(evaluate_every), 0, E53, 0,
     NULL},
    {"evaluate_epochs", "epochs", "epochs between evaluations; 0: only at the end", F_DOUBLE, AT(evaluate_epochs), 0,
     1e9, 0, NULL},
    {"on_nan", "", "a loss or gradient that is not finite", F_ENUM, AT(on_nan), 0, 1, 0, "stop|skip"},
    {"divergence", "", "stop when the loss rises this many times; 0: off", F_DOUBLE, AT(divergence), 0, 1e30, 0, NULL},
    {"keep_every", "updates", "updates between snapshots of good parameters; 0: none", F_U64, AT(keep_every), 0, E53, 0,
     NULL},
    {"average_every", "updates", "updates between copies of the parameters that enter their mean; 0: no averaging",
     F_U64, AT(average_every), 0, E53, 0, NULL},
    {"average_from", "", "averaging: from this share of the run on", F_DOUBLE, AT(average_from), 0, 1, 1, NULL},
    {"record", "", "staleness histograms", F_ENUM, AT(record), 0, 1, 0, "off|on"},
    {"linear_bins", "updates", "staleness below this has a bin each, a power of two", F_U32, AT(linear_bins), 8, 65536,
     0, NULL},
    {"trace", "", "record the schedule for a replay", F_ENUM, AT(trace), 0, 1, 0, "off|on"},
    {"trace_room", "updates", "room of the trace; 0: from the stop by updates or epochs", F_U64, AT(trace_room), 0, E53,
     0, NULL},
    {"checkpoint_every", "updates", "updates between captures of the run; 0: off", F_U64, AT(checkpoint_every), 0, E53,
     0, NULL},
    {"checkpoint_epochs", "epochs", "epochs between captures; 0: off", F_DOUBLE, AT(checkpoint_epochs), 0, 1e9, 0,
     NULL},
    {"checkpoint_seconds", "s", "training time between captures; 0: off", F_DOUBLE, AT(checkpoint_seconds), 0, 1e9, 0,
     NULL},
    {"progress_ms", "ms", "between progress callbacks", F_UNSIGNED, AT(progress_ms), 10, 60000, 0, NULL},
};

#define COUNT (sizeof hw__option_table / sizeof *hw__option_table)
const size_t hw__option_entries = COUNT;

size_t hw_option_count(void)
{
    return COUNT;
}

static size_t bytes_of(hw__option_field kind)
{
    return kind == F_DOUBLE || kind == F_U64 || kind == F_SIZE ? 8 : 4;
}

double hw__option_value(const hw_config *c, const hw__option_entry *o)
{
    const char *at = (const char *)c + o->offset;
    switch (o->kind) {
    case F_INT: return *(const int *)(const void *)at;
    case F_UNSIGNED:
    case F_ENUM: return *(const unsigned *)(const void *)at;
    case F_U32: return *(const uint32_t *)(const void *)at;
    case F_U64: return (double)*(const uint64_t *)(const void *)at;
    case F_SIZE: return (double)*(const size_t *)(const void *)at;
    case F_DOUBLE: return *(const double *)(const void *)at;
    }
    return NAN;
}

static void store(hw_config *c, const hw__option_entry *o, double x)
{
    char *at = (char *)c + o->offset;
    switch (o->kind) {
    case F_INT: *(int *)(void *)at = (int)x; break;
    case F_UNSIGNED:
    case F_ENUM: *(unsigned *)(void *)at = (unsigned)x; break;
    case F_U32: *(uint32_t *)(void *)at = (uint32_t)x; break;
    case F_U64: *(uint64_t *)(void *)at = (uint64_t)x; break;
    case F_SIZE: *(size_t *)(void *)at = (size_t)x; break;
    case F_DOUBLE: *(double *)(void *)at = x; break;
    }
}

/* Options and choices that had another name in 0.1, in programs and in states. */
typedef struct renamed {
    const char *option, *was, *is; /* option NULL: an option itself */
} renamed;
static const renamed renamings[] = {
    {NULL, "exact", "linear_bins"}, {NULL, "fused", "sweep"}, {"compensation", "exact", "pole-zero"}};

const char *hw__option_present_name(const char *option, const char *name)
{
    for (size_t i = 0; i < sizeof renamings / sizeof *renamings; i++) {
        const renamed *r = renamings + i;
        if ((option == NULL) == (r->option == NULL) && (!option || strcmp(option, r->option) == 0) &&
            strcmp(name, r->was) == 0)
            return r->is;
    }
    return name;
}

const char *hw__option_former_name(const char *option)
{
    for (size_t i = 0; i < sizeof renamings / sizeof *renamings; i++)
        if (!renamings[i].option && strcmp(renamings[i].is, option) == 0) return renamings[i].was;
    return NULL;
}

static const hw__option_entry *find(const char *name)
{
    if (name) name = hw__option_present_name(NULL, name);
    for (size_t i = 0; name && i < COUNT; i++)
        if (strcmp(hw__option_table[i].name, name) == 0) return hw__option_table + i;
    return NULL;
}

/* The i-th of "a|b|c"; its length, 0 where there is none. */
static int choice(const char *choices, unsigned i, const char **at)
{
    for (*at = choices; i > 0; i--) {
        *at = strchr(*at, '|');
        if (!*at) return 0;
        (*at)++;
    }
    return (int)strcspn(*at, "|");
}

void hw__option_print(const hw__option_entry *o, double x, char *text, size_t size)
{
    const char *at;
    if (o->kind == F_ENUM) {
        int length = choice(o->choices, (unsigned)x, &at);
        (void)snprintf(text, size, "%.*s", length, at);
    } else if (o->kind == F_DOUBLE) {
        (void)snprintf(text, size, "%.9g", x);
        for (char *p = text; *p; p++)
            if (*p == ',') *p = '.';
    } else {
        (void)snprintf(text, size, "%.0f", x);
    }
}

static hw_status in_range(const hw__option_entry *o, double x, const char *shown, char *why)
{
    bool whole = o->kind == F_DOUBLE || floor(x) == x;
    if (hw__base_finite_double(x) && whole && x >= o->low && (o->open_high ? x < o->high : x <= o->high)) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT, "config.%s is %.40s: it must be %sin [%.10g, %.10g%c%s%s", o->name, shown,
                         o->kind == F_DOUBLE ? "" : "a whole number ", o->low, o->high, o->open_high ? ')' : ']',
                         *o->unit ? " " : "", o->unit);
}

hw_status hw_option_get(size_t i, hw_option *option)
{
    if (i >= COUNT || !option) return HW_E_ARGUMENT;
    const hw__option_entry *o = hw__option_table + i;
    *option = (hw_option){
        o->name,      o->unit,
        o->help,      o->kind == F_ENUM ? HW_OPTION_CHOICE : o->kind == F_DOUBLE ? HW_OPTION_REAL : HW_OPTION_INT,
        o->low,       o->high,
        o->open_high, o->choices};
    return HW_OK;
}

static bool parse(const char *text, double *x)
{
    const char *end;
    return hw__number_parse(*text == '+' ? text + 1 : text, &end, x) && *end == 0;
}

/* With the first option whose name has the word in it: momentum is momentum.target. */
static hw_status no_such_option(const char *name, char *why)
{
    for (size_t i = 0; *name && i < COUNT; i++)
        if (strstr(hw__option_table[i].name, name))
            return hw__base_fail(why, HW_E_ARGUMENT, "there is no option '%.60s'; there is '%s'", name,
                                 hw__option_table[i].name);
    return hw__base_fail(why, HW_E_ARGUMENT, "there is no option '%.60s'", name);
}

hw_status hw__option_set(hw_config *config, const char *name, const char *value, char *why)
{
    const hw__option_entry *o = find(name);
    if (!config || !value) return hw__base_fail(why, HW_E_ARGUMENT, "hw_config_set: config or value is NULL");
    if (!o) return no_such_option(name ? name : "", why);
    double x;
    if (o->offset + bytes_of(o->kind) > config->struct_size)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.%s is newer than this configuration, which has %zu bytes",
                             name, config->struct_size);
    if (o->kind == F_ENUM) {
        const char *at;
        int length;
        value = hw__option_present_name(o->name, value);
        for (unsigned i = 0; (length = choice(o->choices, i, &at)) > 0; i++)
            if (strlen(value) == (size_t)length && strncmp(at, value, (size_t)length) == 0) {
                store(config, o, i);
                return HW_OK;
            }
        return hw__base_fail(why, HW_E_ARGUMENT, "config.%s is '%.40s': it must be one of %s", name, value, o->choices);
    }
    if (!parse(value, &x))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.%s is '%.40s': a number is needed", name, value);
    hw_status status = in_range(o, x, value, why);
    if (status == HW_OK) store(config, o, x);
    return status;
}

hw_status hw_config_get(const hw_config *config, const char *name, char *value, size_t size)
{
    const hw__option_entry *o = find(name);
    if (!config || !o || !value || !size) return HW_E_ARGUMENT;
    hw__option_print(o, hw__option_value(config, o), value, size);
    return HW_OK;
}

hw_status hw_config_json(const hw_config *config, FILE *out)
{
    char text[64];
    for (size_t i = 0; i < COUNT; i++) {
        double x = hw__option_value(config, hw__option_table + i);
        fprintf(out, "%s\"%s\":", i ? "," : "{", hw__option_table[i].name);
        hw__option_print(hw__option_table + i, x, text, sizeof text);
        if (hw__option_table[i].kind == F_ENUM) {
            hw__json_string(out, text);
        } else if (hw__option_table[i].kind != F_DOUBLE) {
            fputs(text, out); /* whole, every digit */
        } else {
            hw__json_number(out, x);
        }
    }
    fputc('}', out);
    return ferror(out) ? HW_E_IO : HW_OK;
}

hw_status hw__options_check(const hw_config *c, char *why)
{
    char text[64];
    for (size_t i = 0; i < COUNT; i++) {
        const hw__option_entry *o = hw__option_table + i;
        double x = hw__option_value(c, o);
        if (o->kind == F_ENUM) {
            if (x >= 0 && x <= o->high) continue;
            return hw__base_fail(why, HW_E_ARGUMENT, "config.%s is %.0f: it must be one of %s", o->name, x, o->choices);
        }
        hw__option_print(o, x, text, sizeof text);
        hw_status status = in_range(o, x, text, why);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}
