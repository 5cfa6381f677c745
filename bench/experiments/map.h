/* map.h - what the experiments of the map share: the laws of work, and the staleness that each of them makes. */
#ifndef MAP_H
#define MAP_H

#include "papers.h"

enum { MAP_LAWS = 6 };

typedef struct map_law {
    const char *name;
    hw_clock_kind kind;
    double shape, variation; /* squared */
} map_law;
/* From the most irregular to the constant one. */
extern const map_law map_laws[MAP_LAWS];

/* Staleness of the first n updates of one run (threads: on real ones, whose steps have work of 2 ms added); its
 * dispersion into *dispersion (or NULL). False: it failed, or was interrupted. */
bool map_record(const map_law *law, unsigned workers, bool threads, uint64_t seed, uint32_t *staleness, uint64_t n,
                double *dispersion);
/* Where `difference`, the error of the model of momentum less that of delay at so many squared variations (falling),
 * changes its sign; NaN: nowhere. */
double map_border(const double *difference, const double *variation, size_t n);
/* The largest stable rate of single runs: table and picture. */
bool map_single(papers *p);

#endif
