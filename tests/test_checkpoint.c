/* test_checkpoint.c - states in files: everything comes back bit for bit, damage of every kind is noticed, and what is
 * wrong behind a right checksum is refused. */
#include "checkpoint_files.h"
#include <sys/stat.h>
#include <unistd.h>

static char why[HW_WHY];

static void everything_comes_back(void **unused)
{
    (void)unused;
    hw_state *a = hw_state_create(), *b = hw_state_create();
    sample_state(a);
    assert_int_equal(hw_state_save(a, "sample.safetensors", why), HW_OK);
    assert_string_equal(why, "");
    assert_int_equal(hw_state_put_number(b, "of before", 1), HW_OK); /* is gone after the load */
    assert_int_equal(hw_state_load(b, "sample.safetensors", why), HW_OK);
    assert_same(a, b);
    image f = image_of(a), again = image_of(b);
    assert_int_equal((8 + header_size(f)) % 64, 0);
    hw_state_clear(a);
    assert_int_equal(read_image(a, again, why), HW_OK);
    assert_same(b, a);
    free(f.bytes);
    free(again.bytes);
    hw_state_clear(a); /* nothing at all */
    f = image_of(a);
    assert_int_equal(read_image(b, f, why), HW_OK);
    assert_int_equal(hw_state_count(b), 0);
    free(f.bytes);
    hw_state_free(a);
    hw_state_free(b);
}

/* Every length of an array of bytes, so that words of the checksum are cut everywhere; large arrays; many short names,
 * which make the writer fill up its header. */
static void sizes_come_back(void **unused)
{
    (void)unused;
    hw_state *a = hw_state_create(), *b = hw_state_create();
    hw_rng rng;
    hw_rng_seed(&rng, 1, 2);
    static unsigned char bytes[200001];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)hw_rng_next(&rng);
    for (uint64_t n = 0; n < 40; n++) {
        hw_state_clear(a);
        assert_int_equal(hw_state_put(a, "bytes", HW_U8, 1, &n, bytes), HW_OK);
        assert_int_equal(hw_state_put(a, "others", HW_U8, 1, (uint64_t[]){(n * 7) % 23}, bytes + 99), HW_OK);
        image f = image_of(a);
        assert_int_equal(read_image(b, f, why), HW_OK);
        assert_same(a, b);
        free(f.bytes);
    }
    assert_int_equal(hw_state_put(a, "large", HW_U8, 1, (uint64_t[]){sizeof bytes}, bytes), HW_OK);
    image f = image_of(a);
    assert_int_equal(read_image(b, f, why), HW_OK);
    assert_same(a, b);
    free(f.bytes);
    hw_state_clear(a);
    for (unsigned i = 0; i < 10000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%x", i);
        assert_int_equal(i % 3 ? hw_state_put_number(a, name, i % 10) : hw_state_put(a, name, HW_U8, 0, NULL, &i),
                         HW_OK);
    }
    f = image_of(a);
    print_message("10,000 short names: %zu bytes\n", f.size);
    if (read_image(b, f, why) != HW_OK) fail_msg("%s", why);
    assert_same(a, b);
    free(f.bytes);
    hw_state_free(a);
    hw_state_free(b);
}

static void rejected(hw_state *s, image f, const char *what, size_t number, const char *says)
{
    why[0] = 0;
    hw_status status = read_image(s, f, why);
    if (status != HW_E_FORMAT || hw_state_count(s) != 0 || strncmp(why, "image: ", 7) != 0 || strlen(why) < 20)
        fail_msg("%s %zu: status %d, %zu entries, '%s'", what, number, status, hw_state_count(s), why);
    if (says && !strstr(why, says)) fail_msg("%s %zu: '%s' does not say '%s'", what, number, why, says);
}

static void damage_is_noticed(void **unused)
{
    (void)unused;
    hw_state *s = hw_state_create();
    sample_state(s);
    assert_int_equal(hw_state_put(s, "more", HW_U8, 1, (uint64_t[]){2001}, bad_headers), HW_OK); /* some bytes */
    image f = image_of(s);
    unsigned char *whole = malloc(f.size + 100);
    memcpy(whole, f.bytes, f.size);
    assert_int_equal(read_image(s, f, why), HW_OK);
    for (size_t bit = 0; bit < 8 * f.size; bit++) {
        f.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        rejected(s, f, "bit", bit, NULL);
        f.bytes[bit / 8] = whole[bit / 8];
    }
    hw_rng rng;
    hw_rng_seed(&rng, 3, 4);
    size_t trials = CHECK_SLOW ? 20000 : 100000;
    for (size_t t = 0; t < trials; t++) {
        uint64_t n = 1 + hw_rng_below(&rng, 8);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t random = hw_rng_next(&rng);
            f.bytes[hw_rng_below(&rng, f.size)] ^= (unsigned char)(t % 2 ? random : 1u << random % 8);
        }
        if (memcmp(f.bytes, whole, f.size) == 0)
            t--;
        else
            rejected(s, f, "random damage", t, NULL);
        memcpy(f.bytes, whole, f.size);
    }
    for (size_t n = 0; n < f.size; n++) rejected(s, (image){f.bytes, n}, "length", n, NULL);
    for (size_t n = 1; n <= 100; n++) { /* zeros, spaces, the file's own beginning */
        memset(whole + f.size, n % 3 == 0 ? ' ' : 0, 100);
        if (n % 3 == 1) memcpy(whole + f.size, whole, 100);
        rejected(s, (image){whole, f.size + n}, "appended bytes", n, NULL);
    }
    print_message("%zu bytes: %zu bit flips, %zu random damages, %zu lengths, 100 appended: all rejected\n", f.size,
                  8 * f.size, trials, f.size);
    hw_state_free(s);
    free(f.bytes);
    free(whole);
}

