/* number.h (internal) - numbers as decimal text, the same in every locale. */
#ifndef HW__BASE_NUMBER_H
#define HW__BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* Up to `digits` significant ones, as %g prints them, with a point. Returns the length, as snprintf. */
size_t hw__number_print(char *text, size_t size, int digits, double x);
/* The nearest double to what begins at `at`, as print writes it; *end: behind it. False: no number begins there, or
 * none that is finite. */
bool hw__number_parse(const char *at, const char **end, double *x);

#endif
