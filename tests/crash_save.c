/* crash_save.c - the program that tests/crash kills: saves checkpoints, says which were acknowledged, loads them.
 *
 *     crash_save save FOLDER FIRST LAST [half]   saves FIRST .. LAST, prints "acknowledged N" after each; ends with
 *                                                status 3 at the first save that fails. half: write() writes half
 *     crash_save model FILE                      saves a linear model there and prints "acknowledged 1"
 *     crash_save load FOLDER                     prints the number of the newest whole checkpoint
 *     crash_save kills FOLDER TIMES SEED         forks savers of 1 MB in a loop, kills each at a random time and has
 *                                                another process load what is there
 *
 * A checkpoint's array holds a pattern of its number, which load checks. */
#include <hogwild.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

ssize_t __real_write(int, const void *, size_t);
ssize_t __wrap_write(int, const void *, size_t);
static bool half;

ssize_t __wrap_write(int file, const void *data, size_t size)
{
    return __real_write(file, data, half && file > 2 && size > 1 ? size / 2 : size);
}

static uint64_t pattern(uint64_t number, size_t i)
{
    return (number << 32 | i) * 0x9e3779b97f4a7c15u;
}

/* false: no memory. */
static bool fill(hw_state *s, uint64_t number, size_t words)
{
    uint64_t shape[1] = {words};
    if (!hw_state_array(s, "parameters", HW_U64, words) &&
        hw_state_put(s, "parameters", HW_U64, 1, shape, NULL) != HW_OK)
        return false;
    uint64_t *x = hw_state_array(s, "parameters", HW_U64, words);
    for (size_t i = 0; i < words; i++) x[i] = pattern(number, i);
    return hw_state_put(s, "few", HW_U8, 1, (uint64_t[]){3}, "abc") == HW_OK &&
           hw_state_put_text(s, "model", "a model") == HW_OK && hw_state_put_number(s, "number", number) == HW_OK;
}

static int save(const char *folder, uint64_t first, uint64_t last, size_t words)
{
    char why[HW_WHY], line[40];
    hw_state *s = hw_state_create();
    for (uint64_t n = first; n <= last; n++) {
        if (!s || !fill(s, n, words)) return 3;
        if (hw_checkpoint_save(folder, n, 2, s, why) != HW_OK) {
            fprintf(stderr, "%s\n", why);
            return 3;
        }
        int size = snprintf(line, sizeof line, "acknowledged %llu\n", (unsigned long long)n);
        ssize_t written;
        do written = write(1, line, (size_t)size);
        while (written < 0 && errno == EINTR);
        if (written != size) return 3;
    }
    hw_state_free(s);
    return 0;
}

/* The number of the newest whole checkpoint, 0 where there is none or it is not what was saved. */
static uint64_t load(const char *folder)
{
    char why[HW_WHY] = "";
    hw_state *s = hw_state_create();
    uint64_t number = 0;
    if (s && hw_checkpoint_load(folder, s, NULL, 0, why) == HW_OK) {
        number = hw_state_number(s, "number", 0);
        const hw_entry *e = hw_state_find(s, "parameters");
        for (size_t i = 0; e && i < e->count; i++)
            if (((uint64_t *)e->data)[i] != pattern(number, i)) e = NULL;
        if (!e || e->count == 0 || !hw_state_text(s, "model")) {
            fprintf(stderr, "checkpoint %llu is not what was saved\n", (unsigned long long)number);
            number = 0;
        }
    }
    if (*why) fprintf(stderr, "%s\n", why);
    hw_state_free(s);
    return number;
}

static uint64_t load_elsewhere(const char *self, const char *folder)
{
    char command[4096], line[64] = "";
    (void)snprintf(command, sizeof command, "'%s' load '%s'", self, folder);
    FILE *p = popen(command, "r");
    if (p && !fgets(line, sizeof line, p)) line[0] = 0;
    if (p) pclose(p);
    return strtoull(line, NULL, 10);
}

static unsigned temporaries(const char *folder)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) n += strstr(e->d_name, ".tmp.") != NULL;
    if (d) closedir(d);
    return n;
}

static int kills(const char *self, const char *folder, unsigned times, uint64_t seed)
{
    hw_rng rng;
    uint64_t last = 0, next = 1, acknowledged = 0;
    unsigned unloadable = 0, lost = 0, within = 0;
    hw_rng_seed(&rng, seed, 1);
    for (unsigned t = 0; t < times; t++) {
        int ends[2];
        if (pipe(ends) != 0) return 1;
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            dup2(ends[1], 1);
            close(ends[0]);
            close(ends[1]);
            _exit(save(folder, next, next + 1000, 1 << 17));
        }
        close(ends[1]);
        struct timespec wait = {0, (long)hw_rng_below(&rng, 40000000)};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        FILE *f = fdopen(ends[0], "r");
        unsigned long long number;
        while (f && fscanf(f, "acknowledged %llu\n", &number) == 1) {
            last = number;
            acknowledged++;
        }
        if (f) fclose(f);
        unsigned left = temporaries(folder);
        within += left > 0;
        uint64_t found = load_elsewhere(self, folder);
        unloadable += found == 0 && last > 0;
        lost += found < last;
        if (found < last)
            fprintf(stderr, "kill %u: found %llu, acknowledged %llu\n", t, (unsigned long long)found,
                    (unsigned long long)last);
        next = (found > last ? found : last) + 1;
    }
    printf("random kills: %u (%u of them while a file was written), %llu saves acknowledged, unloadable %u, "
           "acknowledged lost %u\n",
           times, within, (unsigned long long)acknowledged, unloadable, lost);
    return unloadable || lost || acknowledged == 0 || within == 0;
}

int main(int count, char **words)
{
    if (count >= 5 && strcmp(words[1], "save") == 0) {
        half = count > 5 && strcmp(words[5], "half") == 0;
        (void)getppid(); /* for tests/crash: the save path begins here */
        return save(words[2], strtoull(words[3], NULL, 10), strtoull(words[4], NULL, 10), 1000);
    }
    if (count == 3 && strcmp(words[1], "model") == 0) {
        char why[HW_WHY];
        float weight[2] = {1, 2};
        hw_linear_model m = hw_linear_model_defaults();
        m.columns = m.scores = 1;
        m.loss = HW_SPARSE_SQUARED;
        m.labels = HW_LABELS_REAL;
        m.weight = weight;
        (void)getppid();
        if (hw_linear_model_save(&m, words[2], why) != HW_OK) {
            fprintf(stderr, "%s\n", why);
            return 3;
        }
        return write(1, "acknowledged 1\n", 15) != 15;
    }
    if (count == 3 && strcmp(words[1], "load") == 0) {
        uint64_t number = load(words[2]);
        printf("%llu\n", (unsigned long long)number);
        return number == 0;
    }
    if (count == 5 && strcmp(words[1], "kills") == 0)
        return kills(words[0], words[2], (unsigned)strtoul(words[3], NULL, 10), strtoull(words[4], NULL, 10));
    fprintf(stderr,
            "usage: crash_save save FOLDER FIRST LAST [half] | model FILE | load FOLDER | kills FOLDER TIMES SEED\n");
    return 2;
}
