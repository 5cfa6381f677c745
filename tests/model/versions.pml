/* versions.pml - version publishing and recycling of lib/params/versions.c, under sequential consistency (the orders on
 * the accesses make the protocol's steps atomic and visible; see docs/memory-model.md).
 *
 * Each worker reads and publishes ROUNDS times. A version's content is two words written one after the other, so that a
 * half-filled or recycled version shows. Mutants: NO_BASE_PIN, EARLY_UNPIN, LOST_PIN, FREE_AT_RETIRE, NO_REFILL,
 * UNPIN_BEFORE_FILL. */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define SLOTS (2 * WORKERS + 2)

byte head_slot = 0, head_pins = 0;
short count[SLOTS];
bool taken[SLOTS];
byte first[SLOTS], second[SLOTS];
byte landed = 0;

inline pin(slot) { d_step { slot = head_slot; head_pins++ } }

inline release_slot(slot) { count[slot] = 0; taken[slot] = false }

inline unpin(slot)
{
    d_step { old = count[slot]; count[slot] = count[slot] - 1 }
    if
    :: old == 1 -> release_slot(slot)
    :: else
    fi
}

inline claim(slot)
{
    i = 0;
    do
    :: d_step { !taken[i] -> taken[i] = true; slot = i } break
    :: taken[i] -> i = (i + 1) % SLOTS
    od
}

proctype worker()
{
    byte slot, mine, base, i, a, b, round = 0, pins;
    short old;
    bool done;

    do
    :: round == ROUNDS -> break
    :: else ->
        /* read in place */
        pin(slot);
#ifdef EARLY_UNPIN
        unpin(slot);
#endif
        a = first[slot];
        b = second[slot];
        assert(a == b);
        a = second[slot];
        assert(a == b);
#ifndef EARLY_UNPIN
        unpin(slot);
#endif
        /* publish */
        claim(mine);
        done = false;
        do
        :: done -> break
        :: else ->
#ifdef NO_BASE_PIN
            base = head_slot;
#else
            pin(base);
#endif
#ifdef UNPIN_BEFORE_FILL
            unpin(base);
#endif
            first[mine] = first[base] + 1;
            second[mine] = second[base] + 1;
#ifdef NO_REFILL
refilled:
#endif
            if
            :: d_step { head_slot == base -> 
                   assert(first[mine] == landed + 1);
                   landed = landed + 1;
                   pins = head_pins;
                   head_slot = mine;
                   head_pins = 0 }
               done = true;
#ifdef NO_BASE_PIN
               pins = pins + 1;
#endif
#ifdef LOST_PIN
               pins = pins - 1;
#endif
#ifdef UNPIN_BEFORE_FILL
               pins = pins + 1;
#endif
#ifdef FREE_AT_RETIRE
               release_slot(base);
#else
               d_step { old = count[base]; count[base] = count[base] + pins - 1 }
               if
               :: old + pins - 1 == 0 -> release_slot(base)
               :: else
               fi
#endif
            :: d_step { head_slot != base -> skip }
#ifndef NO_BASE_PIN
#ifndef UNPIN_BEFORE_FILL
               unpin(base);
#endif
#endif
#ifdef NO_REFILL
               pin(base);
               goto refilled;
#endif
            fi
        od;
        round++
    od
}

init
{
    byte w = 0;
    atomic {
        taken[0] = true;
        do
        :: w < WORKERS -> run worker(); w++
        :: else -> break
        od
    }
    (_nr_pr == 1);
    /* Lossless, and every slot but the current one is free again. */
    assert(landed == WORKERS * ROUNDS);
    assert(first[head_slot] == landed);
    w = 0;
    do
    :: w < SLOTS -> assert(taken[w] == (w == head_slot)); w++
    :: else -> break
    od
}
