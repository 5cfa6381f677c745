/* checkpoint_files.h - checkpoint files in memory for tests: a small whole one, and many that look whole by their
 * checksum and are wrong behind it. */
#ifndef CHECKPOINT_FILES_H
#define CHECKPOINT_FILES_H

#include "check.h"
#include "../lib/checkpoint/checkpoint.h"

typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

static inline void sample_state(hw_state *s)
{
    float weights[12];
    double velocity[5] = {-0.0, NAN, INFINITY, 4.9e-324, -1.7976931348623157e308}, scalar = 0.1;
    const uint64_t ticket[2] = {UINT64_MAX, 0};
    const uint32_t index[4] = {0, 1, 0x80000000u, UINT32_MAX};
    for (int i = 0; i < 12; i++) weights[i] = (float)sin(i + 0.3) * 1e-3f;
    hw_status bad = 0;
    bad |= hw_state_put(s, "weights", HW_F32, 2, (uint64_t[]){3, 4}, weights);
    bad |= hw_state_put(s, "velocity", HW_F64, 1, (uint64_t[]){5}, velocity);
    bad |= hw_state_put(s, "ticket", HW_U64, 1, (uint64_t[]){2}, ticket);
    bad |= hw_state_put_number(s, "step", UINT64_MAX);
    bad |= hw_state_put(s, "index", HW_U32, 3, (uint64_t[]){2, 1, 2}, index);
    bad |= hw_state_put(s, "bytes", HW_U8, 1, (uint64_t[]){7}, "7 bytes");
    bad |= hw_state_put(s, "empty", HW_F32, 2, (uint64_t[]){0, 3}, NULL);
    bad |= hw_state_put(s, "scalar", HW_F64, 0, NULL, &scalar);
    bad |= hw_state_put_number(s, "seed", 12345);
    bad |= hw_state_put_number(s, "zero", 0);
    bad |= hw_state_put_real(s, "loss", 0.1);
    bad |= hw_state_put_real(s, "inf", -INFINITY);
    bad |= hw_state_put_real(s, "minus zero", -0.0);
    bad |= hw_state_put_real(s, "tiny", 4.9406564584124654e-324);
    union {
        uint64_t bits;
        double real;
    } nan = {0xfff0000000000123u}; /* signalling, with a payload */
    bad |= hw_state_put_real(s, "nan", nan.real);
    bad |= hw_state_put_text(s, "model", "LeNet");
    bad |= hw_state_put_text(s, "city", "Z\xc3\xbcrich \"quoted\" \\ \n\t\x01\x7f");
    bad |= hw_state_put_text(s, "latin", "\xff\xfe not UTF-8");
    bad |= hw_state_put_text(s, "nothing", "");
    if (bad) abort();
}

static inline bool same_entry(const hw_entry *a, const hw_entry *b)
{
    if (!a || !b || a->kind != b->kind || strcmp(a->name, b->name) != 0) return false;
    switch (a->kind) {
    case HW_ENTRY_COUNT: return a->number == b->number;
    case HW_ENTRY_REAL: return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case HW_ENTRY_TEXT: return strcmp(a->text, b->text) == 0;
    case HW_ENTRY_ARRAY: break;
    }
    return a->dtype == b->dtype && a->dims == b->dims && memcmp(a->shape, b->shape, a->dims * sizeof *a->shape) == 0 &&
           a->count == b->count && memcmp(a->data, b->data, a->count * hw_dtype_size(a->dtype)) == 0;
}

static inline void assert_same(const hw_state *a, const hw_state *b)
{
    assert_int_equal(hw_state_count(a), hw_state_count(b));
    for (size_t i = 0; i < hw_state_count(a); i++) {
        const hw_entry *e = hw_state_entry(a, i);
        if (!same_entry(e, hw_state_find(b, e->name))) fail_msg("%s is not the same", e->name);
    }
}

