/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/canary.h"

#include <string.h>

enum { MOST_FAULTS = 4 };

struct faults {
    const char *paths[MOST_FAULTS];
    char texts[MOST_FAULTS][200];
    size_t n;
};

static void on_fault(void *arg, const char *path, const struct error *err)
{
    struct faults *f = arg;

    assert_true(f->n < MOST_FAULTS);
    f->paths[f->n] = path;
    (void)snprintf(f->texts[f->n++], sizeof(f->texts[0]), "%.199s", err->text);
}

static enum status change(struct canary_terms *t, const char *text, struct faults *f)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct error err;
    struct json *v;

    *f = (struct faults){ .n = 0 };
    assert_int_equal(json_parse(&a, str_of(text), NULL, &v, &err), STATUS_OK);
    return canary_terms_change(t, v, on_fault, f);
}

static void terms(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct canary_terms t;
    struct json_writer w;
    struct faults f;

    (void)state;
    canary_terms_init(&t);
    assert_false(t.is_set);
    assert_int_equal(change(&t, "{\"canary\":{}}", &f), STATUS_OK);
    assert_true(t.is_set);
    assert_int_equal(canary_term(&t, CANARY_SHARE), 100000);
    assert_int_equal(canary_term(&t, CANARY_SECONDS), 600);
    assert_int_equal(canary_term(&t, CANARY_MAX_ERRORS), 50000);
    assert_int_equal(canary_term(&t, CANARY_MAX_LATENCY), 2000);
    assert_int_equal(canary_term(&t, CANARY_MIN_REQUESTS), 20);
    assert_int_equal(change(&t, "{\"canary\":{\"share\":0.25,\"max_error_rate\":0}}", &f),
                     STATUS_OK);
    assert_int_equal(canary_term(&t, CANARY_SHARE), 250000);
    assert_int_equal(canary_term(&t, CANARY_MAX_ERRORS), 0);
    json_writer_init(&w, &b);
    canary_terms_write(&t, false, &w);
    assert_true(str_is(buf_str(&b), "{\"canary\":{\"share\":0.25,\"max_error_rate\":0}}"));
    canary_terms_load(&t, STR("{\"scaling\":{},\"rollout\":{\"canary\":{\"seconds\":9}}}"));
    assert_int_equal(canary_term(&t, CANARY_SECONDS), 9);
    assert_int_equal(canary_term(&t, CANARY_SHARE), 100000);
    assert_int_equal(change(&t, "{\"canary\":{\"seconds\":null}}", &f), STATUS_OK);
    assert_int_equal(canary_term(&t, CANARY_SECONDS), 600);
    assert_int_equal(change(&t, "{\"canary\":null}", &f), STATUS_OK);
    assert_false(t.is_set);
    canary_terms_load(&t, STR("{\"scaling\":{}}"));
    assert_false(t.is_set);
}

static void terms_that_are_not_right(void **state)
{
    static const struct {
        const char *text, *path, *says;
    } rows[] = {
        { "[]", NULL, "must be an object" },
        { "{\"blue\":1}", NULL, "\"blue\" is not known" },
        { "{\"canary\":true}", "canary", "must be an object" },
        { "{\"canary\":{\"part\":1}}", "canary", "\"part\" is not known" },
        { "{\"canary\":{\"share\":0.95}}", "canary/share",
          "0.95 is not right: share must be a number" },
        { "{\"canary\":{\"share\":\"0.1\"}}", "canary/share", "from 0.001 to 0.9" },
        { "{\"canary\":{\"share\":0.0005}}", "canary/share", "from 0.001 to 0.9" },
        { "{\"canary\":{\"seconds\":0}}", "canary/seconds", "from 1 to 604800" },
        { "{\"canary\":{\"seconds\":604801}}", "canary/seconds", "604801" },
        { "{\"canary\":{\"seconds\":1.5}}", "canary/seconds",
          "1.5 is not right: seconds must be a whole number from 1 to 604800." },
        { "{\"canary\":{\"max_error_rate\":1.01}}", "canary/max_error_rate", "from 0 to 1" },
        { "{\"canary\":{\"max_latency_ratio\":1}}", "canary/max_latency_ratio", "from 1.2" },
        { "{\"canary\":{\"min_requests\":100001}}", "canary/min_requests", "from 1 to 100000" },
    };
    struct canary_terms t;
    struct faults f;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        canary_terms_init(&t);
        assert_int_equal(change(&t, rows[i].text, &f), STATUS_INVALID);
        assert_int_equal(f.n, 1);
        assert_true((f.paths[0] == NULL) == (rows[i].path == NULL));
        if (rows[i].path)
            assert_string_equal(f.paths[0], rows[i].path);
        assert_non_null(strstr(f.texts[0], rows[i].says));
        assert_false(t.is_set);
    }
    assert_int_equal(change(&t, "{\"canary\":{\"share\":2,\"seconds\":-1,\"x\":0}}", &f),
                     STATUS_INVALID);
    assert_int_equal(f.n, 3);
}

