/* ranks.pml - ranks on their own, of lib/mpi (exchange.c, owner.c, round.c, run.c) and lib/step/peers.c: each owns one
 * cell, takes what its workers have added up to the owners, brings their values back while the workers go on, and meets
 * the others before evaluations and captures and at its end. A step adds 1 to every cell, so that what is lost, or
 * counted twice, shows. After which of them a rank meets, which land nothing, and who asks for a stop, is left open.
 *
 * At a meeting all cells of all ranks are the number of updates that all have made, and so are the owners' clocks; no
 * push is based on a clock that is yet to come, no rank has two messages under way to an owner, none is left at the
 * end, nobody is out of step, and nobody stays behind (the assertions, spin's invalid end states).
 * Mutants: OVERWRITE (a reply replaces what the workers have come to meanwhile), STALE_BASE (base is what was sent
 * from, not what has come), LATE_CLOCK (the clock of what is sent is looked at after it), CROWDED (an exchange begins
 * while one is under way), DEAF (who waits in a round serves nobody), UNFLUSHED (a rank comes to a meeting with updates
 * that are unsent or under way), LIVE (a meeting takes what an owner has by now, not what it had when all were there),
 * NO_AGAIN (who is at its end leaves while others go on), NO_IDLE (nobody looks whether all workers wait), SHORT (they
 * are then allowed no more than what has been sent and the bound), SILENT (a stop does not wake those who wait at the
 * bound). */
#ifndef RANKS
#define RANKS 2
#endif
#ifndef WORKERS
#define WORKERS 1 /* of rank 0, up to 3; the others have one */
#endif
#ifndef STEPS
#define STEPS 2 /* of each rank */
#endif
#ifndef OTHERS
#define OTHERS STEPS /* of the ranks but rank 0 */
#endif
#define ALL(r) (r == 0 -> STEPS : OTHERS)
#ifndef INTERVAL
#define INTERVAL 1
#endif
#ifndef BOUND
#define BOUND (2 * INTERVAL)
#endif
#ifndef MEETINGS
#define MEETINGS 1 /* of each rank before its end, at most */
#endif
#ifndef CAPTURES
#define CAPTURES false /* whether those may be captures, too */
#endif
#ifndef SKIPS
#define SKIPS 0 /* steps of each rank that land nothing, at most */
#endif
#ifndef STOPS
#define STOPS 0 /* of all: who ask for one, at most */
#endif
#define NONE 0
#define EVALUATE 1
#define CAPTURE 2
#define FINAL 3
#define SUMS 4
#define END 5
#define NEVER 255
#define AT(a, b) ((a) * RANKS + (b))

/* The engine of each rank: its cells, its clock, its tickets, its pause, and what its workers ask for. */
byte cell[RANKS * RANKS], clock[RANKS], begun[RANKS], allowed[RANKS], waiting[RANKS];
byte arrived[RANKS], finished[RANKS], left[RANKS], request[RANKS], meetings[RANKS], skips[RANKS], stops = 0;
bool pause[RANKS], open[RANKS], final_done[RANKS], stopped[RANKS], again[RANKS], evaluates[RANKS], asleep[3 * RANKS];
bit generation[RANKS];

/* What each owner has, and the messages, by sender and receiver. */
byte value[RANKS], landed[RANKS];
chan push[RANKS * RANKS] = [1] of {byte, byte, byte}; /* updates, the clock that they are based on, what they add */
chan reply[RANKS * RANKS] = [1] of {byte, byte};      /* the clock, the value */
chan word[RANKS] = [RANKS] of {bit};

/* The headers of a round, and what the owners bring to a meeting. Nobody is two rounds ahead of another, so there are
 * two of each. total: of what the workers have made, whatever has been sent. */
byte kind[2 * RANKS], total[2], came[2], passed[2];
byte brought[2 * RANKS], clock_of[2 * RANKS], there[2], gone[2];

hidden byte q, n, on, sum, many;

