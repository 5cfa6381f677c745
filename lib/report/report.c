/* report.c - the report's folder: CSV files, JSON lines, and the page that puts it all together. */
#include "../base/files.h"
#include "../base/json.h"
#include "report.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Text with the characters that HTML reserves escaped. */
static hw_status escaped(hw_report *r, const char *text)
{
    hw_status status = HW_OK;
    for (; *text && status == HW_OK; text++)
        status = *text == '<'   ? hw__report_put(r, "&lt;")
                 : *text == '>' ? hw__report_put(r, "&gt;")
                 : *text == '&' ? hw__report_put(r, "&amp;")
                 : *text == '"' ? hw__report_put(r, "&quot;")
                                : hw__report_bytes(r, text, 1);
    return status;
}

static hw_status element(hw_report *r, const char *open, const char *text, const char *close)
{
    hw_status status = hw__report_put(r, open);
    if (status == HW_OK) status = escaped(r, text);
    return status == HW_OK ? hw__report_put(r, close) : status;
}

static hw_status make_folders(const char *folder, char *why)
{
    char path[1024];
    size_t n = strlen(folder);
    for (size_t i = 1; i <= n; i++) {
        if (folder[i] && folder[i] != '/') continue;
        memcpy(path, folder, i);
        path[i] = 0;
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    }
    return HW_OK;
}

hw_status hw_report_open(hw_report **out, const char *folder, const char *title, char *why)
{
    *out = NULL;
    if (!folder || !*folder || strlen(folder) > 800)
        return hw__base_fail(why, HW_E_ARGUMENT, "the report needs a folder with a name of 1 to 800 bytes");
    hw_status status = make_folders(folder, why);
    if (status != HW_OK) return status;
    hw_report *r = hw__base_zalloc(1, sizeof *r);
    if (!r) return hw__base_fail(why, HW_E_MEMORY, "no memory for the report");
    char path[1024];
    (void)snprintf(r->folder, sizeof r->folder, "%s", folder);
    (void)snprintf(r->title, sizeof r->title, "%s", title ? title : "report");
    for (char *c = r->title; *c; c++)
        if (strchr("<>&", *c)) *c = ' ';
    (void)snprintf(path, sizeof path, "%s/runs.jsonl", folder);
    r->last_staleness = -1;
    r->lines = fopen(path, "wb");
    status = r->lines ? hw__report_put(r, "") : hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    if (status != HW_OK) {
        if (r->lines) (void)fclose(r->lines);
        hw__base_free(r);
        return status == HW_E_MEMORY ? hw__base_fail(why, status, "no memory for the report") : status;
    }
    *out = r;
    return HW_OK;
}

FILE *hw_report_lines(hw_report *r)
{
    return r->lines;
}

void hw_report_plotter(hw_report *r, int (*plot)(void *context, const char *folder, const char *script), void *context)
{
    r->plot = plot;
    r->context = context;
}

hw_status hw_report_note(hw_report *r, const char *key, const char *value)
{
    hw_status status = element(r, "<p class=\"note\"><b>", key, "</b> ");
    return status == HW_OK ? element(r, "", value, "</p>\n") : status;
}

hw_status hw_report_heading(hw_report *r, const char *text)
{
    return element(r, "<h2>", text, "</h2>\n");
}

hw_status hw_report_text(hw_report *r, const char *text)
{
    return element(r, "<p>", text, "</p>\n");
}

hw_status hw_report_table(hw_report *r, const char *const *cells, size_t rows, size_t columns)
{
    hw_status status = hw__report_put(r, "<div class=\"wide\"><table>\n");
    for (size_t i = 0; i < rows && status == HW_OK; i++) {
        status = hw__report_put(r, "<tr>");
        for (size_t j = 0; j < columns && status == HW_OK; j++)
            status = element(r, i ? "<td>" : "<th>", cells[i * columns + j] ? cells[i * columns + j] : "",
                             i ? "</td>" : "</th>");
        if (status == HW_OK) status = hw__report_put(r, "</tr>\n");
    }
    return status == HW_OK ? hw__report_put(r, "</table></div>\n") : status;
}

static hw_status csv_open(const hw_report *r, const char *what, hw__file_writer *w)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/run-%u-%s.csv", r->folder, r->runs + 1, what);
    return hw__file_write_begin(w, path, NULL);
}

void hw__report_numbers(FILE *out, size_t n, const double *x)
{
    for (size_t i = 0; i < n; i++) {
        fputc(',', out);
        if (hw__base_finite_double(x[i])) hw__json_number(out, x[i]);
    }
    fputc('\n', out);
}

static hw_status write_evaluations(const hw_report *r, const hw_evaluation *ev, size_t n)
{
    hw__file_writer w;
    hw_status status = csv_open(r, "evaluations", &w);
    if (status != HW_OK) return status;
    fputs("update,epoch,seconds,train_loss,test_loss,test_accuracy,staleness,momentum,learning_rate,look_ahead,virtual_"
          "time\n",
          w.stream);
    for (size_t i = 0; i < n; i++, ev++) {
        double row[] = {ev->epoch,     ev->seconds,  ev->train_loss,    ev->metric[0], ev->metric[1],
                        ev->staleness, ev->momentum, ev->learning_rate, ev->ahead,     ev->virtual_time};
        fprintf(w.stream, "%llu", (unsigned long long)ev->update);
        hw__report_numbers(w.stream, sizeof row / sizeof *row, row);
    }
    return hw__file_write_end(&w, NULL);
}

