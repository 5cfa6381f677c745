/* capture.c - everything that a run needs to go on, as entries of a state. One walk serves for filling a state,
 * checking one and taking it; what the numbers must have in common beyond their form is looked at in restore.c. */
#include "engine.h"
#include "../params/visit.h"
#include "../staleness/visit.h"
#include <string.h>
#include <unistd.h>

#define RUN(member)    offsetof(hw_engine, member)
#define WORKER(member) offsetof(hw_worker, member)

/* Losses are finite, but their sums and means may overflow: a run takes no harm from that, so it is no reason to
 * refuse.
 */
static const visit_field run_fields[] = {
    {"first_update", RUN(first_update), VISIT_U64, VISIT_COUNT},
    {"first_ticket", RUN(first_ticket), VISIT_U64, VISIT_COUNT},
    {"next_window", RUN(next_window), VISIT_COUNTER, VISIT_WHEN},
    {"next_evaluation", RUN(next_evaluation), VISIT_COUNTER, VISIT_WHEN},
    {"next_keep", RUN(next_keep), VISIT_COUNTER, VISIT_WHEN},
    {"next_epoch", RUN(next_epoch), VISIT_COUNTER, VISIT_ANY}, /* an epoch of a stream is never over */
    {"next_average", RUN(next_average), VISIT_COUNTER, VISIT_WHEN},
    {"first_losses", RUN(first_losses), VISIT_COUNTER_REAL, VISIT_ANY},
    {"first_count", RUN(first_count), VISIT_COUNTER, VISIT_COUNT},
    {"first_loss", RUN(first_loss), VISIT_COUNTER_REAL, VISIT_ANY},
    {"loss_before", RUN(loss_before), VISIT_F64, VISIT_ANY},
    {"losses_before", RUN(losses_before), VISIT_U64, VISIT_COUNT},
    {"evaluation_ns", RUN(evaluation_ns), VISIT_U64, VISIT_ANY},
    {"preparation_ns", RUN(preparation_ns), VISIT_U64, VISIT_ANY},
    {"has_last", RUN(has_last), VISIT_BOOL, VISIT_ANY},
    {"seconds_to_target", RUN(seconds_to_target), VISIT_F64, VISIT_ANY},
    {"updates_to_target", RUN(updates_to_target), VISIT_U64, VISIT_COUNT},
    {"good_update", RUN(good_update), VISIT_U64, VISIT_COUNT},
    {"candidate_update", RUN(candidate_update), VISIT_U64, VISIT_COUNT},
    {"averaged", RUN(averaged), VISIT_U64, VISIT_COUNT},
    {"curvature", RUN(curvature), VISIT_F64, VISIT_POSITIVE},
    {"setting_number", RUN(setting_number), VISIT_U32, VISIT_ANY},
    {"replayed_setting", RUN(replayed_setting), VISIT_U32, VISIT_ANY},
};

