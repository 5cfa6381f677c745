/* log.c - a bounded list. */
#include "log.h"
#include <string.h>

bool hw__log_init(hw__log *log, hw__memory *memory, size_t room, size_t size)
{
    *log = (hw__log){hw__memory_zalloc(memory, room, size), 0, room, size};
    return log->entries != NULL;
}

void *hw__log_next(hw__log *log)
{
    if (log->count == log->room) { /* full: every second entry stays, the newest among them */
        char *at = log->entries;
        for (size_t i = 0; i < log->room / 2; i++) memcpy(at + i * log->size, at + (2 * i + 1) * log->size, log->size);
        log->count = log->room / 2;
    }
    return (char *)log->entries + log->size * log->count++;
}
