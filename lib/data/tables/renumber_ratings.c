/* renumber_ratings.c - ratings of a file of their own under the numbers that other ratings' users and items have. */
#include "../../base/base.h"
#include "hogwild/tables.h"
#include "ids.h"
#include "ratings.h"
#include "../mix.h"
#include <stdlib.h>

/* number[i]: what train calls number i of r, UINT32_MAX where it has none. */
static bool numbers_of(const uint64_t *own, uint32_t count, const uint64_t *other, uint32_t others, uint32_t *number)
{
    ids t = {.key = mix_key(other)};
    uint32_t at;
    bool fits = true;
    for (uint32_t i = 0; fits && i < others; i++) fits = hw__ids_number(&t, other[i], &at);
    for (uint32_t i = 0; fits && i < count; i++) {
        fits = hw__ids_number(&t, own[i], &at); /* an id that is new comes after all others */
        number[i] = at < others ? at : UINT32_MAX;
    }
    free(t.id);
    hw__base_free(t.slot);
    return fits;
}

hw_status hw_ratings_renumber(hw_ratings *r, const hw_ratings *train, uint32_t *left_out, char *why)
{
    if (!r || !train || !r->count || !r->user_id || !r->item_id || !train->user_id || !train->item_id)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_renumber: two sets of ratings with ids are needed");
    uint32_t *user = hw__base_zalloc(r->users, sizeof *user), *item = hw__base_zalloc(r->items, sizeof *item), kept = 0;
    uint64_t *user_id = NULL, *item_id = NULL;
    hw_status status = HW_OK;
    if (!user || !item || !hw__ratings_copy_ids(&user_id, train->user_id, train->users) ||
        !hw__ratings_copy_ids(&item_id, train->item_id, train->items) ||
        !numbers_of(r->user_id, r->users, train->user_id, train->users, user) ||
        !numbers_of(r->item_id, r->items, train->item_id, train->items, item))
        status = hw__base_fail(why, HW_E_MEMORY, "hw_ratings_renumber: no memory");
    for (uint32_t i = 0; status == HW_OK && i < r->count; i++)
        kept += user[r->rating[i].user] != UINT32_MAX && item[r->rating[i].item] != UINT32_MAX;
    if (status == HW_OK && !kept)
        status =
            hw__base_fail(why, HW_E_FORMAT,
                          "none of the %u ratings is of a user and an item that the training ratings have", r->count);
    if (status == HW_OK) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < r->count; i++) {
            const hw_rating x = {user[r->rating[i].user], item[r->rating[i].item], r->rating[i].value};
            if (x.user != UINT32_MAX && x.item != UINT32_MAX) r->rating[n++] = x;
        }
        if (left_out) *left_out = r->count - n;
        r->count = n;
        hw__base_free(r->user_id);
        hw__base_free(r->item_id);
        r->users = train->users;
        r->items = train->items;
        r->user_id = user_id;
        r->item_id = item_id;
        hw__ratings_measure(r);
        user_id = item_id = NULL;
    }
    hw__base_free(user_id);
    hw__base_free(item_id);
    hw__base_free(user);
    hw__base_free(item);
    return status;
}
