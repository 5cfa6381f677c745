/* folder.c - the last few checkpoints of a run, by the numbers in their names: which are kept, which is loaded. */
#include "../base/files.h"
#include "checkpoint.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define BEFORE    "checkpoint-"
#define AFTER     ".safetensors"
#define DIGITS    12u
#define NAME_SIZE (sizeof BEFORE - 1 + DIGITS + sizeof AFTER - 1)
#define LARGEST   UINT64_C(999999999999)

static bool all_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9') return false;
    return true;
}

/* Whether a name begins as that of a checkpoint; its number. */
static bool checkpoint_name(const char *name, uint64_t *step)
{
    const char *digits = name + sizeof BEFORE - 1;
    if (strlen(name) < NAME_SIZE || memcmp(name, BEFORE, sizeof BEFORE - 1) != 0 || !all_digits(digits, DIGITS) ||
        memcmp(digits + DIGITS, AFTER, sizeof AFTER - 1) != 0)
        return false;
    *step = 0;
    for (size_t i = 0; i < DIGITS; i++) *step = 10 * *step + (uint64_t)(digits[i] - '0');
    return true;
}

/* A temporary file of one of our names whose process is gone, or had our number: no other thread saves here now. */
static bool left_over(const char *name)
{
    uint64_t step;
    if (!checkpoint_name(name, &step)) return false;
    const char *rest = name + NAME_SIZE, *process = rest + sizeof HW__FILE_TEMPORARY - 1;
    if (strncmp(rest, HW__FILE_TEMPORARY, sizeof HW__FILE_TEMPORARY - 1) != 0) return false;
    size_t n = strcspn(process, "-"); /* 0.1 wrote the process' number only */
    if (process[n] && strspn(process + n + 1, "0123456789abcdef") != strlen(process + n + 1)) return false;
    if (n == 0 || n > 9 || !all_digits(process, n) || process[0] == '0') return false;
    long number = strtol(process, NULL, 10);
    return number == (long)getpid() || (kill((pid_t)number, 0) != 0 && errno == ESRCH);
}

static bool path_of(char path[HW__FILE_PATH], const char *folder, const char *name)
{
    int n = snprintf(path, HW__FILE_PATH, "%s/%s", folder, name);
    return n > 0 && n < HW__FILE_PATH;
}

static bool step_path(char path[HW__FILE_PATH], const char *folder, uint64_t step)
{
    char name[NAME_SIZE + 1];
    (void)snprintf(name, sizeof name, "%s%012" PRIu64 "%s", BEFORE, step % (LARGEST + 1), AFTER);
    return path_of(path, folder, name);
}

static void remove_left_overs(const char *folder, char path[HW__FILE_PATH])
{
    DIR *d = opendir(folder);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));)
        if (left_over(e->d_name) && path_of(path, folder, e->d_name)) (void)unlink(path);
    (void)closedir(d);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* The numbers of a folder's checkpoints, the newest first; released with free. HW_E_IO (errno), HW_E_MEMORY. */
static hw_status list(const char *folder, uint64_t **steps, size_t *count)
{
    *steps = NULL;
    *count = 0;
    DIR *d = opendir(folder);
    if (!d) return errno == ENOMEM ? HW_E_MEMORY : HW_E_IO;
    size_t room = 0;
    uint64_t step;
    errno = 0;
    for (const struct dirent *e; (e = readdir(d)); errno = 0) {
        if (!checkpoint_name(e->d_name, &step) || e->d_name[NAME_SIZE]) continue;
        if (*count == room) {
            room = room ? 2 * room : 64;
            uint64_t *more = realloc(*steps, room * sizeof *more);
            if (!more) {
                free(*steps);
                *steps = NULL;
                (void)closedir(d);
                return HW_E_MEMORY;
            }
            *steps = more;
        }
        (*steps)[(*count)++] = step;
    }
    int reason = errno;
    (void)closedir(d);
    errno = reason;
    if (*count) qsort(*steps, *count, sizeof **steps, newest_first);
    if (reason == 0) return HW_OK;
    free(*steps);
    *steps = NULL;
    return HW_E_IO;
}

/* All but the newest `keep`, of which the one just written is one whatever its number. */
static void remove_old(const char *folder, uint64_t written, unsigned keep, char path[HW__FILE_PATH])
{
    uint64_t *steps;
    size_t count, others = 0;
    if (list(folder, &steps, &count) != HW_OK) return;
    for (size_t i = 0; i < count; i++)
        if (steps[i] != written && ++others >= keep && step_path(path, folder, steps[i])) (void)unlink(path);
    free(steps);
}

/* The folder is there; where it is new, its own folder knows of it for good. path: room. */
static hw_status make_folder(const char *folder, char path[HW__FILE_PATH], char *why)
{
    if (mkdir(folder, 0777) != 0)
        return errno == EEXIST ? HW_OK : hw__base_fail(why, HW_E_IO, "%.160s: %s", folder, strerror(errno));
    size_t n = strlen(folder);
    memcpy(path, folder, n + 1);
    while (n > 1 && path[n - 1] == '/') path[--n] = 0;
    if (hw__file_sync_folder_of(path)) return HW_OK;
    return hw__base_fail(why, HW_E_IO, "%.140s: its own folder could not be synced: %s", folder, strerror(errno));
}

