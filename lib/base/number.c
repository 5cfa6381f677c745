/* number.c - printf and strtod follow the caller's locale, whose decimal point is put in and taken out here. */
#include "number.h"
#include "base.h"
#include <locale.h>
#include <stdlib.h>
#include <string.h>

size_t hw__number_print(char *text, size_t size, int digits, double x)
{
    int n = snprintf(text, size, "%.*g", digits, x);
    for (char *c = text; size && *c; c++)
        if (*c == ',') *c = '.';
    return n > 0 ? (size_t)n : 0;
}

bool hw__number_parse(const char *at, const char **end, double *x)
{
    char text[64];
    size_t n = strspn(at, "+-.0123456789eE");
    const char *point = localeconv()->decimal_point;
    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, at, n);
    text[n] = 0;
    char *dot = strchr(text, '.'), *stop;
    if (dot && point[0] && !point[1]) *dot = point[0];
    *x = strtod(text, &stop);
    if (stop == text || !hw__base_finite_double(*x)) return false;
    *end = at + (stop - text);
    return true;
}
