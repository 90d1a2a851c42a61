/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that nobody can read, or that have no end: the run fails with the reason, at once. */
#include "cog_place.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOT_UNDERSTOOD "done failed err=The model server's answer is not understood: "

static struct cog_place pl;

static void expect_end(const char *after, const char *what)
{
    cog_place_pass(&pl, 0);
    if (!strstr(pl.w.trail.p, what))
        fail_msg("after %s: '%s' does not have '%s'", after, pl.w.trail.p, what);
    assert_int_equal(pl.at.peer.in_flight, 0);
    assert_null(strstr(pl.at.trail.p, "sick")); /* the next one is tried there */
}

static void events_that_are_not_understood(void **state)
{
    static const char *const rows[][3] = {
        { "output", "{\"chunk\":1,]", "expected a key in double quotes" },
        { "log", "nonsense", "expected a value" },
        { "completed", "{\"status\":\"succ", "expected '\"' at the end of a string" },
        { "completed", "{\"status\":\"strange\"}", "this is not the end of a prediction" },
        { "completed", "[]", "this is not the end of a prediction" },
        { "completed", "{\"status\":\"succeeded\",\"id\":\"p2\"}",
          "this is about another prediction" },
        { "error", "\"\xff\"", "the text is not valid UTF-8" },
    };
    static const enum run_way ways[] = { RUN_SHORT, RUN_LONG };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        const char *const *row = rows[i / 2];

        cog_place_open(&pl, READY, NULL);
        cog_place_run(&pl, ways[i % 2]);
        server_event(&pl.server, row[0], row[1]);
        expect_end(row[1], NOT_UNDERSTOOD);
        expect_end(row[1], row[2]);
        assert_non_null(strstr(pl.server.requests.p, "cancel")); /* it may go on there */
        cog_place_close(&pl);
    }
}

/* Read on another thread. */
static void a_large_event_that_is_not_understood(void **state)
{
    enum { DEEP = 50000 };
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    buf_adds(&text, "{\"status\":\"succeeded\",\"output\":");
    for (int i = 0; i < DEEP; i++)
        buf_addc(&text, '[');
    for (int i = 0; i < DEEP; i++)
        buf_addc(&text, ']');
    buf_adds(&text, "}");
    cog_place_open(&pl, READY, NULL);
    pl.max_output = 1 << 20;
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "completed", text.p);
    expect_end("deep brackets", NOT_UNDERSTOOD "line 1, column 159: nested deeper than 128 levels");
    cog_place_close(&pl);
}

/* Short as a text, and millions as values: no memory is taken for each. */
static void an_output_of_many_values(void **state)
{
    enum { MANY = 300000 };
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    buf_adds(&text, "{\"output\":[");
    for (int i = 0; i < MANY; i++)
        buf_adds(&text, "0,");
    buf_adds(&text, "1],\"status\":\"succeeded\"}");
    cog_place_open(&pl, READY, NULL);
    pl.max_output = 1 << 20;
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "completed", text.p);
    cog_place_pass(&pl, 0);
    assert_true(pl.w.has_ended);
    assert_int_equal(pl.w.last.output.n, 2 * MANY + 3);
    cog_place_close(&pl);
}

static void answers_without_end(void **state)
{
    enum { MUCH = 2 << 20 };
    static const struct {
        int create, join;
        enum run_way way;
    } rows[] = {
        { 422, 0, RUN_SHORT }, { 422, 0, RUN_LONG }, { 200, 0, RUN_SHORT }, { 200, 0, RUN_LONG },
        { 202, 0, RUN_LONG },  { 0, 422, RUN_LONG }, { 0, 202, RUN_LONG },
    };
    char *much = xcalloc(1, MUCH + 1);

    (void)state;
    memset(much, 'x', MUCH);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char what[40];

        snprintf(what, sizeof(what), "%d, %d", rows[i].create, rows[i].join);
        cog_place_open(&pl, READY, NULL);
        if (rows[i].create)
            pl.server.creates[0] = (struct answer){ rows[i].create, much };
        if (rows[i].join)
            pl.server.joins[0] = (struct answer){ rows[i].join, much };
        cog_place_run(&pl, rows[i].way);
        expect_end(what, "done failed err=The model server's answer is larger than the limit");
        cog_place_close(&pl);
    }
    free(much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_that_are_not_understood),
        cmocka_unit_test(a_large_event_that_is_not_understood),
        cmocka_unit_test(an_output_of_many_values),
        cmocka_unit_test(answers_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
