/* marks.pml - marks of lines that workers have written to (lib/params/marks.c), and who looks at those lines alone. Two
 * workers write numbers that grow to two lines each; whoever takes their marks reads what stands there. At the end,
 * with all marks taken, it must have seen the last number of every line. Each worker's marks are bits of one word: it
 * sets them by a load and a store, and who takes them does so in one step.
 *
 * A store of a value may become visible later than a load that follows it (store buffers), but no later than the next
 * store with release. Mutants: EARLY (the mark before the value), KEPT (not stored where it is seen set), LOOKED (looked
 * at and then cleared), AFTER (taken after the values have been read), TOGETHER (both workers set bits of one word). */
#ifndef WRITES
#define WRITES 2
#endif
#define LINES 2
byte value[4], seen[4]; /* line k of worker w is number 2 w + k */
byte pending[2];        /* a value of worker w on its way, to line at[w]; 0: none */
byte at[2];
byte word[2];
byte over;

#ifdef TOGETHER
#define OWN 0
#define BIT(line) (1 << (line))
#define BITS 15
#else
#define OWN w
#define BIT(line) (1 << ((line) % 2))
#define BITS 3
#endif

inline flush() {
    d_step {
        if
        :: pending[w] -> value[at[w]] = pending[w]; pending[w] = 0
        :: else
        fi
    }
}

/* Visible at some time, or at the latest by what is released next. */
inline store(line, number) {
    flush();
    d_step { at[w] = line; pending[w] = number }
    if
    :: flush()
    :: skip
    fi
}

inline mark(line) {
    b = word[OWN];
#ifdef KEPT
    if
    :: (b & BIT(line)) -> skip
    :: else -> flush(); word[OWN] = b | BIT(line)
    fi
#else
    flush();
    word[OWN] = b | BIT(line)
#endif
}

proctype worker(byte w)
{
    byte n = 1, b, line;
    do
    :: n > WRITES -> break
    :: n <= WRITES ->
        if
        :: line = 2 * w
        :: line = 2 * w + 1
        fi;
#ifdef EARLY
        mark(line);
        store(line, n);
        flush();
#else
        store(line, n);
        mark(line);
#endif
        n++
    od;
    flush(); /* its run is over: joined */
    d_step { over++ ; b = 0 }
}

inline read_lines(k, bits) {
#ifdef TOGETHER
    i = 0;
    do
    :: i > 3 -> break
    :: else -> if :: (bits & (1 << i)) -> seen[i] = value[i] :: else fi; i++
    od
#else
    i = 0;
    do
    :: i > 1 -> break
    :: else -> if :: (bits & (1 << i)) -> seen[2 * k + i] = value[2 * k + i] :: else fi; i++
    od
#endif
}

inline look() {
    k = 0;
    do
    :: k > 1 -> break
    :: else ->
        bits = word[k];
#ifdef LOOKED
        if :: bits -> word[k] = 0 :: else fi;
        read_lines(k, bits);
#else
#ifdef AFTER
        read_lines(k, bits);
        if :: bits -> word[k] = 0 :: else fi;
#else
        if :: bits -> d_step { bits = word[k]; word[k] = 0 } :: else fi;
        read_lines(k, bits);
#endif
#endif
        k++
    od
}

active proctype follower()
{
    byte k, i, bits;
    bool last = false;
    run worker(0);
    run worker(1);
    do
    :: last -> break
    :: else ->
        last = over == 2;
        look()
    od;
    assert(seen[0] == value[0] && seen[1] == value[1] && seen[2] == value[2] && seen[3] == value[3]);
    assert(word[0] == 0 && word[1] == 0)
}
