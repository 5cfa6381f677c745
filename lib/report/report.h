/* report.h (internal) - what a report holds until it is closed. */
#ifndef HOGWILD_LIB_REPORT_H
#define HOGWILD_LIB_REPORT_H

#include "../base/base.h"
#include "hogwild/report.h"

#define REPORT_RUNS 16

struct hw_report {
    char folder[900], title[200];
    char *body; /* HTML so far, grown by doubling */
    size_t length, room;
    FILE *lines;
    struct {
        char name[80];
        bool accuracy, staleness;
        size_t evaluations;
    } run[REPORT_RUNS];
    unsigned runs;
    int last_staleness; /* the run whose histogram is plotted, -1 none */
};

/* Writes plots.gp, runs gnuplot on it; false where there is none or it failed. */
bool report_plots(const hw_report *r);
extern const char *const report_plot_files[];

#endif
