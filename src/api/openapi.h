/* SPDX-License-Identifier: Apache-2.0 */
/* What the OpenAPI document says beside the route table: schemas of what goes in and out. */
#pragma once

#include "base/str.h"

#include <stddef.h>

/* A schema that others refer to by its name. One more, "SKU", is made of the server's hardware. */
struct openapi_schema {
    const char *name;
    const char *json;
};
extern const struct openapi_schema OPENAPI_SCHEMAS[];
extern const size_t OPENAPI_N_SCHEMAS;

enum openapi_shape {
    OPENAPI_ONE,   /* the schema itself */
    OPENAPI_LIST,  /* a bare array of it */
    OPENAPI_PAGE,  /* {next, previous, results} */
    OPENAPI_WHOLE, /* a page that has everything, and takes no cursor */
    OPENAPI_EMPTY, /* no body */
    OPENAPI_OTHER, /* a body of `type` that is not JSON */
};

/* One operation of the route table, found by its name. */
struct openapi_operation {
    const char *name;
    const char *query;   /* JSON text of parameter objects with commas between; NULL: none */
    const char *request; /* name of the body's schema; NULL: none */
    const char *takes;   /* media type of a body that is not JSON */
    int status;          /* of success */
    enum openapi_shape shape;
    const char *answer; /* name of a schema */
    const char *type;   /* OPENAPI_OTHER */
    const char *also;   /* a further media type of the answer, beside JSON; NULL: none */
    bool body_is_optional;
};
extern const struct openapi_operation OPENAPI_OPERATIONS[];
extern const size_t OPENAPI_N_OPERATIONS;

/* For tables of JSON in C: the text of the arguments. White space runs become one space. */
#define OPENAPI_JSON(...) #__VA_ARGS__
