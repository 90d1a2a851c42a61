/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the API as JSON. Most keys are always there, null when there is nothing; those
 * that Replicate leaves out (an avatar, a deployment's name, a deadline, a webhook, a stream's
 * address) are left out here too, and so are additions of ours that hold for a time only. */
#include "api/api.h"
#include "api/canary.h"
#include "api/cost.h"
#include "api/scaling.h"
#include "base/clock.h"
#include "base/encode.h"

const char *api_base(struct http_request *r)
{
    const char *configured = api_of(r)->options->public_url;

    if (configured && *configured)
        return configured;
    return arena_copy(r->arena, http_base_url(r));
}

void show_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    if (ms == 0) {
        json_member_null(w, key);
        return;
    }
    time_format(ms, text);
    json_member_string(w, key, text);
}

static void show_optional(struct json_writer *w, const char *key, const char *z)
{
    if (z)
        json_member_string(w, key, z);
}

void show_account(struct json_writer *w, const struct account *a)
{
    json_begin_object(w);
    json_member_string(w, "type", account_type_name(a->type));
    json_member_string(w, "username", a->username);
    json_member_string(w, "name", a->name ? a->name : a->username);
    show_optional(w, "avatar_url", a->avatar_url);
    json_member_string(w, "github_url", a->github_url);
    json_end_object(w);
}

void show_version(struct json_writer *w, const struct version_row *v)
{
    json_begin_object(w);
    json_member_string(w, "id", v->id);
    show_time(w, "created_at", v->created_at);
    json_member_string(w, "cog_version", v->cog_version ? v->cog_version : "");
    json_member_raw(w, "openapi_schema", v->schema.n ? v->schema : STR("{}"));
    json_end_object(w);
}

void show_model(struct json_writer *w, const struct model_row *m, const struct version_row *latest,
                const char *base)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);

    buf_addf(&url, "%s/%s/%s", base, m->owner, m->name);
    json_begin_object(w);
    json_member_str(w, "url", buf_str(&url));
    json_member_string(w, "owner", m->owner);
    json_member_string(w, "name", m->name);
    json_member_string(w, "description", m->description);
    json_member_string(w, "visibility", m->is_public ? "public" : "private");
    json_member_string(w, "github_url", m->github_url);
    json_member_string(w, "paper_url", m->paper_url);
    json_member_string(w, "license_url", m->license_url);
    json_member_int(w, "run_count", m->run_count);
    json_member_string(w, "cover_image_url", m->cover_image_url);
    json_key(w, "default_example");
    if (m->example)
        show_prediction(w, m->example, false);
    else
        json_null(w);
    json_member_bool(w, "is_official", false);
    show_time(w, "created_at", m->created_at);
    json_key(w, "latest_version");
    if (latest && latest->id)
        show_version(w, latest);
    else
        json_null(w);
    json_end_object(w);
}

static void show_release(struct json_writer *w, const struct release_row *rel)
{
    struct buf model CLEANUP(buf_deinit) = BUF_INIT(1024);

    buf_addf(&model, "%s/%s", rel->model_owner, rel->model_name);
    json_begin_object(w);
    json_member_int(w, "number", rel->number);
    json_member_str(w, "model", buf_str(&model));
    json_member_string(w, "version", rel->version);
    show_time(w, "created_at", rel->created_at);
    json_key(w, "created_by");
    show_account(w, &rel->created_by);
    json_key(w, "configuration");
    json_begin_object(w);
    json_member_string(w, "hardware", rel->hardware);
    json_member_int(w, "min_instances", rel->min_instances);
    json_member_int(w, "max_instances", rel->max_instances);
    /* An older shape that the Swift client still reads. */
    json_key(w, "scaling");
    json_begin_object(w);
    json_member_int(w, "min_instances", rel->min_instances);
    json_member_int(w, "max_instances", rel->max_instances);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

void show_deployment(struct json_writer *w, const struct options *o, const struct deployment_row *d,
                     const struct pool *p)
{
    json_begin_object(w);
    json_member_string(w, "owner", d->owner);
    json_member_string(w, "name", d->name);
    json_key(w, "current_release");
    show_release(w, &d->release);
    show_optional(w, "held", d->held);
    json_key(w, "scaling");
    show_scaling(w, o, d->settings, d->release.min_instances);
    show_rollout(w, p, d->settings);
    json_end_object(w);
}

void show_release_row(struct json_writer *w, const struct release_row *rel)
{
    show_release(w, rel);
}

static void show_url(struct json_writer *w, const char *key, const char *base, const char *path,
                     const char *id, const char *end)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);

    buf_reserve(&url, 200);
    buf_adds(&url, base ? base : "");
    buf_adds(&url, path);
    buf_adds(&url, id);
    buf_adds(&url, end);
    json_member_str(w, key, buf_str(&url));
}

