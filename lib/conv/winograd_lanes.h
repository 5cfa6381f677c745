/* winograd_lanes.h (internal) - vectors of eight or sixteen channels, the transposition of planes into them, and what
 * the one-dimensional transforms of the Winograd convolution are written in. Included by winograd_wide.c and its parts
 * only. */
#ifndef HW__CONV_WINOGRAD_LANES_H
#define HW__CONV_WINOGRAD_LANES_H

#include "winograd.h"
#include "lanes.h"

#define PANEL WINOGRAD_PANEL
#define SIDE  WINOGRAD_SIDE
#define OUT   WINOGRAD_OUT

/* --- planes to lanes and back ------------------------------------------------------------------------------------- */

HOT static void gather(const float *planes, size_t plane, size_t channels, size_t n, float *pixels)
{
    for (size_t g = 0; g < channels || g % LANES; g += 8) {
        size_t used = channels > g ? channels - g : 0;
        const float *from = planes + g * plane;
        for (size_t x = 0; x < n; x += 8) {
            size_t count = n - x < 8 ? n - x : 8;
            __m256i mask = first_lanes(count);
            __m256 v[8];
            if (count == 8 && used >= 8)
                for (size_t i = 0; i < 8; i++) v[i] = _mm256_loadu_ps(from + i * plane + x);
            else
                for (size_t i = 0; i < 8; i++)
                    v[i] = i < used ? _mm256_maskload_ps(from + i * plane + x, mask) : _mm256_setzero_ps();
            transpose8(v);
            float *to = pixels + x * PANEL + g;
            if (count == 8)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + i * PANEL, v[i]);
            else
                for (size_t i = 0; i < count; i++) _mm256_storeu_ps(to + i * PANEL, v[i]);
        }
    }
}

HOT static void scatter(const float *pixels, size_t channels, size_t n, float *planes, size_t plane, bool add)
{
    for (size_t g = 0; g < channels; g += 8) {
        size_t used = channels - g < 8 ? channels - g : 8;
        for (size_t x = 0; x < n; x += 8) {
            size_t count = n - x < 8 ? n - x : 8;
            __m256i mask = first_lanes(count);
            const float *from = pixels + x * PANEL + g;
            float *to = planes + g * plane + x;
            __m256 v[8];
            for (size_t i = 0; i < 8; i++) v[i] = i < count ? _mm256_loadu_ps(from + i * PANEL) : _mm256_setzero_ps();
            transpose8(v);
            if (count == 8 && used == 8 && !add)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + i * plane, v[i]);
            else
                for (size_t i = 0; i < 8 && i < used; i++) {
                    if (add) v[i] = _mm256_add_ps(v[i], _mm256_maskload_ps(to + i * plane, mask));
                    _mm256_maskstore_ps(to + i * plane, mask, v[i]);
                }
        }
    }
}

/* --- words of the transforms: constants times vectors ---------------------------------------------------------------
 */

#define SHARE(x)  V(set1_ps)((float)(x))
#define ADD(x, y) V(add_ps)(x, y)
#define SUB(x, y) V(sub_ps)(x, y)
#define MUL(s, x) V(mul_ps)(SHARE(s), x)

/* s x + y and y - s x for a constant s. */
#define MORE(s, x, y) V(fmadd_ps)(SHARE(s), x, y)
#define LESS(s, x, y) V(fnmadd_ps)(SHARE(s), x, y)

#endif
