/* words.h - what word vectors are good for: word2vec's file formats, the nearest words, and the analogy
 * questions of Mikolov et al. (Athens is to Greece as Oslo is to ...?). */
#ifndef SUPPORT_WORDS_H
#define SUPPORT_WORDS_H

#include <hogwild.h>
#include <stdbool.h>
#include <stdio.h>

/* A vector for every word of a corpus: word v's stands at rows + v * stride. All of it is borrowed. */
typedef struct words_table {
    const hw_corpus *corpus;
    const float *rows;
    size_t stride;
    unsigned dimension;
} words_table;

/* A file that is written beside its name and renamed over it at the end. Opened before the training, so that a name
 * that cannot be written costs nothing. why: HW_WHY bytes. */
typedef struct words_file {
    FILE *stream;
    char path[1024], temporary[1040];
} words_file;
bool words_open(words_file *file, const char *path, char *why);
/* word2vec.c's text or binary format, byte for byte as it writes them. */
bool words_save(words_file *file, const words_table *table, bool binary, char *why);
void words_discard(words_file *file);

/* The `count` words with the largest cosine to `word`, best first; returns how many there are. */
unsigned words_nearest(const words_table *table, uint32_t word, unsigned count, uint32_t *near, double *cosine);

/* Words, or for generated topics: share of them whose nearest word is of the same topic; own: words of a topic. */
double words_in_topic(const words_table *table, uint32_t own);

enum { WORDS_SECTIONS = 64 };
typedef struct words_section {
    char name[48];
    unsigned questions, asked, right; /* asked: all four words are known */
} words_section;
typedef struct words_score {
    words_section section[WORDS_SECTIONS];
    unsigned sections;
    words_section all, semantic, syntactic; /* syntactic: sections named gram... */
} words_score;
/* 3CosAdd among the first `limit` words (0: all), in lower case; questions with a word that is not among them are left
 * out, and a question's own three words are no answers. Runs on all cores. False after a sentence in why. */
bool words_analogies(const words_table *table, const char *questions, uint32_t limit, words_score *score, char *why);

#endif
