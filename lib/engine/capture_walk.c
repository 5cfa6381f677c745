/* capture_walk.c - everything that a run needs to go on, as entries of a state. One walk serves for filling a state,
 * checking one and taking it; what the numbers must have in common beyond their form is looked at in restore.c. */
#include "../base/hash.h"
#include "engine.h"
#include "../params/door.h"
#include "../staleness/fields.h"
#include <string.h>

#define RUN(member)    offsetof(hw_engine, member)
#define WORKER(member) offsetof(hw_worker, member)

/* Losses are finite, but their sums and means may overflow: a run takes no harm from that, so it is no reason to
 * refuse.
 */
static const hw__field run_fields[] = {
    {"first_update", RUN(first_update), WALK_U64, WALK_COUNT},
    {"first_ticket", RUN(tickets.first), WALK_U64, WALK_COUNT},
    {"next_window", RUN(due.window), WALK_COUNTER, WALK_WHEN},
    {"next_evaluation", RUN(due.evaluation), WALK_COUNTER, WALK_WHEN},
    {"next_keep", RUN(due.keep), WALK_COUNTER, WALK_WHEN},
    {"next_epoch", RUN(due.epoch), WALK_COUNTER, WALK_ANY}, /* an epoch of a stream is never over */
    {"next_average", RUN(due.average), WALK_COUNTER, WALK_WHEN},
    {"first_losses", RUN(losses.first_sum), WALK_COUNTER_REAL, WALK_ANY},
    {"first_count", RUN(losses.first_count), WALK_COUNTER, WALK_COUNT},
    {"first_loss", RUN(losses.first), WALK_COUNTER_REAL, WALK_ANY},
    {"loss_before", RUN(evaluation.mark.loss_before), WALK_F64, WALK_ANY},
    {"losses_before", RUN(evaluation.mark.losses_before), WALK_U64, WALK_COUNT},
    {"evaluation_ns", RUN(times.evaluation), WALK_U64, WALK_ANY},
    {"preparation_ns", RUN(times.preparation), WALK_U64, WALK_ANY},
    {"has_last", RUN(evaluation.mark.has_last), WALK_BOOL, WALK_ANY},
    {"seconds_to_target", RUN(evaluation.mark.seconds_to_target), WALK_F64, WALK_ANY},
    {"updates_to_target", RUN(evaluation.mark.updates_to_target), WALK_U64, WALK_COUNT},
    {"good_update", RUN(kept.good_update), WALK_U64, WALK_COUNT},
    {"candidate_update", RUN(kept.candidate), WALK_U64, WALK_COUNT},
    {"averaged", RUN(average.count), WALK_COUNTER, WALK_COUNT},
    {"curvature", RUN(curvature.value), WALK_F64, WALK_POSITIVE},
    {"setting_number", RUN(settings.number), WALK_U32, WALK_ANY},
    {"replayed_setting", RUN(settings.replayed), WALK_U32, WALK_ANY},
};

static const hw__field worker_fields[] = {
    {"random", WORKER(rng), WALK_STREAM, WALK_ANY},
    {"step", WORKER(ticket), WALK_U64, WALK_COUNT},
    {"ticket_end", WORKER(ticket_end), WALK_U64, WALK_COUNT},
    {"since", WORKER(since), WALK_U32, WALK_ANY},
    {"exchange_every", WORKER(exchange_every), WALK_U32, WALK_ANY},
    {"read_clock", WORKER(read_clock), WALK_U64, WALK_COUNT},
    {"landed_before", WORKER(landed_before), WALK_U64, WALK_COUNT},
    {"unmeasured", WORKER(unmeasured), WALK_U64, WALK_COUNT},
    {"observed.staleness", WORKER(observed.staleness), WALK_U64, WALK_COUNT},
    {"observed.spread", WORKER(observed.spread), WALK_U64, WALK_COUNT},
    {"observed.overlap", WORKER(observed.overlap), WALK_U64, WALK_COUNT},
    {"observed.work_ns", WORKER(observed.work_ns), WALK_U64, WALK_ANY},
    {"loss", WORKER(loss), WALK_COUNTER_REAL, WALK_ANY},
    {"losses", WORKER(losses), WALK_COUNTER, WALK_COUNT},
    {"updates", WORKER(updates), WALK_COUNTER, WALK_COUNT},
    {"examples", WORKER(examples), WALK_COUNTER, WALK_COUNT},
    {"clipped", WORKER(clipped), WALK_COUNTER, WALK_COUNT},
    {"skipped", WORKER(skipped), WALK_COUNTER, WALK_COUNT},
    {"fused", WORKER(by_sweep), WALK_COUNTER, WALK_COUNT},
    {"exchanges", WORKER(exchanges), WALK_COUNTER, WALK_COUNT},
    {"collided", WORKER(collided), WALK_COUNTER, WALK_COUNT},
    {"looked_at", WORKER(looked_at), WALK_COUNTER, WALK_COUNT},
    {"first_loss", WORKER(first_loss), WALK_F64, WALK_ANY},
    {"smooth_loss", WORKER(smooth_loss), WALK_F64, WALK_ANY},
    {"loss_steps", WORKER(loss_steps), WALK_INT, WALK_ANY},
    {"setting_number", WORKER(setting_number), WALK_U32, WALK_ANY},
};