static const visit_field worker_fields[] = {
    {"random", WORKER(rng), VISIT_STREAM, VISIT_ANY},
    {"step", WORKER(batch.step), VISIT_U64, VISIT_COUNT},
    {"ticket_end", WORKER(ticket_end), VISIT_U64, VISIT_COUNT},
    {"since", WORKER(since), VISIT_U32, VISIT_ANY},
    {"exchange_every", WORKER(exchange_every), VISIT_U32, VISIT_ANY},
    {"read_clock", WORKER(read_clock), VISIT_U64, VISIT_COUNT},
    {"landed_before", WORKER(landed_before), VISIT_U64, VISIT_COUNT},
    {"unmeasured", WORKER(unmeasured), VISIT_U64, VISIT_COUNT},
    {"observed.staleness", WORKER(observed.staleness), VISIT_U64, VISIT_COUNT},
    {"observed.spread", WORKER(observed.spread), VISIT_U64, VISIT_COUNT},
    {"observed.overlap", WORKER(observed.overlap), VISIT_U64, VISIT_COUNT},
    {"observed.work_ns", WORKER(observed.work_ns), VISIT_U64, VISIT_ANY},
    {"loss", WORKER(loss), VISIT_COUNTER_REAL, VISIT_ANY},
    {"losses", WORKER(losses), VISIT_COUNTER, VISIT_COUNT},
    {"updates", WORKER(updates), VISIT_COUNTER, VISIT_COUNT},
    {"examples", WORKER(examples), VISIT_COUNTER, VISIT_COUNT},
    {"clipped", WORKER(clipped), VISIT_COUNTER, VISIT_COUNT},
    {"skipped", WORKER(skipped), VISIT_COUNTER, VISIT_COUNT},
    {"fused", WORKER(fused), VISIT_COUNTER, VISIT_COUNT},
    {"exchanges", WORKER(exchanges), VISIT_COUNTER, VISIT_COUNT},
    {"collided", WORKER(collided), VISIT_COUNTER, VISIT_COUNT},
    {"looked_at", WORKER(looked_at), VISIT_COUNTER, VISIT_COUNT},
    {"first_loss", WORKER(first_loss), VISIT_F64, VISIT_ANY},
    {"smooth_loss", WORKER(smooth_loss), VISIT_F64, VISIT_ANY},
    {"loss_steps", WORKER(loss_steps), VISIT_INT, VISIT_ANY},
    {"setting_number", WORKER(setting_number), VISIT_U32, VISIT_ANY},
};

#define SETTING(at)                                                                   \
    {"update", (at) + offsetof(hw_setting, update), VISIT_U64, VISIT_COUNT},          \
        {"rate", (at) + offsetof(hw_setting, rate), VISIT_F64, VISIT_FINITE},         \
        {"momentum", (at) + offsetof(hw_setting, momentum), VISIT_F64, VISIT_FINITE}, \
        {"delay", (at) + offsetof(hw_setting, delay), VISIT_F64, VISIT_FINITE},       \
        {"ahead", (at) + offsetof(hw_setting, ahead), VISIT_F64, VISIT_FINITE},       \
        {"exact", (at) + offsetof(hw_setting, exact), VISIT_F64, VISIT_FINITE},       \
        {"implicit", (at) + offsetof(hw_setting, implicit), VISIT_F64, VISIT_ANY},    \
    {                                                                                 \
        "policy", (at) + offsetof(hw_setting, policy), VISIT_INT, VISIT_ANY           \
    }
static const visit_field setting_fields[] = {SETTING(0)};
static const visit_field worker_setting_fields[] = {SETTING(WORKER(setting))};

#define EVALUATION(member) offsetof(hw_evaluation, member)
static const visit_field evaluation_fields[] = {
    {"update", EVALUATION(update), VISIT_U64, VISIT_COUNT},
    {"epoch", EVALUATION(epoch), VISIT_F64, VISIT_ANY},
    {"seconds", EVALUATION(seconds), VISIT_F64, VISIT_ANY},
    {"train_loss", EVALUATION(train_loss), VISIT_F64, VISIT_ANY},
    {"metric0", EVALUATION(metric[0]), VISIT_F64, VISIT_ANY},
    {"metric1", EVALUATION(metric[1]), VISIT_F64, VISIT_ANY},
    {"metric2", EVALUATION(metric[2]), VISIT_F64, VISIT_ANY},
    {"metric3", EVALUATION(metric[3]), VISIT_F64, VISIT_ANY},
    {"virtual_time", EVALUATION(virtual_time), VISIT_F64, VISIT_ANY},
    {"staleness", EVALUATION(staleness), VISIT_F64, VISIT_ANY},
    {"momentum", EVALUATION(momentum), VISIT_F64, VISIT_ANY},
    {"learning_rate", EVALUATION(learning_rate), VISIT_F64, VISIT_ANY},
    {"ahead", EVALUATION(ahead), VISIT_F64, VISIT_ANY},
};
_Static_assert(HW_METRICS == 4, "a field for each metric");

