/* plots.c - the gnuplot script of the runs. Lines differ by colour (Okabe and Ito's palette), dash and point, so that a
 * grey print tells them apart too. */
#include "../base/files.h"
#include "report.h"

const char *const hw__report_plot_files[] = {"accuracy-time.svg",   "loss-time.svg", "accuracy-updates.svg",
                                             "loss-updates.svg",    "staleness.svg", "momentum-time.svg",
                                             "look-ahead-time.svg", "rate-time.svg", NULL};

/* One curve a run that has at least one evaluation: columns x and y of its evaluations. */
static void curves(const hw_report *r, FILE *out, const char *file, const char *title, const char *xlabel,
                   const char *ylabel, const char *x, const char *y, const char *key, bool accuracy)
{
    fprintf(out, "set output '%s'\nset title '%s'\nset xlabel '%s'\nset ylabel '%s'\nset key %s\n", file, title, xlabel,
            ylabel, key);
    const char *lead = "plot ";
    for (unsigned i = 0; i < r->runs; i++) {
        if (!r->run[i].evaluations || (accuracy && !r->run[i].accuracy)) continue;
        fprintf(
            out,
            "%s'run-%u-evaluations.csv' using %s:%s with linespoints lw 2 dt %u pt %u ps 0.6 lc rgb '%s' title \"%s\"",
            lead, i + 1, x, y, i % 5 + 1, i % 7 + 4, hw__report_colour(i), r->run[i].name);
        lead = ", \\\n  ";
    }
    fputs(lead[0] == 'p' ? "plot NaN notitle\n" : "\n", out);
}

static void script(const hw_report *r, FILE *out)
{
    hw__report_terminal(out);
    curves(r, out, "accuracy-time.svg", "Test accuracy over training time", "seconds (evaluation not counted)",
           "test accuracy (%)", "3", "(100*$6)", "bottom right", true);
    curves(r, out, "loss-time.svg", "Test loss over training time", "seconds (evaluation not counted)",
           "test loss (nats)", "3", "5", "top right", false);
    curves(r, out, "accuracy-updates.svg", "Test accuracy over updates", "updates", "test accuracy (%)", "1",
           "(100*$6)", "bottom right", true);
    curves(r, out, "loss-updates.svg", "Test loss over updates", "updates", "test loss (nats)", "1", "5", "top right",
           false);
    if (r->last_staleness >= 0) {
        fprintf(
            out,
            "set output 'staleness.svg'\nset title \"Staleness: %s\"\nset xlabel 'staleness (updates of others between "
            "read and write)'\nset ylabel 'share of updates'\nset key top right\nset style fill solid 0.4\nset yrange "
            "[0:]\n"
            "plot '%s-%d-staleness.csv' using 1:($1==$2?$4:NaN) with boxes lc rgb '#0072B2' title 'measured', \\\n"
            "  '' using 1:5 with linespoints lw 2 dt 2 pt 4 lc rgb '#D55E00' title 'geometric (queue model)', \\\n"
            "  '' using 1:6 with linespoints lw 2 dt 3 pt 6 lc rgb '#009E73' title 'Poisson', \\\n"
            "  '' using 1:7 with linespoints lw 2 dt 4 pt 8 lc rgb '#000000' title 'negative binomial'\nset yrange "
            "[*:*]\n",
            r->run[r->last_staleness].name, "run", r->last_staleness + 1);
    }
    curves(r, out, "momentum-time.svg", "Explicit momentum in force", "seconds", "explicit momentum", "3", "8",
           "bottom right", false);
    curves(r, out, "look-ahead-time.svg", "Look-ahead in force", "seconds", "look-ahead s (velocities ahead)", "3",
           "10", "bottom right", false);
    curves(r, out, "rate-time.svg", "Learning rate in force", "seconds", "learning rate", "3", "9", "bottom right",
           false);
}

bool hw__report_plots(const hw_report *r)
{
    char path[1024];
    hw__file_writer w;
    (void)snprintf(path, sizeof path, "%s/plots.gp", r->folder);
    if (hw__file_write_begin(&w, path, NULL) != HW_OK) return false;
    script(r, w.stream);
    return hw__file_write_end(&w, NULL) == HW_OK && hw__report_plot(r, "plots.gp");
}
