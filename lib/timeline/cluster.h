/* cluster.h (internal) - the clock of a cluster: what stands behind the events SENT, LANDED and BACK of its ranks. */
#ifndef HW__TIMELINE_CLUSTER_H
#define HW__TIMELINE_CLUSTER_H

#include "timeline.h"

typedef struct hw__timeline_rank {
    double sends, receives, handles; /* until when its link and its thread for messages are taken */
    double sent, received;           /* how long its link has been, in this run */
    uint64_t begun, pushed, allowed; /* steps that have been; updates that have been sent; steps that may have been */
    uint32_t unsent, working, waiting, ready; /* ready: workers who read next */
    hw__timeline_event_kind next;             /* of the exchange that is under way; STEP: none is */
} hw__timeline_rank;

typedef struct hw__timeline_cluster {
    hw_cluster c;
    uint32_t threads, bound; /* of a rank */
    double parameters;
    hw__timeline_rank *rank;
    double *since;  /* of each member: when it came to the bound; negative: it is not there */
    uint32_t sends; /* the rank whose exchange begins now; UINT32_MAX: none */
    /* Of this run, which began at `began`. */
    uint64_t exchanges;
    double bytes, waited, began;
} hw__timeline_cluster;

bool hw__timeline_cluster_create(timeline *t, const hw_cluster *c, size_t parameters, hw__memory *memory);
uint32_t hw__timeline_cluster_bound(const hw_cluster *c, uint32_t threads);
/* After SENT, before the next event: so many floats go to all owners together, this rank's own included. After LANDED:
 * so many come back. */
void hw__timeline_cluster_send(timeline *t, uint32_t rank, double floats);
void hw__timeline_cluster_answer(timeline *t, uint32_t rank, double floats);
void hw__timeline_cluster_drop(timeline *t, uint32_t member); /* as hw__timeline_drop */
/* Nothing of any rank is unsent or under way. */
bool hw__timeline_cluster_quiet(const timeline *t);
void hw__timeline_cluster_result(const timeline *t, hw_cluster_result *result);

extern const hw__timeline_source hw__timeline_clustered;

#endif