/* What is not a field of its own. */
typedef struct moment {
    bool begun;
    uint64_t landed, tickets, limit, trained_ns;
} moment;
static const visit_field moment_fields[] = {{"begun", offsetof(moment, begun), VISIT_BOOL, VISIT_ANY},
                                            {"landed", offsetof(moment, landed), VISIT_U64, VISIT_COUNT},
                                            {"tickets", offsetof(moment, tickets), VISIT_U64, VISIT_COUNT},
                                            {"ticket_limit", offsetof(moment, limit), VISIT_U64, VISIT_ANY},
                                            {"trained_ns", offsetof(moment, trained_ns), VISIT_U64, VISIT_ANY}};

static void visit_moment(hw_engine *e, base_visit *v)
{
    moment m = {e->begun, hw_params_clock(e->params), counter_get(&e->tickets), counter_get(&e->ticket_limit),
                e->begun ? engine_trained_ns(e) : 0};
    visit_values(v, "run", VISIT_FIELDS(moment_fields), &m);
    visit_values(v, "run", VISIT_FIELDS(run_fields), e);
    visit_values(v, "run.last", VISIT_FIELDS(evaluation_fields), &e->last);
    if (v->way != VISIT_TAKE) return;
    e->begun = e->restored = m.begun;
    e->run_status = HW_OK;
    /* Who looks for a ticket at the end counts on beyond the limit: those were never handed out. A limit below what was
     * handed out is that; only a replay's, which counts updates, may be lower. */
    uint64_t limit = m.begun ? e->first_ticket + engine_ticket_limit(e) : 0;
    uint64_t handed = m.tickets < m.limit ? m.tickets : m.limit;
    bool replay = e->sim && e->config.simulation.clock == HW_CLOCK_REPLAY;
    if (m.begun && limit < handed && !replay) limit = handed;
    counter_set(&e->tickets, m.tickets > m.limit && limit > m.limit ? m.limit : m.tickets);
    counter_set(&e->ticket_limit, limit);
    counter_set(&e->paused_ns, 0);
    counter_set(&e->begin_ns, 1);
    e->end_ns = 1 + m.trained_ns;
}

/* The texts of settings, zeros behind them. */
static void visit_reasons(base_visit *v, const char *name, hw_setting *setting, size_t count)
{
    const size_t size = sizeof setting->reason;
    const uint64_t shape[2] = {count, size};
    char *text = visit_array(v, name, HW_U8, 2, shape);
    for (size_t i = 0; text && i < count; i++, text += size) {
        if (v->way == VISIT_PUT) {
            size_t length = strnlen(setting[i].reason, size - 1);
            memcpy(text, setting[i].reason, length);
            memset(text + length, 0, size - length);
        }
        if (v->way == VISIT_TAKE) memcpy(setting[i].reason, text, size);
        if (v->way == VISIT_CHECK && text[size - 1])
            visit_refuse(v, "entry '%s' of the state holds a text without an end", name);
    }
}

static void visit_setting(hw_engine *e, base_visit *v)
{
    visit_values(v, "setting", VISIT_FIELDS(setting_fields), &e->setting);
    visit_reasons(v, "setting.reason", &e->setting, 1);
}

/* A list and how long it is. */
static void visit_log(engine_log *log, const char *room, const visit_field *table, size_t fields, base_visit *v)
{
    static const visit_field count[] = {{"count", offsetof(engine_log, count), VISIT_SIZE, VISIT_COUNT}};
    size_t n = log->count;
    visit_values(v, room, VISIT_FIELDS(count), log);
    if (v->way != VISIT_PUT && v->status == HW_OK) {
        char name[HW_STATE_NAME];
        (void)snprintf(name, sizeof name, "%s.count", room);
        uint64_t there = hw_state_number(v->from, name, 0);
        if (there > log->room)
            visit_refuse(v, "entry '%s' of the state is %llu: at most %zu is possible", name, (unsigned long long)there,
                         log->room);
        n = there > log->room ? 0 : (size_t)there;
    }
    visit_columns(v, room, table, fields, log->entries, log->size, n);
}

