/* tables.h - sparse data sets: rows with a few non-zeros (LIBSVM), ratings, and text as numbers of words; their
 * readers, binary cache, transforms, generators with a known optimum, and the figures of HOGWILD!'s theory.
 *
 * Every byte of a file is untrusted: sizes are checked against the bytes present before anything is allocated, numbers
 * are parsed independently of the locale, and every error names the file and the line. After a load succeeds every
 * index is below its bound and every value is finite; after it fails nothing is left allocated. Memory on a rejected
 * file stays below 64 kB + 16 bytes for each byte present; what a gzip file unpacks to is capped.
 *
 * The structs own their memory and are freed by their own free, which accepts a zeroed one. Read-only use from many
 * threads is safe. why: HW_WHY bytes or NULL. Errors: HW_E_IO, HW_E_FORMAT, HW_E_LIMIT, HW_E_MEMORY, HW_E_ARGUMENT,
 * HW_E_THREAD. */
#ifndef HOGWILD_TABLES_H
#define HOGWILD_TABLES_H

#include "base.h"
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- rows with a few non-zeros: compressed sparse rows ----------------------------------------------------------- */

typedef struct hw_sparse {
    uint32_t rows, columns;
    uint64_t nonzeros;
    uint64_t *offset; /* rows + 1: row i is entries offset[i] .. offset[i + 1] - 1                       */
    uint32_t *index;  /* nonzeros, ascending within a row, < columns                                     */
    float *value;     /* nonzeros, finite                                                                */
    float *label;     /* rows, finite                                                                    */
    void *map;        /* of a cache that is mapped (the arrays above then lie in it, read-only) or NULL  */
    size_t map_bytes;
} hw_sparse;
HW_API void hw_sparse_free(hw_sparse *s);

typedef struct hw_libsvm_options {
    size_t struct_size;
    int base;          /* number of the first feature: 0 or 1; -1: 0 where the file has an index 0, else 1 (a test set
                         may lack the 0 that its training set has: then say it for both)                          */
    uint32_t columns;  /* 0: as many as the data has; else an index beyond is an error                             */
    unsigned threads;  /* that parse; 0: one a core, at most 16                                                    */
    size_t cap;        /* most bytes that the file may unpack to; 0: 2^33                                          */
    const char *cache; /* file of the binary cache, "" = beside the data (path.hwcache), NULL = none. It is used where
                         it fits the data file's size, time and options and its checksum holds, else written anew;
                         a cache that cannot be written or is damaged is no error. A file that is there and does
                         not begin as a cache does is never replaced                                              */
} hw_libsvm_options;
HW_API hw_libsvm_options hw_libsvm_defaults(void);
/* Lines "label index:value ...", separated by spaces and tabs, LF or CRLF, of at most 2^24 bytes; '#' begins a comment,
 * plain or gzip, blank lines are skipped. Indices ascend within a line and are at most 2^32 - 2. An entry whose value
 * is 0 counts for the number of columns and is left out. qid: of ranking data is refused. options may be NULL. May
 * block on the file; threads that it starts have ended when it returns. A plain file is mapped meanwhile: one that
 * others cut short during the call ends the process with SIGBUS, as everywhere. */
HW_API hw_status hw_libsvm_read(const char *path, const hw_libsvm_options *options, hw_sparse *s, char *why);

/* The cache by itself: little-endian arrays under a header with a checksum (docs/formats.md), at least a row and a
 * column. save replaces the file whole or not at all. load maps it and checks everything in it; while the set lives,
 * the file must not be changed in place (that another save renames over it does no harm). HW_E_UNSUPPORTED on
 * big-endian machines. */
HW_API hw_status hw_sparse_save(const hw_sparse *s, const char *path, char *why);
HW_API hw_status hw_sparse_load(hw_sparse *s, const char *path, char *why);

/* Labels in place; on an error they are as before. SIGNS: two values (or, with split finite, below / at or above it)
 * become -1 and +1; where all are -1 or all +1 they stay, one other value alone is refused. CLASSES: the distinct
 * values in ascending order become 0 .. n - 1 (at most 256; *classes their number; values[256] which they were; either
 * may be NULL; where *classes is not 0 before, values holds the mapping of the training set and others are refused). A
 * mapped data set is copied first. */
HW_API hw_status hw_sparse_signs(hw_sparse *s, double split, char *why);
HW_API hw_status hw_sparse_classes(hw_sparse *s, unsigned *classes, float *values, char *why);
/* In how many rows each column is not zero: count[columns]. Neither may be NULL. */
HW_API void hw_sparse_frequency(const hw_sparse *s, uint32_t *count);
/* value *= scale[column], refused where a product is not finite; and every row to Euclidean length 1, where it has one.
 * A mapped data set is copied first. */
