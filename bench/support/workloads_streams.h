/* workloads_streams.h - the workloads without data: a noisy quadratic and streaming PCA. */
#ifndef SUPPORT_WORKLOADS_STREAMS_H
#define SUPPORT_WORKLOADS_STREAMS_H

#include "workloads.h"

typedef struct workload_streams {
    hw_quadratic quadratic;
    float *curvature, *optimum;
    hw_pca pca;
} workload_streams;

/* Objective, solver and start of w; the model stands in *s. */
hw_status workload_quadratic(workload_streams *s, workload *w, char *why);
hw_status workload_pca(workload_streams *s, workload *w, char *why);
void workload_streams_free(workload_streams *s);

#endif
