/* sparse_files.h - what test_libsvm.c and test_rows.c share: files in a folder of their own, and sets compared. */
#ifndef SPARSE_FILES_H
#define SPARSE_FILES_H

#include "check.h"
#include "../lib/data/tables/sparse.h"
#include <unistd.h>
#include <zlib.h>

static char folder[] = "hogwild-sparse-XXXXXX";

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int drop_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

typedef struct place {
    char path[64];
} place;

static inline place at(const char *name)
{
    place p;
    snprintf(p.path, sizeof p.path, "%s/%s", folder, name);
    return p;
}

static inline void put(const char *name, const void *bytes, size_t n)
{
    write_bytes(at(name).path, bytes, n);
}

static inline void put_gzip(const char *name, const void *bytes, size_t n)
{
    gzFile f = gzopen(at(name).path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

static inline unsigned char *get(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static inline void assert_empty(const hw_sparse *s)
{
    static const hw_sparse none;
    assert_memory_equal(s, &none, sizeof none);
}

static inline void assert_same(const hw_sparse *a, const hw_sparse *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->nonzeros, b->nonzeros);
    assert_memory_equal(a->offset, b->offset, ((size_t)a->rows + 1) * sizeof *a->offset);
    assert_memory_equal(a->index, b->index, (size_t)a->nonzeros * sizeof *a->index);
    assert_memory_equal(a->value, b->value, (size_t)a->nonzeros * sizeof *a->value);
    assert_memory_equal(a->label, b->label, a->rows * sizeof *a->label);
}

static inline hw_sparse copy(const hw_sparse *s)
{
    hw_sparse c;
    assert_int_equal(hw__sparse_make(&c, s->rows, s->columns, s->nonzeros, NULL), HW_OK);
    memcpy(c.offset, s->offset, ((size_t)s->rows + 1) * sizeof *s->offset);
    memcpy(c.index, s->index, (size_t)s->nonzeros * sizeof *s->index);
    memcpy(c.value, s->value, (size_t)s->nonzeros * sizeof *s->value);
    memcpy(c.label, s->label, s->rows * sizeof *s->label);
    return c;
}

static inline hw_sparse read_text(const char *text)
{
    char why[HW_WHY] = "";
    hw_sparse s;
    put("text", text, strlen(text));
    if (hw_libsvm_read(at("text").path, NULL, &s, why) != HW_OK) fail_msg("'%s': %s", text, why);
    assert_null(hw__sparse_fault(&s));
    return s;
}

#endif
