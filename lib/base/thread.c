/* thread.c - starting a thread. A process with small stacks (a limit of 128 kB, musl's default) is none that a worker
 * may overflow: user code and OpenBLAS run there too. Larger defaults stay. */
#include "thread.h"

int hw__base_start_thread(pthread_t *thread, void *(*body)(void *), void *context)
{
    pthread_attr_t attributes;
    size_t stack = 0;
    int code = pthread_attr_init(&attributes);
    if (code != 0) return code;
    if (pthread_attr_getstacksize(&attributes, &stack) == 0 && stack < HW__STACK)
        code = pthread_attr_setstacksize(&attributes, HW__STACK);
    if (code == 0) code = pthread_create(thread, &attributes, body, context);
    (void)pthread_attr_destroy(&attributes);
    return code;
}
