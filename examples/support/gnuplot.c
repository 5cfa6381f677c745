/* gnuplot.c - draws a report's script: starts gnuplot and waits for it. */
#include "gnuplot.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>

extern char **environ;

int support_gnuplot(void *context, const char *folder, const char *file)
{
    /* gnuplot works inside the folder: the script's first command, given with -e, changes there. */
    char move[1000], load[240], quoted[900];
    size_t n = 0;
    (void)context;
    for (const char *c = folder; *c && n + 3 < sizeof quoted; c++) {
        if (*c == '\'') quoted[n++] = '\'';
        quoted[n++] = *c;
    }
    quoted[n] = 0;
    (void)snprintf(move, sizeof move, "cd '%s'", quoted);
    (void)snprintf(load, sizeof load, "load '%s'", file);
    const char *const arguments[] = {"gnuplot", "-e", move, "-e", load, NULL};
    char *argv[6];
    memcpy(argv, arguments, sizeof argv);
    posix_spawn_file_actions_t files;
    if (posix_spawn_file_actions_init(&files) != 0) return 1;
    bool good = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0) == 0 &&
                posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0) == 0;
    pid_t child;
    int state = -1;
    good = good && posix_spawnp(&child, "gnuplot", &files, NULL, argv, environ) == 0;
    if (good) {
        pid_t ended;
        do ended = waitpid(child, &state, 0);
        while (ended < 0 && errno == EINTR);
        good = ended == child && WIFEXITED(state) && WEXITSTATUS(state) == 0;
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return good ? 0 : 1;
}

hw_status support_report_open(hw_report **report, const char *folder, const char *title, char *why)
{
    hw_status status = hw_report_open(report, folder, title, why);
    if (status == HW_OK) hw_report_plotter(*report, support_gnuplot, NULL);
    return status;
}