HW_API hw_status hw_sparse_scale(hw_sparse *s, const float *scale, char *why);
HW_API hw_status hw_sparse_unit_rows(hw_sparse *s, char *why);
/* idf[columns] = ln((1 + rows) / (1 + frequency)) + 1, of the training set. */
HW_API void hw_sparse_idf(const hw_sparse *s, float *idf);
/* Number the columns by how many rows of `train` they are in, the most frequent first: number[columns of train] says
 * which each has become, for undoing it on a model's weights. `other` (a test set, or NULL) is renumbered alike. */
HW_API hw_status hw_sparse_by_frequency(hw_sparse *train, hw_sparse *other, uint32_t *number, char *why);
/* Rows first .. first + count - 1 of a permutation (hw_permute, epoch 0) as a data set of its own. */
HW_API hw_status hw_sparse_subset(const hw_sparse *s, uint64_t seed, uint32_t first, uint32_t count, hw_sparse *out,
                                  char *why);

/* The figures of HOGWILD!'s theory (Niu et al. 2011, section 2): each row is an edge that touches its columns.
 *   omega: most non-zeros of a row; delta: largest share of the rows that one column is in; rho: largest share of the
 *   rows that meet one row. A row meets itself. rho is exact where 2^27 visits of entries prove it; else it is the
 *   largest of the rows with the most entries in their columns, and so a lower bound (rho_exact = 0). Memory follows
 *   rows and non-zeros, not the number of columns. */
typedef struct hw_sparse_figures {
    uint32_t rows, columns, omega;
    uint64_t nonzeros;
    double mean, delta, rho; /* mean: non-zeros a row */
    int rho_exact;
} hw_sparse_figures;
HW_API hw_status hw_sparse_measure(const hw_sparse *s, hw_sparse_figures *f, char *why);
HW_API void hw_sparse_print(const hw_sparse_figures *f, FILE *out);

/* Rows of `nonzeros` different columns (fewer where a few columns have nearly all the chance), drawn by a power law:
 * column j with probability ~ (j + 1)^-exponent. Values are Gaussian, rows of length 1. Weights, sharpness * normal,
 * are drawn once into truth[columns] (may be NULL), and labels from score = truth . row: +1 with probability 1 / (1 +
 * exp(-score)), else -1; with real_labels score + noise * normal. The truth is thus the optimum of the logistic or the
 * squared loss in expectation. Row i depends on the plan's shape and (seed, first + i) only. */
typedef struct hw_sparse_plan {
    size_t struct_size;
    uint32_t rows, columns, nonzeros;
    double exponent, sharpness, noise;
    int real_labels;
    uint64_t seed, first; /* first: number of the first row, so that a test set continues the training set */
} hw_sparse_plan;
HW_API hw_sparse_plan hw_sparse_plan_defaults(uint32_t rows, uint32_t columns);
HW_API hw_status hw_sparse_generate(const hw_sparse_plan *plan, float *truth, hw_sparse *s, char *why);

/* --- ratings ------------------------------------------------------------------------------------------------------ */

typedef struct hw_ratings {
    uint32_t count, users, items;
    hw_rating *rating;           /* pairs.h; users and items are numbered in order of appearance */
    uint64_t *user_id, *item_id; /* what the file called them: users, items entries; NULL for generated ones */
    double mean;
    float low, high; /* smallest and largest value */
} hw_ratings;
HW_API void hw_ratings_free(hw_ratings *r);
/* Told apart by the first line: MovieLens u.data (tabs), ratings.dat ("::"), both without a header; CSV with a header
 * line that names the columns in any order, whatever the case, with or without '_', '-' and spaces: user, userId, uid,
 * reviewer, reviewerId, customer, customerId; item, itemId, iid, movie, movieId, product, productId; rating, ratings,
 * score, value, stars, starRating; others are skipped. Commas, semicolons or tabs; fields may stand in quotes ("" is
 * one). Plain or gzip, CRLF or LF, empty lines are skipped. Ids are whole numbers below 2^64. Every record has as many
 * fields as the first line; a pair that comes twice is an error. cap: most bytes unpacked, 0 = 2^33. */
HW_API hw_status hw_ratings_read(const char *path, size_t cap, hw_ratings *r, char *why);
/* In random order, and a share (0 .. 1, rounded to the nearest count) of them apart as a test set; users, items and
 * their ids are the same in both. `all` is emptied; on an error it is as before. The three are different structs. */
