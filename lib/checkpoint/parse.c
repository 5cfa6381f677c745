/* parse.c - the JSON header of a safetensors file as a state, read with jansson. Every byte is untrusted: what a text
 * would cost is counted before it is parsed, every array is held against the bytes present before it is made.
 *
 * jansson calls a string that it has no memory for an invalid token, and its lexer does not look whether its buffer
 * could grow. So memory for the whole tree is asked for before it starts, and again after an error, which tells the two
 * apart. */
#include "checkpoint.h"
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

typedef struct parser {
    hw_state *state;
    const char *file;
    uint64_t budget; /* memory for trees and entries that is left */
    uint64_t data;   /* bytes of the file after the header */
    char *why;
} parser;

#define BAD(p, format, ...) hw__base_fail((p)->why, HW_E_FORMAT, "%.100s: " format, (p)->file, __VA_ARGS__)
#define NO_MEMORY(p, of)    hw__base_fail((p)->why, HW_E_MEMORY, "%.150s: no memory for %s", (p)->file, of)

/* A name out of a file, fit for a sentence. */
typedef struct shown {
    char text[44];
} shown;
static shown show(const char *name)
{
    shown s;
    size_t i = 0;
    for (; i + 1 < sizeof s.text && name[i]; i++) s.text[i] = name[i];
    if (i + 1 == sizeof s.text) memcpy(s.text + i - 3, "...", 3);
    s.text[i] = 0;
    for (char *c = s.text; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    return s;
}

static bool there_is(uint64_t bytes)
{
    void *memory = bytes <= SIZE_MAX ? hw__base_alloc((size_t)bytes, 1) : NULL;
    hw__base_free(memory);
    return memory != NULL;
}

static hw_status parse(parser *p, const char *text, size_t size, bool document, json_t **tree)
{
    const char *what = document ? "the values' document" : "the header";
    uint64_t cost = hw__checkpoint_cost(text, size, document);
    if (cost > p->budget)
        return BAD(p, "%s is denser than any of libhogwild's: its values call for more memory than the file's bytes do",
                   what);
    p->budget -= cost;
    if (!there_is(cost)) return NO_MEMORY(p, what);
    json_error_t error;
    *tree = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*tree) return HW_OK;
    if (error.text[0] == 0 || !there_is(cost)) return NO_MEMORY(p, what);
    return BAD(p, "%s is no JSON: %s, at byte %d", what, show(error.text).text, error.position);
}

/* --- single values --------------------------------------------------------------------------------------------------
 */

/* Decimal digits without leading zeros, at most 2^64 - 1. */
static bool whole_number(const char *text, uint64_t *number)
{
    if (text[0] == 0 || (text[0] == '0' && text[1])) return false;
    *number = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        unsigned digit = (unsigned)(*text - '0');
        if (*number > (UINT64_MAX - digit) / 10) return false;
        *number = 10 * *number + digit;
    }
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool real_bits(const json_t *value, double *real)
{
    const char *text = json_string_value(json_array_get(value, 0));
    const json_t *decimal = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !text || strlen(text) != 16) return false;
    if (!json_is_number(decimal) && !json_is_null(decimal)) return false;
    uint64_t bits = 0;
    for (; *text; text++) {
        int digit = hex_digit(*text);
        if (digit < 0) return false;
        bits = bits << 4 | (uint64_t)digit;
    }
    memcpy(real, &bits, sizeof *real);
    return true;
}

static hw_status put_number(parser *p, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    uint64_t number;
    if (!text || !whole_number(text, &number))
        return BAD(p, "the number '%s' is no string of a whole number below 2^64", show(name).text);
    return hw_state_put_number(p->state, name, number);
}

static hw_status put_real(parser *p, const char *name, const json_t *value)
{
    double real;
    if (!real_bits(value, &real))
        return BAD(p, "the real '%s' is no pair of 16 hexadecimal digits and a number", show(name).text);
    return hw_state_put_real(p->state, name, real);
}

static hw_status put_text(parser *p, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text) return hw_state_put_text(p->state, name, text);
    const char *hex = json_string_value(json_object_get(value, "hex"));
    size_t n = hex ? strlen(hex) / 2 : 0;
    bool good = hex && json_object_size(value) == 1 && strlen(hex) % 2 == 0;
    char *bytes = good ? hw__base_alloc(n + 1, 1) : NULL;
    if (good && !bytes) return HW_E_MEMORY;
    for (size_t i = 0; good && i < n; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        good = high >= 0 && low >= 0 && high + low > 0;
        if (good) bytes[i] = (char)(16 * high + low);
    }
    if (good) bytes[n] = 0;
    hw_status status = good ? hw_state_put_text(p->state, name, bytes)
                            : BAD(p, "the text '%s' is neither a string nor hexadecimal digits", show(name).text);
    hw__base_free(bytes);
    return status;
}

/* What a put of the state said, as an error of the file. */
static hw_status settle(parser *p, const char *name, hw_status status)
{
    if (status == HW_E_ARGUMENT)
        return BAD(p, "'%s' is no name of a value: 1 to %d printable ASCII characters without quotes", show(name).text,
                   HW_STATE_NAME - 1);
    if (status == HW_E_MEMORY) return NO_MEMORY(p, show(name).text);
    return status;
}

