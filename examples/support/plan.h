/* plan.h - what to run on this box instead of running: probes an objective for a share of its training, says why in
 * five lines, and writes a configuration for --config. */
#ifndef SUPPORT_PLAN_H
#define SUPPORT_PLAN_H

#include "cli.h"

/* A program's row for it. */
#define PLAN_ROW(at)                                                                                        \
    {                                                                                                       \
        "--plan", "FILE",                                                                                   \
            "instead of training: probes what to run with up to --workers threads, says why, and writes a " \
            "configuration there",                                                                          \
            CLI_TEXT, at, 0, 0                                                                              \
    }

typedef struct plan_options {
    const char *out;  /* where the configuration goes */
    double budget;    /* share of one worker's training; 0: a tenth */
    unsigned threads; /* most of them; 0: as many as there are processors */
    bool keep, quiet; /* keep: batch, learning rate and momentum; quiet: no line a probe */
} plan_options;

/* start: hw_plan_request's, with its context. 0, or an exit status after a sentence. */
int plan_write(const char *program, const plan_options *o, const hw_objective *objective, const hw_config *config,
               void (*start)(void *context, uint64_t seed, float *params), void *context);

#endif