static void visit_logs(hw_engine *e, base_visit *v)
{
    visit_log(&e->evaluations, "evaluations", VISIT_FIELDS(evaluation_fields), v);
    visit_log(&e->settings, "settings", VISIT_FIELDS(setting_fields), v);
    size_t n = v->way == VISIT_PUT  ? e->settings.count
               : v->status == HW_OK ? (size_t)hw_state_number(v->from, "settings.count", 0)
                                    : 0;
    visit_reasons(v, "settings.reason", e->settings.entries, n);
}

/* Whether a worker has the setting in force already; in a replay: whether it has had one. */
static void visit_informed(hw_engine *e, base_visit *v)
{
    const uint64_t count = e->members;
    uint32_t now = latch_version(&e->latch);
    bool replay = e->config.scheduler == HW_SIMULATED && e->config.simulation.clock == HW_CLOCK_REPLAY;
    uint8_t *informed = visit_array(v, "worker.informed", HW_U8, 1, &count);
    for (unsigned i = 0; informed && i < e->members; i++) {
        hw_worker *w = e->worker + i;
        if (v->way == VISIT_PUT) informed[i] = e->begun && w->version != UINT32_MAX && (replay || w->version == now);
        if (v->way == VISIT_TAKE) w->version = !informed[i] ? UINT32_MAX : replay ? 0 : now;
        if (v->way == VISIT_CHECK && informed[i] > 1)
            visit_refuse(v, "entry 'worker.informed' of the state holds neither 0 nor 1");
    }
}

static void visit_workers(hw_engine *e, base_visit *v)
{
    visit_columns(v, "worker", VISIT_FIELDS(worker_fields), e->worker, sizeof *e->worker, e->members);
    visit_columns(v, "worker.setting", VISIT_FIELDS(worker_setting_fields), e->worker, sizeof *e->worker, e->members);
    visit_informed(e, v);
    uint64_t shape[2] = {0, e->objective.parameters};
    for (unsigned i = 0; i < e->members; i++) shape[0] += e->worker[i].velocity != NULL;
    if (!shape[0]) return;
    float *own = visit_array(v, "worker.velocity", HW_F32, 2, shape);
    for (unsigned i = 0; own && i < e->members; i++) {
        float *velocity = e->worker[i].velocity;
        if (!velocity) continue;
        if (v->way == VISIT_PUT) memcpy(own, velocity, (size_t)shape[1] * sizeof *own);
        if (v->way == VISIT_TAKE) memcpy(velocity, own, (size_t)shape[1] * sizeof *own);
        own += shape[1];
    }
}

/* The last good parameters, and those that wait for a loss to show that they are. */
static void visit_kept(hw_engine *e, base_visit *v)
{
    size_t n = e->objective.parameters;
    int good = e->good == 1;
    if (v->way == VISIT_PUT && !e->candidate_update) memset(e->kept[1 - good], 0, n * sizeof(float));
    if (v->way == VISIT_TAKE) good = 0;
    visit_floats(v, "kept.good", e->kept[good], n, 1, n);
    if (e->keep_every) visit_floats(v, "kept.candidate", e->kept[1 - good], n, 1, n);
    if (v->way == VISIT_TAKE) e->good = e->begun ? 0 : -1;
    if (e->average) visit_plain(v, "average.mean", HW_F32, e->average, n); /* a mean of finite values may overflow */
}

void capture_walk(hw_engine *e, base_visit *v)
{
    likeness_visit(e, v);
    visit_moment(e, v);
    uint64_t landed = params_visit(e->params, v);
    if (visit_checks(v) && landed != hw_state_number(v->from, "run.landed", 0))
        visit_refuse(v, "the entries 'clock.landed' of the state count %llu updates, 'run.landed' %llu",
                     (unsigned long long)landed, (unsigned long long)hw_state_number(v->from, "run.landed", 0));
    tensors_visit(e, v);
    visit_setting(e, v);
    visit_workers(e, v);
    visit_logs(e, v);
    if (e->config.record) {
        staleness_visit(e->staleness, v);
        histogram_visit(&e->before, "staleness.before", v);
        staleness_visit_covers(e->staleness, e->exchanges ? HW_HISTOGRAM_SPREAD : HW_HISTOGRAM_STALENESS, &e->before,
                               "staleness.before", v);
    }
    visit_kept(e, v);
    blocks_visit(e, v);
    sim_visit(e, v);
}

