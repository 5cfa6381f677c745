/* barrier.pml - the poisonable barrier of lib/step/barrier.c: arrivals, the phase, sleeping on a condition, poison.
 *
 * Nobody passes a round before all have arrived, unless the barrier is poisoned; nobody stays behind (spin's invalid end
 * states). Mutants: NO_LOCK (the phase changes outside the mutex: a lost wake-up), LATE_RESET (the count is reset after
 * the phase), NO_BROADCAST (poison wakes nobody), DEAF (sleepers do not look at the poison), EAGER (the last but one
 * opens it). */
#define N 3
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte waiting = 0, phase = 0, arrived[ROUNDS], sleeping = 0;
byte wakeups[N];
bool locked = false, poisoned = false, asleep[N];
byte p;

#ifdef EAGER
#define ALL (N - 1)
#else
#define ALL N
#endif

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }
inline broadcast()
{
    d_step {
        p = 0;
        do
        :: p < N -> asleep[p] = false; p++
        :: else -> break
        od;
        p = 0
    }
}

proctype thread(byte me; bool fails)
{
    byte round = 0, mine, seen;
    bool through;
    do
    :: round == ROUNDS -> break
    :: else ->
        if
        :: fails && round == 1 -> /* a worker leaves with an error: poison */
            lock();
            poisoned = true;
            unlock();
#ifndef NO_BROADCAST
            broadcast();
#endif
            break
        :: else
        fi;
        arrived[round]++;
        mine = phase;
        through = false;
        if
        :: poisoned -> break
        :: else
        fi;
        d_step { waiting++; seen = waiting }
        if
        :: seen == ALL ->
#ifndef LATE_RESET
            waiting = 0;
#endif
#ifndef NO_LOCK
            lock();
#endif
            phase = mine + 1;
#ifndef NO_LOCK
            unlock();
#endif
            broadcast();
#ifdef LATE_RESET
            waiting = 0;
#endif
            through = true
        :: else ->
            /* spinning looks at the same words as the sleeper's loop, so the loop stands for both */
            lock();
            do
#ifdef DEAF
            :: phase == mine ->
#else
            :: phase == mine && !poisoned ->
#endif
                atomic { asleep[me] = true; locked = false }
                !asleep[me];
                lock()
            :: else -> break
            od;
            through = phase != mine;
            unlock()
        fi;
        if
        :: through -> assert(arrived[round] == N)
        :: else -> assert(poisoned); break
        fi;
        round++
    od
}

init
{
    atomic {
        run thread(0, false);
        run thread(1, false);
#ifdef WITH_POISON
        run thread(2, true)
#else
        run thread(2, false)
#endif
    }
}
