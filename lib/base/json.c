/* json.c - strings with their escapes, numbers that are numbers. */
#include "json.h"
#include "number.h"
#include "base.h"

void hw__json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void hw__json_number(FILE *out, double x)
{
    char text[40];
    if (!hw__base_finite_double(x)) {
        fputs("null", out);
        return;
    }
    (void)hw__number_print(text, sizeof text, 9, x);
    fputs(text, out);
}
