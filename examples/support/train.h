/* train.h - what the programs that train a net on images share: the options beside data and net, one run from
 * the advice before it to the report after it, schedules that are recorded and replayed, and checkpoints. */
#ifndef SUPPORT_TRAIN_H
#define SUPPORT_TRAIN_H

#include "cli.h"
#include "ranks.h"

typedef struct train_options {
    const char *report, *save, *model, *trace, *replay, *delays, *checkpoint, *resume, *load, *go_on;
    const char *own_rates, *own_momenta;
    bool quiet, json, summary, advise;
    double minutes, epochs; /* between checkpoints; 0: not given */
    unsigned keep;          /* 0: not given */
    ranks_options ranks;
} train_options;

#define TRAIN_ROWS (23 + RANKS_COUNT)
/* The shared options as rows for cli.own, whose context holds train_options at offset `at`. Returns how many. */
size_t train_rows(cli_option *rows, size_t at);
/* For cli.engine. */
extern const char *const train_engine_flags[];
extern const size_t train_engine_flag_count;

/* What a configuration borrows: a schedule to follow, from files (a recorded one, or delays), and steps of each one's
 * own. */
typedef struct train_schedule {
    hw_trace *trace;
    hw_histogram delays;
    hw_own_step *own;
} train_schedule;
/* Refuses options that exclude one another, loads what --replay and --delays name, reads lists of numbers. 0, or an
 * exit status after a sentence. Close it in any case. */
int train_prepare(const char *program, const train_options *o, hw_config *config, train_schedule *schedule);
void train_schedule_close(train_schedule *schedule);

/* One run. Everything is borrowed. */
typedef struct train_run {
    const char *program, *label, *title; /* label: before the progress; title: the report's */
    const char *source;                  /* where the data came from */
    const char *identity; /* lines "key: value" that a resumed run must share, beside what engines check */
    const train_options *options;
    const train_schedule *schedule;
    const hw_net *net;
    const hw_images *test;
    const hw_objective *objective;
    float *params;                             /* initial values; the final ones at the end */
    const char *(*class_name)(unsigned label); /* accuracy by class and confusions, with these names; NULL: neither */
    bool own_interval; /* the schedule's interval was nobody's option: a resumed run has the one that it began with */
    int argc;
    char **argv;
} train_run;
/* Trains, or gives advice with --advise; prints, reports and saves. The exit status. */
int train(const train_run *run, hw_config *config);

/* Parts of it. */
/* --advise. The exit status. */
int train_advise(const train_run *run, const hw_config *config);
/* The schedule of the run that has just ended, into the file of --trace. */
int train_save_trace(const train_run *run, hw_engine *engine);
/* Whether a replay ended as the recorded run did, on stderr. */
void train_replay_verdict(const train_run *run, hw_engine *engine);

#endif
