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
/* gnuplot on a script of the folder; false where there is none or it failed. */
bool report_gnuplot(const hw_report *r, const char *script);
void report_terminal(FILE *out);
const char *report_colour(unsigned i);
hw_status report_put(hw_report *r, const char *html);
/* An SVG file of the folder, inline. */
hw_status report_inline(hw_report *r, const char *file);
extern const char *const report_plot_files[];

#endif
