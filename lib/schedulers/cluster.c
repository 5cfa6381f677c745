/* cluster.c - the arrays of a simulated cluster: what a rank's workers read and add to, what it sends, what the owners
 * answer. The owners' values are the engine's parameters, and its clock is theirs: an update counts when it lands
 * there. When all of that happens the timeline says. */
#include "../params/door.h"
#include "../step/members.h"
#include "../timeline/cluster.h"
#include "hogwild/advanced/peers.h"
#include "simulated.h"
#include <string.h>

enum { LINE = 16 }; /* floats that a message of few of them names together: one more for each */

/* An update that has been made in its rank and has not landed at the owners. */
typedef struct update {
    hw_worker *worker;
    uint64_t others, read_ns; /* others: updates of other ranks in the values that it was made on */
    double loss, rate;
    uint32_t examples;
} update;

typedef struct cluster_rank {
    float *local, *delta, *flight; /* flight: what has been sent, then what comes back */
    uint64_t version;              /* of local */
    uint64_t own, others, coming;  /* updates: of it that have landed; of the others in local, and in what comes back */
    update *made;                  /* bound entries, those that are under way first */
    uint32_t sent, count;
    uint64_t heard; /* without velocity: exchanges that it has heard of */
    /* Where means are taken: what it has heard of, and of each line how many exchanges had changed it then. */
    float *given;
    uint32_t *knows;
} cluster_rank;

struct hw__cluster {
    cluster_rank *rank;
    uint32_t ranks, threads;
    uint64_t exchanges; /* that have landed in this run */
    uint64_t *changed;  /* by line: the exchange in which it last did; NULL with velocity */
    hw_range *range;    /* of the lines of a sparse exchange */
    float most;         /* times the mean; 0: sums */
    /* Where means are taken: in how many exchanges each line did, and by rank and line, in which of those the rank
     * last changed it. */
    uint32_t *changes, *did;
    size_t lines;
    float *values;         /* of those lines */
    bool velocity, owners; /* owners: the policy's rate is theirs, too */
};

static cluster_rank *rank_of(const hw_worker *w)
{
    hw__cluster *c = hw__simulated_of(w->engine)->cluster;
    return c->rank + w->member / c->threads;
}

const float *hw__cluster_values(const hw_worker *w, uint64_t *version)
{
    const cluster_rank *r = rank_of(w);
    if (version) *version = r->version;
    return r->local;
}

void hw__cluster_note(hw_worker *w)
{
    w->note.clock = rank_of(w)->others;
}

/* --- a step ---------------------------------------------------------------------------------------------------------
 */

/* What the owners will make of a rank's updates. */
static float comes_of(const hw_engine *e, const hw__cluster *c)
{
    return c->owners ? (float)e->settings.now.rate : 1;
}

static void add(cluster_rank *r, const hw__extent *a, const float *g, float by, float comes)
{
    for (size_t k = 0, i = 0; k < a->n; k++) {
        size_t first, n = hw__extent_part(a, k, &first);
        for (size_t j = first; j < first + n; j++, i++) {
            const float d = by * g[i];
            r->local[j] += comes * d;
            r->delta[j] += d;
        }
    }
    r->version++;
}

/* Momentum and the policy's rate are the owners'; without momentum a policy other than auto is each rank's own. */
hw_status hw__cluster_step(hw_worker *w)
{
    const hw__pending *p = &w->pending;
    cluster_rank *r = rank_of(w);
    hw_status status = HW_OK;
    if (!hw__step_accepts(w, w->batch.whole, &status)) return status;
    const hw__cluster *c = hw__simulated_of(w->engine)->cluster;
    const double rate =
        hw_schedule_rate(&w->engine->config.optimizer.schedule, w->batch.step) * (c->owners ? 1 : w->setting.rate);
    add(r, &p->extent, p->g, p->extent.raw ? 1 : (float)-rate, comes_of(w->engine, c));
    r->made[r->count++] = (update){w, w->note.clock, w->read_ns, p->loss, rate, w->batch.whole};
    return HW_OK;
}

/* --- an exchange ----------------------------------------------------------------------------------------------------
 */

