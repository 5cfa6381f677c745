/* marks.c - marks of lines that have been written to: made, and taken. tests/model/marks.pml has the order. */
#include "marks.h"

hw__marks *hw__marks_create(hw__memory *memory, size_t size, unsigned workers)
{
    hw__marks *m = hw__memory_zalloc(memory, 1, sizeof *m);
    if (!m) return NULL;
    const size_t lines = (size + MARKS_LINE - 1) / MARKS_LINE, used = (lines + MARKS_WORD - 1) / MARKS_WORD;
    const size_t of_line = HW_LINE / sizeof *m->word;
    m->words = (used + of_line - 1) / of_line * of_line; /* no two workers' in one line of the cache */
    m->workers = workers;
    m->word = hw__memory_zalloc(memory, (workers + 1) * m->words, sizeof *m->word);
    return m->word ? m : NULL;
}

void hw__marks_extent(const hw__marks *m, unsigned worker, const hw__extent *x)
{
    if (x->indices) {
        hw__marks_at(m, worker, x->indices, x->n);
        return;
    }
    for (size_t r = 0; r < x->n; r++) hw__marks_floats(m, worker, x->ranges[r].first, x->ranges[r].count);
}

void hw__marks_part(const hw__marks *m, const hw__extent *x)
{
    for (size_t r = 0; r < x->n; r++) {
        size_t first, n = hw__extent_part(x, r, &first);
        for (size_t line = first / MARKS_LINE; line * MARKS_LINE < first + n; line++)
            /* In one step: others set bits of the same word. Release: as in hw__marks_add. */
            (void)atomic_fetch_or_explicit(m->word + m->workers * m->words + line / MARKS_WORD,
                                           (uint64_t)1 << line % MARKS_WORD, memory_order_release);
    }
}

size_t hw__marks_take(const hw__marks *m, uint32_t *lines)
{
    size_t count = 0;
    for (size_t k = 0; k < m->words; k++) {
        uint64_t bits = 0;
        for (unsigned w = 0; w <= m->workers; w++) {
            _Atomic uint64_t *word = m->word + w * m->words + k;
            /* Relaxed: a hint; what comes now is for the next time. Taken in one step, not looked at and then cleared:
             * a bit may be set between the two. Acquire: what the bits stood for is read afterwards. */
            if (atomic_load_explicit(word, memory_order_relaxed))
                bits |= atomic_exchange_explicit(word, 0, memory_order_acquire);
        }
        for (; bits; bits &= bits - 1) lines[count++] = (uint32_t)(k * MARKS_WORD) + (uint32_t)__builtin_ctzll(bits);
    }
    return count;
}
