/* SPDX-License-Identifier: Apache-2.0 */
/* What the files input_check.c, input_rules.c and input_problem.c share. */
#pragma once

#include "core/input_impl.h"

/* Where a value stands: a list that lives on the stack, innermost first. */
struct path {
    const struct path *up; /* NULL: the input itself */
    struct str name;       /* p == NULL: an element of an array */
    size_t index;
};

struct tally {
    size_t problems;
    int64_t score;
};

/* input_problem.c */
bool is_recording(const struct check *c);
/* "steps" or "images.0": the place without "input" before it; "input" for the input itself. "" when
 * nobody will read it. */
const char *place(struct check *c, const struct path *at);
/* Counts a problem, and notes it when somebody wants to read it. */
void problem(struct check *c, struct tally *t, const struct path *at, const char *type,
             const char *fmt, ...) PRINTF(5, 6);
/* A problem whose text names a key of the input between two pieces. */
void problem_of_name(struct check *c, struct tally *t, const struct path *at, const char *type,
                     const char *before, struct str name, const char *after);
/* Ends the validation; told once, even when it happened in a try. */
void give_up(struct check *c, struct tally *t, const struct path *at, const char *why);

/* input_rules.c: the rules that look at one value alone */
bool type_fits(const struct schema_node *n, const struct json *v, const char **out_given);
void check_common(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t); /* constant, enumeration, format */
void check_number(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t);
void check_string(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t);
void check_length(struct check *c, const struct schema_node *n, const struct json *v,
                  const struct path *at, struct tally *t); /* of an array, and uniqueness */