static hw_status write_settings(const hw_report *r, const hw_setting *s, size_t n)
{
    hw__file_writer w;
    hw_status status = csv_open(r, "settings", &w);
    if (status != HW_OK) return status;
    fputs("update,momentum,rate,look_ahead,delay,exact,implicit\n", w.stream);
    for (size_t i = 0; i < n; i++, s++) {
        double row[] = {s->momentum, s->rate, s->ahead, s->delay, s->exact, s->implicit};
        fprintf(w.stream, "%llu", (unsigned long long)s->update);
        hw__report_numbers(w.stream, sizeof row / sizeof *row, row);
    }
    return hw__file_write_end(&w, NULL);
}

hw_status hw_report_run(hw_report *r, const char *name, const hw_evaluation *ev, size_t n, unsigned metrics,
                        const hw_setting *settings, size_t n_settings, const hw_histogram *staleness)
{
    if (r->runs == REPORT_RUNS) return HW_E_LIMIT;
    (void)snprintf(r->run[r->runs].name, sizeof r->run[r->runs].name, "%s", name);
    for (char *c = r->run[r->runs].name; *c; c++)
        if (strchr("\"\\'<>&`", *c)) *c = ' '; /* names go into gnuplot's strings and into the page */
    r->run[r->runs].accuracy = metrics > 1;
    r->run[r->runs].evaluations = n;
    hw_status status = write_evaluations(r, ev, n);
    if (status == HW_OK) status = write_settings(r, settings, n_settings);
    if (status == HW_OK && staleness && staleness->total) {
        hw__file_writer w;
        status = csv_open(r, "staleness", &w);
        if (status == HW_OK) {
            (void)hw_histogram_csv(staleness, w.stream);
            status = hw__file_write_end(&w, NULL);
            r->run[r->runs].staleness = true;
            r->last_staleness = (int)r->runs;
        }
    }
    if (status == HW_OK) r->runs++;
    return status;
}

static hw_status write_page(hw_report *r, bool plots, bool lines, const char *path, char *why)
{
    hw__file_writer w;
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    FILE *out = w.stream;
    fprintf(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>%s</title>\n<style>\nbody{font:16px/1.5 "
        "system-ui,sans-serif;max-width:60em;"
        "margin:2em auto;padding:0 1em;color:#222;background:#fff}\nh1{font-size:1.5em}table{border-collapse:collapse;"
        "font-size:.85em}th,td{padding:.3em .6em;border-bottom:1px solid #ccc;text-align:left;white-space:nowrap}\n"
        ".wide{overflow-x:auto}.note{margin:0;font-size:.9em;color:#444}figure{margin:1.5em 0}svg{max-width:100%%;"
        "height:auto}\n</style></head><body>\n<h1>%s</h1>\n",
        r->title, r->title);
    for (int i = 0; plots && r->runs && hw__report_plot_files[i]; i++)
        (void)hw__report_inline(r, hw__report_plot_files[i]);
    (void)fwrite(r->body, 1, r->length, out);
    if (!plots)
        fputs("<p>The plots were not drawn: gnuplot makes them of the .gp files; the CSV files have the data.</p>\n",
              out);
    fputs("<p class=\"note\"><b>files</b> ", out);
    fputs(lines ? "<a href=\"runs.jsonl\">runs.jsonl</a>" : "the data of every picture is below it", out);
    for (unsigned i = 0; i < r->runs; i++) {
        fprintf(
            out,
            "; %s: <a href=\"run-%u-evaluations.csv\">evaluations</a>, <a href=\"run-%u-settings.csv\">settings</a>",
            r->run[i].name, i + 1, i + 1);
        if (r->run[i].staleness) fprintf(out, ", <a href=\"run-%u-staleness.csv\">staleness</a>", i + 1);
    }
    fputs("</p>\n</body></html>\n", out);
    return hw__file_write_end(&w, why);
}

hw_status hw_report_close(hw_report *r, char *path, size_t size, char *why)
{
    if (!r) return HW_OK;
    char page[1024], file[1024];
    (void)snprintf(page, sizeof page, "%s/index.html", r->folder);
    (void)snprintf(file, sizeof file, "%s/runs.jsonl", r->folder);
    if (why) why[0] = 0;
    hw_status status = HW_OK;
    if (fclose(r->lines) != 0) status = hw__base_fail(why, HW_E_IO, "%.160s/runs.jsonl: writing failed", r->folder);
    struct stat there;
    bool lines = stat(file, &there) != 0 || there.st_size > 0;
    if (!lines) (void)unlink(file); /* nobody wrote of runs: an empty file would promise some */
    bool plots = r->runs ? hw__report_plots(r) : r->plot != NULL;
    if (status == HW_OK) status = write_page(r, plots, lines, page, why);
    if (status == HW_OK && r->plot && !plots && why)
        (void)snprintf(why, HW_WHY, "gnuplot was not found or failed: the report has tables but no plots");
    if (path && size) (void)snprintf(path, size, "%s", page);
    free(r->body);
    hw__base_free(r);
    return status;
}
