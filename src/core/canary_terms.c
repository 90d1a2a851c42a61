/* SPDX-License-Identifier: Apache-2.0 */
#include "core/canary.h"

#include "base/compiler.h"
#include "core/decimal.h"

static const struct {
    const char *key, *path;
    int scale; /* decimals of the number */
    int64_t low, high, usual;
} TERMS[CANARY_TERMS] = {
    [CANARY_SHARE] = { "share", "canary/share", 6, 1000, 900000, 100000 },
    [CANARY_SECONDS] = { "seconds", "canary/seconds", 0, 1, 604800, 600 },
    [CANARY_MAX_ERRORS] = { "max_error_rate", "canary/max_error_rate", 6, 0, CANARY_WHOLE, 50000 },
    [CANARY_MAX_LATENCY] = { "max_latency_ratio", "canary/max_latency_ratio", 3, 1200, 1000000,
                             2000 },
    [CANARY_MIN_REQUESTS] = { "min_requests", "canary/min_requests", 0, 1, 100000, 20 },
    [SHADOW_SHARE] = { "share", "shadow/share", 6, 1000, CANARY_WHOLE, 100000 },
    [SHADOW_SECONDS] = { "seconds", "shadow/seconds", 0, 1, 604800, 3600 },
    [SHADOW_RELATIVE] = { "relative_tolerance", "shadow/relative_tolerance", 9, 0, 1000000000,
                          1000 },
    [SHADOW_ABSOLUTE] = { "absolute_tolerance", "shadow/absolute_tolerance", 9, 0, 1000000000000000,
                          1 },
    [SHADOW_COPIES] = { "max_copies", "shadow/max_copies", 0, 1, 64, 4 },
};

/* Which of them stand below which member. */
static const struct kind {
    const char *key;
    size_t first, end;
    const char *known;
} KINDS[] = {
    { "canary", CANARY_SHARE, SHADOW_SHARE,
      "share, seconds, max_error_rate, max_latency_ratio and min_requests" },
    { "shadow", SHADOW_SHARE, CANARY_TERMS,
      "share, seconds, relative_tolerance, absolute_tolerance and max_copies" },
};

void canary_terms_init(struct canary_terms *t)
{
    t->is_set = t->is_shadow = false;
    for (size_t i = 0; i < CANARY_TERMS; i++)
        t->given[i] = -1;
}

int64_t canary_term(const struct canary_terms *t, enum canary_term which)
{
    return t->given[which] >= 0 ? t->given[which] : TERMS[which].usual;
}

static enum status read_term(const struct json *v, size_t at, int64_t *out, struct error *err)
{
    char low[48], high[48], decimals[48];
    struct decimal d;

    if (json_is(v, JSON_NULL)) {
        *out = -1;
        return STATUS_OK;
    }
    if (json_is(v, JSON_NUMBER) && decimal_parse(v->text, &d) &&
        decimal_scale(&d, TERMS[at].scale, out) && *out >= TERMS[at].low && *out <= TERMS[at].high)
        return STATUS_OK;
    decimal_format(TERMS[at].low, TERMS[at].scale, low);
    decimal_format(TERMS[at].high, TERMS[at].scale, high);
    (void)snprintf(decimals, sizeof(decimals), " with at most %d decimals", TERMS[at].scale);
    return FAIL(err, STATUS_INVALID, "%.*s is not right: %s must be a %snumber from %s to %s%s.",
                (int)MIN(v->span.n, (size_t)60), v->span.p, TERMS[at].key,
                TERMS[at].scale ? "" : "whole ", low, high, TERMS[at].scale ? decimals : "");
}

static enum status change_term(struct canary_terms *t, const struct kind *k, const struct json *v,
                               const char **out_path, struct error *err)
{
    for (size_t i = k->first; i < k->end; i++)
        if (str_is(v->key, TERMS[i].key)) {
            *out_path = TERMS[i].path;
            return read_term(v, i, &t->given[i], err);
        }
    *out_path = k->key;
    return FAIL(err, STATUS_INVALID, "\"%.*s\" is not known here. Known are %s.",
                (int)MIN(v->key.n, (size_t)60), v->key.p, k->known);
}

