/* blas.c - OpenBLAS, at one thread a caller. The usual builds have one thread count a process, so the count of its
 * users below is the one piece of file-scope state in the library: two engines may run at once, and the last one to
 * stop restores the caller's setting. A second copy of this library in the process has a count of its own: the two
 * meet in hw__blas_keep. Builds with OpenMP have a count a thread.
 *
 * A fork waits until nobody is inside: OpenBLAS takes a lock of its own when a count is set, which a child would never
 * get. What the handlers do in the child is plain memory. */
#include "blas.h"
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    int users;
    int threads;    /* the caller's setting, while there are users */
    bool inherited; /* a child's: its parent was training, so OpenBLAS's count is a run's, not the caller's */
} held = {PTHREAD_ONCE_INIT, PTHREAD_MUTEX_INITIALIZER, 0, 0, false};

static void lock(void)
{
    (void)pthread_mutex_lock(&held.mutex);
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&held.mutex);
}

static void in_child(void)
{
    held.inherited = held.inherited || held.users > 0;
    held.users = 0;
    unlock();
}

/* OpenBLAS's own handler ends its threads, and is older, so it runs after ours and finds nobody inside. */
static void heed_forks(void)
{
    (void)pthread_atfork(lock, unlock, in_child);
}

static bool counts_by_thread(void)
{
    return openblas_get_parallel() == OPENBLAS_OPENMP;
}

#if defined(__ELF__)
/* They come with an OpenBLAS that is built on OpenMP. Setting a count there through OpenBLAS writes to what all threads
 * share, without a lock. */
extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int n) __attribute__((weak));
#endif

static int of_thread(void)
{
#if defined(__ELF__)
    if (omp_get_max_threads) return omp_get_max_threads();
#endif
    return openblas_get_num_threads();
}

static void set_of_thread(int n)
{
#if defined(__ELF__)
    if (omp_set_num_threads) {
        omp_set_num_threads(n);
        return;
    }
#endif
    lock();
    openblas_set_num_threads(n);
    unlock();
}

hw__blas_held hw__blas_hold(bool on)
{
    hw__blas_held h = {on, 0};
    if (!on) return h;
    (void)pthread_once(&held.once, heed_forks);
    if (counts_by_thread()) {
        h.thread = of_thread();
        set_of_thread(1);
        lock();
        held.users++;
        unlock();
        return h;
    }
    lock();
    if (held.users++ == 0) {
        int threads = openblas_get_num_threads();
        if (!held.inherited || threads != 1) held.threads = threads;
        held.inherited = false;
        openblas_set_num_threads(1);
    }
    unlock();
    return h;
}

void hw__blas_unhold(const hw__blas_held *h)
{
    if (!h->on) return;
    if (counts_by_thread()) {
        set_of_thread(h->thread);
        lock();
        if (held.users > 0 && --held.users == 0) openblas_set_num_threads(h->thread); /* what it tells others */
        unlock();
        return;
    }
    lock();
    /* None in a child whose parent's call this was. */
    if (held.users > 0 && --held.users == 0) openblas_set_num_threads(held.threads);
    unlock();
}

void hw__blas_keep(void)
{
    if (openblas_get_num_threads() == 1 || counts_by_thread()) return;
    lock();
    int threads = openblas_get_num_threads();
    if (threads != 1 && held.users > 0) {
        held.threads = threads;
        openblas_set_num_threads(1);
    }
    unlock();
}

/* OpenBLAS writes its text anew at every call, to one place for all threads. */
void hw__blas_name(char *text, size_t size)
{
    (void)pthread_once(&held.once, heed_forks);
    lock();
    (void)snprintf(text, size, "%s", openblas_get_config());
    unlock();
}

unsigned hw__blas_limit(void)
{
    char text[256];
    hw__blas_name(text, sizeof text);
    /* "... MAX_THREADS=64": the build allots its buffers for that many callers; beyond them it prints and crashes. */
    const char *at = strstr(text, "MAX_THREADS=");
    long limit = at ? strtol(at + strlen("MAX_THREADS="), NULL, 10) : 0;
    return limit > 0 ? (unsigned)limit : 1;
}

void hw__blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
