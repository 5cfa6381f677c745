/* cli.h - what the bundled programs share: options from the library's table, data, progress, the report. */
#ifndef SUPPORT_CLI_H
#define SUPPORT_CLI_H

#include <hogwild.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

/* One of a program's own options. What its value becomes stands at `at` in the program's context: a text as it is
 * (const char *), a number (double) in [low, high], a whole one (unsigned), a switch (bool, set to true). CHOICE: the
 * number (unsigned) of the word in `value`, "a|b|c". CALL goes to the program's set. HEADING, with flag "", is none:
 * its help stands above the options that follow. */
typedef enum cli_kind { CLI_TEXT, CLI_NUMBER, CLI_WHOLE, CLI_SWITCH, CLI_CHOICE, CLI_CALL, CLI_HEADING } cli_kind;
typedef struct cli_option {
    const char *flag, *value, *help; /* "--data", "FOLDER", ...; value NULL for a switch */
    cli_kind kind;
    size_t at; /* offsetof */
    double low, high;
} cli_option;

/* The engine's options come from the library. set (for CALL) returns false after printing a sentence. */
typedef struct cli {
    const char *program, *purpose;
    const cli_option *own;
    size_t n_own;
    bool (*set)(void *context, const char *flag, const char *value);
    void *context;
    const char *const *engine; /* "--flag=option.name" pairs that this program offers, in order of --help */
    size_t n_engine;
    hw_config *config;
} cli;

/* -1: go on; else the exit status (0 after --help and --version, 2 after a usage error). */
int cli_parse(const cli *c, int argc, char **argv);
/* One sentence "program: ..." on stderr; returns `status`. */
int cli_error(const char *program, int status, const char *sentence);
/* A number in [low, high], or false after a sentence. */
bool cli_number(const char *program, const char *flag, const char *value, double low, double high, double *out);
/* The numbers of a list, with commas between them, into x, at most n of them; how many there are, 0: it is none. */
size_t cli_numbers(const char *list, double *x, size_t n);

/* Whether a file can be written there, looked at before a training so that a wrong name costs nothing; NULL: nothing is
 * to be written. False after a sentence. */
bool cli_can_write(const char *program, const char *path);
/* The same of a folder for several files, made where it is missing. */
bool cli_can_fill(const char *program, const char *folder);
/* Makes the folder and those on the way to it, where they are missing; false with errno. */
bool cli_make_folder(const char *folder);

/* Digits to train on: MNIST from `folder` (NULL: hw_data_folder), else generated ones. source says which. */
typedef struct cli_digits {
    hw_images train, test;
    bool real;
    char source[200];
} cli_digits;
/* required: an error instead of generated digits where the folder has no MNIST. */
bool cli_digits_load(const char *program, const char *folder, bool required, uint32_t generated, cli_digits *d);
/* hw_idx_set_read, a sentence where it fails. */
bool cli_digits_set(const char *program, const char *folder, const char *set, cli_digits *d);
void cli_digits_free(cli_digits *d);

/* LeNet on digits: data, net, parameters and objective, which the programs train. */
typedef struct cli_lenet {
    cli_digits digits;
    hw_net *net;
    float *params; /* aligned, not initialised */
    hw_net_task task;
    hw_objective objective;
} cli_lenet;
/* 0, or an exit status after a sentence. folder NULL: see cli_digits_load. set: another set of images than MNIST, or
 * NULL. images 0: all of them, 60000 generated ones. */
int cli_lenet_open(const char *program, const char *folder, const char *set, uint32_t images, uint32_t batch,
                   cli_lenet *l);
void cli_lenet_close(cli_lenet *l);
/* Caffe's solver: inv(1e-4, 0.75) and biases at twice the rate. sections: room for 8, borrowed by the configuration. */
void cli_caffe_solver(const hw_net *net, hw_config *config, hw_section *sections);

/* Live progress: one line redrawn on a terminal, a plain line now and then otherwise. */
typedef struct cli_progress {
    FILE *out;
    const char *label;
    bool quiet, terminal;
    double epochs, next_plain;
    const hw_engine *engine; /* whose returns and workers at rest are told, too; NULL: nobody's */
    unsigned workers;        /* of it, that step on their own */
} cli_progress;
void cli_progress_init(cli_progress *p, FILE *out, const char *label, bool quiet, double epochs);
hw_status cli_on_progress(void *progress, const hw_progress *now);
void cli_progress_done(cli_progress *p);

/* Ctrl-C sets this flag; a second Ctrl-C ends the program. */
extern volatile sig_atomic_t cli_interrupted;
void cli_catch_interrupt(void);

/* "x86_64, 2 cores, AMD EPYC ..." */
void cli_machine(char *text, size_t size);
/* Curvature of a net's loss on 256 examples at params, for advice before a run and for policy auto; 0 where it fails.
 */
double cli_curvature(const hw_objective *objective, const float *params);
/* Enter an engine's finished run into a report and its JSON lines. */
hw_status cli_report_run(hw_report *report, const char *name, hw_engine *engine, unsigned metrics,
                         const hw_result *result);

#endif