/* --- the workers ----------------------------------------------------------------------------------------------------
 */

#define CREW (r == 0 -> WORKERS : 1)
#define MAY_BEGIN (begun[r] >= ALL(r) || begun[r] < allowed[r])

inline wake() { d_step { asleep[3 * r] = false; asleep[3 * r + 1] = false; asleep[3 * r + 2] = false } }

inline await()
{
    if
    :: MAY_BEGIN
    :: atomic {
           !MAY_BEGIN ->
           if
           :: stopped[r] -> break
           :: else -> waiting[r]++; asleep[me] = true
           fi
       }
sleeps:
       atomic {
           !asleep[me] ->
           if
           :: stopped[r] -> waiting[r]--; break
           :: !stopped[r] && MAY_BEGIN -> waiting[r]--
           :: else -> asleep[me] = true; goto sleeps
           fi
       }
    fi
}

/* The last one in asks for the meeting, and for the sums of the evaluation. */
inline park(finishing)
{
    atomic {
        arrived[r]++;
        entered = generation[r];
        if
        :: finishing -> finished[r]++; wake()
        :: else
        fi
    }
    do
    :: atomic {
           arrived[r] == CREW && !open[r] && (pause[r] || finished[r] == CREW && !final_done[r]) ->
           open[r] = true;
           if
           :: finished[r] == CREW -> request[r] = FINAL
           :: finished[r] < CREW -> request[r] = EVALUATE
           :: finished[r] < CREW && CAPTURES -> request[r] = CAPTURE
           fi
       }
       request[r] == NONE;
       if
       :: evaluates[r] ->
           request[r] = SUMS;
           request[r] == NONE
       :: !evaluates[r]
       fi;
       atomic {
           pause[r] = false;
           final_done[r] = finished[r] == CREW && !again[r];
           open[r] = false;
           generation[r] = 1 - generation[r];
           wake()
       }
    :: atomic {
           !open[r] && (finishing -> final_done[r] : !pause[r] || generation[r] != entered) ->
           arrived[r]--;
           break
       }
    od
}

inline parks_or_goes_on()
{
    if
    :: pause[r]
    :: else -> goto step
    fi
}

proctype worker(byte r, me)
{
    bit entered;
step:
    do
    :: stopped[r] -> break
    :: !stopped[r] ->
        await();
        if
        :: atomic { begun[r] < ALL(r) -> begun[r]++ }
        :: begun[r] >= ALL(r) -> break
        fi;
        if
        :: pause[r] -> park(false)
        :: !pause[r]
        fi;
        if
        :: atomic { skips[r] < SKIPS -> skips[r]++; parks_or_goes_on() }
        :: d_step { /* nothing is made of two cells together, so they may change at once */
               q = 0;
               do
               :: q < RANKS -> cell[AT(r, q)]++; q++
               :: else -> break
               od
           }
           atomic {
               clock[r]++;
               if
               :: meetings[r] < MEETINGS && !pause[r] -> meetings[r]++; pause[r] = true
               :: true
               fi;
               parks_or_goes_on()
           }
        fi;
        park(false)
    od;
    park(true);
    left[r]++
}

/* --- the thread that calls MPI --------------------------------------------------------------------------------------
 */

#ifdef CROWDED
#define FREE true
#else
#define FREE (!under_way)
#endif
#define UNSENT (clock[r] - pushed)
#define FLUSHES (request[r] != NONE || left[r] == CREW)
#define FLUSHED (!under_way && UNSENT == 0)
#ifdef UNFLUSHED
#define COMES (request[r] != NONE)
#else
#define COMES (request[r] != NONE && (FLUSHED || request[r] == SUMS))
#endif
#define ANSWERED (nempty(reply[AT((r + 1) % RANKS, r)]) && nempty(reply[AT((r + RANKS - 1) % RANKS, r)]))
#define IDLE (waiting[r] + arrived[r] >= CREW)
#ifdef SHORT /* whoever wakes for nothing is stuck, too */
#define MADE pushed
#define SLEEPS false
#else
#define MADE begun[r]
#define SLEEPS (asleep[3 * r] || asleep[3 * r + 1] || asleep[3 * r + 2])
#endif
#define LESS(a, b) (a < b -> a : b)
#ifdef DEAF
#define SERVES (!in_round)
#else
#define SERVES true
#endif

