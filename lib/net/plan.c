/* plan.c - where everything lies in the scratch.
 *
 * Layers that work image by image run in segments: a block of images goes through all of a segment's layers before the
 * next one comes, so that what lies between them stays in the cache. Layers that need the whole minibatch (dense, batch
 * norm) are segments of their own, and one with weights opens a segment: it is read when its turn comes, and its
 * gradient is whole before the backward pass goes on. Outputs that a backward pass looks at, or that another segment
 * takes, are kept for the whole minibatch, others for one block. Gradients of outputs live from their last taker's
 * backward to their own layer's, and share memory where these times do not overlap. */
#include "net.h"
#include "wide_pool.h"

/* A block's widest output should not fill more than a part of the L2 cache. */
#define BLOCK_BYTES (192u << 10)

/* Reserve bytes of the scratch, a cache line apart. */
static size_t reserve(hw_net *net, size_t bytes)
{
    size_t at = net->scratch_bytes, room = SIZE_MAX - 2 * HW_LINE;
    if (at > room / 2 || bytes > room / 2) { /* which finish refuses */
        net->scratch_bytes = SIZE_MAX;
        return 0;
    }
    net->scratch_bytes += hw__round_up(bytes, HW_LINE) + HW_LINE;
    return at;
}

static uint32_t block_of(const hw_net *net, const hw__net_segment *s)
{
    size_t best = 1, widest = 0;
    for (unsigned i = s->first; i < s->end; i++) {
        const hw__net_layer *l = net->layer + i;
        size_t block = l->kind->block ? l->kind->block(l) : 1, floats = hw__net_floats(l->out),
               in = hw__net_floats(l->in);
        best = block > best ? block : best;
        widest = floats > widest ? floats : widest;
        widest = in > widest ? in : widest;
    }
    while (best > 1 && best * widest * sizeof(float) > BLOCK_BYTES) best--;
    return best < net->batch ? (uint32_t)best : net->batch;
}

static void make_segments(hw_net *net)
{
    net->segments = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        hw__net_layer *l = net->layer + i;
        bool opens = i == 0 || l->kind->whole || l->weights || net->layer[i - 1].kind->whole;
        if (opens) net->segment[net->segments++] = (hw__net_segment){i, i, 0};
        net->segment[net->segments - 1].end = i + 1;
        l->segment = net->segments - 1;
    }
    for (unsigned s = 0; s < net->segments; s++) {
        hw__net_segment *seg = net->segment + s;
        seg->block = net->layer[seg->first].kind->whole ? net->batch : block_of(net, seg);
    }
}

static void note_consumers(hw_net *net)
{
    for (unsigned i = 0; i < net->layers; i++) {
        hw__net_layer *l = net->layer + i;
        const int inputs[] = {l->from, l->also};
        l->last_consumer = (int)i;
        for (int k = 0; k < 2; k++) {
            if (inputs[k] < 0) continue;
            hw__net_layer *source = net->layer + inputs[k];
            source->last_consumer = (int)i;
            source->kept |= source->segment != l->segment || l->kind->needs_input;
            source->gradient_kept |= source->segment != l->segment;
        }
        l->kept |= l->kind->needs_output || i + 1 == net->layers;
        l->gradient_kept |= i + 1 == net->layers;
    }
}

/* Outputs that may stand where the input was: nobody else takes it, and no backward looks at it. */
static void choose_in_place(hw_net *net)
{
    for (unsigned i = net->layers; i-- > 0;) {
        hw__net_layer *l = net->layer + i;
        hw__net_layer *source = l->from >= 0 ? net->layer + l->from : NULL;
        l->over = source && l->kind->in_place && !l->kind->needs_input && source->consumers == 1 &&
                  !source->kind->needs_output && hw__net_floats(l->in) == hw__net_floats(l->out);
        if (l->over) source->kept |= l->kept;
    }
    for (unsigned i = 0; i < net->layers; i++)
        if (net->layer[i].over) net->layer[i].kept = net->layer[net->layer[i].from].kept;
}

static void place_outputs(hw_net *net)
{
    for (unsigned i = 0; i < net->layers; i++) {
        hw__net_layer *l = net->layer + i;
        size_t images = l->kept ? net->batch : net->segment[l->segment].block;
        l->out_at =
            l->over ? net->layer[l->from].out_at : reserve(net, images * hw__net_floats(l->out) * sizeof(float));
        if (l->kind->packed) l->packed_at = reserve(net, l->kind->packed(l) * sizeof(float));
        if (l->kind->aux) l->aux_at = reserve(net, net->batch * l->kind->aux(l));
    }
}

/* --- gradients -----------------------------------------------------------------------------------------------------
 */

typedef struct slot {
    size_t at, bytes;
    unsigned users;
} slot;

typedef struct pool {
    slot *slot; /* NET_LAYERS */
    unsigned slots;
} pool;

static size_t gradient_bytes(const hw_net *net, const hw__net_layer *l)
{
    size_t images = l->gradient_kept ? net->batch : net->segment[l->segment].block;
    return images * hw__net_floats(l->out) * sizeof(float);
}

