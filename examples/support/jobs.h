/* jobs.h - independent runs, one a core. */
#ifndef SUPPORT_JOBS_H
#define SUPPORT_JOBS_H

#include <stdbool.h>

/* Calls job(context, 0 .. count - 1), as many at once as there are cores; false where one returned false (no further
 * ones are started). label: of a progress line on stderr where that is a terminal; NULL: none. */
bool jobs_run(bool (*job)(void *context, unsigned number), void *context, unsigned count, const char *label);

#endif