/* The checksum of a file's bytes as they stand, into them. */
static inline void seal(image f)
{
    char digits[CHECKPOINT_DIGITS + 1];
    size_t at = CHECKPOINT_LENGTH + CHECKPOINT_AT;
    if (f.size < at + CHECKPOINT_DIGITS || memcmp(f.bytes + 8, CHECKPOINT_PREFIX, CHECKPOINT_AT) != 0) return;
    memset(f.bytes + at, '0', CHECKPOINT_DIGITS);
    hw__checkpoint_sum sum;
    hw__checkpoint_sum_begin(&sum);
    hw__checkpoint_sum_add(&sum, f.bytes, f.size);
    hw__checkpoint_sum_digits(&sum, digits);
    memcpy(f.bytes + at, digits, CHECKPOINT_DIGITS);
}

/* A sealed file of a header's text and data; released with free. */
static inline image build(const char *json, size_t n, const void *data, size_t n_data)
{
    size_t header = (8 + n + 63) / 64 * 64 - 8;
    image f = {malloc(8 + header + n_data), 8 + header + n_data};
    if (!f.bytes) abort();
    memset(f.bytes, ' ', 8 + header);
    for (int i = 0; i < 8; i++) f.bytes[i] = (unsigned char)((uint64_t)header >> 8 * i);
    memcpy(f.bytes + 8, json, n);
    if (n_data) memcpy(f.bytes + 8 + header, data, n_data);
    seal(f);
    return f;
}

static inline size_t header_size(image f)
{
    size_t n = 0;
    for (int i = 0; i < 8; i++) n |= (size_t)f.bytes[i] << 8 * i;
    return n;
}

/* The file of a state, through the writer and the disk; released with free. */
static inline image image_of(const hw_state *s)
{
    image f = {malloc(1 << 22), 0};
    char why[HW_WHY];
    if (!f.bytes || hw_state_save(s, "image.safetensors", why) != HW_OK) abort();
    FILE *in = fopen("image.safetensors", "rb");
    if (!in) abort();
    f.size = fread(f.bytes, 1, 1 << 22, in);
    fclose(in);
    remove("image.safetensors");
    return f;
}

static inline image sample_image(void)
{
    hw_state *s = hw_state_create();
    sample_state(s);
    image f = image_of(s);
    hw_state_free(s);
    return f;
}

static inline hw_status read_image(hw_state *s, image f, char *why)
{
    hw__checkpoint_source source = {.bytes = f.bytes, .size = f.size};
    return hw__checkpoint_read(s, &source, "image", why);
}

/* A text of the sample's header, what stands in its place, and what the sentence must say. */
typedef struct bad_header {
    const char *from, *to, *says;
} bad_header;

#define Q     "\\\"" /* a quote within the document */
#define DEEP1 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define DEEP2 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1 DEEP1
#define LONG  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MANY  "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"

