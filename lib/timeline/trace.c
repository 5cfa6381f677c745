/* trace.c - a schedule recorded from real threads: streams of varints, one a worker, in chunks of one pool. */
#include "timeline.h"
#include "../base/counter.h"
#include <string.h>
#include <zlib.h>

#define CHUNK    4096u
#define SETTINGS 4096u
#define NONE     UINT32_MAX

/* --- the encoding ---------------------------------------------------------------------------------------------------
 * An entry is: s, the updates since this worker's last landing; s - 1 - staleness, the updates that landed between its
 * last landing and its read; 2 x zigzag(tickets since its last one - updates since its last read) + 1 where the setting
 * changed, and then its number. Seven bits a byte, the lowest first: three bytes an update with up to 127 workers, four
 * with up to 16,383. */

static uint64_t zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (x < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t x)
{
    return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

static size_t put(unsigned char *at, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) at[n++] = (unsigned char)(value | 0x80);
    at[n++] = (unsigned char)value;
    return n;
}

static bool take(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 63 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

size_t hw__trace_encode(hw__trace_position *p, unsigned char *at, uint64_t landed, uint64_t read, uint64_t ticket,
                        uint32_t setting)
{
    bool changed = setting != p->setting;
    uint64_t step = p->updates ? landed - p->landed : landed + 1;
    int64_t tickets = (int64_t)(p->updates ? ticket - p->ticket : ticket + 1);
    int64_t between = (int64_t)(p->updates ? read - p->read : read);
    size_t n = put(at, step);
    n += put(at + n, step - 1 - (landed - read));
    n += put(at + n, zigzag(tickets - between) << 1 | changed);
    if (changed) n += put(at + n, setting);
    *p = (hw__trace_position){landed, read, ticket, p->updates + 1, setting};
    return n;
}

bool hw__trace_decode(hw__trace_position *p, const unsigned char **at, const unsigned char *end, uint32_t worker,
                      bool cut, hw_trace *trace)
{
    const uint64_t most = (uint64_t)1 << 56;
    uint64_t step, idle, coded, setting = p->setting;
    if (!take(at, end, &step) || !take(at, end, &idle) || !take(at, end, &coded)) return false;
    if ((coded & 1) && (!take(at, end, &setting) || setting >= trace->info.settings)) return false;
    /* A worker reads after its last landing and before its next one, and takes a ticket each time. */
    if (step < 1 || step > most || idle > step - 1) return false;
    uint64_t landed = p->updates ? p->landed + step : step - 1, staleness = step - 1 - idle, read = landed - staleness;
    int64_t tickets = unzigzag(coded >> 1) + (int64_t)(p->updates ? read - p->read : read);
    if (tickets < 1 || tickets > (int64_t)most) return false;
    uint64_t ticket = p->updates ? p->ticket + (uint64_t)tickets : (uint64_t)tickets - 1;
    if (ticket > most || landed > most) return false;
    *p = (hw__trace_position){landed, read, ticket, p->updates + 1, (uint32_t)setting};
    if (landed >= trace->info.updates) return cut;
    hw_trace_entry *entry = trace->entry + landed;
    if (entry->worker != NONE) return false;
    *entry = (hw_trace_entry){worker, (uint32_t)setting, read, ticket};
    return true;
}

bool hw__trace_allocate(hw_trace *trace)
{
    trace->entry = hw__base_zalloc(trace->info.updates, sizeof *trace->entry);
    if (!trace->setting) trace->setting = hw__base_zalloc(trace->info.settings, sizeof *trace->setting);
    if (!trace->entry || !trace->setting) return false;
    for (uint64_t i = 0; i < trace->info.updates; i++) trace->entry[i].worker = NONE;
    return true;
}

static uint32_t checksum(const float *params, size_t count)
{
    uLong crc = crc32(0, NULL, 0);
    const unsigned char *at = (const unsigned char *)params;
    for (size_t left = count * sizeof *params; left > 0;) {
        uInt n = left > 1u << 30 ? 1u << 30 : (uInt)left;
        crc = crc32(crc, at, n);
        at += n;
        left -= n;
    }
    return (uint32_t)crc;
}

/* --- the recorder ---------------------------------------------------------------------------------------------------
 */

typedef struct stream {
    _Alignas(HW_LINE) hw__trace_position position;
    unsigned char *at;
    uint32_t first, last; /* chunks */
    uint64_t first_lost;  /* UINT64_MAX: none */
} stream;

typedef struct chunk {
    uint32_t next, used;
    unsigned char bytes[CHUNK];
} chunk;

struct hw__trace_recorder {
    unsigned workers;
    stream *stream;
    chunk *pool;
    uint32_t chunks, n_settings;
    hw__base_counter taken;
    hw__trace_setting *setting;
    bool settings_lost;
};

hw_status hw__trace_recorder_create(hw__trace_recorder **out, unsigned workers, uint64_t updates, hw__memory *memory,
                                    char *why)
{
    *out = NULL;
    uint64_t chunks = updates / (CHUNK / 4) + 2 * (uint64_t)workers + 1;
    if (chunks >= NONE)
        return hw__base_fail(why, HW_E_LIMIT, "config.trace_room: %llu updates are too many",
                             (unsigned long long)updates);
    hw__trace_recorder *r = hw__memory_zalloc(memory, 1, sizeof *r);
    if (!r) return hw__base_fail(why, HW_E_MEMORY, "no memory for a trace");
    r->workers = workers;
    r->chunks = (uint32_t)chunks;
    r->stream = hw__memory_zalloc(memory, workers, sizeof *r->stream);
    r->pool = hw__memory_zalloc(memory, chunks, sizeof *r->pool);
    r->setting = hw__memory_zalloc(memory, SETTINGS, sizeof *r->setting);
    if (!r->stream || !r->pool || !r->setting)
        return hw__base_fail(why, HW_E_MEMORY, "no memory for a trace of %llu updates", (unsigned long long)updates);
    hw__trace_recorder_reset(r);
    *out = r;
    return HW_OK;
}

void hw__trace_recorder_reset(hw__trace_recorder *r)
{
    hw__counter_set(&r->taken, 0);
    r->n_settings = 0;
    r->settings_lost = false;
    for (unsigned i = 0; i < r->workers; i++) r->stream[i] = (stream){{0, 0, 0, 0, 0}, NULL, NONE, NONE, UINT64_MAX};
}

uint32_t hw__trace_setting_new(hw__trace_recorder *r, const hw__trace_setting *setting)
{
    if (r->n_settings == SETTINGS) {
        r->settings_lost = true;
        return SETTINGS;
    }
    r->setting[r->n_settings] = *setting;
    return r->n_settings++;
}

/* Room for one more entry: the chunk under way, or a new one. */
static chunk *room(hw__trace_recorder *r, stream *s)
{
    if (s->last != NONE && r->pool[s->last].used + TRACE_ENTRY <= CHUNK) return r->pool + s->last;
    uint64_t taken = hw__counter_take(&r->taken, 1);
    if (taken >= r->chunks) return NULL;
    uint32_t number = (uint32_t)taken;
    r->pool[number].next = NONE;
    r->pool[number].used = 0;
    if (s->last == NONE)
        s->first = number;
    else
        r->pool[s->last].next = number;
    s->last = number;
    return r->pool + number;
}

void hw__trace_record(hw__trace_recorder *r, unsigned worker, uint64_t landed, uint64_t read, uint64_t ticket,
                      uint32_t setting)
{
    stream *s = r->stream + worker;
    if (s->first_lost != UINT64_MAX) return;
    chunk *c = setting < SETTINGS ? room(r, s) : NULL;
    if (!c) {
        s->first_lost = landed;
        return;
    }
    c->used += (uint32_t)hw__trace_encode(&s->position, c->bytes + c->used, landed, read, ticket, setting);
}

/* How many updates of the run's front every worker has recorded whole. */
static uint64_t whole(const hw__trace_recorder *r, uint64_t landed)
{
    for (unsigned i = 0; i < r->workers; i++)
        if (r->stream[i].first_lost < landed) landed = r->stream[i].first_lost;
    return landed;
}

static bool decode_worker(const hw__trace_recorder *r, unsigned worker, hw_trace *trace)
{
    hw__trace_position p = {0, 0, 0, 0, 0};
    for (uint32_t c = r->stream[worker].first; c != NONE; c = r->pool[c].next) {
        const unsigned char *at = r->pool[c].bytes, *end = at + r->pool[c].used;
        trace->info.bytes += r->pool[c].used;
        while (at < end)
            if (!hw__trace_decode(&p, &at, end, worker, true, trace)) return false;
    }
    return true;
}

hw_status hw__trace_recorder_finish(const hw__trace_recorder *r, const hw_trace_info *info, const float *params,
                                    hw_trace **out, char *why)
{
    *out = NULL;
    hw_trace *trace = hw__base_zalloc(1, sizeof *trace);
    if (!trace) return hw__base_fail(why, HW_E_MEMORY, "no memory for a trace");
    trace->info = *info;
    trace->info.updates = whole(r, info->updates);
    trace->info.lost = info->updates - trace->info.updates;
    trace->info.settings = r->n_settings;
    trace->info.bytes = 0;
    if (!hw__trace_allocate(trace)) {
        hw_trace_free(trace);
        return hw__base_fail(why, HW_E_MEMORY, "no memory for a trace of %llu updates",
                             (unsigned long long)info->updates);
    }
    memcpy(trace->setting, r->setting, r->n_settings * sizeof *r->setting);
    bool good = true;
    for (unsigned i = 0; i < r->workers && good; i++) good = decode_worker(r, i, trace);
    for (uint64_t i = 0; i < trace->info.updates && good; i++) good = trace->entry[i].worker != NONE;
    if (!good) {
        hw_trace_free(trace);
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "this run cannot be replayed: some of its updates have no read of their own in the trace");
    }
    if (trace->info.lost) {
        trace->info.bit_equal = 0;
        (void)snprintf(trace->info.why_not, sizeof trace->info.why_not, "the last %llu updates %s",
                       (unsigned long long)trace->info.lost,
                       r->settings_lost ? "came under more changes of the setting than a trace holds (4,096)"
                                        : "did not fit into config.trace_room");
    }
    trace->crc = checksum(params, (size_t)info->parameters);
    *out = trace;
    return HW_OK;
}

void hw_trace_free(hw_trace *trace)
{
    if (!trace) return;
    hw__base_free(trace->entry);
    hw__base_free(trace->setting);
    hw__base_free(trace);
}

void hw_trace_describe(const hw_trace *trace, hw_trace_info *info)
{
    *info = trace->info;
}

hw_status hw_trace_get(const hw_trace *trace, uint64_t i, hw_trace_entry *entry)
{
    if (!trace || !entry || i >= trace->info.updates) return HW_E_ARGUMENT;
    *entry = trace->entry[i];
    return HW_OK;
}

int hw_trace_matches(const hw_trace *trace, const float *params, size_t count)
{
    return count == trace->info.parameters && checksum(params, count) == trace->crc;
}
