/* safetensors.c - one checkpoint file: written beside its final name and renamed over it, read in one pass. The arrays
 * go from the state to the file and back without a copy between. */
#include "../base/bytes.h"
#include "../base/files.h"
#include "checkpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static size_t bytes_of(const hw_entry *e)
{
    return e->count * hw_dtype_size(e->dtype);
}

static void set_checksum(const hw_state *state, char *header, size_t size)
{
    char digits[CHECKPOINT_DIGITS + 1];
    hw__checkpoint_sum sum;
    size_t cursor = 0;
    hw__checkpoint_sum_begin(&sum);
    hw__checkpoint_sum_add(&sum, header, size);
    for (const hw_entry *e; (e = hw__checkpoint_next_array(state, &cursor));)
        hw__checkpoint_sum_add(&sum, e->data, bytes_of(e));
    hw__checkpoint_sum_digits(&sum, digits);
    memcpy(header + CHECKPOINT_LENGTH + CHECKPOINT_AT, digits, CHECKPOINT_DIGITS);
}

/* All bytes on the disk under the temporary name. errno says what failed. */
static bool write_file(const char *name, const hw_state *state, const char *header, size_t size)
{
    int file = hw__file_create(name);
    if (file < 0) return false;
    size_t cursor = 0;
    bool good = hw__file_write_all(file, header, size);
    for (const hw_entry *e; good && (e = hw__checkpoint_next_array(state, &cursor));)
        good = hw__file_write_all(file, e->data, bytes_of(e));
    good = good && hw__file_sync(file);
    int reason = errno;
    if (close(file) != 0 && good && errno != EINTR) { /* interrupted: fsync has said that the bytes are there */
        good = false;
        reason = errno;
    }
    errno = reason;
    return good;
}

hw_status hw_state_save(const hw_state *state, const char *path, char *why)
{
    char temporary[HW__FILE_PATH], *header;
    size_t size;
    if (!state || !path || !*path) return hw__base_fail(why, HW_E_ARGUMENT, "a state and a path are needed");
    if (!hw__bytes_native())
        return hw__base_fail(why, HW_E_UNSUPPORTED, "checkpoints are of little-endian machines only");
    if (!hw__file_temporary(temporary, path)) return hw__base_fail(why, HW_E_ARGUMENT, "the path is too long");
    hw_status status = hw__checkpoint_header(state, path, &header, &size, why);
    if (status != HW_OK) return status;
    set_checksum(state, header, size);
    bool good = write_file(temporary, state, header, size);
    int reason = errno;
    hw__base_free(header);
    if (!good) {
        (void)unlink(temporary);
        return hw__base_fail(why, HW_E_IO, "%.160s: writing failed: %s", path, strerror(reason));
    }
    if (!hw__file_replace(temporary, path, why)) return HW_E_IO;
    if (why) *why = 0;
    return HW_OK;
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

/* size bytes; false where there are fewer (errno 0) or reading fails. */
static bool take(hw__checkpoint_source *source, void *to, size_t size)
{
    unsigned char *at = to;
    errno = 0;
    if (source->bytes) {
        if (size > source->size - source->at) return false;
        memcpy(at, source->bytes + source->at, size);
        source->at += size;
        return true;
    }
    while (size) {
        ssize_t n = read(source->file, at, size < 1 << 30 ? size : 1 << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = 0;
            return false;
        }
        at += n;
        size -= (size_t)n;
        source->at += (uint64_t)n;
    }
    return true;
}

static hw_status cut(const char *name, char *why)
{
    if (errno) return hw__base_fail(why, HW_E_IO, "%.160s: reading failed: %s", name, strerror(errno));
    return hw__base_fail(why, HW_E_FORMAT, "%.160s: it ends early: it was cut short while it was read", name);
}

/* The rest of the file into the sum, where it is not wanted otherwise. */
static bool skip(hw__checkpoint_source *source, hw__checkpoint_sum *sum)
{
    unsigned char block[4096];
    while (source->at < source->size) {
        uint64_t left = source->size - source->at;
        size_t n = left < sizeof block ? (size_t)left : sizeof block;
        if (!take(source, block, n)) return false;
        hw__checkpoint_sum_add(sum, block, n);
    }
    return true;
}

/* The length and the header, *size bytes, released with hw__base_free. */
static hw_status take_header(hw__checkpoint_source *source, char **header, size_t *size, const char *name, char *why)
{
    unsigned char length[CHECKPOINT_LENGTH];
    uint64_t n = 0;
    if (source->size < sizeof length + 2)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: it has %" PRIu64 " bytes: too short for a safetensors file",
                             name, source->size);
    if (!take(source, length, sizeof length)) return cut(name, why);
    n = hw__bytes_get(length, sizeof length);
    if (n < 2 || n > CHECKPOINT_HEADER || n > source->size - sizeof length)
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.120s: no safetensors file, or cut short: a header of %" PRIu64
                             " bytes in a file of %" PRIu64,
                             name, n, source->size);
    char *json = hw__base_alloc((size_t)n, 1);
    if (!json) return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory for its header", name);
    hw_status status = take(source, json, (size_t)n) ? HW_OK : cut(name, why);
    if (status == HW_OK && *json != '{')
        status = hw__base_fail(why, HW_E_FORMAT, "%.160s: no safetensors file: its header does not begin with {", name);
    else if (status == HW_OK &&
             (n <= CHECKPOINT_AT + CHECKPOINT_DIGITS || memcmp(json, CHECKPOINT_PREFIX, CHECKPOINT_AT) != 0 ||
              json[CHECKPOINT_AT + CHECKPOINT_DIGITS] != '"'))
        status = hw__base_fail(why, HW_E_FORMAT,
                               "%.120s: this is a safetensors file, but no checkpoint of libhogwild, or "
                               "the beginning of its header is damaged",
                               name);
    if (status != HW_OK) {
        hw__base_free(json);
        return status;
    }
    *header = json;
    *size = (size_t)n;
    return HW_OK;
}

