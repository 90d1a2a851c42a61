/* SPDX-License-Identifier: Apache-2.0 */
/* The whole vocabulary of outcomes, and the error value that travels with one.
 *
 * Answers (NOT_FOUND, CONFLICT, BUSY ...) are handled by the caller; faults (BROKEN, UNREACHABLE)
 * travel up untouched. Whoever finally swallows an error logs it. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>

/* name, HTTP code, may be tried again, text */
#define STATUS_TABLE(X)                                                                            \
    X(OK, 200, false, "ok")                                                                        \
    X(INVALID, 400, false, "the request is not valid")                                             \
    X(UNAUTHENTICATED, 401, false, "no valid token was given")                                     \
    X(FORBIDDEN, 403, false, "this account may not do that")                                       \
    X(NOT_FOUND, 404, false, "no such object")                                                     \
    X(METHOD, 405, false, "the path does not take this method")                                    \
    X(SLOW, 408, false, "the request took too long to arrive")                                     \
    X(CONFLICT, 409, false, "the object exists or changed meanwhile")                              \
    X(TOO_LARGE, 413, false, "larger than the limit")                                              \
    X(URI_TOO_LONG, 414, false, "the request line is too long")                                    \
    X(MEDIA_TYPE, 415, false, "the media type is not understood")                                  \
    X(EXPECTATION, 417, false, "the expectation cannot be met")                                    \
    X(UNPROCESSABLE, 422, false, "the request cannot be carried out")                              \
    X(BUSY, 429, true, "no capacity just now")                                                     \
    X(HEADERS_TOO_LARGE, 431, false, "the header fields are too large")                            \
    X(BROKEN, 500, false, "internal error")                                                        \
    X(UNSUPPORTED, 501, false, "not supported")                                                    \
    X(UNREACHABLE, 503, true, "a backend does not answer")                                         \
    X(TIMED_OUT, 504, true, "a backend did not answer in time")                                    \
    X(DISK_FULL, 507, true, "no space left")                                                       \
    X(CANCELED, 500, false, "canceled")

enum status {
#define X(name, http, retry, text) STATUS_##name,
    STATUS_TABLE(X)
#undef X
        STATUS_COUNT
};

const char *status_name(enum status s);
const char *status_text(enum status s);
int status_http(enum status s);
bool status_retryable(enum status s);

/* A plain value; nothing to free. `text` is a sentence for the one who gets the answer. */
struct error {
    enum status status;
    const char *where; /* "file.c:123" */
    char text[512];
};

/* Fills *err (which may be NULL) and yields the status: return FAIL(err, STATUS_X, "...", ...); */
#define FAIL(err, st, ...) error_set((err), (st), __FILE__ ":" STATUS_STR(__LINE__), __VA_ARGS__)
#define STATUS_STR(x)      STATUS_STR_(x)
#define STATUS_STR_(x)     #x

enum status error_set(struct error *err, enum status st, const char *where, const char *fmt, ...)
    PRINTF(4, 5);

/* Puts "context: " before the text already there. */
void error_context(struct error *err, const char *fmt, ...) PRINTF(2, 3);
