/* gnuplot.c - what all scripts begin with, their colours, and the caller's way to draw one. The library writes scripts
 * and data and starts no process. */
#include "report.h"

const char *hw__report_colour(unsigned i)
{
    static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                          "#E69F00", "#56B4E9", "#000000", "#8B5A2B"};
    return colours[i % 8];
}

void hw__report_terminal(FILE *out)
{
    fputs(
        "set terminal svg size 820,420 font 'sans-serif,13' enhanced background '#ffffff'\nset datafile separator ','\n"
        "set grid lc rgb '#dddddd'\nset border 3\nset tics nomirror\nset key autotitle columnheader noenhanced\n",
        out);
}

bool hw__report_plot(const hw_report *r, const char *script)
{
    return r->plot && r->plot(r->context, r->folder, script) == 0;
}
