/* status.c - the table of status codes, sentences of detail, the version. */
#include "base.h"
#include <stdarg.h>

#ifndef HW_COMMIT
#define HW_COMMIT "unknown"
#endif

const char *hw_status_name(hw_status status)
{
    switch (status) {
#define HW_X(name, number, text) \
    case number: return #name;
        HW_STATUS_TABLE(HW_X)
#undef HW_X
    default: return status >= HW_E_USER ? "HW_E_USER" : "HW_E_UNKNOWN";
    }
}

const char *hw_status_text(hw_status status)
{
    switch (status) {
#define HW_X(name, number, text) \
    case number: return text;
        HW_STATUS_TABLE(HW_X)
#undef HW_X
    default: return status >= HW_E_USER ? "an error of the caller's own callback" : "an unknown status";
    }
}

#define HW_TEXT2(x) #x
#define HW_TEXT(x)  HW_TEXT2(x)

const char *hw_version(void)
{
    return HW_TEXT(HW_VERSION_MAJOR) "." HW_TEXT(HW_VERSION_MINOR) "." HW_TEXT(HW_VERSION_PATCH);
}

unsigned hw_version_number(void)
{
    return HW_VERSION_NUMBER;
}

const char *hw_commit(void)
{
    return HW_COMMIT;
}

hw_status hw__base_fail(char *why, hw_status status, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why, HW_WHY, format, args);
        va_end(args);
    }
    return status;
}