/* --- filling -------------------------------------------------------------------------------------------------------
 */

static engine_told told(const hw_engine *e)
{
    return (engine_told){e->last,          e->loss_before,       e->seconds_to_target,
                         e->losses_before, e->updates_to_target, e->has_last};
}

static void tell(hw_engine *e, const engine_told *t)
{
    e->last = t->last;
    e->has_last = t->has_last;
    e->loss_before = t->loss_before;
    e->losses_before = t->losses_before;
    e->seconds_to_target = t->seconds_to_target;
    e->updates_to_target = t->updates_to_target;
}

void capture_leaves_out(hw_engine *e)
{
    e->leaves_out = true;
    e->before_last = told(e);
}

static hw_status fill(hw_engine *e, hw_state *state, char *why)
{
    base_visit v = {VISIT_PUT, state, NULL, HW_OK, why};
    size_t bytes = e->objective.parameters * sizeof(float);
    if (!e->begun) { /* nothing has been kept yet */
        memset(e->kept[0], 0, bytes);
        if (e->average) memset(e->average, 0, bytes);
    }
    const engine_told now = told(e);
    size_t count = e->evaluations.count;
    if (e->leaves_out) {
        tell(e, &e->before_last);
        if (count) e->evaluations.count--; /* a list that was thinned for it would be with the next one anyway */
    }
    capture_walk(e, &v);
    tell(e, &now);
    e->evaluations.count = count;
    return v.status;
}

hw_status capture_plan(hw_engine *e, char *why)
{
    if (!e->config.on_checkpoint) return HW_OK;
    e->checkpoint = hw_state_create();
    /* Entries of the longest lists once: those of shorter ones then find their memory there. */
    e->evaluations.count = e->evaluations.room;
    e->settings.count = e->settings.room;
    hw_status status = e->checkpoint ? fill(e, e->checkpoint, why) : HW_E_MEMORY;
    e->evaluations.count = e->settings.count = 0;
    if (status != HW_OK) return base_fail(why, status, "hw_engine_create: no memory for the state of a checkpoint");
    for (size_t i = 0; i < hw_state_count(e->checkpoint); i++) {
        const hw_entry *x = hw_state_entry(e->checkpoint, i);
        e->bytes += sizeof *x + 2 * HW_LINE + strlen(x->name) + hw_dtype_size(x->dtype) * x->count;
    }
    return HW_OK;
}

hw_status hw_engine_capture(hw_engine *e, hw_state *state)
{
    if (!e || !state) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    if (e->running || (e->begun && e->run_status != HW_OK)) return HW_E_STATE;
    hw_params_get(e->params, 0, e->snapshot); /* what hw_engine_create or hw_engine_set was given may be anything */
    if (!base_all_finite(e->snapshot, e->objective.parameters)) return HW_E_DIVERGED;
    return fill(e, state, NULL);
}

void capture_in_run(hw_worker *w)
{
    hw_engine *e = w->engine;
    char why[HW_WHY] = "";
    if (e->sim) sim_finish_queue(w);
    hw_params_get(e->params, 0, e->snapshot);
    if (!base_all_finite(e->snapshot, e->objective.parameters)) {
        engine_fail(e, HW_E_DIVERGED, "a parameter stopped being finite");
        return;
    }
    hw_status status = fill(e, e->checkpoint, why);
    if (status != HW_OK) {
        engine_fail(e, status, "the run could not be captured: %s", why);
        return;
    }
    e->captured_update = hw_params_clock(e->params);
    house_checkpoints(e, e->captured_update);
    status = e->config.on_checkpoint(e->config.context, e->checkpoint);
    if (status != HW_OK) engine_fail(e, status, "the checkpoint callback returned %d", status);
}
