/* SPDX-License-Identifier: Apache-2.0 */
#include "core/prediction.h"

#define TO(name) (1U << PREDICTION_##name)

/* A short run can be over before anybody heard that it had begun, so every end but "aborted" is
 * reached from both; aborted means that the deadline passed before the run. */
static const unsigned may_follow[PREDICTION_STATUS_COUNT] = {
    [PREDICTION_STARTING] =
        TO(STARTING) | TO(PROCESSING) | TO(SUCCEEDED) | TO(FAILED) | TO(CANCELED) | TO(ABORTED),
    [PREDICTION_PROCESSING] = TO(PROCESSING) | TO(SUCCEEDED) | TO(FAILED) | TO(CANCELED),
};

static const struct {
    const char *text;
    bool is_terminal;
} rows[PREDICTION_STATUS_COUNT] = {
#define X(name, text, terminal) [PREDICTION_##name] = { text, terminal },
    PREDICTION_STATUS_TABLE(X)
#undef X
};

const char *prediction_status_text(enum prediction_status s)
{
    return rows[s].text;
}

bool prediction_status_parse(struct str s, enum prediction_status *out)
{
    for (unsigned i = 0; i < PREDICTION_STATUS_COUNT; i++) {
        if (str_is(s, rows[i].text)) {
            *out = (enum prediction_status)i;
            return true;
        }
    }
    return false;
}

bool prediction_is_terminal(enum prediction_status s)
{
    return rows[s].is_terminal;
}

bool prediction_may_become(enum prediction_status from, enum prediction_status to)
{
    return (may_follow[from] & (1U << to)) != 0;
}
