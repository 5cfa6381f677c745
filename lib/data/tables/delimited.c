/* delimited.c - records of separated fields, cut in place; nothing is copied or allocated, and each byte is looked at
 * a few times at most. */
#include "delimited.h"
#include <stddef.h>

/* Lines without a field are no records: empty ones, and ones of spaces. */
bool hw__delimited_record(delimited *d)
{
    for (const char *at = d->at; at < d->end; at++) {
        if (*at == '\n') {
            d->line++;
            d->at = at + 1;
        } else if (*at != ' ' && (*at != '\r' || (at + 1 < d->end && at[1] != '\n'))) {
            return true;
        }
    }
    d->at = d->end;
    return false;
}

/* Before the end only. */
static bool separator(const delimited *d)
{
    return *d->at == d->separator[0] && (d->width == 1 || (d->at + 1 < d->end && d->at[1] == d->separator[1]));
}

/* The field's end is a separator, a line end or the end of the text. False: something else stands there. */
static bool leave(delimited *d)
{
    d->ended = true;
    if (d->at == d->end) return true;
    if (separator(d)) {
        d->at += d->width;
        d->ended = false;
        return true;
    }
    if (*d->at == '\r' && (d->at + 1 == d->end || d->at[1] == '\n')) d->at++;
    if (d->at == d->end) return true;
    if (*d->at != '\n') return false;
    d->at++;
    d->line++;
    return true;
}

const char *hw__delimited_field(delimited *d, const char **from, const char **to)
{
    while (d->at < d->end && *d->at == ' ') d->at++;
    *from = d->at;
    if (d->quotes && d->at < d->end && *d->at == '"') {
        ++*from;
        for (d->at++;; d->at++) {
            if (d->at == d->end) return "a quote is not closed";
            if (*d->at == '\n') d->line++;
            if (*d->at != '"') continue;
            if (d->at + 1 == d->end || d->at[1] != '"') break;
            d->at++;
        }
        *to = d->at++;
        while (d->at < d->end && *d->at == ' ') d->at++;
        return leave(d) ? NULL : "a separator or the line's end is expected after a closing quote";
    }
    while (d->at < d->end && *d->at != '\n' && !separator(d)) d->at++;
    *to = d->at;
    if (*to > *from && (*to)[-1] == '\r' && (d->at == d->end || *d->at == '\n')) --*to;
    while (*to > *from && (*to)[-1] == ' ') --*to;
    (void)leave(d);
    return NULL;
}
