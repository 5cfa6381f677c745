/* ratings.c - files of ratings in the forms of MovieLens and as CSV, and a share of them apart as a test set. Every
 * byte is untrusted: the tables are sized by the bytes present, and every mistake names its line. */
#include "../../base/files.h"
#include "../../base/base.h"
#include "delimited.h"
#include "hogwild/tables.h"
#include "ids.h"
#include "ratings.h"
#include "../mix.h"
#include "../text/text.h"
#include <stdlib.h>
#include <string.h>

#define CAP ((size_t)1 << 33)

enum { USER, ITEM, VALUE, ROLES };
static const char *const role_name[ROLES] = {"user", "item", "rating"};

void hw_ratings_free(hw_ratings *r)
{
    if (!r) return;
    hw__base_free(r->rating);
    hw__base_free(r->user_id);
    hw__base_free(r->item_id);
    memset(r, 0, sizeof *r);
}

/* --- the first line ------------------------------------------------------------------------------------------------
 */

typedef struct reader {
    const char *path;
    char *why;
    delimited text, first; /* first: where the first rating begins, to find the line of an earlier one again */
    size_t column[ROLES], columns;
    uint64_t key;
    ids users, items;
    hw_rating *rating;
    uint32_t count;
    size_t room;    /* of rating: an upper bound of the records present */
    uint32_t *pair; /* 0: empty, else the number of a rating + 1; at most half full */
    size_t pairs;
} reader;

/* The name without regard to case, '_', '-' and spaces. */
static bool same_name(const char *from, const char *to, const char *name)
{
    for (; from < to; from++) {
        char c = *from >= 'A' && *from <= 'Z' ? (char)(*from + 'a' - 'A') : *from;
        if (c == '_' || c == '-' || c == ' ') continue;
        if (c != *name) return false;
        name++;
    }
    return *name == 0;
}

static int role_of(const char *from, const char *to)
{
    static const char *const names[ROLES][8] = {
        {"user", "userid", "uid", "reviewer", "reviewerid", "customer", "customerid", NULL},
        {"item", "itemid", "iid", "movie", "movieid", "product", "productid", NULL},
        {"rating", "ratings", "score", "value", "stars", "starrating", NULL},
    };
    for (int role = 0; role < ROLES; role++)
        for (int i = 0; names[role][i]; i++)
            if (same_name(from, to, names[role][i])) return role;
    return ROLES;
}

/* The first line as a header with this separator: how many of the roles it names, -1 where one is named twice. What is
 * wrong with its quotes, if anything, into *wrong. */
static int read_header(delimited *d, size_t *column, size_t *columns, const char **wrong)
{
    int found = 0;
    *columns = 0;
    for (int role = 0; role < ROLES; role++) column[role] = SIZE_MAX;
    do {
        const char *from, *to;
        *wrong = hw__delimited_field(d, &from, &to);
        if (*wrong) return found;
        int role = role_of(from, to);
        if (role < ROLES) {
            if (column[role] != SIZE_MAX) return -1;
            column[role] = *columns;
            found++;
        }
        ++*columns;
    } while (!d->ended);
    return found;
}

static bool holds(const char *from, const char *to, const char *part, size_t n)
{
    for (; (size_t)(to - from) >= n; from++)
        if (memcmp(from, part, n) == 0) return true;
    return false;
}

/* A file without a header: the first three columns, and as many in all as the first record has. */
static void plain_columns(reader *r, const char *separator)
{
    r->text.width = (unsigned)strlen(separator);
    memcpy(r->text.separator, separator, r->text.width);
    for (size_t role = 0; role < ROLES; role++) r->column[role] = role;
    delimited d = r->text;
    do {
        const char *from, *to;
        (void)hw__delimited_field(&d, &from, &to); /* without quotes nothing can be wrong */
        r->columns++;
    } while (!d.ended);
    if (r->columns < ROLES) r->columns = ROLES;
}

