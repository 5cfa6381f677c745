/* json.h (internal) - scalars of JSON, whatever the locale. Documents are jansson's. */
#ifndef HW__BASE_JSON_H
#define HW__BASE_JSON_H

#include <stdio.h>

/* A JSON string with quotes and escapes. */
void hw__json_string(FILE *out, const char *text);
/* A JSON number, or null where it is not finite. */
void hw__json_number(FILE *out, double x);

#endif
