/* mailbox.c - where a worker hands a request to the thread that calls MPI, and waits for the answer. One at a time. */
#include "job.h"
#include <string.h>
#include <time.h>

bool hw__mpi_mailbox_create(hw__mpi_mailbox *box)
{
    pthread_condattr_t monotonic;
    if (pthread_mutex_init(&box->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&box->answered, NULL) != 0) {
        (void)pthread_mutex_destroy(&box->mutex);
        return false;
    }
    bool good = pthread_condattr_init(&monotonic) == 0;
    if (good) {
        good = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
               pthread_cond_init(&box->posted, &monotonic) == 0;
        (void)pthread_condattr_destroy(&monotonic);
    }
    if (!good) {
        (void)pthread_cond_destroy(&box->answered);
        (void)pthread_mutex_destroy(&box->mutex);
    }
    box->ready = good;
    return good;
}

void hw__mpi_mailbox_free(hw__mpi_mailbox *box)
{
    if (!box->ready) return;
    (void)pthread_cond_destroy(&box->posted);
    (void)pthread_cond_destroy(&box->answered);
    (void)pthread_mutex_destroy(&box->mutex);
}

hw_status hw__mpi_post(hw__mpi_mailbox *box, hw__mpi_request *request, char *why)
{
    (void)pthread_mutex_lock(&box->mutex);
    if (!box->over) {
        box->request = request;
        box->pending = true;
        box->since = hw_now();
        (void)pthread_cond_signal(&box->posted);
        while (box->pending && !box->over) (void)pthread_cond_wait(&box->answered, &box->mutex);
    }
    bool over = box->over && (box->pending || box->request != request);
    hw_status status = over ? box->status : request->status;
    if (status != HW_OK) memcpy(why, over ? box->why : request->why, HW_WHY);
    box->request = NULL;
    box->pending = false;
    (void)pthread_mutex_unlock(&box->mutex);
    return status;
}

void hw__mpi_done(hw__mpi_mailbox *box)
{
    (void)pthread_mutex_lock(&box->mutex);
    box->done = true;
    (void)pthread_cond_signal(&box->posted);
    (void)pthread_mutex_unlock(&box->mutex);
}

static struct timespec after(uint64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(us % 1000000) * 1000;
    until.tv_sec += (time_t)(us / 1000000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

hw__mpi_request *hw__mpi_look(hw__mpi_mailbox *box, uint64_t us, bool *done)
{
    (void)pthread_mutex_lock(&box->mutex);
    if (us && us != UINT64_MAX && !box->pending && !box->done) {
        struct timespec until = after(us);
        (void)pthread_cond_timedwait(&box->posted, &box->mutex, &until);
    }
    while (us == UINT64_MAX && !box->pending && !box->done) (void)pthread_cond_wait(&box->posted, &box->mutex);
    hw__mpi_request *request = box->pending ? box->request : NULL;
    *done = box->done;
    (void)pthread_mutex_unlock(&box->mutex);
    return request;
}

void hw__mpi_answer(hw__mpi_mailbox *box)
{
    (void)pthread_mutex_lock(&box->mutex);
    box->pending = false;
    (void)pthread_cond_signal(&box->answered);
    (void)pthread_mutex_unlock(&box->mutex);
}

void hw__mpi_close(hw__mpi_mailbox *box, hw_status status, const char *why)
{
    (void)pthread_mutex_lock(&box->mutex);
    box->over = true;
    box->status = status;
    (void)snprintf(box->why, sizeof box->why, "%s", why);
    (void)pthread_cond_signal(&box->answered);
    (void)pthread_mutex_unlock(&box->mutex);
}