#define SETTING(at)                                                                 \
    {"update", (at) + offsetof(hw_setting, update), WALK_U64, WALK_COUNT},          \
        {"rate", (at) + offsetof(hw_setting, rate), WALK_F64, WALK_FINITE},         \
        {"momentum", (at) + offsetof(hw_setting, momentum), WALK_F64, WALK_FINITE}, \
        {"delay", (at) + offsetof(hw_setting, delay), WALK_F64, WALK_FINITE},       \
        {"ahead", (at) + offsetof(hw_setting, ahead), WALK_F64, WALK_FINITE},       \
        {"exact", (at) + offsetof(hw_setting, pole), WALK_F64, WALK_FINITE},        \
        {"implicit", (at) + offsetof(hw_setting, implicit), WALK_F64, WALK_ANY},    \
    {                                                                               \
        "policy", (at) + offsetof(hw_setting, policy), WALK_INT, WALK_ANY           \
    }
static const hw__field setting_fields[] = {SETTING(0)};
static const hw__field worker_setting_fields[] = {SETTING(WORKER(setting))};

#define EVALUATION(member) offsetof(hw_evaluation, member)
static const hw__field evaluation_fields[] = {
    {"update", EVALUATION(update), WALK_U64, WALK_COUNT},
    {"epoch", EVALUATION(epoch), WALK_F64, WALK_ANY},
    {"seconds", EVALUATION(seconds), WALK_F64, WALK_ANY},
    {"train_loss", EVALUATION(train_loss), WALK_F64, WALK_ANY},
    {"metric0", EVALUATION(metric[0]), WALK_F64, WALK_ANY},
    {"metric1", EVALUATION(metric[1]), WALK_F64, WALK_ANY},
    {"metric2", EVALUATION(metric[2]), WALK_F64, WALK_ANY},
    {"metric3", EVALUATION(metric[3]), WALK_F64, WALK_ANY},
    {"virtual_time", EVALUATION(virtual_time), WALK_F64, WALK_ANY},
    {"staleness", EVALUATION(staleness), WALK_F64, WALK_ANY},
    {"momentum", EVALUATION(momentum), WALK_F64, WALK_ANY},
    {"learning_rate", EVALUATION(learning_rate), WALK_F64, WALK_ANY},
    {"ahead", EVALUATION(ahead), WALK_F64, WALK_ANY},
};
_Static_assert(HW_METRICS == 4, "a field for each metric");

/* What is not a field of its own. */
typedef struct position {
    bool begun;
    uint64_t landed, tickets, limit, trained_ns;
} position;
static const hw__field position_fields[] = {{"begun", offsetof(position, begun), WALK_BOOL, WALK_ANY},
                                            {"landed", offsetof(position, landed), WALK_U64, WALK_COUNT},
                                            {"tickets", offsetof(position, tickets), WALK_U64, WALK_COUNT},
                                            {"ticket_limit", offsetof(position, limit), WALK_U64, WALK_ANY},
                                            {"trained_ns", offsetof(position, trained_ns), WALK_U64, WALK_ANY}};

