/* park.c - workers park for an evaluation, a capture or a return to good parameters, and meet at the end. The last one
 * in opens it; everybody inside evaluates chunks; the last to finish a chunk adds up and lets all go. A capture or a
 * return is made by one, while the others wait. No lock is held while user code runs. */
#include "peers.h"
#include "step.h"
#include <string.h>

/* Who comes from a step and waits for the others makes none meanwhile: that is no training either. Weighed by the
 * updates that each has made, since the quick ones, who wait the longest, are those that the time goes by. In turns,
 * or where all gradients are gathered, they would have waited anyway; workers that rest or have finished step no more.
 */
static double weight_of(const hw_worker *w, hw__park_place place)
{
    const hw_engine *e = w->engine;
    bool steps = place == HW__PARK_WRITE || place == HW__PARK_BETWEEN;
    bool together = e->crew.gather > 1 && e->crew.gather >= e->crew.threads;
    if (!steps || together || e->scheduler->flags & (HW__IN_TURN | HW__VIRTUAL)) return 0;
    return 1 + (double)hw__counter_get(&w->updates);
}

static double came_at(const hw_engine *e, uint64_t ns)
{
    return (double)(int64_t)(ns - hw__counter_get(&e->times.begin));
}

/* The lock is held; everybody is inside. */
static void begin_pause(hw_engine *e)
{
    hw__pause *g = &e->pause;
    g->opened_ns = hw_now();
    if (g->weights > 0) {
        double waited = came_at(e, g->opened_ns) - g->came / g->weights;
        if (waited > 0) hw__counter_add(&e->times.paused, (uint64_t)waited);
    }
}

static void end_pause(hw_engine *e)
{
    hw__pause *g = &e->pause;
    g->closed_ns = hw_now();
    g->came = g->weights * came_at(e, g->closed_ns); /* who stays for the next one waits from now on */
    hw__counter_add(&e->times.paused, g->closed_ns - g->opened_ns);
}

/* The lock is held; everybody is inside. */
static void open_pause(hw_engine *e)
{
    hw__pause *g = &e->pause;
    begin_pause(e);
    hw_params_get(e->params, 0, e->snapshot);
    if (e->average.mean && hw__counter_get(&e->average.count))
        memcpy(e->snapshot, e->average.mean, e->objective.parameters * sizeof *e->snapshot);
    hw__counter_set(&g->chunk, 0);
    g->working = g->live;
    g->open = true;
    g->generation++;
    (void)pthread_cond_broadcast(&g->changed);
}

/* A run that others have ended: its last evaluation is none that the whole run would make, and so comes after the
 * capture, which may have little time. */
static bool cut_short(const hw_engine *e)
{
    int reason = hw__flags_stopped(&e->flags);
    return reason == HW_STOP_ASKED || reason == HW_STOP_SECONDS || reason == HW_STOP_CALLBACK;
}

static void close_pause(hw_engine *e, bool final)
{
    hw__pause *g = &e->pause;
    (void)pthread_mutex_unlock(&g->mutex);
    if (final && cut_short(e) && !(hw__flags_paused(&e->flags) & FLAGS_EVALUATE)) hw__evaluate_leave_out(e);
    if (!hw__flags_failed(&e->flags)) hw__evaluate_end(e);
    (void)pthread_mutex_lock(&g->mutex);
    end_pause(e);
    e->times.evaluation += g->closed_ns - g->opened_ns;
    hw__flags_resume(&e->flags, FLAGS_EVALUATE);
    g->open = false;
    if (final && !g->again) g->final_done = true;
    (void)pthread_cond_broadcast(&g->changed);
}

/* Everybody is inside: with the other engines, before an evaluation or a capture. The lock is held on entry and on
 * return; the pause is open meanwhile, so nobody leaves. False: there is nothing to evaluate. */
