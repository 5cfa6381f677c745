/* recovery.c - a run that becomes unstable goes back to its last good parameters, at a lower learning rate, instead of
 * ending. Beside it the rate behaves like a congestion window: it begins within the linear bound, rises while the loss
 * is calm to what the policy allows at the curvature of then, falls where the loss rises (by half where no more workers
 * can rest, rest.c), and ends at somewhat less than what failed. A curvature that rises for a while only keeps it from
 * rising: nets get over such a peak by themselves, and come out flatter than those whose rate was cut there.
 *
 * The loss is looked at every few updates, by the mean over all workers and its standard error. A snapshot is good when
 * the losses after it are calm. Everything here is in the housekeeping's hands, or made while all are parked. */
#include "../optimizer/policy.h"
#include "peers.h"
#include "step.h"
#include <math.h>
#include <string.h>

enum {
    LOOK = 10,       /* updates from one look to the next; one for each worker where there are more of them */
    FEWEST = 8,      /* losses whose mean says something */
    LAST_LOOKS = 12, /* in which the rate rises no more: with 32 workers they are a third of a short run */
    RETURNS = 16     /* in a run: what they have not mended a lower rate does not mend either */
};

/* Of a run's updates: what returns for the loss' sake may throw away, beside those of a few looks. */
static const double share_lost = 0.03;

bool hw__recovery_plan(const hw_engine *e)
{
    const hw_config *c = &e->config;
    bool linear = (hw__rule_of(&c->optimizer)->flags & HW__RULE_LINEAR) != 0;
    bool adapts = (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_ADAPTS) != 0;
    return adapts && linear && e->crew.slots > 1 && e->crew.gather == 1 && !e->steps.exchanges && !e->steps.sweeps &&
           e->kept.every > 0 && !hw__peers_meets(e) &&
           !c->cluster.ranks; /* what others have done cannot be taken back */
}

static uint64_t look_interval(const hw_engine *e)
{
    return e->crew.slots > LOOK ? e->crew.slots : LOOK;
}

uint64_t hw__recovery_interval(const hw_engine *e, uint64_t keep)
{
    uint64_t look = look_interval(e);
    return e->recovery.on && !e->objective.touched && keep > look ? look : keep;
}

static void clear(hw_worker *w, uint64_t number)
{
    hw__counter_set(&w->look_loss, 0);
    hw__counter_set(&w->look_squares, 0);
    hw__counter_set(&w->look_losses, 0);
    hw__counter_set(&w->look_number, number);
}

/* Sums begin anew with every look: those of a whole run would round away what a loss comes to that has fallen by many
 * orders. */
void hw__recovery_note(hw_worker *w, double loss)
{
    uint64_t number = hw__counter_get(&w->engine->recovery.looks);
    if (hw__counter_get(&w->look_number) != number) clear(w, number);
    hw__counter_add_double(&w->look_loss, loss);
    hw__counter_add_double(&w->look_squares, loss * loss);
    hw__counter_add(&w->look_losses, 1);
}

static void sums_of(const hw_engine *e, double *sum, double *squares, uint64_t *count)
{
    uint64_t number = hw__counter_get(&e->recovery.looks);
    *sum = *squares = 0;
    *count = 0;
    for (unsigned i = 0; i < e->crew.members; i++) {
        const hw_worker *w = e->worker + i;
        if (hw__counter_get(&w->look_number) != number) continue; /* it has added nothing since */
        *sum += hw__counter_get_double(&w->look_loss);
        *squares += hw__counter_get_double(&w->look_squares);
        *count += hw__counter_get(&w->look_losses);
    }
}

void hw__recovery_begin(hw_engine *e)
{
    hw__recovery *r = &e->recovery;
    bool on = r->on;
    memset(r, 0, sizeof *r);
    r->on = on;
    r->returned = UINT64_MAX;
    /* A recorded schedule cannot tell of a return: who replays it would go on with the parameters that were left. */
    hw__counter_set(&r->left, on && !e->trace && !e->replays ? RETURNS : 0);
    for (unsigned i = 0; i < e->crew.members; i++) clear(e->worker + i, 0);
}

bool hw__recovery_ask(hw_engine *e)
{
    if (!hw__counter_get(&e->recovery.left)) return false;
    hw__flags_pause(&e->flags, FLAGS_RETURN);
    return true;
}

/* --- the rate -------------------------------------------------------------------------------------------------------
 */

static void open_window(hw__recovery *r, double rate, double delay)
{
    r->window = rate;
    r->least = rate / 65536; /* what such a rate does not mend, a lower one does not */
    r->delay = delay;
}