static void visit_moment(hw_engine *e, hw__walk *v)
{
    position m = {e->run.begun, hw_params_clock(e->params), hw__counter_get(&e->tickets.taken),
                  hw__counter_get(&e->tickets.limit), e->run.begun ? hw__times_trained(e) : 0};
    hw__walk_values(v, "run", WALK_FIELDS(position_fields), &m);
    hw__walk_values(v, "run", WALK_FIELDS(run_fields), e);
    hw__walk_values(v, "run.last", WALK_FIELDS(evaluation_fields), &e->evaluation.mark.last);
    if (v->way != WALK_TAKE) return;
    e->run.begun = e->run.restored = m.begun;
    e->run.status = HW_OK;
    /* Who looks for a ticket at the end counts on beyond the limit: those were never handed out. A limit below what was
     * handed out is that; only a replay's, which counts updates, may be lower. */
    uint64_t limit = m.begun ? e->tickets.first + hw__tickets_limit(e) : 0;
    uint64_t handed = m.tickets < m.limit ? m.tickets : m.limit;
    bool replay = e->replays;
    if (m.begun && limit < handed && !replay) limit = handed;
    hw__counter_set(&e->tickets.taken, m.tickets > m.limit && limit > m.limit ? m.limit : m.tickets);
    hw__counter_set(&e->tickets.limit, limit);
    hw__counter_set(&e->times.paused, 0);
    hw__counter_set(&e->times.begin, 1);
    e->times.end = 1 + m.trained_ns;
}

/* The texts of settings, zeros behind them. */
static void visit_reasons(hw__walk *v, const char *name, hw_setting *setting, size_t count)
{
    const size_t size = sizeof setting->reason;
    const uint64_t shape[2] = {count, size};
    char *text = hw__walk_array(v, name, HW_U8, 2, shape);
    for (size_t i = 0; text && i < count; i++, text += size) {
        if (v->way == WALK_PUT) {
            size_t length = strnlen(setting[i].reason, size - 1);
            memcpy(text, setting[i].reason, length);
            memset(text + length, 0, size - length);
        }
        if (v->way == WALK_TAKE) memcpy(setting[i].reason, text, size);
        if (v->way == WALK_CHECK && text[size - 1])
            hw__walk_refuse(v, "entry '%s' of the state holds a text without an end", name);
    }
}

static void visit_setting(hw_engine *e, hw__walk *v)
{
    hw__walk_values(v, "setting", WALK_FIELDS(setting_fields), &e->settings.now);
    visit_reasons(v, "setting.reason", &e->settings.now, 1);
}

/* A list and how long it is. */
static void visit_log(hw__log *log, const char *room, const hw__field *table, size_t fields, hw__walk *v)
{
    static const hw__field count[] = {{"count", offsetof(hw__log, count), WALK_SIZE, WALK_COUNT}};
    size_t n = log->count;
    hw__walk_values(v, room, WALK_FIELDS(count), log);
    if (v->way != WALK_PUT && v->status == HW_OK) {
        char name[HW_STATE_NAME];
        (void)snprintf(name, sizeof name, "%s.count", room);
        uint64_t there = hw_state_number(v->from, name, 0);
        if (there > log->room)
            hw__walk_refuse(v, "entry '%s' of the state is %llu: at most %zu is possible", name,
                            (unsigned long long)there, log->room);
        n = there > log->room ? 0 : (size_t)there;
    }
    hw__walk_columns(v, room, table, fields, log->entries, log->size, n);
}

static void visit_logs(hw_engine *e, hw__walk *v)
{
    visit_log(&e->evaluation.log, "evaluations", WALK_FIELDS(evaluation_fields), v);
    visit_log(&e->settings.log, "settings", WALK_FIELDS(setting_fields), v);
    size_t n = v->way == WALK_PUT   ? e->settings.log.count
               : v->status == HW_OK ? (size_t)hw_state_number(v->from, "settings.count", 0)
                                    : 0;
    visit_reasons(v, "settings.reason", e->settings.log.entries, n);
}

/* Whether a worker has the setting in force already; in a replay: whether it has had one. */
static void visit_informed(hw_engine *e, hw__walk *v)
{
    const uint64_t count = e->crew.members;
    uint32_t now = hw__flags_version(&e->flags);
    bool replay = e->replays;
    uint8_t *informed = hw__walk_array(v, "worker.informed", HW_U8, 1, &count);
    for (unsigned i = 0; informed && i < e->crew.members; i++) {
        hw_worker *w = e->worker + i;
        if (v->way == WALK_PUT) informed[i] = e->run.begun && w->version != UINT32_MAX && (replay || w->version == now);
        if (v->way == WALK_TAKE) w->version = !informed[i] ? UINT32_MAX : replay ? 0 : now;
        if (v->way == WALK_CHECK && informed[i] > 1)
            hw__walk_refuse(v, "entry 'worker.informed' of the state holds neither 0 nor 1");
    }
}