/* Clients tell by the path whether the pieces are texts or files. */
static const char *stream_path(const struct prediction_row *p)
{
    return str_starts(str_of(p->stream_secret), STREAM_OF_FILES) ? "/v1/files/streams/"
                                                                 : "/v1/streams/";
}

static void show_urls(struct json_writer *w, const struct prediction_row *p)
{
    const char *what = p->destination ? "/v1/trainings/" : "/v1/predictions/";

    json_key(w, "urls");
    json_begin_object(w);
    show_url(w, "cancel", p->base_url, what, p->id, "/cancel");
    show_url(w, "get", p->base_url, what, p->id, "");
    if (p->stream_secret)
        show_url(w, "stream", p->base_url, stream_path(p), p->stream_secret, "");
    show_url(w, "web", p->base_url, "/p/", p->id, "");
    json_end_object(w);
}

/* The model's own metrics and ours: predict_time (running) and total_time (created to completed).
 */
static void show_metrics(struct json_writer *w, const struct prediction_row *p)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *own = NULL;
    struct error err;

    if (p->metrics.p && json_parse(&a, p->metrics, NULL, &own, &err) != STATUS_OK)
        own = NULL;
    json_key(w, "metrics");
    json_begin_object(w);
    json_each (own, v) {
        if (str_is(v->key, "predict_time") || str_is(v->key, "total_time"))
            continue;
        json_key_str(w, v->key);
        json_raw(w, v->span);
    }
    if (prediction_is_terminal(p->status)) {
        json_member_double(w, "predict_time", MAX(p->predict_time, 0.0));
        json_member_double(w, "total_time", (double)(p->completed_at - p->created_at) / 1000);
    }
    json_end_object(w);
}

static void show_webhook(struct json_writer *w, const struct prediction_row *p)
{
    static const struct {
        unsigned bit;
        const char *name;
    } events[] = {
        { WEBHOOK_START, "start" },
        { WEBHOOK_OUTPUT, "output" },
        { WEBHOOK_LOGS, "logs" },
        { WEBHOOK_COMPLETED, "completed" },
    };

    if (!p->webhook)
        return;
    json_member_string(w, "webhook", p->webhook);
    if (!p->has_webhook_filter)
        return;
    json_key(w, "webhook_events_filter");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (p->webhook_events & events[i].bit)
            json_stringz(w, events[i].name);
    json_end_array(w);
}

void show_prediction(struct json_writer *w, const struct prediction_row *p, bool as_starting)
{
    struct buf model CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct prediction_row training;

    if (p->destination) {
        training_view(&a, p, &training);
        p = &training;
    }

    buf_addf(&model, "%s/%s", p->model_owner, p->model_name);
    json_begin_object(w);
    json_member_string(w, "id", p->id);
    json_member_str(w, "model", buf_str(&model));
    json_member_string(w, "version", p->version);
    if (p->deployment)
        json_member_string(w, "deployment", p->deployment);
    json_member_raw(w, "input", p->data_removed ? STR_NULL : p->input);
    if (p->data_removed)
        json_member_null(w, "logs");
    else
        json_member_str(w, "logs", p->logs.p ? p->logs : STR(""));
    json_member_raw(w, "output", p->output);
    json_member_bool(w, "data_removed", p->data_removed);
    json_member_string(w, "error", p->error);
    json_member_string(w, "source", p->source);
    json_member_string(w, "status", as_starting ? "starting" : prediction_status_text(p->status));
    show_time(w, "created_at", p->created_at);
    show_time(w, "started_at", p->started_at);
    show_time(w, "completed_at", p->completed_at);
    if (p->deadline)
        show_time(w, "deadline", p->deadline);
    show_optional(w, "instance", p->instance_id);
    if (p->queue_position) {
        json_key(w, "queue");
        json_begin_object(w);
        json_member_int(w, "position", p->queue_position);
        show_time(w, "estimated_start_at", p->queue_reason ? 0 : p->estimated_start_at);
        show_optional(w, "reason", p->queue_reason);
        json_end_object(w);
    }
    show_metrics(w, p);
    if (prediction_is_terminal(p->status))
        show_amount(w, "cost", p->cost);
    show_urls(w, p);
    show_webhook(w, p);
    json_end_object(w);
}
