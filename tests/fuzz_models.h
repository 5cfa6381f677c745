/* fuzz_models.h - targets of libFuzzer for the files of trained models: as they are, and under a checksum that fits. */
#ifndef FUZZ_MODELS_H
#define FUZZ_MODELS_H

#include "fuzz_seeds.h"
#include "../lib/base/hash.h"
#include <inttypes.h>

/* 16 digits at `at`, over the first `head` bytes and what stands from `data` on. */
static inline void put_digits(image *f, size_t at, size_t head, size_t data, uint64_t start)
{
    char digits[17];
    uint64_t sum = hw__hash(hw__hash(start, f->bytes, head), f->bytes + data, f->size - data);
    (void)snprintf(digits, sizeof digits, "%016" PRIx64, sum);
    memcpy(f->bytes + at, digits, 16);
}

static inline void load_linear_model(const void *bytes, size_t size)
{
    hw_linear_model m = hw_linear_model_defaults();
    const char *path = put(0, bytes, size);
    hw_status status = hw_linear_model_load(&m, path, sentence);
    if (status != HW_OK) {
        check_refusal(status, path);
        PROMISE(!m.weight && !m.idf);
    } else {
        size_t n = hw_linear_model_weights(&m);
        PROMISE(m.columns && m.scores >= 1 && m.scores <= 256 && m.classes <= 256);
        for (size_t i = 0; i < n; i++) PROMISE(hw__base_finite(m.weight[i]));
        for (size_t i = 0; m.idf && i < m.columns; i++) PROMISE(hw__base_finite(m.idf[i]));
    }
    hw_linear_model_free(&m);
}

static inline void use_linear_model(const uint8_t *data, size_t size)
{
    load_linear_model(data, size);
    image f = copied(data, size);
    const char *key = "\nchecksum ";
    for (size_t i = 0; i + 28 < size; i++)
        if (memcmp(f.bytes + i, key, 10) == 0) {
            /* the sum is of the header without its own line */
            put_digits(&f, i + 10, i + 1, i + 28, UINT64_C(14695981039346656037));
            load_linear_model(f.bytes, size);
            break;
        }
    free(f.bytes);
}

static inline void load_factors(const void *bytes, size_t size)
{
    hw_factors *m = NULL;
    const char *path = put(0, bytes, size);
    hw_status status = hw_factors_load(&m, path, sentence);
    if (status != HW_OK) {
        check_refusal(status, path);
        PROMISE(!m);
    } else {
        uint32_t users = hw_factors_users(m), items = hw_factors_items(m), best[3];
        PROMISE(users && items);
        for (uint32_t i = 0; i < items; i++) PROMISE(hw_factors_item(m, hw_factors_item_id(m, i)) == i);
        (void)hw_factors_predict(m, users - 1, items - 1, 1);
        PROMISE(hw_factors_best(m, 0, 3, NULL, NULL, best, NULL) <= items);
    }
    hw_factors_free(m);
}

static inline void use_factors(const uint8_t *data, size_t size)
{
    load_factors(data, size);
    image f = copied(data, size);
    for (size_t i = 0; i + 27 <= size; i++)
        if (memcmp(f.bytes + i, " checksum ", 10) == 0 && f.bytes[i + 26] == '\n') {
            bool first = i > 15 && f.bytes[15] == '1'; /* of the numbers alone, in version 1 */
            put_digits(&f, i + 10, first ? 0 : i + 10, i + 27, HW__HASH_START);
            load_factors(f.bytes, size);
            break;
        }
    free(f.bytes);
}

static inline void use_vectors(const uint8_t *data, size_t size)
{
    hw_vectors *v = NULL;
    const char *path = put(0, data, size);
    hw_status status = hw_vectors_load(&v, path, sentence);
    if (status != HW_OK) {
        check_refusal(status, path);
        PROMISE(!v);
    } else {
        uint32_t words = hw_vectors_words(v), near[2];
        double cosine[2];
        for (uint32_t w = 0; w < words; w++) {
            PROMISE(hw_vectors_find(v, hw_vectors_word(v, w)) == w && *hw_vectors_word(v, w));
            for (unsigned i = 0; i < hw_vectors_dimension(v); i++) PROMISE(hw__base_finite(hw_vectors_row(v, w)[i]));
        }
        PROMISE(hw_vectors_nearest(v, hw_vectors_row(v, 0), NULL, 0, 2, near, cosine) <= 2);
    }
    hw_vectors_free(v);
}

