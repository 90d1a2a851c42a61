/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/again.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

enum { ID_ROOM = 32, MOST_LANES = 100000, MOST_INSTANCES = 1000000, HEAD_ROOM = 128 };

/* Before each decision: how long it is, and a sum of its bytes. */
struct frame {
    uint64_t n, sum;
};

void scale_again_head(struct buf *out)
{
    buf_addf(out, "berth decisions 1 %zu %zu %zu %zu %zu\n", sizeof(struct scale_view),
             sizeof(struct scale_learned), sizeof(struct scale_lane), sizeof(struct scale_instance),
             sizeof(struct scale_plan));
}

static void put_id(struct buf *out, const char *id)
{
    char room[ID_ROOM] = "";

    if (id)
        (void)snprintf(room, sizeof(room), "%s", id);
    buf_add(out, room, sizeof(room));
}

static void put_lane(struct buf *out, const struct scale_lane *l)
{
    struct scale_lane lane = *l;

    lane.instances = NULL;
    buf_add(out, &lane, sizeof(lane));
    for (size_t i = 0; i < l->n; i++) {
        struct scale_instance in = l->instances[i];

        in.id = NULL;
        buf_add(out, &in, sizeof(in));
        put_id(out, l->instances[i].id);
    }
}

static void put_plan(struct buf *out, const struct scale_plan *p)
{
    struct scale_plan plan = *p;

    for (size_t i = 0; i < plan.n; i++)
        plan.actions[i].instance = plan.actions[i].why = NULL;
    buf_add(out, &plan, sizeof(plan));
    for (size_t i = 0; i < p->n; i++)
        put_id(out, p->actions[i].instance);
}

void scale_again_write(const struct scale_view *v, const struct scale_plan *plan, struct buf *out)
{
    struct scale_view view = *v;
    struct frame f = { 0 };
    size_t at = out->n;
    char has_learned = v->learned != NULL;

    buf_add(out, &f, sizeof(f));
    view.learned = NULL;
    view.lanes = NULL;
    buf_add(out, &view, sizeof(view));
    buf_addc(out, has_learned);
    if (v->learned)
        buf_add(out, v->learned, sizeof(*v->learned));
    for (size_t i = 0; i < v->n_lanes; i++)
        put_lane(out, &v->lanes[i]);
    put_plan(out, plan);
    if (out->failed)
        return;
    f.n = out->n - at - sizeof(f);
    f.sum = hash_bytes(HASH_INIT, str_make(out->p + at + sizeof(f), f.n));
    memcpy(out->p + at, &f, sizeof(f));
}

/* --- again --- */

enum status scale_again_open(struct str *bytes, struct error *err)
{
    struct buf own CLEANUP(buf_deinit) = BUF_INIT(HEAD_ROOM);
    struct str head = buf_str(&own);

    scale_again_head(&own);
    head = buf_str(&own);
    if (bytes->n < head.n || memcmp(bytes->p, head.p, head.n) != 0)
        return FAIL(
            err, STATUS_UNSUPPORTED,
            "these are no decisions that this build of Berth has recorded. Replay them with "
            "the one that has.");
    *bytes = str_make(bytes->p + head.n, bytes->n - head.n);
    return STATUS_OK;
}

static bool get(struct str *s, void *out, size_t n)
{
    if (s->n < n)
        return false;
    memcpy(out, s->p, n);
    *s = str_make(s->p + n, s->n - n);
    return true;
}

static bool get_lane(struct str *s, struct arena *a, struct scale_lane *out)
{
    struct scale_instance *rows;

    if (!get(s, out, sizeof(*out)) || out->n > MOST_INSTANCES)
        return false;
    rows = arena_array(a, struct scale_instance, out->n + 1);
    for (size_t i = 0; i < out->n; i++) {
        char *id = arena_alloc(a, ID_ROOM);

        if (!get(s, &rows[i], sizeof(rows[i])) || !get(s, id, ID_ROOM))
            return false;
        rows[i].id = id;
    }
    out->instances = rows;
    return true;
}

static bool get_view(struct str *s, struct arena *a, struct scale_view *out)
{
    struct scale_learned *learned = arena_new(a, struct scale_learned);
    struct scale_lane *lanes;
    char has_learned;

    if (!get(s, out, sizeof(*out)) || !get(s, &has_learned, 1) || out->n_lanes > MOST_LANES)
        return false;
    if (has_learned && !get(s, learned, sizeof(*learned)))
        return false;
    out->learned = has_learned ? learned : NULL;
    lanes = arena_array(a, struct scale_lane, out->n_lanes + 1);
    out->lanes = lanes;
    for (size_t i = 0; i < out->n_lanes; i++)
        if (!get_lane(s, a, &lanes[i]))
            return false;
    return true;
}

static bool get_plan(struct str *s, struct arena *a, struct scale_plan *out)
{
    if (!get(s, out, sizeof(*out)) || out->n > SCALE_MAX_ACTIONS)
        return false;
    for (size_t i = 0; i < out->n; i++) {
        char *id = arena_alloc(a, ID_ROOM);

        if (!get(s, id, ID_ROOM))
            return false;
        out->actions[i].instance = *id ? id : NULL;
    }
    return true;
}

static bool same_action(const struct scale_action *a, const struct scale_action *b)
{
    return a->verb == b->verb && a->lane == b->lane && a->cause == b->cause &&
           !a->instance == !b->instance && (!a->instance || strcmp(a->instance, b->instance) == 0);
}

static bool same_need(const struct scale_need *a, const struct scale_need *b)
{
    return a->n == b->n && a->cause == b->cause && a->live == b->live && a->waiting == b->waiting &&
           a->busy == b->busy && a->service_ms == b->service_ms && a->boot_ms == b->boot_ms &&
           a->target_ms == b->target_ms && a->starts_within_ms == b->starts_within_ms &&
           a->grows_to_ms == b->grows_to_ms && a->rate == b->rate;
}

static bool same_plan(const struct scale_plan *a, const struct scale_plan *b)
{
    bool same = a->n == b->n && a->look_again_at == b->look_again_at && a->from == b->from &&
                a->to == b->to && a->needed == b->needed && same_need(&a->need, &b->need);

    for (size_t i = 0; same && i < a->n; i++)
        same = same_action(&a->actions[i], &b->actions[i]);
    return same;
}

bool scale_again_next(struct str *bytes, struct arena *a, struct scale_again *out,
                      enum status *out_status, struct error *err)
{
    struct frame f;
    struct str own;

    *out_status = STATUS_OK;
    if (bytes->n == 0)
        return false;
    if (!get(bytes, &f, sizeof(f)) || f.n > bytes->n ||
        hash_bytes(HASH_INIT, str_make(bytes->p, (size_t)f.n)) != f.sum) {
        *out_status = FAIL(err, STATUS_BROKEN, "the last decision is cut off, or damaged");
        return false;
    }
    own = str_make(bytes->p, (size_t)f.n);
    *bytes = str_make(bytes->p + f.n, bytes->n - (size_t)f.n);
    if (!get_view(&own, a, &out->view) || !get_plan(&own, a, &out->then)) {
        *out_status = FAIL(err, STATUS_BROKEN, "a decision is damaged");
        return false;
    }
    scale_decide(&out->view, &out->now);
    out->is_same = same_plan(&out->then, &out->now);
    return true;
}
