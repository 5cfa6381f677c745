/* part_ratings.c - the ratings of a block of users, so that several machines have their own. */
#include "../../base/base.h"
#include "ratings.h"
#include <stdlib.h>

/* The first user of part `part` of `parts`: those before have that share of the ratings, about. before: how many
 * ratings users before each have. */
static uint32_t first_of(const uint64_t *before, uint32_t users, unsigned part, unsigned parts)
{
    const uint64_t wanted = before[users] / parts * part + before[users] % parts * part / parts;
    uint32_t low = 0, high = users;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (before[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

hw_status hw_ratings_of_users(hw_ratings *r, unsigned part, unsigned parts, uint32_t *first, uint32_t *count, char *why)
{
    if (!r || !first || !count) return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_of_users: an argument is NULL");
    if (part >= parts)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_of_users: part is %u of %u: parts are numbered from 0",
                             part, parts);
    uint64_t *before = hw__base_zalloc((size_t)r->users + 1, sizeof *before);
    if (!before) return hw__base_fail(why, HW_E_MEMORY, "hw_ratings_of_users: no memory for %u users", r->users);
    for (uint32_t i = 0; i < r->count; i++) before[r->rating[i].user + 1]++;
    for (uint32_t u = 0; u < r->users; u++) before[u + 1] += before[u];
    const uint32_t from = part ? first_of(before, r->users, part, parts) : 0;
    const uint32_t end = part + 1 < parts ? first_of(before, r->users, part + 1, parts) : r->users;
    const uint64_t kept = before[end] - before[from];
    hw__base_free(before);
    if (!kept)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_of_users: part %u of %u of %u users has no ratings", part,
                             parts, r->users);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->rating[i].user >= from && r->rating[i].user < end) r->rating[n++] = r->rating[i];
    hw_rating *less = realloc(r->rating, n * sizeof *less);
    if (less) r->rating = less;
    r->count = n;
    *first = from;
    *count = end - from;
    return HW_OK;
}
