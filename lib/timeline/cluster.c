/* cluster.c - workers of a cluster in virtual time: whose step ends when, when a rank exchanges, and how long its
 * messages take. Each rank has one link, which sends one message after the other and receives one after the other, and
 * one thread for what the messages are about; a rank's part of the parameters is as large as another's.
 *
 * A rank's exchange is sent, lands (at one time: when the last owner has it), and is back. Its entry in the heap is
 * members + rank. */
#include "cluster.h"
#include "../base/heap.h"
#include <math.h>

enum { HEAD = 64 }; /* bytes before the values of a message */

static double seconds(const timeline *t, double s)
{
    return s / t->cluster->c.work;
}

/* How long a link takes for that many floats in one of the messages. */
static double transfer(const timeline *t, double floats)
{
    const hw_cluster *c = &t->cluster->c;
    const double bytes = HEAD + sizeof(float) * floats;
    return c->bandwidth > 0 ? seconds(t, bytes / c->bandwidth) : 0;
}

/* When something is over that begins at `from` or later and takes so long, behind what is waiting there already. What
 * comes later does not keep what comes first from being taken: it is as if it waited there from now on. */
static double served(const timeline *t, double *until, double from, double takes)
{
    *until = fmax(*until, t->time) + takes;
    return fmax(*until, from + takes);
}

static double on_its_way(timeline *t, hw__timeline_rank *from, hw__timeline_rank *to, double begins, double takes)
{
    const double sent = served(t, &from->sends, begins, takes), latency = seconds(t, t->cluster->c.latency);
    from->sent += takes;
    to->received += takes;
    return served(t, &to->receives, sent - takes, takes) + latency;
}

/* Ends of what a rank's thread for messages does. */
static double handled(timeline *t, hw__timeline_rank *r, double begins, double floats)
{
    return served(t, &r->handles, begins, seconds(t, floats * t->cluster->c.per_float));
}

static void put(timeline *t, uint32_t rank, hw__timeline_event_kind next, double due)
{
    t->cluster->rank[rank].next = next;
    t->due[t->members + rank] = due;
    hw__heap_push(t->heap, &t->n_heap, t->due, t->members + rank);
}

static void count(timeline *t, double floats)
{
    const uint32_t others = t->cluster->c.ranks - 1;
    t->cluster->bytes += others * (HEAD + sizeof(float) * floats / t->cluster->c.ranks);
}

void hw__timeline_cluster_send(timeline *t, uint32_t rank, double floats)
{
    hw__timeline_cluster *c = t->cluster;
    hw__timeline_rank *r = c->rank + rank;
    const uint32_t n = c->c.ranks;
    const double part = floats / n, takes = transfer(t, part);
    const double begins = handled(t, r, t->time, c->parameters);
    double lands = handled(t, r, begins, part);
    for (uint32_t k = 1; k < n; k++) {
        hw__timeline_rank *owner = c->rank + (rank + k) % n;
        lands = fmax(lands, handled(t, owner, on_its_way(t, r, owner, begins, takes), part));
    }
    r->pushed += r->unsent;
    r->unsent = 0;
    c->exchanges++;
    count(t, floats);
    put(t, rank, TIMELINE_LANDED, lands);
}

void hw__timeline_cluster_answer(timeline *t, uint32_t rank, double floats)
{
    hw__timeline_cluster *c = t->cluster;
    hw__timeline_rank *r = c->rank + rank;
    const uint32_t n = c->c.ranks;
    const double takes = transfer(t, floats / n);
    double back = t->time;
    for (uint32_t k = 1; k < n; k++) back = fmax(back, on_its_way(t, c->rank + (rank + k) % n, r, t->time, takes));
    count(t, floats);
    put(t, rank, TIMELINE_BACK, handled(t, r, back, floats));
}

/* Where nobody of the rank makes a step, there will be no more updates to wait for. */
static void exchange(timeline *t, uint32_t rank)
{
    const hw__timeline_rank *r = t->cluster->rank + rank;
    if (r->next == TIMELINE_STEP && r->unsent && (r->unsent >= t->cluster->c.interval || (!r->working && !r->ready)))
        t->cluster->sends = rank;
}

/* As many steps more as are sent when an exchange is over. Those who wait read in the order in which they have come. */
static void release(timeline *t, uint32_t rank)
{
    hw__timeline_cluster *c = t->cluster;
    hw__timeline_rank *r = c->rank + rank;
    const uint32_t first = rank * c->threads;
    r->allowed = r->pushed + c->bound;
    for (uint64_t room = r->allowed - r->begun; room && r->waiting; room--) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = first; i < first + c->threads; i++)
            if (c->since[i] >= 0 && (next == UINT32_MAX || c->since[i] < c->since[next])) next = i;
        if (next == UINT32_MAX) return; /* nobody waits after all */
        c->waited += t->time - c->since[next];
        c->since[next] = -1;
        r->waiting--;
        r->ready++;
        t->reads[t->n_reads++] = next;
    }
}

/* A reader that may begin, or UINT32_MAX. */
static uint32_t reader(timeline *t)
{
    hw__timeline_cluster *c = t->cluster;
    while (t->next_read < t->n_reads) {
        const uint32_t member = t->reads[t->next_read++], rank = member / c->threads;
        c->rank[rank].ready--;
        if (c->rank[rank].begun < c->rank[rank].allowed) return member;
        c->since[member] = t->time;
        c->rank[rank].waiting++;
        exchange(t, rank);
        if (c->sends != UINT32_MAX) return UINT32_MAX;
    }
    t->n_reads = t->next_read = 0;
    return UINT32_MAX;
}

