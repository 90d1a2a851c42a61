/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that look at one value alone. */
#include "core/input_check.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <inttypes.h>

enum { MAX_UNIQUE = 1000000 }; /* elements that are compared with one another */

static unsigned type_of(const struct json *v)
{
    static const unsigned bits[] = {
        [JSON_NULL] = TYPE_NULL,     [JSON_FALSE] = TYPE_BOOLEAN, [JSON_TRUE] = TYPE_BOOLEAN,
        [JSON_STRING] = TYPE_STRING, [JSON_ARRAY] = TYPE_ARRAY,   [JSON_OBJECT] = TYPE_OBJECT,
    };
    struct decimal d;

    if (v->type != JSON_NUMBER)
        return bits[v->type];
    return decimal_parse(v->text, &d) && decimal_is_integer(&d) ? TYPE_INTEGER : TYPE_NUMBER;
}

bool type_fits(const struct schema_node *n, const struct json *v, const char **out_given)
{
    static const char *const names[] = { "null",   "boolean", "integer", "number",
                                         "string", "array",   "object" };
    unsigned type = type_of(v);

    *out_given = names[__builtin_ctz(type)];
    if (type == TYPE_INTEGER)
        type |= TYPE_NUMBER;
    return n->types == 0 || (n->types & type) != 0;
}

static bool is_uri(struct str s)
{
    struct str rest = s, scheme, authority;

    if (!str_split(&rest, ':', &scheme) || !rest.p)
        return false;
    if (str_ieq(scheme, STR("data")))
        return memchr(rest.p, ',', rest.n) != NULL;
    if ((!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https"))) ||
        !str_starts(rest, "//"))
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        unsigned char ch = (unsigned char)rest.p[i];

        if (ch < 0x20 || ch == 0x7f || ch == '\\')
            return false;
    }
    rest = str_make(rest.p + 2, rest.n - 2);
    authority = rest;
    for (size_t i = 0; i < rest.n; i++) {
        if (strchr("/?#", rest.p[i])) {
            authority.n = i;
            break;
        }
    }
    return authority.n > 0 && !memchr(authority.p, ' ', authority.n);
}

void check_common(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t)
{
    bool found = !n->choices;

    if (n->constant && !json_equal(n->constant, v))
        problem(c, t, at, "const", "%s does not match: %s", place(c, at), n->constant_text);
    if (n->choices) {
        c->steps -= MIN(c->steps, n->choices->n);
        json_each (n->choices, choice) {
            found = json_equal(choice, v);
            if (found)
                break;
        }
    }
    if (!found)
        problem(c, t, at, "enum", "%s must be one of the following: %s", place(c, at),
                n->choices_text);
    if (n->is_uri && v->type == JSON_STRING && !is_uri(v->text))
        problem(c, t, at, "format", "Does not match format 'uri'");
    t->score++;
}

static bool is_multiple(const struct number_limit *limit, const struct json *v)
{
    struct decimal d;

    return decimal_parse(v->text, &d) && decimal_is_multiple(&d, &limit->exact);
}

void check_number(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t)
{
    long double value = number_of(v->text);

    if (n->multiple_of.is_set && !is_multiple(&n->multiple_of, v))
        problem(c, t, at, "multiple_of", "Must be a multiple of %s", n->multiple_of.text);
    if (n->maximum.is_set && value > n->maximum.value)
        problem(c, t, at, "number_lte", "Must be less than or equal to %s", n->maximum.text);
    if (n->below.is_set && value >= n->below.value)
        problem(c, t, at, "number_lt", "Must be less than %s", n->below.text);
    if (n->minimum.is_set && value < n->minimum.value)
        problem(c, t, at, "number_gte", "Must be greater than or equal to %s", n->minimum.text);
    if (n->above.is_set && value <= n->above.value)
        problem(c, t, at, "number_gt", "Must be greater than %s", n->above.text);
    t->score++;
}

void check_string(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t)
{
    if (n->min_length >= 0 || n->max_length >= 0) {
        int64_t length = (int64_t)utf8_count(v->text);

        if (length < n->min_length)
            problem(c, t, at, "string_gte",
                    "String length must be greater than or equal to %" PRId64, n->min_length);
        if (n->max_length >= 0 && length > n->max_length)
            problem(c, t, at, "string_lte", "String length must be less than or equal to %" PRId64,
                    n->max_length);
    }
    if (n->pattern && !pattern_matches(n->pattern, v->text, &c->steps))
        problem(c, t, at, "pattern", "Does not match pattern '%s'", n->pattern_text);
    t->score++;
}

static void check_unique(struct check *c, const struct json *v, const struct path *at,
                         struct tally *t)
{
    size_t *repeats CLEANUP(mem_free) = NULL;

    if (v->n > MAX_UNIQUE) {
        give_up(c, t, at, "The list has too many items to find out whether they are unique");
        return;
    }
    repeats = find_repeats(v, &c->steps);
    for (size_t j = 0; repeats && j < v->n; j++)
        if (repeats[j] != SIZE_MAX)
            problem(c, t, at, "unique", "array items[%zu,%zu] must be unique", repeats[j], j);
}

void check_length(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t)
{
    if (n->min_items > 0 && v->n < (uint64_t)n->min_items)
        problem(c, t, at, "array_min_items", "Array must have at least %" PRId64 " items",
                n->min_items);
    if (n->max_items >= 0 && v->n > (uint64_t)n->max_items)
        problem(c, t, at, "array_max_items", "Array must have at most %" PRId64 " items",
                n->max_items);
    if (n->is_unique)
        check_unique(c, v, at, t);
}
