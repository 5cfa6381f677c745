/* map_single.c - the map: what single runs stand, by the law of the work and the number of workers. */
#include "map.h"
#include <math.h>
#include <stdlib.h>

enum { M = 8, LONG = 4000 };

/* Whether a run with this staleness has come nearer, with its size taken out now and then so that nothing overflows. */
static bool converges(const uint32_t *staleness, double rate, double mu)
{
    static const int ring = 1024;
    double w[1024], v = 0, grown = 0;
    for (int i = 0; i < ring; i++) w[i] = 1;
    for (int t = 0; t < LONG; t++) {
        int age = staleness[t] < (uint32_t)t ? (int)staleness[t] : t;
        if (age >= ring) age = ring - 1;
        v = mu * v - rate * w[(t - age) & (ring - 1)];
        w[(t + 1) & (ring - 1)] = w[t & (ring - 1)] + v;
        if (t % 64) continue;
        double size = fabs(v);
        for (int i = 0; i < ring; i++) size = fmax(size, fabs(w[i]));
        if (!(size > 1e100)) continue;
        grown += log(size);
        v /= size;
        for (int i = 0; i < ring; i++) w[i] /= size;
    }
    double last = 0;
    for (int k = 0; k < 4 * M; k++) last = fmax(last, fabs(w[(LONG - k) & (ring - 1)]));
    return grown + log(last) < 0;
}

/* The largest learning rate (at curvature 1) at which most of five runs converge; NaN after trouble. */
static bool largest_rate(const map_law *law, unsigned workers, const double momentum[2], double rate[2])
{
    enum { RUNS = 5 };
    uint32_t *staleness = malloc((size_t)RUNS * LONG * sizeof *staleness);
    bool good = staleness != NULL;
    for (unsigned k = 0; good && k < RUNS; k++)
        good = map_record(law, workers, false, 77 + k, staleness + (size_t)k * LONG, LONG, NULL);
    for (int i = 0; good && i < 2; i++) {
        double low = 1e-4, high = 4;
        for (int turn = 0; turn < 20; turn++) {
            double middle = sqrt(low * high);
            unsigned stable = 0;
            for (unsigned k = 0; k < RUNS; k++) stable += converges(staleness + (size_t)k * LONG, middle, momentum[i]);
            if (stable > RUNS / 2)
                low = middle;
            else
                high = middle;
        }
        rate[i] = low;
    }
    free(staleness);
    return good;
}

bool map_single(papers *p)
{
    static const unsigned workers[] = {4, 8, 16, 32};
    static const double momentum[] = {0, 0.9};
    static char cells[5 * (MAP_LAWS + 1)][64];
    static double y[2][4][MAP_LAWS], x[MAP_LAWS];
    hw_curve curve[8];
    (void)snprintf(cells[0], 64, "largest rate x curvature, momentum 0 / 0.9");
    for (int l = 0; l < MAP_LAWS; l++) {
        x[l] = map_laws[l].variation;
        (void)snprintf(cells[1 + l], 64, "%s", map_laws[l].name);
    }
    for (int k = 0; k < 4; k++) {
        (void)snprintf(cells[(k + 1) * (MAP_LAWS + 1)], 64, "%u workers", workers[k]);
        for (int l = 0; l < MAP_LAWS; l++) {
            double rate[2];
            if (!largest_rate(map_laws + l, workers[k], momentum, rate))
                return cli_interrupted ? false : papers_trouble(p, "a run failed");
            (void)snprintf(cells[(k + 1) * (MAP_LAWS + 1) + 1 + l], 64, "%.3f / %.4f", rate[0], rate[1]);
            for (int i = 0; i < 2; i++) y[i][k][l] = rate[i] * workers[k];
        }
    }
    static const char *const names[2][4] = {
        {"4, momentum 0", "8, momentum 0", "16, momentum 0", "32, momentum 0"},
        {"4, momentum 0.9", "8, momentum 0.9", "16, momentum 0.9", "32, momentum 0.9"}};
    for (int i = 0; i < 8; i++)
        curve[i] = (hw_curve){.name = names[i / 4][i % 4], .x = x, .y = y[i / 4][i % 4], .n = MAP_LAWS};
    const hw_chart chart = {.file = "map-stability",
                            .title = "Largest stable x of single runs",
                            .x_label = "squared variation of the work",
                            .y_label = "learning rate x curvature x workers",
                            .log_y = 1,
                            .y_low = 0.1,
                            .y_high = 30};
    return papers_chart(p, &chart, curve, 8) && papers_table(p, (const char(*)[64])cells, 5, MAP_LAWS + 1);
}
