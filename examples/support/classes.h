/* classes.h - which classes a net tells apart: accuracy by class and confusions on test images. */
#ifndef SUPPORT_CLASSES_H
#define SUPPORT_CLASSES_H

#include <hogwild.h>
#include <stdio.h>

typedef struct class_table {
    unsigned classes;
    uint32_t *count; /* classes x classes: row label, column what the net said */
    const char *(*name)(unsigned label);
} class_table;

/* 0, or HW_E_MEMORY, HW_E_ARGUMENT. name gives NULL for a class without a name. */
hw_status class_table_make(class_table *t, const hw_net *net, const hw_images *test, const float *params,
                           const char *(*name)(unsigned label));
void class_table_free(class_table *t);
/* The best and the worst class, one line. */
void class_table_print(const class_table *t, FILE *out);
/* Accuracy by class; the confusion matrix, or for more than 20 classes the 20 most frequent confusions. */
hw_status class_table_report(const class_table *t, hw_report *report);

#endif