static hw_status tell_form(reader *r)
{
    static const char separators[] = "\t;,";
    const char *begin = r->text.at, *end = memchr(begin, '\n', (size_t)(r->text.end - begin));
    const char *wrong[3];
    size_t column[3][ROLES], columns[3];
    int found[3], best = 0;
    if (!end) end = r->text.end;
    if (holds(begin, end, "::", 2)) {
        plain_columns(r, "::");
        return HW_OK;
    }
    for (int i = 0; i < 3; i++) {
        delimited d = r->text;
        d.separator[0] = separators[i];
        d.width = 1;
        d.quotes = true;
        found[i] = read_header(&d, column[i], &columns[i], &wrong[i]);
        if (found[i] < 0)
            return hw__base_fail(r->why, HW_E_FORMAT,
                                 "%.120s: line 1: two columns have a name of the user, the item or the rating",
                                 r->path);
        if (found[i] == ROLES && !wrong[i]) {
            memcpy(r->column, column[i], sizeof r->column);
            r->columns = columns[i];
            r->text = d;
            return HW_OK;
        }
        if (found[i] > found[best] || (found[i] == found[best] && columns[i] > columns[best])) best = i;
    }
    if (found[best] == 0 && holds(begin, end, "\t", 1)) {
        plain_columns(r, "\t");
        return HW_OK;
    }
    if (wrong[best]) return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line 1: %s", r->path, wrong[best]);
    int role = column[best][USER] == SIZE_MAX ? USER : column[best][ITEM] == SIZE_MAX ? ITEM : VALUE;
    return hw__base_fail(r->why, HW_E_FORMAT,
                         "%.100s: line 1: no column is named %s: a header like userId,movieId,rating, or the form of "
                         "u.data or ratings.dat is expected",
                         r->path, role_name[role]);
}

/* --- the others ----------------------------------------------------------------------------------------------------
 */

/* One of the file's fields for a sentence: short and printable. */
static hw_status refuse(const reader *r, uint64_t line, int role, const char *from, const char *to,
                        const char *expected)
{
    char shown[32];
    size_t n = 0;
    for (; from < to && n < 24; from++) shown[n++] = *from >= ' ' && *from <= '~' ? *from : '?';
    if (from < to) {
        memcpy(shown + n, "...", 3);
        n += 3;
    }
    shown[n] = 0;
    return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line %llu: the %s is '%s': %s is expected", r->path,
                         (unsigned long long)line, role_name[role], shown, expected);
}

/* Cuts one record into the fields of the roles. */
static hw_status cut(const reader *r, delimited *d, const char **from, const char **to)
{
    uint64_t line = d->line;
    size_t n = 0;
    do {
        const char *a, *b, *wrong = hw__delimited_field(d, &a, &b);
        if (wrong)
            return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line %llu: %s", r->path, (unsigned long long)line,
                                 wrong);
        for (int role = 0; role < ROLES; role++)
            if (r->column[role] == n) {
                from[role] = a;
                to[role] = b;
            }
        n++;
    } while (!d->ended);
    if (n != r->columns)
        return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line %llu: it has %zu field%s: %zu are expected", r->path,
                             (unsigned long long)line, n, n == 1 ? "" : "s", r->columns);
    return HW_OK;
}

/* The line of an earlier rating: found by reading again, so that no line number is kept for the good ones. */
static uint64_t line_of(const reader *r, uint32_t number)
{
    delimited d = r->first;
    const char *from[ROLES], *to[ROLES];
    while (hw__delimited_record(&d) && number-- > 0)
        if (cut(r, &d, from, to) != HW_OK) break;
    return d.line;
}

static hw_status no_memory(const reader *r)
{
    return hw__base_fail(r->why, HW_E_MEMORY, "%.120s: no memory for its %zu bytes as ratings", r->path,
                         (size_t)(r->text.end - r->first.at));
}