static bool meet(hw_engine *e, hw_meeting m)
{
    hw__pause *g = &e->pause;
    begin_pause(e);
    g->open = true;
    (void)pthread_mutex_unlock(&g->mutex);
    bool met = hw__peers_meet(e, &m);
    (void)pthread_mutex_lock(&g->mutex);
    end_pause(e);
    g->open = false;
    g->again = m.final && m.again;
    g->later = m.capture && m.later;
    if (m.final) e->captures.update = UINT64_MAX; /* one of this clock may be of fewer of the others' updates */
    if (met && !(m.final && m.same) && e->objective.evaluate) return true;
    hw__flags_resume(&e->flags, FLAGS_EVALUATE);
    if (m.final && !g->again) g->final_done = true;
    (void)pthread_cond_broadcast(&g->changed);
    return false;
}

/* The lock is held, everybody is inside, and nobody has a gradient in hand. Evaluations come first; at the end of a run
 * there is one more, unless these very parameters have just been captured. */
static bool capture_due(const hw_engine *e)
{
    const hw__pause *g = &e->pause;
    if (!e->captures.state || g->open || g->between < g->live || hw__flags_failed(&e->flags)) return false;
    bool asked = (hw__flags_paused(&e->flags) & FLAGS_CAPTURE) != 0, ends = g->finished == g->live;
    return asked || (ends && e->captures.update != hw_params_clock(e->params));
}

/* Like a capture, but before an evaluation where nobody has a gradient in hand: that one is of the good parameters. */
static bool return_due(const hw_engine *e)
{
    const hw__pause *g = &e->pause;
    return (hw__flags_paused(&e->flags) & FLAGS_RETURN) && !g->open && g->between == g->live &&
           !hw__flags_failed(&e->flags);
}

/* A capture or a return, by this worker. The lock is held on entry and on return; the pause is open meanwhile, so
 * nobody leaves and the clock stands. */
static void make(hw_worker *w, int what)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->pause;
    begin_pause(e);
    g->open = true;
    (void)pthread_mutex_unlock(&g->mutex);
    if (what == FLAGS_CAPTURE)
        e->captures.take(w);
    else
        hw__recovery_return(w);
    (void)pthread_mutex_lock(&g->mutex);
    end_pause(e);
    hw__flags_resume(&e->flags, what);
    g->open = false;
}

/* The same, where it is what all have come for. */
static void stand_still(hw_worker *w, int what)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->pause;
    if (what == FLAGS_CAPTURE && hw__peers_meets(e) && g->finished < g->live) {
        (void)meet(e, (hw_meeting){.capture = 1});
        if (hw__flags_failed(&e->flags)) return;
        if (g->later) {
            hw__flags_resume(&e->flags, FLAGS_CAPTURE);
            g->stops++;
            (void)pthread_cond_broadcast(&g->changed);
            return;
        }
    }
    make(w, what);
    if (what == FLAGS_RETURN)
        g->final_done = !e->objective.evaluate && !hw__peers_meets(e); /* a final evaluation was of others */
    g->stops++;
    (void)pthread_cond_broadcast(&g->changed);
}