static bool is_zero(const float *d, size_t n)
{
    bool zero = true;
    for (size_t i = 0; i < n; i++) zero = zero && d[i] == 0; /* -0 changes nothing either */
    return zero;
}

/* Floats of a message with so many lines of n values: all of them where that is shorter. */
static double floats_of(size_t lines, size_t n)
{
    const double packed = (double)lines * (LINE + 1);
    return packed < (double)n ? packed : (double)n;
}

/* Lines of what has been sent that are not all 0, as ranges. */
static size_t lines_of(hw__cluster *c, const float *d, size_t n)
{
    size_t lines = 0;
    for (size_t first = 0; first < n; first += LINE) {
        const size_t count = n - first < LINE ? n - first : LINE;
        if (!is_zero(d + first, count)) c->range[lines++] = (hw_range){first, count};
    }
    return lines;
}

static void send(hw_engine *e, uint32_t rank)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__cluster *c = s->cluster;
    cluster_rank *r = c->rank + rank;
    const size_t n = e->objective.parameters;
    float *sent = r->delta;
    r->delta = r->flight;
    r->flight = sent;
    memset(r->delta, 0, n * sizeof *r->delta);
    r->sent = r->count;
    hw__timeline_cluster_send(s->timeline, rank, c->velocity ? (double)n : floats_of(lines_of(c, sent, n), n));
}

/* One of the updates of an exchange, into the owners' values and into the engine's books. Its worker may be computing
 * its next step on another thread meanwhile: what a landing reads of it is only touched by who lands. */
static void land(hw_engine *e, const update *u, uint64_t others, const hw_form *form, const hw__extent *a,
                 const float *d)
{
    hw_worker *w = u->worker;
    const hw_read_note note = w->note;
    const uint64_t read_ns = w->read_ns, landed = hw_params_clock(e->params);
    hw__optimizer_write ow = {.o = &e->config.optimizer, .learning_rate = u->rate, .momentum = form->a};
    (void)hw__params_write(e->params, 0, form, a, d, &w->note);
    w->note = (hw_read_note){landed - (others - u->others), 0, 0, 1};
    w->read_ns = u->read_ns;
    (void)hw__step_landed(w, u->loss, u->examples, landed, &ow); /* a run that fails by it ends */
    w->note = note;
    w->read_ns = read_ns;
}

/* Of the lines that r has sent, packed: what they are to be moved by, instead of what it has made of them. */
static void take_means(hw_engine *e, hw__cluster *c, cluster_rank *r, size_t lines, const hw__extent *extent, float *d)
{
    const float *w = c->values;
    const uint32_t number = (uint32_t)(r - c->rank);
    hw__params_read_part(e->params, extent, 0, c->values);
    for (size_t k = 0; k < lines; k++) {
        const hw_range *at = c->range + k;
        const size_t line = at->first / LINE;
        const unsigned others =
            hw_peers_others(c->did + line, c->lines, c->ranks, number, c->changes[line], r->knows[line]);
        const hw_mean_of m = hw_peers_mean(others, c->most);
        const float *given = r->given + at->first;
        for (size_t i = 0; others && i < at->count; i++)
            d[i] = (given[i] - w[i]) + (m.keeps * (w[i] - given[i]) + m.share * d[i]);
        c->did[number * c->lines + line] = ++c->changes[line];
        d += at->count;
        w += at->count;
    }
}

/* What r hears of now. */
static void told(hw__cluster *c, cluster_rank *r, size_t n, const float *values, bool all)
{
    for (size_t line = 0; c->most > 0 && line * LINE < n; line++) {
        const size_t first = line * LINE, left = n - first;
        if (!all && c->changed[line] <= r->heard) continue;
        memcpy(r->given + first, values + first, (left < LINE ? left : LINE) * sizeof *values);
        r->knows[line] = c->changes[line];
    }
}

