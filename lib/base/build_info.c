/* build_info.c - one line for bug reports. */
#include "base.h"
#include "blas.h"

void hw_build_info(char *text, size_t size)
{
    char blas[256];
    hw__blas_name(blas, sizeof blas);
    (void)snprintf(text, size, "libhogwild %s (%s), %s, %s", hw_version(), hw_commit(),
#if defined(__clang__)
                   "clang " __clang_version__,
#elif defined(__GNUC__)
                   "gcc " __VERSION__,
#else
                   "unknown compiler",
#endif
                   blas);
}
