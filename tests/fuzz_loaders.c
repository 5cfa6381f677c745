/* fuzz_loaders.c - libFuzzer's targets: one for every reader of files, chosen by --loader=NAME. tests/fuzz builds and
 * runs them; --list names them and their longest inputs, --seeds=FOLDER writes the files to begin with.
 *
 * What a reader returns is held against what its header promises: after a success every label, index and value is
 * within its bounds, after a failure there is a sentence that begins with the file's name and nothing is held.
 *
 * A changed byte would not get past a checksum, so files that have one get it made right first. */
#define _GNU_SOURCE 1 /* memfd_create */
#include "fuzz_checkpoint.h"
#include "fuzz_seeds.h"
#include "fuzz_models.h"
#include "../lib/data/images/cifar.h"
#include "../lib/data/tables/sparse.h"
#include "../lib/timeline/timeline.h"
#include <sys/stat.h>
#include <zlib.h>

/* --- images --------------------------------------------------------------------------------------------------------
 */

static void check_images(const hw_images *images, hw_status status, const char *name)
{
    if (status != HW_OK) {
        check_refusal(status, name);
        PROMISE(!images->pixels && !images->labels && !images->count);
        return;
    }
    PROMISE(images->count && images->channels && images->height && images->width && images->classes);
    touch(images->pixels, (size_t)images->count * images->channels * images->height * images->width);
    for (uint32_t i = 0; i < images->count; i++) PROMISE(images->labels[i] < images->classes);
}

/* Of one file, and of it twice for the other label. */
static void use_cifar(const hw__cifar_format *format, const uint8_t *data, size_t size)
{
    const size_t pixels = 3072, record = format->labels + pixels;
    const char *path = put(0, data, size), *const paths[2] = {path, path};
    for (unsigned kept = 0; kept < format->labels; kept++) {
        hw_images images;
        hw_status status = hw__cifar_read_files(format, kept, paths, 1 + kept, 7000, &images, sentence);
        check_images(&images, status, path);
        PROMISE(status != HW_OK || (images.classes == format->bound[kept] && images.count % (1 + kept) == 0));
        for (uint32_t i = 0; status == HW_OK && !packed(data, size) && i < images.count; i++) {
            const uint8_t *from = data + i % (size / record) * record;
            PROMISE(images.labels[i] == from[kept]);
            PROMISE(memcmp(images.pixels + i * pixels, from + format->labels, pixels) == 0);
        }
        hw_images_free(&images);
    }
}

static void use_cifar_10(const uint8_t *data, size_t size)
{
    use_cifar(&hw__cifar_10, data, size);
}

static void use_cifar_100(const uint8_t *data, size_t size)
{
    use_cifar(&hw__cifar_100, data, size);
}

/* The first byte: length of the file of labels, which follows; then the file of images. */
static void use_idx(const uint8_t *data, size_t size)
{
    if (!size) return;
    size_t labels = data[0] < size - 1 ? data[0] : size - 1;
    const char *labels_path = put(0, data + 1, labels), *path = put(1, data + 1 + labels, size - 1 - labels);
    hw_images images;
    hw_status status = hw_idx_read(path, labels_path, 10, &images, sentence);
    check_images(&images, status, strncmp(sentence, path, strlen(path)) == 0 ? path : labels_path);
    hw_images_free(&images);
}

static void put_number(unsigned char *at, uint64_t x)
{
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(x >> 8 * i);
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static void check_sparse(const hw_sparse *s, hw_status status, const char *name)
{
    static const hw_sparse none;
    if (status != HW_OK) {
        check_refusal(status, name);
        PROMISE(memcmp(s, &none, sizeof none) == 0);
        return;
    }
    PROMISE(s->rows && s->columns && s->offset[0] == 0 && s->offset[s->rows] == s->nonzeros);
    for (uint32_t i = 0; i < s->rows; i++) {
        PROMISE(hw__base_finite(s->label[i]) && s->offset[i] <= s->offset[i + 1] && s->offset[i + 1] <= s->nonzeros);
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) {
            PROMISE(s->index[k] < s->columns && hw__base_finite(s->value[k]));
            PROMISE(k == s->offset[i] || s->index[k] > s->index[k - 1]);
        }
    }
}

/* The lines twice, with so long a comment between them that two threads share them: twice the rows, or no less wrong.
 */