static void land_all(hw_engine *e, hw__cluster *c, cluster_rank *r)
{
    const hw_range whole = {0, e->objective.parameters};
    const hw__extent all = hw__extent_all(&whole), none = hw__extent_ranges(&whole, 0, true);
    const hw_setting *now = &e->settings.now;
    const uint64_t others = hw_params_clock(e->params) - r->own;
    hw__extent extent = all;
    const float *d = r->flight;
    if (!c->velocity) {
        const size_t lines = lines_of(c, r->flight, whole.count);
        float *packed = r->flight; /* what is 0 between them is not needed any more */
        size_t at = 0;
        extent = hw__extent_ranges(c->range, lines, true);
        for (size_t k = 0; k < lines; k++) {
            c->changed[c->range[k].first / LINE] = c->exchanges + 1;
            memmove(packed + at, r->flight + c->range[k].first, c->range[k].count * sizeof *packed);
            at += c->range[k].count;
        }
        if (c->most > 0) take_means(e, c, r, lines, &extent, packed);
    }
    c->exchanges++;
    for (uint32_t i = 0; i < r->sent; i++) {
        const hw_form form =
            c->velocity
                ? (hw_form){.kind = HW_FORM_MOMENTUM, .a = (float)now->momentum, .b = (float)(now->rate / r->sent)}
                : (hw_form){.kind = HW_FORM_ADD, .e = comes_of(e, c)};
        land(e, r->made + i, others, &form, c->velocity || i == 0 ? &extent : &none, d);
    }
    r->own += r->sent;
    r->count -= r->sent;
    memmove(r->made, r->made + r->sent, r->count * sizeof *r->made);
    r->sent = 0;
}

/* What the owners answer: everything with velocity, else what has changed since. */
static void answer(hw_engine *e, uint32_t rank)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__cluster *c = s->cluster;
    cluster_rank *r = c->rank + rank;
    const size_t n = e->objective.parameters;
    hw_read_note note;
    size_t lines = 0;
    const float *values =
        hw_params_read(e->params, 0, c->velocity ? (float)e->settings.now.ahead : 0, r->flight, &note);
    if (values != r->flight) memcpy(r->flight, values, n * sizeof *values);
    hw_params_release(e->params, 0);
    r->coming = hw_params_clock(e->params) - r->own;
    for (size_t line = 0; !c->velocity && line * LINE < n; line++) lines += c->changed[line] > r->heard;
    told(c, r, n, r->flight, false);
    r->heard = c->exchanges;
    hw__timeline_cluster_answer(s->timeline, rank, c->velocity ? (double)n : floats_of(lines, n));
}

static void take(hw_engine *e, uint32_t rank)
{
    cluster_rank *r = hw__simulated_of(e)->cluster->rank + rank;
    const size_t n = e->objective.parameters;
    const float comes = comes_of(e, hw__simulated_of(e)->cluster);
    for (size_t i = 0; i < n; i++) r->local[i] = r->flight[i] + comes * r->delta[i];
    r->others = r->coming;
    r->version++;
}

void hw__cluster_event(hw_engine *e, const hw__timeline_event *event)
{
    hw__cluster *c = hw__simulated_of(e)->cluster;
    if (event->kind == TIMELINE_SENT) send(e, event->member);
    if (event->kind == TIMELINE_LANDED) {
        land_all(e, c, c->rank + event->member);
        answer(e, event->member);
    }
    if (event->kind == TIMELINE_BACK) take(e, event->member);
}

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

void hw__cluster_begin(hw_engine *e)
{
    hw__cluster *c = hw__simulated_of(e)->cluster;
    const size_t n = e->objective.parameters;
    if (!c) return;
    c->exchanges = 0;
    if (c->changed) memset(c->changed, 0, (n / LINE + 1) * sizeof *c->changed);
    if (c->changes) memset(c->changes, 0, c->lines * sizeof *c->changes);
    if (c->did) memset(c->did, 0, c->ranks * c->lines * sizeof *c->did);
    for (uint32_t i = 0; i < c->ranks; i++) {
        cluster_rank *r = c->rank + i;
        hw_params_get(e->params, 0, r->local);
        memset(r->delta, 0, n * sizeof *r->delta);
        r->own = r->coming = 0;
        r->others = hw_params_clock(e->params);
        r->sent = r->count = 0;
        r->heard = 0;
        told(c, r, n, r->local, true);
        r->version++;
    }
}

