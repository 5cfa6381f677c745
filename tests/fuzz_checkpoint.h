/* fuzz_checkpoint.h - libFuzzer's targets for checkpoints: whole files and headers with a checksum made right, and
 * bytes as they come; and the files to begin with. */
#ifndef FUZZ_CHECKPOINT_H
#define FUZZ_CHECKPOINT_H

#include "checkpoint_files.h"
#include "fuzz_seeds.h"

static inline image copied(const void *bytes, size_t size)
{
    image f = {malloc(size), size};
    PROMISE(f.bytes);
    memcpy(f.bytes, bytes, size);
    return f;
}

static inline void check_entry(const hw_entry *e)
{
    size_t n = strlen(e->name), count = 1;
    PROMISE(n > 0 && n < HW_STATE_NAME);
    if (e->kind == HW_ENTRY_TEXT) touch(e->text, strlen(e->text));
    if (e->kind != HW_ENTRY_ARRAY) return;
    PROMISE(e->dims <= HW_STATE_DIMS && hw_dtype_size(e->dtype) && e->data);
    for (unsigned d = 0; d < e->dims; d++) count *= e->shape[d];
    PROMISE(count == e->count && (uintptr_t)e->data % HW_LINE == 0);
    touch(e->data, count * hw_dtype_size(e->dtype));
}

/* What was loaded can be written, and is then the same again. */
static inline void check_again(const hw_state *state)
{
    char *header;
    size_t size, cursor = 0;
    PROMISE(hw__checkpoint_header(state, "image", &header, &size, sentence) == HW_OK);
    image f = copied(header, size);
    hw__base_free(header);
    for (const hw_entry *e; (e = hw__checkpoint_next_array(state, &cursor));) {
        size_t bytes = e->count * hw_dtype_size(e->dtype);
        f.bytes = realloc(f.bytes, f.size + bytes);
        PROMISE(f.bytes);
        if (bytes) memcpy(f.bytes + f.size, e->data, bytes);
        f.size += bytes;
    }
    seal(f);
    hw_state *again = hw_state_create();
    PROMISE(again && read_image(again, f, sentence) == HW_OK && hw_state_count(again) == hw_state_count(state));
    for (size_t i = 0; i < hw_state_count(state); i++) {
        const hw_entry *e = hw_state_entry(state, i);
        PROMISE(same_entry(e, hw_state_find(again, e->name)));
    }
    hw_state_free(again);
    free(f.bytes);
}

static inline void check_state(hw_state *state, hw_status status, const char *name)
{
    if (status != HW_OK) {
        check_refusal(status, name);
        PROMISE(hw_state_count(state) == 0);
    } else {
        for (size_t i = 0; i < hw_state_count(state); i++) check_entry(hw_state_entry(state, i));
        check_again(state);
    }
    hw_state_free(state);
}

static inline void use_sealed(image f)
{
    hw_state *state = hw_state_create();
    PROMISE(state);
    seal(f);
    check_state(state, read_image(state, f, sentence), "image");
    free(f.bytes);
}

static inline void use_checkpoint(const uint8_t *data, size_t size)
{
    use_sealed(copied(data, size));
}

/* The header's text after the checksum; the data are those of the sample. */
static inline void use_header(const uint8_t *data, size_t size)
{
    static const unsigned char arrays[135];
    char text[8192];
    size_t begin = (size_t)snprintf(text, sizeof text, "%s%024d\"", CHECKPOINT_PREFIX, 0);
    if (size > sizeof text - begin) return;
    memcpy(text + begin, data, size);
    use_sealed(build(text, begin + size, arrays, sizeof arrays));
}

static inline void use_raw_checkpoint(const uint8_t *data, size_t size)
{
    hw_state *state = hw_state_create();
    const char *path = put(0, data, size);
    PROMISE(state);
    check_state(state, hw_state_load(state, path, sentence), path);
}

/* --- the files to begin with -------------------------------------------------------------------------------------- */

/* A good one, a small one, and all the bad ones of the tests. */
static inline void seed_checkpoints(void)
{
    hw_state *s = hw_state_create();
    PROMISE(s && hw_state_put(s, "w", HW_F32, 1, (uint64_t[]){2}, (float[]){1, 2}) == HW_OK);
    PROMISE(hw_state_put_number(s, "n", 7) == HW_OK && hw_state_put_real(s, "r", 0.5) == HW_OK);
    PROMISE(hw_state_save(s, seed_path(), NULL) == HW_OK);
    hw_state_clear(s);
    sample_state(s);
    PROMISE(hw_state_save(s, seed_path(), NULL) == HW_OK);
    hw_state_free(s);
    image sample = sample_image();
    for (size_t i = 0; i < BAD_HEADERS; i++) {
        image bad = altered(sample, bad_headers + i);
        if (bad.bytes && bad.size < 3000) seed(bad.bytes, bad.size);
        free(bad.bytes);
    }
    free(sample.bytes);
}

/* What follows the checksum in a header. */
static inline void seed_header(image f)
{
    size_t skip = 8 + CHECKPOINT_AT + CHECKPOINT_DIGITS + 1, end = 8 + header_size(f);
    while (end > skip && f.bytes[end - 1] == ' ') end--;
    if (end - skip < 3000) seed(f.bytes + skip, end - skip);
}

static inline void seed_headers(void)
{
    static const bad_header large = {"[7],\"data_offsets\":[128,135]", "[80000000],\"data_offsets\":[128,80000128]",
                                     ""};
    image sample = sample_image(), claim = altered(sample, &large);
    PROMISE(claim.bytes);
    seed_header(sample);
    seed_header(claim);
    free(claim.bytes);
    for (size_t i = 0; i < BAD_HEADERS; i++) {
        image bad = altered(sample, bad_headers + i);
        if (bad.bytes) seed_header(bad);
        free(bad.bytes);
    }
    free(sample.bytes);
}

#endif
