/* layers.h - staleness by layer, printed and in a report; nothing where steps read all parameters at once. */
#ifndef SUPPORT_LAYERS_H
#define SUPPORT_LAYERS_H

#include <hogwild.h>
#include <stdio.h>

void layers_print(const hw_engine *engine, FILE *out);
hw_status layers_report(const hw_engine *engine, hw_report *report);

#endif
