/* gather.pml - updates that are the mean of what the first ranks to come have brought, of lib/mpi/gather.c: rank 0 says
 * who has brought the next one, every owner lands it as soon as all of it is there, and who brings nothing more before a
 * meeting says so. Each rank brings what it has to all owners and waits for all their answers, then goes on.
 *
 * All owners land the same ranks together, in the same order; fewer than FIRST only where all others are out; no more
 * decisions are under way to an owner than there are ranks; at a meeting everything has landed everywhere; nobody stays
 * behind (the assertions, spin's invalid end states).
 * Mutants: OWN (every owner goes by who has come to it first), STAYS (who brings nothing more does not say so), EARLY
 * (an owner lands what is there of an update), LATE_OUT (the meeting does not wait for the last of those words). */
#ifndef RANKS
#define RANKS 3
#endif
#ifndef FIRST
#define FIRST 2
#endif
#ifndef STEPS
#define STEPS 2 /* of each rank before each of the two meetings, at most */
#endif
#define MEETINGS 2
#define AT(a, b) ((a) * RANKS + (b))
#define MOST (MEETINGS * STEPS * RANKS)

chan push[RANKS] = [RANKS] of {byte};
chan reply[RANKS] = [RANKS] of {bit};
chan decision[RANKS] = [RANKS] of {byte}; /* a set of ranks, a bit each */
chan out = [MEETINGS * RANKS] of {bit};

byte here[RANKS], n_here[RANKS], set[RANKS]; /* of each owner; here, set: a bit a rank; set 0: nothing is decided */
byte order[RANKS * MOST], landed[RANKS];     /* what each has landed */
byte n_out = 0, heard = 0, really_out = 0;
byte came = 0, passed = 0, brought = 0;
bool over = false;

inline count(bits)
{
    many = 0;
    i = 0;
    do
    :: i < RANKS -> many = many + ((bits >> i) & 1); i++
    :: else -> break
    od
}

/* Rank 0's, or with OWN everybody's. */
inline decide(me)
{
    if
    :: set[me] == 0 && n_here[me] > 0 && (n_here[me] >= FIRST || (me == 0 && n_here[me] + n_out >= RANKS)) ->
        set[me] = here[me];
#ifndef OWN
        assert(n_here[me] >= FIRST || n_here[me] + really_out == RANKS);
        i = 1;
        do
        :: i < RANKS -> assert(nfull(decision[i])); decision[i]!here[me]; i++
        :: else -> break
        od
#endif
    :: else
    fi
}

proctype owner(byte me)
{
    byte from, i, many, bits;
    do
    :: d_step {
           push[me]?from ->
           here[me] = here[me] | (1 << from);
           n_here[me]++
#ifdef OWN
           ;
           decide(me)
#else
           ;
           if
           :: me == 0 -> decide(me)
           :: else
           fi
#endif
       }
    :: d_step { me == 0 && nempty(out) -> out?_; n_out++; heard++; decide(me) }
#ifndef OWN
    :: d_step { me != 0 && set[me] == 0 && nempty(decision[me]) -> decision[me]?bits; set[me] = bits }
#endif
    :: d_step {
#ifdef EARLY
           set[me] != 0 && (set[me] & here[me]) != 0 ->
#else
           set[me] != 0 && (set[me] & here[me]) == set[me] ->
#endif
           bits = set[me] & here[me];
           order[AT(me, 0) * MEETINGS * STEPS + landed[me]] = bits;
           landed[me]++;
           count(bits);
           n_here[me] = n_here[me] - many;
           here[me] = here[me] & ~bits;
           set[me] = 0;
           i = 0;
           do
           :: i < RANKS ->
               if
               :: (bits >> i) & 1 -> reply[i]!1
               :: else
               fi;
               i++
           :: else -> break
           od;
           if
           :: me == 0 -> decide(me)
           :: else
           fi
       }
    :: over && empty(push[me]) -> break
    od
}

/* All have come, so whatever was on its way has arrived. */
inline check_all()
{
    i = 0;
    do
    :: i < RANKS ->
        assert(here[i] == 0 && set[i] == 0 && empty(push[i]) && empty(decision[i]) && landed[i] == landed[0]);
        j = 0;
        do
        :: j < landed[0] ->
            assert(order[AT(i, 0) * MEETINGS * STEPS + j] == order[j]);
            j++
        :: else -> break
        od;
        i++
    :: else -> break
    od
}

proctype rank(byte me)
{
    byte meeting = 0, step, i, j;
    do
    :: meeting < MEETINGS ->
        step = 0;
        do
        :: step < STEPS ->
            atomic {
                i = 0;
                do
                :: i < RANKS -> push[i]!me; i++
                :: else -> break
                od;
                step++
            }
            d_step {
                len(reply[me]) == RANKS ->
                i = 0;
                do
                :: i < RANKS -> reply[me]?_; i++
                :: else -> break
                od;
                i = 0
            }
        :: break /* its share is smaller */
        od;
        atomic {
            really_out++;
#ifndef STAYS
            if
            :: me == 0 -> n_out++
            :: else -> out!1
            fi;
#endif
            came++
        }
#ifndef STAYS
        /* Rank 0's own word may be what others wait for. */
        if
        :: me == 0 ->
            d_step {
                if
                :: set[0] == 0 && n_here[0] > 0 && (n_here[0] >= FIRST || n_here[0] + n_out >= RANKS) ->
                    set[0] = here[0];
                    i = 1;
                    do
                    :: i < RANKS -> decision[i]!here[0]; i++
                    :: else -> break
                    od
                :: else
                fi;
                i = 0
            }
        :: else
        fi;
#endif
        came == RANKS * (meeting + 1);
#ifndef LATE_OUT
        heard == RANKS - 1; /* rank 0 waits for the words, and all for rank 0 */
#endif
        atomic {
            passed++;
            if
            :: passed == RANKS * (meeting + 1) ->
                d_step { check_all(); i = 0; j = 0; n_out = 0; heard = 0; really_out = 0 }
            :: else
            fi
        }
        passed == RANKS * (meeting + 1);
        meeting++
    :: else -> break
    od;
    over = true
}

init
{
    byte r;
    atomic {
        for (r : 0 .. RANKS - 1) {
            run owner(r);
            run rank(r)
        }
    }
}
