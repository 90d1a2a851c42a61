/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader beside jansson: both take or both refuse, and what they read is the same. Where
 * they may differ: see oracle.h. What we take is written again and read again. */
#include "fuzz.h"
#include "oracle.h"

#include "base/json.h"

static size_t distinct_keys(const struct json *object)
{
    size_t n = 0;

    json_each (object, m)
        n += json_get_str(object, m->key) == m ? 1 : 0;
    return n;
}

static void compare(const struct json *v, const void *o);

static void compare_number(const struct json *v, const void *o)
{
    int64_t i;
    double d;

    if (oracle_type(o) == ORACLE_INTEGER) {
        FUZZ_CHECK(v->is_integer && json_to_i64(v, &i) && i == oracle_integer(o), "%.*s",
                   STR_ARG(v->span));
        return;
    }
    FUZZ_CHECK(oracle_type(o) == ORACLE_REAL && !v->is_integer, "%.*s", STR_ARG(v->span));
    FUZZ_CHECK(json_to_double(v, &d) && d == oracle_real(o), "%.*s", STR_ARG(v->span));
}

static void compare_children(const struct json *v, const void *o)
{
    size_t i = 0;

    if (v->type == JSON_ARRAY) {
        FUZZ_CHECK(oracle_type(o) == ORACLE_ARRAY && oracle_size(o) == v->n, "%.*s",
                   STR_ARG(v->span));
        json_each (v, e)
            compare(e, oracle_at(o, i++));
        return;
    }
    FUZZ_CHECK(oracle_type(o) == ORACLE_OBJECT && oracle_size(o) == distinct_keys(v), "%.*s",
               STR_ARG(v->span));
    json_each (v, m)
        if (json_get_str(v, m->key) == m)
            compare(m, oracle_member(o, m->key.p, m->key.n));
}

static void compare(const struct json *v, const void *o)
{
    static const enum oracle_type plain[] = {
        [JSON_NULL] = ORACLE_NULL, [JSON_FALSE] = ORACLE_FALSE, [JSON_TRUE] = ORACLE_TRUE
    };
    const char *text;
    size_t n;

    FUZZ_CHECK(o, "a value is missing: %.*s", STR_ARG(v->span));
    switch (v->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        FUZZ_CHECK(oracle_type(o) == plain[v->type], "%.*s", STR_ARG(v->span));
        break;
    case JSON_NUMBER:
        compare_number(v, o);
        break;
    case JSON_STRING:
        FUZZ_CHECK(oracle_type(o) == ORACLE_STRING, "%.*s", STR_ARG(v->span));
        text = oracle_string(o, &n);
        FUZZ_CHECK(str_eq(v->text, str_make(text, n)), "%.*s", STR_ARG(v->span));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        compare_children(v, o);
        break;
    }
}

/* Each value's span is its own text, and lies within its parent's. */
static void check_spans(const struct json *v)
{
    json_each (v, child) {
        FUZZ_CHECK(child->span.n > 0 && child->span.p > v->span.p &&
                       child->span.p + child->span.n < v->span.p + v->span.n,
                   "%.*s", STR_ARG(v->span));
        check_spans(child);
    }
}

static void check_written(struct arena *a, const struct json *v, const struct json_limits *limits)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json_writer w;
    struct json *again;
    struct error err;

    json_writer_init(&w, &out);
    json_value(&w, v);
    FUZZ_CHECK(json_parse(a, buf_str(&out), limits, &again, &err) == STATUS_OK, "%s", err.text);
    FUZZ_CHECK(json_equal(v, again), "%.*s", STR_ARG(buf_str(&out)));
    FUZZ_CHECK(json_parse(a, v->span, limits, &again, &err) == STATUS_OK, "%s", err.text);
    FUZZ_CHECK(json_equal(v, again), "%.*s", STR_ARG(v->span));
    FUZZ_CHECK(!json_find_duplicate(v) == !json_find_duplicate(again), "%.*s", STR_ARG(v->span));
}

/* What is not kept is judged the same, and what is kept is the same but for its children. */
static void check_shallow(struct arena *a, struct str text, const struct json *root,
                          enum status expected)
{
    static const struct json_limits limits = { .max_depth = JSON_DEPTH_MOST, .keep_depth = 1 };
    struct json *shallow, *kept;
    struct error err;
    enum status s = json_parse(a, text, &limits, &shallow, &err);

    FUZZ_CHECK(s == expected, "%s", err.text);
    if (s != STATUS_OK)
        return;
    FUZZ_CHECK(shallow->type == root->type && shallow->n == root->n);
    kept = shallow->child;
    json_each (root, v) {
        FUZZ_CHECK(kept && kept->type == v->type && kept->n == v->n && !kept->child &&
                       kept->span.p == v->span.p && kept->span.n == v->span.n &&
                       str_eq(kept->text, v->text) && str_eq(kept->key, v->key),
                   "%.*s", STR_ARG(v->span));
        kept = kept->next;
    }
    FUZZ_CHECK(!kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct json_limits limits = { .max_depth = JSON_DEPTH_MOST };
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root = NULL;
    struct error err = { 0 };
    enum status s = json_parse(&a, fuzz_text(p, n), &limits, &root, &err);
    void *other = NULL;
    enum oracle_verdict verdict = oracle_load((const char *)p, n, &other);

    FUZZ_CHECK((s == STATUS_OK) == (root != NULL));
    check_shallow(&a, fuzz_text(p, n), root, s);
    FUZZ_CHECK(s == STATUS_OK || str_starts(str_of(err.text), "line "), "%s", err.text);
    /* jansson overlooks a NUL byte behind a number; we do not. */
    if (s == STATUS_INVALID && memchr(p, '\0', n))
        verdict = ORACLE_DIFFERS;
    if (s != STATUS_TOO_LARGE && verdict != ORACLE_DIFFERS)
        FUZZ_CHECK((s == STATUS_OK) == (verdict == ORACLE_TAKEN), "%s", err.text);
    if (s == STATUS_OK) {
        check_spans(root);
        check_written(&a, root, &limits);
        if (verdict == ORACLE_TAKEN)
            compare(root, other);
    }
    oracle_free(other);
    return 0;
}
