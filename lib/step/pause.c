/* pause.c - where workers park for an evaluation or a capture and where they meet at the end. The last one in opens it;
 * everybody inside evaluates chunks; the last to finish a chunk adds up and lets all go. A capture is made by one,
 * while the others wait. No lock is held while user code runs. */
#include "engine.h"
#include <string.h>

bool hw__pause_init(hw__pause *g, unsigned live)
{
    g->live = live;
    if (pthread_mutex_init(&g->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&g->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&g->mutex);
        return false;
    }
    g->ready = true;
    return true;
}

void hw__pause_free(hw__pause *g)
{
    if (!g->ready) return;
    (void)pthread_cond_destroy(&g->changed);
    (void)pthread_mutex_destroy(&g->mutex);
    g->ready = false;
}

void hw__pause_reset(hw_engine *e)
{
    hw__pause *g = &e->gate;
    g->arrived = g->finished = g->between = g->working = 0;
    g->poisoned = g->open = false;
    g->final_done = e->objective.evaluate == NULL;
}

void hw__pause_poison(hw__pause *g)
{
    (void)pthread_mutex_lock(&g->mutex);
    g->poisoned = true;
    (void)pthread_mutex_unlock(&g->mutex);
    (void)pthread_cond_broadcast(&g->changed);
}

static void evaluate_chunks(hw_worker *w)
{
    hw_engine *e = w->engine;
    const hw_objective *o = &e->objective;
    for (;;) {
        uint32_t i = (uint32_t)hw__counter_take(&e->gate.chunk, 1);
        if (i >= e->chunks || hw__flags_failed(&e->latch)) return;
        uint32_t first = i * e->chunk_size, n = o->evaluation_examples - first;
        double *sums = e->sums + (size_t)i * HW_METRICS;
        for (int m = 0; m < HW_METRICS; m++) sums[m] = 0;
        w->has_sentence = false;
        hw_status status =
            o->evaluate(o->self, w->scratch, e->snapshot, first, n < e->chunk_size ? n : e->chunk_size, sums);
        if (status != HW_OK) hw__fail_worker(w, status);
    }
}

/* The lock is held; everybody is inside. */
static void open_gate(hw_engine *e)
{
    hw__pause *g = &e->gate;
    g->opened_ns = hw_now();
    hw_params_get(e->params, 0, e->snapshot);
    if (e->average && e->averaged) memcpy(e->snapshot, e->average, e->objective.parameters * sizeof *e->snapshot);
    hw__counter_set(&g->chunk, 0);
    g->working = g->live;
    g->open = true;
    g->generation++;
    (void)pthread_cond_broadcast(&g->changed);
}

/* A run that others have ended: its last evaluation is none that the whole run would make, and so comes after the
 * capture. */
static bool cut_short(const hw_engine *e)
{
    int reason = hw__flags_stopped(&e->latch);
    return reason == HW_STOP_ASKED || reason == HW_STOP_SECONDS;
}

static void close_gate(hw_engine *e, bool final)
{
    hw__pause *g = &e->gate;
    (void)pthread_mutex_unlock(&g->mutex);
    if (final && cut_short(e) && !(hw__flags_paused(&e->latch) & FLAGS_EVALUATE)) hw__capture_leaves_out(e);
    if (!hw__flags_failed(&e->latch)) hw__evaluation_end(e);
    (void)pthread_mutex_lock(&g->mutex);
    uint64_t now = hw_now();
    e->evaluation_ns += now - g->opened_ns;
    hw__counter_add(&e->paused_ns, now - g->opened_ns);
    hw__flags_resume(&e->latch, FLAGS_EVALUATE);
    g->open = false;
    if (final) g->final_done = true;
    (void)pthread_cond_broadcast(&g->changed);
}

/* The lock is held, everybody is inside, and nobody has a gradient in hand. Evaluations come first; at the end of a run
 * there is one more, unless these very parameters have just been captured. */
static bool capture_due(const hw_engine *e)
{
    const hw__pause *g = &e->gate;
    if (!e->checkpoint || g->open || g->between < g->live || hw__flags_failed(&e->latch)) return false;
    bool asked = (hw__flags_paused(&e->latch) & FLAGS_CAPTURE) != 0, ends = g->finished == g->live;
    return asked || (ends && e->captured_update != hw_params_clock(e->params));
}

/* The lock is held on entry and on return; the gate is open meanwhile, so nobody leaves and the clock stands. */
static void capture(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->gate;
    g->opened_ns = hw_now();
    g->open = true;
    (void)pthread_mutex_unlock(&g->mutex);
    hw__capture_take(w);
    (void)pthread_mutex_lock(&g->mutex);
    hw__counter_add(&e->paused_ns, hw_now() - g->opened_ns);
    hw__flags_resume(&e->latch, FLAGS_CAPTURE);
    g->captures++;
    g->open = false;
    (void)pthread_cond_broadcast(&g->changed);
}

bool hw__pause_enter(hw_worker *w, hw__pause_place place)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->gate;
    bool finishing = place == PAUSE_FINISH;
    (void)pthread_mutex_lock(&g->mutex);
    uint64_t entered = g->generation, seen = entered; /* seen: the evaluation this worker has taken part in */
    uint64_t captures = g->captures;
    g->arrived++;
    if (place != PAUSE_WRITE) g->between++;
    if (finishing) g->finished++;
    bool through = false;
    while (!g->poisoned) {
        bool all = g->finished == g->live;
        /* An evaluation that has just been made of these very parameters is the final one too. */
        if (all && !g->open && e->has_last && e->last.update == hw_params_clock(e->params)) g->final_done = true;
        if (all && g->final_done && !g->open && !capture_due(e)) {
            if (finishing) {
                through = true;
                if (e->end_ns == 0) {
                    e->end_ns = hw_now();
                    (void)pthread_cond_broadcast(&g->changed);
                }
                break;
            }
        }
        if (!g->open && g->arrived == g->live) {
            bool due = (hw__flags_paused(&e->latch) & FLAGS_EVALUATE) != 0;
            if (due || (all && !g->final_done && !(cut_short(e) && capture_due(e)))) {
                open_gate(e);
            } else if (capture_due(e)) {
                capture(w);
                continue;
            }
        }
        if (g->open && seen != g->generation) {
            seen = g->generation;
            (void)pthread_mutex_unlock(&g->mutex);
            evaluate_chunks(w);
            (void)pthread_mutex_lock(&g->mutex);
            if (--g->working == 0) close_gate(e, g->finished == g->live);
            continue;
        }
        /* Who has taken part goes, even where the next pause has been asked for already: a group's other threads may be
         * waiting for this one at their barrier before any of them can come here again. For a capture those between
         * steps stay until it has been made. */
        int pause = hw__flags_paused(&e->latch);
        bool stays = place == PAUSE_BETWEEN && (pause & FLAGS_CAPTURE) && g->captures == captures;
        bool parted = seen != entered || g->captures != captures || !(pause & FLAGS_EVALUATE);
        if (!g->open && !finishing && parted && !stays) {
            through = true;
            break;
        }
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    }
    g->arrived--;
    if (place != PAUSE_WRITE) g->between--;
    (void)pthread_mutex_unlock(&g->mutex);
    return through;
}
