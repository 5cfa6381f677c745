/* layers.h - staleness by layer, printed and in a report; nothing where steps read all parameters at once. */
#ifndef SUPPORT_LAYERS_H
#define SUPPORT_LAYERS_H

#include <hogwild.h>
#include <stdio.h>

/* As one text, without a line's end behind it; "" where there are none. */
void layers_text(const hw_engine *engine, char *text, size_t size);
void layers_print(const hw_engine *engine, FILE *out);
hw_status layers_report(const hw_engine *engine, hw_report *report);

#endif
