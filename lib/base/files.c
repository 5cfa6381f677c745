/* files.c - files read whole, plain or gzip; and files replaced whole. */
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

hw_status hw__file_read(const char *path, size_t cap, hw__file *file, char *why)
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

hw_status hw__file_peek(const char *path, unsigned char *bytes, size_t size, size_t *got, char *why)
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

/* --- system calls, retried where a signal broke them ----------------------------------------------------------------
 */

int hw__file_open(const char *path, int flags)
{
    int file;
    do file = open(path, flags | O_CLOEXEC, 0666);
    while (file < 0 && errno == EINTR);
    return file;
}

bool hw__file_write_all(int file, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size) {
        ssize_t n = write(file, at, size < 1 << 30 ? size : 1 << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = EIO; /* no progress and no reason: never of a regular file */
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool hw__file_sync(int file)
{
    int code;
    do code = fsync(file);
    while (code != 0 && errno == EINTR);
    return code == 0;
}

bool hw__file_sync_folder_of(const char *path)
{
    char folder[HW__FILE_PATH] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0; /* with its slash: the root is one, too */
    if (n >= sizeof folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (n) {
        memcpy(folder, path, n);
        folder[n] = 0;
    }
    int file = hw__file_open(folder, O_RDONLY | O_DIRECTORY);
    if (file < 0) return false;
    bool good = hw__file_sync(file) || errno == EINVAL; /* a file system that has no such thing */
    int reason = errno;
    (void)close(file);
    errno = reason;
    return good;
}

/* --- replacing ------------------------------------------------------------------------------------------------------
 */

bool hw__file_temporary(char name[HW__FILE_PATH], const char *path)
{
    /* The address of the writer's own memory keeps two threads that save to one path apart. */
    int n = snprintf(name, HW__FILE_PATH, "%s%s%ld-%zx", path, HW__FILE_TEMPORARY, (long)getpid(), (size_t)name);
    return n > 0 && n < HW__FILE_PATH;
}

int hw__file_create(const char *name)
{
    int file = hw__file_open(name, O_CREAT | O_EXCL | O_WRONLY);
    if (file < 0 && errno == EEXIST && unlink(name) == 0) file = hw__file_open(name, O_CREAT | O_EXCL | O_WRONLY);
    return file;
}

/* A device or a pipe would be gone with a rename over it. */
static bool is_special(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
}

static hw_status refuse_special(const char *path, char *why)
{
    return hw__base_fail(why, HW_E_IO, "%.160s: it is a device or a pipe: a file is written beside it and renamed",
                         path);
}

bool hw__file_replace(const char *temporary, const char *path, char *why)
{
    if (is_special(path)) {
        (void)unlink(temporary);
        (void)refuse_special(path, why);
        return false;
    }
    if (rename(temporary, path) != 0) {
        int reason = errno;
        (void)unlink(temporary);
        hw__base_fail(why, HW_E_IO, "%.160s: writing failed: %s", path, strerror(reason));
        return false;
    }
    if (hw__file_sync_folder_of(path)) return true;
    hw__base_fail(why, HW_E_IO, "%.140s: it is written, but its folder could not be synced: %s", path, strerror(errno));
    return false;
}

hw_status hw__file_write_begin(hw__file_writer *writer, const char *path, char *why)
{
    writer->stream = NULL;
    if (!hw__file_temporary(writer->temporary, path))
        return hw__base_fail(why, HW_E_ARGUMENT, "%.100s...: the path is too long", path);
    if (is_special(path)) return refuse_special(path, why);
    writer->length = strlen(path);
    int file = hw__file_create(writer->temporary);
    writer->stream = file < 0 ? NULL : fdopen(file, "wb");
    if (writer->stream) return HW_OK;
    int reason = errno;
    if (file >= 0) {
        (void)close(file);
        (void)unlink(writer->temporary);
    }
    return hw__base_fail(why, HW_E_IO, "%.160s: %s", path, strerror(reason));
}

hw_status hw__file_write_end(hw__file_writer *writer, char *why)
{
    errno = 0;
    bool good = !ferror(writer->stream) && fflush(writer->stream) == 0 && hw__file_sync(fileno(writer->stream));
    int first = errno;
    if (fclose(writer->stream) != 0 && good) {
        good = false;
        first = errno;
    }
    writer->stream = NULL;
    char path[HW__FILE_PATH];
    memcpy(path, writer->temporary, writer->length);
    path[writer->length] = 0;
    if (good) return hw__file_replace(writer->temporary, path, why) ? HW_OK : HW_E_IO;
    (void)unlink(writer->temporary);
    return hw__base_fail(why, HW_E_IO, "%.160s: writing failed: %s", path, strerror(first ? first : EIO));
}
