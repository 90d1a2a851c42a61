/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <jansson.h>

/* jansson takes untyped handles as its own type; the values are not changed through them. */
static json_t *own(const void *v)
{
    union {
        const void *given;
        json_t *own;
    } u = { .given = v };

    return u.own;
}

enum oracle_verdict oracle_load(const char *p, size_t n, void **out_root)
{
    json_error_t e;

    *out_root = json_loadb(p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (*out_root)
        return ORACLE_TAKEN;
    switch (json_error_code(&e)) {
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
    case json_error_null_character:
    case json_error_stack_overflow:
    case json_error_out_of_memory:
        return ORACLE_DIFFERS;
    default:
        return ORACLE_REFUSED;
    }
}

void oracle_free(void *root)
{
    json_decref(root);
}

enum oracle_type oracle_type(const void *v)
{
    switch (json_typeof(own(v))) {
    case JSON_OBJECT:
        return ORACLE_OBJECT;
    case JSON_ARRAY:
        return ORACLE_ARRAY;
    case JSON_STRING:
        return ORACLE_STRING;
    case JSON_INTEGER:
        return ORACLE_INTEGER;
    case JSON_REAL:
        return ORACLE_REAL;
    case JSON_TRUE:
        return ORACLE_TRUE;
    case JSON_FALSE:
        return ORACLE_FALSE;
    case JSON_NULL:
        break;
    }
    return ORACLE_NULL;
}

size_t oracle_size(const void *v)
{
    return json_is_array(own(v)) ? json_array_size(own(v)) : json_object_size(own(v));
}

void *oracle_at(const void *array, size_t i)
{
    return json_array_get(own(array), i);
}

void *oracle_member(const void *object, const char *key, size_t n)
{
    return json_object_getn(own(object), key, n);
}

long long oracle_integer(const void *v)
{
    return json_integer_value(own(v));
}

double oracle_real(const void *v)
{
    return json_real_value(own(v));
}

const char *oracle_string(const void *v, size_t *n)
{
    *n = json_string_length(own(v));
    return json_string_value(own(v));
}