/* `share` in thousandths; of n predictions. */
static int given(int64_t share, int n)
{
    struct canary_terms t;
    struct canary c;
    int to_new = 0;

    canary_terms_init(&t);
    t.given[CANARY_SHARE] = share * 1000;
    canary_begin(&c, 2, 1, false);
    for (int i = 0; i < n; i++) {
        bool due = canary_is_due(&c, &t);

        canary_sent(&c, &t, due ? CANARY_NEW : CANARY_OLD, true);
        to_new += due;
    }
    assert_int_equal(c.sides[CANARY_NEW].requests, to_new);
    assert_int_equal(c.sides[CANARY_OLD].requests, n - to_new);
    return to_new;
}

static void shares_are_exact(void **state)
{
    (void)state;
    assert_int_equal(given(100, 20), 2);
    assert_int_equal(given(100, 9), 0);
    assert_int_equal(given(100, 10), 1);
    assert_int_equal(given(500, 7), 3);
    assert_int_equal(given(333, 1000), 333);
    assert_int_equal(given(900, 10), 9);
    assert_int_equal(given(1, 999), 0);
    assert_int_equal(given(1, 1000), 1);
}

/* What it could not take, it does not get later. */
static void no_burst_afterwards(void **state)
{
    struct canary_terms t;
    struct canary c;
    int in_a_row = 0;

    (void)state;
    canary_terms_init(&t);
    canary_begin(&c, 2, 1, false);
    for (int i = 0; i < 1000; i++)
        canary_sent(&c, &t, CANARY_OLD, i % 2);
    for (int i = 0; i < 10; i++) {
        bool due = canary_is_due(&c, &t);

        canary_sent(&c, &t, due ? CANARY_NEW : CANARY_OLD, true);
        in_a_row += due;
    }
    assert_int_equal(in_a_row, 1);
}

struct tally {
    int ended, errors;
    int64_t ran_ms;
};

static void count(struct canary *c, enum canary_side side, struct tally n)
{
    for (int i = 0; i < n.ended; i++)
        canary_ended(c, side, i < n.errors, n.ran_ms);
}