static void use_libsvm_twice(hw_libsvm_options *o, const uint8_t *data, size_t size, const hw_sparse *once)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t between = 66000;
    bool marked = size >= 3 && memcmp(data, mark, 3) == 0;
    image f = {malloc(2 * size + between), 2 * size + between};
    PROMISE(f.bytes);
    memcpy(f.bytes, data, size);
    memset(f.bytes + size, '#', between);
    f.bytes[size] = f.bytes[size + between - 1] = '\n';
    memcpy(f.bytes + size + between, data, size);
    if (marked) memset(f.bytes + size + between, ' ', 3);
    hw_sparse twice;
    o->threads = 2;
    o->cap = f.size;
    const char *path = put(0, f.bytes, f.size);
    hw_status status = hw_libsvm_read(path, o, &twice, sentence);
    check_sparse(&twice, status, path);
    PROMISE((status == HW_OK) == (once->rows != 0));
    PROMISE(twice.rows == 2 * once->rows && twice.nonzeros == 2 * once->nonzeros && twice.columns == once->columns);
    hw_sparse_free(&twice);
    free(f.bytes);
}

/* The first byte: options. */
static void use_libsvm(const uint8_t *data, size_t size)
{
    static const uint32_t columns[] = {0, 0, 4, 1000};
    hw_libsvm_options o = hw_libsvm_defaults();
    if (!size) return;
    o.base = data[0] % 4 == 3 ? -1 : data[0] % 4 - 1;
    o.columns = columns[data[0] / 4 % 4];
    o.threads = 1;
    o.cap = 380;
    const char *path = put(0, data + 1, size - 1);
    hw_sparse s;
    hw_status status = hw_libsvm_read(path, &o, &s, sentence);
    check_sparse(&s, status, path);
    bool chance = crc32(0, data, (uInt)size) % 64 == 0; /* threads cost fifty times as much as a line */
    if (chance && size <= o.cap && !packed(data + 1, size - 1)) use_libsvm_twice(&o, data + 1, size - 1, &s);
    hw_sparse_free(&s);
}

/* The cache beside a text, for which it may or may not have been made: the reader takes one of the two. */
static void use_cached(const char *cache, bool good)
{
    hw_libsvm_options o = hw_libsvm_defaults();
    hw_sparse s;
    o.base = 0;
    o.cache = cache;
    hw_status status = hw_libsvm_read(places[1].path, &o, &s, sentence);
    PROMISE(status == HW_OK && (good || !s.map));
    check_sparse(&s, status, cache);
    hw_sparse_free(&s);
}

