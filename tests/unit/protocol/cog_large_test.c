/* SPDX-License-Identifier: Apache-2.0 */
/* Events that are too large to be read on the loop: in order with all others, whatever becomes of
 * the run meanwhile. On a virtual clock the other thread's work is over at once, and what it did
 * comes on the next turn, as ever. */
#include "cog_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { N = 100000 };

#define START "event: start\ndata: {\"id\":\"p1\",\"status\":\"processing\"}\n\n"

static struct cog_place pl;

static void open_run(enum run_way way)
{
    cog_place_open(&pl, READY, NULL);
    pl.max_output = 1 << 20;
    cog_place_run(&pl, way);
    server_send(&pl.server, START);
}

/* As JSON: a string of N letters. */
static void add_large(struct buf *out, char letter)
{
    char *at;

    buf_addc(out, '"');
    at = buf_reserve(out, N);
    assert_non_null(at);
    memset(at, letter, N);
    buf_commit(out, N);
    buf_addc(out, '"');
}

static void add_output(struct buf *out, char letter, int index)
{
    buf_adds(out, "event: output\ndata: {\"chunk\":");
    add_large(out, letter);
    buf_addf(out, ",\"index\":%d}\n\n", index);
}

static void add_end(struct buf *out, char letter)
{
    buf_adds(out, "event: completed\ndata: {\"output\":");
    add_large(out, letter);
    buf_adds(out, ",\"status\":\"succeeded\"}\n\n");
}

/* What happened, with one letter for each large text. */
static const char *trail(void)
{
    static char out[1000];
    const struct buf *b = &pl.w.trail;
    size_t n = 0;

    for (size_t i = 0; i < b->n && n < sizeof(out) - 1; i++)
        if (i == 0 || b->p[i] != b->p[i - 1])
            out[n++] = b->p[i];
    out[n] = '\0';
    return out;
}

static void events_keep_their_order(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    open_run(RUN_SHORT);
    add_output(&text, 'A', 0);
    buf_adds(&text, "event: log\ndata: {\"data\":\"l1\"}\n\n");
    add_output(&text, 'B', 1);
    server_send(&pl.server, text.p);
    server_event(&pl.server, "log", "{\"data\":\"l2\"}");
    assert_string_equal(trail(), "acepted "); /* nothing of it was read on this turn */
    buf_clear(&text);
    add_end(&text, 'C');
    server_send(&pl.server, text.p);
    server_end(&pl.server);
    cog_place_pass(&pl, 0);
    assert_string_equal(trail(), "acepted piece:\"A\" log:l1 piece:\"B\" log:l2 done suceded "
                                 "out=\"C\" logs=l1l2");
    assert_int_equal(pl.at.peer.in_flight, 0);
    cog_place_close(&pl);
}

/* However small the pieces are that it comes in. */
static void the_output_is_not_copied(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    open_run(RUN_SHORT);
    add_end(&text, 'C');
    for (size_t i = 0; i < text.n; i += 777) {
        char piece[778];

        snprintf(piece, sizeof(piece), "%s", text.p + i);
        server_send(&pl.server, piece);
    }
    cog_place_pass(&pl, 0);
    assert_true(pl.w.has_ended);
    assert_int_equal(pl.w.last.output.n, N + 2);
    assert_true(pl.w.last.output.p > pl.w.memory.p);
    assert_true(pl.w.last.output.p + N + 2 < pl.w.memory.p + pl.w.memory.n);
    assert_true(pl.w.last.output.p[N] == 'C');
    server_end(&pl.server);
    cog_place_close(&pl);
}

/* Its last bytes may come together with the stream's end. */
static void an_end_with_the_stream_is_not_lost(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    open_run(RUN_SHORT);
    add_end(&text, 'C');
    server_send(&pl.server, text.p);
    server_end(&pl.server);
    assert_false(pl.w.has_ended);
    cog_place_pass(&pl, 0);
    assert_string_equal(trail(), "acepted done suceded out=\"C\"");
    cog_place_close(&pl);
}

static void a_stream_that_breaks_behind_it_is_joined(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    open_run(RUN_LONG);
    add_output(&text, 'A', 0);
    server_send(&pl.server, text.p);
    server_break(&pl.server);
    cog_place_pass(&pl, 0);
    assert_string_equal(trail(), "acepted piece:\"A\" ");
    assert_string_equal(pl.server.requests.p, "create-async\njoin\n");
    cog_place_pass(&pl, 250);
    assert_string_equal(pl.server.requests.p, "create-async\njoin\njoin\n");
    server_send(&pl.server, text.p); /* again, as the server does */
    server_event(&pl.server, "completed", "{\"output\":[1],\"status\":\"succeeded\"}");
    cog_place_pass(&pl, 0);
    assert_string_equal(trail(), "acepted piece:\"A\" done suceded out=[1]");
    server_end(&pl.server);
    cog_place_close(&pl);
}

static void whoever_goes_meanwhile_hears_nothing(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    add_end(&text, 'C');
    open_run(RUN_LONG);
    server_send(&pl.server, text.p);
    run_release(&pl.w.run);
    cog_place_pass(&pl, 5000);
    assert_string_equal(trail(), "acepted ");
    cog_place_close(&pl);

    open_run(RUN_SHORT);
    server_send(&pl.server, text.p);
    peer_close(&pl.at.peer);
    cog_place_pass(&pl, 5000);
    assert_string_equal(trail(), "acepted ");
    cog_place_close(&pl);
}

/* A server that answers the creating PUT with the end itself. */
static void an_answer_that_is_the_end(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    buf_adds(&text, "{\"output\":");
    add_large(&text, 'D');
    buf_adds(&text, ",\"status\":\"succeeded\"}");
    cog_place_open(&pl, READY, NULL);
    pl.max_output = 1 << 20;
    pl.server.creates[0] = (struct answer){ 200, text.p };
    cog_place_run(&pl, RUN_LONG);
    cog_place_pass(&pl, 0);
    assert_string_equal(trail(), "acepted done suceded out=\"D\"");
    cog_place_close(&pl);
}

/* Progress that is told as a whole has its pieces where they were kept. */
static void pieces_in_a_webhook(void **state)
{
    struct error err;

    (void)state;
    cog_place_open(&pl, LEGACY_READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    assert_int_equal(
        watch_told(&pl.w.run, STR("{\"status\":\"processing\",\"output\":[1,[2,[3]]]}"), &err),
        STATUS_OK);
    assert_int_equal(
        watch_told(&pl.w.run, STR("{\"status\":\"succeeded\",\"output\":[1,[2,[3]],4]}"), &err),
        STATUS_OK);
    assert_string_equal(trail(), "acepted piece:1 piece:[2,[3] done suceded out=[1,[2,[3],4]");
    cog_place_close(&pl);
}

static void the_protocol_may_go_before_the_work_is_over(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    add_end(&text, 'C');
    open_run(RUN_SHORT);
    server_send(&pl.server, text.p);
    cog_place_close(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_keep_their_order),
        cmocka_unit_test(the_output_is_not_copied),
        cmocka_unit_test(an_end_with_the_stream_is_not_lost),
        cmocka_unit_test(a_stream_that_breaks_behind_it_is_joined),
        cmocka_unit_test(whoever_goes_meanwhile_hears_nothing),
        cmocka_unit_test(an_answer_that_is_the_end),
        cmocka_unit_test(pieces_in_a_webhook),
        cmocka_unit_test(the_protocol_may_go_before_the_work_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
