/* arm.c - the shared parameters without CMocka or BLAS, for a machine that is only emulated: threads add, nothing is
 * lost, consistent reads are one state. Exit status 0 when all is right. */
#include <hogwild/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../lib/base/base.h"

/* io.c needs zlib; these two are all that the rooms under test use of it. */
void *hw__base_zalloc(size_t count, size_t size)
{
    size_t bytes = (count * size + 127) / 64 * 64;
    void *memory = aligned_alloc(64, bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}
void *hw__base_alloc(size_t count, size_t size)
{
    return hw__base_zalloc(count, size);
}

void hw__base_free(void *memory)
{
    free(memory);
}
void hw__json_string(FILE *out, const char *text)
{
    fprintf(out, "\"%s\"", text);
}
void hw__json_number(FILE *out, double x)
{
    fprintf(out, "%g", x);
}
bool hw__base_all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!hw__base_finite(x[i])) return false;
    return true;
}

enum { N = 1000, ROUNDS = 300, THREADS = 3 };
typedef struct job {
    hw_params *p;
    unsigned worker;
    int torn, consistent;
} job;

static void *work(void *context)
{
    job *j = context;
    float g[N], *buffer = hw__base_zalloc(N, sizeof(float));
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    hw_range all = {0, N};
    hw_read_note note;
    for (int i = 0; i < N; i++) g[i] = 1;
    for (int r = 0; r < ROUNDS; r++) {
        const float *x = hw_params_read(j->p, j->worker, 0, buffer, &note);
        for (int i = 0; j->consistent && i < N; i++) j->torn += x[i] != (float)note.clock;
        (void)hw_params_write(j->p, j->worker, &add, &all, 1, g, &note);
    }
    hw__base_free(buffer);
    return NULL;
}

int main(void)
{
    const int modes[4][2] = {{HW_READ_ATOMIC, HW_WRITE_ADD},
                             {HW_READ_ATOMIC, HW_WRITE_STRIPED},
                             {HW_READ_CONSISTENT, HW_WRITE_ADD},
                             {HW_READ_CONSISTENT, HW_WRITE_LOCKED}};
    for (int m = 0; m < 4; m++) {
        hw_params_config c = hw_params_defaults(N, THREADS);
        job jobs[THREADS];
        pthread_t threads[THREADS];
        float x[N];
        c.read = (hw_read_mode)modes[m][0];
        c.write = (hw_write_mode)modes[m][1];
        hw_params *p;
        if (hw_params_create(&p, &c, NULL) != HW_OK) return 1;
        for (unsigned i = 0; i < THREADS; i++) {
            jobs[i] = (job){p, i, 0, modes[m][0] == HW_READ_CONSISTENT};
            if (pthread_create(&threads[i], NULL, work, jobs + i) != 0) return 1;
        }
        for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        hw_params_get(p, 0, x);
        for (int i = 0; i < N; i++)
            if (x[i] != THREADS * ROUNDS) return fprintf(stderr, "mode %d lost updates\n", m), 1;
        for (unsigned i = 0; i < THREADS; i++)
            if (jobs[i].torn) return fprintf(stderr, "mode %d tore a read\n", m), 1;
        hw_params_free(p);
    }
    return 0;
}
