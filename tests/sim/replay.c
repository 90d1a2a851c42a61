/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions of a run, with all that the policy was given for them, in a file; and the same taken
 * again from the file alone, by a process that never ran anything. Rows are structs as they lie in
 * memory: writer and reader are one program. */
#include "sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { ID_ROOM = 32 };

static void put(FILE *f, const void *p, size_t n)
{
    if (fwrite(p, 1, n, f) != n)
        fail_msg("a decision could not be recorded");
}

static void put_id(FILE *f, const char *id)
{
    char room[ID_ROOM] = "";

    (void)snprintf(room, sizeof(room), "%s", id ? id : "");
    put(f, room, sizeof(room));
}

void sim_record(void *arg, const struct scale_view *v, const struct scale_plan *plan)
{
    FILE *f = arg;

    put(f, v, sizeof(*v));
    if (v->learned)
        put(f, v->learned, sizeof(*v->learned));
    for (size_t i = 0; i < v->n_lanes; i++) {
        const struct scale_lane *l = &v->lanes[i];

        put(f, l, sizeof(*l));
        for (size_t k = 0; k < l->n; k++) {
            put(f, &l->instances[k], sizeof(l->instances[k]));
            put_id(f, l->instances[k].id);
        }
    }
    put(f, plan, sizeof(*plan));
    for (size_t i = 0; i < plan->n; i++)
        put_id(f, plan->actions[i].instance);
}

/* --- again --- */

static void *get(FILE *f, struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n + 1);

    if (fread(p, 1, n, f) != n)
        return NULL;
    return p;
}

static bool read_lane(FILE *f, struct arena *a, struct scale_lane *out)
{
    struct scale_lane *l = get(f, a, sizeof(*l));
    struct scale_instance *rows;

    if (!l)
        return false;
    rows = arena_array(a, struct scale_instance, l->n + 1);
    for (size_t i = 0; i < l->n; i++) {
        struct scale_instance *in = get(f, a, sizeof(*in));

        if (!in)
            return false;
        rows[i] = *in;
        rows[i].id = get(f, a, ID_ROOM);
    }
    *out = *l;
    out->instances = rows;
    return true;
}

/* False at the end of the file. */
static bool read_view(FILE *f, struct arena *a, struct scale_view *out)
{
    struct scale_view *v = get(f, a, sizeof(*v));
    struct scale_lane *lanes;

    if (!v)
        return false;
    *out = *v;
    if (v->learned)
        out->learned = get(f, a, sizeof(*v->learned));
    lanes = arena_array(a, struct scale_lane, v->n_lanes + 1);
    for (size_t i = 0; i < v->n_lanes; i++)
        if (!read_lane(f, a, &lanes[i]))
            return false;
    out->lanes = lanes;
    return true;
}

static bool same_action(const struct scale_action *a, const struct scale_action *b, const char *id)
{
    return a->verb == b->verb && a->lane == b->lane && a->cause == b->cause &&
           strcmp(b->instance ? b->instance : "", id) == 0;
}

static bool same_plan(FILE *f, struct arena *a, const struct scale_plan *now)
{
    const struct scale_plan *then = get(f, a, sizeof(*then));
    bool same = then && then->n == now->n && then->look_again_at == now->look_again_at &&
                then->from == now->from && then->to == now->to && then->needed == now->needed;

    for (size_t i = 0; then && i < then->n; i++) {
        const char *id = get(f, a, ID_ROOM);

        same = same && id && same_action(&then->actions[i], &now->actions[i], id);
    }
    return same;
}

bool sim_replay(FILE *f, int64_t *out_n, int64_t *out_acts)
{
    for (*out_n = *out_acts = 0;; (*out_n)++) {
        struct arena a CLEANUP(arena_deinit) = { 0 };
        struct scale_view v;
        struct scale_plan plan;

        if (!read_view(f, &a, &v))
            return feof(f) && *out_n > 0;
        scale_decide(&v, &plan);
        *out_acts += plan.n > 0;
        if (!same_plan(f, &a, &plan))
            return false;
    }
}
