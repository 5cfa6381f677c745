/* papers.h - the papers' experiments: each is a function that draws, writes and says what came out. */
#ifndef PAPERS_H
#define PAPERS_H

#include "cli.h"
#include "jobs.h"

typedef struct papers {
    bool full;
    const char *data; /* or NULL: see hw_data_folder */
    unsigned seeds;
    hw_report *report;
    FILE *verdicts; /* CSV */
    const char *id; /* of the experiment under way */
} papers;

typedef enum papers_outcome { PAPERS_REPRODUCED, PAPERS_PARTLY, PAPERS_NOT, PAPERS_MEASURED } papers_outcome;

/* The experiment's sentence: on stdout, in the page, in verdicts.csv. */
void papers_verdict(papers *p, papers_outcome outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A chart, or a table of cells; false after a sentence. */
bool papers_chart(papers *p, const hw_chart *chart, const hw_curve *curves, size_t n);
bool papers_table(papers *p, const char (*cells)[64], size_t rows, size_t columns);
/* Says that memory ran out or a run was refused; false. */
bool papers_trouble(papers *p, const char *sentence);
/* Mean and half the width of the 95 % interval. */
void papers_mean(const double *x, size_t n, double *mean, double *interval);

/* One simulated run of an objective: steps (or -1) until metric `metric` reaches target, and its last evaluation. */
typedef struct papers_run_result {
    double steps, virtual_time, last, loss; /* NaN: not reached */
    bool diverged;
} papers_run_result;
papers_run_result papers_run(const hw_objective *o, const hw_config *c, const float *start, int metric, double target);
/* Simulated on one real thread, no compensation, stopping at the target. */
hw_config papers_config(hw_clock_kind clock, unsigned workers, uint64_t updates);

/* So many updates of a workload on threads, on the shared array, each with its age; nothing compensated. */
hw_config papers_on_threads(const hw_config *workload, unsigned workers, uint64_t updates);

/* A perceptron on digits: generated ones, or MNIST where `real` asks for it and it is there. */
typedef struct papers_digits {
    cli_digits digits;
    hw_net *net;
    hw_net_task task;
    hw_objective objective;
    float *start;
} papers_digits;
bool papers_digits_open(papers *p, papers_digits *d, unsigned hidden, uint32_t batch, bool real);
void papers_digits_close(papers_digits *d);

/* Small colour images: CIFAR-10, or textures; reduced, at most so many. */
typedef struct papers_colours {
    hw_images train, test;
    char source[160];
} papers_colours;
bool papers_colours_open(papers *p, papers_colours *c, uint32_t train, uint32_t test);
void papers_colours_close(papers_colours *c);

/* The experiments; false: trouble, which has been told. */
bool papers_oracles(papers *p);
bool papers_theorem2(papers *p);
bool papers_figure2(papers *p);
bool papers_threads(papers *p);
bool papers_map(papers *p);
bool papers_map_momentum(papers *p);
bool papers_map_policies(papers *p);
bool papers_map_points(papers *p);
bool papers_map_nets(papers *p);
bool papers_closed_loop(papers *p);
bool papers_best_quadratic(papers *p);
bool papers_best_net(papers *p);
bool papers_best_quick(papers *p);
bool papers_best_caffenet(papers *p);
bool papers_groups(papers *p);
bool papers_irregular(papers *p);
bool papers_own_steps(papers *p);
bool papers_independence(papers *p);
bool papers_pca(papers *p);
bool papers_liu_variance(papers *p);
bool papers_liu_step(papers *p);
bool papers_liu_net(papers *p);
bool papers_liu_phases(papers *p);
bool papers_xu_delay(papers *p);
bool papers_xu_rate(papers *p);
bool papers_xu_dropout(papers *p);
bool papers_xu_batch(papers *p);
bool papers_wang_toy(papers *p);
bool papers_wang_stragglers(papers *p);
bool papers_wang_momentum(papers *p);
bool papers_wang_late(papers *p);
bool papers_wang_threads(papers *p);
bool papers_compensation(papers *p);

#endif