hw_status hw_checkpoint_save(const char *folder, uint64_t step, unsigned keep, const hw_state *state, char *why)
{
    char path[HW__FILE_PATH];
    if (!folder || !*folder || !state) return hw__base_fail(why, HW_E_ARGUMENT, "a folder and a state are needed");
    if (keep < 2) return hw__base_fail(why, HW_E_ARGUMENT, "keep: %u checkpoints; it must be at least 2", keep);
    if (step > LARGEST)
        return hw__base_fail(why, HW_E_ARGUMENT, "step: %" PRIu64 "; it must be at most %" PRIu64, step, LARGEST);
    if (!step_path(path, folder, step)) return hw__base_fail(why, HW_E_ARGUMENT, "the folder's path is too long");
    hw_status status = make_folder(folder, path, why);
    if (status != HW_OK) return status;
    remove_left_overs(folder, path); /* before, since the disk may be full of them */
    (void)step_path(path, folder, step);
    status = hw_state_save(state, path, why);
    if (status == HW_OK) remove_old(folder, step, keep, path);
    return status;
}

/* The sentence about those that were passed over: every name while there is room, the first one's reason. */
static void name_damaged(char *all, size_t *used, uint64_t step, const char *path, const char *why)
{
    char name[NAME_SIZE + 1];
    if (*used + sizeof name + 8 >= HW_WHY) return;
    (void)snprintf(name, sizeof name, "%s%012" PRIu64 "%s", BEFORE, step % (LARGEST + 1), AFTER);
    if (*used) {
        *used += (size_t)snprintf(all + *used, HW_WHY - *used, ", %s", name);
        return;
    }
    size_t n = strnlen(path, 100); /* the sentence begins with the path, or what there was room for */
    const char *reason = strncmp(why, path, n) == 0 && strstr(why + n, ": ") ? strstr(why + n, ": ") + 2 : why;
    *used = (size_t)snprintf(all, HW_WHY, "passed over: %s (%.100s)", name, reason);
}

hw_status hw_checkpoint_load(const char *folder, hw_state *state, char *path, size_t size, char *why)
{
    char file[HW__FILE_PATH], sentence[HW_WHY], passed[HW_WHY] = "";
    struct stat about;
    uint64_t *steps;
    size_t count, used = 0;
    if (!folder || !state) return hw__base_fail(why, HW_E_ARGUMENT, "a folder and a state are needed");
    hw_state_clear(state);
    if (strlen(folder) + NAME_SIZE + 2 > (path && size < sizeof file ? size : sizeof file))
        return hw__base_fail(why, HW_E_ARGUMENT, "the path of a checkpoint in %.100s is longer than there is room for",
                             folder);
    if (stat(folder, &about) != 0) return hw__base_fail(why, HW_E_IO, "%.160s: %s", folder, strerror(errno));
    if (!S_ISDIR(about.st_mode)) {
        if (path) memcpy(path, folder, strlen(folder) + 1);
        return hw_state_load(state, folder, why);
    }
    hw_status status = list(folder, &steps, &count);
    if (status == HW_E_MEMORY) return hw__base_fail(why, status, "%.160s: no memory for the names in it", folder);
    if (status != HW_OK) return hw__base_fail(why, status, "%.160s: %s", folder, strerror(errno));
    status = HW_E_IO;
    bool damaged = false, done = false;
    for (size_t i = 0; i < count && !done; i++) {
        (void)step_path(file, folder, steps[i]); /* there is room for it: see above */
        status = hw_state_load(state, file, sentence);
        done = status == HW_OK || status == HW_E_MEMORY || status == HW_E_UNSUPPORTED;
        damaged = damaged || status == HW_E_FORMAT;
        if (!done) name_damaged(passed, &used, steps[i], file, sentence);
    }
    free(steps);
    if (status == HW_OK) {
        if (path) memcpy(path, file, strlen(file) + 1);
        if (why) memcpy(why, passed, sizeof passed);
        return HW_OK;
    }
    if (done) return hw__base_fail(why, status, "%s", sentence);
    if (count == 0) return hw__base_fail(why, HW_E_IO, "%.160s: there is no checkpoint in it", folder);
    return hw__base_fail(why, damaged ? HW_E_FORMAT : HW_E_IO, "%.60s: no checkpoint in it is whole; %.180s", folder,
                         passed);
}

hw_status hw_checkpoint_name(uint64_t step, char *name, size_t size)
{
    if (!name || size <= NAME_SIZE || step > LARGEST) return HW_E_ARGUMENT;
    (void)snprintf(name, size, "%s%012" PRIu64 "%s", BEFORE, step % (LARGEST + 1), AFTER);
    return HW_OK;
}

hw_status hw_checkpoint_newest(const char *folder, uint64_t *step)
{
    uint64_t *steps;
    size_t count;
    if (!folder || !step) return HW_E_ARGUMENT;
    hw_status status = list(folder, &steps, &count);
    if (status != HW_OK) return status;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || steps[i] > *step) *step = steps[i];
    free(steps);
    return count ? HW_OK : HW_E_IO;
}
