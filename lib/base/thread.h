/* thread.h (internal) - threads with a stack that is large enough, whatever the process's default is. */
#ifndef HW__BASE_THREAD_H
#define HW__BASE_THREAD_H

#include <pthread.h>

#define HW__STACK ((size_t)1 << 20) /* what the library's own frames and OpenBLAS's take, several times over */

/* pthread_create with at least HW__STACK bytes; its error number. */
int hw__base_start_thread(pthread_t *thread, void *(*body)(void *), void *context);

#endif
