/* normalize.c - figures of whole sets of images: fewer classes, the mean image, the channels' moments, and whether a
 * preparation fits a set. All sums are of integers, so that no order of addition can show. */
#include "../../base/base.h"
#include "hogwild/data.h"
#include <math.h>
#include <string.h>

#define TILE 512u /* pixels whose sums stay in the innermost cache */

static size_t bytes_of(const hw_images *images)
{
    return (size_t)images->channels * images->height * images->width;
}

static bool empty(const hw_images *images)
{
    return !images || !images->pixels || !images->count || !bytes_of(images);
}

hw_status hw_images_select(const hw_images *from, unsigned classes, hw_images *to, char *why)
{
    memset(to, 0, sizeof *to);
    if (empty(from) || !from->labels) return hw__base_fail(why, HW_E_ARGUMENT, "hw_images_select: images are needed");
    if (classes < 1 || classes > from->classes)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_images_select: classes is %u: the images are of %u, so 1 to %u",
                             classes, from->classes, from->classes);
    size_t bytes = bytes_of(from);
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->count; i++) n += from->labels[i] < classes;
    if (!n)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_images_select: none of the %u images has a label below %u",
                             from->count, classes);
    *to = (hw_images){n,       from->channels,           from->height,        from->width,
                      classes, hw__base_alloc(n, bytes), hw__base_alloc(n, 1)};
    if (!to->pixels || !to->labels) {
        hw_images_free(to);
        return hw__base_fail(why, HW_E_MEMORY, "hw_images_select: no memory for %u images", n);
    }
    n = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        if (from->labels[i] >= classes) continue;
        to->labels[n] = from->labels[i];
        memcpy(to->pixels + bytes * n++, from->pixels + bytes * i, bytes);
    }
    return HW_OK;
}

hw_status hw_images_mean(const hw_images *images, float *mean)
{
    if (empty(images) || !mean) return HW_E_ARGUMENT;
    size_t bytes = bytes_of(images);
    for (size_t first = 0; first < bytes; first += TILE) {
        uint64_t sum[TILE] = {0};
        size_t n = bytes - first < TILE ? bytes - first : TILE;
        for (uint32_t i = 0; i < images->count; i++) {
            const unsigned char *tile = images->pixels + bytes * i + first;
            for (size_t k = 0; k < n; k++) sum[k] += tile[k];
        }
        for (size_t k = 0; k < n; k++) mean[first + k] = (float)((double)sum[k] / images->count);
    }
    return HW_OK;
}

/* From how often each of the 256 values occurs: exact up to the last few roundings whatever the number of images. */
static void moments(const uint64_t *times, float *mean, float *deviation)
{
    uint64_t count = 0;
    double sum = 0, squares = 0;
    for (unsigned v = 0; v < 256; v++) {
        count += times[v];
        sum += (double)times[v] * v;
    }
    double centre = sum / (double)count;
    for (unsigned v = 0; v < 256; v++) squares += (double)times[v] * (v - centre) * (v - centre);
    *mean = (float)centre;
    bool constant = false;
    for (unsigned v = 0; v < 256; v++) constant = constant || times[v] == count;
    *deviation = constant ? 1.0f : (float)sqrt(squares / (double)count);
}

hw_status hw_images_moments(const hw_images *images, float *mean, float *deviation)
{
    if (empty(images) || !mean || !deviation) return HW_E_ARGUMENT;
    size_t plane = (size_t)images->height * images->width;
    for (unsigned channel = 0; channel < images->channels; channel++) {
        /* Two tables: neighbouring pixels are often equal, and a count would wait for itself. */
        uint64_t times[2][256] = {{0}};
        for (uint32_t i = 0; i < images->count; i++) {
            const unsigned char *pixels = images->pixels + bytes_of(images) * i + plane * channel;
            for (size_t k = 0; k < plane; k++) times[k & 1][pixels[k]]++;
        }
        for (unsigned v = 0; v < 256; v++) times[0][v] += times[1][v];
        moments(times[0], mean + channel, deviation + channel);
    }
    return HW_OK;
}

hw_preparation hw_preparation_defaults(void)
{
    hw_preparation p = {.struct_size = sizeof p, .normalize = HW_NORMALIZE_NONE, .scale = 1.0f / 256};
    for (unsigned k = 0; k < 4; k++) p.channel_scale[k] = 1.0f / 256;
    return p;
}

static hw_status check_finite(const char *field, float value, bool zero, char *why)
{
    if (hw__base_finite(value) && (zero || value != 0)) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT, "preparation.%s is %g: it must be finite%s", field, (double)value,
                         zero ? "" : " and not 0");
}

static hw_status check_channels(const hw_preparation *p, unsigned channels, char *why)
{
    static const char *const scales[] = {"channel_scale[0]", "channel_scale[1]", "channel_scale[2]",
                                         "channel_scale[3]"};
    static const char *const means[] = {"channel_mean[0]", "channel_mean[1]", "channel_mean[2]", "channel_mean[3]"};
    if (channels > 4)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "preparation.normalize is HW_NORMALIZE_CHANNELS but the images have %u channels: at most 4", channels);
    hw_status status = HW_OK;
    for (unsigned k = 0; k < channels && status == HW_OK; k++) {
        status = check_finite(scales[k], p->channel_scale[k], false, why);
        if (status == HW_OK) status = check_finite(means[k], p->channel_mean[k], true, why);
    }
    return status;
}

static hw_status check_mean(const hw_preparation *p, const hw_images *images, char *why)
{
    if (!p->mean)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "preparation.mean is NULL: HW_NORMALIZE_MEAN_IMAGE takes a mean image");
    if (!hw__base_all_finite(p->mean, bytes_of(images)))
        return hw__base_fail(why, HW_E_ARGUMENT, "preparation.mean holds a value that is not finite");
    return HW_OK;
}

hw_status hw_preparation_check(const hw_preparation *p, const hw_images *images, char *why)
{
    if (!p || p->struct_size != sizeof *p)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "preparation.struct_size is %zu, expected %zu: start from hw_preparation_defaults()",
                             p ? p->struct_size : 0, sizeof *p);
    if (!images || !bytes_of(images))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_preparation_check: images are needed");
    hw_status status;
    switch (p->normalize) {
    case HW_NORMALIZE_NONE:
        status = check_finite("scale", p->scale, false, why);
        return status == HW_OK ? check_finite("shift", p->shift, true, why) : status;
    case HW_NORMALIZE_MEAN_IMAGE:
        status = check_finite("scale", p->scale, false, why);
        return status == HW_OK ? check_mean(p, images, why) : status;
    case HW_NORMALIZE_CHANNELS: return check_channels(p, images->channels, why);
    }
    return hw__base_fail(why, HW_E_ARGUMENT, "preparation.normalize is %d: 0 (none), 1 (mean image) or 2 (channels)",
                         (int)p->normalize);
}
