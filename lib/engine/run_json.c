/* run_json.c - a finished run as one JSON object. */
#include "../base/json.h"
#include "engine.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void number(FILE *out, const char *name, double x)
{
    fprintf(out, ",\"%s\":", name);
    hw__json_number(out, x);
}

/* The single numbers of a result, in the record and for hw_engine_number. fused: swept's name in 0.1. */
typedef enum kind { COUNT, SMALL, REAL } kind;
static const struct {
    const char *name;
    size_t offset;
    kind kind;
} numbers[] = {
#define ROW(name, member, kind)                 \
    {                                           \
        name, offsetof(hw_result, member), kind \
    }
    ROW("updates", updates, COUNT),
    ROW("examples", examples, COUNT),
    ROW("tickets", tickets, COUNT),
    ROW("good_update", good_update, COUNT),
    ROW("clipped", clipped, COUNT),
    ROW("skipped", skipped, COUNT),
    ROW("swept", swept, COUNT),
    ROW("fused", fused, COUNT),
    ROW("exchange_interval", exchange_interval, SMALL),
    ROW("exchanges", exchanges, COUNT),
    ROW("collisions", collisions, REAL),
    ROW("epochs", epochs, REAL),
    ROW("seconds", seconds, REAL),
    ROW("virtual_time", virtual_time, REAL),
    ROW("evaluation_seconds", evaluation_seconds, REAL),
    ROW("preparation_seconds", preparation_seconds, REAL),
    ROW("seconds_to_target", seconds_to_target, REAL),
    ROW("updates_to_target", updates_to_target, COUNT),
    ROW("curvature", curvature, REAL),
    ROW("train_loss", train_loss, REAL),
    ROW("work_mean_ns", work.mean_ns, REAL),
    ROW("work_variation", work.variation, REAL),
    ROW("work_correlation_next", work.correlation_next, REAL),
    ROW("work_correlation_staleness", work.correlation_staleness, REAL),
#undef ROW
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static uint64_t count_of(const hw_result *r, size_t i)
{
    const void *at = (const char *)r + numbers[i].offset;
    return numbers[i].kind == COUNT ? *(const uint64_t *)at : *(const unsigned *)at;
}

static double real_of(const hw_result *r, size_t i)
{
    const void *at = (const char *)r + numbers[i].offset;
    return numbers[i].kind == REAL ? *(const double *)at : (double)count_of(r, i);
}

double hw__result_number(const hw_result *r, const char *name)
{
    for (size_t i = 0; i < NUMBERS; i++)
        if (strcmp(numbers[i].name, name) == 0) return real_of(r, i);
    return NAN;
}

/* Where those who land on their own do not step alike; momentum null: that of all. */
static void own_steps(const hw_config *c, FILE *out)
{
    for (size_t i = 0; i < c->n_own_steps; i++) {
        fputs(i ? ",{\"rate\":" : ",\"own_steps\":[{\"rate\":", out);
        hw__json_number(out, c->own_steps[i].rate);
        number(out, "momentum", c->own_steps[i].momentum);
        fputs("}", out);
    }
    if (c->n_own_steps) fputs("]", out);
}

static void evaluations(const hw_engine *e, FILE *out)
{
    size_t n;
    const hw_evaluation *ev = hw_engine_evaluations(e, &n);
    fputs(",\"evaluations\":[", out);
    for (size_t i = 0; i < n; i++, ev++) {
        fprintf(out, "%s{\"update\":%llu", i ? "," : "", (unsigned long long)ev->update);
        number(out, "epoch", ev->epoch);
        number(out, "seconds", ev->seconds);
        number(out, "virtual_time", ev->virtual_time);
        number(out, "train_loss", ev->train_loss);
        fputs(",\"metrics\":[", out);
        for (unsigned m = 0; m < e->objective.metrics; m++) {
            if (m) fputc(',', out);
            hw__json_number(out, ev->metric[m]);
        }
        fputc(']', out);
        number(out, "staleness", ev->staleness);
        number(out, "momentum", ev->momentum);
        number(out, "learning_rate", ev->learning_rate);
        number(out, "look_ahead", ev->ahead);
        fputc('}', out);
    }
    fputc(']', out);
}

/* Staleness by layer; nothing where steps read all parameters at once. */
static void layers(const hw_engine *e, FILE *out)
{
    const hw_layer *y;
    size_t n = hw_engine_layers(e, &y);
    for (size_t l = 0; l < n; l++) {
        uint64_t updates, sum;
        hw__layers_total(e, l, &updates, &sum);
        fputs(l ? ",{\"name\":" : ",\"layers\":[{\"name\":", out);
        hw__json_string(out, y[l].name);
        fprintf(out, ",\"parameters\":%zu", y[l].count);
        number(out, "held", y[l].held);
        number(out, "staleness", updates ? (double)sum / (double)updates : NAN);
        number(out, "share_of_curvature", e->layers.layer[l].share);
        fputs(l + 1 < n ? "}" : "}]", out);
    }
}

static void settings(const hw_engine *e, FILE *out)
{
    size_t n;
    const hw_setting *s = hw_engine_settings(e, &n);
    fputs(",\"settings\":[", out);
    for (size_t i = 0; i < n; i++, s++) {
        fprintf(out, "%s{\"update\":%llu", i ? "," : "", (unsigned long long)s->update);
        number(out, "momentum", s->momentum);
        number(out, "rate", s->rate);
        number(out, "look_ahead", s->ahead);
        number(out, "exact", s->pole);
        number(out, "implicit", s->implicit);
        fprintf(out, ",\"policy\":\"%s\",\"reason\":", hw_policy_name(s->policy));
        hw__json_string(out, s->reason);
        fputc('}', out);
    }
    fputc(']', out);
}

static void cluster(const hw_engine *e, FILE *out)
{
    hw_cluster_result k = {.struct_size = sizeof k};
    if (hw_engine_cluster(e, &k) != HW_OK) return;
    fputs(",\"cluster\":{\"exchanges\":", out);
    fprintf(out, "%llu", (unsigned long long)k.exchanges);
    number(out, "seconds", k.seconds);
    number(out, "bytes", k.bytes);
    number(out, "waited", k.waited);
    number(out, "link", k.link);
    fputc('}', out);
}

hw_status hw_run_json(hw_engine *e, const char *name, const hw_result *r, FILE *out)
{
    struct utsname machine;
    char text[256];
    hw_status usable = hw__handle_usable(e, "hw_run_json");
    if (usable != HW_OK) return usable;
    static const char *const reasons[] = {"none", "updates", "seconds", "target", "asked", "error", "callback"};
    fputs("{\"name\":", out);
    hw__json_string(out, name ? name : "");
    fputs(",\"objective\":", out);
    hw__json_string(out, e->objective.name ? e->objective.name : "");
    fputs(",\"config\":", out);
    (void)hw_config_json(&e->config, out);
    own_steps(&e->config, out);
    hw_build_info(text, sizeof text);
    fputs(",\"build\":", out);
    hw__json_string(out, text);
    fputs(",\"commit\":", out);
    hw__json_string(out, hw_commit());
    if (uname(&machine) == 0) {
        (void)snprintf(text, sizeof text, "%.60s %.60s %.60s", machine.sysname, machine.release, machine.machine);
        fputs(",\"machine\":", out);
        hw__json_string(out, text);
    }
    fprintf(out, ",\"cores\":%ld,\"processors\":%u,\"status\":\"%s\",\"reason\":\"%s\",\"message\":",
            sysconf(_SC_NPROCESSORS_ONLN), hw_processors(), hw_status_name(r->status), reasons[r->reason]);
    hw__json_string(out, r->message);
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].kind == REAL)
            number(out, numbers[i].name, real_of(r, i));
        else
            fprintf(out, ",\"%s\":%llu", numbers[i].name, (unsigned long long)count_of(r, i));
    double mean;
    unsigned at_work = hw_engine_at_work(e, &mean);
    uint64_t lost, returns = hw_engine_returns(e, &lost);
    fprintf(out, ",\"returns\":%llu,\"updates_lost\":%llu,\"at_work\":%u", (unsigned long long)returns,
            (unsigned long long)lost, at_work);
    number(out, "mean_at_work", mean);
    number(out, "bytes", (double)e->bytes);
    cluster(e, out);
    layers(e, out);
    evaluations(e, out);
    settings(e, out);
    fputs(",\"staleness\":", out);
    (void)hw_staleness_summary_json(&r->staleness, out);
    fputs(",\"histogram\":", out);
    hw_histogram_clear(&e->settings.merged);
    hw_staleness_merge(e->staleness, HW_HISTOGRAM_STALENESS, &e->settings.merged);
    (void)hw_histogram_json(&e->settings.merged, out);
    fputc('}', out);
    return ferror(out) ? HW_E_IO : HW_OK;
}

hw_status hw_result_json(hw_engine *e, const char *name, char *text, size_t size, size_t *length)
{
    char *whole = NULL;
    size_t n = 0;
    hw_result r;
    if (text && size) text[0] = 0;
    if (length) *length = 0;
    hw_status status = hw__handle_usable(e, "hw_result_json");
    if (status != HW_OK) return status;
    if (size && !text) return hw__base_fail(e->sentence, HW_E_ARGUMENT, "hw_result_json: the text is NULL");
    FILE *out = open_memstream(&whole, &n);
    if (!out) return HW_E_MEMORY;
    hw_engine_result(e, &r);
    status = hw_run_json(e, name, &r, out);
    if (fclose(out) != 0) status = HW_E_MEMORY;
    if (status == HW_OK && length) *length = n;
    if (status == HW_OK && size) {
        size_t fits = n < size ? n : size - 1;
        memcpy(text, whole, fits);
        text[fits] = 0;
        if (fits < n)
            status = hw__base_fail(e->sentence, HW_E_LIMIT, "hw_result_json: %zu bytes are needed, %zu are there",
                                   n + 1, size);
    }
    free(whole);
    return status;
}
