/* header.c - a state as the JSON header of a safetensors file, written with jansson. */
#include "../base/bytes.h"
#include "checkpoint.h"
#include <jansson.h>
#include <string.h>

static const char *const names[] = {
    [HW_F32] = "F32", [HW_F64] = "F64", [HW_U64] = "U64", [HW_U32] = "U32", [HW_U8] = "U8"};
#define TYPES (sizeof names / sizeof *names)

const char *hw__checkpoint_dtype_name(hw_dtype dtype)
{
    return (size_t)dtype < TYPES ? names[dtype] : NULL;
}

bool hw__checkpoint_dtype_find(const char *name, hw_dtype *dtype)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(names[i], name) == 0) {
            *dtype = (hw_dtype)i;
            return true;
        }
    return false;
}

const hw_entry *hw__checkpoint_next_array(const hw_state *state, size_t *cursor)
{
    static const size_t sizes[] = {8, 4, 1};
    size_t n = hw_state_count(state);
    while (*cursor < n * (sizeof sizes / sizeof *sizes)) {
        const hw_entry *e = hw_state_entry(state, *cursor % n);
        size_t size = sizes[(*cursor)++ / n];
        if (e->kind == HW_ENTRY_ARRAY && hw_dtype_size(e->dtype) == size) return e;
    }
    return NULL;
}

/* jansson, 64-bit glibc, version 2.14, with room to spare: an object is 72 bytes and eight buckets of 16; an array 40
 * and eight places of 8, whose list is copied when it doubles; a pair 57 and its key, and buckets that double; a value
 * up to 33. A string is kept once, and the longest one stands in the lexer's buffer, old and new, and as a key. An
 * entry of a state is 200 bytes, at least 64 of data, and its places in the lists. */
#define COST_OBJECT  208u
#define COST_ARRAY   144u
#define COST_PAIR    144u
#define COST_ITEM    64u
#define COST_BYTE    5u
#define COST_ENTRY   400u
#define LONGEST_WORD 31u /* of a number; jansson's lexer stops the process where it has no memory for a longer one */

uint64_t hw__checkpoint_cost(const char *json, size_t size, bool document)
{
    uint64_t cost = 0;
    unsigned word = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = json[i];
        word = quoted || strchr(" \t\r\n{}[]:,\"", c) ? 0 : word + 1;
        if (word > LONGEST_WORD) return UINT64_MAX;
        if (quoted || c != ' ') cost += COST_BYTE;
        if (quoted && c == '\\') {
            i++; /* an escaped character cannot end the string */
            cost += COST_BYTE;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            cost += c == '{'   ? COST_OBJECT + (document ? 0 : COST_ENTRY)
                    : c == '[' ? COST_ARRAY
                    : c == ':' ? COST_PAIR + (document ? COST_ENTRY : 0)
                    : c == ',' ? COST_ITEM
                               : 0;
        }
    }
    return cost;
}

uint64_t hw__checkpoint_budget(uint64_t bytes)
{
    return 32768 + (bytes < UINT64_MAX / 16 ? 12 * bytes : UINT64_MAX / 2);
}

/* --- values ---------------------------------------------------------------------------------------------------------
 * jansson's setters take a value that is NULL for want of memory, and say so: `good` collects it. */

static json_t *number_json(uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return json_string(text);
}

/* Its bits, which count, and the number for people: decimal numbers depend on rounding modes, and JSON has no NaN. */
static json_t *real_json(double real)
{
    char text[24];
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)bits);
    json_t *pair = json_array();
    bool good = json_array_append_new(pair, json_string(text)) == 0;
    good = json_array_append_new(pair, hw__base_finite_double(real) ? json_real(real) : json_null()) == 0 && good;
    if (good) return pair;
    json_decref(pair);
    return NULL;
}

static json_t *hex_json(const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(text);
    char *hex = hw__base_alloc(n, 2);
    if (!hex) return NULL;
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[(unsigned char)text[i] >> 4];
        hex[2 * i + 1] = digits[text[i] & 15];
    }
    json_t *object = json_object();
    if (json_object_set_new(object, "hex", json_stringn(hex, 2 * n)) != 0) {
        json_decref(object);
        object = NULL;
    }
    hw__base_free(hex);
    return object;
}

/* json_string says NULL for what is not UTF-8 and for no memory alike; the other form is right in both cases. */
static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);
    return string ? string : hex_json(text);
}

/* The JSON document of the single values. */
static json_t *document_json(const hw_state *state)
{
    json_t *document = json_object(), *numbers = json_object(), *reals = json_object(), *texts = json_object();
    bool good = true;
    for (size_t i = 0; i < hw_state_count(state); i++) {
        const hw_entry *e = hw_state_entry(state, i);
        int code = 0;
        switch (e->kind) {
        case HW_ENTRY_COUNT: code = json_object_set_new(numbers, e->name, number_json(e->number)); break;
        case HW_ENTRY_REAL: code = json_object_set_new(reals, e->name, real_json(e->real)); break;
        case HW_ENTRY_TEXT: code = json_object_set_new(texts, e->name, text_json(e->text)); break;
        case HW_ENTRY_ARRAY: break;
        }
        good = good && code == 0;
    }
    good = json_object_set_new(document, "version", json_integer(CHECKPOINT_VERSION)) == 0 && good;
    good = json_object_set_new(document, "numbers", numbers) == 0 && good; /* takes it even when it fails */
    good = json_object_set_new(document, "reals", reals) == 0 && good;
    good = json_object_set_new(document, "texts", texts) == 0 && good;
    if (good) return document;
    json_decref(document);
    return NULL;
}