static void verdicts(void **state)
{
    static const struct {
        const char *name;
        struct tally new, old;
        int64_t after_s;
        bool is_ready;
        enum canary_state expected;
        const char *says;
    } rows[] = {
        { "nothing yet", { 0 }, { 0 }, 1, true, CANARY_ON, "" },
        { "all is well", { 50, 0, 100 }, { 450, 0, 100 }, 599, true, CANARY_ON, "" },
        { "its time is over",
          { 50, 0, 100 },
          { 450, 0, 100 },
          600,
          true,
          CANARY_PROMOTED,
          "0 of 50 predictions failed on it" },
        { "over, and nothing came", { 0 }, { 0 }, 600, true, CANARY_PROMOTED, "600 seconds" },
        { "over, without an instance", { 50, 0, 100 }, { 450, 0, 100 }, 600, false, CANARY_ON, "" },
        { "one error may be chance", { 1, 1, 0 }, { 9, 0, 100 }, 1, true, CANARY_ON, "" },
        { "two of twenty cannot be made good",
          { 2, 2, 0 },
          { 9, 0, 100 },
          1,
          true,
          CANARY_HALTED,
          "2 of 2 predictions failed on the new release, and 0 of 9 on the old one; "
          "max_error_rate is 0.05" },
        { "as many as may be", { 40, 2, 100 }, { 360, 0, 100 }, 1, true, CANARY_ON, "" },
        { "one more", { 40, 3, 100 }, { 360, 0, 100 }, 1, true, CANARY_HALTED, "3 of 40" },
        { "the old one fails as often", { 40, 4, 100 }, { 360, 36, 100 }, 1, true, CANARY_ON, "" },
        { "but not by one of one", { 4, 3, 100 }, { 1, 1, 100 }, 1, true, CANARY_HALTED, "1 of 1" },
        { "over, what was counted decides",
          { 3, 1, 100 },
          { 9, 0, 100 },
          600,
          true,
          CANARY_HALTED,
          "1 of 3" },
        { "slower",
          { 20, 0, 250 },
          { 180, 0, 100 },
          1,
          true,
          CANARY_HALTED,
          "max_latency_ratio is 2" },
        { "slower, but not by so much", { 20, 0, 180 }, { 180, 0, 100 }, 1, true, CANARY_ON, "" },
        { "slower, but both are over at once",
          { 20, 0, 15 },
          { 180, 0, 1 },
          1,
          true,
          CANARY_ON,
          "" },
        { "not at once any more",
          { 20, 0, 40 },
          { 180, 0, 1 },
          1,
          true,
          CANARY_HALTED,
          "max_latency_ratio is 2" },
        { "slower, and too few to say", { 19, 0, 900 }, { 180, 0, 100 }, 1, true, CANARY_ON, "" },
        { "slower than what has not run", { 50, 0, 900 }, { 3, 0, 100 }, 1, true, CANARY_ON, "" },
    };
    struct canary_terms t;
    char why[CANARY_WHY_SIZE];

    (void)state;
    canary_terms_init(&t);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum canary_state got;
        struct canary c;

        canary_begin(&c, 2, 1, false);
        c.began_at = 1000000;
        count(&c, CANARY_NEW, rows[i].new);
        count(&c, CANARY_OLD, rows[i].old);
        got = canary_judge(&c, &t, c.began_at + 1000 * rows[i].after_s, rows[i].is_ready, why);
        if (got != rows[i].expected || !strstr(why, rows[i].says))
            fail_msg("%s: %s, not %s: %s", rows[i].name, canary_state_name(got),
                     canary_state_name(rows[i].expected), why);
    }
}

static void before_it_began_nothing_counts(void **state)
{
    struct canary_terms t;
    struct canary c;
    char why[CANARY_WHY_SIZE];

    (void)state;
    canary_terms_init(&t);
    canary_begin(&c, 2, 1, false);
    count(&c, CANARY_OLD, (struct tally){ 9, 9, 1 });
    assert_int_equal(c.sides[CANARY_OLD].ended, 0);
    assert_int_equal(canary_until(&c, &t), INT64_MAX);
    assert_int_equal(canary_judge(&c, &t, INT64_MAX - 1, false, why), CANARY_ON);
}

static void kept_and_read_again(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(10000), again CLEANUP(buf_deinit) = BUF_INIT(10000);
    struct canary c, back;

    (void)state;
    canary_begin(&c, 7, 5, false);
    c.began_at = 123456789;
    c.due = -5;
    c.state = CANARY_HALTED;
    (void)snprintf(c.why, sizeof(c.why), "It said \"no\".");
    c.sides[CANARY_NEW] = (struct canary_count){ .requests = 3, .ended = 2, .errors = 1 };
    for (int i = 0; i < 50; i++)
        scale_hist_add(&c.sides[CANARY_OLD].ran, i * 37);
    canary_write(&c, &b);
    assert_true(canary_read(&back, buf_str(&b)));
    assert_int_equal(back.state, CANARY_HALTED);
    assert_string_equal(back.why, c.why);
    assert_int_equal(canary_median_ms(&back, CANARY_OLD), canary_median_ms(&c, CANARY_OLD));
    canary_write(&back, &again);
    assert_true(str_eq(buf_str(&b), buf_str(&again)));
    assert_false(canary_read(&back, STR("{\"state\":\"on\"}")));
    assert_int_equal(back.state, CANARY_NONE);
    assert_false(canary_read(&back, STR("nothing")));
}