static enum status must_be_object(const struct json *v, struct error *err)
{
    if (json_is(v, JSON_OBJECT))
        return STATUS_OK;
    return FAIL(err, STATUS_INVALID, "This must be an object, or null, not %s.", json_type_name(v));
}

static enum status change_kind(struct canary_terms *t, const struct kind *k,
                               const struct json *wanted, canary_fault fault, void *arg)
{
    bool is_shadow = k == &KINDS[1];
    const char *path = k->key;
    struct error err;
    enum status result;

    if (t->is_shadow != is_shadow && !json_is(wanted, JSON_NULL))
        canary_terms_init(t);
    if (json_is(wanted, JSON_NULL)) {
        if (t->is_shadow == is_shadow)
            canary_terms_init(t);
        return STATUS_OK;
    }
    result = must_be_object(wanted, &err);
    if (result != STATUS_OK) {
        fault(arg, path, &err);
        return result;
    }
    t->is_set = true;
    t->is_shadow = is_shadow;
    json_each (wanted, v) {
        enum status s = change_term(t, k, v, &path, &err);

        if (s != STATUS_OK) {
            fault(arg, path, &err);
            result = s;
        }
    }
    return result;
}

static enum status change_member(struct canary_terms *t, const struct json *v, canary_fault fault,
                                 void *arg)
{
    struct error err;
    enum status s;

    for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
        if (str_is(v->key, KINDS[i].key))
            return change_kind(t, &KINDS[i], v, fault, arg);
    s = FAIL(&err, STATUS_INVALID, "\"%.*s\" is not known here. Known are canary and shadow.",
             (int)MIN(v->key.n, (size_t)60), v->key.p);
    fault(arg, NULL, &err);
    return s;
}

static enum status must_be_one(const struct json *rollout, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
        if (!json_is(json_get(rollout, KINDS[i].key), JSON_OBJECT))
            return STATUS_OK;
    return FAIL(err, STATUS_INVALID,
                "This is a canary and a shadow: a new release can be one of the two at a time. "
                "Begin with the shadow, and set the canary when that has told enough.");
}

enum status canary_terms_change(struct canary_terms *t, const struct json *rollout,
                                canary_fault fault, void *arg)
{
    struct canary_terms changed = *t;
    struct error err;
    enum status result = STATUS_OK;

    if (json_is(rollout, JSON_NULL)) {
        canary_terms_init(t);
        return STATUS_OK;
    }
    result = must_be_object(rollout, &err);
    if (result == STATUS_OK)
        result = must_be_one(rollout, &err);
    if (result != STATUS_OK)
        fault(arg, NULL, &err);
    json_each (rollout, v) {
        enum status s = change_member(&changed, v, fault, arg);

        result = s != STATUS_OK ? s : result;
    }
    if (result == STATUS_OK)
        *t = changed;
    return result;
}

void canary_terms_write(const struct canary_terms *t, bool all, struct json_writer *w)
{
    const struct kind *k = &KINDS[t->is_shadow];
    char text[48];

    json_begin_object(w);
    json_key(w, k->key);
    if (!t->is_set) {
        json_null(w);
        json_end_object(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = k->first; i < k->end; i++) {
        if (t->given[i] < 0 && !all)
            continue;
        decimal_format(canary_term(t, (enum canary_term)i), TERMS[i].scale, text);
        json_member_raw(w, TERMS[i].key, str_of(text));
    }
    json_end_object(w);
    json_end_object(w);
}

static void ignore(void *arg, const char *path, const struct error *err)
{
    (void)arg;
    (void)path;
    (void)err;
}

void canary_terms_load(struct canary_terms *t, struct str stored)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root, *rollout;
    struct error err;

    canary_terms_init(t);
    if (json_parse(&a, stored, NULL, &root, &err) != STATUS_OK)
        return;
    rollout = json_get(root, "rollout");
    if (rollout && canary_terms_change(t, rollout, ignore, NULL) != STATUS_OK)
        canary_terms_init(t);
}
