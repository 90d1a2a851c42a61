/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to create a prediction says beside its input. */
#include "api/api.h"
#include "base/clock.h"
#include "core/webhook.h"

enum { MIN_DEADLINE_MS = 5000, MAX_KEY = 255 };

static struct input_problem *read_deadline(struct http_request *r, int64_t *out_ms)
{
    struct str given = http_header(r, "cancel-after");
    int64_t ms;

    *out_ms = 0;
    if (!given.p)
        given = http_header(r, "replicate-max-lifetime");
    if (!given.p)
        return NULL;
    if (!duration_parse(given, &ms) || ms < MIN_DEADLINE_MS)
        return api_input_problem(
            r, "format", "Cancel-After",
            "\"%.*s\" is not a duration of 5 seconds or more, such as 30, 90s, 5m or "
            "1h30m45s",
            STR_ARG(given));
    *out_ms = loop_wall_ms(r->loop) + ms;
    return NULL;
}

static struct input_problem *read_key(struct http_request *r, struct prediction_spec *spec)
{
    struct str given = http_header(r, "idempotency-key");

    if (!given.p)
        return NULL;
    if (given.n == 0 || given.n > MAX_KEY)
        return api_input_problem(r, "format", "Idempotency-Key", "Must have 1 to %d characters",
                                 MAX_KEY);
    spec->key = arena_copy(r->arena, given);
    return NULL;
}

static const char *type_given(const struct json *v)
{
    return json_type_name(v);
}

static struct input_problem *check_webhook(struct http_request *r, struct prediction_spec *spec)
{
    struct json *v = json_get(r->json, "webhook");
    char origin[WEBHOOK_ORIGIN_SIZE];
    struct str url;

    if (!v || json_is(v, JSON_NULL))
        return NULL;
    if (!json_is(v, JSON_STRING))
        return api_input_problem(r, "invalid_type", "webhook",
                                 "Invalid type. Expected: string, given: %s", type_given(v));
    url = v->text;
    if (url.n == 0)
        return NULL;
    if (url.n > MAX_URL)
        return api_input_problem(r, "string_lte", "webhook",
                                 "webhook has %zu bytes; it must have at most %d", url.n, MAX_URL);
    if (!webhook_origin(url, origin))
        return api_input_problem(r, "format", "webhook", "Does not match format 'uri'");
    if (str_starts(str_of(origin), "http://") && !api_of(r)->options->webhook_private_targets)
        return api_input_problem(
            r, "format", "webhook",
            "Must be an https:// address (the option webhook_private_targets allows "
            "http://)");
    spec->webhook = arena_copy(r->arena, url);
    return NULL;
}

static struct input_problem *check_filter(struct http_request *r, struct prediction_spec *spec)
{
    static const char *const names[] = { "start", "output", "logs", "completed" };
    struct json *v = json_get(r->json, "webhook_events_filter");
    int at = 0;

    spec->webhook_events = WEBHOOK_DEFAULT;
    if (!v || json_is(v, JSON_NULL))
        return NULL;
    if (!json_is(v, JSON_ARRAY))
        return api_input_problem(r, "invalid_type", "webhook_events_filter",
                                 "Invalid type. Expected: array, given: %s", type_given(v));
    spec->has_webhook_filter = true;
    spec->webhook_events = 0;
    json_each (v, e) {
        unsigned bit = 0;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (str_is(json_to_str(e), names[i]))
                bit = 1U << i;
        if (!bit)
            return api_input_problem(r, "enum",
                                     arena_printf(r->arena, "webhook_events_filter.%d", at),
                                     "webhook_events_filter.%d must be one of the following: "
                                     "\"start\", \"output\", \"logs\", "
                                     "\"completed\"",
                                     at);
        spec->webhook_events |= bit;
        at++;
    }
    return NULL;
}

static void link_problem(struct input_problem ***tail, struct input_problem *p)
{
    if (!p)
        return;
    **tail = p;
    while (p->next)
        p = p->next;
    *tail = &p->next;
}

/* Keys beside those of the contract that clients are known to send, and that mean nothing here. */
static bool is_tolerated(struct str key)
{
    return str_is(key, "webhook_completed") || str_is(key, "stream");
}

/* What can be said of a body before its version is known. */
struct input_problem *prediction_body_read(struct http_request *r, bool takes_version,
                                           struct prediction_spec *spec)
{
    struct input_problem *first = NULL, **tail = &first;
    struct json *input = json_get(r->json, "input"), *version = json_get(r->json, "version");
    int n_unknown = 0;

    if (!json_is(r->json, JSON_OBJECT))
        return api_input_problem(r, "invalid_type", "", "Invalid type. Expected: object, given: %s",
                                 type_given(r->json));
    if (takes_version && !version)
        link_problem(&tail, api_input_problem(r, "required", "", "version is required"));
    else if (takes_version && !json_is(version, JSON_STRING))
        link_problem(&tail, api_input_problem(r, "invalid_type", "version",
                                              "Invalid type. Expected: string, given: %s",
                                              type_given(version)));
    if (!input)
        link_problem(&tail, api_input_problem(r, "required", "", "input is required"));
    else if (!json_is(input, JSON_OBJECT))
        link_problem(&tail, api_input_problem(r, "invalid_type", "input",
                                              "Invalid type. Expected: object, given: %s",
                                              type_given(input)));
    json_each (r->json, v) {
        bool known =
            str_is(v->key, "input") || str_is(v->key, "webhook") ||
            str_is(v->key, "webhook_events_filter") ||
            (takes_version && str_is(v->key, "version")) ||
            (spec->destination && (str_is(v->key, "destination") || str_is(v->key, "version")));

        if (known || is_tolerated(v->key))
            continue;
        if (++n_unknown > API_MAX_PROBLEMS)
            break;
        link_problem(&tail, api_input_problem(r, "additional_property_not_allowed", "",
                                              "Additional property %s is not allowed",
                                              api_shown_key(r, v->key)));
    }
    link_problem(&tail, check_webhook(r, spec));
    link_problem(&tail, check_filter(r, spec));
    link_problem(&tail, read_deadline(r, &spec->deadline));
    link_problem(&tail, read_key(r, spec));
    return first;
}

bool prediction_body_ok(struct http_request *r, bool takes_version, struct prediction_spec *spec)
{
    struct input_problem *first = prediction_body_read(r, takes_version, spec);

    if (first)
        api_invalid_input(r, first);
    return !first;
}
