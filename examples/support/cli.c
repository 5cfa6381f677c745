/* cli.c - command lines, data, progress and reports of the bundled programs. */
#include "cli.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

volatile sig_atomic_t cli_interrupted;

int cli_error(const char *program, int status, const char *sentence)
{
    fprintf(stderr, "%s: %s\n", program, sentence);
    return status;
}

bool cli_can_write(const char *program, const char *path)
{
    char beside[1100], text[HW_WHY];
    struct stat there;
    if (!path) return true;
    if (!*path) return cli_error(program, 2, "a file needs a name") == 0;
    if (stat(path, &there) == 0 && S_ISDIR(there.st_mode)) {
        (void)snprintf(text, sizeof text, "%.150s: it is a folder", path);
        return cli_error(program, 1, text) == 0;
    }
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        (void)snprintf(text, sizeof text, "%.150s: it is a device or a pipe, which would be replaced by the file",
                       path);
        return cli_error(program, 1, text) == 0;
    }
    (void)snprintf(beside, sizeof beside, "%.1000s.part", path);
    FILE *f = fopen(beside, "wbx"); /* never over a file of the user's */
    if (!f && errno == EEXIST) return true;
    if (!f) (void)snprintf(text, sizeof text, "%.150s: %.80s", path, strerror(errno));
    if (!f) return cli_error(program, 1, text) == 0;
    (void)fclose(f);
    (void)remove(beside);
    return true;
}

bool cli_can_fill(const char *program, const char *folder)
{
    char path[1024], text[HW_WHY];
    struct stat there;
    if (!folder) return true;
    if (!*folder) return cli_error(program, 2, "a folder needs a name") == 0;
    (void)snprintf(path, sizeof path, "%.1000s", folder);
    /* Folders on the way are made: what there is already says whether they can be. */
    while (stat(path, &there) != 0 && errno == ENOENT && strcmp(path, ".") != 0) {
        char *end = strrchr(path, '/');
        if (end == path)
            end[1] = 0;
        else if (end)
            *end = 0;
        else
            (void)snprintf(path, sizeof path, ".");
    }
    if (stat(path, &there) == 0 && !S_ISDIR(there.st_mode))
        errno = ENOTDIR;
    else if (access(path, W_OK | X_OK) == 0)
        return true;
    (void)snprintf(text, sizeof text, "%.150s: %.80s", folder, strerror(errno));
    return cli_error(program, 1, text) == 0;
}