static hw_status values(parser *p, json_t *document, const char *kind,
                        hw_status (*put)(parser *, const char *, const json_t *))
{
    json_t *object = json_object_get(document, kind), *value;
    const char *name;
    if (!json_is_object(object)) return BAD(p, "the values' document has no object '%s'", kind);
    json_object_foreach(object, name, value)
    {
        if (hw_state_find(p->state, name)) return BAD(p, "the name '%s' occurs twice", show(name).text);
        hw_status status = settle(p, name, put(p, name, value));
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static hw_status document(parser *p, const json_t *text)
{
    json_t *tree;
    hw_status status = parse(p, json_string_value(text), json_string_length(text), true, &tree);
    if (status != HW_OK) return status;
    json_t *version = json_object_get(tree, "version");
    if (!json_is_integer(version))
        status = BAD(p, "the values' document has no '%s'", "version");
    else if (json_integer_value(version) != CHECKPOINT_VERSION)
        status = BAD(p, "it is of version %" JSON_INTEGER_FORMAT "; this library reads version %d",
                     json_integer_value(version), CHECKPOINT_VERSION);
    else if (json_object_size(tree) != 4)
        status = BAD(p, "the values' document has %zu members, expected 4", json_object_size(tree));
    if (status == HW_OK) status = values(p, tree, "numbers", put_number);
    if (status == HW_OK) status = values(p, tree, "reals", put_real);
    if (status == HW_OK) status = values(p, tree, "texts", put_text);
    json_decref(tree);
    return status;
}

/* --- arrays ---------------------------------------------------------------------------------------------------------
 */

static bool natural(const json_t *value, uint64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

/* One tensor, which must begin at *offset; moves it to its end. */
static hw_status array(parser *p, const char *name, const json_t *tensor, uint64_t *offset)
{
    const json_t *shape = json_object_get(tensor, "shape"), *offsets = json_object_get(tensor, "data_offsets");
    const char *type = json_string_value(json_object_get(tensor, "dtype"));
    uint64_t begin, end, extent[HW_STATE_DIMS], count = 1;
    hw_dtype dtype;
    shown s = show(name);
    if (!type || !json_is_array(shape) || !json_is_array(offsets) || json_object_size(tensor) != 3)
        return BAD(p, "the tensor '%s' is not described by dtype, shape and data_offsets alone", s.text);
    if (!hw__checkpoint_dtype_find(type, &dtype))
        return BAD(p, "the tensor '%s' has the unknown dtype '%s'", s.text, show(type).text);
    size_t size = hw_dtype_size(dtype), dims = json_array_size(shape);
    if (dims > HW_STATE_DIMS)
        return BAD(p, "the tensor '%s' has %zu dimensions; at most %d are read", s.text, dims, HW_STATE_DIMS);
    for (size_t d = 0; d < dims; d++) {
        if (!natural(json_array_get(shape, d), &extent[d]) || (count && extent[d] > SIZE_MAX / size / count))
            return BAD(p, "the shape of the tensor '%s' is no shape of an array in memory", s.text);
        count *= extent[d];
    }
    if (json_array_size(offsets) != 2 || !natural(json_array_get(offsets, 0), &begin) ||
        !natural(json_array_get(offsets, 1), &end))
        return BAD(p, "the data_offsets of the tensor '%s' are no two positions", s.text);
    if (begin != *offset)
        return BAD(p, "the tensor '%s' begins at %" PRIu64 ", not where the one before ends, %" PRIu64, s.text, begin,
                   *offset);
    if (end < begin || end - begin != count * size)
        return BAD(p, "the tensor '%s' takes %" PRIu64 " bytes by its shape and stands from %" PRIu64 " to %" PRIu64,
                   s.text, count * size, begin, end);
    if (end > p->data)
        return BAD(p, "the tensor '%s' ends at %" PRIu64 " of %" PRIu64 " bytes of data: the file is cut short", s.text,
                   end, p->data);
    *offset = end;
    return settle(p, name, hw_state_put(p->state, name, dtype, (unsigned)dims, extent, NULL));
}

static hw_status arrays(parser *p, json_t *root)
{
    const char *name;
    json_t *tensor;
    uint64_t offset = 0;
    json_object_foreach(root, name, tensor)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        hw_status status = array(p, name, tensor, &offset);
        if (status != HW_OK) return status;
    }
    if (offset != p->data)
        return BAD(p, "%" PRIu64 " bytes follow the last tensor, which ends at %" PRIu64, p->data - offset, offset);
    return HW_OK;
}

hw_status hw__checkpoint_entries(hw_state *state, const char *json, size_t size, uint64_t data, const char *name,
                                 char *why)
{
    parser p = {state, name, hw__checkpoint_budget(CHECKPOINT_LENGTH + size + data), data, why};
    json_t *root;
    hw_status status = parse(&p, json, size, false, &root);
    if (status != HW_OK) return status;
    const json_t *metadata = json_object_get(root, "__metadata__"), *text = json_object_get(metadata, "hogwild");
    if (json_object_size(metadata) != 2 || !json_is_string(json_object_get(metadata, "checksum")) ||
        !json_is_string(text))
        status = BAD(&p, "__metadata__ holds %zu members, expected checksum and hogwild, both texts",
                     json_object_size(metadata));
    if (status == HW_OK) status = arrays(&p, root);
    if (status == HW_OK) status = document(&p, text);
    json_decref(root);
    return status;
}
