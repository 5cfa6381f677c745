/* file.c - a configuration as a file of JSON: one object, options by name, each on a line of its own. What a file does
 * not name stays as it is, so that a person may write a few lines. Every byte is untrusted. */
#include "../base/files.h"
#include "../base/json.h"
#include "../base/number.h"
#include "config.h"
#include "options.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

enum { MOST = 1 << 16, COST = 64 }; /* bytes of a file, and of memory that jansson takes for each at most */

/* As few digits as come back as the same number. */
static void put_exactly(FILE *out, double x)
{
    char text[40];
    const char *end;
    double back = NAN;
    for (int digits = 6; digits <= 17 && !(back == x); digits++) {
        (void)hw__number_print(text, sizeof text, digits, x);
        (void)hw__number_parse(text, &end, &back);
    }
    fputs(text, out);
}

hw_status hw_config_save(const hw_config *config, const char *path, char *why)
{
    hw__file_writer w;
    hw_option o;
    char value[64];
    if (!config || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_config_save: config or path is NULL");
    hw_config c;
    hw_status status = hw__config_adopt(config, &c, why);
    if (status == HW_OK) status = hw__options_check(&c, why);
    if (status == HW_OK) status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    for (size_t i = 0; hw_option_get(i, &o) == HW_OK; i++) {
        (void)hw_config_get(&c, o.name, value, sizeof value);
        fprintf(w.stream, "%s", i ? ",\n  " : "{\n  ");
        hw__json_string(w.stream, o.name);
        fputs(": ", w.stream);
        if (o.type == HW_OPTION_CHOICE)
            hw__json_string(w.stream, value);
        else if (o.type == HW_OPTION_REAL)
            put_exactly(w.stream, hw__option_value(&c, hw__option_table + i));
        else
            fputs(value, w.stream);
    }
    fputs("\n}\n", w.stream);
    return hw__file_write_end(&w, why);
}

/* A value as hw_config_set takes it; false: it is neither a number nor a word. */
static bool as_text(const json_t *value, char *text, size_t size)
{
    if (json_is_string(value)) {
        (void)snprintf(text, size, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(text, size, "%s", json_is_true(value) ? "on" : "off");
    } else if (json_is_integer(value)) {
        (void)snprintf(text, size, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        (void)hw__number_print(text, size, 17, json_real_value(value));
    } else {
        return false;
    }
    return true;
}

/* jansson calls a lack of memory all sorts of things; what it could take is asked for to tell it apart. */
static bool no_memory(size_t bytes)
{
    void *memory = hw__base_alloc(bytes, COST);
    hw__base_free(memory);
    return !memory;
}

static hw_status parse(const hw__file *file, const char *path, json_t **tree, char *why)
{
    json_error_t error;
    *tree = NULL;
    if (!no_memory(file->size + 64)) {
        *tree = json_loadb((const char *)file->data, file->size, JSON_REJECT_DUPLICATES, &error);
        if (json_is_object(*tree)) return HW_OK;
        if (*tree) return hw__base_fail(why, HW_E_FORMAT, "%.150s: one object with options by name is needed", path);
        for (char *c = error.text; *c; c++)
            if (*c < ' ' || *c > '~') *c = '?';
        if (*error.text && !no_memory(file->size + 64))
            return hw__base_fail(why, HW_E_FORMAT, "%.120s: line %d is no JSON: %.90s", path, error.line, error.text);
    }
    return hw__base_fail(why, HW_E_MEMORY, "%.150s: no memory to read it", path);
}

/* A caller's shorter configuration has no room for newer options: at their defaults they may be in a file all the same.
 */
static hw_status fits(const hw_config *all, const hw_config *caller, const char *path, char *why)
{
    hw_config held = *all, back;
    hw_option o;
    char is[64], would[64];
    held.struct_size = caller->struct_size < sizeof held ? caller->struct_size : sizeof held;
    hw_status status = hw__config_adopt(&held, &back, why);
    for (size_t i = 0; status == HW_OK && hw_option_get(i, &o) == HW_OK; i++) {
        (void)hw_config_get(all, o.name, is, sizeof is);
        (void)hw_config_get(&back, o.name, would, sizeof would);
        if (strcmp(is, would) != 0)
            status =
                hw__base_fail(why, HW_E_FORMAT, "%.100s: %s is newer than this program's configuration, of %zu bytes",
                              path, o.name, caller->struct_size);
    }
    return status;
}

hw_status hw_config_load(hw_config *config, const char *path, char *why)
{
    hw__file file;
    json_t *tree, *value;
    const char *name;
    char text[100], sentence[HW_WHY];
    if (!config || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_config_load: config or path is NULL");
    hw_status status = hw__file_read(path, MOST, &file, why);
    if (status != HW_OK) return status;
    status = parse(&file, path, &tree, why);
    hw__base_free(file.data);
    hw_config into;
    if (status == HW_OK) status = hw__config_adopt(config, &into, why);
    if (status == HW_OK) {
        json_object_foreach(tree, name, value)
        {
            if (!as_text(value, text, sizeof text))
                status = hw__base_fail(why, HW_E_FORMAT, "%.100s: %.60s: a number or a word is needed", path, name);
            else if (hw_config_set(&into, name, text, sentence) != HW_OK)
                status = hw__base_fail(why, HW_E_FORMAT, "%.80s: %.170s", path, sentence);
            if (status != HW_OK) break;
        }
    }
    json_decref(tree);
    if (status == HW_OK) status = fits(&into, config, path, why);
    if (status == HW_OK) hw__config_give(&into, config);
    return status;
}
