/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas and inputs from one-line texts, for the tests of core/input. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/input.h"

/* Single quotes stand for double ones, so that tables can be read. */
static UNUSED char *unquoted(struct arena *a, const char *text)
{
    char *copy = arena_copy(a, str_of(text));

    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    return copy;
}

/* `schemas` are the members of components.schemas. */
static UNUSED struct input_schema *schema_of(struct arena *a, const char *schemas)
{
    const char *document =
        arena_printf(a, "{\"components\":{\"schemas\":{%s}}}", unquoted(a, schemas));
    struct input_schema *s = NULL;
    struct error err = { 0 };

    if (input_schema_new(str_of(document), "Input", &s, &err))
        fail_msg("%s: %s", err.text, document);
    return s;
}

/* A schema whose Input has this one property "x". */
static UNUSED struct input_schema *schema_of_x(struct arena *a, const char *x)
{
    return schema_of(a, arena_printf(a, "'Input':{'type':'object','properties':{'x':%s}}", x));
}

static UNUSED struct json *json_of(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct error err = { 0 };

    if (json_parse(a, str_of(unquoted(a, text)), NULL, &v, &err))
        fail_msg("%s: %s", err.text, text);
    return v;
}

/* "type field description" of each problem, with " | " between; "" when valid. */
static UNUSED const char *problems_of(struct arena *a, const struct input_schema *s,
                                      const struct json *input)
{
    const char *text = "";

    for (const struct input_problem *p = input_validate(s, a, input); p; p = p->next)
        text = arena_printf(a, "%s%s%s %s: %s", text, *text ? " | " : "", p->type, p->field,
                            p->description);
    return text;
}
