/* SPDX-License-Identifier: Apache-2.0 */
#include "api/shadow.h"

#include "api/canary.h"
#include "run/canary.h"
#include "run/shadow.h"

void show_shadow_counts(struct json_writer *w, const struct shadow_report *r)
{
    json_member_int(w, "copied", r->copied);
    json_member_int(w, "same", r->same);
    json_member_int(w, "differ", r->differ);
    json_member_int(w, "failed", r->failed);
    json_member_int(w, "dropped", shadow_dropped(r));
}

static void show_seconds(struct json_writer *w, const char *key, double seconds)
{
    if (seconds < 0)
        json_member_null(w, key);
    else
        json_member_double(w, key, seconds);
}

/* Nothing stood there, or it is not told. */
static void show_value(struct json_writer *w, const char *key, const char *value)
{
    json_member_string(w, key, value[0] ? value : NULL);
}

static void show_example(struct json_writer *w, const struct shadow_example *e)
{
    json_begin_object(w);
    json_member_string(w, "prediction", e->prediction);
    show_time(w, "at", e->at);
    json_member_int(w, "differences", (int64_t)e->n);
    json_member_string(w, "kind", shadow_kind_name(e->first.kind));
    json_member_string(w, "path", e->first.path);
    show_value(w, "old", e->first.before);
    show_value(w, "new", e->first.after);
    json_member_string(w, "withheld", e->is_masked ? "secret" : e->is_erased ? "erased" : NULL);
    show_seconds(w, "old_seconds", e->old_seconds);
    show_seconds(w, "new_seconds", e->new_seconds);
    json_end_object(w);
}

static void show_ways(struct json_writer *w, const struct shadow_report *r)
{
    json_key(w, "by_kind");
    json_begin_object(w);
    for (int k = 0; k < SHADOW_KINDS; k++)
        json_member_int(w, shadow_kind_name((enum shadow_kind)k), r->kinds[k]);
    json_end_object(w);
    json_key(w, "dropped_by");
    json_begin_object(w);
    for (int d = 0; d < SHADOW_DROPS; d++)
        json_member_int(w, shadow_drop_name((enum shadow_drop)d), r->dropped[d]);
    json_end_object(w);
}

/* One that another canary or release came after has told what it has, and no more. */
static void show_past(struct json_writer *w, const struct shadow_report *r)
{
    json_member_string(w, "state", "past");
    json_member_int(w, "release", r->release);
    json_member_int(w, "beside", r->base);
    show_shadow_counts(w, r);
}

void deployment_shadow(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(256 * 1024);
    const struct pool *p = own_pool(r);
    const struct shadow_example *e;
    const struct shadow_report *told;
    struct json_writer w;

    if (!p)
        return;
    told = &p->shadow->report;
    if (!told->release) {
        http_problem(
            r, 404, "No shadow",
            "The deployment %s/%s never had a shadow. Set rollout.shadow, and then another "
            "version.",
            p->owner, p->name);
        return;
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (p->canary->is.is_shadow && p->canary->is.state != CANARY_NONE)
        show_canary(&w, p->canary);
    else
        show_past(&w, told);
    show_ways(&w, told);
    json_key(&w, "examples");
    json_begin_array(&w);
    for (size_t i = 0; (e = shadow_example(told, i)) != NULL; i++)
        show_example(&w, e);
    json_end_array(&w);
    json_end_object(&w);
    api_answer(r, 200, &body);
}