/* The tightest free slot that is large enough, else a new one. */
static size_t take(hw_net *net, pool *p, size_t bytes)
{
    slot *best = NULL;
    for (unsigned i = 0; i < p->slots; i++) {
        slot *s = p->slot + i;
        if (!s->users && s->bytes >= bytes && (!best || s->bytes < best->bytes)) best = s;
    }
    if (!best) {
        best = p->slot + p->slots++;
        *best = (slot){reserve(net, bytes), bytes, 0};
    }
    best->users = 1;
    return best->at;
}

static void share_or_drop(pool *p, size_t at, int change)
{
    for (unsigned i = 0; i < p->slots; i++)
        if (p->slot[i].at == at && p->slot[i].users) p->slot[i].users += (unsigned)change;
}

/* Whether a source's gradient may stand where its only taker's output's does. */
static bool may_share(const hw_net *net, const hw__net_layer *l, int source)
{
    if (source < 0) return false;
    const hw__net_layer *s = net->layer + source;
    return s->consumers == 1 && s->gradient_kept == l->gradient_kept &&
           hw__net_floats(s->out) == hw__net_floats(l->out) && (s->gradient_kept || s->segment == l->segment);
}

/* The gradient of what a layer takes, where it is its last taker: the first in a backward pass. */
static void place_source(hw_net *net, pool *kept, pool *block, hw__net_layer *l, int source, bool shared)
{
    if (source < 0) return;
    hw__net_layer *s = net->layer + source;
    pool *p = s->gradient_kept ? kept : block;
    if (s->last_consumer != (int)l->number) return;
    if (shared) {
        s->gradient_at = l->gradient_at;
        share_or_drop(p, s->gradient_at, 1);
    } else {
        s->gradient_at = take(net, p, gradient_bytes(net, s));
    }
}

static bool place_gradients(hw_net *net)
{
    pool kept = {hw__base_zalloc(NET_LAYERS, sizeof(slot)), 0}, block = {hw__base_zalloc(NET_LAYERS, sizeof(slot)), 0};
    bool good = kept.slot && block.slot;
    hw__net_layer *last = net->layer + net->layers - 1;
    if (good) last->gradient_at = take(net, &kept, gradient_bytes(net, last));
    for (unsigned k = net->segments; good && k-- > 0;) {
        const hw__net_segment *s = net->segment + k;
        for (unsigned i = s->end; i-- > s->first;) {
            hw__net_layer *l = net->layer + i;
            bool over = l->kind->passes || l->kind->din_in_place, from = over && may_share(net, l, l->from),
                 also = l->kind->passes && !from && may_share(net, l, l->also);
            place_source(net, &kept, &block, l, l->from, from);
            place_source(net, &kept, &block, l, l->also, also);
            if (!l->gradient_kept) share_or_drop(&block, l->gradient_at, -1);
        }
        /* A whole batch's gradient is read by all blocks of its segment. */
        for (unsigned i = s->end; i-- > s->first;)
            if (net->layer[i].gradient_kept) share_or_drop(&kept, net->layer[i].gradient_at, -1);
    }
    hw__base_free(kept.slot);
    hw__base_free(block.slot);
    return good;
}

bool hw__net_pool_fits_wide(const hw__net_layer *l)
{
    return hw__wide_pool_kernel(l, l->kind == &hw__net_average_pool) != NULL;
}

bool hw__net_plan(hw_net *net)
{
    bool wide = net->path != HW_PATH_SCALAR && hw__cpu_avx2();
    size_t work = 0, spare = 0;
    net->scratch_bytes = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        hw__net_layer *l = net->layer + i;
        if (l->kind == &hw__net_conv || l->kind == &hw__net_hyper_conv) hw__net_conv_choose(l, net->path);
        bool pools = l->kind == &hw__net_max_pool || l->kind == &hw__net_average_pool;
        l->wide = wide && (!pools || hw__net_pool_fits_wide(l));
    }
    make_segments(net);
    note_consumers(net);
    choose_in_place(net);
    net->time_at = reserve(net, sizeof(hw__net_times) + 2 * net->layers * sizeof(uint64_t));
    net->input_at = reserve(net, net->batch * hw__net_floats(net->input) * sizeof(float));
    place_outputs(net);
    if (!place_gradients(net)) return false;
    for (unsigned i = 0; i < net->layers; i++) {
        const hw__net_layer *l = net->layer + i;
        size_t n = net->segment[l->segment].block, floats = l->kind->work ? l->kind->work(l, n) : 0;
        work = floats > work ? floats : work;
        /* Where others took the same output before, a gradient is made aside and added. */
        if (l->from >= 0 && net->layer[l->from].consumers > 1 && !l->kind->passes && n * hw__net_floats(l->in) > spare)
            spare = n * hw__net_floats(l->in);
    }
    net->work_at = reserve(net, work * sizeof(float));
    net->spare_at = reserve(net, spare * sizeof(float));
    return true;
}
