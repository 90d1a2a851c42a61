/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what. GPUs are counted one by one; cpus and memory through the factors of
 * overcommitment. */
#include "core/hardware.h"

#include "base/clock.h"
#include "base/mem.h"
#include "core/decimal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const struct sku *hardware_find(const struct hardware *h, struct str sku)
{
    for (size_t i = 0; i < h->n_skus; i++)
        if (str_is(sku, h->skus[i].sku))
            return &h->skus[i];
    return NULL;
}

const struct sku *hardware_smallest(const struct hardware *h)
{
    const struct sku *least = NULL;

    for (size_t i = 0; i < h->n_skus; i++) {
        const struct sku *s = &h->skus[i];

        if (!least || s->price_nano < least->price_nano ||
            (s->price_nano == least->price_nano && s->memory < least->memory))
            least = s;
    }
    return least;
}

void hardware_names(const struct hardware *h, struct buf *out)
{
    for (size_t i = 0; i < h->n_skus; i++)
        buf_addf(out, "%s%s", i > 0 ? ", " : "", h->skus[i].sku);
}

static int64_t times(int64_t amount, double factor)
{
    double v = (double)amount * factor;

    return v >= 9e18 ? INT64_MAX : (int64_t)v;
}

static uint64_t bit(int i)
{
    return (uint64_t)1 << i;
}

static bool kind_fits(const struct sku *s, const struct gpu *g)
{
    return !s->gpu_kind || strcasestr(g->name, s->gpu_kind) != NULL;
}

/* A GPU whose memory nobody knows is taken to have enough. */
static bool gpu_fits(const struct sku *s, const struct gpu *g)
{
    return kind_fits(s, g) && (s->gpu_memory == 0 || g->memory == 0 || g->memory >= s->gpu_memory);
}

/* Chooses GPUs that are not in `used`, the smallest that will do first, so that large ones stay for
 * those who need them. Returns how many were found, at most as many as the SKU takes. */
static int64_t choose_gpus(const struct hardware *h, const struct sku *s, uint64_t used,
                           uint64_t *out)
{
    int64_t found = 0;

    for (*out = 0; found < s->gpus; found++) {
        int best = -1;

        for (int i = 0; i < h->machine.n_gpus; i++) {
            const struct gpu *g = &h->machine.gpus[i];

            if (!((used | *out) & bit(i)) && gpu_fits(s, g) &&
                (best < 0 || g->memory < h->machine.gpus[best].memory))
                best = i;
        }
        if (best < 0)
            break;
        *out |= bit(best);
    }
    return found;
}

static void describe_gpus(const struct sku *s, char *out, size_t size)
{
    char memory[TIME_TEXT_SIZE] = "";

    if (s->gpu_memory > 0)
        size_format(s->gpu_memory, memory);
    snprintf(out, size, "%" PRId64 " GPU%s%s%.64s%s%s%s", s->gpus, s->gpus == 1 ? "" : "s",
             s->gpu_kind ? " of kind " : "", s->gpu_kind ? s->gpu_kind : "",
             s->gpu_memory > 0 ? (s->gpu_kind ? " and " : " of ") : "", memory,
             s->gpu_memory > 0 ? (s->gpus == 1 ? "" : " each") : "");
}

static enum status short_of_gpus(const struct hardware *h, const struct sku *s, bool is_empty,
                                 struct error *err)
{
    char what[192];
    uint64_t all;
    int64_t n;
    struct sku any = *s;

    describe_gpus(s, what, sizeof(what));
    any.gpus = MAX_GPUS;
    n = choose_gpus(h, &any, 0, &all);
    if (n == 0)
        return FAIL(err, STATUS_BUSY, "needs %s; this machine has none", what);
    if (is_empty || n < s->gpus)
        return FAIL(err, STATUS_BUSY, "needs %s; this machine has %" PRId64, what, n);
    return FAIL(err, STATUS_BUSY, "needs %s; %d of %" PRId64 " are taken", what,
                __builtin_popcountll(all & h->gpus_used), n);
}

/* Whether cpus and memory suffice beside what is used. */
static enum status find_room(const struct hardware *h, const struct sku *s, int64_t cpus_used,
                             int64_t memory_used, struct error *err)
{
    int64_t cpus = times(h->machine.cpus_milli, h->cpu_overcommit);
    int64_t memory = times(h->machine.memory, h->memory_overcommit);
    char needs[48], all[48], used[48];

    if (s->cpus_milli > cpus - cpus_used) {
        decimal_format(s->cpus_milli, 3, needs);
        decimal_format(cpus, 3, all);
        decimal_format(cpus_used, 3, used);
        if (s->cpus_milli > cpus)
            return FAIL(err, STATUS_BUSY, "needs %s cpus; this machine offers %s", needs, all);
        return FAIL(err, STATUS_BUSY, "needs %s cpus; %s of %s are taken", needs, used, all);
    }
    if (s->memory > memory - memory_used) {
        size_format(s->memory, needs);
        size_format(memory, all);
        size_format(memory_used, used);
        if (s->memory > memory)
            return FAIL(err, STATUS_BUSY, "needs %s of memory; this machine offers %s", needs, all);
        return FAIL(err, STATUS_BUSY, "needs %s of memory; %s of %s are taken", needs, used, all);
    }
    return STATUS_OK;
}