static void visit_workers(hw_engine *e, hw__walk *v)
{
    hw__walk_columns(v, "worker", WALK_FIELDS(worker_fields), e->worker, sizeof *e->worker, e->crew.members);
    hw__walk_columns(v, "worker.setting", WALK_FIELDS(worker_setting_fields), e->worker, sizeof *e->worker,
                     e->crew.members);
    visit_informed(e, v);
    for (unsigned i = 0; v->way == WALK_TAKE && i < e->crew.members; i++)
        hw__tickets_number(e->worker + i, e->worker[i].ticket);
    uint64_t shape[2] = {0, e->objective.parameters};
    for (unsigned i = 0; i < e->crew.members; i++) shape[0] += e->worker[i].velocity != NULL;
    if (!shape[0]) return;
    float *own = hw__walk_array(v, "worker.velocity", HW_F32, 2, shape);
    for (unsigned i = 0; own && i < e->crew.members; i++) {
        float *velocity = e->worker[i].velocity;
        if (!velocity) continue;
        if (v->way == WALK_PUT) memcpy(own, velocity, (size_t)shape[1] * sizeof *own);
        if (v->way == WALK_TAKE) memcpy(velocity, own, (size_t)shape[1] * sizeof *own);
        own += shape[1];
    }
}

/* The last good parameters, and those that wait for a loss to show that they are. */
static void visit_kept(hw_engine *e, hw__walk *v)
{
    size_t n = e->objective.parameters;
    int good = e->kept.good == 1;
    if (v->way == WALK_PUT && !e->kept.candidate) memset(e->kept.x[1 - good], 0, n * sizeof(float));
    if (v->way == WALK_TAKE) good = 0;
    hw__walk_floats(v, "kept.good", e->kept.x[good], n, 1, n);
    if (e->kept.every) hw__walk_floats(v, "kept.candidate", e->kept.x[1 - good], n, 1, n);
    if (v->way == WALK_TAKE) e->kept.good = e->run.begun ? 0 : -1;
    if (e->average.mean)
        hw__walk_plain(v, "average.mean", HW_F32, e->average.mean, n); /* a mean of finite values may overflow */
}

/* States of 0.1 have none: they count epochs by updates, as they were counted then. */
static void visit_further(hw_engine *e, hw__walk *v)
{
    static const hw__field further[] = {{"further", RUN(tickets.further), WALK_COUNTER, WALK_COUNT}};
    if (hw__walk_has(v, "run.further"))
        hw__walk_values(v, "run", WALK_FIELDS(further), e);
    else if (v->way == WALK_TAKE)
        hw__counter_set(&e->tickets.further, 0);
}

static void visit_ages(hw_engine *e, hw__walk *v)
{
    const uint64_t n = e->ages.count;
    if (!n) return;
    double *at = hw__walk_array(v, "run.age_factors", HW_F64, 1, &n);
    for (uint64_t i = 0; at && v->status == HW_OK && i < n; i++) {
        if (v->way == WALK_PUT) at[i] = hw__counter_get_double(e->ages.factor + i);
        if (v->way == WALK_TAKE) hw__counter_set_double(e->ages.factor + i, at[i]);
        if (v->way == WALK_CHECK && !(at[i] >= 0 && at[i] <= 1e6))
            hw__walk_refuse(v, "entry 'run.age_factors' of the state holds a factor that is not in [0, 10^6]");
    }
}

#define LAYER(member) offsetof(hw__layer, member)
static const hw__field layer_fields[] = {{"landed", LAYER(landed), WALK_COUNTER, WALK_COUNT},
                                         {"share", LAYER(share), WALK_F64, WALK_POSITIVE},
                                         {"delay", LAYER(delay), WALK_F64, WALK_POSITIVE},
                                         {"updates", LAYER(updates), WALK_U64, WALK_COUNT},
                                         {"sum", LAYER(sum), WALK_U64, WALK_COUNT}};

