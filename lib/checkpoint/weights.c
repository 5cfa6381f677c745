/* weights.c - plain weights in a file: a 32-byte header, then little-endian float32. */
#include "../base/bytes.h"
#include "../base/files.h"
#include "../base/base.h"
#include "hogwild/checkpoint.h"
#include <string.h>
#include <zlib.h>

hw_status hw_weights_save(const char *path, const float *params, size_t count, char *why)
{
    unsigned char header[32] = "HWFLOATS", block[1024];
    uLong sum = crc32(0, NULL, 0);
    hw__file_writer out;
    hw_status status = hw__file_write_begin(&out, path, why);
    if (status != HW_OK) return status;
    hw__bytes_put(header + 8, 1, 4);
    hw__bytes_put(header + 16, count, 8);
    for (int pass = 0; pass < 2; pass++) { /* first the checksum, then the bytes */
        if (pass == 1) {
            sum = crc32(sum, header, 24);
            hw__bytes_put(header + 24, sum, 4);
            (void)fwrite(header, 1, sizeof header, out.stream);
        }
        for (size_t i = 0; i < count;) {
            size_t n = count - i < 256 ? count - i : 256;
            for (size_t j = 0; j < n; j++) {
                uint32_t bits;
                memcpy(&bits, params + i + j, sizeof bits);
                hw__bytes_put(block + 4 * j, bits, 4);
            }
            if (pass == 0)
                sum = crc32(sum, block, (uInt)(4 * n));
            else
                (void)fwrite(block, 4, n, out.stream);
            i += n;
        }
    }
    return hw__file_write_end(&out, why);
}

hw_status hw_weights_load(const char *path, float *params, size_t count, char *why)
{
    hw__file f;
    if (count > (SIZE_MAX - 64) / 4) return hw__base_fail(why, HW_E_LIMIT, "%.150s: too many weights", path);
    hw_status status = hw__file_read(path, 4 * count + 64, &f, why);
    if (status == HW_E_LIMIT)
        return hw__base_fail(why, HW_E_FORMAT, "%.150s: it holds more than the %zu weights that were expected", path,
                             count);
    if (status != HW_OK) return status;
    if (f.size < 32 || memcmp(f.data, "HWFLOATS", 8) != 0 || hw__bytes_get(f.data + 8, 4) != 1 ||
        hw__bytes_get(f.data + 12, 4) != 0 || hw__bytes_get(f.data + 28, 4) != 0) {
        status = hw__base_fail(why, HW_E_FORMAT, "%.150s: this is not a file of weights (version 1)", path);
    } else if (hw__bytes_get(f.data + 16, 8) != count || f.size != 32 + 4 * count) {
        status = hw__base_fail(why, HW_E_FORMAT,
                               "%.120s: it says %llu weights and holds %zu bytes of them; %zu weights were "
                               "expected",
                               path, (unsigned long long)hw__bytes_get(f.data + 16, 8), f.size - 32, count);
    } else {
        uLong sum = crc32(crc32_z(0, f.data + 32, f.size - 32), f.data, 24);
        if (hw__bytes_get(f.data + 24, 4) != (sum & 0xffffffffu))
            status = hw__base_fail(why, HW_E_FORMAT, "%.150s: the checksum is wrong: the file is damaged", path);
    }
    for (size_t i = 0; status == HW_OK && i < count; i++) {
        uint32_t bits = (uint32_t)hw__bytes_get(f.data + 32 + 4 * i, 4);
        if ((bits & 0x7f800000u) == 0x7f800000u)
            status = hw__base_fail(why, HW_E_FORMAT, "%.150s: weight %zu is not finite", path, i);
        memcpy(params + i, &bits, sizeof bits);
    }
    hw__base_free(f.data);
    return status;
}
