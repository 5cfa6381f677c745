/* visit.h (internal) - recorders and histograms into a state and out of it. */
#ifndef HOGWILD_LIB_STALENESS_VISIT_H
#define HOGWILD_LIB_STALENESS_VISIT_H

#include "../base/visit.h"
#include "hogwild/staleness.h"

/* All recorders, as entries "staleness....", with nothing recorded meanwhile. */
void staleness_visit(hw_staleness *s, base_visit *v);
/* One histogram, as entries "room....", of h's `exact`, that was merged from recorders at some time. */
void histogram_visit(hw_histogram *h, const char *room, base_visit *v);
/* CHECK: each of the histogram's bins holds at most what the recorders' bins of kind `which` add up to. */
void staleness_visit_covers(const hw_staleness *s, int which, const hw_histogram *h, const char *room, base_visit *v);

#endif
