/* record.c - finished runs in memory, and in a CSV file that a measuring which was interrupted goes on from. A run is
 * known by a key of everything that it depends on; what the objective computes from is not in it. */
#include "../base/files.h"
#include "../base/hash.h"
#include "../base/number.h"
#include "efficiency.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const char head[] =
    "key,seed,tuning,met,diverged,spent,updates,time,metric,staleness,dispersion,learning_rate,momentum,"
    "seconds,at_work,work_ns,ages,row\n";
enum { NUMBERS = 14, LINE = 1024, CAP = 256 << 20 };

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hw__hash(hash, text, strlen(text) + 1);
}

static uint64_t hash_clocks(uint64_t hash, const hw_clock *each, unsigned n)
{
    for (unsigned i = 0; each && i < n; i++) {
        const double x[] = {(double)each[i].kind, each[i].shape, each[i].mean};
        hash = hw__hash(hash, x, sizeof x);
    }
    return hash;
}

/* The options, and what stands behind pointers. */
static uint64_t hash_config(uint64_t hash, const hw_config *c)
{
    /* How long a run may be and how often it is looked at stands in the key by itself. */
    static const char *const free_options[] = {"updates", "epochs", "evaluate_every", "evaluate_epochs", "progress_ms"};
    for (size_t i = 0; i < hw_option_count(); i++) {
        hw_option o;
        char value[64];
        bool taken = hw_option_get(i, &o) == HW_OK && hw_config_get(c, o.name, value, sizeof value) == HW_OK;
        for (size_t k = 0; taken && k < sizeof free_options / sizeof *free_options; k++)
            taken = strcmp(o.name, free_options[k]) != 0;
        if (taken) hash = hash_text(hash, value);
    }
    hash = hash_clocks(hash, c->work.each, c->workers);
    hash = hash_clocks(hash, c->simulation.each, c->workers);
    for (size_t i = 0; i < c->optimizer.n_sections; i++) {
        const hw_section *x = c->optimizer.sections + i;
        const double numbers[] = {(double)x->first, (double)x->count, (double)x->rate, (double)x->decay};
        hash = hw__hash(hash, numbers, sizeof numbers);
    }
    for (size_t i = 0; c->own_steps && i < c->n_own_steps; i++) {
        const double numbers[] = {c->own_steps[i].rate, isnan(c->own_steps[i].momentum) ? 2 : c->own_steps[i].momentum};
        hash = hw__hash(hash, numbers, sizeof numbers);
    }
    const hw_histogram *h = c->simulation.delays;
    if (h) {
        const double numbers[] = {(double)h->total, h->sum, (double)h->largest};
        hash = hw__hash(hash, numbers, sizeof numbers);
    }
    return hash;
}

uint64_t hw__efficiency_key(const hw_efficiency *e, const hw_config *c, bool tuning)
{
    char build[300];
    hw_build_info(build, sizeof build);
    uint64_t hash = hash_text(hash_text(hash_text(HW__HASH_START, e->name), e->data), build);
    hash = hash_config(hash, c);
    /* The limit of a run that tunes follows from the points before it. */
    const uint64_t also[] = {e->objective.parameters,
                             e->objective.examples,
                             e->objective.evaluation_examples,
                             e->plan.warm,
                             tuning,
                             c->updates,
                             c->evaluate_every,
                             hw_processors()};
    hash = hw__hash(hash, also, sizeof also);
    if (e->plan.warm) {
        hw_config warm = hw__efficiency_warm_config(e);
        hash = hash_config(hash, &warm);
    }
    return hash;
}

const hw__efficiency_kept *hw__efficiency_find(const hw_efficiency *e, uint64_t key)
{
    for (size_t i = 0; i < e->n_kept; i++)
        if (e->kept[i].key == key) return e->kept + i;
    return NULL;
}

