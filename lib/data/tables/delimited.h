/* delimited.h (internal) - text of records and separated fields: CSV and its relatives. It gives out fields in order,
 * in place, and knows nothing of what they mean. */
#ifndef HW__DATA_TABLES_DELIMITED_H
#define HW__DATA_TABLES_DELIMITED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct delimited {
    const char *at, *end;
    uint64_t line;     /* that `at` is in, from 1                     */
    char separator[2]; /* one or two bytes                            */
    unsigned width;    /* of the separator                            */
    bool quotes;       /* fields may stand in "", a quote in it is "" */
    bool ended;        /* the field given last was its record's last  */
} delimited;

/* To the next line that is not empty; false at the end of the text. */
bool hw__delimited_record(delimited *d);

/* The next field of the record, without its quotes and the spaces around it; a doubled quote inside stays doubled. A
 * quoted field may go over line ends. Returns NULL, or what is wrong: then the text cannot be read on. */
const char *hw__delimited_field(delimited *d, const char **from, const char **to);

#endif
