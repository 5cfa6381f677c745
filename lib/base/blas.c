/* blas.c - OpenBLAS. Its thread count is one per process, so the use count below is the one piece of file-scope state
 * in the library: two engines may run at once, and the last one to stop restores the caller's setting. */
#include "blas.h"
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t mutex;
    unsigned users;
    int threads;
} held = {PTHREAD_MUTEX_INITIALIZER, 0, 0};

void hw__blas_hold(void)
{
    (void)pthread_mutex_lock(&held.mutex);
    if (held.users++ == 0) {
        held.threads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    (void)pthread_mutex_unlock(&held.mutex);
}

void hw__blas_unhold(void)
{
    (void)pthread_mutex_lock(&held.mutex);
    if (--held.users == 0) openblas_set_num_threads(held.threads);
    (void)pthread_mutex_unlock(&held.mutex);
}

const char *hw__blas_name(void)
{
    return openblas_get_config();
}

unsigned hw__blas_limit(void)
{
    /* "... MAX_THREADS=64": the build allots its buffers for that many callers; beyond them it prints and crashes. */
    const char *at = strstr(openblas_get_config(), "MAX_THREADS=");
    long limit = at ? strtol(at + strlen("MAX_THREADS="), NULL, 10) : 0;
    return limit > 0 ? (unsigned)limit : 1;
}

void hw__blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
