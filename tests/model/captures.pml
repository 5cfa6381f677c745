/* captures.pml - how ranks on their own come together for a capture: lib/mpi/captures.c, the meetings of round.c, and of
 * lib/step/park.c what an engine does where an evaluation or a capture is asked for. TIMED: rank 0 says when, by words;
 * else each engine comes after its own so many steps. What they exchange is in ranks.pml: here nothing is ever unsent.
 *
 * A capture that is made finds no gradient in hand on any rank, whose step it would neither hold nor leave to be made;
 * nobody waits for ever, nobody is out of step; and who knows of one comes for it after the step that it is at (the
 * thread that calls MPI looks between any two landings here, or there would be no saying when). Mutants: HAND (made
 * although a rank is at an evaluation), EAGER (an engine comes with gradients in hand), ANSWERED (who comes for something
 * else is answered, too), ONCE (an engine is asked once, perhaps before its run has begun). */
#ifndef RANKS
#define RANKS 2
#endif
#ifndef WORKERS
#define WORKERS 1 /* of the last rank; the others have one */
#endif
#ifndef STEPS
#define STEPS 2 /* of each rank */
#endif
#ifndef EVALUATIONS
#define EVALUATIONS 1 /* of each rank before its end, at most */
#endif
#ifndef ASKS
#define ASKS 1 /* captures that rank 0 asks for, or that each rank comes for by itself, at most */
#endif
#ifndef TIMED
#define TIMED true
#endif
#define NONE 0
#define EVALUATE 1
#define CAPTURE 2
#define FINAL 3
#define SUMS 4
#define END 5
#define AT(a, b) ((a) * RANKS + (b))
#define CREW (r == RANKS - 1 -> WORKERS : 1)

/* The engine of each rank: steps begun, those in hand, its pauses (evaluate, keep), what is due after the next landing,
 * and what it asks for. */
byte begun[RANKS], hand[RANKS], arrived[RANKS], between[RANKS], finished[RANKS], left[RANKS], request[RANKS];
byte evaluations[RANKS], counted[RANKS];
bool evaluate[RANKS], keep[RANKS], due[RANKS], open[RANKS], final_done[RANKS], again[RANKS];
bit generation[RANKS], stops[RANKS];

/* The headers of a round: nobody is two rounds ahead of another. hands: gradients in hand, of all who have come. */
byte kind[2 * RANKS], came[2], passed[2], hands[2], told[2];
chan word[RANKS] = [2] of {byte};
byte asked[RANKS], made[RANKS]; /* captures: the last that each has heard of, and the last that was made */
bool owed[RANKS], later[RANKS], once[RANKS];
byte off[RANKS]; /* how often one was put off */

hidden byte q;

/* --- the workers ----------------------------------------------------------------------------------------------------
 */

#define WRITE 0
#define BETWEEN 1
#define FINISH 2
#define WANTED (asked[r] > made[r] || owed[r])
#ifdef ONCE
#define TO_ASK (WANTED && !later[r] && !once[r])
#else
#define TO_ASK (WANTED && !later[r] && !due[r] && !keep[r])
#endif
#ifdef EAGER
#define GATHERED arrived[r]
#else
#define GATHERED between[r]
#endif

inline park(place)
{
    atomic {
        arrived[r]++;
        entered = generation[r];
        stopped = stops[r];
        if
        :: place != WRITE -> between[r]++
        :: else
        fi;
        if
        :: place == FINISH -> finished[r]++
        :: else
        fi
    }
    do
    :: atomic {
           arrived[r] == CREW && !open[r] && (evaluate[r] || finished[r] == CREW && !final_done[r]) ->
           open[r] = true;
           request[r] = (finished[r] == CREW -> FINAL : EVALUATE)
       }
       request[r] == NONE;
       request[r] = SUMS;
       request[r] == NONE;
       atomic {
           evaluate[r] = false;
           final_done[r] = finished[r] == CREW && !again[r];
           generation[r] = 1 - generation[r];
           open[r] = false
       }
    :: atomic {
           GATHERED == CREW && finished[r] < CREW && !open[r] && keep[r] && !evaluate[r] ->
           open[r] = true;
           request[r] = CAPTURE
       }
       request[r] == NONE;
       atomic {
           keep[r] = false;
           stops[r] = 1 - stops[r];
           open[r] = false
       }
    :: atomic {
           place == FINISH && finished[r] == CREW && final_done[r] && !open[r] ->
           arrived[r]--;
           between[r]--;
           break
       }
    :: atomic {
           place != FINISH && !open[r] &&
           (generation[r] != entered ||
            ((stops[r] != stopped || !evaluate[r]) && !(place == BETWEEN && keep[r] && stops[r] == stopped))) ->
           arrived[r]--;
           between[r] = between[r] - place;
           break
       }
    od
}

