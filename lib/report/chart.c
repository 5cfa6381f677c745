/* chart.c - one chart: its points as CSV, its gnuplot script, its SVG in the page. */
#include "../base/files.h"
#include "../base/json.h"
#include "report.h"
#include <math.h>
#include <string.h>

/* Names go into gnuplot's strings and into the page. */
static void clean(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from ? from : "");
    for (char *c = to; *c; c++)
        if (strchr("\"\\<>&`\n", *c)) *c = ' ';
}

/* Quotes doubled, as CSV has it. */
static void csv_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static bool plain_name(const char *name)
{
    return name && *name && strlen(name) <= 100 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

static hw_status write_points(const hw_report *r, const hw_chart *chart, const hw_curve *curve, size_t n, char *why)
{
    hw__file_writer w;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.csv", r->folder, chart->file);
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    fputs("curve,name,x,y,spread\n", w.stream);
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < curve[c].n; i++) {
            fprintf(w.stream, "%zu,", c);
            csv_text(w.stream, curve[c].name ? curve[c].name : "");
            const double spread = curve[c].spread ? curve[c].spread[i] : NAN, x = curve[c].x[i], y = curve[c].y[i];
            fputc(',', w.stream);
            if (hw__base_finite_double(x)) hw__json_number(w.stream, x);
            /* gnuplot draws a line across an empty field, and breaks it where one says NaN. */
            fputs(hw__base_finite_double(y) ? "," : ",NaN", w.stream);
            if (hw__base_finite_double(y)) hw__json_number(w.stream, y);
            hw__report_numbers(w.stream, 1, &spread);
        }
    return hw__file_write_end(&w, why);
}

static void range(FILE *out, const char *axis, double low, double high)
{
    fprintf(out, "set %srange [", axis);
    if (hw__base_finite_double(low)) hw__json_number(out, low);
    fputc(':', out);
    if (hw__base_finite_double(high)) hw__json_number(out, high);
    fputs("]\n", out);
}

static hw_status write_script(const hw_report *r, const hw_chart *chart, const hw_curve *curve, size_t n, char *script,
                              size_t size, char *why)
{
    hw__file_writer w;
    char path[1152], text[200], key[80];
    (void)snprintf(script, size, "%s.gp", chart->file);
    (void)snprintf(path, sizeof path, "%s/%s", r->folder, script);
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    FILE *out = w.stream;
    hw__report_terminal(out);
    clean(key, sizeof key, chart->key ? chart->key : "outside right top");
    clean(text, sizeof text, chart->title);
    fprintf(out, "set output '%s.svg'\nset key %s noenhanced\nset title \"%s\" noenhanced\n", chart->file, key, text);
    clean(text, sizeof text, chart->x_label);
    fprintf(out, "set xlabel \"%s\" noenhanced\n", text);
    clean(text, sizeof text, chart->y_label);
    fprintf(out, "set ylabel \"%s\" noenhanced\n", text);
    if (chart->log_x) fprintf(out, "set logscale x %d\n", chart->log_x > 1 ? chart->log_x : 10);
    if (chart->log_y) fputs("set logscale y\n", out);
    range(out, "y", chart->y_low, chart->y_high);
    fputs(n ? "plot " : "plot NaN notitle", out);
    for (size_t c = 0; c < n; c++) {
        clean(text, sizeof text, curve[c].name);
        unsigned k = (unsigned)c;
        fprintf(out, "%s'%s.csv' using ($1==%zu?$3:NaN):4", c ? ", \\\n  " : "", chart->file, c);
        if (curve[c].style == HW_CURVE_LINE && !text[0]) /* intervals of another's points */
            fputs(" with lines lw 1 dt 1", out);
        else if (curve[c].style == HW_CURVE_LINE)
            fprintf(out, " with lines lw 2 dt %u", k % 5 + 1);
        else if (curve[c].style == HW_CURVE_CROSSES)
            fputs(" with points pt 2 ps 1", out);
        else if (curve[c].style == HW_CURVE_POINTS)
            fprintf(out, " with points pt %u ps 0.8", k % 7 + 4);
        else
            fprintf(out, " with linespoints lw 2 dt %u pt %u ps 0.7", k % 5 + 1, k % 7 + 4);
        unsigned colour = curve[c].colour ? curve[c].colour - 1 : k;
        fprintf(out, " lc rgb '%s' title \"%s\"", hw__report_colour(colour), text);
        if (curve[c].spread)
            fprintf(out, ", \\\n  '%s.csv' using ($1==%zu?$3:NaN):4:5 with yerrorbars pt %u ps 0.7 lc rgb '%s' notitle",
                    chart->file, c, k % 7 + 4, hw__report_colour(colour));
    }
    fputc('\n', out);
    return hw__file_write_end(&w, why);
}

hw_status hw_report_chart(hw_report *r, const hw_chart *chart, const hw_curve *curves, size_t n, char *why)
{
    char script[200], file[200], link[300];
    if (!r || !chart || !plain_name(chart->file) || (n && !curves))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_report_chart: a file name of at most 100 letters, digits, points, _ and - is needed");
    hw_status status = write_points(r, chart, curves, n, why);
    if (status == HW_OK) status = write_script(r, chart, curves, n, script, sizeof script, why);
    if (status != HW_OK) return status;
    (void)snprintf(file, sizeof file, "%s.svg", chart->file);
    (void)snprintf(link, sizeof link, "<p class=\"note\">data: <a href=\"%s.csv\">%s.csv</a></p>\n", chart->file,
                   chart->file);
    status = hw__report_plot(r, script) ? hw__report_inline(r, file) : HW_OK;
    return status == HW_OK ? hw__report_put(r, link) : status;
}
