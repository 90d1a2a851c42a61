/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/scale.h"
#include "core/scale/settings.h"

#include <string.h>

struct faults {
    const char **key;
    struct error *err;
};

static void on_fault(void *arg, const char *key, const struct error *err)
{
    struct faults *f = arg;

    *f->key = key;
    *f->err = *err;
}

static enum status change(struct scale_settings *s, const char *text, const char **key,
                          struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v;

    assert_int_equal(json_parse(&a, str_of(text), NULL, &v, err), STATUS_OK);
    return scale_settings_change(s, v, on_fault, &(struct faults){ key, err });
}

static void members(void **state)
{
    static const char text[] =
        "{\"target_wait\":1.5,\"keep_alive\":\"auto\",\"max_queue\":7,\"max_cost_per_hour\":1.25,"
        "\"weight\":3,\"schedule\":[{\"days\":[\"mon\",\"fri\"],\"from\":\"08:00\",\"to\":\"24:"
        "00\","
        "\"min_instances\":2}]}";
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct scale_settings s, back;
    struct json_writer w;
    struct error err;
    const char *key;

    (void)state;
    scale_settings_init(&s);
    assert_int_equal(scale_target_ms(&s, 0), 30000);
    assert_int_equal(scale_target_ms(&s, 1), 10000);
    assert_int_equal(change(&s, text, &key, &err), STATUS_OK);
    json_writer_init(&w, &b);
    scale_settings_write(&s, &w);
    assert_string_equal(b.p, text);
    assert_int_equal(scale_target_ms(&s, 0), 1500);
    assert_int_equal(s.max_cost_nano, 1250000000);
    assert_int_equal(scale_affordable(&s, 9, 100000), 3); /* 0.36 an hour each */
    assert_int_equal(scale_affordable(&s, 2, 100000), 2);
    assert_int_equal(scale_affordable(&s, 9, 0), 9);
    assert_int_equal(
        change(&s, "{\"keep_alive\":\"1m\",\"target_wait\":null,\"schedule\":null}", &key, &err),
        STATUS_OK);
    assert_int_equal(s.keep_alive_ms, 60000);
    assert_int_equal(s.target_wait_ms, SCALE_NOT_SET);
    assert_int_equal(s.schedule.n, 0);
    scale_settings_load(&back, STR("{\"other\":1,\"scaling\":{\"max_queue\":3,\"new\":1}}"));
    assert_int_equal(back.max_queue, 3);
    scale_settings_load(&back, STR("not json"));
    assert_int_equal(back.max_queue, SCALE_NOT_SET);
}

static void refusals(void **state)
{
    static const struct {
        const char *text, *key, *says;
    } rows[] = {
        { "3", NULL, "must be an object" },
        { "{\"waits\":3}", NULL, "\"waits\" is not known" },
        { "{\"target_wait\":-1}", "target_wait", "-1 is not a target_wait" },
        { "{\"target_wait\":\"auto\"}", "target_wait", "seconds" },
        { "{\"keep_alive\":\"soon\"}", "keep_alive", "\"auto\"" },
        { "{\"keep_alive\":700000}", "keep_alive", "7 days" },
        { "{\"max_queue\":0}", "max_queue", "from 1" },
        { "{\"weight\":0}", "weight", "from 1 to 1000" },
        { "{\"max_cost_per_hour\":0}", "max_cost_per_hour", "above 0" },
        { "{\"max_cost_per_hour\":\"1\"}", "max_cost_per_hour", "number" },
        { "{\"schedule\":{}}", "schedule", "list" },
        { "{\"schedule\":[{\"from\":\"8:00\",\"to\":\"09:00\",\"min_instances\":1}]}", "schedule",
          "times of the day" },
        { "{\"schedule\":[{\"from\":\"08:00\",\"to\":\"24:30\",\"min_instances\":1}]}", "schedule",
          "times of the day" },
        { "{\"schedule\":[{\"days\":[\"Mo\"],\"from\":\"08:00\",\"to\":\"09:00\","
          "\"min_instances\":1}]}",
          "schedule", "days" },
        { "{\"schedule\":[{\"from\":\"08:00\",\"to\":\"09:00\"}]}", "schedule", "min_instances" },
        { "{\"schedule\":[{\"zone\":\"UTC\"}]}", "schedule", "zone" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct scale_settings s, before;
        struct error err;
        const char *key;

        scale_settings_init(&s);
        before = s;
        assert_int_equal(change(&s, rows[i].text, &key, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, rows[i].says));
        assert_memory_equal(&s, &before, sizeof(s));
        if (rows[i].key)
            assert_string_equal(key, rows[i].key);
        else
            assert_null(key);
    }
}

static void too_many_hours(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(10000);
    struct scale_settings s;
    struct error err;
    const char *key;

    (void)state;
    scale_settings_init(&s);
    buf_adds(&b, "{\"schedule\":[");
    for (int i = 0; i <= SCALE_MAX_HOURS; i++)
        buf_addf(&b, "%s{\"from\":\"01:00\",\"to\":\"02:00\",\"min_instances\":1}", i ? "," : "");
    buf_adds(&b, "]}");
    assert_int_equal(change(&s, b.p, &key, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "32 is the limit"));
}

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(time_parse(str_of(text), &ms));
    return ms;
}

static void hours(void **state)
{
    static const struct {
        const char *now;
        int min;
        const char *next;
    } rows[] = {
        { "2026-11-23T07:59:30Z", 1, "2026-11-23T08:00:00Z" }, /* a Monday */
        { "2026-11-23T08:00:00Z", 3, "2026-11-23T18:00:00Z" },
        { "2026-11-23T18:00:00Z", 1, "2026-11-24T08:00:00Z" },
        { "2026-11-28T12:00:00Z", 1, "2026-11-28T22:00:00Z" }, /* Saturday */
        { "2026-11-28T23:00:00Z", 2, "2026-11-29T02:00:00Z" },
        { "2026-11-29T01:59:59Z", 2, "2026-11-29T02:00:00Z" },
        { "2026-11-29T02:00:00Z", 1, "2026-11-30T08:00:00Z" },
    };
    struct scale_settings s;
    struct error err;
    const char *key;
    int64_t next;

    (void)state;
    scale_settings_init(&s);
    assert_int_equal(scale_schedule_min(&s.schedule, 1, 0, &next), 1);
    assert_true(next == INT64_MAX);
    assert_int_equal(change(&s,
                            "{\"schedule\":[{\"days\":[\"mon\",\"tue\"],\"from\":\"08:00\",\"to\":"
                            "\"18:00\",\"min_instances\":3},{\"days\":[\"sat\"],\"from\":\"22:00\","
                            "\"to\":\"02:00\",\"min_instances\":2}]}",
                            &key, &err),
                     STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(scale_schedule_min(&s.schedule, 1, at(rows[i].now), &next), rows[i].min);
        if (next != at(rows[i].next))
            fail_msg("%s: %lld, not %s", rows[i].now, (long long)next, rows[i].next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(refusals),
        cmocka_unit_test(too_many_hours),
        cmocka_unit_test(hours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
