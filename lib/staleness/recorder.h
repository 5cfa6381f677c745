/* recorder.h (internal) - what one worker records. Nothing outside lib/staleness includes this file. */
#ifndef HOGWILD_LIB_RECORDER_H
#define HOGWILD_LIB_RECORDER_H

#include "../base/counter.h"
#include "staleness.h"

typedef struct track {
    base_counter total, sum, squares, largest; /* sum as integer, squares as double */
    base_counter *counts;
} track;

typedef struct recorder {
    _Alignas(HW_LINE) track track[HW_HISTOGRAMS];
    base_counter steps, work, work2, work_next, tau, tau2, tau_work; /* double sums for the correlations */
    double last_work;
} recorder;

struct hw_staleness {
    unsigned workers;
    uint32_t exact, bins;
    size_t bytes;
    recorder *recorder;
    base_counter *counts;
};

#endif
