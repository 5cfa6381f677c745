/* sized.c - shorter and longer structs of a caller against the library's own. */
#include "sized.h"
#include <string.h>

enum { LARGEST = 65536 }; /* no struct of any release is this long: a size beyond it is garbage */

hw_status hw__sized_fill(void *to, size_t size, const void *all, size_t full, size_t least)
{
    if (!to || size < least) return HW_E_ARGUMENT;
    memset(to, 0, size);
    memcpy(to, all, size < full ? size : full);
    memcpy(to, &size, sizeof size);
    return HW_OK;
}

hw_status hw__sized_adopt(void *to, size_t full, const void *from, size_t least, const char *what, const char *defaults,
                          char *why)
{
    size_t size = 0;
    if (from) memcpy(&size, from, sizeof size);
    if (size < least || size > LARGEST)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "%s is NULL or was not initialised (its struct_size is %zu, %zu is the least): start from %s", what, size,
            least, defaults);
    const unsigned char *bytes = from;
    for (size_t i = full; i < size; i++)
        if (bytes[i])
            return hw__base_fail(
                why, HW_E_ARGUMENT,
                "%s was made for a later version of the library (%zu bytes, %zu are known here) and sets "
                "something that this version does not have",
                what, size, full);
    memcpy(to, from, size < full ? size : full);
    memcpy(to, &full, sizeof full);
    return HW_OK;
}
