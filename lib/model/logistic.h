/* logistic.h (internal) - the loss of negative sampling: log(1 + e^x) and its slope for a few scores at once, by
 * polynomials that compilers make vectors of. Accurate to 1e-6. */
#ifndef HW__MODEL_LOGISTIC_H
#define HW__MODEL_LOGISTIC_H

#include "../base/cpu.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#if HW__X86_64
#define LOGISTIC_WIDE   1
#define LOGISTIC_INLINE __attribute__((always_inline)) static inline
#else
#define LOGISTIC_WIDE   0
#define LOGISTIC_INLINE static inline
#endif

/* Whether a score decides for the label's side, by the rule that predictions go by too: above 0 is the positive one,
 * the rest (a row without a known column has 0) the other. NaN decides for nothing. */
static inline bool hw__logistic_decides(double score, double label)
{
    return label > 0 ? score > 0 : score <= 0;
}

enum { LOGISTIC_LANES = 8 };

typedef union logistic_bits {
    int32_t i;
    float f;
} logistic_bits;

/* e^-|x| to 3e-7 of it, e^-80 beyond 80: 2^whole by the exponent's bits, 2^-part by a polynomial. The bits of floats
 * that are not negative are in order, so whole numbers find the smaller one without a branch. */
LOGISTIC_INLINE float hw__logistic_exp(float x)
{
    logistic_bits a = {.f = x}, scale;
    a.i &= 0x7fffffff;
    a.i = a.i < 0x42a00000 ? a.i : 0x42a00000; /* 80 */
    float t = a.f * 1.44269504f;
    int32_t whole = (int32_t)(t + 0.5f);
    float f = (float)whole - t; /* [-1/2, 1/2] */
    scale.i = (127 - whole) << 23;
    float y = 1.5403530e-4f;
    y = y * f + 1.3333558e-3f;
    y = y * f + 9.6181291e-3f;
    y = y * f + 5.5504109e-2f;
    y = y * f + 2.4022651e-1f;
    y = y * f + 6.9314718e-1f;
    return (y * f + 1) * scale.f;
}

/* slope[t] = -sigma(score[t]), loss[t] = log(1 + e^score[t]), for LOGISTIC_LANES of them. A score that is not finite
 * makes a loss that is not. */
LOGISTIC_INLINE void hw__logistic_lanes(const float *restrict score, float *restrict slope, float *restrict loss)
{
    for (unsigned t = 0; t < LOGISTIC_LANES; t++) {
        float x = score[t], e = hw__logistic_exp(x);
        slope[t] = -0.5f - copysignf(1 / (1 + e) - 0.5f, x);
        /* log(1 + e) = 2 atanh(z), z = e / (2 + e) at most 1/3 */
        float z = e / (2 + e), q = z * z;
        float log1 = 2 * z * (1 + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q * (1 / 9.0f + q * (1 / 11.0f))))));
        loss[t] = 0.5f * (x + fabsf(x)) + log1;
    }
}

#if LOGISTIC_WIDE
/* The same code compiled for vectors of eight. */
__attribute__((target("avx2"))) static void logistic_lanes_wide(const float *score, float *slope, float *loss)
{
    hw__logistic_lanes(score, slope, loss);
}
#else
static inline void logistic_lanes_wide(const float *score, float *slope, float *loss)
{
    hw__logistic_lanes(score, slope, loss);
}
#endif

static inline bool hw__logistic_wide(void)
{
    return hw__cpu_avx2();
}

/* `inputs` times n scores, of each input the first one's label 1, the others' 0: slope[t] = label - sigma(score[t]);
 * returns the loss. score, slope and loss have room for a multiple of LOGISTIC_LANES. wide: as hw__logistic_wide says.
 */
static inline double hw__logistic_window(bool wide, const float *score, unsigned inputs, unsigned n, float *slope,
                                         float *loss)
{
    unsigned all = inputs * n;
    for (unsigned t = 0; t < all; t += LOGISTIC_LANES)
        if (wide)
            logistic_lanes_wide(score + t, slope + t, loss + t);
        else
            hw__logistic_lanes(score + t, slope + t, loss + t);
    float sum = 0;
    for (unsigned t = 0; t < all; t++) sum += loss[t];
    for (unsigned i = 0; i < inputs; i++) {
        sum -= score[i * n];
        slope[i * n] += 1;
    }
    return (double)sum;
}

/* One input. */
static inline double hw__logistic_loss(bool wide, const float *score, unsigned n, float *slope, float *loss)
{
    return hw__logistic_window(wide, score, 1, n, slope, loss);
}

#endif
