/* fields.h (internal) - recorders and histograms into a state and out of it. */
#ifndef HW__STALENESS_FIELDS_H
#define HW__STALENESS_FIELDS_H

#include "../state/walk.h"
#include "hogwild/staleness.h"

/* All recorders, as entries "staleness....", with nothing recorded meanwhile. */
void hw__staleness_fields(hw_staleness *s, hw__walk *v);
/* One histogram, as entries "room....", of h's linear_bins, that was merged from recorders at some time. */
void hw__histogram_fields(hw_histogram *h, const char *room, hw__walk *v);
/* CHECK: each of the histogram's bins holds at most what the recorders' bins of kind `which` add up to. */
void hw__staleness_fields_cover(const hw_staleness *s, int which, const hw_histogram *h, const char *room, hw__walk *v);

#endif