static hw_status add(reader *r, uint64_t line, uint64_t user, uint64_t item, float value)
{
    hw_rating new = {0, 0, value};
    if (r->count == UINT32_MAX)
        return hw__base_fail(r->why, HW_E_LIMIT, "%.120s: line %llu: more than %u ratings", r->path,
                             (unsigned long long)line, UINT32_MAX);
    if (!hw__ids_number(&r->users, user, &new.user) || !hw__ids_number(&r->items, item, &new.item)) return no_memory(r);
    size_t at = mix(((uint64_t) new.user << 32 | new.item) ^ r->key) & (r->pairs - 1);
    for (; r->pair[at]; at = (at + 1) & (r->pairs - 1)) {
        const hw_rating *old = r->rating + r->pair[at] - 1;
        if (old->user == new.user && old->item == new.item)
            return hw__base_fail(r->why, HW_E_FORMAT,
                                 "%.110s: line %llu: user %llu and item %llu again: they have a rating in line %llu "
                                 "already",
                                 r->path, (unsigned long long)line, (unsigned long long)user, (unsigned long long)item,
                                 (unsigned long long)line_of(r, r->pair[at] - 1));
    }
    r->rating[r->count] = new;
    r->pair[at] = ++r->count;
    return HW_OK;
}

static hw_status read_record(reader *r)
{
    static const char whole[] = "a whole number from 0 to 2^64 - 1";
    const char *from[ROLES], *to[ROLES];
    uint64_t line = r->text.line, id[2];
    float value;
    hw_status status = cut(r, &r->text, from, to);
    if (status != HW_OK) return status;
    for (int role = USER; role <= ITEM; role++) {
        const char *at = from[role];
        if (!hw__text_unsigned(&at, to[role], &id[role]) || at != to[role])
            return refuse(r, line, role, from[role], to[role], whole);
    }
    const char *at = from[VALUE];
    if (!hw__text_float(&at, to[VALUE], &value) || at != to[VALUE] || !hw__base_finite(value))
        return refuse(r, line, VALUE, from[VALUE], to[VALUE], "a finite number");
    return add(r, line, id[USER], id[ITEM], value);
}

/* A record takes at least the six bytes of "1,1,1\n", the last one five; so the bytes present bound both tables. */
static hw_status make_room(reader *r)
{
    size_t lines = 1, bytes = (size_t)(r->text.end - r->text.at);
    for (const char *c = r->text.at; (c = memchr(c, '\n', (size_t)(r->text.end - c))) != NULL; c++) lines++;
    r->room = lines < bytes / 6 + 1 ? lines : bytes / 6 + 1;
    for (r->pairs = 64; r->pairs < 2 * r->room;) r->pairs *= 2;
    r->rating = hw__base_zalloc(r->room, sizeof *r->rating);
    r->pair = hw__base_zalloc(r->pairs, sizeof *r->pair);
    return r->rating && r->pair ? HW_OK : no_memory(r);
}

static hw_status read_all(reader *r)
{
    if (r->text.end - r->text.at >= 3 && memcmp(r->text.at, "\xef\xbb\xbf", 3) == 0) r->text.at += 3;
    if (r->text.at == r->text.end)
        return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line 1: the file is empty", r->path);
    const char *zero = memchr(r->text.at, 0, (size_t)(r->text.end - r->text.at));
    if (zero) {
        unsigned long long line = 1;
        for (const char *c = r->text.at; c < zero; c++) line += *c == '\n';
        return hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line %llu: a zero byte: a file of ratings is text", r->path,
                             line);
    }
    hw_status status = tell_form(r);
    if (status != HW_OK) return status;
    r->first = r->text;
    r->key = r->users.key = r->items.key = mix_key(r->text.at);
    status = make_room(r);
    while (status == HW_OK && hw__delimited_record(&r->text)) status = read_record(r);
    if (status == HW_OK && !r->count)
        status = hw__base_fail(r->why, HW_E_FORMAT, "%.120s: line %llu: there are no ratings after the header", r->path,
                               (unsigned long long)r->text.line);
    return status;
}

