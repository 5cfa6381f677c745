/* grid.c - ratings cut into blocks that share no rows: users and items are put into parts at random, so that every part
 * has about as many ratings, and the ratings are ordered by the pair of parts that they lie in. */
#include "grid.h"
#include "../base/base.h"
#include <string.h>

/* How many ratings each row has: into count, which is zero. */
static void count_rows(const hw_ratings *r, bool items, uint32_t *count)
{
    for (uint32_t i = 0; i < r->count; i++) count[items ? r->rating[i].item : r->rating[i].user]++;
}

/* Rows by falling count, ties in random order: a counting sort over counts, the few rows that are above the last bin
 * come first as they are. */
static void sort_rows(const uint32_t *count, uint32_t rows, uint64_t seed, uint32_t *bin, uint32_t bins,
                      uint32_t *order)
{
    memset(bin, 0, bins * sizeof *bin);
    for (uint32_t i = 0; i < rows; i++) bin[count[i] < bins ? count[i] : bins - 1]++;
    for (uint32_t b = bins, from = 0; b-- > 0;) {
        uint32_t n = bin[b];
        bin[b] = from;
        from += n;
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t row = hw_permute(seed, 0, rows, i);
        order[bin[count[row] < bins ? count[row] : bins - 1]++] = row;
    }
}

/* The rows with most ratings first, each into the part that has least: parts end within one row of each other. */
static void deal(const uint32_t *count, const uint32_t *order, uint32_t rows, unsigned parts, uint64_t *load,
                 uint16_t *part)
{
    memset(load, 0, parts * sizeof *load);
    for (uint32_t i = 0; i < rows; i++) {
        unsigned least = 0;
        for (unsigned p = 1; p < parts; p++)
            if (load[p] < load[least]) least = p;
        part[order[i]] = (uint16_t)least;
        load[least] += count[order[i]];
    }
}

static hw_status split_rows(const hw_ratings *r, bool items, unsigned parts, uint64_t seed, uint16_t *part, char *why)
{
    enum { BINS = 65536 };
    uint32_t rows = items ? r->items : r->users, bins = r->count < BINS ? r->count + 1 : BINS;
    uint32_t *count = hw__base_zalloc(rows, sizeof *count), *order = hw__base_zalloc(rows, sizeof *order);
    uint32_t *bin = hw__base_zalloc(bins, sizeof *bin);
    uint64_t *load = hw__base_zalloc(parts, sizeof *load);
    hw_status status = HW_OK;
    if (count && order && bin && load) {
        count_rows(r, items, count);
        sort_rows(count, rows, seed, bin, bins, order);
        deal(count, order, rows, parts, load, part);
    } else {
        status = hw__base_fail(why, HW_E_MEMORY, "hw_factorize_objective: no memory to cut %u rows into parts", rows);
    }
    hw__base_free(count);
    hw__base_free(order);
    hw__base_free(bin);
    hw__base_free(load);
    return status;
}

/* Cell c of the grid. The side with more rows first: a worker keeps it from one block to the next where it can. */
static hw_block block_of(const hw_ratings *r, unsigned parts, uint32_t c, uint32_t first, uint32_t count)
{
    uint32_t user = c / parts, item = parts + c % parts;
    bool items = r->items > r->users;
    return (hw_block){first, count, {items ? item : user, items ? user : item}};
}

/* Ratings into the order of their blocks, then each block shuffled; empty blocks are left out. */
static void order_ratings(const hw_ratings *r, unsigned parts, const uint16_t *user, const uint16_t *item,
                          uint64_t seed, uint32_t *next, hw__factorize_grid *g)
{
    uint32_t cells = (uint32_t)parts * parts, from = 0;
    for (uint32_t i = 0; i < r->count; i++) next[user[r->rating[i].user] * parts + item[r->rating[i].item]]++;
    for (uint32_t c = 0; c < cells; c++) {
        uint32_t n = next[c];
        next[c] = from;
        if (n) g->block[g->blocks++] = block_of(r, parts, c, from, n);
        from += n;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        const hw_rating *x = r->rating + i;
        g->rating[next[user[x->user] * parts + item[x->item]]++] = *x;
    }
    for (uint32_t b = 0; b < g->blocks; b++) {
        hw_rng rng;
        hw_rating *list = g->rating + g->block[b].first;
        hw_rng_seed(&rng, seed, b);
        for (uint32_t i = g->block[b].count; i > 1; i--) {
            uint32_t k = (uint32_t)hw_rng_below(&rng, i);
            hw_rating swap = list[i - 1];
            list[i - 1] = list[k];
            list[k] = swap;
        }
    }
}

static hw_status cut(hw__factorize_grid *g, const hw_ratings *r, unsigned parts, uint64_t seed, char *why)
{
    size_t cells = (size_t)parts * parts;
    uint16_t *user = hw__base_zalloc(r->users, sizeof *user), *item = hw__base_zalloc(r->items, sizeof *item);
    uint32_t *next = hw__base_zalloc(cells, sizeof *next);
    g->block = hw__base_zalloc(cells, sizeof *g->block);
    hw_status status = HW_OK;
    if (!g->block || !user || !item || !next)
        status = hw__base_fail(why, HW_E_MEMORY, "hw_factorize_objective: no memory for %u ratings in %zu blocks",
                               r->count, cells);
    if (status == HW_OK) status = split_rows(r, false, parts, seed, user, why);
    if (status == HW_OK) status = split_rows(r, true, parts, seed + 1, item, why);
    if (status == HW_OK) order_ratings(r, parts, user, item, seed, next, g);
    hw__base_free(user);
    hw__base_free(item);
    hw__base_free(next);
    return status;
}

hw_status hw__factorize_grid_create(hw__factorize_grid **grid, const hw_ratings *r, unsigned parts, uint64_t seed,
                                    double scale, char *why)
{
    hw__factorize_grid *g = hw__base_zalloc(1, sizeof *g);
    hw_status status = HW_OK;
    if (g) g->rating = hw__base_alloc(r->count, sizeof *g->rating);
    if (!g || !g->rating)
        status =
            hw__base_fail(why, HW_E_MEMORY, "hw_factorize_objective: no memory for a copy of %u ratings", r->count);
    else if (parts)
        status = cut(g, r, parts, seed, why);
    else
        memcpy(g->rating, r->rating, r->count * sizeof *g->rating);
    if (status != HW_OK) {
        hw__factorize_grid_free(g);
        return status;
    }
    g->scale = scale;
    for (uint32_t i = 0; (scale < 1 || scale > 1) && i < r->count; i++)
        g->rating[i].value = (float)((double)g->rating[i].value / scale);
    *grid = g;
    return HW_OK;
}

void hw__factorize_grid_free(hw__factorize_grid *g)
{
    if (!g) return;
    hw__base_free(g->rating);
    hw__base_free(g->block);
    hw__base_free(g);
}
