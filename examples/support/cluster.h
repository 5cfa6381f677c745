/* cluster.h - runs over a simulated cluster (--clock cluster:...): how long a step works here, where nobody has said
 * so, and what the run came to there. */
#ifndef SUPPORT_CLUSTER_H
#define SUPPORT_CLUSTER_H

#include "cli.h"

/* Nothing where there is no cluster. config.cluster.work, where it is 0, from the recorded work times, or else from
 * some steps of one worker, from params on; told on `out`. 0, or an exit status after a sentence. */
int cluster_prepare(const char *program, const hw_objective *objective, const float *params, hw_config *config,
                    FILE *out);
/* A line, or nothing. */
void cluster_print(const hw_engine *engine, const hw_config *config, const hw_result *result, FILE *out);

#endif