inline land(updates, based_on, adds)
{
    assert(landed[r] >= based_on);
    value[r] = value[r] + adds;
    landed[r] = landed[r] + updates
}

inline serve(from)
{
    atomic {
        SERVES && nempty(push[AT(from, r)]) ->
        push[AT(from, r)]?n, on, sum;
        land(n, on, sum);
        assert(empty(reply[AT(r, from)]));
        reply[AT(r, from)]!landed[r], value[r]
    }
}

/* made: the updates of this exchange. The cells, which are looked at afterwards, may hold some of later ones, too. */
inline send()
{
    atomic {
        q = 0;
        do
        :: q < RANKS -> seen[q] = cell[AT(r, q)]; q++
        :: else -> break
        od;
#ifdef LATE_CLOCK
        skip
    }
    atomic {
        made = UNSENT;
#endif
        pushed = pushed + made;
        q = 0;
        do
        :: q < RANKS && q != r ->
            assert(empty(push[AT(r, q)]));
            push[AT(r, q)]!made, based[q], seen[q] - base[q];
            q++
        :: q == r ->
            land(made, based[r], seen[r] - base[r]);
            own = value[r];
            based[r] = landed[r];
            q++
        :: q == RANKS -> break
        od;
        made = 0;
        under_way = true
    }
}

/* Any number beyond the last step is the same to the workers. */
inline allow(steps)
{
    allowed[r] = LESS(steps, ALL(r));
    wake()
}

inline stop()
{
    stopped[r] = true;
#ifndef SILENT
    allow(ALL(r))
#endif
}

inline take(came_back)
{
#ifdef OVERWRITE
    cell[AT(r, q)] = came_back;
#else
    cell[AT(r, q)] = cell[AT(r, q)] + came_back - seen[q];
#endif
#ifdef STALE_BASE
    base[q] = seen[q];
#else
    base[q] = came_back;
#endif
    seen[q] = 0
}

inline complete()
{
    q = 0;
    do
    :: q < RANKS && q != r -> reply[AT(q, r)]?based[q], sum; take(sum); q++
    :: q == r -> take(own); q++
    :: q == RANKS -> break
    od;
    own = 0;
    under_way = false;
    if
    :: !stopped[r] -> allow(pushed + BOUND)
    :: else
    fi
}

inline come(what)
{
    kind[AT(turn, r)] = what;
    total[turn] = total[turn] + clock[r];
    came[turn]++;
    in_round = true
}

/* How many have come for this. */
inline count(what)
{
    q = 0;
    many = 0;
    do
    :: q < RANKS -> many = many + (kind[AT(turn, q)] == what -> 1 : 0); q++
    :: else -> break
    od
}

inline pass()
{
    all = total[turn];
    passed[turn]++;
    if
    :: passed[turn] == RANKS ->
        passed[turn] = 0;
        came[turn] = 0;
        total[turn] = 0;
        q = 0;
        do
        :: q < RANKS -> kind[AT(turn, q)] = NONE; q++
        :: else -> break
        od
    :: else
    fi;
    turn = 1 - turn;
    in_round = false
}