static void next(timeline *t, hw__timeline_event *event)
{
    hw__timeline_cluster *c = t->cluster;
    uint32_t member = UINT32_MAX;
    *event = (hw__timeline_event){0};
    if (t->arriving != UINT32_MAX) hw__heap_push(t->heap, &t->n_heap, t->due, t->arriving);
    t->arriving = UINT32_MAX;
    if (c->sends == UINT32_MAX) member = reader(t);
    event->time = t->time;
    if (c->sends != UINT32_MAX) {
        event->kind = TIMELINE_SENT;
        event->member = c->sends;
        c->sends = UINT32_MAX;
        return;
    }
    if (member != UINT32_MAX) {
        hw__timeline_rank *r = c->rank + member / c->threads;
        r->begun++;
        r->working++;
        t->arriving = event->member = member;
        event->due = t->due[member] = t->time + hw__timeline_work(t, member);
        return;
    }
    member = hw__heap_pop(t->heap, &t->n_heap, t->due);
    event->time = t->time = t->due[member];
    if (member >= t->members) {
        hw__timeline_rank *r = c->rank + (member - t->members);
        event->member = member - t->members;
        event->kind = r->next;
        if (r->next != TIMELINE_BACK) return;
        r->next = TIMELINE_STEP;
        release(t, event->member);
        exchange(t, event->member);
        return;
    }
    event->member = member;
    event->land = true;
    t->landed++;
    t->reads[t->n_reads++] = member;
    hw__timeline_rank *r = c->rank + member / c->threads;
    r->unsent++;
    r->working--;
    r->ready++;
    exchange(t, member / c->threads);
}

void hw__timeline_cluster_drop(timeline *t, uint32_t member)
{
    hw__timeline_rank *r = t->cluster->rank + member / t->cluster->threads;
    r->begun--;
    r->working--;
    exchange(t, member / t->cluster->threads);
}

bool hw__timeline_cluster_quiet(const timeline *t)
{
    for (uint32_t r = 0; r < t->cluster->c.ranks; r++)
        if (t->cluster->rank[r].next != TIMELINE_STEP || t->cluster->rank[r].unsent) return false;
    return true;
}

static void restart(timeline *t)
{
    hw__timeline_cluster *c = t->cluster;
    c->exchanges = 0;
    c->bytes = c->waited = 0;
    c->began = t->time;
    t->n_heap = t->next_read = 0;
    t->arriving = c->sends = UINT32_MAX;
    t->n_reads = t->members;
    for (uint32_t i = 0; i < t->members; i++) {
        t->reads[i] = i;
        c->since[i] = -1;
    }
    for (uint32_t i = 0; i < c->c.ranks; i++) {
        hw__timeline_rank *r = c->rank + i;
        *r = (hw__timeline_rank){
            .sends = t->time, .receives = t->time, .handles = t->time, .ready = c->threads, .allowed = c->bound};
    }
}

bool hw__timeline_cluster_create(timeline *t, const hw_cluster *c, size_t parameters, hw__memory *memory)
{
    hw__timeline_cluster *cluster = t->cluster = hw__memory_zalloc(memory, 1, sizeof *cluster);
    if (!cluster) return false;
    cluster->c = *c;
    cluster->threads = t->members / c->ranks;
    cluster->bound = hw__timeline_cluster_bound(c, cluster->threads);
    cluster->parameters = (double)parameters;
    cluster->rank = hw__memory_zalloc(memory, c->ranks, sizeof *cluster->rank);
    cluster->since = hw__memory_zalloc(memory, t->members, sizeof *cluster->since);
    return cluster->rank && cluster->since;
}

/* One exchange under way while the next one fills, and a step of each thread beside them. */
uint32_t hw__timeline_cluster_bound(const hw_cluster *c, uint32_t threads)
{
    const uint64_t chosen = (uint64_t)c->interval + (c->interval > threads ? c->interval : threads);
    return c->bound ? c->bound : chosen < UINT32_MAX ? (uint32_t)chosen : UINT32_MAX;
}

void hw__timeline_cluster_result(const timeline *t, hw_cluster_result *result)
{
    const hw__timeline_cluster *c = t->cluster;
    const double lasted = t->time - c->began;
    double waited = c->waited, link = 0;
    for (uint32_t i = 0; i < t->members; i++)
        if (c->since[i] >= 0) waited += t->time - c->since[i];
    for (uint32_t i = 0; i < c->c.ranks; i++) { /* what is planned for later is not of now */
        const hw__timeline_rank *r = c->rank + i;
        link = fmax(link, r->sent - fmax(0, r->sends - t->time));
        link = fmax(link, r->received - fmax(0, r->receives - t->time));
    }
    result->seconds = lasted * c->c.work;
    result->exchanges = c->exchanges;
    result->bytes = c->bytes;
    result->waited = lasted > 0 ? waited / (lasted * t->members) : 0;
    result->link = lasted > 0 ? link / lasted : 0;
}

const hw__timeline_source hw__timeline_clustered = {restart, next};