static void hold(struct hardware *h, const struct sku *s, uint64_t gpus, struct hold *out)
{
    *out = (struct hold){ .cpus_milli = s->cpus_milli, .memory = s->memory, .gpus = gpus };
    h->cpus_used += s->cpus_milli;
    h->memory_used += s->memory;
    h->gpus_used |= gpus;
}

static void find_free(const struct hardware *h, int64_t *cpus, int64_t *memory)
{
    *cpus = MAX(times(h->machine.cpus_milli, h->cpu_overcommit) - h->cpus_used, 0);
    *memory = MAX(times(h->machine.memory, h->memory_overcommit) - h->memory_used, 0);
}

struct hold hardware_missing(const struct hardware *h, const struct sku *s)
{
    int64_t cpus, memory;
    struct hold out;
    struct sku any = *s;

    find_free(h, &cpus, &memory);
    out = (struct hold){
        .cpus_milli = MAX(s->cpus_milli - cpus, 0),
        .memory = MAX(s->memory - memory, 0),
    };
    if (choose_gpus(h, s, h->gpus_used, &out.gpus) == s->gpus) {
        out.gpus = 0;
        return out;
    }
    any.gpus = MAX_GPUS;
    (void)choose_gpus(h, &any, 0, &out.gpus);
    out.gpus &= h->gpus_used;
    out.gpus = out.gpus ? out.gpus : ~(uint64_t)0; /* there are none that could come free */
    return out;
}

void hardware_reserve(struct hardware *h, const struct sku *s)
{
    int64_t cpus, memory;
    uint64_t gpus;

    find_free(h, &cpus, &memory);
    (void)choose_gpus(h, s, h->gpus_used, &gpus);
    h->cpus_used += MIN(s->cpus_milli, cpus);
    h->memory_used += MIN(s->memory, memory);
    h->gpus_used |= gpus;
}

enum status hardware_take(struct hardware *h, const struct sku *s, struct hold *out,
                          struct error *err)
{
    uint64_t gpus;
    enum status st;

    if (choose_gpus(h, s, h->gpus_used, &gpus) < s->gpus)
        return short_of_gpus(h, s, false, err);
    st = find_room(h, s, h->cpus_used, h->memory_used, err);
    if (st)
        return st;
    hold(h, s, gpus, out);
    return STATUS_OK;
}

int hardware_room(const struct hardware *h, const struct sku *s)
{
    struct hardware *trial = xnew(struct hardware); /* too large for a stack */
    struct hold held;
    struct error err;
    int n = 0;

    *trial = *h;
    while (n < MAX_ROOM && hardware_take(trial, s, &held, &err) == STATUS_OK)
        n++;
    free(trial);
    return n;
}

void hardware_give(struct hardware *h, const struct hold *held)
{
    h->cpus_used -= held->cpus_milli;
    h->memory_used -= held->memory;
    h->gpus_used &= ~held->gpus;
}

bool hardware_possible(const struct hardware *h, const struct sku *s, struct error *err)
{
    uint64_t gpus;

    if (choose_gpus(h, s, 0, &gpus) < s->gpus) {
        (void)short_of_gpus(h, s, true, err);
        return false;
    }
    return find_room(h, s, 0, 0, err) == STATUS_OK;
}

void hold_gpu_indexes(const struct hardware *h, const struct hold *held, struct buf *out)
{
    const char *comma = "";

    for (int i = 0; i < h->machine.n_gpus; i++) {
        if (!(held->gpus & bit(i)))
            continue;
        buf_addf(out, "%s%d", comma, h->machine.gpus[i].index);
        comma = ",";
    }
}

/* What runs already is not asked whether there is room: it has taken it. */
bool hardware_take_again(struct hardware *h, const struct sku *s, struct str gpu_indexes,
                         struct hold *out)
{
    struct str rest = gpu_indexes.n > 0 ? gpu_indexes : STR_NULL;
    struct str part;
    uint64_t gpus = 0;

    while (str_split(&rest, ',', &part)) {
        int64_t index;
        uint64_t found = 0;

        if (!str_to_i64(part, &index))
            return false;
        for (int i = 0; i < h->machine.n_gpus; i++)
            if (h->machine.gpus[i].index == index)
                found = bit(i);
        if (!found || ((gpus | h->gpus_used) & found))
            return false;
        gpus |= found;
    }
    hold(h, s, gpus, out);
    return true;
}
