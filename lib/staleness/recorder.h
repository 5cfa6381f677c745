/* recorder.h (internal) - what one worker records. Nothing outside lib/staleness includes this file. */
#ifndef HW__STALENESS_RECORDER_H
#define HW__STALENESS_RECORDER_H

#include "../base/counter.h"
#include "staleness.h"

typedef struct track {
    hw__base_counter total, sum, squares, largest; /* sum as integer, squares as double */
    hw__base_counter *counts;
} track;

typedef struct recorder {
    _Alignas(HW_LINE) track track[HW_HISTOGRAMS];
    hw__base_counter steps, work, work2, work_next, tau, tau2, tau_work; /* double sums for the correlations */
    double last_work;
} recorder;

struct hw_staleness {
    unsigned workers;
    uint32_t linear_bins, bins;
    hw__memory memory;
    recorder *recorder;
    hw__base_counter *counts;
};

#endif