/* Header and data into the state, everything into the sum. The arrays come first in the state, in the file's order. */
static hw_status take_state(hw_state *state, hw__checkpoint_source *source, const char *json, size_t size,
                            hw__checkpoint_sum *sum, const char *name, char *why)
{
    hw_status status = hw__checkpoint_entries(state, json, size, source->size - source->at, name, why);
    for (size_t i = 0; status == HW_OK && i < hw_state_count(state); i++) {
        const hw_entry *e = hw_state_entry(state, i);
        if (e->kind != HW_ENTRY_ARRAY) break;
        if (!take(source, e->data, bytes_of(e))) return cut(name, why);
        hw__checkpoint_sum_add(sum, e->data, bytes_of(e));
    }
    return status;
}

hw_status hw__checkpoint_read(hw_state *state, hw__checkpoint_source *source, const char *name, char *why)
{
    char *json = NULL, stored[CHECKPOINT_DIGITS + 1] = "", digits[CHECKPOINT_DIGITS + 1], length[CHECKPOINT_LENGTH];
    size_t size = 0;
    hw__checkpoint_sum sum;
    hw_state_clear(state);
    if (!hw__bytes_native())
        return hw__base_fail(why, HW_E_UNSUPPORTED, "checkpoints are of little-endian machines only");
    hw_status status = take_header(source, &json, &size, name, why);
    if (status != HW_OK) return status;
    hw__bytes_put(length, size, CHECKPOINT_LENGTH);
    memcpy(stored, json + CHECKPOINT_AT, CHECKPOINT_DIGITS);
    memset(json + CHECKPOINT_AT, '0', CHECKPOINT_DIGITS);
    hw__checkpoint_sum_begin(&sum);
    hw__checkpoint_sum_add(&sum, length, sizeof length);
    hw__checkpoint_sum_add(&sum, json, size);
    status = take_state(state, source, json, size, &sum, name, why);
    hw__base_free(json);
    if (status == HW_OK || status == HW_E_FORMAT) {
        /* What the parser stumbled over is most often damage: the checksum tells. */
        if (!skip(source, &sum)) {
            status = cut(name, why);
        } else {
            hw__checkpoint_sum_digits(&sum, digits);
            if (memcmp(digits, stored, sizeof digits) != 0) {
                char found[HW_WHY] = "";
                if (status != HW_OK && why) (void)snprintf(found, sizeof found, "; %s", why + strnlen(name, 100) + 2);
                status = hw__base_fail(why, HW_E_FORMAT, "%.100s: it is damaged: its checksum does not hold%.110s",
                                       name, found);
            }
        }
    }
    if (status != HW_OK) hw_state_clear(state);
    return status;
}

hw_status hw_state_load(hw_state *state, const char *path, char *why)
{
    if (!state || !path) return hw__base_fail(why, HW_E_ARGUMENT, "a state and a path are needed");
    hw_state_clear(state);
    int file = hw__file_open(path, O_RDONLY | O_NONBLOCK); /* a fifo is refused, not waited for */
    if (file < 0) return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    struct stat about;
    hw_status status;
    if (fstat(file, &about) != 0) {
        status = hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    } else if (!S_ISREG(about.st_mode)) {
        status = hw__base_fail(why, HW_E_IO, "%.160s: it is no regular file", path);
    } else {
        hw__checkpoint_source source = {.file = file, .size = (uint64_t)about.st_size};
        status = hw__checkpoint_read(state, &source, path, why);
    }
    (void)close(file);
    if (status == HW_OK && why) *why = 0;
    return status;
}
