/* part_ratings.c - the ratings of a block of users, so that several machines have their own, and the scale of all. */
#include "../../base/base.h"
#include "ratings.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

double hw_ratings_deviation(const hw_ratings *r)
{
    double mean = 0, squares = 0;
    for (uint32_t i = 0; r && i < r->count; i++) {
        double gap = (double)r->rating[i].value - mean;
        mean += gap / (i + 1.0);
        squares += gap * ((double)r->rating[i].value - mean);
    }
    double deviation = r && r->count ? sqrt(squares / r->count) : 0;
    return deviation > 1e-30 && hw__base_finite((float)deviation) ? deviation : 1;
}

/* Where part `part` of `parts` begins and ends: each ends at the user where what it has is nearest to its share of what
 * was left, with one at least, and one left for each part behind it. of: how many ratings each user has; rated: users
 * that have any. */
static void cut(const uint32_t *of, uint32_t users, uint32_t rated, unsigned part, unsigned parts, uint32_t *first,
                uint32_t *end)
{
    uint64_t left = 0;
    uint32_t at = 0;
    for (uint32_t u = 0; u < users; u++) left += of[u];
    for (unsigned p = 0; p <= part; p++) {
        const uint64_t share = left / (parts - p);
        uint64_t has = 0;
        *first = at;
        for (; at < users && p + 1 < parts; at++) {
            const bool enough = has > 0 && has + of[at] / 2 >= share, needed = has > 0 && rated <= parts - p - 1;
            if (of[at] && (enough || needed)) break;
            has += of[at];
            rated -= of[at] > 0;
        }
        if (p + 1 == parts) at = users;
        left -= has;
    }
    *end = at;
}

hw_status hw_ratings_of_users(hw_ratings *r, unsigned part, unsigned parts, uint32_t *first, uint32_t *count, char *why)
{
    if (!r || !first || !count) return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_of_users: an argument is NULL");
    if (part >= parts)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_of_users: part is %u of %u: parts are numbered from 0",
                             part, parts);
    uint32_t *of = hw__base_zalloc((size_t)r->users + 1, sizeof *of), rated = 0, from, end;
    if (!of) return hw__base_fail(why, HW_E_MEMORY, "hw_ratings_of_users: no memory for %u users", r->users);
    for (uint32_t i = 0; i < r->count; i++) rated += of[r->rating[i].user]++ == 0;
    if (rated >= parts) cut(of, r->users, rated, part, parts, &from, &end);
    hw__base_free(of);
    if (rated < parts)
        return hw__base_fail(why, HW_E_ARGUMENT, "%u users have ratings, too few for %u parts", rated, parts);
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
