/* SPDX-License-Identifier: Apache-2.0 */
/* The front in OpenAI's form: their requests over our deployments. */
#pragma once

#include "api/api.h"

/* What was asked for, read from a body. Texts live in the request's arena. */
struct openai_request {
    bool is_chat;
    const char *model; /* as given: "owner/name" */
    struct json *body;
    struct json *properties; /* of the version's Input */
    bool streams, includes_usage;
    int64_t max_tokens; /* 0: not given */
};

/* {"error": {message, type, param, code}}; param and code may be NULL. */
void openai_problem(struct http_request *r, int status, const char *type, const char *param,
                    const char *code, const char *fmt, ...) PRINTF(6, 7);
/* The object of that form, alone. */
void openai_write_error(struct json_writer *w, const char *type, const char *param,
                        const char *code, struct str text);
bool openai_is(const struct http_request *r); /* whether this front is asked, by whatever path */
/* For the listener: a problem of this front has its form, wherever it comes from. False: it is none
 * of this front. */
bool openai_refuse(struct http_request *r, int status, struct str detail);
/* The model's input from the request, by the names that the version's schema has. False: a problem
 * was answered. */
bool openai_map_input(struct http_request *r, const struct openai_request *q, struct buf *out);
/* Makes the prediction and answers the request with what becomes of it. */
void openai_tell(struct http_request *r, const struct openai_request *q,
                 const struct prediction_spec *spec);