/* JSON text in memory of ours, with `before` and `after` bytes of room around it. *size: of the text. */
static char *dump(const json_t *json, size_t before, size_t after, size_t *size)
{
    size_t n = json_dumpb(json, NULL, 0, JSON_COMPACT);
    char *text = n ? hw__base_alloc(before + n + after, 1) : NULL;
    if (text && json_dumpb(json, text + before, n, JSON_COMPACT) == n) {
        *size = n;
        return text;
    }
    hw__base_free(text);
    return NULL;
}

static json_t *metadata_json(const hw_state *state, uint64_t *cost)
{
    char zeros[CHECKPOINT_DIGITS + 1];
    memset(zeros, '0', CHECKPOINT_DIGITS);
    zeros[CHECKPOINT_DIGITS] = 0;
    json_t *document = document_json(state), *metadata = json_object();
    size_t size = 0;
    char *text = document ? dump(document, 0, 0, &size) : NULL;
    bool good = text && json_object_set_new(metadata, "checksum", json_string(zeros)) == 0 &&
                json_object_set_new(metadata, "hogwild", json_stringn(text, size)) == 0;
    if (good) *cost = hw__checkpoint_cost(text, size, true);
    hw__base_free(text);
    json_decref(document);
    if (good) return metadata;
    json_decref(metadata);
    return NULL;
}

static json_t *array_json(const hw_entry *e, uint64_t begin, uint64_t end)
{
    json_t *tensor = json_object(), *shape = json_array(), *offsets = json_array();
    bool good = true;
    for (unsigned d = 0; d < e->dims; d++)
        good = json_array_append_new(shape, json_integer((json_int_t)e->shape[d])) == 0 && good;
    good = json_array_append_new(offsets, json_integer((json_int_t)begin)) == 0 && good;
    good = json_array_append_new(offsets, json_integer((json_int_t)end)) == 0 && good;
    good = json_object_set_new(tensor, "dtype", json_string(hw__checkpoint_dtype_name(e->dtype))) == 0 && good;
    good = json_object_set_new(tensor, "shape", shape) == 0 && good;
    good = json_object_set_new(tensor, "data_offsets", offsets) == 0 && good;
    if (good) return tensor;
    json_decref(tensor);
    return NULL;
}

/* The whole header as a tree; *data: bytes of the arrays, *cost: of the document within. */
static json_t *header_json(const hw_state *state, uint64_t *data, uint64_t *cost)
{
    json_t *root = json_object();
    bool good = json_object_set_new(root, "__metadata__", metadata_json(state, cost)) == 0;
    size_t cursor = 0;
    *data = 0;
    for (const hw_entry *e; good && (e = hw__checkpoint_next_array(state, &cursor));) {
        uint64_t end = *data + e->count * hw_dtype_size(e->dtype);
        good = json_object_set_new(root, e->name, array_json(e, *data, end)) == 0;
        *data = end;
    }
    if (good) return root;
    json_decref(root);
    return NULL;
}

hw_status hw__checkpoint_header(const hw_state *state, const char *name, char **header, size_t *size, char *why)
{
    uint64_t data, cost = 0;
    size_t n = 0;
    json_t *root = header_json(state, &data, &cost);
    char *text = root ? dump(root, CHECKPOINT_LENGTH, 0, &n) : NULL;
    json_decref(root);
    if (!text) return hw__base_fail(why, HW_E_MEMORY, "%.150s: no memory for the header of a checkpoint", name);
    /* Spaces, so that the data begins at a multiple of 64, and that a reader may spend what the values call for. */
    cost += hw__checkpoint_cost(text + CHECKPOINT_LENGTH, n, false);
    uint64_t whole = CHECKPOINT_LENGTH + n;
    while (cost > hw__checkpoint_budget(whole + data)) whole += (cost - hw__checkpoint_budget(whole + data)) / 12 + 1;
    whole = hw__round_up(whole, HW_LINE);
    if (whole - CHECKPOINT_LENGTH > CHECKPOINT_HEADER) {
        hw__base_free(text);
        return hw__base_fail(why, HW_E_LIMIT,
                             "%.120s: the names and single values take %llu bytes; safetensors allows %u", name,
                             (unsigned long long)whole, CHECKPOINT_HEADER);
    }
    char *grown = hw__base_alloc((size_t)whole, 1);
    if (!grown) {
        hw__base_free(text);
        return hw__base_fail(why, HW_E_MEMORY, "%.150s: no memory for the header of a checkpoint", name);
    }
    memset(grown, ' ', (size_t)whole);
    memcpy(grown + CHECKPOINT_LENGTH, text + CHECKPOINT_LENGTH, n);
    hw__base_free(text);
    hw__bytes_put(grown, whole - CHECKPOINT_LENGTH, CHECKPOINT_LENGTH);
    *header = grown;
    *size = (size_t)whole;
    return HW_OK;
}
