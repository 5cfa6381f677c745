/* pca.h - the figure of Liu et al. on streaming PCA: error against delay for several momenta, and one trajectory
 * beside the ordinary differential equation. Used by pca and by the papers' program. */
#ifndef SUPPORT_PCA_H
#define SUPPORT_PCA_H

#include "cli.h"

enum { PCA_MOMENTA = 8, PCA_DELAYS = 64 };

typedef struct pca_options {
    double eta;
    unsigned replicas, last_delay, delay_step;
    unsigned steps, seed;
    double momentum[PCA_MOMENTA];
    unsigned momenta;
    bool quiet;
} pca_options;

typedef struct pca_figure {
    unsigned delays;
    unsigned delay[PCA_DELAYS];
    double error[PCA_MOMENTA][PCA_DELAYS], spread[PCA_MOMENTA][PCA_DELAYS], alive[PCA_MOMENTA][PCA_DELAYS];
    unsigned knee[PCA_MOMENTA], stable[PCA_MOMENTA]; /* delays: measured; by linear stability */
    double seconds;
} pca_figure;

/* The paper's: eta 5e-4, five momenta, delays 0 to 200 by 10, 100 runs, 10^5 steps. */
pca_options pca_defaults(void);
/* False after a sentence, or when interrupted. */
bool pca_run(const char *program, const pca_options *o, pca_figure *f);
/* Two charts (the figure with the predictions; the trajectories with the ODE) and a table into the report; the
 * figures as text on stdout. */
bool pca_report(const char *program, const pca_options *o, const pca_figure *f, hw_report *report);

#endif