static const bad_header bad_headers[] = {
    /* types */
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"F16\"", "unknown dtype 'F16'"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"BF16\"", "unknown dtype"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"f32\"", "unknown dtype"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"\"", "unknown dtype"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":32", "dtype, shape and data_offsets"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":null", "dtype, shape and data_offsets"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":[\"F32\"]", "dtype, shape and data_offsets"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"F64\"", "takes 96 bytes"},
    {"\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"U8\"", "takes 12 bytes"},
    /* shapes */
    {"[3,4]", "[3,5]", "takes 60 bytes"},
    {"[3,4]", "[3]", "takes 12 bytes"},
    {"[3,4]", "[]", "takes 4 bytes"},
    {"[3,4]", "[0,3,4]", "takes 0 bytes"},
    {"[3,4]", "[-3,-4]", "no shape"},
    {"[3,4]", "[3.0,4]", "no shape"},
    {"[3,4]", "[\"3\",4]", "no shape"},
    {"[3,4]", "[true,12]", "no shape"},
    {"[3,4]", "[[3,4]]", "no shape"},
    {"[3,4]", "[null]", "no shape"},
    {"[3,4]", "[1,1,1,3,4]", "5 dimensions"},
    {"[3,4]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,3,4]", "23 dimensions"},
    {"[3,4]", "[4294967296,4294967296]", "no shape"},
    {"[3,4]", "[9223372036854775807,4]", "no shape"},
    {"[3,4]", "[4611686018427387904]", "no shape"},
    {"[3,4]", "[4294967296,4294967296,0]", "no shape"},
    {"[3,4]", "[4611686018427387903]", "takes 18446744073709551612 bytes"},
    {"[3,4]", "[99999999999999999999]", "too big integer"},
    {"[3,4]", "[3,1e999]", "real number overflow"},
    {"[3,4]", "[3,4", "no JSON"},
    {"[3,4]", "{}", "dtype, shape and data_offsets"},
    {"[3,4]", "\"12\"", "dtype, shape and data_offsets"},
    {"[3,4]", "null", "dtype, shape and data_offsets"},
    {"[3,4]", "[3,4,]", "no JSON"},
    {"[3,4]", "[03,4]", "no JSON"},
    {"[3,4]", "[000000000000000000000000000000000000000012]", "denser"},
    {"[3,4]", DEEP2 DEEP2 DEEP2 DEEP2 DEEP2, "denser"},
    {"[3,4]", "[" MANY MANY MANY MANY MANY MANY MANY MANY "3,4]", "denser"},
    /* positions */
    {"[64,112]", "[64,111]", "from 64 to 111"},
    {"[64,112]", "[64,113]", "from 64 to 113"},
    {"[64,112]", "[63,111]", "begins at 63"},
    {"[64,112]", "[65,113]", "begins at 65"},
    {"[64,112]", "[0,48]", "begins at 0"},
    {"[64,112]", "[112,64]", "begins at 112"},
    {"[64,112]", "[64,16]", "from 64 to 16"},
    {"[64,112]", "[64]", "no two positions"},
    {"[64,112]", "[]", "no two positions"},
    {"[64,112]", "[64,112,113]", "no two positions"},
    {"[64,112]", "[-64,112]", "no two positions"},
    {"[64,112]", "[64.0,112]", "no two positions"},
    {"[64,112]", "[\"64\",\"112\"]", "no two positions"},
    {"[64,112]", "[64,18446744073709551615]", "too big integer"},
    {"[64,112]", "[64,9223372036854775807]", "from 64"},
    {"[64,112]", "null", "dtype, shape and data_offsets"},
    {"[64,112]", "{\"0\":64,\"1\":112}", "dtype, shape and data_offsets"},
    {"[112,128]", "[64,80]", "begins at 64"},
    {"[112,128]", "[116,132]", "begins at 116"},
    {"[128,135]", "[128,136]", "from 128 to 136"},
    {"[7],\"data_offsets\":[128,135]", "[8],\"data_offsets\":[128,136]", "cut short"},
    {"[7],\"data_offsets\":[128,135]", "[6],\"data_offsets\":[128,134]", "1 bytes follow"},
    /* the shape of the header */
    {"\"dtype\":\"F32\",\"shape\":[3,4],", "\"dtype\":\"F32\",", "dtype, shape and data_offsets"},
    {"\"dtype\":\"F32\",\"shape\":[3,4],", "\"shape\":[3,4],", "dtype, shape and data_offsets"},
    {",\"data_offsets\":[64,112]", "", "dtype, shape and data_offsets"},
    {"\"shape\":[3,4]", "\"shape\":[3,4],\"order\":\"C\"", "dtype, shape and data_offsets"},
    {"\"shape\":[3,4]", "\"shape\":[3,4],\"shape\":[3,4]", "duplicate"},
    {"\"index\":{", "\"weights\":{", "duplicate"},
    {"\"index\":{", "\"__metadata__\":{", "duplicate"},
    {"\"index\":{", "\"ind\\u0065x\":{},\"index\":{", "duplicate"},
    {"\"index\":{", "\"extra\":7,\"index\":{", "dtype, shape and data_offsets"},
    {"\"index\":{", "\"extra\":{},\"index\":{", "dtype, shape and data_offsets"},
    {"\"index\":{", "\"extra\":[],\"index\":{", "dtype, shape and data_offsets"},
    {"\"index\":{", "\"index\":7,\"x\":{", "dtype, shape and data_offsets"},
    {"\"index\":{", "\"index\" {", "no JSON"},
    {"\"index\":{", "index:{", "no JSON"},
    {"\"index\":{", "\"index\":}", "no JSON"},
    {"\"index\":{", "\"index\":{,", "no JSON"},
    {"\"index\":{", "// index\n\"index\":{", "no JSON"},
    {"[112,128]}", "[112,128]", "no JSON"},
    {"[112,128]}", "[112,128]}}", "no JSON"},
    {"[128,135]}}", "[128,135]}} x", "no JSON"},
    {"[128,135]}}", "[128,135]}}{}", "no JSON"},
    {"[128,135]}}", "[128,135]}", "no JSON"},
    /* names */
    {"\"index\":{", "\"\":{", "no name"},
    {"\"index\":{", "\"in'dex\":{", "no name"},
    {"\"index\":{", "\"in\\\"dex\":{", "no name"},
    {"\"index\":{", "\"in\\\\dex\":{", "no name"},
    {"\"index\":{", "\"in\\ndex\":{", "no name"},
    {"\"index\":{", "\"\xc3\xbc\":{", "no name"},
    {"\"index\":{", "\"" LONG LONG LONG "\":{", "no name"},
    {"\"index\":{", "\"in\\u0000dex\":{", "no JSON"},
    {"\"index\":{", "\"in\\ud800dex\":{", "no JSON"},
    {"\"index\":{",
     "\"in\xff"
     "dex\":{",
     "no JSON"},
    {"\"index\":{",
     "\"in\xc0\x80"
     "dex\":{",
     "no JSON"},
    {"\"index\":{", "\"in\ndex\":{", "no JSON"},
    {"\"index\":{", "\"in\\xdex\":{", "no JSON"},
    /* the metadata */
    {"\"hogwild\":\"", "\"hogwald\":\"", "__metadata__"},
    {"\"hogwild\":\"", "\"other\":\"\",\"hogwild\":\"", "__metadata__"},
    {"\"hogwild\":\"", "\"checksum\":\"\",\"hogwild\":\"", "duplicate"},
    {"\"hogwild\":\"", "\"hogwild\":7,\"x\":\"", "__metadata__"},
    {"\"hogwild\":\"", "\"hogwild\":{},\"x\":\"", "__metadata__"},
    {"\"hogwild\":\"{", "\"hogwild\":\"\",\"x\":\"", "__metadata__"},
    /* the document */
    {"\"hogwild\":\"{", "\"hogwild\":\"[", "no JSON"},
    {"\"hogwild\":\"{", "\"hogwild\":\"x{", "no JSON"},
    {"\"hogwild\":\"{", "\"hogwild\":\"{}", "no JSON"},
    {Q "version" Q ":1", Q "version" Q ":2", "version 2"},
    {Q "version" Q ":1", Q "version" Q ":0", "version 0"},
    {Q "version" Q ":1", Q "version" Q ":-1", "version -1"},
    {Q "version" Q ":1", Q "version" Q ":1.0", "no 'version'"},
    {Q "version" Q ":1", Q "version" Q ":" Q "1" Q, "no 'version'"},
    {Q "version" Q ":1,", "", "no 'version'"},
    {Q "version" Q ":1,", Q "version" Q ":1," Q "more" Q ":{},", "5 members"},
    {Q "numbers" Q ":{", Q "nombers" Q ":{", "no object 'numbers'"},
    {Q "numbers" Q ":{", Q "numbers" Q ":1," Q "reals" Q ":{", "duplicate"},
    {Q "reals" Q ":{", Q "rials" Q ":{", "no object 'reals'"},
    {Q "texts" Q ":{", Q "taxts" Q ":{", "no object 'texts'"},
    {Q "seed" Q, Q "step" Q, "duplicate"},
    {Q "seed" Q, Q "loss" Q, "'loss' occurs twice"},
    {Q "seed" Q, Q "weights" Q, "'weights' occurs twice"},
    {Q "seed" Q, Q "model" Q, "'model' occurs twice"},
    {Q "seed" Q, Q Q, "no name"},
    {Q "seed" Q, Q "s'" Q, "no name"},
    {Q "seed" Q, Q "s\\\\n" Q, "no name"},
    {Q "loss" Q, Q LONG LONG LONG Q, "no name"},
    {Q "model" Q, Q "__metadata__" Q, "no name"},
    /* numbers */
    {Q "18446744073709551615" Q, Q "18446744073709551616" Q, "'step' is no string"},
    {Q "18446744073709551615" Q, Q "99999999999999999999999999999999999" Q, "'step' is no string"},
    {Q "12345" Q, Q "-1" Q, "'seed' is no string"},
    {Q "12345" Q, Q "+1" Q, "'seed' is no string"},
    {Q "12345" Q, Q "01" Q, "'seed' is no string"},
    {Q "12345" Q, Q "0x1" Q, "'seed' is no string"},
    {Q "12345" Q, Q " 1" Q, "'seed' is no string"},
    {Q "12345" Q, Q "1 " Q, "'seed' is no string"},
    {Q "12345" Q, Q "1e3" Q, "'seed' is no string"},
    {Q "12345" Q, Q Q, "'seed' is no string"},
    {Q "12345" Q, "12345", "'seed' is no string"},
    {Q "12345" Q, "null", "'seed' is no string"},
    {Q "12345" Q, "[" Q "1" Q "]", "'seed' is no string"},
    /* reals */
    {Q "3fb999999999999a" Q, Q "3fb999999999999" Q, "'loss' is no pair"},
    {Q "3fb999999999999a" Q, Q "3fb999999999999aa" Q, "'loss' is no pair"},
    {Q "3fb999999999999a" Q, Q "3FB999999999999A" Q, "'loss' is no pair"},
    {Q "3fb999999999999a" Q, Q "3fb999999999999g" Q, "'loss' is no pair"},
    {Q "3fb999999999999a" Q, "0", "'loss' is no pair"},
    {Q "3fb999999999999a" Q ",", "", "'loss' is no pair"},
    {Q "3fb999999999999a" Q ",", Q "3fb999999999999a" Q ",0,", "'loss' is no pair"},
    {Q "3fb999999999999a" Q ",", Q "3fb999999999999a" Q "," Q "0" Q "],\\\"x\\\":[", "'loss' is no pair"},
    {Q "loss" Q ":[", Q "loss" Q ":1.0," Q "x" Q ":[", "'loss' is no pair"},
    {Q "fff0000000000123" Q ",null", Q "fff0000000000123" Q ",NaN", "no JSON"},
    /* texts */
    {Q "LeNet" Q, "7", "'model' is neither"},
    {Q "LeNet" Q, "null", "'model' is neither"},
    {Q "LeNet" Q, "[]", "'model' is neither"},
    {Q "LeNet" Q, "{}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hex" Q ":7}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hex" Q ":" Q "f" Q "}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hex" Q ":" Q "FF" Q "}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hex" Q ":" Q "ff00" Q "}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hex" Q ":" Q "ff" Q "," Q "x" Q ":1}", "'model' is neither"},
    {Q "LeNet" Q, "{" Q "hax" Q ":" Q "ff" Q "}", "'model' is neither"},
    {Q "LeNet" Q, Q "\\\\u0000" Q, "no JSON"},
    {Q "LeNet" Q, Q "\\\\udfff" Q, "no JSON"},
};
#define BAD_HEADERS (sizeof bad_headers / sizeof *bad_headers)

/* The sample with one text of its header replaced, sealed; bytes NULL where the text is not there. */
static inline image altered(image sample, const bad_header *bad)
{
    size_t n = header_size(sample), from = strlen(bad->from), to = strlen(bad->to);
    const char *json = (const char *)sample.bytes + 8, *at = json;
    while (n && json[n - 1] == ' ') n--;
    while (at + from <= json + n && memcmp(at, bad->from, from) != 0) at++;
    if (at + from > json + n) return (image){NULL, 0};
    char *text = malloc(n - from + to + 1);
    if (!text) abort();
    memcpy(text, json, (size_t)(at - json));
    memcpy(text + (at - json), bad->to, to);
    memcpy(text + (at - json) + to, at + from, (size_t)(json + n - at) - from);
    const unsigned char *data = sample.bytes + 8 + header_size(sample);
    image f = build(text, n - from + to, data, (size_t)(sample.bytes + sample.size - data));
    free(text);
    return f;
}

#endif
