/* cache.c - a sparse set as a file that is mapped instead of parsed. Little-endian, of whole blocks of 64 bytes:
 *
 *   byte 0   "HWSPARSE"             40  bytes of the text file it was made from, 0 for none
 *        8   u32 version, 1         48  that file's last change, nanoseconds
 *       12   u32 header's bytes     56  i32 base and 60 u32 columns, as the reader was asked
 *       16   u64 file's bytes       64  u64 checksum
 *       24   u32 rows, u32 columns  72  zeros up to byte 128
 *       32   u64 nonzeros
 *   then offset (u64), label (float32), index (u32), value (float32), each filled up with zeros to 64 bytes.
 *
 * The checksum covers every byte but its own. It finds accidents, not attackers, so a load checks the arrays as well
 * and believes no size before the file's own size bears it out. A file that is written over in place while it is mapped
 * is beyond any check; save replaces files by renaming and so leaves a mapped one as it was. */
#include "../../base/bytes.h"
#include "../../base/files.h"
#include "../../base/base.h"
#include "sparse.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1u
#define BLOCK   64u

/* Four independent chains of multiply and shift, so that a core's multiplier is always busy; every step is a bijection
 * of its lane, so that no change within one word is lost. */
void hw__sparse_sum_blocks(uint64_t lane[4], const unsigned char *bytes, size_t blocks)
{
    uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
    for (size_t i = 0; i < 2 * blocks; i++) {
        uint64_t w[4];
        memcpy(w, bytes + 32 * i, sizeof w);
        a = (a ^ w[0]) * 0x9e3779b97f4a7c15u;
        b = (b ^ w[1]) * 0xbf58476d1ce4e5b9u;
        c = (c ^ w[2]) * 0x94d049bb133111ebu;
        d = (d ^ w[3]) * 0xd1342543de82ef95u;
        a ^= a >> 32;
        b ^= b >> 32;
        c ^= c >> 32;
        d ^= d >> 32;
    }
    lane[0] = a;
    lane[1] = b;
    lane[2] = c;
    lane[3] = d;
}

static uint64_t sum_end(const uint64_t lane[4])
{
    uint64_t x = 0;
    for (int i = 0; i < 4; i++) {
        x = (x ^ lane[i]) * 0x9e3779b97f4a7c15u;
        x ^= x >> 29;
    }
    return x;
}

static void sum_header(uint64_t lane[4], const unsigned char *header)
{
    unsigned char copy[SPARSE_HEADER];
    for (unsigned i = 0; i < 4; i++) lane[i] = i + 1;
    memcpy(copy, header, sizeof copy);
    memset(copy + SPARSE_SUM, 0, 8);
    hw__sparse_sum_blocks(lane, copy, SPARSE_HEADER / BLOCK);
}

uint64_t hw__sparse_sum(const unsigned char *file, size_t size)
{
    uint64_t lane[4];
    sum_header(lane, file);
    hw__sparse_sum_blocks(lane, file + SPARSE_HEADER, (size - SPARSE_HEADER) / BLOCK);
    return sum_end(lane);
}

/* Where the four arrays begin, and the file's size after them. At most 2^33 rows' bytes and 8 * nonzeros: the caller
 * has bounded the latter. */
static uint64_t layout(uint32_t rows, uint64_t nonzeros, uint64_t at[4])
{
    uint64_t bytes[4] = {((uint64_t)rows + 1) * 8, (uint64_t)rows * 4, nonzeros * 4, nonzeros * 4};
    uint64_t end = SPARSE_HEADER;
    for (int i = 0; i < 4; i++) {
        at[i] = end;
        end += (bytes[i] + BLOCK - 1) / BLOCK * BLOCK;
    }
    return end;
}

/* The bytes of an array and the zeros after it, into the checksum and, where there is one, the stream. */
static void append(const void *array, size_t bytes, uint64_t lane[4], FILE *stream)
{
    unsigned char last[BLOCK] = {0};
    size_t whole = bytes / BLOCK * BLOCK;
    if (bytes > whole) memcpy(last, (const unsigned char *)array + whole, bytes - whole);
    if (stream) {
        (void)fwrite(array, 1, whole, stream); /* hw__file_write_end asks the stream whether all went well */
        if (bytes > whole) (void)fwrite(last, 1, BLOCK, stream);
    } else {
        hw__sparse_sum_blocks(lane, array, whole / BLOCK);
        if (bytes > whole) hw__sparse_sum_blocks(lane, last, 1);
    }
}

static void append_all(const hw_sparse *s, uint64_t lane[4], FILE *stream)
{
    append(s->offset, ((size_t)s->rows + 1) * sizeof *s->offset, lane, stream);
    append(s->label, (size_t)s->rows * sizeof *s->label, lane, stream);
    append(s->index, (size_t)s->nonzeros * sizeof *s->index, lane, stream);
    append(s->value, (size_t)s->nonzeros * sizeof *s->value, lane, stream);
}

