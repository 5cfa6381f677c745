/* lines.c - the values of a shard in a message: all of them, or where few have changed those lines of 16 floats, with
 * their numbers before them. What sparse objectives touch is sent, and nothing else. */
#include "job.h"
#include <string.h>

enum { LINE = HW__MPI_LINE };

size_t hw__mpi_lines(size_t n)
{
    return (n + LINE - 1) / LINE;
}

static size_t of_line(size_t line, size_t n)
{
    return n - line * LINE < LINE ? n - line * LINE : LINE;
}

uint32_t hw__mpi_lines_list(const float *d, size_t n, uint32_t *list)
{
    uint32_t count = 0;
    for (size_t line = 0; line < hw__mpi_lines(n); line++) {
        bool any = false;
        for (size_t i = 0, k = of_line(line, n); i < k; i++) any = any || d[line * LINE + i] != 0;
        if (any) list[count++] = (uint32_t)line;
    }
    return count;
}

bool hw__mpi_lines_whole(uint32_t count, size_t n)
{
    return count == HW__MPI_ALL || 4 * (size_t)count * (LINE + 1) > 3 * n;
}

size_t hw__mpi_lines_size(uint32_t count, size_t n)
{
    return count == HW__MPI_ALL ? n : (size_t)count * (LINE + 1);
}

size_t hw__mpi_lines_pack(const float *values, size_t n, const uint32_t *list, uint32_t *count, float *to)
{
    if (hw__mpi_lines_whole(*count, n)) {
        *count = HW__MPI_ALL;
        memcpy(to, values, n * sizeof *to);
        return n;
    }
    float *at = to + *count;
    memcpy(to, list, *count * sizeof *to);
    for (uint32_t k = 0; k < *count; k++, at += LINE) {
        const size_t line = list[k], part = of_line(line, n);
        if (part < LINE) memset(at, 0, LINE * sizeof *at);
        memcpy(at, values + line * LINE, part * sizeof *at);
    }
    return hw__mpi_lines_size(*count, n);
}

const float *hw__mpi_lines_get(const float *from, uint32_t count, uint32_t k, size_t n, hw_range *line)
{
    uint32_t number = 0;
    if (count == HW__MPI_ALL) {
        *line = (hw_range){0, n};
        return from;
    }
    memcpy(&number, from + k, sizeof number);
    if (number >= hw__mpi_lines(n)) return NULL;
    *line = (hw_range){(size_t)number * LINE, of_line(number, n)};
    return from + count + (size_t)k * LINE;
}

uint32_t hw__mpi_lines_parts(uint32_t count)
{
    return count == HW__MPI_ALL ? 1 : count;
}
