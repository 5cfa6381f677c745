/* marks.h (internal) - which lines of 16 parameters workers have written to since somebody last asked, so that who
 * sends changes elsewhere looks at those alone. A bit a line, in words of each worker's own: it alone sets them, and
 * who asks takes them. */
#ifndef HW__PARAMS_MARKS_H
#define HW__PARAMS_MARKS_H

#include "extent.h"
#include "params.h"

enum { MARKS_LINE = 16, MARKS_WORD = 64 /* lines in a word */ };

typedef struct hw__marks {
    size_t words;           /* of each worker */
    unsigned workers;       /* and one more, for what is written in parts, by any of them */
    _Atomic uint64_t *word; /* of worker w from w * words on */
} hw__marks;

/* After the values have been written. It is stored whatever stands there: one that was seen set may be taken before
 * these values are there to be read. One that is taken between the load and the store comes back, which costs a look
 * and loses nothing. */
static inline void hw__marks_add(const hw__marks *m, unsigned worker, size_t line)
{
    _Atomic uint64_t *word = m->word + worker * m->words + line / MARKS_WORD;
    /* Relaxed: nobody else sets bits there. Release: who takes the mark sees the values. */
    const uint64_t bits = atomic_load_explicit(word, memory_order_relaxed) | (uint64_t)1 << line % MARKS_WORD;
    atomic_store_explicit(word, bits, memory_order_release);
}

static inline void hw__marks_floats(const hw__marks *m, unsigned worker, size_t first, size_t n)
{
    const size_t end = (first + n + MARKS_LINE - 1) / MARKS_LINE;
    for (size_t line = first / MARKS_LINE; line < end; line++) hw__marks_add(m, worker, line);
}

static inline void hw__marks_at(const hw__marks *m, unsigned worker, const uint32_t *indices, size_t n)
{
    for (size_t i = 0; i < n; i++) hw__marks_add(m, worker, indices[i] / MARKS_LINE);
}

void hw__marks_extent(const hw__marks *m, unsigned worker, const hw__extent *x);
/* The same by any thread. */
void hw__marks_part(const hw__marks *m, const hw__extent *x);
/* Of `size` parameters; NULL: no memory. */
hw__marks *hw__marks_create(hw__memory *memory, size_t size, unsigned workers);
/* Numbers of the lines that are marked, ascending, as many as are returned; they are not any more. By one thread at a
 * time. What is read of a line afterwards has all that its marks stood for, and what is written later is marked again.
 */
size_t hw__marks_take(const hw__marks *m, uint32_t *lines);

#endif
