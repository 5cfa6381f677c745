/* settings.c - a setting comes into force: into the record, the trace, and before the workers' eyes. */
#include "step.h"

void hw__settings_put(hw_engine *e, const hw_setting *s)
{
    e->settings.now = *s;
    e->rest.told = e->rest.at_work;
    *(hw_setting *)hw__log_next(&e->settings.log) = *s;
    hw__trace_setting t = {s->rate, s->momentum, s->ahead, s->pole};
    if (e->trace) e->settings.number = hw__trace_setting_new(e->trace, &t);
    hw__flags_new_version(&e->flags);
}

void hw__settings_adopt(hw_engine *e, const hw_setting *s)
{
    hw_setting prescribed;
    if (hw__engine_prescribed(e, 0, &prescribed)) return;
    (void)pthread_mutex_lock(&e->settings.mutex);
    hw__settings_put(e, s);
    (void)pthread_mutex_unlock(&e->settings.mutex);
}

void hw__settings_recorded(hw_engine *e, uint32_t number, hw_setting *setting)
{
    if (!hw__engine_prescribed(e, number, setting)) return;
    (void)pthread_mutex_lock(&e->settings.mutex);
    if (number > e->settings.replayed) {
        hw__settings_put(e, setting);
        e->settings.replayed = number;
    }
    (void)pthread_mutex_unlock(&e->settings.mutex);
}
