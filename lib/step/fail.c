/* fail.c - the first error of a run: its sentence, and nobody left waiting. */
#include "step.h"
#include <stdarg.h>

void hw__fail(hw_engine *e, hw_status code, const char *format, ...)
{
    if (code == HW_E_STOPPED) { /* a wish, no error */
        hw__flags_stop(&e->flags, HW_STOP_CALLBACK);
        return;
    }
    char sentence[HW_WHY];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    (void)hw__flags_fail(&e->flags, code, sentence);
    /* Everybody who waits for a worker that will not come is let go. */
    hw__pause_poison(&e->pause);
    hw__barrier_poison(&e->start);
    if (e->scheduler->wake) e->scheduler->wake(e);
}

void hw__fail_worker(hw_worker *w, hw_status code)
{
    if (w->has_sentence)
        hw__fail(w->engine, code, "%s", w->sentence);
    else if (code >= HW_E_USER)
        hw__fail(w->engine, code, "the objective returned %d on worker %u at step %llu", code, w->id,
                 (unsigned long long)w->batch.step);
    else
        hw__fail(w->engine, code, "the objective returned %s on worker %u at step %llu", hw_status_name(code), w->id,
                 (unsigned long long)w->batch.step);
}