static void visit_counters(hw__walk *v, const char *name, hw__base_counter *own, unsigned dims, const uint64_t *shape)
{
    uint64_t *at = hw__walk_array(v, name, HW_U64, dims, shape);
    uint64_t n = 1;
    for (unsigned d = 0; d < dims; d++) n *= shape[d];
    for (uint64_t i = 0; at && v->status == HW_OK && i < n; i++) {
        if (v->way == WALK_PUT) at[i] = hw__counter_get(own + i);
        if (v->way == WALK_TAKE) hw__counter_set(own + i, at[i]);
        if (v->way == WALK_CHECK && at[i] > WALK_MOST)
            hw__walk_refuse(v, "entry '%s' of the state counts more than 2^53", name);
    }
}

static void visit_layers(hw_engine *e, hw__walk *v)
{
    const uint64_t n = e->objective.layer_count, shape[3] = {e->crew.recorders, n, e->layers.bins};
    static const hw__field by[] = {{"by_layer", 0, WALK_BOOL, WALK_ANY}};
    bool on = v->way == WALK_PUT && e->layers.on;
    if (hw__walk_has(v, "run.by_layer")) hw__walk_values(v, "run", WALK_FIELDS(by), &on);
    if (v->status != HW_OK) return;
    on = hw__layers_of_state(e, v);
    if (v->way == WALK_CHECK && on && !e->layers.possible)
        hw__walk_refuse(v, "entry 'run.by_layer' of the state: its steps went layer by layer, this engine's are whole");
    if (v->way == WALK_TAKE) e->layers.on = on;
    if (!on || !e->layers.possible) return;
    uint64_t same = 0;
    for (uint64_t l = 0; l < n; l++) {
        same = hw__hash(same, &e->objective.layers[l].count, sizeof e->objective.layers[l].count);
        same = hw__hash(same, &e->objective.layers[l].held, sizeof e->objective.layers[l].held);
    }
    if (v->way != WALK_TAKE) hw__walk_same(v, "same.layers", same, "other layers, or held otherwise: checksum");
    hw__walk_columns(v, "staleness.layer", WALK_FIELDS(layer_fields), e->layers.layer, sizeof *e->layers.layer, n);
    visit_counters(v, "staleness.layer.counts", e->layers.counts, 3, shape);
    visit_counters(v, "staleness.layer.sums", e->layers.sums, 2, shape);
    const double *share = hw__walk_checks(v) ? hw_state_array(v->from, "staleness.layer.share", HW_F64, n) : NULL;
    const double *delay = share ? hw_state_array(v->from, "staleness.layer.delay", HW_F64, n) : NULL;
    for (uint64_t l = 0; delay && l < n; l++)
        if (!(share[l] <= 1 && delay[l] <= 1e9)) {
            hw__walk_refuse(
                v, "an entry 'staleness.layer.share' of the state is above 1, or 'staleness.layer.delay' above 10^9");
            return;
        }
}

void hw__capture_walk(hw_engine *e, hw__walk *v)
{
    hw__compatibility_fields(e, v);
    visit_moment(e, v);
    uint64_t landed = hw__params_fields(e->params, v);
    if (hw__walk_checks(v) && landed != hw_state_number(v->from, "run.landed", 0))
        hw__walk_refuse(v, "the entries 'clock.landed' of the state count %llu updates, 'run.landed' %llu",
                        (unsigned long long)landed, (unsigned long long)hw_state_number(v->from, "run.landed", 0));
    hw__tensors_fields(e, v);
    visit_setting(e, v);
    visit_workers(e, v);
    visit_logs(e, v);
    if (e->config.record) {
        hw__staleness_fields(e->staleness, v);
        hw__histogram_fields(&e->settings.before, "staleness.before", v);
        hw__staleness_fields_cover(e->staleness, e->steps.exchanges ? HW_HISTOGRAM_SPREAD : HW_HISTOGRAM_STALENESS,
                                   &e->settings.before, "staleness.before", v);
    }
    visit_kept(e, v);
    hw__capture_recovery(e, v);
    visit_further(e, v);
    visit_layers(e, v);
    visit_ages(e, v);
    if (e->scheduler->fields && v->status == HW_OK) e->scheduler->fields(e, v);
}
