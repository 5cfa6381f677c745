/* checkpoint.h - a run's folder of checkpoints: what a resumed run must have in common with it, writing, and
 * going on. */
#ifndef SUPPORT_CHECKPOINT_H
#define SUPPORT_CHECKPOINT_H

#include <hogwild.h>
#include <hogwild/checkpoint.h>
#include <stdbool.h>

typedef struct train_folder {
    const char *program, *folder;
    unsigned keep;
    bool announce; /* a line on stdout for each */
    bool failed;   /* the last one could not be written */
    bool any;      /* one was written */
} train_folder;

/* Make the folder and write `identity` into its run.txt, so that one that cannot be written is known before the run.
 * Refused where the folder has checkpoints of another run, or newer ones than update `from`. resumed: what the run goes
 * on from (a folder or a file), or NULL. 0, or an exit status after a sentence. */
int train_folder_open(const train_folder *c, const char *identity, const char *resumed, uint64_t from);
/* One checkpoint. A failure is told on stderr and kept in `failed`; the run goes on, as the older ones are whole. */
void train_folder_write(train_folder *c, uint64_t update, const hw_state *state);
/* The newest whole checkpoint of a folder, or a file; path gets its name. Damaged ones that were passed over are named
 * on stderr. Refused where run.txt beside it has another identity. 0, or an exit status after a sentence. */
int train_folder_read(const char *program, const char *from, const char *identity, hw_state *state, char *path,
                      size_t size);
/* The command line that goes on from `folder`, quoted for a shell, on stderr. */
void train_folder_go_on(const char *folder, int argc, char **argv);

#endif