void hw__recovery_resume(hw_engine *e)
{
    hw__recovery *r = &e->recovery;
    const hw_setting *now = &e->settings.now;
    hw__recovery_begin(e);
    open_window(r, now->rate, now->delay);
    r->most = r->peak = r->peak_before = now->rate;
}

/* Of a run's start: the rate that the policy would have within the linear bound. */
static double careful_rate(const hw_engine *e, const hw_policy_input *in, double rate)
{
    hw_compensation within = e->config.compensation;
    hw_setting s;
    within.margin = fmin(within.margin, 1);
    hw_compensate(&within, in, &s);
    hw__optimizer_adjust(&e->config.optimizer, &s);
    return fmin(s.rate, rate);
}

/* A curvature that is not followed is the run's, and the policy's rate the most to have. */
static double rate_of(const hw_engine *e)
{
    return e->curvature.follow ? e->recovery.window : fmin(e->recovery.window, e->recovery.most);
}

/* Whether a rise that breaks something would be seen, and got over, before the run ends. */
static bool has_time(const hw_engine *e, uint64_t now)
{
    uint64_t limit = hw__tickets_limit(e), needed = LAST_LOOKS * look_interval(e);
    return limit >= HW__NO_LIMIT || now + (needed < limit / 4 ? needed : limit / 4) <= e->first_update + limit;
}

static void say(const hw_engine *e, hw_setting *s, const char *why)
{
    char some[48] = "", delay[80], text[512];
    if (e->rest.possible) (void)snprintf(some, sizeof some, ", %u of %u at work", e->rest.at_work, e->crew.slots);
    hw__share_say_delay(s, delay, sizeof delay);
    (void)snprintf(text, sizeof text, "%s, learning rate x %.3g%s: %s", delay, s->rate, some, why);
    (void)snprintf(s->reason, sizeof s->reason, "%.*s", (int)sizeof s->reason - 1, text);
}

bool hw__recovery_limit(hw_engine *e, const hw_policy_input *in, hw_setting *s)
{
    hw__recovery *r = &e->recovery;
    if (!(r->window > 0)) {
        if (hw__rest_at_start(e, in)) return false;
        open_window(r, careful_rate(e, in, s->rate), s->delay);
    }
    /* Where the curvature is not followed the policy's rate is the one in force, and late in a run it only falls. */
    r->most = r->most > 0 && !has_time(e, in->update) ? fmin(r->most, s->rate) : s->rate;
    if (e->curvature.follow && s->delay > 1.1 * r->delay) { /* a bound falls as 1 / delay */
        r->window *= fmax(r->delay, 1) / fmax(s->delay, 1);
        r->delay = s->delay;
    }
    double rate = rate_of(e);
    bool risen = rate >= 0.99 * (r->top > 0 ? fmin(r->top, r->most) : r->most) && r->learnt && has_time(e, in->update);
    if (hw__rest_judge(e, in, rate, risen)) return false;
    r->peak = fmax(r->peak, rate);
    if (rate >= s->rate && rate <= s->rate && !e->rest.possible) return true;
    char why[32] = "as wanted";
    if (e->curvature.value > 0) (void)snprintf(why, sizeof why, "curvature %.3g", e->curvature.value);
    s->rate = rate;
    const char *changed = hw__rest_why(e);
    say(e, s, changed ? changed : why);
    return true;
}

/* The rate in force follows the window. */
static void follow_window(hw_engine *e, const char *why)
{
    hw__recovery *r = &e->recovery;
    hw_setting s = e->settings.now;
    s.update = hw_params_clock(e->params);
    s.rate = rate_of(e);
    r->peak = fmax(r->peak, s.rate);
    say(e, &s, why);
    hw__settings_adopt(e, &s);
}

static void rise(hw_engine *e, uint64_t now)
{
    hw__recovery *r = &e->recovery;
    double reach = r->most, by = 1.1;
    if (now < r->hold || !has_time(e, now)) return;
    if (r->top > 0) { /* after a failure: slowly, and to less than what failed */
        r->hold = now + hw__due_updates_of_window(e) / 2;
        reach = fmin(reach, r->top);
    }
    if (r->window >= reach) return;
    if (!(r->top > 0)) by = fmin(4, fmax(by, sqrt(reach / r->window)));
    r->window = fmin(reach, by * r->window);
    follow_window(e, "the loss is calm");
}