bool hw__park(hw_worker *w, hw__park_place place)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->pause;
    uint64_t from = hw_now();
    bool finishing = place == HW__PARK_FINISH;
    (void)pthread_mutex_lock(&g->mutex);
    uint64_t entered = g->generation, seen = entered; /* seen: the evaluation this worker has taken part in */
    uint64_t stops = g->stops;
    const double weight = weight_of(w, place);
    const uint64_t came = from > g->closed_ns ? from : g->closed_ns;
    g->weights += weight;
    g->came += weight * came_at(e, came);
    g->arrived++;
    if (place != HW__PARK_WRITE) g->between++;
    if (finishing) {
        g->finished++;
        (void)pthread_cond_broadcast(&g->changed); /* nobody rests any more */
    }
    bool through = false;
    while (!g->poisoned) {
        bool all = g->finished == g->live;
        if (all && !g->open && !cut_short(e) && !hw__flags_failed(&e->flags) && hw__recovery_ends_badly(e))
            (void)hw__recovery_ask(e);
        if (return_due(e)) {
            stand_still(w, FLAGS_RETURN);
            continue;
        }
        /* An evaluation that has just been made of these very parameters is the final one too. */
        uint64_t clock = hw_params_clock(e->params);
        if (all && !g->open && e->evaluation.mark.has_last && e->evaluation.mark.last.update == clock &&
            e->recovery.returned != clock && !hw__peers_meets(e))
            g->final_done = true;
        if (all && g->final_done && !g->open && !capture_due(e)) {
            if (finishing) {
                through = true;
                if (e->times.end == 0) {
                    e->times.end = hw_now();
                    (void)pthread_cond_broadcast(&g->changed);
                }
                break;
            }
        }
        if (!g->open && g->arrived == g->live) {
            bool due = (hw__flags_paused(&e->flags) & FLAGS_EVALUATE) != 0;
            const bool first = cut_short(e) && capture_due(e), meets = hw__peers_meets(e);
            if (due || (all && !g->final_done && (meets || !first))) {
                if (meets &&
                    !meet(e, (hw_meeting){.final = all,
                                          .reason = all ? (hw_stop_reason)hw__flags_stopped(&e->flags) : HW_STOP_NONE}))
                    continue;
                if (all && meets && !g->again && cut_short(e) && capture_due(e)) make(w, FLAGS_CAPTURE);
                open_pause(e);
            } else if (capture_due(e)) {
                stand_still(w, FLAGS_CAPTURE);
                continue;
            }
        }
        if (g->open && seen != g->generation) {
            seen = g->generation;
            (void)pthread_mutex_unlock(&g->mutex);
            hw__evaluate_chunks(w);
            (void)pthread_mutex_lock(&g->mutex);
            if (--g->working == 0) close_pause(e, g->finished == g->live);
            continue;
        }
        /* Who has taken part goes, even where the next pause has been asked for already: a group's other threads may be
         * waiting for this one at their barrier before any of them can come here again. For a capture or a return those
         * between steps stay until it has been made; who has evaluated meanwhile goes, as the others of its group may
         * have, and comes again. */
        int pause = hw__flags_paused(&e->flags);
        bool stays = place != HW__PARK_WRITE && (pause & FLAGS_BETWEEN) && g->stops == stops;
        /* A group rests and rises as one: what its leader saw holds for all of them, whatever is asked for meanwhile.
         */
        bool rests = place == HW__PARK_REST && w->rest_seen == hw__counter_get(&g->rests) && hw__has_steps(e);
        bool parted = seen != entered || g->stops != stops || !(pause & FLAGS_EVALUATE);
        if (!g->open && !finishing && (place == HW__PARK_REST ? !rests : seen != entered || (parted && !stays))) {
            through = true;
            break;
        }
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    }
    if (place == HW__PARK_REST) (void)pthread_cond_broadcast(&g->changed); /* the others of its group leave with it */
    g->weights -= weight;
    g->came -= weight * came_at(e, came > g->closed_ns ? came : g->closed_ns);
    if (--g->arrived == 0) g->weights = g->came = 0; /* nothing is left of rounding */
    if (place != HW__PARK_WRITE) g->between--;
    (void)pthread_mutex_unlock(&g->mutex);
    if (place == HW__PARK_WRITE) w->parked_ns += hw_now() - from; /* no work of the step under way */
    return through;
}

bool hw__park_before_write(hw_worker *w)
{
    return !(hw__flags_paused(&w->engine->flags) & FLAGS_EVALUATE) || hw__park(w, HW__PARK_WRITE);
}

void hw__park_changed(hw_engine *e, unsigned at_work)
{
    (void)at_work; /* it stands in the flags */
    (void)pthread_mutex_lock(&e->pause.mutex);
    hw__counter_add(&e->pause.rests, 1);
    (void)pthread_cond_broadcast(&e->pause.changed);
    (void)pthread_mutex_unlock(&e->pause.mutex);
}
