/* pca.c - streaming PCA under delay and momentum: the whole of Fig. 1 of Liu et al. in one command. */
#include "common_pca.h"
#include <stdlib.h>
#include <string.h>

typedef struct options {
    pca_options pca;
    const char *report;
} options;

static const cli_option own[] = {
    {"--runs", "N", "independent runs of each setting (100; 1 to 10000)"},
    {"--steps", "N", "steps of a run (100000; 1000 to 1e8)"},
    {"--eta", "X", "step size (0.0005; 1e-6 to 0.1)"},
    {"--delays", "N", "largest delay (200; 0 to 2000)"},
    {"--delay-step", "N", "between delays (10; 1 to 2000); at most 64 of them are run"},
    {"--seed", "N", "of everything random (1; 0 to 1e9)"},
    {"--report", "FOLDER", "where the page, the CSV files and the plots go (pca-report)"},
    {"--quiet", NULL, "no progress"},
};

static bool set(void *context, const char *flag, const char *value)
{
    options *o = context;
    double x = 0;
    if (strcmp(flag, "--report") == 0) {
        o->report = value;
        return true;
    }
    if (strcmp(flag, "--quiet") == 0) return o->pca.quiet = true;
    const struct number {
        const char *flag;
        double low, high;
    } numbers[] = {{"--runs", 1, 10000},  {"--steps", 1000, 1e8},    {"--eta", 1e-6, 0.1},
                   {"--delays", 0, 2000}, {"--delay-step", 1, 2000}, {"--seed", 0, 1e9}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(flag, numbers[i].flag) == 0 && !cli_number("pca", flag, value, numbers[i].low, numbers[i].high, &x))
            return false;
    if (strcmp(flag, "--runs") == 0)
        o->pca.replicas = (unsigned)x;
    else if (strcmp(flag, "--steps") == 0)
        o->pca.steps = (uint64_t)x;
    else if (strcmp(flag, "--eta") == 0)
        o->pca.eta = x;
    else if (strcmp(flag, "--delays") == 0)
        o->pca.last_delay = (unsigned)x;
    else if (strcmp(flag, "--delay-step") == 0)
        o->pca.delay_step = (unsigned)x;
    else
        o->pca.seed = (uint64_t)x;
    return true;
}

int main(int argc, char **argv)
{
    options o = {pca_defaults(), "pca-report"};
    hw_config config = hw_config_defaults();
    cli c = {"pca",  "streaming PCA under delay and momentum (Liu et al., Fig. 1)",
             own,    sizeof own / sizeof *own,
             set,    &o,
             NULL,   0,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.pca.last_delay / o.pca.delay_step >= PCA_DELAYS)
        return cli_error("pca", 2, "--delays and --delay-step: at most 64 delays are run (--help lists the options)");
    hw_report *report;
    char why[HW_WHY], path[1024], machine[160];
    if (hw_report_open(&report, o.report, "Streaming PCA: momentum against delay", why) != HW_OK)
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
