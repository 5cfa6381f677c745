/* io.c - files read whole (plain or gzip), files replaced whole, JSON scalars. */
#include "base.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

bool hw__base_all_finite(const float *x, size_t n)
{
    /* An exponent of ones carries into the top bit, and nothing else does: additions and ors, which every vector unit
     * has. */
    uint32_t carried = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        carried |= (u & 0x7f800000u) + 0x00800000u;
    }
    return carried >> 31 == 0;
}

hw_status hw__base_read_file(const char *path, size_t cap, hw__base_file *file, char *why)
{
    memset(file, 0, sizeof *file);
    errno = 0;
    gzFile in = gzopen(path, "rb");
    if (!in) return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, errno ? strerror(errno) : "out of memory");
    size_t room = 1 << 14;
    hw_status status = HW_OK;
    unsigned char *data = malloc(room + 1);
    while (data) {
        if (file->size == room) {
            if (room > cap) break;
            unsigned char *more = realloc(data, 2 * room + 1);
            if (!more) {
                free(data);
                data = NULL;
                break;
            }
            data = more;
            room *= 2;
        }
        size_t want = room - file->size;
        int got = gzread(in, data + file->size, want > 1 << 24 ? 1 << 24 : (unsigned)want);
        if (got < 0) {
            int code;
            const char *text = gzerror(in, &code);
            status = hw__base_fail(why, code == Z_ERRNO ? HW_E_IO : HW_E_FORMAT, "%.120s: %.100s", path,
                                   code == Z_ERRNO ? strerror(errno) : text);
            break;
        }
        if (got == 0) break;
        file->size += (size_t)got;
        if (file->size > cap) {
            status =
                hw__base_fail(why, HW_E_LIMIT, "%.120s: it unpacks to more than the limit of %zu bytes", path, cap);
            break;
        }
    }
    if (!data) status = hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory for %zu bytes", path, room);
    /* gzread reports a stream that ends early as the end of the file; only the close tells. */
    int closed = gzclose_r(in);
    if (status == HW_OK && closed == Z_BUF_ERROR)
        status = hw__base_fail(why, HW_E_FORMAT,
                               "%.150s: the gzip stream ends early: the download is probably cut short", path);
    else if (status == HW_OK && closed != Z_OK)
        status = hw__base_fail(why, HW_E_IO, "%.160s: reading failed at the end", path);
    if (status != HW_OK) {
        free(data);
        memset(file, 0, sizeof *file);
        return status;
    }
    data[file->size] = 0;
    file->data = data;
    return HW_OK;
}

hw_status hw__base_peek_file(const char *path, unsigned char *bytes, size_t size, size_t *got, char *why)
{
    errno = 0;
    gzFile in = gzopen(path, "rb");
    if (!in) return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, errno ? strerror(errno) : "out of memory");
    int n = gzread(in, bytes, (unsigned)size), code = Z_OK;
    hw_status status = HW_OK;
    if (n < 0) {
        const char *text = gzerror(in, &code);
        status = hw__base_fail(why, code == Z_ERRNO ? HW_E_IO : HW_E_FORMAT, "%.120s: %.100s", path,
                               code == Z_ERRNO ? strerror(errno) : text);
    }
    *got = n > 0 ? (size_t)n : 0;
    (void)gzclose_r(in);
    return status;
}

hw_status hw__base_write_begin(hw__base_writer *writer, const char *path, char *why)
{
    writer->stream = NULL;
    if (strlen(path) >= sizeof writer->path) return hw__base_fail(why, HW_E_ARGUMENT, "the path is too long");
    memcpy(writer->path, path, strlen(path) + 1);
    (void)snprintf(writer->temporary, sizeof writer->temporary, "%s.new.%ld", path, (long)getpid());
    writer->stream = fopen(writer->temporary, "wb");
    if (!writer->stream) return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(errno));
    return HW_OK;
}

hw_status hw__base_write_end(hw__base_writer *writer, char *why)
{
    errno = 0;
    bool good = !ferror(writer->stream) && fflush(writer->stream) == 0 && fsync(fileno(writer->stream)) == 0;
    int first = errno;
    if (fclose(writer->stream) != 0 && good) {
        good = false;
        first = errno;
    }
    writer->stream = NULL;
    if (good && rename(writer->temporary, writer->path) != 0) {
        good = false;
        first = errno;
    }
    if (good) return HW_OK;
    (void)remove(writer->temporary);
    return hw__base_fail(why, HW_E_IO, "%.160s: writing failed: %s", writer->path, strerror(first ? first : EIO));
}

void hw__base_json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void hw__base_json_number(FILE *out, double x)
{
    char text[40];
    if (!hw__base_finite_double(x)) {
        fputs("null", out);
        return;
    }
    (void)snprintf(text, sizeof text, "%.9g", x);
    for (char *c = text; *c; c++)
        if (*c == ',') *c = '.'; /* the caller's locale may write a comma */
    fputs(text, out);
}
