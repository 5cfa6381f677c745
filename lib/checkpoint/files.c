/* files.c - system calls, retried where a signal broke them; temporary names. */
#include "checkpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int hw__checkpoint_open(const char *path, int flags)
{
    int file;
    do file = open(path, flags | O_CLOEXEC, 0666);
    while (file < 0 && errno == EINTR);
    return file;
}

bool hw__checkpoint_write_all(int file, const void *data, size_t size)
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

bool hw__checkpoint_sync(int file)
{
    int code;
    do code = fsync(file);
    while (code != 0 && errno == EINTR);
    return code == 0;
}

bool hw__checkpoint_sync_folder_of(const char *path)
{
    char folder[CHECKPOINT_PATH] = ".";
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
    int file = hw__checkpoint_open(folder, O_RDONLY | O_DIRECTORY);
    if (file < 0) return false;
    bool good = hw__checkpoint_sync(file) || errno == EINVAL; /* a file system that has no such thing */
    int reason = errno;
    (void)close(file);
    errno = reason;
    return good;
}

bool hw__checkpoint_temporary(char name[CHECKPOINT_PATH], const char *path)
{
    int n = snprintf(name, CHECKPOINT_PATH, "%s%s%ld", path, CHECKPOINT_TEMPORARY, (long)getpid());
    return n > 0 && n < CHECKPOINT_PATH;
}