hw_status hw__sparse_save(const hw_sparse *s, const hw__sparse_source *source, const char *path, char *why)
{
    unsigned char header[SPARSE_HEADER] = {0};
    uint64_t at[4], lane[4];
    hw__file_writer writer;
    if (!hw__bytes_native())
        return hw__base_fail(why, HW_E_UNSUPPORTED, "%.120s: sparse caches are of little-endian machines", path);
    const char *fault = hw__sparse_fault(s);
    if (fault) return hw__base_fail(why, HW_E_ARGUMENT, "%.120s: not written: in the data set %s", path, fault);
    memcpy(header, SPARSE_MAGIC, 8);
    hw__bytes_put(header + 8, VERSION, 4);
    hw__bytes_put(header + 12, SPARSE_HEADER, 4);
    hw__bytes_put(header + 16, layout(s->rows, s->nonzeros, at), 8);
    hw__bytes_put(header + 24, s->rows, 4);
    hw__bytes_put(header + 28, s->columns, 4);
    hw__bytes_put(header + 32, s->nonzeros, 8);
    hw__bytes_put(header + 40, source->size, 8);
    hw__bytes_put(header + 48, source->time, 8);
    hw__bytes_put(header + 56, (uint32_t)source->base, 4);
    hw__bytes_put(header + 60, source->columns, 4);
    sum_header(lane, header);
    append_all(s, lane, NULL);
    hw__bytes_put(header + SPARSE_SUM, sum_end(lane), 8);
    hw_status status = hw__file_write_begin(&writer, path, why);
    if (status != HW_OK) return status;
    (void)fwrite(header, 1, sizeof header, writer.stream);
    append_all(s, lane, writer.stream);
    return hw__file_write_end(&writer, why);
}

hw_status hw_sparse_save(const hw_sparse *s, const char *path, char *why)
{
    const hw__sparse_source none = {0};
    if (!s || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_save: a data set and a path are needed");
    return hw__sparse_save(s, &none, path, why);
}

/* Everything of a mapped file that can be wrong before the arrays are looked at; fills *s on HW_OK. */
static hw_status check(unsigned char *file, uint64_t size, const hw__sparse_source *expected, const char *path,
                       hw_sparse *s, char *why)
{
    uint64_t at[4];
    if (memcmp(file, SPARSE_MAGIC, 8) != 0)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: this is no sparse cache: it does not begin with " SPARSE_MAGIC,
                             path);
    if (hw__bytes_get(file + 8, 4) != VERSION || hw__bytes_get(file + 12, 4) != SPARSE_HEADER)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: a sparse cache of version %llu; this library reads version %u",
                             path, (unsigned long long)hw__bytes_get(file + 8, 4), VERSION);
    uint32_t rows = (uint32_t)hw__bytes_get(file + 24, 4), columns = (uint32_t)hw__bytes_get(file + 28, 4);
    uint64_t nonzeros = hw__bytes_get(file + 32, 8);
    if (hw__bytes_get(file + 16, 8) != size || nonzeros > size / 8 || layout(rows, nonzeros, at) != size)
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.120s: a sparse cache of %llu bytes, but its header promises %llu and %u rows with %llu "
                             "non-zeros",
                             path, (unsigned long long)size, (unsigned long long)hw__bytes_get(file + 16, 8), rows,
                             (unsigned long long)nonzeros);
    if (hw__bytes_get(file + SPARSE_SUM, 8) != hw__sparse_sum(file, (size_t)size))
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: the checksum of the sparse cache does not hold: it is damaged",
                             path);
    if (expected &&
        (hw__bytes_get(file + 40, 8) != expected->size || hw__bytes_get(file + 48, 8) != expected->time ||
         hw__bytes_get(file + 56, 4) != (uint32_t)expected->base || hw__bytes_get(file + 60, 4) != expected->columns))
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: the sparse cache was made from another file or other options",
                             path);
    s->rows = rows;
    s->columns = columns;
    s->nonzeros = nonzeros;
    s->offset = (void *)(file + at[0]);
    s->label = (void *)(file + at[1]);
    s->index = (void *)(file + at[2]);
    s->value = (void *)(file + at[3]);
    s->map = file;
    s->map_bytes = (size_t)size;
    const char *fault = hw__sparse_fault(s);
    return fault ? hw__base_fail(why, HW_E_FORMAT, "%.120s: in the sparse cache %s", path, fault) : HW_OK;
}

hw_status hw__sparse_load(hw_sparse *s, const hw__sparse_source *expected, const char *path, char *why)
{
    struct stat info;
    memset(s, 0, sizeof *s);
    if (!hw__bytes_native())
        return hw__base_fail(why, HW_E_UNSUPPORTED, "%.120s: sparse caches are of little-endian machines", path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    hw_status status = HW_OK;
    void *map = MAP_FAILED;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        status = hw__base_fail(why, HW_E_IO, "%.160s: a sparse cache must be a plain file", path);
    else if (info.st_size < (off_t)SPARSE_HEADER || (uint64_t)info.st_size > SIZE_MAX)
        status = hw__base_fail(why, HW_E_FORMAT, "%.120s: only %lld bytes: a sparse cache's header takes %u", path,
                               (long long)info.st_size, SPARSE_HEADER);
    else if ((map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0)) == MAP_FAILED)
        status = hw__base_fail(why, errno == ENOMEM ? HW_E_MEMORY : HW_E_IO, "%.160s: mapping failed: %s", path,
                               strerror(errno));
    (void)close(file);
    if (status != HW_OK) return status;
    status = check(map, (uint64_t)info.st_size, expected, path, s, why);
    if (status != HW_OK) {
        (void)munmap(map, (size_t)info.st_size);
        memset(s, 0, sizeof *s);
    }
    return status;
}

hw_status hw_sparse_load(hw_sparse *s, const char *path, char *why)
{
    if (!s || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_load: a data set and a path are needed");
    return hw__sparse_load(s, NULL, path, why);
}