/* Half of the highest rate since the parameters were good; 0.7 of it where half of the workers rest instead. */
static void shrink(hw_engine *e, uint64_t now)
{
    hw__recovery *r = &e->recovery;
    double failed = fmax(r->peak, r->peak_before);
    bool rests = hw__rest_after_failure(e, now);
    r->top = rests ? 0 : 0.7 * failed;
    r->window = fmax(failed * (rests ? 0.7 : 0.5), r->least);
    r->peak = r->peak_before = r->window;
    r->hold = now + hw__due_updates_of_window(e) / 2;
    r->looks_from = now + 2 * look_interval(e);
    r->has_best = false; /* what follows is compared with what comes first */
}

/* --- the return -----------------------------------------------------------------------------------------------------
 */

void hw__recovery_fall_back(hw_engine *e)
{
    hw_params_set(e->params, 0, e->kept.x[e->kept.good]);
    for (unsigned a = 1; a <= hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation); a++)
        hw_params_set(e->params, a, NULL);
    for (unsigned i = 0; i < e->crew.members; i++)
        if (e->worker[i].velocity)
            memset(e->worker[i].velocity, 0, e->objective.parameters * sizeof *e->worker[i].velocity);
}

/* The losses of an explosion are so large that sums would not see those after it. */
static void forgive(hw_worker *w, double first)
{
    double most = (double)hw__counter_get(&w->losses) * first;
    clear(w, hw__counter_get(&w->engine->recovery.looks));
    w->in_row = 0;
    if (!(first > 0)) return;
    if (!(hw__counter_get_double(&w->loss) <= most)) hw__counter_set_double(&w->loss, most);
    w->smooth_loss = fmin(w->smooth_loss, first);
}

void hw__recovery_return(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__recovery *r = &e->recovery;
    uint64_t now = hw_params_clock(e->params), back = e->kept.good_update;
    double first = hw__losses_first(e);
    char why[64];
    if (e->scheduler->settle) e->scheduler->settle(w);
    if (e->scheduler->forget) e->scheduler->forget(e);
    hw__recovery_fall_back(e);
    hw__counter_add(&r->returns, 1);
    hw__counter_add(&r->lost, now - back);
    hw__counter_set(&r->left, hw__counter_get(&r->left) - 1);
    e->kept.candidate = 0;
    e->kept.good_update = now; /* the good parameters are these now */
    r->returned = now;
    e->captures.update = UINT64_MAX;       /* one that was made with this clock is of the others */
    hw__counter_set(&e->average.count, 0); /* a mean that the bad ones entered starts anew */
    if (e->average.mean) memset(e->average.mean, 0, e->objective.parameters * sizeof *e->average.mean);
    for (unsigned i = 0; i < e->crew.members; i++) forgive(e->worker + i, first);
    hw__losses_sum(e, &e->evaluation.mark.loss_before, &e->evaluation.mark.losses_before);
    shrink(e, now);
    (void)snprintf(why, sizeof why, "back to the parameters of update %llu",
                   (unsigned long long)(back - e->first_update));
    follow_window(e, why);
}

/* A return for the loss' sake, of a model that has learnt something. Others are made at any price. */
static bool affordable(const hw_engine *e, uint64_t now)
{
    uint64_t planned = hw__tickets_limit(e), run = now - e->first_update;
    double most = share_lost * (double)(planned < HW__NO_LIMIT ? planned : run) + 4 * (double)look_interval(e);
    return (double)(e->recovery.spent + now - e->kept.good_update) <= most;
}

/* --- looking --------------------------------------------------------------------------------------------------------
 */

/* A part of what has been won so far is lost again, or the loss has doubled; by far more than its usual noise, and more
 * than three large losses among ten come to. */
static bool has_risen(const hw__recovery *r, double mean, double error)
{
    double won = fabs(r->start - r->best), best = fabs(r->best);
    double limit = r->best + fmin(0.25 * won, best) + 0.01 * best;
    /* Losses that have all been 0 say nothing. */
    return r->noise > 0 && mean - 4.5 * sqrt(r->noise) > limit && mean - 2 * error > limit;
}

static bool is_calm(const hw__recovery *r, double mean)
{
    return mean - 2 * sqrt(r->noise) <= r->best + 0.1 * fabs(r->start - r->best) + 0.03 * fabs(r->best);
}

/* The level that the loss has come to, its lowest so far, and the square of a look's standard error: means over a few
 * looks, since the lowest of many single ones would be luck. */
