/* file.c - a trace as a file: little-endian header, settings, the workers' streams, and a CRC-32 of all before it.
 * Every byte of it is untrusted: sizes are checked against the bytes present before anything is allocated. */
#include "../base/bytes.h"
#include "../base/files.h"
#include "timeline.h"
#include <string.h>
#include <zlib.h>

#define MAGIC   "HWTRACE\n"
#define VERSION 1u
#define HEADER  (8 + 4 * 8 + 8 * 4 + HW_WHY)
#define CAP     ((size_t)1 << 32)

static void put32(unsigned char **at, uint32_t x)
{
    hw__bytes_put(*at, x, 4);
    *at += 4;
}

static void put64(unsigned char **at, uint64_t x)
{
    hw__bytes_put(*at, x, 8);
    *at += 8;
}

static uint32_t get32(const unsigned char **at)
{
    *at += 4;
    return (uint32_t)hw__bytes_get(*at - 4, 4);
}

static uint64_t get64(const unsigned char **at)
{
    *at += 8;
    return hw__bytes_get(*at - 8, 8);
}

static void put_double(unsigned char **at, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put64(at, bits);
}

static double get_double(const unsigned char **at)
{
    uint64_t bits = get64(at);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static void write_header(const hw_trace *t, unsigned char *at)
{
    const hw_trace_info *i = &t->info;
    memcpy(at, MAGIC, 8);
    at += 8;
    const uint64_t wide[] = {i->updates, i->lost, i->seed, i->parameters};
    const uint32_t narrow[] = {VERSION,     i->workers,   i->per_group,           i->batch,
                               i->settings, i->optimizer, (uint32_t)i->bit_equal, t->crc};
    for (int k = 0; k < 4; k++) put64(&at, wide[k]);
    for (int k = 0; k < 8; k++) put32(&at, narrow[k]);
    memcpy(at, i->why_not, HW_WHY);
}

/* The streams again from the entries: first their lengths, then the bytes. at NULL: lengths only. */
static bool streams(const hw_trace *t, uint64_t *length, unsigned char **at)
{
    hw__trace_position *p = hw__base_zalloc(t->info.workers, sizeof *p);
    if (!p) return false;
    for (uint64_t i = 0; i < t->info.updates; i++) {
        const hw_trace_entry *e = t->entry + i;
        unsigned char one[TRACE_ENTRY];
        size_t n = hw__trace_encode(p + e->worker, one, i, e->read, e->ticket, e->setting);
        if (at) {
            memcpy(at[e->worker], one, n);
            at[e->worker] += n;
        } else {
            length[e->worker] += n;
        }
    }
    hw__base_free(p);
    return true;
}

static unsigned char *serialise(const hw_trace *t, size_t *size)
{
    unsigned workers = t->info.workers;
    uint64_t *length = hw__base_zalloc(workers, sizeof *length);
    unsigned char **at = hw__base_zalloc(workers, sizeof *at), *bytes = NULL;
    *size = HEADER + (size_t)t->info.settings * 32 + (size_t)workers * 8;
    if (length && at && streams(t, length, NULL)) {
        size_t total = *size + 4;
        for (unsigned w = 0; w < workers; w++) total += length[w];
        bytes = hw__base_zalloc(total, 1);
        if (bytes) {
            write_header(t, bytes);
            unsigned char *next = bytes + HEADER;
            for (uint32_t i = 0; i < t->info.settings; i++) {
                const hw__trace_setting *s = t->setting + i;
                const double values[] = {s->rate, s->momentum, s->ahead, s->exact};
                for (int k = 0; k < 4; k++) put_double(&next, values[k]);
            }
            for (unsigned w = 0; w < workers; w++) put64(&next, length[w]);
            for (unsigned w = 0; w < workers; w++) {
                at[w] = next;
                next += length[w];
            }
            if (!streams(t, length, at)) {
                hw__base_free(bytes);
                bytes = NULL;
            } else {
                *size = (size_t)(next - bytes);
                uint32_t crc = (uint32_t)crc32_z(0, bytes, *size);
                put32(&next, crc);
                *size += 4;
            }
        }
    }
    hw__base_free(length);
    hw__base_free(at);
    return bytes;
}

hw_status hw_trace_save(const hw_trace *trace, const char *path, char *why)
{
    if (!trace || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_trace_save: trace or path is NULL");
    size_t size;
    unsigned char *bytes = serialise(trace, &size);
    if (!bytes) return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory to write a trace", path);
    hw__file_writer writer;
    hw_status status = hw__file_write_begin(&writer, path, why);
    if (status == HW_OK) {
        (void)fwrite(bytes, 1, size, writer.stream); /* the end of the writing asks the stream for errors */
        status = hw__file_write_end(&writer, why);
    }
    hw__base_free(bytes);
    return status;
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static hw_status bad(const char *path, const char *what, char *why)
{
    return hw__base_fail(why, HW_E_FORMAT, "%.140s: not a trace that can be replayed: %s", path, what);
}

static hw_status read_header(const hw__file *f, const char *path, hw_trace *t, char *why)
{
    if (f->size < HEADER + 4 || memcmp(f->data, MAGIC, 8) != 0) return bad(path, "it does not begin like one", why);
    const unsigned char *at = f->data + f->size - 4;
    if (get32(&at) != (uint32_t)crc32_z(0, f->data, f->size - 4))
        return bad(path, "its checksum is wrong: the file is damaged or cut short", why);
    at = f->data + 8;
    hw_trace_info *i = &t->info;
    i->updates = get64(&at);
    i->lost = get64(&at);
    i->seed = get64(&at);
    i->parameters = get64(&at);
    uint32_t version = get32(&at);
    if (version != VERSION) return bad(path, "it has another version's format", why);
    i->workers = get32(&at);
    i->per_group = get32(&at);
    i->batch = get32(&at);
    i->settings = get32(&at);
    i->optimizer = get32(&at);
    i->bit_equal = get32(&at) == 1;
    t->crc = get32(&at);
    memcpy(i->why_not, at, HW_WHY);
    i->why_not[HW_WHY - 1] = 0;
    size_t rest = f->size - HEADER - 4;
    if (i->workers < 1 || i->workers > HW_MAX_WORKERS || i->per_group < 1 || i->per_group > HW_MAX_WORKERS)
        return bad(path, "its number of workers is out of range", why);
    if (i->settings < 1 || i->settings > rest / 32) return bad(path, "it has no room for its settings", why);
    rest -= (size_t)i->settings * 32;
    if (i->workers > rest / 8) return bad(path, "it has no room for its workers", why);
    rest -= (size_t)i->workers * 8;
    /* An update takes three bytes or more: so the entries are bounded by the bytes that are there. */
    if (i->updates < 1 || i->updates > rest / 3) return bad(path, "it is too short for its updates", why);
    i->bytes = rest;
    return HW_OK;
}

static hw_status read_settings(const unsigned char **at, const char *path, hw_trace *t, char *why)
{
    for (uint32_t i = 0; i < t->info.settings; i++) {
        double v[4];
        for (int k = 0; k < 4; k++) {
            v[k] = get_double(at);
            if (!hw__base_finite_double(v[k])) return bad(path, "a setting is not finite", why);
        }
        if (v[0] <= 0 || v[1] <= -1 || v[1] >= 1 || v[3] < 0 || v[3] >= 1)
            return bad(path, "a setting's learning rate or momentum is out of range", why);
        t->setting[i] = (hw__trace_setting){v[0], v[1], v[2], v[3]};
    }
    return HW_OK;
}

static hw_status read_streams(const unsigned char *at, const char *path, hw_trace *t, char *why)
{
    const unsigned char *lengths = at, *next = at + (size_t)t->info.workers * 8;
    uint64_t left = t->info.bytes;
    for (unsigned w = 0; w < t->info.workers; w++) {
        uint64_t length = get64(&lengths);
        if (length > left) return bad(path, "a worker's stream is longer than the file", why);
        left -= length;
        const unsigned char *end = next + length;
        hw__trace_position p = {0, 0, 0, 0, 0};
        while (next < end)
            if (!hw__trace_decode(&p, &next, end, w, false, t))
                return bad(path, "a worker's stream makes no sense", why);
    }
    if (left) return bad(path, "bytes are left over", why);
    for (uint64_t i = 0; i < t->info.updates; i++)
        if (t->entry[i].worker == UINT32_MAX) return bad(path, "an update is missing", why);
    return HW_OK;
}

hw_status hw_trace_load(hw_trace **out, const char *path, char *why)
{
    if (!out || !path) return hw__base_fail(why, HW_E_ARGUMENT, "hw_trace_load: the address or the path is NULL");
    *out = NULL;
    hw__file f;
    hw_status status = hw__file_read(path, CAP, &f, why);
    if (status != HW_OK) return status;
    hw_trace *t = hw__base_zalloc(1, sizeof *t);
    if (!t) status = hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory", path);
    if (status == HW_OK) status = read_header(&f, path, t, why);
    if (status == HW_OK && !hw__trace_allocate(t)) status = hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory", path);
    const unsigned char *at = f.data + HEADER;
    if (status == HW_OK) status = read_settings(&at, path, t, why);
    if (status == HW_OK) status = read_streams(at, path, t, why);
    hw__base_free(f.data);
    if (status != HW_OK) {
        hw_trace_free(t);
        return status;
    }
    *out = t;
    return HW_OK;
}
