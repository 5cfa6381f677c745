/* report.h (internal) - what a report holds until it is closed. */
#ifndef HW__REPORT_REPORT_H
#define HW__REPORT_REPORT_H

#include "../base/base.h"
#include "hogwild/report.h"

#define REPORT_RUNS 16

struct hw_report {
    char folder[900], title[200];
    char *body; /* HTML so far, grown by doubling */
    size_t length, room;
    FILE *lines;
    int (*plot)(void *context, const char *folder, const char *script);
    void *context;
    struct {
        char name[80];
        bool accuracy, staleness;
        size_t evaluations;
    } run[REPORT_RUNS];
    unsigned runs;
    int last_staleness; /* the run whose histogram is plotted, -1 none */
};

/* Writes plots.gp and has it drawn; false where it was not. */
bool hw__report_plots(const hw_report *r);
/* A script of the folder is drawn by the caller; false where that failed or nobody does it. */
bool hw__report_plot(const hw_report *r, const char *script);
/* ",x,y" and the line's end; nothing where a number is none. */
void hw__report_numbers(FILE *out, size_t n, const double *x);
void hw__report_terminal(FILE *out);
const char *hw__report_colour(unsigned i);
hw_status hw__report_put(hw_report *r, const char *html);
hw_status hw__report_bytes(hw_report *r, const char *html, size_t n);
/* An SVG file of the folder, inline. */
hw_status hw__report_inline(hw_report *r, const char *file);
extern const char *const hw__report_plot_files[];

#endif