static void enter(hw__recovery *r, double mean, double error)
{
    r->level = r->has_best ? r->level + 0.25 * (mean - r->level) : mean;
    /* An explosion is no noise, so a look adds to it little by little; rare classes are long in coming. */
    double noise = fmin(error * error, 9 * r->noise + 1e-4 * r->best * r->best);
    r->noise = r->has_start ? r->noise + (noise > r->noise ? 0.125 : 0.03) * (noise - r->noise) : error * error;
    /* It falls with the loss: an early look's says nothing of losses that have fallen by orders. */
    r->noise = fmin(r->noise, 4 * r->level * r->level);
    if (!r->has_best || r->level < r->best) r->best = r->level;
    if (!r->has_start) {
        r->start = mean;
        r->start_error = error;
    }
    r->has_start = r->has_best = true;
}

/* What the losses since the last look say, if there are so many; moves on to now. */
static bool look(hw_engine *e, unsigned fewest, double *mean, double *error)
{
    hw__recovery *r = &e->recovery;
    double sum, squares;
    uint64_t count;
    sums_of(e, &sum, &squares, &count);
    if (count < fewest) return false;
    double n = (double)count;
    *mean = sum / n;
    double variance = squares / n - *mean * *mean;
    *error = sqrt(fmax(0, variance) / (n - 1));
    hw__counter_add(&r->looks, 1);
    /* Below 0, by more than rounding: another worker was between two of its sums. */
    bool torn = variance < -1e-6 * *mean * *mean;
    return !torn && hw__base_finite_double(*mean) && hw__base_finite_double(*error);
}

/* A net that dies in silence, at the loss of one that guesses: half a window after its start it has learnt nothing, and
 * all losses of a look say that it is worse than there. One on a plateau is not worse. */
static bool has_died(const hw_engine *e, uint64_t now, double mean, double error)
{
    const hw__recovery *r = &e->recovery;
    uint64_t from = hw__counter_get(&r->returns) ? r->returned : e->first_update;
    return r->has_best && r->noise > 0 && !r->learnt && now - from >= hw__due_updates_of_window(e) / 2 &&
           mean - 4 * hypot(error, r->start_error) > r->start;
}

hw__recovery_sign hw__recovery_look(hw_engine *e)
{
    hw__recovery *r = &e->recovery;
    double mean, error, very = hw__counter_get_double(&e->losses.first);
    uint64_t now = hw_params_clock(e->params);
    if (!has_time(e, now)) hw__rest_at_end(e, now);
    if (now < r->looks_from || !look(e, FEWEST, &mean, &error)) return HW__RECOVERY_UNKNOWN;
    /* Nothing to compare with yet: an explosion, or an outlier, is no level to start from. */
    if (!r->has_best && 2 * error > fabs(mean)) return HW__RECOVERY_UNKNOWN;
    bool risen = r->has_best && has_risen(r, mean, error) && mean > r->before - error; /* and goes on to */
    r->before = mean;
    if (!r->has_best && very > 0 && mean - 2 * error > 100 * very)
        risen = true; /* before there was anything to compare with */
    bool calm = !r->has_best || is_calm(r, mean);
    if (!risen) enter(r, mean, error);
    if (has_died(e, now, mean, error)) risen = true;
    if (r->level < r->start - sqrt(r->noise)) r->learnt = true;
    if (risen) {
        bool free = !r->has_start || mean > r->start; /* a model that is worse than at its start has nothing to lose */
        bool mends = !free && hw__rest_possible(e);
        if (!mends && (free || affordable(e, now)) && hw__recovery_ask(e)) {
            if (!free) r->spent += now - e->kept.good_update;
        } else {
            shrink(e, now);
            follow_window(e, "the loss has risen");
        }
        return HW__RECOVERY_RISEN;
    }
    /* Until something has been learnt the good parameters are those of the start. */
    if (!calm || !r->learnt) {
        if (calm) rise(e, now);
        return HW__RECOVERY_UNKNOWN;
    }
    r->peak_before = r->peak; /* of the snapshot that is good now */
    r->peak = e->settings.now.rate;
    rise(e, now);
    return HW__RECOVERY_CALM;
}

bool hw__recovery_ends_badly(hw_engine *e)
{
    hw__recovery *r = &e->recovery;
    double mean, error;
    if (!hw__counter_get(&r->left) || r->ended) return false;
    r->ended = true;
    hw_params_get(e->params, 0, e->snapshot);
    if (!hw__base_all_finite(e->snapshot, e->objective.parameters)) return true;
    /* Of averaged parameters the mean is what counts, and a return would throw it away. */
    if (e->average.mean || !r->has_start || !look(e, FEWEST / 2, &mean, &error)) return false;
    return r->has_best ? has_risen(r, mean, error) : mean > r->start;
}