/* The text of a net, in a file that is whole otherwise: nothing but the text and what it is prepared by. */
static inline void use_net(const uint8_t *data, size_t size)
{
    static const float four[4] = {1, 1, 1, 1};
    const uint64_t shape = 4;
    float weights[64] = {0};
    hw_net *net = NULL;
    float *params = NULL;
    char *text = calloc(1, size + 1);
    hw_state *s = hw_state_create();
    PROMISE(text && s);
    memcpy(text, data, size);
    hw_status status = hw_state_put_text(s, "net", text);
    for (int k = 0; k < 2 && status == HW_OK; k++)
        status = hw_state_put(s, k ? "prepare.channel_mean" : "prepare.channel_scale", HW_F32, 1, &shape, four);
    for (int k = 0; k < 4 && status == HW_OK; k++) {
        static const char *const names[] = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"};
        const uint64_t shapes[4][2] = {{3, 4}, {3, 1}, {2, 3}, {2, 1}};
        status = hw_state_put(s, names[k], HW_F32, k % 2 ? 1 : 2, shapes[k], weights);
    }
    PROMISE(status == HW_OK || status == HW_E_ARGUMENT);
    char where[128];
    (void)snprintf(where, sizeof where, "hogwild-fuzz-%ld.net", (long)getpid());
    if (status == HW_OK && hw_state_save(s, where, sentence) == HW_OK) {
        status = hw_net_load(&net, &params, where, 2, sentence);
        if (status != HW_OK) {
            PROMISE(strlen(sentence) > 0 && !net && !params);
        } else {
            for (size_t i = 0; i < hw_net_parameters(net); i++) PROMISE(hw__base_finite(params[i]));
        }
        (void)unlink(where);
    }
    hw_net_free(net);
    free(params);
    hw_state_free(s);
    free(text);
}

static inline void seed_linear_models(void)
{
    char why[HW_WHY];
    for (int k = 0; k < 4; k++) {
        float weight[12] = {1, -2, 3}, idf[3] = {1, 2, 3};
        hw_linear_model m = hw_linear_model_defaults();
        m.columns = 3;
        m.intercept = k % 2;
        m.loss = k == 2 ? HW_SPARSE_SOFTMAX : k == 3 ? HW_SPARSE_SQUARED : HW_SPARSE_LOGISTIC;
        m.labels = k == 2 ? HW_LABELS_CLASSES : k == 3 ? HW_LABELS_REAL : k ? HW_LABELS_SPLIT : HW_LABELS_TWO;
        m.scores = k == 2 ? 3 : 1;
        m.classes = k == 2 ? 3 : k ? 0 : 2;
        for (int c = 0; c < 3; c++) m.value[c] = (float)c - 0.5F;
        m.tf_idf = k == 1;
        m.weight = weight;
        m.idf = k == 1 ? idf : NULL;
        const char *path = seed_path();
        PROMISE(hw_linear_model_save(&m, path, why) == HW_OK);
        seed_again(path, 20, 4);
    }
}

static inline void seed_factors(void)
{
    static const char line[] = "hogwild-matrix 2 users 2 items 1 rank 2 biases 1 ids 1 mean 3.5 low 1 high 5 checksum "
                               "0000000000000000\n";
    unsigned char bytes[sizeof line - 1 + 3 * 8 + 9 * 4] = {0};
    memcpy(bytes, line, sizeof line - 1);
    bytes[sizeof line - 1] = 7;
    bytes[sizeof line - 1 + 8] = 9;
    seed_both(bytes, 0, sizeof bytes);
    bytes[15] = '1';
    seed_both(bytes, 0, sizeof bytes);
}

static inline void seed_vectors(void)
{
    static const char text[] = "2 3\nthe 0.1 0.2 -3e-1 \nof 1 2 3 \n";
    static const char binary[] = "2 1\nthe \0\0\200\77\nof \0\0\0\100\n";
    seed_both(text, 0, sizeof text - 1);
    seed_both(binary, 0, sizeof binary - 1);
}

static inline void seed_nets(void)
{
    static const char text[] =
        "hogwild-net 1\ninput 1 2 2 layers 3\nstatistics 0 sets 1 share 0.1 epsilon 1e-05 smoothing 0\nprepare 0 scale "
        "1 "
        "shift 0\ndense from 0 also 0 outputs 3 window 0 stride 0 pad 0 groups 1 bias 1 size 0 rate 0 alpha 0 beta 0\n"
        "relu from 1 also 0 outputs 3 window 0 stride 0 pad 0 groups 1 bias 0 size 0 rate 0 alpha 0 beta 0\n"
        "dense from 2 also 0 outputs 2 window 0 stride 0 pad 0 groups 1 bias 1 size 0 rate 0 alpha 0 beta 0\n";
    seed(text, sizeof text - 1);
}

#endif
