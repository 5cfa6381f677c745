/* gnuplot.h - reports with plots: gnuplot is started here, by the program. */
#ifndef SUPPORT_GNUPLOT_H
#define SUPPORT_GNUPLOT_H

#include <hogwild.h>

/* hw_report_open for a report whose plots are drawn. */
hw_status support_report_open(hw_report **report, const char *folder, const char *title, char *why);
/* 0 where gnuplot is installed and the script of that folder was drawn. context is not used. */
int support_gnuplot(void *context, const char *folder, const char *script);

#endif
