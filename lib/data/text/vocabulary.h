/* vocabulary.h (internal) - the words of a text and how often each is seen: a hash table that keeps its own copy of
 * them, so that it needs no text beside it. The words are bytes; it knows nothing of spaces, lines or files. */
#ifndef HW__DATA_TEXT_VOCABULARY_H
#define HW__DATA_TEXT_VOCABULARY_H

#include "hogwild/base.h"

#define VOCABULARY_LONGEST 255 /* bytes of a word */

typedef struct hw__vocabulary_word {
    uint32_t at;    /* in text, where it ends in a zero byte                             */
    uint32_t count; /* stops at 2^32 - 1: a corpus does not hold a word that often anyway */
} hw__vocabulary_word;

typedef struct vocabulary {
    hw__vocabulary_word *word;
    char *text;
    uint32_t *slot; /* 0: empty, else the number of a word + 1; at most three quarters full */
    uint32_t words;
    size_t room, bytes, text_room, slots;
    uint64_t key; /* of the hash, see mix.h; set by the owner before the first word */
} vocabulary;

/* One more of a word of 1 .. VOCABULARY_LONGEST bytes without a zero. HW_E_MEMORY; HW_E_LIMIT where the words take
 * 2^32 bytes. */
hw_status hw__vocabulary_count(vocabulary *v, const char *word, size_t length);
/* Its number in order of appearance, or UINT32_MAX. */
uint32_t hw__vocabulary_find(const vocabulary *v, const char *word, size_t length);
void hw__vocabulary_free(vocabulary *v);

#endif