/* The cells become the owners'. Nobody serves meanwhile: nothing is under way. */
inline adopt()
{
    brought[AT(side, r)] = value[r];
    clock_of[AT(side, r)] = landed[r];
    there[side]++;
#ifndef LIVE
    there[side] == RANKS;
#endif
    q = 0;
    do
    :: q < RANKS ->
#ifdef LIVE
        base[q] = value[q];
        based[q] = landed[q];
#else
        base[q] = brought[AT(side, q)];
        based[q] = clock_of[AT(side, q)];
#endif
        cell[AT(r, q)] = base[q];
        assert(base[q] == all && based[q] == all);
        q++
    :: else -> break
    od;
    gone[side]++;
    if
    :: gone[side] == RANKS ->
        there[side] = 0;
        gone[side] = 0;
        q = 0;
        do
        :: q < RANKS -> brought[AT(side, q)] = 0; clock_of[AT(side, q)] = 0; q++
        :: else -> break
        od
    :: else
    fi;
    side = 1 - side
}

inline meet()
{
    count(FINAL);
    ends = many == RANKS;
    count(CAPTURE);
    captures = many > 0;
    pass();
    adopt();
    if
    :: !captures ->
        evaluates[r] = !ends || all != evaluated;
        evaluated = all;
#ifdef NO_AGAIN
        again[r] = false;
#else
        again[r] = request[r] == FINAL && !ends;
#endif
        request[r] = NONE
    :: captures && request[r] == CAPTURE -> evaluates[r] = false; request[r] = NONE
    :: else /* its turn comes afterwards */
    fi;
    ends = false;
    captures = false;
    all = 0
}

proctype rank(byte r)
{
    byte base[RANKS], seen[RANKS], based[RANKS], own, pushed, made, all, evaluated = NEVER;
    bool under_way, in_round, ends, captures;
    bit turn, side;
    do
    :: serve(0)
    :: serve(1)
#if RANKS > 2
    :: serve(2)
#endif
    :: atomic { nempty(word[r]) -> word[r]?_; stop() }
    :: atomic {
           stops > 0 && !stopped[r] ->
           stops--;
           q = 0;
           do
           :: q < RANKS && q != r -> word[q]!1; q++
           :: q == r -> q++
           :: q == RANKS -> break
           od;
           stop()
       }
    :: atomic { under_way && ANSWERED -> complete() }
    :: atomic { FREE && UNSENT >= (FLUSHES -> 1 : INTERVAL) -> made = UNSENT }
        send()
#ifndef NO_IDLE
    /* Only where that changes something: who does the same for ever is stuck, too. */
    :: !under_way && !FLUSHES && UNSENT < INTERVAL && IDLE &&
       (UNSENT > 0 || !stopped[r] && (allowed[r] < LESS(MADE + BOUND, ALL(r)) || SLEEPS)) ->
        if
        :: atomic { UNSENT > 0 -> made = UNSENT }
            send()
        :: atomic { UNSENT == 0 -> allow(MADE + BOUND) }
        fi
#endif
    :: atomic { !in_round && COMES -> come(request[r]) }
    :: atomic { !in_round && left[r] == CREW && FLUSHED -> come(END) }
    :: atomic {
           in_round && came[turn] == RANKS ->
           count(END);
           if
           :: many == RANKS -> pass(); break
           :: else -> assert(many == 0)
           fi;
           count(SUMS);
           if
           :: many == RANKS -> pass(); all = 0; request[r] = NONE
           :: else -> assert(many == 0); meet()
           fi
       }
    od;
    atomic {
        q = 0;
        do
        :: q < RANKS ->
            assert(cell[AT(r, q)] == all && empty(push[AT(q, r)]) && empty(reply[AT(q, r)]));
            q++
        :: else -> break
        od
    }
}

init
{
    atomic {
        do /* fewer, too: where one more may still ask, nobody seems to be stuck */
        :: stops < STOPS -> stops++
        :: break
        od;
        n = 0;
        do
        :: n < RANKS ->
            allowed[n] = LESS(BOUND, ALL(n));
            run rank(n);
            run worker(n, 3 * n);
            if
            :: n == 0 && WORKERS > 1 -> run worker(n, 1)
            :: else
            fi;
            if
            :: n == 0 && WORKERS > 2 -> run worker(n, 2)
            :: else
            fi;
            n++
        :: else -> break
        od
    }
}
