/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled form of an input schema, shared by the files input*.c and by nobody else.
 *
 * input_compile.c makes the tree, input_check.c validates, input_problem.c, input_rules.c,
 * input_pattern.c and input_unique.c are its parts, input_text.c writes values the way Replicate's
 * messages do, input.c holds the public functions and the copy that instances get, input_mask.c the
 * copy that is stored, input_output.c the facts of the Output component, input_uri.c finds
 * addresses. */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/map.h"
#include "core/decimal.h"
#include "core/input.h"

#include <pcre2.h>

/* Bits of schema_node.types: 1 << type of JSON, with a bit of its own for integers. */
enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
};

/* Facts that hold for a node and whatever its value goes through (references and combinations). */
enum {
    IS_SECRET = 1,
    HAS_SECRET = 2,  /* it, or something below it */
    HAS_INTEGER = 4, /* it, or something below it, asks for an integer */
    HAS_URI = 8,     /* it, or something below it, is an address */
    HAS_LOOSE = 16,  /* nothing is said of it, or of something below it */
};

struct schema_node;

struct node_list {
    struct schema_node **at;
    size_t n;
};

struct number_limit {
    bool is_set;
    long double value;
    struct decimal exact;
    char text[40]; /* as messages show it */
};

/* A name of `properties` or `required`, or of both. */
struct schema_property {
    struct str name;
    size_t index;
    bool is_required;
    struct schema_node *node;  /* NULL: only required */
    const struct json *preset; /* the default; NULL: none */
};

struct schema_node {
    const struct json *source;
    struct schema_node *chain; /* all nodes of a schema */
    struct schema_node *ref;   /* then nothing but is_nullable and the facts count */
    bool is_false;             /* the schema `false` */
    bool is_nullable;
    bool is_uri;
    bool has_additional; /* additionalProperties is there, and not false: unknown keys are meant */
    bool no_additional;
    bool is_unique;
    unsigned facts;
    unsigned types; /* 0: any */
    const char *types_text;
    struct node_list all_of, any_of, one_of;
    struct schema_node *negated, *items, *additional;
    const struct json *choices, *constant;
    const char *choices_text, *constant_text;
    struct number_limit minimum, maximum, above, below, multiple_of;
    int64_t min_length, max_length, min_items, max_items; /* -1: none */
    pcre2_code *pattern;
    const char *pattern_text;
    bool has_properties;
    struct map by_name; /* to struct schema_property */
    struct schema_property *properties;
    size_t n_properties;
    struct schema_property **required;
    size_t n_required;
};

struct input_schema {
    struct arena arena;
    struct schema_node *root;  /* NULL: takes everything */
    struct schema_node *nodes; /* all, through `chain` */
};

/* input_compile.c: NULL when `source` is neither an object nor a boolean. */
struct schema_node *schema_compile(struct input_schema *s, const struct json *document,
                                   const struct json *source);
/* The value that "#/a/b" names in the document; NULL when there is none. */
const struct json *schema_resolve(const struct json *document, struct str ref);

/* input_check.c: one validation. */
struct check {
    struct arena *arena; /* of the problems; NULL: nobody wants to read them */
    struct input_problem *first, *last;
    size_t n_problems;
    size_t steps;    /* what it may still cost */
    unsigned depth;  /* of recursion */
    unsigned trials; /* > 0: inside of a try whose problems do not count */
    bool is_literal; /* "nullable" is left out of account */
    bool gave_up;
};

void check_init(struct check *c, struct arena *a, const struct json *value);
/* Whether the value is valid; problems are collected when there is an arena. */
bool check_value(struct check *c, const struct schema_node *node, const struct json *v);
/* The same without collecting. */
bool check_try(struct check *c, const struct schema_node *node, const struct json *v);

/* input_unique.c: the pairs of equal elements, as for each one the nearest equal one before it (or
 * SIZE_MAX). NULL when all differ. To be freed. */
size_t *find_repeats(const struct json *array, size_t *steps);

/* input_pattern.c: a search that gives up after a time that depends on the text's length only, and
 * takes what it used from *steps. */
pcre2_code *pattern_compile(struct str pattern); /* NULL: not understood */
bool pattern_matches(const pcre2_code *code, struct str subject, size_t *steps);

/* input_text.c */
long double number_of(struct str number);
void number_limit_set(struct number_limit *limit, const struct json *v);
/* JSON as Replicate writes it into messages: compact, whole numbers without a fraction, <, > and &
 * escaped. */
void message_value(struct buf *out, const struct json *v);