void hw__ratings_measure(hw_ratings *r)
{
    double sum = 0;
    r->low = r->high = r->count ? r->rating[0].value : 0;
    for (uint32_t i = 0; i < r->count; i++) {
        float v = r->rating[i].value;
        sum += v;
        if (v < r->low) r->low = v;
        if (v > r->high) r->high = v;
    }
    r->mean = r->count ? sum / r->count : 0;
}

/* To the size in use; where that fails the longer one is as good. */
static void *shrunk(void *memory, size_t count, size_t size)
{
    void *less = realloc(memory, count * size);
    return less ? less : memory;
}

hw_status hw_ratings_read(const char *path, size_t cap, hw_ratings *out, char *why)
{
    hw__file file;
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_read: the place for the ratings is NULL");
    memset(out, 0, sizeof *out);
    if (!path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_read: a path is needed");
    hw_status status = hw__file_read(path, cap ? cap : CAP, &file, why);
    if (status != HW_OK) return status;
    reader r = {.path = path, .why = why};
    r.text = r.first =
        (delimited){.at = (const char *)file.data, .end = (const char *)file.data + file.size, .line = 1};
    status = read_all(&r);
    hw__base_free(file.data);
    hw__base_free(r.pair);
    hw__base_free(r.users.slot);
    hw__base_free(r.items.slot);
    *out = (hw_ratings){.count = r.count,
                        .users = r.users.count,
                        .items = r.items.count,
                        .rating = r.rating,
                        .user_id = r.users.id,
                        .item_id = r.items.id};
    if (status != HW_OK) {
        hw_ratings_free(out);
        return status;
    }
    out->rating = shrunk(out->rating, out->count, sizeof *out->rating);
    out->user_id = shrunk(out->user_id, out->users, sizeof *out->user_id);
    out->item_id = shrunk(out->item_id, out->items, sizeof *out->item_id);
    hw__ratings_measure(out);
    return HW_OK;
}

/* --- a test set ----------------------------------------------------------------------------------------------------
 */

bool hw__ratings_copy_ids(uint64_t **to, const uint64_t *from, uint32_t count)
{
    *to = NULL;
    if (!from) return true;
    *to = hw__base_zalloc(count, sizeof **to);
    if (*to) memcpy(*to, from, count * sizeof **to);
    return *to != NULL;
}

hw_status hw_ratings_split(hw_ratings *all, double share, uint64_t seed, hw_ratings *train, hw_ratings *test, char *why)
{
    if (!all || !train || !test || all == train || all == test || train == test)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_split: three different places for ratings are needed");
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    if (!(share >= 0 && share <= 1) || !all->count)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_ratings_split: the share is %g of %u ratings: it must be in [0, 1] "
                             "of at least one",
                             share, all->count);
    uint32_t apart = (uint32_t)(share * all->count + 0.5), kept = all->count - apart;
    *test = (hw_ratings){.count = apart, .users = all->users, .items = all->items};
    test->rating = hw__base_zalloc(apart, sizeof *test->rating);
    if (!hw__ratings_copy_ids(&test->user_id, all->user_id, all->users) ||
        !hw__ratings_copy_ids(&test->item_id, all->item_id, all->items) || !test->rating) {
        hw_ratings_free(test);
        return hw__base_fail(why, HW_E_MEMORY, "hw_ratings_split: no memory for %u ratings", apart);
    }
    hw_rng rng;
    hw_rng_seed(&rng, seed, 0);
    for (uint32_t i = all->count - 1; i > 0; i--) { /* Fisher and Yates */
        uint32_t j = (uint32_t)hw_rng_below(&rng, (uint64_t)i + 1);
        hw_rating swap = all->rating[i];
        all->rating[i] = all->rating[j];
        all->rating[j] = swap;
    }
    memcpy(test->rating, all->rating + kept, apart * sizeof *test->rating);
    *train = *all;
    memset(all, 0, sizeof *all);
    train->count = kept;
    train->rating = shrunk(train->rating, kept ? kept : 1, sizeof *train->rating);
    hw__ratings_measure(train);
    hw__ratings_measure(test);
    return HW_OK;
}
