/* layers.c - staleness by layer of a finished run. */
#include "layers.h"
#include <stdlib.h>

/* Mean of layer i; h: what it is made of. */
static double mean_of(const hw_engine *engine, size_t i, hw_histogram *h)
{
    (void)hw_engine_layer_staleness(engine, i, h);
    return h->total ? h->sum / (double)h->total : 0;
}

void layers_text(const hw_engine *engine, char *text, size_t size)
{
    const hw_layer *layers;
    size_t n = hw_engine_layers(engine, &layers), at = 0;
    hw_histogram h;
    text[0] = 0;
    if (!n || hw_histogram_init(&h, 64) != HW_OK) return;
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s %.2f",
                               i % 8 ? "  "
                               : i   ? "\n          "
                                     : "by layer: ",
                               layers[i].name, mean_of(engine, i, &h));
    hw_histogram_free(&h);
}

void layers_print(const hw_engine *engine, FILE *out)
{
    char text[4096];
    layers_text(engine, text, sizeof text);
    if (*text) fprintf(out, "%s\n", text);
}

enum { COLUMNS = 5, CELL = 64 };

hw_status layers_report(const hw_engine *engine, hw_report *report)
{
    static const char *const head[COLUMNS] = {"layer", "parameters", "mean staleness", "at most this in 90 %",
                                              "held for (estimate)"};
    const hw_layer *layers;
    size_t n = hw_engine_layers(engine, &layers);
    hw_histogram h;
    if (!n) return HW_OK;
    const char **cell = malloc((n + 1) * COLUMNS * sizeof *cell);
    char(*text)[CELL] = malloc(n * COLUMNS * CELL);
    hw_status status = cell && text ? hw_histogram_init(&h, 64) : HW_E_MEMORY;
    if (status == HW_OK) {
        for (size_t j = 0; j < COLUMNS; j++) cell[j] = head[j];
        for (size_t i = 0; i < n; i++) {
            char(*row)[CELL] = text + i * COLUMNS;
            (void)snprintf(row[0], CELL, "%s", layers[i].name);
            (void)snprintf(row[1], CELL, "%zu", layers[i].count);
            (void)snprintf(row[2], CELL, "%.2f", mean_of(engine, i, &h));
            (void)snprintf(row[3], CELL, "%.0f", hw_histogram_quantile(&h, 0.9));
            (void)snprintf(row[4], CELL, "%.0f %% of a step", 100 * layers[i].held);
            for (size_t j = 0; j < COLUMNS; j++) cell[(i + 1) * COLUMNS + j] = row[j];
        }
        hw_histogram_free(&h);
        status = hw_report_heading(report, "Staleness by layer");
        if (status == HW_OK)
            status =
                hw_report_text(report, "A layer is read where the forward pass comes to it, and its gradient lands "
                                       "as soon as the backward pass has it: what lands in between makes it old.");
        if (status == HW_OK) status = hw_report_table(report, cell, n + 1, COLUMNS);
    }
    free(cell);
    free(text);
    return status;
}
