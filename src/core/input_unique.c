/* SPDX-License-Identifier: Apache-2.0 */
/* Repeated elements of an array, found by sorting hashes. Only elements whose hashes are equal are
 * compared, and those comparisons are paid for, so that nobody gets a quadratic check for a linear
 * request. */
#include "core/input_impl.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

struct hashed {
    uint64_t hash;
    size_t index;
    const struct json *value;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15U;
    return h ^ (h >> 29);
}

static uint64_t hash_text(uint64_t h, struct str s)
{
    return mix(hash_bytes(h, s), s.n);
}

/* Equal values have equal hashes: numbers count by value, members of objects without regard to
 * order. */
static uint64_t hash_value(const struct json *v)
{
    uint64_t h = mix(1, v->type);
    uint64_t members = 0;
    double d = 0;

    switch (v->type) {
    case JSON_NUMBER:
        if (!json_to_double(v, &d) || d == 0)
            d = 0; /* one zero, and one bucket for what no double can hold */
        return hash_text(h, str_make((const char *)&d, sizeof(d)));
    case JSON_STRING:
        return hash_text(h, v->text);
    case JSON_ARRAY:
        json_each (v, child)
            h = mix(h, hash_value(child));
        return h;
    case JSON_OBJECT:
        json_each (v, child)
            members += mix(hash_text(2, child->key), hash_value(child));
        return mix(h, members);
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        break;
    }
    return h;
}

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Index of the nearest earlier element that equals all[i], or SIZE_MAX. */
static size_t repeat_of(const struct hashed *all, size_t i, size_t *steps)
{
    for (size_t k = i; k > 0 && all[k - 1].hash == all[i].hash; k--) {
        size_t cost = 1 + all[i].value->span.n;

        if (cost > *steps) {
            *steps = 0;
            break;
        }
        *steps -= cost;
        if (json_equal(all[k - 1].value, all[i].value))
            return all[k - 1].index;
    }
    return SIZE_MAX;
}

size_t *find_repeats(const struct json *array, size_t *steps)
{
    struct hashed *all CLEANUP(mem_free) = xcalloc(array->n + 1, sizeof(*all));
    size_t *repeats = NULL;
    size_t n = 0;

    json_each (array, v) {
        all[n] = (struct hashed){ .hash = hash_value(v), .index = n, .value = v };
        n++;
    }
    qsort(all, n, sizeof(*all), by_hash);
    for (size_t i = 0; i < n; i++) {
        size_t earlier = repeat_of(all, i, steps);

        if (earlier == SIZE_MAX)
            continue;
        if (!repeats) {
            repeats = xcalloc(n, sizeof(*repeats));
            memset(repeats, 0xff, n * sizeof(*repeats)); /* SIZE_MAX everywhere */
        }
        repeats[all[i].index] = earlier;
    }
    return repeats;
}
