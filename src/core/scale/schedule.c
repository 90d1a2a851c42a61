/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/schedule.h"

#include "base/compiler.h"
#include "base/utf8.h"

#include <stdio.h>

enum {
    MINUTE_MS = 60000,
    EPOCH_DAY = 3 /* 1970 began on a Thursday */,
    MOST_MIN = 10000,
    MAX_SHOWN = 60
};

static const char *const DAYS[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static int minute_of_week(int64_t ms)
{
    return (int)((ms / MINUTE_MS + EPOCH_DAY * DAY_MINUTES) % WEEK_MINUTES);
}

static int length(const struct scale_hours *h)
{
    return h->until > h->from ? h->until - h->from : h->until - h->from + DAY_MINUTES;
}

int scale_schedule_min(const struct scale_schedule *s, int otherwise, int64_t now,
                       int64_t *out_next)
{
    int at = minute_of_week(now), next = WEEK_MINUTES + 1, best = -1;

    for (int i = 0; i < s->n; i++) {
        const struct scale_hours *h = &s->rows[i];

        for (int d = 0; d < 7; d++) {
            int from = d * DAY_MINUTES + h->from, since;

            if (!(h->days & 1u << d))
                continue;
            since = (at - from + WEEK_MINUTES) % WEEK_MINUTES;
            if (since < length(h)) {
                best = MAX(best, h->min);
                next = MIN(next, length(h) - since);
            } else {
                next = MIN(next, WEEK_MINUTES - since);
            }
        }
    }
    *out_next = next > WEEK_MINUTES ? INT64_MAX : (now / MINUTE_MS + next) * MINUTE_MS;
    return best < 0 ? otherwise : best;
}

/* "08:30"; "24:00" is midnight at the end. */
static bool read_time(struct str s, int *out)
{
    int h, m;

    if (s.n != 5 || s.p[2] != ':')
        return false;
    for (int i = 0; i < 5; i++)
        if (i != 2 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    h = (s.p[0] - '0') * 10 + s.p[1] - '0';
    m = (s.p[3] - '0') * 10 + s.p[4] - '0';
    *out = h * 60 + m;
    return m < 60 && *out <= DAY_MINUTES;
}

static bool read_days(const struct json *v, unsigned *out)
{
    *out = 0;
    if (!v || json_is(v, JSON_NULL)) {
        *out = 127;
        return true;
    }
    json_each (v, day) {
        int at = 0;

        while (at < 7 && !str_is(json_to_str(day), DAYS[at]))
            at++;
        if (at == 7)
            return false;
        *out |= 1u << at;
    }
    return json_is(v, JSON_ARRAY) && *out;
}

/* What was given, as a message shows it. */
static struct str shown(const struct json *v)
{
    return v ? str_make(v->span.p, utf8_prefix(v->span, MAX_SHOWN)) : STR("missing");
}

static enum status read_row(const struct json *v, int number, struct scale_hours *out,
                            struct error *err)
{
    int64_t min = -1;

    if (!json_is(v, JSON_OBJECT))
        return FAIL(
            err, STATUS_INVALID,
            "Entry %d of schedule is %.*s; it must be an object such as {\"from\": \"08:00\", "
            "\"to\": \"18:30\", \"min_instances\": 1}.",
            number, STR_ARG(shown(v)));
    json_each (v, member)
        if (!str_is(member->key, "days") && !str_is(member->key, "from") &&
            !str_is(member->key, "to") && !str_is(member->key, "min_instances"))
            return FAIL(err, STATUS_INVALID,
                        "Entry %d of schedule has a key that is not known: \"%.*s\". Known are "
                        "days, from, to and min_instances.",
                        number, (int)MIN(member->key.n, (size_t)60), member->key.p);
    if (!read_days(json_get(v, "days"), &out->days))
        return FAIL(err, STATUS_INVALID,
                    "Entry %d of schedule: days is %.*s; it must be a list of mon, tue, wed, thu, "
                    "fri, sat and sun (without it: each day).",
                    number, STR_ARG(shown(json_get(v, "days"))));
    if (!read_time(json_to_str(json_get(v, "from")), &out->from) || out->from == DAY_MINUTES ||
        !read_time(json_to_str(json_get(v, "to")), &out->until) || out->from == out->until)
        return FAIL(
            err, STATUS_INVALID,
            "Entry %d of schedule: from is %.*s and to is %.*s; they must be different times "
            "of the day in UTC, such as \"08:00\" and \"18:30\".",
            number, STR_ARG(shown(json_get(v, "from"))), STR_ARG(shown(json_get(v, "to"))));
    if (!json_to_i64(json_get(v, "min_instances"), &min) || min < 0 || min > MOST_MIN)
        return FAIL(err, STATUS_INVALID,
                    "Entry %d of schedule: min_instances is %.*s; it must be an integer from 0 to "
                    "%d.",
                    number, STR_ARG(shown(json_get(v, "min_instances"))), MOST_MIN);
    out->min = (int)min;
    return STATUS_OK;
}

enum status scale_schedule_read(const struct json *list, struct scale_schedule *out,
                                struct error *err)
{
    struct scale_schedule s = { .n = 0 };

    if (!json_is(list, JSON_ARRAY))
        return FAIL(err, STATUS_INVALID,
                    "The schedule must be a list of objects such as {\"from\": \"08:00\", \"to\": "
                    "\"18:30\", "
                    "\"min_instances\": 1}, not %s.",
                    json_type_name(list));
    if (list->n > SCALE_MAX_HOURS)
        return FAIL(err, STATUS_INVALID, "The schedule has %zu entries; %d is the limit.", list->n,
                    SCALE_MAX_HOURS);
    json_each (list, v) {
        enum status st = read_row(v, s.n + 1, &s.rows[s.n], err);

        if (st != STATUS_OK)
            return st;
        s.n++;
    }
    *out = s;
    return STATUS_OK;
}

static void write_time(struct json_writer *w, const char *key, int minutes)
{
    char text[8];

    (void)snprintf(text, sizeof(text), "%02d:%02d", minutes / 60 % 25, minutes % 60);
    json_member_string(w, key, text);
}

void scale_schedule_write(const struct scale_schedule *s, struct json_writer *w)
{
    json_begin_array(w);
    for (int i = 0; i < s->n; i++) {
        const struct scale_hours *h = &s->rows[i];

        json_begin_object(w);
        json_key(w, "days");
        json_begin_array(w);
        for (int d = 0; d < 7; d++)
            if (h->days & 1u << d)
                json_stringz(w, DAYS[d]);
        json_end_array(w);
        write_time(w, "from", h->from);
        write_time(w, "to", h->until);
        json_member_int(w, "min_instances", h->min);
        json_end_object(w);
    }
    json_end_array(w);
}