static void bad_headers_are_refused(void **unused)
{
    (void)unused;
    image sample = sample_image();
    hw_state *s = hw_state_create();
    for (size_t i = 0; i < BAD_HEADERS; i++) {
        image f = altered(sample, &bad_headers[i]);
        if (!f.bytes) fail_msg("%zu: the sample has no %s", i, bad_headers[i].from);
        rejected(s, f, bad_headers[i].to, i, bad_headers[i].says);
        if (strstr(why, "checksum does not hold")) fail_msg("%zu: not behind the checksum: %s", i, why);
        free(f.bytes);
    }
    /* Spellings of JSON that say the same are no damage: the parser is no comparison of texts. */
    const bad_header good[] = {{"[3,4]", "[ 3,\t4 ]", NULL},
                               {"\"index\":{", "\"ind\\u0065x\":{", NULL},
                               {"\"dtype\":\"F32\",\"shape\":[3,4]", "\"shape\":[3,4],\"dtype\":\"F32\"", NULL},
                               {Q "LeNet" Q, "{" Q "hex" Q ":" Q "4c65" Q "}", NULL}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        image f = altered(sample, &good[i]);
        if (read_image(s, f, why) != HW_OK) fail_msg("%zu: %s", i, why);
        assert_int_equal(hw_state_count(s), 19);
        free(f.bytes);
    }
    print_message("%zu bad headers refused\n", BAD_HEADERS);
    hw_state_free(s);
    free(sample.bytes);
}

static void bad_beginnings_are_refused(void **unused)
{
    (void)unused;
    image sample = sample_image();
    hw_state *s = hw_state_create();
    const char foreign[] = "{\"__metadata__\":{\"format\":\"pt\"},\"x\":{\"dtype\":\"U8\",\"shape\":[1],"
                           "\"data_offsets\":[0,1]}}",
               plain[] = "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    image f = build(foreign, sizeof foreign - 1, "x", 1);
    rejected(s, f, "foreign", 0, "this is a safetensors file, but no checkpoint of libhogwild");
    free(f.bytes);
    f = build(plain, sizeof plain - 1, "x", 1);
    rejected(s, f, "plain", 0, "this is a safetensors file, but no checkpoint of libhogwild");
    free(f.bytes);
    const uint64_t lengths[] = {0,         1,         2,          sample.size - 7, sample.size,    100000000,
                                100000001, 1u << 31u, UINT32_MAX, INT64_MAX,       UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int b = 0; b < 8; b++) sample.bytes[b] = (unsigned char)(lengths[i] >> 8 * b);
        seal(sample);
        rejected(s, sample, "header length", i, NULL);
    }
    free(sample.bytes);
    sample = sample_image();
    sample.bytes[8] = ' ';
    rejected(s, sample, "space", 0, "does not begin with {");
    sample.bytes[8] = '{';
    sample.bytes[7 + header_size(sample)] = 0; /* the last space of the filling */
    seal(sample);
    rejected(s, sample, "zero", 0, NULL);
    free(sample.bytes);
    hw_state_free(s);
}

