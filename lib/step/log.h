/* log.h (internal) - a list of bounded length that keeps a whole run: when it is full every second entry goes. */
#ifndef HW__STEP_LOG_H
#define HW__STEP_LOG_H

#include "../base/allocator.h"

typedef struct hw__log {
    void *entries;
    size_t count, room, size; /* size: bytes of an entry */
} hw__log;

/* Entries in that memory; false: there is none. */
bool hw__log_init(hw__log *log, hw__memory *memory, size_t room, size_t size);
/* Where the next entry goes. */
void *hw__log_next(hw__log *log);

#endif