static hw_status keep(hw_efficiency *e, hw__efficiency_kept *kept, char *why)
{
    if (e->n_kept == e->room) {
        size_t room = e->room ? 2 * e->room : 64;
        hw__efficiency_kept *more = hw__base_alloc(room, sizeof *more);
        if (!more) {
            hw__efficiency_forget(kept);
            return hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for the runs");
        }
        if (e->n_kept) memcpy(more, e->kept, e->n_kept * sizeof *more);
        hw__base_free(e->kept);
        e->kept = more;
        e->room = room;
    }
    e->kept[e->n_kept++] = *kept;
    return HW_OK;
}

/* --- lines ---------------------------------------------------------------------------------------------------------
 */

/* NULL: no memory. */
static char *print_line(const hw__efficiency_kept *kept, const char *label, size_t *length)
{
    const hw_efficiency_run *r = &kept->run;
    const char *work = kept->work ? kept->work : "", *staleness = kept->staleness ? kept->staleness : "";
    const size_t room = LINE + strlen(work) + strlen(staleness);
    char *line = hw__base_alloc(room, 1);
    if (!line) return NULL;
    const double x[NUMBERS] = {
        (double)r->seed, r->tuning,    r->met,        r->diverged,      r->spent,    r->updates, r->seconds_per_update,
        r->metric,       r->staleness, r->dispersion, r->learning_rate, r->momentum, r->seconds, r->at_work};
    size_t at = (size_t)snprintf(line, room, "%016llx", (unsigned long long)kept->key);
    for (int i = 0; i < NUMBERS; i++) {
        line[at++] = ',';
        at += hw__number_print(line + at, room - at, 17, hw__base_finite_double(x[i]) ? x[i] : NAN);
    }
    at += (size_t)snprintf(line + at, room - at, ",%s,%s,\"%s\"\n", work, staleness, label);
    *length = at;
    return line;
}

/* A text up to the next comma, which follows a comma; *at moves behind it. Empty ones are NULL; false: it is no
 * histogram. HW_E_MEMORY is *status. */
static bool parse_histogram(const char **at, const char *end, hw_histogram *room, char **text, hw_status *status)
{
    if (*at >= end || *(*at)++ != ',') return false;
    const char *stop = memchr(*at, ',', (size_t)(end - *at));
    if (!stop) return false;
    size_t n = (size_t)(stop - *at);
    *text = n ? hw__base_alloc(n + 1, 1) : NULL;
    if (n && !*text) *status = HW_E_MEMORY;
    if (*text) {
        memcpy(*text, *at, n);
        (*text)[n] = 0;
        hw_histogram_clear(room);
        if (!hw__efficiency_unpack(*text, room)) return false;
    }
    *at = stop;
    return *status == HW_OK;
}

static bool parse_line(const char *at, const char *end, hw_histogram *room, hw__efficiency_kept *kept,
                       hw_status *status)
{
    double x[NUMBERS];
    char *stop, text[17];
    if (end - at < 17) return false;
    memcpy(text, at, 16);
    text[16] = 0;
    if (strspn(text, "0123456789abcdef") != 16) return false;
    *kept = (hw__efficiency_kept){.key = strtoull(text, &stop, 16)};
    at += 16;
    for (int i = 0; i < NUMBERS; i++) {
        const char *next;
        if (*at++ != ',') return false;
        if (strncmp(at, "nan", 3) == 0 || strncmp(at, "-nan", 4) == 0) {
            x[i] = NAN;
            at += *at == '-' ? 4 : 3;
        } else if (hw__number_parse(at, &next, x + i)) {
            at = next;
        } else {
            return false;
        }
    }
    if (!parse_histogram(&at, end, room, &kept->work, status) ||
        !parse_histogram(&at, end, room, &kept->staleness, status))
        return false;
    if (*at != ',' || !(x[0] >= 0 && x[0] < 9e15) || !(x[4] >= 0) || !(x[5] >= 0)) return false;
    kept->run = (hw_efficiency_run){.seed = (uint64_t)x[0],
                                    .tuning = x[1] > 0,
                                    .met = x[2] > 0,
                                    .diverged = x[3] > 0,
                                    .spent = x[4],
                                    .updates = x[5],
                                    .seconds_per_update = x[6],
                                    .metric = x[7],
                                    .staleness = x[8],
                                    .dispersion = x[9],
                                    .learning_rate = x[10],
                                    .momentum = x[11],
                                    .seconds = x[12],
                                    .at_work = x[13]};
    return true;
}

