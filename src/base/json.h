/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to the letter of RFC 8259: a strict reader into an arena and a writer into a buf.
 *
 * Each value knows the span of the source it was read from, so that what a user sent and what a
 * model answered is validated once and passed on byte for byte. Numbers stay text until somebody
 * asks. Duplicate keys are accepted here (the last one wins in json_get); who cares asks
 * json_find_duplicate(). Text must be valid UTF-8; "\u0000" is allowed. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

#include <stdint.h>

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json {
    enum json_type type;
    bool is_integer;    /* JSON_NUMBER: neither fraction nor exponent */
    struct str span;    /* the value's own bytes in the source, without white space around */
    struct str key;     /* decoded key when it stands in an object, else p == NULL */
    struct str text;    /* JSON_STRING: decoded; JSON_NUMBER: as written */
    struct json *next;  /* next member or element */
    struct json *child; /* JSON_ARRAY, JSON_OBJECT: first member or element */
    size_t n;           /* JSON_ARRAY, JSON_OBJECT: how many */
};

/* Levels of nesting that are read unless a limit says otherwise. Trees are walked by recursion; no
 * limit may be wider than the most. */
enum { JSON_DEPTH = 128, JSON_DEPTH_MOST = 1024 };

struct json_limits {
    unsigned max_depth; /* 0: JSON_DEPTH; at most JSON_DEPTH_MOST */
    size_t max_values;  /* 0: no limit of its own (the size of the text is one) */
    /* 0: all is kept. What lies deeper below the root is checked and counted in its container's
     * `n`, and not kept: memory then has to do with the text's size and not with how many values
     * stand in it. `max_values` counts what is kept. */
    unsigned keep_depth;
};

/* Reads one whole document. On failure `err` says line, column and what was expected
 * ("line 3, column 7: expected ',' or '}' after a member"). The source must outlive the values:
 * spans point into it, and strings without escapes do too. Status: INVALID, or TOO_LARGE past a
 * limit. */
enum status json_parse(struct arena *a, struct str source, const struct json_limits *limits,
                       struct json **out_root, struct error *err) NODISCARD;

/* All accessors take NULL and answer as for an absent value. */
struct json *json_get(const struct json *object, const char *key);
struct json *json_get_str(const struct json *object, struct str key);
struct json *json_path(const struct json *v, const char *dotted); /* "a.b.c" */
bool json_is(const struct json *v, enum json_type type);
bool json_to_bool(const struct json *v, bool *out);
/* Integral values that fit; 3.0 and 3e0 count as 3. */
bool json_to_i64(const struct json *v, int64_t *out);
bool json_to_u64(const struct json *v, uint64_t *out);
bool json_to_double(const struct json *v, double *out); /* false when it overflows */
struct str json_to_str(const struct json *v);           /* p == NULL when not a string */
/* Deep equality by JSON Schema's rule: numbers by value, objects without regard to order. */
bool json_equal(const struct json *a, const struct json *b);
/* The first duplicate key anywhere below v, else NULL. */
const struct json *json_find_duplicate(const struct json *v);
/* "null" "boolean" "integer" "number" "string" "array" "object"; "nothing" for NULL */
const char *json_type_name(const struct json *v);

#define json_each(v, var) for (struct json *var = (v) ? (v)->child : NULL; var; var = var->next)

/* The writer. Commas are put by itself; nesting is the caller's to balance. */
struct json_writer {
    struct buf *out;
    bool comma; /* a value was just written on this level */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);
void json_null(struct json_writer *w);
void json_bool(struct json_writer *w, bool v);
void json_int(struct json_writer *w, int64_t v);
/* The shortest text that reads back the same; null when v is not finite. */
void json_double(struct json_writer *w, double v);
void json_string(struct json_writer *w, struct str s); /* bytes that are not UTF-8 become U+FFFD */
void json_stringz(struct json_writer *w, const char *z);       /* NULL writes null */
void json_raw(struct json_writer *w, struct str already_json); /* a span, unchanged */

/* Key and value in one call; a str whose p is NULL writes null. */
void json_member_string(struct json_writer *w, const char *key, const char *z);
void json_member_str(struct json_writer *w, const char *key, struct str s);
void json_member_int(struct json_writer *w, const char *key, int64_t v);
void json_member_double(struct json_writer *w, const char *key, double v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
/* An array of texts, of a list that ends with NULL; NULL is an empty one. */
void json_member_list(struct json_writer *w, const char *key, const char *const *list);
void json_member_null(struct json_writer *w, const char *key);
void json_member_raw(struct json_writer *w, const char *key, struct str already_json);
/* Re-serialises a value compactly from its tree (keys in order). */
void json_value(struct json_writer *w, const struct json *v);
