/* pca.c - streaming PCA under delay and momentum: the whole of Fig. 1 of Liu et al. in one command. */
#include "support/pca.h"
#include "support/gnuplot.h"
#include <stddef.h>

typedef struct options {
    pca_options pca;
    const char *report;
} options;

static const cli_option own[] = {
    {"--runs", "N", "independent runs of each setting (100; 1 to 10000)", CLI_WHOLE, offsetof(options, pca.replicas), 1,
     10000},
    {"--steps", "N", "steps of a run (100000; 1000 to 1e8)", CLI_WHOLE, offsetof(options, pca.steps), 1000, 100000000},
    {"--eta", "X", "step size (0.0005; 1e-6 to 0.1)", CLI_NUMBER, offsetof(options, pca.eta), 1e-06, 0.1},
    {"--delays", "N", "largest delay (200; 0 to 2000)", CLI_WHOLE, offsetof(options, pca.last_delay), 0, 2000},
    {"--delay-step", "N", "between delays (10; 1 to 2000); at most 64 of them are run", CLI_WHOLE,
     offsetof(options, pca.delay_step), 1, 2000},
    {"--seed", "N", "of everything random (1; 0 to 1e9)", CLI_WHOLE, offsetof(options, pca.seed), 0, 1000000000},
    {"--report", "FOLDER", "where the page, the CSV files and the plots go (pca-report)", CLI_TEXT,
     offsetof(options, report), 0, 0},
    {"--quiet", NULL, "no progress", CLI_SWITCH, offsetof(options, pca.quiet), 0, 0},
};

int main(int argc, char **argv)
{
    options o = {pca_defaults(), "pca-report"};
    hw_config config = hw_config_defaults();
    cli c = {"pca",  "streaming PCA under delay and momentum (Liu et al., Fig. 1)",
             own,    sizeof own / sizeof *own,
             NULL,   &o,
             NULL,   0,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.pca.last_delay / o.pca.delay_step >= PCA_DELAYS)
        return cli_error("pca", 2, "--delays and --delay-step: at most 64 delays are run (--help lists the options)");
    hw_report *report;
    char why[HW_WHY], path[1024], machine[160];
    if (support_report_open(&report, o.report, "Streaming PCA: momentum against delay", why) != HW_OK)
        return cli_error("pca", 1, why);
    cli_machine(machine, sizeof machine);
    (void)hw_report_note(report, "machine", machine);
    (void)hw_report_note(report, "commit", hw_commit());
    cli_catch_interrupt();
    static pca_figure figure;
    bool good = pca_run("pca", &o.pca, &figure) && pca_report("pca", &o.pca, &figure, report);
    if (hw_report_close(report, path, sizeof path, why) != HW_OK) return cli_error("pca", 1, why);
    if (cli_interrupted) return cli_error("pca", 1, "interrupted");
    if (good) printf("report: %s\n", path);
    return good ? 0 : 1;
}
