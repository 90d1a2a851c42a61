/* SPDX-License-Identifier: Apache-2.0 */
/* Minimums by the hour of the week, in UTC. */
#pragma once

#include "base/json.h"

enum { SCALE_MAX_HOURS = 32, DAY_MINUTES = 1440, WEEK_MINUTES = 7 * DAY_MINUTES };

struct scale_hours {
    unsigned days;   /* bit 0: Monday */
    int from, until; /* minutes of the day; until <= from: it ends on the next day */
    int min;         /* instances */
};

struct scale_schedule {
    struct scale_hours rows[SCALE_MAX_HOURS];
    int n;
};

/* The minimum at a time: the largest of the rows that hold, or `otherwise` where none does. When it
 * may change next goes to *out_next (ms; INT64_MAX: never). */
int scale_schedule_min(const struct scale_schedule *s, int otherwise, int64_t now,
                       int64_t *out_next);

/* [{"days": ["mon", "fri"], "from": "08:00", "to": "18:00", "min_instances": 2}]; without days:
 * each day. INVALID names what is wrong. */
enum status scale_schedule_read(const struct json *list, struct scale_schedule *out,
                                struct error *err) NODISCARD;
void scale_schedule_write(const struct scale_schedule *s, struct json_writer *w);
