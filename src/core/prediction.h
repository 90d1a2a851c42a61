/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a prediction and which may follow which. This table is the only place that knows.
 */
#pragma once

#include "base/str.h"

/* name, text, terminal */
#define PREDICTION_STATUS_TABLE(X)                                                                 \
    X(STARTING, "starting", false)                                                                 \
    X(PROCESSING, "processing", false)                                                             \
    X(SUCCEEDED, "succeeded", true)                                                                \
    X(FAILED, "failed", true)                                                                      \
    X(CANCELED, "canceled", true)                                                                  \
    X(ABORTED, "aborted", true)

enum prediction_status {
#define X(name, text, terminal) PREDICTION_##name,
    PREDICTION_STATUS_TABLE(X)
#undef X
        PREDICTION_STATUS_COUNT
};

const char *prediction_status_text(enum prediction_status s);
bool prediction_status_parse(struct str s, enum prediction_status *out);
bool prediction_is_terminal(enum prediction_status s);
/* Whether a prediction may go from one status to another. Never out of a terminal one, never from
 * processing back to starting (a run that is tried again keeps "processing"); a status may follow
 * itself: a new attempt. From starting straight to any end: a short run can be over before anybody
 * heard that it began. Only what has not begun is aborted. */
bool prediction_may_become(enum prediction_status from, enum prediction_status to);

/* Bits of `webhook_events_filter`. */
enum webhook_event {
    WEBHOOK_START = 1,
    WEBHOOK_OUTPUT = 2,
    WEBHOOK_LOGS = 4,
    WEBHOOK_COMPLETED = 8
};
enum { WEBHOOK_DEFAULT = WEBHOOK_OUTPUT | WEBHOOK_COMPLETED };