/* What delay does to momentum, as the owners see it: ranks that begin together are young on average, but what they
 * bring adds up, as if each had waited for all. Without momentum a policy other than auto is a rank's own, and sees its
 * threads. */
void hw__cluster_input(const hw_engine *e, hw_policy_input *in)
{
    const hw__cluster *c = hw__simulated_of(e)->cluster;
    if (!c || (c->owners && e->config.compensation.policy != HW_POLICY_AUTO)) return;
    const double landed = (double)(hw_params_clock(e->params) - e->first_update);
    const double together = c->ranks * (landed > 0 && c->exchanges ? landed / (double)c->exchanges : 1);
    const double mean = in->shape ? in->shape->mean : 0, delay = together > mean ? together : mean;
    in->workers = !c->owners ? c->threads : (unsigned)(delay < 1e6 ? 1 + delay : 1e6);
    in->staleness = NULL;
    in->shape = NULL;
}

static float most_of(const hw_engine *e)
{
    const hw_objective *o = &e->objective;
    switch (e->config.cluster.combine) {
    case HW_COMBINE_MEANS: return 2;
    case HW_COMBINE_AVERAGES: return 1;
    case HW_COMBINE_SUMS: return 0;
    case HW_COMBINE_CHOSEN: break;
    }
    return o->touched && !o->principal && !(e->config.optimizer.momentum > 0) ? 2 : 0;
}

hw_status hw__cluster_plan(hw_engine *e, char *why)
{
    const hw_cluster *k = &e->config.cluster;
    const size_t n = e->objective.parameters, stride = hw__whole_lines(n);
    if (!k->ranks) return HW_OK;
    hw__cluster *c = hw__memory_zalloc(&e->memory, 1, sizeof *c);
    if (!c) return hw__no_memory(why, "a cluster");
    hw__simulated_of(e)->cluster = c;
    c->ranks = k->ranks;
    c->threads = e->config.workers / k->ranks;
    c->velocity = e->config.optimizer.momentum > 0;
    c->owners =
        c->velocity || (e->config.compensation.policy == HW_POLICY_AUTO && !e->objective.touched && !e->objective.raw &&
                        (k->combine == HW_COMBINE_CHOSEN || k->combine == HW_COMBINE_SUMS));
    c->most = most_of(e);
    const size_t room = hw__timeline_cluster_bound(k, c->threads); /* as many as are unsent or under way */
    c->rank = hw__memory_zalloc(&e->memory, c->ranks, sizeof *c->rank);
    bool good = c->rank != NULL;
    if (good && !c->velocity) {
        c->changed = hw__memory_zalloc(&e->memory, n / LINE + 1, sizeof *c->changed);
        c->range = hw__memory_zalloc(&e->memory, n / LINE + 1, sizeof *c->range);
        good = c->changed && c->range;
    }
    if (good && c->most > 0) {
        c->lines = n / LINE + 1;
        c->changes = hw__memory_zalloc(&e->memory, c->lines, sizeof *c->changes);
        c->did = hw__memory_zalloc(&e->memory, c->ranks * c->lines, sizeof *c->did);
        c->values = hw__memory_zalloc(&e->memory, stride, sizeof *c->values);
        good = c->changes && c->did && c->values;
    }
    for (uint32_t i = 0; good && i < c->ranks; i++) {
        cluster_rank *r = c->rank + i;
        r->local = hw__memory_zalloc(&e->memory, 3 * stride, sizeof *r->local);
        r->made = hw__memory_zalloc(&e->memory, room, sizeof *r->made);
        good = r->local && r->made;
        if (good && c->most > 0) {
            r->given = hw__memory_zalloc(&e->memory, stride, sizeof *r->given);
            r->knows = hw__memory_zalloc(&e->memory, c->lines, sizeof *r->knows);
            good = r->given && r->knows;
        }
        r->delta = good ? r->local + stride : NULL;
        r->flight = good ? r->local + 2 * stride : NULL;
    }
    return good
               ? HW_OK
               : hw__no_memory(why,
                               "the ranks of a cluster: three or four arrays of all parameters and a record of as many "
                               "updates as the bound each");
}