proctype worker(byte r)
{
    bit entered, stopped;
    byte knew, then; /* the capture that it should come for next, unless that is put off meanwhile */
    due[r] = false; /* a run begins: what was asked for before is forgotten */
    do
    :: evaluate[r] || keep[r] -> park(BETWEEN)
    :: else ->
        if
        :: atomic { begun[r] < STEPS -> assert(made[r] >= knew || later[r] || off[r] != then); begun[r]++; hand[r]++ }
        :: begun[r] >= STEPS -> break
        fi;
        if
        :: evaluate[r] -> park(WRITE)
        :: else
        fi;
        atomic {
            !TO_ASK ->
            hand[r]--;
            knew = (WANTED && !later[r] -> asked[r] : 0);
            then = off[r];
            if
            :: evaluations[r] < EVALUATIONS && !evaluate[r] -> evaluations[r]++; evaluate[r] = true
            :: true
            fi;
            if
            :: due[r] -> due[r] = false; keep[r] = true
            :: else
            fi;
            if
            :: !TIMED && counted[r] < ASKS && !keep[r] -> counted[r]++; keep[r] = true
            :: true
            fi
        }
    od;
    park(FINISH);
    left[r]++
}

/* --- the thread that calls MPI --------------------------------------------------------------------------------------
 */

inline count(what)
{
    q = 0;
    many = 0;
    do
    :: q < RANKS -> many = many + (kind[AT(turn, q)] == what -> 1 : 0); q++
    :: else -> break
    od
}

inline come(what)
{
    kind[AT(turn, r)] = what;
    hands[turn] = hands[turn] + hand[r];
    if
    :: r == 0 -> told[turn] = asked[0]
    :: else
    fi;
    came[turn]++;
    in_round = true
}

inline pass()
{
    passed[turn]++;
    if
    :: passed[turn] == RANKS ->
        passed[turn] = 0;
        came[turn] = 0;
        hands[turn] = 0;
        told[turn] = 0;
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

inline ask()
{
    asked[0]++;
    q = 1;
    do
    :: q < RANKS -> word[q]!asked[0]; q++
    :: else -> break
    od
}

inline met()
{
    count(EVALUATE);
#ifdef HAND
    makes = kind[AT(turn, 0)] == CAPTURE;
#else
    makes = kind[AT(turn, 0)] == CAPTURE && many == 0;
#endif
    later[r] = !makes && (TIMED || kind[AT(turn, 0)] == CAPTURE);
    assert(!makes || hands[turn] == 0);
    if
    :: request[r] == CAPTURE ->
        if
        :: !TIMED -> owed[r] = later[r]
        :: else
        fi;
        if
        :: !later[r] -> due[r] = false /* the next one is reckoned anew */
        :: later[r] -> off[r]++
        fi
    :: else
    fi;
    if
    :: makes && TIMED ->
        made[r] = told[turn];
        asked[r] = (made[r] > asked[r] -> made[r] : asked[r]);
        if
        :: request[r] != CAPTURE -> due[r] = false; keep[r] = false
        :: else
        fi
    :: else
    fi;
    once[r] = false;
    makes = false
}

proctype rank(byte r)
{
    byte many, n, asks;
    bool in_round, captures, makes;
    bit turn;
    do
    :: atomic { TIMED && r == 0 && request[r] == NONE && left[r] < CREW && asks < ASKS && asked[0] == made[0] -> asks++; ask() }
    :: atomic { nempty(word[r]) -> word[r]?n; asked[r] = (n > asked[r] -> n : asked[r]); n = 0 }
    :: atomic { request[r] == NONE && left[r] < CREW && TO_ASK -> once[r] = true; due[r] = true }
    :: atomic { !in_round && request[r] != NONE -> come(request[r]) }
    :: atomic { !in_round && left[r] == CREW -> come(END) }
    :: atomic {
           in_round && came[turn] == RANKS ->
           count(END);
           if
           :: many == RANKS -> pass(); break
           :: else -> assert(many == 0)
           fi;
           count(SUMS);
           if
           :: many == RANKS -> pass(); request[r] = NONE
           :: many != RANKS ->
               assert(many == 0);
               count(CAPTURE);
               captures = many > 0;
               later[r] = false;
               if
               :: captures -> met()
               :: else
               fi;
               count(FINAL);
               if
#ifdef ANSWERED
               :: captures && request[r] != CAPTURE -> request[r] = NONE
#else
               :: captures && request[r] != CAPTURE /* its turn comes afterwards */
#endif
               :: captures && request[r] == CAPTURE -> request[r] = NONE
               :: !captures -> again[r] = request[r] == FINAL && many < RANKS; request[r] = NONE
               fi;
               captures = false;
               pass()
           fi;
           many = 0
       }
    od
}

init
{
    atomic {
        q = 0;
        do
        :: q < RANKS ->
            run rank(q);
            run worker(q);
            if
            :: q == RANKS - 1 && WORKERS > 1 -> run worker(q)
            :: else
            fi;
            q++
        :: else -> break
        od;
        q = 0
    }
}