/* As it is, and filled up to whole blocks with a size, a time of the text and a checksum that fit. */
static void use_cache(const uint8_t *data, size_t size)
{
    static const char text[] = "1 0:1 2:2\n";
    struct stat info;
    hw_sparse s;
    const char *path = put(0, data, size);
    hw_status status = hw_sparse_load(&s, path, sentence);
    check_sparse(&s, status, path);
    hw_sparse_free(&s);
    if (size < SPARSE_HEADER) return;
    image f = {calloc(1, size + 63), (size + 63) / 64 * 64};
    PROMISE(f.bytes && put(1, text, sizeof text - 1) && fstat(places[1].file, &info) == 0);
    memcpy(f.bytes, data, size);
    put_number(f.bytes + 16, f.size);
    put_number(f.bytes + 40, sizeof text - 1);
    put_number(f.bytes + 48, (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec);
    put_number(f.bytes + SPARSE_SUM, hw__sparse_sum(f.bytes, f.size));
    path = put(0, f.bytes, f.size);
    status = hw_sparse_load(&s, path, sentence);
    check_sparse(&s, status, path);
    hw_sparse_free(&s);
    use_cached(path, status == HW_OK);
    free(f.bytes);
}

static void use_ratings(const uint8_t *data, size_t size)
{
    static const hw_ratings none;
    hw_ratings r;
    const char *path = put(0, data, size);
    hw_status status = hw_ratings_read(path, 1 << 16, &r, sentence);
    uint32_t users = 0, items = 0;
    if (status != HW_OK) {
        check_refusal(status, path);
        PROMISE(memcmp(&r, &none, sizeof none) == 0);
    }
    PROMISE(status != HW_OK || (r.count && hw__base_finite_double(r.mean)));
    for (uint32_t i = 0; i < r.count; i++) {
        const hw_rating *one = r.rating + i;
        PROMISE(one->user <= users && one->item <= items); /* numbered in order of appearance */
        users += one->user == users;
        items += one->item == items;
        PROMISE(hw__base_finite(one->value) && one->value >= r.low && one->value <= r.high);
    }
    PROMISE(users == r.users && items == r.items);
    touch(r.user_id, r.users * sizeof *r.user_id);
    touch(r.item_id, r.items * sizeof *r.item_id);
    hw_ratings_free(&r);
}

static void check_corpus(const hw_corpus *c, uint64_t least)
{
    uint64_t running = 0;
    PROMISE(c->words && c->tokens && c->seen >= c->running);
    for (uint32_t i = 0; i < c->words; i++) {
        size_t n = strlen(c->text + c->at[i]);
        PROMISE(n > 0 && n <= 255 && c->count[i] >= least && (i == 0 || c->count[i] <= c->count[i - 1]));
        running += c->count[i];
    }
    PROMISE(running == c->running && hw_corpus_find(c, c->text + c->at[c->words - 1]) == c->words - 1);
    for (uint32_t i = 0; i < c->tokens; i++) {
        PROMISE(c->token[i] < c->words || c->token[i] == HW_SENTENCE_END);
        running -= c->token[i] != HW_SENTENCE_END;
    }
    PROMISE(running == 0 && c->token[c->tokens - 1] == HW_SENTENCE_END);
}

/* The first byte: how often a word must be seen. */
static void use_corpus(const uint8_t *data, size_t size)
{
    static const hw_corpus none;
    hw_corpus c;
    if (!size) return;
    const char *path = put(0, data + 1, size - 1);
    hw_status status = hw_corpus_read(path, data[0] % 4, 1400, &c, sentence);
    if (status == HW_OK) {
        check_corpus(&c, data[0] % 4);
    } else {
        check_refusal(status, path);
        PROMISE(memcmp(&c, &none, sizeof none) == 0);
    }
    hw_corpus_free(&c);
}

/* --- what runs leave behind ----------------------------------------------------------------------------------------
 */

static void load_weights(const void *bytes, size_t size)
{
    size_t count = size < 36 ? 1 : (size - 32) / 4;
    float *params = malloc(count * sizeof *params);
    const char *path = put(0, bytes, size);
    PROMISE(params);
    hw_status status = hw_weights_load(path, params, count, sentence);
    if (status != HW_OK) check_refusal(status, path);
    for (size_t i = 0; status == HW_OK && i < count; i++) PROMISE(hw__base_finite(params[i]));
    free(params);
}

static void use_weights(const uint8_t *data, size_t size)
{
    load_weights(data, size);
    if (size < 32) return;
    image f = copied(data, size);
    put_number(f.bytes + 24, crc32(crc32(0, f.bytes + 32, (uInt)(size - 32)), f.bytes, 24)); /* and four zeros */
    load_weights(f.bytes, size);
    free(f.bytes);
}

/* Every update has a worker and a setting, each worker reads after its own last landing and takes a later ticket. */
static void check_trace(const hw_trace *trace)
{
    hw_trace_info info;
    hw_trace_entry e;
    hw_trace_describe(trace, &info);
    PROMISE(info.workers && info.updates && info.settings && strnlen(info.why_not, HW_WHY) < HW_WHY);
    uint64_t *next = calloc(info.workers, 2 * sizeof *next), *ticket = next + info.workers;
    PROMISE(next && hw_trace_get(trace, info.updates, &e) == HW_E_ARGUMENT);
    for (uint64_t i = 0; i < info.updates; i++) {
        PROMISE(hw_trace_get(trace, i, &e) == HW_OK && e.worker < info.workers && e.setting < info.settings);
        PROMISE(e.read <= i && e.read >= next[e.worker] && e.ticket >= ticket[e.worker]);
        next[e.worker] = i + 1;
        ticket[e.worker] = e.ticket + 1;
    }
    for (uint32_t i = 0; i < info.settings; i++) {
        const hw__trace_setting *s = trace->setting + i;
        PROMISE(hw__base_finite_double(s->rate) && hw__base_finite_double(s->momentum) &&
                hw__base_finite_double(s->ahead));
        PROMISE(hw__base_finite_double(s->exact));
    }
    free(next);
}

static void load_trace(const void *bytes, size_t size)
{
    hw_trace *trace = NULL;
    const char *path = put(0, bytes, size);
    hw_status status = hw_trace_load(&trace, path, sentence);
    if (status == HW_OK) {
        check_trace(trace);
    } else {
        check_refusal(status, path);
        PROMISE(!trace);
    }
    hw_trace_free(trace);
}

static void use_trace(const uint8_t *data, size_t size)
{
    load_trace(data, size);
    if (size < 4) return;
    image f = copied(data, size);
    uint32_t sum = (uint32_t)crc32(0, f.bytes, (uInt)(size - 4));
    for (int i = 0; i < 4; i++) f.bytes[size - 4 + (size_t)i] = (unsigned char)(sum >> 8 * i);
    load_trace(f.bytes, size);
    free(f.bytes);
}

static void use_histogram(const uint8_t *data, size_t size)
{
    hw_histogram h;
    const char *path = put(0, data, size);
    hw_status status = hw_histogram_load(&h, 8, path, sentence);
    uint64_t total = 0;
    if (status == HW_OK) {
        hw_staleness_summary shape;
        for (uint32_t b = 0; b < h.bins; b++) total += h.counts[b];
        PROMISE(h.total && total == h.total && h.largest <= (uint64_t)1 << 40);
        PROMISE(hw__base_finite_double(h.sum) && hw__base_finite_double(h.squares));
        hw_staleness_summarize(&h, &shape);
        PROMISE(hw__base_finite_double(shape.mean) && hw__base_finite_double(shape.variance) && shape.best >= 0);
    } else {
        check_refusal(status, path);
        PROMISE(!h.counts && !h.total);
    }
    hw_histogram_free(&h);
}

/* --- the table -----------------------------------------------------------------------------------------------------
 */

typedef struct loader {
    const char *name;
    unsigned longest; /* input, bytes */
    void (*use)(const uint8_t *data, size_t size);
    void (*seeds)(void);
} loader;

static const loader loaders[] = {
    {"checkpoint", 3000, use_checkpoint, seed_checkpoints},
    {"checkpoint-header", 3000, use_header, seed_headers},
    {"checkpoint-raw", 3000, use_raw_checkpoint, seed_checkpoints},
    {"cifar-10", 9300, use_cifar_10, seed_cifar_10},
    {"cifar-100", 9300, use_cifar_100, seed_cifar_100},
    {"idx", 300, use_idx, seed_idx},
    {"libsvm", 400, use_libsvm, seed_libsvm},
    {"libsvm-cache", 1000, use_cache, seed_cache},
    {"ratings", 1000, use_ratings, seed_ratings},
    {"corpus", 1500, use_corpus, seed_corpus},
    {"weights", 200, use_weights, seed_weights},
    {"trace", 700, use_trace, seed_trace},
    {"histogram", 400, use_histogram, seed_histogram},
    {"linear-model", 600, use_linear_model, seed_linear_models},
    {"factors", 400, use_factors, seed_factors},
    {"vectors", 400, use_vectors, seed_vectors},
    {"net", 1200, use_net, seed_nets},
};
#define LOADERS (sizeof loaders / sizeof *loaders)

static const loader *chosen;

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***words)
{
    const char *folder = NULL;
    for (int i = 1; i < *count; i++) {
        const char *word = (*words)[i];
        for (size_t k = 0; k < LOADERS; k++) {
            if (strcmp(word, "--list") == 0) printf("%s %u\n", loaders[k].name, loaders[k].longest);
            if (strncmp(word, "--loader=", 9) == 0 && strcmp(word + 9, loaders[k].name) == 0) chosen = loaders + k;
        }
        if (strcmp(word, "--list") == 0) exit(0);
        if (strncmp(word, "--seeds=", 8) == 0) folder = word + 8;
    }
    if (!chosen) {
        fprintf(stderr, "fuzz_loaders: --loader=NAME is needed, --list has the names\n");
        exit(2);
    }
    if (folder) {
        seed_folder = folder;
        chosen->seeds();
        exit(0);
    }
    open_places();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptor = next_descriptor();
    memset(sentence, 1, sizeof sentence); /* nothing that was there before passes for a sentence */
    chosen->use(data, size);
    check_nothing_held(descriptor);
    return 0;
}
