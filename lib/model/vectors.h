/* vectors.h (internal) - word vectors: the words' texts, their rows, and a table to find a word by its text. */
#ifndef HW__MODEL_VECTORS_H
#define HW__MODEL_VECTORS_H

#include "../base/base.h"
#include "hogwild/model_files.h"

struct hw_vectors {
    uint32_t words;
    unsigned dimension;
    char *text;            /* the words, each ended by a zero byte */
    uint64_t *at;          /* words: where each begins in text */
    float *row;            /* words x dimension */
    uint32_t *slot, slots; /* word + 1, or 0; a power of two of them */
    uint64_t key;          /* of the table: a file of chosen words must not fall into one chain */
};

/* Memory for so many words of together `letters` bytes with their ends. NULL: there is none. */
hw_vectors *hw__vectors_allocate(uint32_t words, unsigned dimension, size_t letters);
/* The table, when all texts stand. False: a word comes twice. */
bool hw__vectors_enter(hw_vectors *v);

#endif
