/* jobs.c - a pool for independent runs. */
#include "jobs.h"
#include "hogwild/base.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST = 64 };

typedef struct pool {
    bool (*job)(void *context, unsigned number);
    void *context;
    unsigned count, next, done;
    bool failed;
    const char *label;
    pthread_mutex_t mutex;
} pool;

static void *work(void *context)
{
    pool *p = context;
    (void)pthread_mutex_lock(&p->mutex);
    while (p->next < p->count && !p->failed) {
        unsigned number = p->next++;
        (void)pthread_mutex_unlock(&p->mutex);
        bool good = p->job(p->context, number);
        (void)pthread_mutex_lock(&p->mutex);
        if (!good) p->failed = true;
        p->done++;
        if (p->label) fprintf(stderr, "\r\033[K%s: %u of %u runs", p->label, p->done, p->count);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

bool jobs_run(bool (*job)(void *context, unsigned number), void *context, unsigned count, const char *label)
{
    pool p = {job, context, count, 0, 0, false, label && isatty(2) ? label : NULL, PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[MOST];
    unsigned n = 0, processors = hw_processors();
    while (n + 1 < MOST && n + 1 < processors && n + 1 < count && pthread_create(thread + n, NULL, work, &p) == 0) n++;
    (void)work(&p);
    for (unsigned i = 0; i < n; i++) (void)pthread_join(thread[i], NULL);
    if (p.label) fputs("\r\033[K", stderr);
    (void)pthread_mutex_destroy(&p.mutex);
    return !p.failed;
}
