/* workloads.h - what policies are judged on: nets, linear models, factorisations and word vectors, each with the solver
 * that it is usually trained with and one figure that says how well a run ended. */
#ifndef SUPPORT_WORKLOADS_H
#define SUPPORT_WORKLOADS_H

#include <hogwild.h>
#include <stdbool.h>

typedef struct workload {
    const char *name, *what, *unit; /* unit: of the score */
    hw_objective objective;
    hw_config config; /* one worker, the solver, compensation as the library has it */
    /* Higher is better: accuracy in percent, or minus a hundred times a loss, so that a hundredth of it is a point. */
    double (*score)(const double *metric);
    double worst;  /* of a model that has learnt nothing */
    int metric;    /* that `target` is of */
    double target; /* what one worker comes to in a good part of its own epochs, of the data that is there */
    void (*start)(const struct workload *w, uint64_t seed, float *x);
    struct workload_data *data;
} workload;

size_t workloads_count(void);
const char *workloads_name(size_t i);
const char *workloads_what(size_t i);
/* The metric of its target; the target on real and on generated data. */
int workloads_target(size_t i, double *real, double *generated);
/* Its number, or workloads_count(). */
size_t workloads_find(const char *name);
/* images: at most so many training images; 0: all there are. Generated data where the real one is not there (and then
 * `what` says so). False after a sentence. */
bool workload_open(const char *program, size_t i, uint32_t images, workload *w);
void workload_close(workload *w);
/* The training rows of a linear model; NULL: it is another one. Live as long as the workload. */
const hw_sparse *workload_rows(const workload *w);

#endif
