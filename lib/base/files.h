/* files.h (internal) - files read whole, and files replaced whole: readers see the old one or the new one, never a
 * part, and what has been acknowledged survives a kill and, as far as the disk keeps its word, a power cut. */
#ifndef HW__BASE_FILES_H
#define HW__BASE_FILES_H

#include "base.h"

/* A whole file, plain or gzip (told apart by its first two bytes), at most `cap` bytes unpacked. The buffer grows with
 * the bytes really present. data[size] is 0. Release with hw__base_free. */
typedef struct hw__file {
    unsigned char *data;
    size_t size;
} hw__file;
hw_status hw__file_read(const char *path, size_t cap, hw__file *file, char *why);
/* The first bytes of a file, unpacked: how many of `size` there were, into *got. */
hw_status hw__file_peek(const char *path, unsigned char *bytes, size_t size, size_t *got, char *why);

#define HW__FILE_PATH      4096
#define HW__FILE_TEMPORARY ".tmp." /* then the process' number, -, and the writer's: what a killed process leaves */

/* A stream into a temporary file of the same folder. end: flush, fsync, rename, fsync of the folder; on an error the
 * temporary file is removed and the old one is as it was. */
typedef struct hw__file_writer {
    FILE *stream;
    char temporary[HW__FILE_PATH];
    size_t length; /* of the path, which the temporary name begins with */
} hw__file_writer;
hw_status hw__file_write_begin(hw__file_writer *writer, const char *path, char *why);
hw_status hw__file_write_end(hw__file_writer *writer, char *why);

/* Its parts, for who writes without a stream. False: errno says why. */
bool hw__file_temporary(char name[HW__FILE_PATH], const char *path); /* false: it is too long */
int hw__file_open(const char *path, int flags);                      /* -1 */
bool hw__file_write_all(int file, const void *data, size_t size);
bool hw__file_sync(int file);
bool hw__file_sync_folder_of(const char *path);
/* A new file of a temporary name, for writing; one of that name was left by a process that had our number before and
 * goes. Below 0 with errno. */
int hw__file_create(const char *name);
/* A synced temporary file takes the name, and the folder is synced; false with a sentence, the file removed. */
bool hw__file_replace(const char *temporary, const char *path, char *why);

#endif
