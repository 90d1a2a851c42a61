/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on standard error: text on a terminal, one JSON object a line otherwise.
 *
 *   log_info("prediction ended", LOG_S("prediction", id), LOG_I("ms", took));
 *
 * Never pass anything secret: tokens, capabilities, inputs. */
#pragma once

#include "base/status.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE } type;
    struct str s;
    int64_t i;
    double d;
};

/* clang-format off */
#define LOG_S(k, z)   { .key = (k), .type = LOG_FIELD_STR, .s = str_of(z) }
#define LOG_STR(k, v) { .key = (k), .type = LOG_FIELD_STR, .s = (v) }
#define LOG_I(k, v)   { .key = (k), .type = LOG_FIELD_INT, .i = (int64_t)(v) }
#define LOG_D(k, v)   { .key = (k), .type = LOG_FIELD_DOUBLE, .d = (v) }
/* clang-format on */
#define LOG_ERR(e) LOG_S("error", (e)->text), LOG_S("where", (e)->where)

void log_setup(enum log_level least, enum log_format format, int fd);
bool log_level_parse(struct str s, enum log_level *out);
/* From here on each line names this request (which must live until it is taken back), unless it
 * does so itself; NULL: none. Of this thread alone. */
void log_about(const char *request);
void log_emit(enum log_level level, const char *text, const struct log_field *fields);

/* The list ends with an entry whose key is NULL. */
#define log_at(level, text, ...)                                                                   \
    log_emit((level), (text),                                                                      \
             (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .key = NULL } })
#define log_debug(text, ...)   log_at(LOG_DEBUG, (text)__VA_OPT__(, ) __VA_ARGS__)
#define log_info(text, ...)    log_at(LOG_INFO, (text)__VA_OPT__(, ) __VA_ARGS__)
#define log_warning(text, ...) log_at(LOG_WARNING, (text)__VA_OPT__(, ) __VA_ARGS__)
#define log_error(text, ...)   log_at(LOG_ERROR, (text)__VA_OPT__(, ) __VA_ARGS__)
