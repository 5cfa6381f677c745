/* direct_wide.c - the products of conv_direct in vectors of eight or, where LANES_AVX512 is defined, of sixteen; it is
 * compiled for both. The two differ in the order of sums, and so by rounding. */
#include "direct.h"
#include "../base/cpu.h"

#if HW__X86_64
#include "direct_filters.h"
#include "direct_filters_weights.h"
#include "direct_pixels.h"
#include "direct_pixels_weights.h"
#include "direct_input.h"

static size_t nothing(const hw__conv_shape *s)
{
    (void)s;
    return 0;
}

static const direct_steps steps = {
    {{filters_packed, filters_work, filters_pack, filters_forward},
     {pixels_packed, nothing, pixels_pack, pixels_forward}},
    {{filters_sum, filters_weights_work, filters_weights, filters_finish},
     {pixels_sum, nothing, pixels_weights, pixels_finish}},
    {input_packed, input_work, input_pack, input},
};

#ifdef LANES_AVX512
const direct_steps *hw__direct_avx512(void)
{
    return hw__cpu_avx512() ? &steps : NULL;
}
#else
const direct_steps *hw__direct_avx2(void)
{
    return hw__cpu_avx2() ? &steps : NULL;
}
#endif

#elif defined(LANES_AVX512)

const direct_steps *hw__direct_avx512(void)
{
    return NULL;
}

#else

const direct_steps *hw__direct_avx2(void)
{
    return NULL;
}

#endif
