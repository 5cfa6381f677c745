/* report.h - a folder with one self-contained HTML page, SVG plots, CSV files and JSON lines about a few runs.
 *
 * The library writes gnuplot's scripts and their data; it starts no process. Who wants plots in the page says how a
 * script is drawn (hw_report_plotter); without it the page has its tables, and `gnuplot plots.gp` in the folder draws.
 * Nothing is fetched from a network. One thread at a time uses a handle. The library prints nothing: everything goes
 * into the folder's files. */
#ifndef HOGWILD_REPORT_H
#define HOGWILD_REPORT_H

#include "objective.h"
#include "optimizer.h"
#include "staleness.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hw_report hw_report;

/* Makes the folder (and its parents). HW_E_IO, HW_E_MEMORY. */
HW_API hw_status hw_report_open(hw_report **report, const char *folder, const char *title, char *why);
/* Runs gnuplot on folder/script with the folder as its working directory, and returns 0 where the script's SVG files
 * are then there. Called by hw_report_chart and hw_report_close in the thread that calls them.
 * examples/support/gnuplot.c has one. NULL (the start): nothing is drawn. */
HW_API void hw_report_plotter(hw_report *report, int (*plot)(void *context, const char *folder, const char *script),
                              void *context);
/* A line "key: value" under the title (machine, commit, data ...). */
HW_API hw_status hw_report_note(hw_report *report, const char *key, const char *value);
/* A paragraph. */
HW_API hw_status hw_report_text(hw_report *report, const char *text);
/* A table: cells[rows][columns] row by row, the first row is the head. Texts are copied. */
HW_API hw_status hw_report_table(hw_report *report, const char *const *cells, size_t rows, size_t columns);
/* A run: writes run-<n>-evaluations.csv, -settings.csv and -staleness.csv and enters it into the plots. Metric 0 is
 * plotted as loss, metric 1 (where metrics > 1) as accuracy. staleness may be NULL. */
HW_API hw_status hw_report_run(hw_report *report, const char *name, const hw_evaluation *evaluations, size_t n,
                               unsigned metrics, const hw_setting *settings, size_t n_settings,
                               const hw_histogram *staleness);
/* A heading of the page. */
HW_API hw_status hw_report_heading(hw_report *report, const char *text);

/* A chart at this place of the page: file.csv (curve, name, x, y, spread), file.gp and, where there is a plotter,
 * file.svg. */
typedef enum hw_curve_style { HW_CURVE_LINE_POINTS, HW_CURVE_LINE, HW_CURVE_POINTS, HW_CURVE_CROSSES } hw_curve_style;
typedef struct hw_curve {
    const char *name;
    const double *x, *y, *spread; /* n each; spread: half the height of an error bar, or NULL; NaN leaves a gap */
    size_t n;
    hw_curve_style style;
    unsigned colour; /* 1 .. 8; 0: by its position */
} hw_curve;
typedef struct hw_chart {
    const char *file; /* without folder and extension */
    const char *title, *x_label, *y_label;
    int log_x, log_y;     /* log_x: 1: base 10; above: that base */
    double y_low, y_high; /* NaN: automatic */
    const char *key;      /* gnuplot's place of the key; NULL: outside right */
} hw_chart;
HW_API hw_status hw_report_chart(hw_report *report, const hw_chart *chart, const hw_curve *curves, size_t n, char *why);
/* runs.jsonl in the folder, for hw_run_json and a newline; owned by the report. */
HW_API FILE *hw_report_lines(hw_report *report);
/* Plots, index.html; frees the report in any case. path (size bytes) gets the page's path. why tells of
 * plots that could not be drawn with status HW_OK. */
HW_API hw_status hw_report_close(hw_report *report, char *path, size_t size, char *why);

#ifdef __cplusplus
}
#endif
#endif
