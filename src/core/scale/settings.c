/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/settings.h"

#include "base/clock.h"
#include "core/decimal.h"
#include "core/scale.h"

enum { MOST_MS = 7 * 24 * 3600 * 1000 };
static const int64_t MOST_QUEUE = 100000000;

void scale_settings_init(struct scale_settings *s)
{
    *s = (struct scale_settings){
        .target_wait_ms = SCALE_NOT_SET,
        .keep_alive_ms = SCALE_NOT_SET,
        .max_queue = SCALE_NOT_SET,
        .max_cost_nano = SCALE_NOT_SET,
        .weight = SCALE_NOT_SET,
    };
}

/* Seconds, as a number or as the text of a duration. */
static enum status read_duration(const struct json *v, const char *key, const char * or,
                                 int64_t *out, struct error *err)
{
    double seconds = -1;
    int64_t ms = -1;

    if (json_to_double(v, &seconds) && seconds >= 0 && seconds * 1000 <= MOST_MS)
        ms = (int64_t)(seconds * 1000 + 0.5);
    else if (!json_is(v, JSON_STRING) || !duration_parse(v->text, &ms))
        ms = -1;
    if (ms < 0 || ms > MOST_MS)
        return FAIL(
            err, STATUS_INVALID,
            "%.*s is not a %s: it must be seconds, or a duration such as \"1m30s\"%s, of at "
            "most 7 days.",
            (int)MIN(v->span.n, (size_t)60), v->span.p, key, or);
    *out = ms;
    return STATUS_OK;
}

static enum status read_cost(const struct json *v, int64_t *out, struct error *err)
{
    struct decimal d;

    if (!json_is(v, JSON_NUMBER) || !decimal_parse(v->text, &d) || d.mantissa <= 0 ||
        !decimal_scale(&d, 9, out))
        return FAIL(err, STATUS_INVALID,
                    "%.*s is not a cost for an hour: it must be a number above 0 with at most nine "
                    "digits after the point.",
                    (int)MIN(v->span.n, (size_t)60), v->span.p);
    return STATUS_OK;
}

static enum status read_count(const struct json *v, const char *key, int64_t most, int64_t *out,
                              struct error *err)
{
    int64_t n;

    if (!json_to_i64(v, &n) || n < 1 || n > most)
        return FAIL(err, STATUS_INVALID,
                    "%.*s is not a %s: it must be a whole number from 1 to %lld.",
                    (int)MIN(v->span.n, (size_t)60), v->span.p, key, (long long)most);
    *out = n;
    return STATUS_OK;
}

static enum status read_keep(const struct json *v, int64_t *out, struct error *err)
{
    if (str_is(json_to_str(v), "auto")) {
        *out = SCALE_KEEP_AUTO;
        return STATUS_OK;
    }
    return read_duration(v, "keep_alive", ", or \"auto\"", out, err);
}

static enum status change_one(struct scale_settings *s, const struct json *v, const char **out_key,
                              struct error *err)
{
    static const char *const keys[] = { "target_wait",       "keep_alive", "max_queue",
                                        "max_cost_per_hour", "weight",     "schedule" };
    int64_t *const members[] = { &s->target_wait_ms, &s->keep_alive_ms, &s->max_queue,
                                 &s->max_cost_nano, &s->weight };
    size_t at = 0;

    while (at < ARRAY_SIZE(keys) && !str_is(v->key, keys[at]))
        at++;
    if (at == ARRAY_SIZE(keys)) {
        *out_key = NULL;
        return FAIL(err, STATUS_INVALID,
                    "\"%.*s\" is not known here. Known are target_wait, keep_alive, max_queue, "
                    "max_cost_per_hour, weight and schedule.",
                    (int)MIN(v->key.n, (size_t)60), v->key.p);
    }
    *out_key = keys[at];
    if (json_is(v, JSON_NULL) && at < ARRAY_SIZE(members))
        *members[at] = SCALE_NOT_SET;
    else if (json_is(v, JSON_NULL))
        s->schedule.n = 0;
    else if (at == 0)
        return read_duration(v, "target_wait", "", &s->target_wait_ms, err);
    else if (at == 1)
        return read_keep(v, &s->keep_alive_ms, err);
    else if (at == 2)
        return read_count(v, keys[at], MOST_QUEUE, &s->max_queue, err);
    else if (at == 3)
        return read_cost(v, &s->max_cost_nano, err);
    else if (at == 4)
        return read_count(v, keys[at], SCALE_MOST_WEIGHT, &s->weight, err);
    else
        return scale_schedule_read(v, &s->schedule, err);
    return STATUS_OK;
}

enum status scale_settings_change(struct scale_settings *s, const struct json *object,
                                  scale_fault fault, void *arg)
{
    struct scale_settings changed = *s;
    enum status result = STATUS_OK;
    const char *key = NULL;
    struct error err;

    if (!json_is(object, JSON_OBJECT)) {
        (void)FAIL(&err, STATUS_INVALID, "This must be an object, not %s.", json_type_name(object));
        fault(arg, NULL, &err);
        return STATUS_INVALID;
    }
    json_each (object, v) {
        enum status st = change_one(&changed, v, &key, &err);

        if (st == STATUS_OK)
            continue;
        fault(arg, key, &err);
        result = st;
    }
    if (result == STATUS_OK)
        *s = changed;
    return result;
}

static void write_seconds(struct json_writer *w, const char *key, int64_t ms)
{
    json_member_double(w, key, (double)ms / 1000);
}

void scale_settings_write(const struct scale_settings *s, struct json_writer *w)
{
    char cost[48];

    json_begin_object(w);
    if (s->target_wait_ms >= 0)
        write_seconds(w, "target_wait", s->target_wait_ms);
    if (s->keep_alive_ms == SCALE_KEEP_AUTO)
        json_member_string(w, "keep_alive", "auto");
    else if (s->keep_alive_ms >= 0)
        write_seconds(w, "keep_alive", s->keep_alive_ms);
    if (s->max_queue >= 0)
        json_member_int(w, "max_queue", s->max_queue);
    if (s->max_cost_nano >= 0) {
        decimal_format(s->max_cost_nano, 9, cost);
        json_member_raw(w, "max_cost_per_hour", str_of(cost));
    }
    if (s->weight >= 0)
        json_member_int(w, "weight", s->weight);
    if (s->schedule.n > 0) {
        json_key(w, "schedule");
        scale_schedule_write(&s->schedule, w);
    }
    json_end_object(w);
}

void scale_settings_load(struct scale_settings *s, struct str stored)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root, *scaling;
    const char *key;
    struct error err;

    scale_settings_init(s);
    if (json_parse(&a, stored, NULL, &root, &err) != STATUS_OK)
        return;
    scaling = json_get(root, "scaling");
    json_each (scaling, v) {
        struct scale_settings changed = *s;

        if (change_one(&changed, v, &key, &err) == STATUS_OK)
            *s = changed;
    }
}

int64_t scale_target_ms(const struct scale_settings *s, int64_t min_instances)
{
    if (s->target_wait_ms >= 0)
        return s->target_wait_ms;
    return min_instances > 0 ? SCALE_TARGET_WARM_MS : SCALE_TARGET_COLD_MS;
}

int64_t scale_affordable(const struct scale_settings *s, int64_t max, int64_t price_nano)
{
    if (s->max_cost_nano < 0 || price_nano <= 0)
        return max;
    return MIN(max, s->max_cost_nano / 3600 / price_nano);
}
