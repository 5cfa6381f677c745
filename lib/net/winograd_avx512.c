/* winograd_avx512.c - the steps of winograd_avx2.c in vectors of sixteen. */
#define LANES_AVX512
#include "winograd_avx2.c"
