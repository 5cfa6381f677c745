/* staleness.h (internal) - the bins that recorders and histograms share. */
#ifndef HW__STALENESS_STALENESS_H
#define HW__STALENESS_STALENESS_H

#include "../base/allocator.h"
#include "hogwild/staleness.h"

/* hw_staleness_create and hw_histogram_init in memory of somebody else's; such a histogram goes with it. */
hw_status hw__staleness_create(hw_staleness **s, unsigned workers, uint32_t linear_bins, const hw_allocator *allocator,
                               char *why);
hw_status hw__histogram_plan(hw_histogram *h, uint32_t linear_bins, hw__memory *memory);
uint32_t hw__histogram_bins(uint32_t linear_bins);
uint32_t hw__histogram_bin(uint32_t linear_bins, uint64_t value);
/* Sum and sum of squares within what the bins allow: those of a recorder that is being written, or of a difference of
 * two such, may be off by a value that is in the one and not yet in the other. */
void hw__histogram_settle(hw_histogram *h);
/* log of the probability of l under a fit; -inf where it is 0 */
double hw__fit_log_probability(int which, const hw_fit *fit, double l);

#endif