static void the_other_kind(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct canary_terms t;
    struct json_writer w;
    struct faults f;

    (void)state;
    canary_terms_init(&t);
    assert_int_equal(change(&t, "{\"shadow\":{\"share\":1,\"relative_tolerance\":1e-3}}", &f),
                     STATUS_OK);
    assert_true(t.is_set && t.is_shadow);
    assert_int_equal(canary_term(&t, SHADOW_SHARE), CANARY_WHOLE);
    assert_int_equal(canary_term(&t, SHADOW_RELATIVE), 1000000);
    assert_int_equal(canary_term(&t, SHADOW_SECONDS), 3600);
    json_writer_init(&w, &b);
    canary_terms_write(&t, false, &w);
    assert_string_equal(b.p, "{\"shadow\":{\"share\":1,\"relative_tolerance\":0.001}}");
    assert_int_equal(change(&t, "{\"canary\":null}", &f), STATUS_OK); /* there is none */
    assert_true(t.is_set && t.is_shadow);
    assert_int_equal(change(&t, "{\"canary\":{},\"shadow\":{}}", &f), STATUS_INVALID);
    assert_true(t.is_shadow);
    assert_int_equal(change(&t, "{\"canary\":{}}", &f), STATUS_OK);
    assert_true(t.is_set && !t.is_shadow);
    assert_int_equal(change(&t, "{\"shadow\":{}}", &f), STATUS_OK);
    assert_int_equal(canary_term(&t, SHADOW_SHARE), 100000); /* what was given is not kept */
    assert_int_equal(change(&t, "{\"shadow\":null}", &f), STATUS_OK);
    assert_false(t.is_set);
}

static void a_shadow_has_copies_only(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(10000);
    struct canary_terms t;
    struct canary c, back;
    struct faults f;
    char why[CANARY_WHY_SIZE];
    int n = 0;

    (void)state;
    canary_terms_init(&t);
    assert_int_equal(change(&t, "{\"shadow\":{\"share\":0.25,\"seconds\":10}}", &f), STATUS_OK);
    canary_begin(&c, 2, 1, true);
    assert_false(canary_copies(&c, &t)); /* it is not ready */
    c.began_at = 1000;
    for (int i = 0; i < 40; i++) {
        assert_false(canary_is_due(&c, &t));
        canary_sent(&c, &t, CANARY_OLD, true);
        n += canary_copies(&c, &t);
    }
    assert_int_equal(n, 10);
    assert_int_equal(c.sides[CANARY_OLD].requests, 0);
    for (int i = 0; i < 100; i++)
        canary_ended(&c, CANARY_NEW, true, 1);
    assert_int_equal(canary_judge(&c, &t, 10999, true, why), CANARY_ON); /* however bad it is */
    assert_int_equal(canary_judge(&c, &t, 11000, true, why), CANARY_OVER);
    assert_non_null(strstr(why, "10 seconds are over"));
    c.state = CANARY_OVER;
    assert_true(canary_is_open(&c));
    assert_false(canary_copies(&c, &t));
    canary_write(&c, &b);
    assert_true(canary_read(&back, buf_str(&b)));
    assert_true(back.is_shadow);
    assert_int_equal(back.state, CANARY_OVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms),
        cmocka_unit_test(terms_that_are_not_right),
        cmocka_unit_test(shares_are_exact),
        cmocka_unit_test(no_burst_afterwards),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(before_it_began_nothing_counts),
        cmocka_unit_test(kept_and_read_again),
        cmocka_unit_test(the_other_kind),
        cmocka_unit_test(a_shadow_has_copies_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