bool cli_make_folder(const char *folder)
{
    char path[1024];
    struct stat there;
    size_t n = strlen(folder);
    for (size_t i = 1; i <= n; i++) {
        if (folder[i] && folder[i] != '/') continue;
        (void)snprintf(path, sizeof path, "%.*s", (int)i, folder);
        if (mkdir(path, 0777) != 0 && errno != EEXIST) return false;
    }
    if (stat(folder, &there) == 0 && S_ISDIR(there.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

static bool find_option(const char *name, hw_option *option)
{
    for (size_t i = 0; i < hw_option_count(); i++)
        if (hw_option_get(i, option) == HW_OK && strcmp(option->name, name) == 0) return true;
    return false;
}

/* Word number i of "a|b|c" and its length; NULL beyond the last. */
static const char *choice(const char *choices, unsigned i, size_t *length)
{
    for (; i > 0 && choices; i--) {
        choices = strchr(choices, '|');
        if (choices) choices++;
    }
    if (choices) *length = strcspn(choices, "|");
    return choices;
}

/* The length of choices without the last, "user": that one takes a function, which a command line does not have. */
static int choices_without_user(const char *choices)
{
    size_t n = strlen(choices), tail = strlen("|user");
    return (int)(n > tail && strcmp(choices + n - tail, "|user") == 0 ? n - tail : n);
}

static void help_own(const cli *c, const cli_option *o)
{
    char left[64];
    if (o->kind == CLI_HEADING) {
        printf("\n%s\n", o->help);
    } else if (o->kind == CLI_CHOICE) {
        size_t n = 0;
        const char *now = choice(o->value, *(const unsigned *)(const void *)((const char *)c->context + o->at), &n);
        (void)snprintf(left, sizeof left, "%s NAME", o->flag);
        printf("  %-26s %s (%.*s; %s)\n", left, o->help, (int)n, now, o->value);
    } else {
        (void)snprintf(left, sizeof left, "%s %s", o->flag, o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
}

static void help(const cli *c)
{
    printf("%s - %s\n\nusage: %s [options]\n\nthis program\n", c->program, c->purpose, c->program);
    bool told = false;
    for (size_t i = 0; i <= c->n_own; i++) {
        if (!told && (i == c->n_own || c->own[i].kind == CLI_HEADING)) {
            printf("  %-26s %s\n  %-26s %s\n", "--help", "this text", "--version", "version, commit, BLAS");
            told = true;
        }
        if (i < c->n_own) help_own(c, c->own + i);
    }
    if (c->n_engine)
        printf("\ntraining (default; range)\n  %-26s %s\n", "--config FILE",
               "options from a file, as tune or --plan writes it, or a few of them; the command line comes after it");
    for (size_t i = 0; i < c->n_engine; i++) {
        const char *eq = strchr(c->engine[i], '=');
        hw_option o;
        char left[64], value[64];
        if (!find_option(eq + 1, &o)) continue;
        (void)hw_config_get(c->config, o.name, value, sizeof value);
        (void)snprintf(left, sizeof left, "%.*s %s", (int)(eq - c->engine[i]), c->engine[i],
                       o.type == HW_OPTION_CHOICE ? "NAME"
                       : o.type == HW_OPTION_INT  ? "N"
                                                  : "X");
        printf("  %-26s %s (%s%s%s", left, o.help, value, *o.unit ? " " : "", o.unit);
        if (o.type == HW_OPTION_CHOICE)
            printf("; %.*s)\n", choices_without_user(o.choices), o.choices);
        else if (o.high >= 1e9)
            printf("; from %g)\n", o.low);
        else
            printf(o.type == HW_OPTION_INT ? "; %.0f to %s%.0f)\n" : "; %g to %s%g)\n", o.low,
                   o.open_high ? "below " : "", o.high);
    }
    printf("\nexit status: 0 done, 1 the run failed, 2 wrong usage\n");
}

static int usage_error(const cli *c, const char *why)
{
    char text[HW_WHY + 64];
    (void)snprintf(text, sizeof text, "%s (--help lists the options)", why);
    return cli_error(c->program, 2, text);
}

static bool set_choice(const cli *c, const cli_option *o, const char *value)
{
    char text[200];
    size_t n = 0;
    const char *word;
    for (unsigned i = 0; (word = choice(o->value, i, &n)) != NULL; i++) {
        if (strlen(value) != n || strncmp(word, value, n) != 0) continue;
        *(unsigned *)(void *)((char *)c->context + o->at) = i;
        return true;
    }
    (void)snprintf(text, sizeof text, "%.40s %.40s: it must be one of %.90s", o->flag, value, o->value);
    return usage_error(c, text) == 0;
}

static bool set_own(const cli *c, const cli_option *o, const char *value)
{
    char *at = (char *)c->context + o->at, text[200];
    double x;
    switch (o->kind) {
    case CLI_TEXT: *(const char **)(void *)at = value; return true;
    case CLI_SWITCH: *(bool *)(void *)at = true; return true;
    case CLI_CALL: return c->set(c->context, o->flag, value);
    case CLI_CHOICE: return set_choice(c, o, value);
    case CLI_NUMBER:
    case CLI_WHOLE:
    case CLI_HEADING: break;
    }
    if (!cli_number(c->program, o->flag, value, o->low, o->high, &x)) return false;
    if (o->kind == CLI_NUMBER) {
        *(double *)(void *)at = x;
        return true;
    }
    if (floor(x) < x) {
        (void)snprintf(text, sizeof text, "%.40s %.40s: a whole number is needed", o->flag, value);
        return cli_error(c->program, 2, text) == 0;
    }
    *(unsigned *)(void *)at = (unsigned)x;
    return true;
}

/* Files of options come first, so that an option by itself means more, wherever it stands. */
static bool load_config(const cli *c, int argc, char **argv)
{
    char why[HW_WHY];
    for (int i = 1; i + 1 < argc && c->n_engine; i++)
        if (strcmp(argv[i], "--config") == 0 && hw_config_load(c->config, argv[++i], why) != HW_OK)
            return cli_error(c->program, 2, why) == 0;
    return true;
}

int cli_parse(const cli *c, int argc, char **argv)
{
    char why[HW_WHY], text[HW_WHY];
    if (!load_config(c, argc, argv)) return 2;
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *name = NULL;
        const cli_option *own = NULL;
        if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0) {
            help(c);
            return 0;
        }
        if (strcmp(flag, "--version") == 0) {
            hw_build_info(text, sizeof text);
            printf("%s\n", text);
            return 0;
        }
        for (size_t k = 0; k < c->n_own; k++)
            if (c->own[k].kind != CLI_HEADING && strcmp(c->own[k].flag, flag) == 0) own = c->own + k;
        for (size_t k = 0; k < c->n_engine; k++) {
            size_t n = (size_t)(strchr(c->engine[k], '=') - c->engine[k]);
            if (strlen(flag) == n && strncmp(flag, c->engine[k], n) == 0) name = c->engine[k] + n + 1;
        }
        bool file = c->n_engine && strcmp(flag, "--config") == 0;
        if (!own && !name && !file) {
            (void)snprintf(why, sizeof why, "there is no option '%.60s'", flag);
            return usage_error(c, why);
        }
        const char *value = NULL;
        if (!own || own->value) {
            if (++i == argc) {
                (void)snprintf(why, sizeof why, "%.60s needs a value", flag);
                return usage_error(c, why);
            }
            value = argv[i];
        }
        hw_option o;
        if (file) continue;
        if (own) {
            if (!set_own(c, own, value)) return 2;
        } else if (strcmp(value, "user") == 0 && find_option(name, &o) && o.choices) {
            (void)snprintf(why, sizeof why,
                           "%.30s user: it must be one of %.*s; user takes a function of a program's own", flag,
                           choices_without_user(o.choices), o.choices);
            return usage_error(c, why);
        } else if (hw_config_set(c->config, name, value, why) != HW_OK) {
            /* "config.workers is 0: ..." reads "--workers 0: ..." on a command line. */
            const char *colon = strstr(why, ": ");
            (void)snprintf(text, sizeof text, "%.60s %.60s%.130s", flag, value, colon ? colon : "");
            return usage_error(c, text);
        }
    }
    return -1;
}

bool cli_number(const char *program, const char *flag, const char *value, double low, double high, double *out)
{
    char *end, text[200];
    *out = strtod(value, &end);
    if (end != value && *end == 0 && *out >= low && *out <= high) return true;
    (void)snprintf(text, sizeof text, "%.40s %.40s: a number in [%g, %g] is needed", flag, value, low, high);
    (void)cli_error(program, 2, text);
    return false;
}

size_t cli_numbers(const char *list, double *x, size_t n)
{
    size_t count = 0;
    for (char *end; list; list = *end ? end + 1 : NULL, count++) {
        double next = strtod(list, &end);
        if (end == list || (*end && *end != ',')) return 0;
        if (count < n) x[count] = next;
    }
    return count;
}

/* The one that is named, else the user's. */
static void data_folder(const char *named, char *found, size_t size)
{
    if (named)
        (void)snprintf(found, size, "%s", named);
    else
        hw_data_folder(found, size);
}

bool cli_digits_set(const char *program, const char *folder, const char *set, cli_digits *d)
{
    char found[900], why[HW_WHY];
    memset(d, 0, sizeof *d);
    data_folder(folder, found, sizeof found);
    if (hw_idx_set_read(found, set, &d->train, &d->test, why) != HW_OK) return cli_error(program, 1, why) == 0;
    d->real = true;
    (void)snprintf(d->source, sizeof d->source, "%.40s, %u images of %u classes from %.90s", set, d->train.count,
                   d->train.classes, found);
    return true;
}

bool cli_digits_load(const char *program, const char *folder, bool required, uint32_t generated, cli_digits *d)
{
    char found[900], why[HW_WHY];
    memset(d, 0, sizeof *d);
    data_folder(folder, found, sizeof found);
    hw_status status = *found ? hw_mnist_read(found, &d->train, &d->test, why) : HW_E_IO;
    if (status == HW_OK) {
        d->real = true;
        (void)snprintf(d->source, sizeof d->source, "MNIST, %u images from %.120s", d->train.count, found);
        return true;
    }
    /* A folder without MNIST is no error unless it was named; a damaged file always is. */
    if (required || status != HW_E_IO) {
        (void)cli_error(program, 1, why);
        return false;
    }
    if (hw_digits_generate(generated, 1, &d->train) != HW_OK ||
        hw_digits_generate(generated / 6 + 1, 2, &d->test) != HW_OK) {
        (void)cli_error(program, 1, "no memory for generated digits");
        cli_digits_free(d);
        return false;
    }
    (void)snprintf(d->source, sizeof d->source, "%u generated digits (no MNIST found; set HOGWILD_DATA to use it)",
                   d->train.count);
    return true;
}

void cli_digits_free(cli_digits *d)
{
    hw_images_free(&d->train);
    hw_images_free(&d->test);
}

int cli_lenet_open(const char *program, const char *folder, const char *set, uint32_t images, uint32_t batch,
                   cli_lenet *l)
{
    char why[HW_WHY];
    memset(l, 0, sizeof *l);
    if (!(set ? cli_digits_set(program, folder, set, &l->digits)
              : cli_digits_load(program, folder, folder != NULL, images ? images : 60000, &l->digits)))
        return 1;
    if (images && images < l->digits.train.count) {
        l->digits.train.count = images;
        char all[sizeof l->digits.source];
        (void)snprintf(all, sizeof all, "%s", l->digits.source);
        if (l->digits.real)
            (void)snprintf(l->digits.source, sizeof l->digits.source, "%.140s, the first %u of them", all, images);
    }
    l->net = hw_net_lenet_classes(l->digits.train.classes, batch, why);
    l->task = (hw_net_task){l->net, &l->digits.train, &l->digits.test, NULL};
    hw_status status = l->net ? hw_net_objective(&l->task, &l->objective, why) : HW_E_ARGUMENT;
    if (status == HW_OK) l->params = aligned_alloc(64, (hw_net_parameters(l->net) * sizeof(float) + 63) / 64 * 64);
    if (l->params) return 0;
    cli_lenet_close(l);
    return cli_error(program, status == HW_OK ? 1 : 2, status == HW_OK ? "no memory" : why);
}

void cli_lenet_close(cli_lenet *l)
{
    free(l->params);
    hw_net_free(l->net);
    cli_digits_free(&l->digits);
}

void cli_caffe_solver(const hw_net *net, hw_config *config, hw_section *sections)
{
    config->optimizer.schedule.kind = HW_SCHEDULE_INV;
    config->optimizer.n_sections = hw_net_bias_sections(net, 2, 1, sections, 8);
    config->optimizer.sections = sections;
}

/* --- progress --------------------------------------------------------------------------------------------------- */

void cli_progress_init(cli_progress *p, FILE *out, const char *label, bool quiet, double epochs)
{
    *p = (cli_progress){out, label, quiet, isatty(fileno(out)) != 0, epochs, 10, NULL, 0};
}

static void line(const cli_progress *p, const hw_progress *n)
{
    char eta[32] = "", accuracy[32] = "", end[32] = "";
    if (p->epochs > 0) (void)snprintf(end, sizeof end, "/%g", p->epochs);
    if (n->fraction > 0 && n->fraction < 1)
        (void)snprintf(eta, sizeof eta, "  %.0f s left", n->seconds * (1 - n->fraction) / n->fraction);
    if (n->last) (void)snprintf(accuracy, sizeof accuracy, "  test %.2f %%", 100 * n->last->metric[1]);
    fprintf(p->out, "%-28s epoch %.2f%s  %.0f img/s  loss %.3f%s  staleness %.2f  momentum %.2f", p->label, n->epoch,
            end, n->examples_per_second, n->train_loss, accuracy, n->staleness, n->momentum);
    if (n->ahead > 0) fprintf(p->out, "  look-ahead %.1f", n->ahead);
    uint64_t lost, returns = hw_engine_returns(p->engine, &lost);
    unsigned at_work = hw_engine_at_work(p->engine, NULL);
    if (at_work && at_work < p->workers) fprintf(p->out, "  %u of %u at work", at_work, p->workers);
    if (returns)
        fprintf(p->out, "  back %llu time%s, %llu updates lost", (unsigned long long)returns, returns == 1 ? "" : "s",
                (unsigned long long)lost);
    fputs(eta, p->out);
}

hw_status cli_on_progress(void *context, const hw_progress *now)
{
    cli_progress *p = context;
    if (p->quiet || isnan(now->train_loss)) return HW_OK;
    if (p->terminal) {
        fputs("\r\033[K", p->out);
        line(p, now);
        (void)fflush(p->out);
    } else if (now->seconds >= p->next_plain) {
        p->next_plain = now->seconds + 10;
        line(p, now);
        fputc('\n', p->out);
        (void)fflush(p->out);
    }
    return HW_OK;
}

void cli_progress_done(cli_progress *p)
{
    if (p->terminal && !p->quiet) fputs("\r\033[K", p->out);
}

/* --- interrupt, machine, report ---------------------------------------------------------------------------------- */

static void interrupted(int number)
{
    (void)number;
    if (cli_interrupted) _exit(130);
    cli_interrupted = 1;
}

void cli_catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupted;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

void cli_machine(char *text, size_t size)
{
    char model[100] = "unknown processor", row[200];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(row, sizeof row, f)) {
        char *colon = strchr(row, ':');
        if (strncmp(row, "model name", 10) != 0 || !colon) continue;
        row[strcspn(row, "\n")] = 0;
        (void)snprintf(model, sizeof model, "%.90s", colon + 2);
        break;
    }
    if (f) (void)fclose(f);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned usable = hw_processors();
    int n = snprintf(text, size, "%s, %ld cores", model, cores);
    if (n > 0 && (long)usable < cores) (void)snprintf(text + n, size - (size_t)n, ", %u usable", usable);
}

double cli_curvature(const hw_objective *objective, const float *params)
{
    uint32_t index[256];
    double h = 0;
    if (objective->examples < 256) return 0;
    for (uint32_t i = 0; i < 256; i++) index[i] = hw_permute(1, 0, objective->examples, i);
    return hw_curvature(objective, params, index, 256, 8, 1, &h, NULL) == HW_OK ? h : 0;
}

hw_status cli_report_run(hw_report *report, const char *name, hw_engine *engine, unsigned metrics,
                         const hw_result *result)
{
    size_t n, m;
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(engine);
    const hw_evaluation *ev = hw_engine_evaluations(engine, &n);
    const hw_setting *settings = hw_engine_settings(engine, &m);
    hw_status status = hw_histogram_init(&h, hw_staleness_exact(s));
    if (status == HW_OK) {
        hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
        status = hw_report_run(report, name, ev, n, metrics, settings, m, h.largest > 0 ? &h : NULL);
    }
    hw_histogram_free(&h);
    if (status == HW_OK) {
        status = hw_run_json(engine, name, result, hw_report_lines(report));
        fputc('\n', hw_report_lines(report));
    }
    return status;
}