static hw_status rewrite(const char *path, const unsigned char *data, size_t size, char *why)
{
    hw__file_writer w;
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    fwrite(data, 1, size, w.stream);
    return hw__file_write_end(&w, why);
}

static void forget_all(hw_efficiency *e)
{
    for (size_t i = 0; i < e->n_kept; i++) hw__efficiency_forget(e->kept + i);
    e->n_kept = 0;
}

hw_status hw__efficiency_read(hw_efficiency *e, char *why)
{
    hw__file f;
    if (!e->record || e->read || access(e->record, F_OK) != 0) return HW_OK;
    hw_status status = hw__file_read(e->record, CAP, &f, why);
    if (status != HW_OK) return status;
    size_t line = 1, at = sizeof head - 1, whole = f.size;
    while (whole && f.data[whole - 1] != '\n')
        whole--; /* the last line of a process that was killed while writing it */
    if (whole < at || memcmp(f.data, head, at) != 0) {
        bool begun = whole < at && f.size < at && memcmp(f.data, head, f.size) == 0;
        if (!begun)
            status = hw__base_fail(why, HW_E_FORMAT, "%.150s: line 1 is not the head of such a record", e->record);
        whole = 0;
    }
    forget_all(e);
    hw_histogram room = {0};
    if (status == HW_OK && hw__efficiency_histogram_init(&room) != HW_OK)
        status = hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for the record");
    while (status == HW_OK && at < whole) {
        const char *text = (const char *)f.data + at, *end = memchr(text, '\n', whole - at);
        hw__efficiency_kept kept = {0};
        line++;
        bool is_run = parse_line(text, end, &room, &kept, &status);
        if (status != HW_OK)
            (void)hw__base_fail(why, status, "hw_efficiency_measure: no memory for the record");
        else if (!is_run)
            status = hw__base_fail(why, HW_E_FORMAT, "%.150s: line %zu is no run", e->record, line);
        if (status == HW_OK && !hw__efficiency_find(e, kept.key))
            status = keep(e, &kept, why);
        else
            hw__efficiency_forget(&kept);
        at += (size_t)(end - text) + 1;
    }
    if (status == HW_OK && whole < f.size) status = rewrite(e->record, f.data, whole, why);
    hw__base_free(f.data);
    hw_histogram_free(&room);
    if (status != HW_OK) forget_all(e);
    e->read = status == HW_OK;
    return status;
}

/* A line that could not be written whole is taken back: the next one would be read as its end. */
static bool append(const char *path, const char *line, size_t n)
{
    int file = hw__file_open(path, O_WRONLY | O_CREAT | O_APPEND);
    if (file < 0) return false;
    off_t before = lseek(file, 0, SEEK_END);
    bool good = before >= 0 && (before > 0 || hw__file_write_all(file, head, sizeof head - 1)) &&
                hw__file_write_all(file, line, n);
    int why = errno;
    if (!good && before >= 0 && ftruncate(file, before) != 0) why = errno;
    if (close(file) != 0 && good) return false;
    errno = why;
    return good;
}

hw_status hw__efficiency_add(hw_efficiency *e, hw__efficiency_kept *kept, char *why)
{
    size_t n = 0;
    char *line = e->record ? print_line(kept, e->row[kept->run.row].label, &n) : NULL;
    hw_status status = HW_OK;
    if (e->record && !line)
        status = hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for a line of the record");
    else if (e->record && !append(e->record, line, n))
        status = hw__base_fail(why, HW_E_IO, "%.150s: %.80s", e->record, strerror(errno));
    hw__base_free(line);
    if (status == HW_OK) return keep(e, kept, why);
    hw__efficiency_forget(kept);
    return status;
}