/* Random changes of the header's text, sealed: what is read then is a state that can be saved, or it is refused. */
static void random_headers(void **unused)
{
    (void)unused;
    static const char alphabet[] = "{}[]:,\"\\0123456789.eE+-ntfux _F\xc3";
    image sample = sample_image();
    size_t n = header_size(sample), read = 0, trials = 20000;
    hw_state *s = hw_state_create();
    hw_rng rng;
    hw_rng_seed(&rng, 5, 6);
    while (n && sample.bytes[8 + n - 1] == ' ') n--;
    for (size_t t = 0; t < trials; t++) {
        char text[4096];
        size_t m = n, first = CHECKPOINT_AT + CHECKPOINT_DIGITS + 1;
        assert_true(2 * n + 64 < sizeof text);
        memcpy(text, sample.bytes + 8, n);
        for (uint64_t changes = 1 + hw_rng_below(&rng, 4); changes; changes--) {
            size_t at = first + hw_rng_below(&rng, m - first), k = 1 + hw_rng_below(&rng, 12);
            if (k > m - at) k = m - at;
            switch (hw_rng_below(&rng, 4)) {
            case 0: /* taken out */
                memmove(text + at, text + at + k, m - at - k);
                m -= k;
                break;
            case 1: /* doubled */
                memmove(text + at + k, text + at, m - at);
                m += k;
                break;
            case 2: /* copied from elsewhere */ memmove(text + at, text + hw_rng_below(&rng, m - k), k); break;
            default: text[at] = alphabet[hw_rng_below(&rng, sizeof alphabet - 1)];
            }
        }
        image f = build(text, m, sample.bytes + 8 + header_size(sample), sample.size - 8 - header_size(sample));
        hw_status status = read_image(s, f, why);
        if (status == HW_OK && read++ < 100) {
            hw_state *back = hw_state_create();
            image again = image_of(s);
            assert_int_equal(read_image(back, again, why), HW_OK);
            assert_same(s, back);
            hw_state_free(back);
            free(again.bytes);
        } else if (status != HW_OK) {
            rejected(s, f, "random header", t, NULL);
        }
        free(f.bytes);
    }
    print_message("%zu random headers: %zu read, the others refused\n", trials, read);
    assert_true(read > 100 && read < trials / 2); /* both ways have been gone */
    hw_state_free(s);
    free(sample.bytes);
}

static void files_are_refused(void **unused)
{
    (void)unused;
    image f = sample_image();
    hw_state *s = hw_state_create();
    const size_t sizes[] = {0, 7, 8, 100, f.size / 2, f.size - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_bytes("bad", f.bytes, sizes[i]);
        assert_int_equal(hw_state_load(s, "bad", why), HW_E_FORMAT);
        assert_text(why, "bad: ");
    }
    for (size_t at = 3; at < f.size; at += 97) {
        f.bytes[at] ^= 4;
        write_bytes("bad", f.bytes, f.size);
        assert_int_equal(hw_state_load(s, "bad", why), HW_E_FORMAT);
        f.bytes[at] ^= 4;
    }
    f.bytes[f.size - 1] ^= 1;
    write_bytes("bad", f.bytes, f.size);
    assert_int_equal(hw_state_load(s, "bad", NULL), HW_E_FORMAT);
    assert_int_equal(hw_state_load(s, "bad", why), HW_E_FORMAT);
    assert_text(why, "its checksum does not hold");
    remove("bad");
    assert_int_equal(hw_state_load(s, "bad", why), HW_E_IO);
    assert_int_equal(hw_state_load(s, ".", why), HW_E_IO);
    assert_text(why, "no regular file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(hw_state_load(s, "fifo", why), HW_E_IO); /* at once */
    remove("fifo");
    sample_state(s);
    assert_int_equal(hw_state_save(s, "no/such/folder", why), HW_E_IO);
    assert_text(why, "no/such/folder: writing failed: No such file");
    assert_int_equal(hw_state_save(s, "", why), HW_E_ARGUMENT);
    assert_int_equal(hw_state_save(NULL, "x", why), HW_E_ARGUMENT);
    assert_int_equal(hw_state_load(NULL, "x", why), HW_E_ARGUMENT);
    char path[5000];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    assert_int_equal(hw_state_save(s, path, why), HW_E_ARGUMENT);
    assert_int_equal(mkdir("folder-in-the-way", 0777), 0);
    assert_int_equal(hw_state_save(s, "folder-in-the-way", why), HW_E_IO);
    assert_int_equal(rmdir("folder-in-the-way"), 0);
    hw_state_free(s);
    free(f.bytes);
}

/* A rename over a pipe or a device would take it away. */
static void what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    const char *path = "pipe.weights";
    const float x[4] = {1, 2, 3, 4};
    struct stat there;
    hw_state *s = hw_state_create();
    assert_int_equal(hw_state_put_number(s, "run.landed", 3), HW_OK);
    (void)remove(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(hw_weights_save(path, x, 4, why), HW_E_IO);
    assert_text(why, "pipe.weights: it is a device or a pipe");
    assert_int_equal(hw_state_save(s, path, why), HW_E_IO);
    assert_text(why, "pipe.weights: it is a device or a pipe");
    assert_int_equal(stat(path, &there), 0);
    assert_true(S_ISFIFO(there.st_mode));
    assert_int_equal(remove(path), 0);
    hw_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),      cmocka_unit_test(sizes_come_back),
        cmocka_unit_test(damage_is_noticed),          cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_beginnings_are_refused), cmocka_unit_test(random_headers),
        cmocka_unit_test(files_are_refused),          cmocka_unit_test(what_is_no_file_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
