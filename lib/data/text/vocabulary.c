/* vocabulary.c - linear probing over 32-bit slots; words and counts lie apart in arrays that grow by half. At worst it
 * takes some 40 bytes a word beside the text, of which a word that is seen for the first time takes three or more (all
 * but the 248 shortest). */
#include "vocabulary.h"
#include "../../base/base.h"
#include "../mix.h"
#include <stdlib.h>
#include <string.h>

static size_t length_of(const vocabulary *v, uint32_t i)
{
    return (i + 1 < v->words ? v->word[i + 1].at : v->bytes) - v->word[i].at - 1;
}

/* The slot that the word is in or would come into. */
static size_t slot_of(const vocabulary *v, const char *word, size_t length)
{
    size_t at = mix_bytes(v->key, word, length) & (v->slots - 1);
    for (; v->slot[at]; at = (at + 1) & (v->slots - 1)) {
        uint32_t i = v->slot[at] - 1;
        if (length_of(v, i) == length && memcmp(v->text + v->word[i].at, word, length) == 0) break;
    }
    return at;
}

/* `count` entries of `size` bytes have to fit; by half more at a time, so that old and new together stay small. */
static void *grown(void *memory, size_t *room, size_t count, size_t size)
{
    if (count <= *room) return memory;
    size_t more = *room + *room / 2;
    if (more < count + 64) more = count + 64;
    void *new = realloc(memory, more * size);
    if (new) *room = more;
    return new;
}

static bool make_room(vocabulary *v, size_t length)
{
    void *p = grown(v->word, &v->room, (size_t)v->words + 1, sizeof *v->word);
    if (!p) return false;
    v->word = p;
    p = grown(v->text, &v->text_room, v->bytes + length + 1, 1);
    if (!p) return false;
    v->text = p;
    if (v->words < v->slots / 4 * 3) return true;
    size_t slots = v->slots ? 2 * v->slots : 256;
    uint32_t *slot = hw__base_zalloc(slots, sizeof *slot);
    if (!slot) return false;
    for (uint32_t i = 0; i < v->words; i++) {
        size_t at = mix_bytes(v->key, v->text + v->word[i].at, length_of(v, i)) & (slots - 1);
        while (slot[at]) at = (at + 1) & (slots - 1);
        slot[at] = i + 1;
    }
    hw__base_free(v->slot);
    v->slot = slot;
    v->slots = slots;
    return true;
}

hw_status hw__vocabulary_count(vocabulary *v, const char *word, size_t length)
{
    if (v->slots) {
        uint32_t found = v->slot[slot_of(v, word, length)];
        if (found) {
            hw__vocabulary_word *w = v->word + found - 1;
            w->count += w->count < UINT32_MAX;
            return HW_OK;
        }
    }
    if (v->bytes + length + 1 > UINT32_MAX) return HW_E_LIMIT;
    if (!make_room(v, length)) return HW_E_MEMORY;
    size_t at = slot_of(v, word, length); /* the table may have grown */
    v->word[v->words] = (hw__vocabulary_word){(uint32_t)v->bytes, 1};
    memcpy(v->text + v->bytes, word, length);
    v->text[v->bytes + length] = 0;
    v->bytes += length + 1;
    v->slot[at] = ++v->words;
    return HW_OK;
}

uint32_t hw__vocabulary_find(const vocabulary *v, const char *word, size_t length)
{
    uint32_t found = v->slots ? v->slot[slot_of(v, word, length)] : 0;
    return found ? found - 1 : UINT32_MAX;
}

void hw__vocabulary_free(vocabulary *v)
{
    hw__base_free(v->word);
    hw__base_free(v->text);
    hw__base_free(v->slot);
    memset(v, 0, sizeof *v);
}
