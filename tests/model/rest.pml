/* rest.pml - workers that rest, of lib/step/park.c and lib/schedulers/groups.c: a group of two threads beside one worker,
 * which takes tickets, asks for evaluations and changes how many are at work. Evaluations need all three.
 *
 * Nobody stays behind, no thread of a group is ahead of the other, and nobody sleeps on who has been told to step
 * (spin's invalid end states, the assertions).
 * Mutants: DEAF (a thread that leaves its rest does not wake the others of its group), ALONE (each looks for itself
 * whether it rests, instead of at the number that its leader saw), NO_MEETING (no barrier behind a rest), UNLOCKED (the
 * number is taken after the look at who is at work, without the lock), SILENT (who finishes wakes nobody). */
#ifndef TICKETS
#define TICKETS 4
#endif
#define NONE 0
#define STEP 1
#define REST 2
#define FINISH 3

byte tickets = TICKETS, rests = 0, arrived = 0, finished = 0, generation = 0;
bool up = false, told = true; /* told: the number has been changed, too */
bool evaluates = false, locked = false, asleep[3];
byte decision = NONE, seen = 0; /* the group's */
bool parks = false;
byte met = 0, phase = 0, round[2];

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }
inline broadcast() { d_step { asleep[0] = false; asleep[1] = false; asleep[2] = false } }

inline meet()
{
    atomic {
        mine = phase;
        met++;
        if
        :: met == 2 -> met = 0; phase = 1 - phase
        :: else
        fi
    }
    phase != mine
}

#ifdef ALONE
#define STAYS (!up && tickets > 0)
#else
#define STAYS (seen == rests && tickets > 0)
#endif

inline park(me, place)
{
    lock();
    arrived++;
    entered = generation;
    if
    :: place == FINISH ->
        finished++;
#ifndef SILENT
        broadcast()
#endif
    :: else
    fi;
    do
    :: place == FINISH && finished == 3 -> broadcast(); break
    :: evaluates && arrived == 3 ->
        evaluates = false;
        generation++;
        broadcast()
    :: else ->
        if
        :: place == REST && !STAYS -> break
        :: place == STEP && (generation != entered || !evaluates) -> break
        :: else ->
            assert(place != REST || !up || !told);
            atomic { asleep[me] = true; locked = false }
            !asleep[me];
            lock()
        fi
    od;
#ifndef DEAF
    if
    :: place == REST -> broadcast()
    :: else
    fi;
#endif
    arrived--;
    unlock()
}

inline decide()
{
    decision = NONE;
    if
    :: !up && tickets > 0 ->
#ifdef UNLOCKED
        skip; /* between the look and the number */
        seen = rests;
        decision = REST
#else
        lock();
        seen = rests;
        if
        :: !up && tickets > 0 -> decision = REST
        :: else
        fi;
        unlock()
#endif
    :: else
    fi;
    if
    :: decision == NONE ->
        atomic {
            if
            :: tickets > 0 -> tickets--; decision = STEP
            :: else -> decision = FINISH
            fi
        }
    :: else
    fi
}

proctype member(byte me)
{
    byte mine, entered, what;
    do
    :: true ->
        if
        :: me == 0 -> decide()
        :: else
        fi;
        meet();
        assert(round[0] == round[1]);
        what = decision;
        if
        :: what == FINISH -> break
        :: what == REST ->
            park(me, REST);
#ifndef NO_MEETING
            meet()
#endif
        :: what == STEP ->
            if
            :: me == 0 -> parks = evaluates
            :: else
            fi;
            meet();
            if
            :: parks -> park(me, STEP)
            :: else
            fi;
            meet() /* the leader lands, and nobody of the group steps before it has */
        fi;
        round[me] = 1 - round[me];
#ifdef NO_MEETING
        skip
#else
        meet()
#endif
    od;
    park(me, FINISH)
}

proctype worker()
{
    byte entered;
    do
    :: atomic { tickets > 0 -> tickets-- }
        if
        :: evaluates = true
        :: atomic { up = !up; told = false }
            lock();
            atomic { rests++; told = true }
            broadcast();
            unlock()
        :: skip
        fi;
        if
        :: evaluates -> park(2, STEP)
        :: else
        fi
    :: tickets == 0 -> break
    od;
    park(2, FINISH)
}

init
{
    atomic {
        run member(0);
        run member(1);
        run worker()
    }
}
