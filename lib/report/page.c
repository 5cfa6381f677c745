/* page.c - the body of the page while it grows. */
#include "../base/files.h"
#include "report.h"
#include <stdlib.h>
#include <string.h>

hw_status hw__report_bytes(hw_report *r, const char *text, size_t n)
{
    if (r->length + n + 1 > r->room) {
        size_t room = 2 * (r->length + n + 1);
        char *body = realloc(r->body, room);
        if (!body) return HW_E_MEMORY;
        r->body = body;
        r->room = room;
    }
    memcpy(r->body + r->length, text, n);
    r->length += n;
    r->body[r->length] = 0;
    return HW_OK;
}

hw_status hw__report_put(hw_report *r, const char *text)
{
    return hw__report_bytes(r, text, strlen(text));
}

hw_status hw__report_inline(hw_report *r, const char *file)
{
    char path[1024];
    hw__file svg;
    (void)snprintf(path, sizeof path, "%s/%s", r->folder, file);
    if (hw__file_read(path, 1 << 24, &svg, NULL) != HW_OK) return HW_OK; /* a plot that was not made is left out */
    const char *at = strstr((const char *)svg.data, "<svg");
    hw_status status = at ? hw__report_put(r, "<figure>") : HW_OK;
    if (at && status == HW_OK) status = hw__report_put(r, at);
    if (at && status == HW_OK) status = hw__report_put(r, "</figure>\n");
    hw__base_free(svg.data);
    return status;
}
