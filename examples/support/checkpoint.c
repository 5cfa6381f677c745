/* checkpoint.c - a run's folder of checkpoints: writing them, and going on from them. Beside them stands
 * run.txt, the options that the engine cannot see, so that a run is not taken up with another net or other data. */
#include "checkpoint.h"
#include "cli.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT 4096 /* of run.txt */
#define PATH 1024

static int fail(const char *program, int status, const char *path, const char *what)
{
    char text[PATH + HW_WHY];
    (void)snprintf(text, sizeof text, "%.900s: %.250s", path, what);
    return cli_error(program, status, text);
}

/* --- run.txt ------------------------------------------------------------------------------------------------------ */

static const char comment[] = "# the run whose checkpoints stand here; one that goes on from them must be the same\n";

/* text[TEXT]; false with errno where it cannot be read. */
static bool read_text(const char *path, char *text)
{
    FILE *in = fopen(path, "rb");
    if (!in) return false;
    size_t n = fread(text, 1, TEXT - 1, in);
    text[n] = 0;
    int code = errno;
    bool good = !ferror(in);
    (void)fclose(in);
    errno = code;
    return good;
}

static bool write_text(const char *path, const char *identity)
{
    char other[PATH + 8];
    (void)snprintf(other, sizeof other, "%s.new", path);
    FILE *out = fopen(other, "wb");
    if (!out) return false;
    bool good = fputs(comment, out) >= 0 && fputs(identity, out) >= 0;
    good = good && fflush(out) == 0 && fsync(fileno(out)) == 0; /* the checkpoints beside it are synced too */
    if (fclose(out) != 0) good = false;
    if (good && rename(other, path) == 0) return true;
    int code = errno;
    (void)remove(other);
    errno = code;
    return false;
}

/* The next line that is no comment, without its end, or NULL; *text moves on behind it. */
static char *next_line(char **text)
{
    while (**text) {
        char *begin = *text, *end = begin + strcspn(begin, "\n");
        *text = *end ? end + 1 : end;
        *end = 0;
        if (*begin && *begin != '#') return begin;
    }
    return NULL;
}

/* Whether the file says the same as identity; else why[HW_WHY] has the first difference. */
static bool same_run(char *there, const char *identity, char *why)
{
    char here[TEXT], *a = there, *b = here;
    (void)snprintf(here, sizeof here, "%s", identity);
    for (;;) {
        const char *x = next_line(&a), *y = next_line(&b);
        if (!x && !y) return true;
        if (x && y && strcmp(x, y) == 0) continue;
        (void)snprintf(why, HW_WHY, "the run there has '%.100s', this one '%.100s'", x ? x : "nothing",
                       y ? y : "nothing");
        return false;
    }
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Whether checkpoints that are there already forbid to write into this folder: an exit status after a sentence, or 0.
 */
static int check_old(const train_folder *c, const char *file, const char *identity, const char *resumed, uint64_t from)
{
    char there[TEXT], why[HW_WHY];
    uint64_t newest = 0;
    if (hw_checkpoint_newest(c->folder, &newest) != HW_OK || (resumed && same_folder(resumed, c->folder))) return 0;
    if (!resumed)
        return fail(c->program, 2, c->folder,
                    "it has checkpoints already: --resume with this folder goes on from them; a new run needs another");
    if (newest > from) {
        (void)snprintf(why, sizeof why,
                       "it has checkpoints up to update %llu, and this run goes on from %llu: a folder of its own is "
                       "needed",
                       (unsigned long long)newest, (unsigned long long)from);
        return fail(c->program, 2, c->folder, why);
    }
    return read_text(file, there) && !same_run(there, identity, why) ? fail(c->program, 2, file, why) : 0;
}

int train_folder_open(const train_folder *c, const char *identity, const char *resumed, uint64_t from)
{
    char file[PATH];
    if (!*c->folder || strlen(c->folder) > 900)
        return cli_error(c->program, 2, "--checkpoint needs a folder with a name of 1 to 900 bytes");
    if (!cli_make_folder(c->folder)) return fail(c->program, 1, c->folder, strerror(errno));
    (void)snprintf(file, sizeof file, "%s/run.txt", c->folder);
    int code = check_old(c, file, identity, resumed, from);
    if (code != 0) return code;
    return write_text(file, identity) ? 0 : fail(c->program, 1, file, strerror(errno));
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

void train_folder_write(train_folder *c, uint64_t update, const hw_state *state)
{
    char why[HW_WHY];
    c->failed = hw_checkpoint_save(c->folder, update, c->keep, state, why) != HW_OK;
    if (c->failed) {
        fprintf(stderr, "%s: the checkpoint of update %llu was not written, older ones are whole: %s\n", c->program,
                (unsigned long long)update, why);
        return;
    }
    c->any = true;
    if (!c->announce) return;
    char name[64];
    if (hw_checkpoint_name(update, name, sizeof name) == HW_OK) printf("%s written\n", name);
    (void)fflush(stdout);
}

static int check_identity(const char *program, const char *path, const char *identity)
{
    char file[PATH], there[TEXT], why[HW_WHY];
    const char *slash = strrchr(path, '/');
    (void)snprintf(file, sizeof file, "%.*srun.txt", slash ? (int)(slash + 1 - path) : 0, path);
    if (read_text(file, there)) return same_run(there, identity, why) ? 0 : fail(program, 2, file, why);
    fprintf(stderr, "%s: %s: %s: whether the run had the same net and data is not known\n", program, file,
            strerror(errno));
    return 0;
}

int train_folder_read(const char *program, const char *from, const char *identity, hw_state *state, char *path,
                      size_t size)
{
    char why[HW_WHY] = "";
    if (!*from || strlen(from) > 900)
        return cli_error(program, 2, "--resume needs a folder or a file with a name of 1 to 900 bytes");
    if (hw_checkpoint_load(from, state, path, size, why) != HW_OK) return cli_error(program, 1, why);
    if (*why) (void)cli_error(program, 0, why);
    return check_identity(program, path, identity);
}

/* A word as a shell takes it. */
static void quoted(const char *word, FILE *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+,./:@%";
    if (*word && word[strspn(word, plain)] == 0) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++) fputs(*word == '\'' ? "'\\''" : (char[]){*word, 0}, out);
    fputc('\'', out);
}

void train_folder_go_on(const char *folder, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--resume") == 0) {
            i++;
            continue;
        }
        quoted(argv[i], stderr);
        fputc(' ', stderr);
    }
    fputs("--resume ", stderr);
    quoted(folder, stderr);
    fputc('\n', stderr);
}