HW_API hw_status hw_ratings_split(hw_ratings *all, double share, uint64_t seed, hw_ratings *train, hw_ratings *test,
                                  char *why);
/* Their standard deviation; of ratings that are all the same, or none, 1: they have no scale. What hw_factorize.scale 0
 * takes; where several have a part each of the same ratings, that of all is to be given to each. since 0.2 */
HW_API double hw_ratings_deviation(const hw_ratings *r);
/* Keeps the ratings of part `part` (0 ..) of the users, whose first is *first and who are *count: contiguous, and such
 * that the parts have about as many ratings. Order, numbers, ids, mean, low and high stay those of all. Fewer
 * users with ratings than parts is HW_E_ARGUMENT, and r as before. since 0.2 */
HW_API hw_status hw_ratings_of_users(hw_ratings *r, unsigned part, unsigned parts, uint32_t *first, uint32_t *count,
                                     char *why);
/* Other ratings of the same users and items, from a file of their own: renumbered in place by the ids of `train`.
 * Ratings of users or items that train does not have are left out, *left_out of them (may be NULL); where none is left,
 * HW_E_FORMAT. On an error r is as before. HW_E_ARGUMENT: ratings without ids. */
HW_API hw_status hw_ratings_renumber(hw_ratings *r, const hw_ratings *train, uint32_t *left_out, char *why);
/* truth of rank `rank` (0 .. 1024): mean + user bias + item bias + p . q + noise * normal, users and items by a power
 * law of the given exponent (0 .. 4; 0: even), the frequent ones scattered over the numbers. The root mean square error
 * of the truth itself is `noise`. Pairs are drawn independently, so one may come more than once, each time with noise
 * of its own; who is never drawn keeps his number. A plan with a larger count continues the smaller one. */
typedef struct hw_ratings_plan {
    size_t struct_size;
    uint32_t count, users, items;
    unsigned rank;
    double exponent, noise;
    uint64_t seed;
} hw_ratings_plan;
HW_API hw_ratings_plan hw_ratings_plan_defaults(uint32_t count, uint32_t users, uint32_t items);
HW_API hw_status hw_ratings_generate(const hw_ratings_plan *plan, hw_ratings *r, char *why);

/* --- text ----------------------------------------------------------------------------------------------------------
 */

/* A text as numbers of words. Words are what white space separates (at most 255 bytes of UTF-8, longer ones are cut);
 * those seen at least `least` times, most frequent first (ties by bytes), are numbered; others are left out. A line end
 * ends a sentence; where nothing of a line is left there is none. */
#define HW_SENTENCE_END UINT32_MAX
typedef struct hw_corpus {
    uint32_t words;   /* distinct, in the vocabulary                                                       */
    uint64_t *count;  /* of each, in the whole text                                                        */
    char *text;       /* the words, each ended by a zero byte                                              */
    uint32_t *at;     /* words: where each begins in text                                                  */
    uint32_t tokens;  /* entries of token                                                                  */
    uint32_t *token;  /* word numbers and HW_SENTENCE_END, in order of the text; the last one is an end    */
    uint64_t running; /* words in token (without the ends)                                                 */
    uint64_t seen;    /* words of the file, those left out included                                        */
} hw_corpus;
HW_API void hw_corpus_free(hw_corpus *c);
/* Plain files are memory-mapped while they are read (one that is cut short meanwhile ends the process with SIGBUS, as
 * everywhere; one that is overwritten is HW_E_IO), gzip is unpacked. least: 0 is 1. No word seen that often, a text
 * without words and a zero byte are HW_E_FORMAT; more than 2^32 - 2 tokens are HW_E_LIMIT. cap: most bytes, unpacked;
 * 0 = 2^33. */
HW_API hw_status hw_corpus_read(const char *path, uint64_t least, size_t cap, hw_corpus *c, char *why);
/* Number of a word, or UINT32_MAX; O(words): programs that look up many keep a table of their own. */
HW_API uint32_t hw_corpus_find(const hw_corpus *c, const char *word);
/* Sentences of one topic each: `topics` topics with `words` / topics words of their own (word t * (words / topics) + i,
 * named "t<topic>w<i>"), drawn by 1 / (i + 1); so words of one topic end up near each other, and no others. `words` is
 * a multiple of `topics`; a word may never be drawn (count 0). Sentence s depends on (seed, s) only. */
HW_API hw_status hw_corpus_generate(uint32_t words, uint32_t topics, uint32_t sentences, uint32_t length, uint64_t seed,
                                    hw_corpus *c, char *why);

#ifdef __cplusplus
}
#endif
#endif
