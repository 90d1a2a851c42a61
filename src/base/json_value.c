/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/json_number.h"
#include "base/map.h"

/* Objects up to this size are compared by looking for each key; larger ones through a map, so that
 * the work does not grow with the square of what a peer sends. */
enum { SMALL_OBJECT = 16 };

struct json *json_get_str(const struct json *object, struct str key)
{
    struct json *found = NULL;

    if (!json_is(object, JSON_OBJECT))
        return NULL;
    json_each (object, m)
        if (str_eq(m->key, key))
            found = m;
    return found;
}

struct json *json_get(const struct json *object, const char *key)
{
    return json_get_str(object, str_of(key));
}

struct json *json_path(const struct json *v, const char *dotted)
{
    struct str rest = str_of(dotted), part;
    struct json *found = NULL;

    while (str_split(&rest, '.', &part)) {
        found = json_get_str(v, part);
        if (!found)
            return NULL;
        v = found;
    }
    return found;
}

bool json_is(const struct json *v, enum json_type type)
{
    return v && v->type == type;
}

bool json_to_bool(const struct json *v, bool *out)
{
    if (!json_is(v, JSON_TRUE) && !json_is(v, JSON_FALSE))
        return false;
    *out = v->type == JSON_TRUE;
    return true;
}

bool json_to_i64(const struct json *v, int64_t *out)
{
    bool negative;
    uint64_t magnitude;

    if (!json_is(v, JSON_NUMBER) || !json_number_integral(v->text, &negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (negative ? 1U : 0U))
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool json_to_u64(const struct json *v, uint64_t *out)
{
    bool negative;
    uint64_t magnitude;

    if (!json_is(v, JSON_NUMBER) || !json_number_integral(v->text, &negative, &magnitude) ||
        (negative && magnitude > 0))
        return false;
    *out = magnitude;
    return true;
}

bool json_to_double(const struct json *v, double *out)
{
    return json_is(v, JSON_NUMBER) && json_number_double(v->text, out);
}

struct str json_to_str(const struct json *v)
{
    return json_is(v, JSON_STRING) ? v->text : STR_NULL;
}

static size_t count_distinct(const struct json *object)
{
    size_t n = 0;

    json_each (object, m)
        n += json_get_str(object, m->key) == m ? 1 : 0;
    return n;
}

/* Members that a later one of the same name hides do not count. */
static bool small_objects_equal(const struct json *a, const struct json *b)
{
    json_each (a, m) {
        struct json *other = json_get_str(b, m->key);

        if (!other || (json_get_str(a, m->key) == m && !json_equal(m, other)))
            return false;
    }
    return count_distinct(a) == count_distinct(b);
}

static void index_members(struct map *map, const struct json *object)
{
    map_init(map);
    json_each (object, m)
        map_put(map, m->key, m);
}

static bool large_objects_equal(const struct json *a, const struct json *b)
{
    CLEANUP(map_deinit) struct map of_a, of_b;
    struct str key;
    void *value;
    size_t at = 0;

    index_members(&of_a, a);
    index_members(&of_b, b);
    if (of_a.n != of_b.n)
        return false;
    while (map_next(&of_a, &at, &key, &value)) {
        const struct json *other = map_get(&of_b, key);

        if (!other || !json_equal(value, other))
            return false;
    }
    return true;
}

static bool arrays_equal(const struct json *a, const struct json *b)
{
    const struct json *other = b->child;

    if (a->n != b->n)
        return false;
    json_each (a, element) {
        if (!json_equal(element, other))
            return false;
        other = other->next;
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        return true;
    case JSON_NUMBER:
        return json_number_equal(a->text, b->text);
    case JSON_STRING:
        return str_eq(a->text, b->text);
    case JSON_ARRAY:
        return arrays_equal(a, b);
    case JSON_OBJECT:
        return a->n <= SMALL_OBJECT && b->n <= SMALL_OBJECT ? small_objects_equal(a, b)
                                                            : large_objects_equal(a, b);
    }
    return false;
}

/* The first member whose key an earlier one has. */
static const struct json *duplicate_member(const struct json *object)
{
    CLEANUP(map_deinit) struct map seen;
    const struct json *found = NULL;

    map_init(&seen);
    for (struct json *m = object->child; m && !found; m = m->next) {
        if (object->n > SMALL_OBJECT) {
            found = map_put(&seen, m->key, m) ? m : NULL;
            continue;
        }
        for (struct json *before = object->child; before != m; before = before->next)
            if (str_eq(before->key, m->key))
                found = m;
    }
    return found;
}

const struct json *json_find_duplicate(const struct json *v)
{
    const struct json *found = json_is(v, JSON_OBJECT) ? duplicate_member(v) : NULL;

    if (found)
        return found;
    json_each (v, child) {
        found = child->child ? json_find_duplicate(child) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

const char *json_type_name(const struct json *v)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
        [JSON_NUMBER] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };

    if (!v)
        return "nothing";
    return v->type == JSON_NUMBER && v->is_integer ? "integer" : names[v->type];
}
