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
};

void canary_terms_init(struct canary_terms *t)
{
    t->is_set = false;
    for (size_t i = 0; i < CANARY_TERMS; i++)
        t->given[i] = -1;
}

int64_t canary_term(const struct canary_terms *t, enum canary_term which)
{
    return t->given[which] >= 0 ? t->given[which] : TERMS[which].usual;
}

static enum status read_term(const struct json *v, size_t at, int64_t *out, struct error *err)
{
    char low[48], high[48];
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
    return FAIL(err, STATUS_INVALID,
                "%.*s is not a %s: it must be a number from %s to %s with at most %d decimals.",
                (int)MIN(v->span.n, (size_t)60), v->span.p, TERMS[at].key, low, high,
                TERMS[at].scale);
}

static enum status change_term(struct canary_terms *t, const struct json *v, const char **out_path,
                               struct error *err)
{
    for (size_t i = 0; i < CANARY_TERMS; i++)
        if (str_is(v->key, TERMS[i].key)) {
            *out_path = TERMS[i].path;
            return read_term(v, i, &t->given[i], err);
        }
    *out_path = "canary";
    return FAIL(err, STATUS_INVALID,
                "\"%.*s\" is not known here. Known are share, seconds, max_error_rate, "
                "max_latency_ratio and min_requests.",
                (int)MIN(v->key.n, (size_t)60), v->key.p);
}

static enum status must_be_object(const struct json *v, struct error *err)
{
    if (json_is(v, JSON_OBJECT))
        return STATUS_OK;
    return FAIL(err, STATUS_INVALID, "This must be an object, or null, not %s.", json_type_name(v));
}

static enum status change_canary(struct canary_terms *t, const struct json *canary,
                                 canary_fault fault, void *arg)
{
    const char *path = "canary";
    struct error err;
    enum status result;

    if (json_is(canary, JSON_NULL)) {
        canary_terms_init(t);
        return STATUS_OK;
    }
    result = must_be_object(canary, &err);
    if (result != STATUS_OK) {
        fault(arg, path, &err);
        return result;
    }
    t->is_set = true;
    json_each (canary, v) {
        enum status s = change_term(t, v, &path, &err);

        if (s != STATUS_OK) {
            fault(arg, path, &err);
            result = s;
        }
    }
    return result;
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
    if (result != STATUS_OK)
        fault(arg, NULL, &err);
    json_each (rollout, v) {
        enum status s = STATUS_OK;

        if (str_is(v->key, "canary")) {
            s = change_canary(&changed, v, fault, arg);
        } else {
            s = FAIL(&err, STATUS_INVALID, "\"%.*s\" is not known here. Known is canary.",
                     (int)MIN(v->key.n, (size_t)60), v->key.p);
            fault(arg, NULL, &err);
        }
        result = s != STATUS_OK ? s : result;
    }
    if (result == STATUS_OK)
        *t = changed;
    return result;
}

void canary_terms_write(const struct canary_terms *t, bool all, struct json_writer *w)
{
    char text[48];

    json_begin_object(w);
    json_key(w, "canary");
    if (!t->is_set) {
        json_null(w);
        json_end_object(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < CANARY_TERMS; i++) {
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
