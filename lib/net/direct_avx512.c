/* direct_avx512.c - the products of direct_avx2.c in vectors of sixteen. */
#define LANES_AVX512
#include "direct_avx2.c"
