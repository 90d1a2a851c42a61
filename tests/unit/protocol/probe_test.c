/* SPDX-License-Identifier: Apache-2.0 */
#include "cog_place.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define STARTING "{\"status\":\"STARTING\",\"setup\":{\"status\":\"starting\"}," COGLET "}"
#define UNHEALTHY(text)                                                                            \
    "{\"status\":\"UNHEALTHY\",\"user_healthcheck_error\":\"" text "\"," COGLET "}"

static void test_polls_fast_then_slowly(void **state)
{
    struct cog_place pl;
    int n;

    (void)state;
    cog_place_open(&pl, NULL, NULL);
    cog_place_pass(&pl, 49);
    assert_true(pl.server.n_probes >= 4); /* 0, 10, 25, 47 */
    pl.server.health = STARTING;
    cog_place_pass(&pl, 60000);
    n = pl.server.n_probes;
    cog_place_pass(&pl, 10000);
    assert_int_equal(pl.server.n_probes - n, 40); /* every 250 ms */
    assert_string_equal(pl.at.trail.p, "");
    pl.server.health = "{\"status\":\"READY\",\"setup\":{\"logs\":\"[coglet::worker] "
                       "x\\n[coglet::setup] hi\\n\"}," COGLET "}";
    cog_place_pass(&pl, 250);
    assert_string_equal(pl.at.trail.p, "ready <hi\n>;");
    n = pl.server.n_probes;
    cog_place_pass(&pl, 50000);
    assert_int_equal(pl.server.n_probes - n, 10);
    assert_string_equal(pl.at.trail.p, "ready <hi\n>;");
    cog_place_close(&pl);
}

/* A server that says something of itself may have become ready: it is asked at once, however long
 * it took to start, and however much it says. */
static void test_asks_whoever_prints(void **state)
{
    struct cog_place pl;
    int n;

    (void)state;
    cog_place_open(&pl, STARTING, NULL);
    cog_place_pass(&pl, 60000);
    n = pl.server.n_probes;
    for (int i = 0; i < 100; i++) {
        peer_printed(&pl.at.peer);
        peer_printed(&pl.at.peer);
        cog_place_pass(&pl, 1);
    }
    assert_in_range(pl.server.n_probes - n, 15, 21);
    cog_place_pass(&pl, 1000);
    n = pl.server.n_probes;
    pl.server.health = READY;
    peer_printed(&pl.at.peer);
    cog_place_pass(&pl, 6);
    assert_string_equal(pl.at.trail.p, "ready;");
    assert_int_equal(pl.server.n_probes, n + 1);
    peer_printed(&pl.at.peer); /* nobody asks it any more */
    cog_place_pass(&pl, 100);
    assert_int_equal(pl.server.n_probes, n + 1);
    cog_place_close(&pl);
}

static void test_setup_failures(void **state)
{
    static const char *const rows[][2] = {
        { "{\"status\":\"SETUP_FAILED\",\"setup\":{\"logs\":\"worker setup failed: worker setup "
          "failed (slot 1): "
          "Setup failed: setup failed: ValueError: no weights\",\"status\":\"failed\"}," COGLET "}",
          "failed ValueError: no weights;" },
        { "{\"status\":\"SETUP_FAILED\",\"setup\":{\"logs\":\"loading\\nTraceback\\nValueError: "
          "x\\n\"}}",
          "failed ValueError: x <loading\nTraceback\nValueError: x\n>;" },
        { "{\"status\":\"SETUP_FAILED\"}", "failed The model's setup failed without saying why;" },
        { "{\"status\":\"DEFUNCT\"}", "failed The model's process ended by itself;" },
        { UNHEALTHY("Healthcheck error: protocol error: healthcheck channel closed"),
          "failed The model's process ended by itself;" },
    };
    struct cog_place pl;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cog_place_open(&pl, rows[i][0], NULL);
        cog_place_pass(&pl, 10000);
        assert_string_equal(pl.at.trail.p, rows[i][1]);
        assert_int_equal(pl.server.n_probes, 1);
        cog_place_run(&pl, RUN_SHORT); /* whoever starts one all the same is told */
        cog_place_pass(&pl, 10000);
        cog_place_close(&pl);
    }
}

static void test_worker_is_gone(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 406, "{}" };
    cog_place_run(&pl, RUN_LONG); /* waits for its webhook, which should come soon now */
    pl.server.health = UNHEALTHY("Healthcheck error: protocol error: healthcheck channel closed");
    cog_place_pass(&pl, 5100);
    assert_string_equal(pl.at.trail.p, "ready;sick the model's process ended by itself;");
    assert_string_equal(pl.w.trail.p, "accepted ");
    cog_place_pass(&pl, 5100);
    assert_non_null(strstr(pl.w.trail.p, "accepted crashed"));
    cog_place_close(&pl);
}

static void test_busy_worker_is_not_sick(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    pl.server.health = UNHEALTHY("healthcheck timed out");
    cog_place_pass(&pl, 600000);
    assert_string_equal(pl.at.trail.p, "ready;");
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\"}");
    cog_place_pass(&pl, 10000);
    assert_string_equal(pl.at.trail.p, "ready;");
    cog_place_pass(&pl, 20000); /* but idle it should be well */
    assert_string_equal(pl.at.trail.p, "ready;sick healthcheck timed out;");
    cog_place_close(&pl);
}

static void test_own_check_fails_for_a_while(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.health = UNHEALTHY("Healthcheck failed: user-defined healthcheck returned False");
    cog_place_pass(&pl, 14000);
    pl.server.health = READY;
    cog_place_pass(&pl, 6000);
    pl.server.health = UNHEALTHY("Healthcheck failed: user-defined healthcheck returned False");
    cog_place_pass(&pl, 14000);
    assert_string_equal(pl.at.trail.p, "ready;");
    cog_place_close(&pl);
}

static void test_hanging_health(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    pl.server.health = "";
    cog_place_pass(&pl, 600000);
    assert_string_equal(pl.at.trail.p, "ready;");
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\"}");
    cog_place_pass(&pl, 60000);
    assert_string_equal(pl.at.trail.p,
                        "ready;sick the model server does not answer its health check;");
    cog_place_close(&pl);
}

static void test_refused_after_ready(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.health = NULL;
    cog_place_pass(&pl, 5000);
    cog_place_pass(&pl, 150); /* asked once more, soon */
    assert_string_equal(pl.at.trail.p, "ready;sick the model server does not answer any more;");
    cog_place_close(&pl);
}

static void test_began_anew(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.health = STARTING;
    cog_place_pass(&pl, 6000);
    assert_string_equal(pl.at.trail.p, "ready;sick the model server began anew;");
    cog_place_close(&pl);
}

static void test_lost_slot_by_health(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, BUSY, NULL); /* adopted: setup is over */
    assert_string_equal(pl.at.trail.p, "ready;");
    cog_place_pass(&pl, 4000);
    pl.server.health = READY;
    cog_place_pass(&pl, 4000);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_SHORT);
    cog_place_pass(&pl, 100000);
    assert_string_equal(pl.at.trail.p, "ready;"); /* busy with ours */
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\"}");
    cog_place_pass(&pl, 20000);
    assert_string_equal(
        pl.at.trail.p,
        "ready;sick the model server has lost a slot: it is busy while nothing runs;");
    cog_place_close(&pl);
}

static void test_nonsense_is_borne(void **state)
{
    static const char *const rows[] = { "<html>",
                                        "[]",
                                        "{}",
                                        "{\"status\":3}",
                                        "{\"status\":\"WELL\"}",
                                        "null",
                                        "{\"status\":\"UNKNOWN\",\"setup\":null}" };
    struct cog_place pl;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cog_place_open(&pl, rows[i], NULL);
        cog_place_pass(&pl, 10000);
        assert_string_equal(pl.at.trail.p, "");
        pl.server.health = READY;
        cog_place_pass(&pl, 300);
        assert_string_equal(pl.at.trail.p, "ready;");
        cog_place_close(&pl);
    }
}

/* What is too large is not asked for again and again: the instance is given up. */
static void test_endless_health(void **state)
{
    enum { MUCH = COG_PLACE_HEALTH + 1 };
    struct cog_place pl;
    char *much = xcalloc(1, MUCH + 1);

    (void)state;
    memset(much, ' ', MUCH);
    much[MUCH] = '\0';
    memcpy(much, READY, strlen(READY));
    cog_place_open(&pl, much, NULL);
    cog_place_pass(&pl, 10000);
    assert_non_null(strstr(pl.at.trail.p, "too large"));
    assert_int_equal(pl.server.n_probes, 1);
    cog_place_close(&pl);

    cog_place_open(&pl, READY, NULL);
    cog_place_pass(&pl, 300);
    assert_string_equal(pl.at.trail.p, "ready;");
    pl.server.health = much;
    cog_place_pass(&pl, 10000);
    assert_non_null(strstr(pl.at.trail.p, "too large"));
    cog_place_close(&pl);

    much[MUCH - 1] = '\0'; /* what is just small enough is read */
    cog_place_open(&pl, much, NULL);
    cog_place_pass(&pl, 300);
    assert_string_equal(pl.at.trail.p, "ready;");
    cog_place_close(&pl);
    free(much);
}

struct last_turn {
    struct loop *loop;
    struct peer *peer;
    int left;
    bool closes; /* only the peer */
};

static void on_turn(void *arg)
{
    struct last_turn *x = arg;

    if (--x->left != 0)
        return;
    if (x->closes)
        peer_close(x->peer);
    else
        loop_stop(x->loop);
}

/* What a setup printed may be much: it is read on another thread, and on every turn something else
 * may have come in between. */
static void test_large_health(void **state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf log CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct last_turn last_turn;
    struct cog_place pl;

    (void)state;
    buf_adds(&text, "{\"status\":\"READY\",\"setup\":{\"logs\":\"");
    for (int i = 0; i < 3000; i++) {
        buf_addf(&text, "[coglet::worker] of no interest\\n[coglet::setup] line %d\\n", i);
        buf_addf(&log, "line %d\n", i);
    }
    buf_adds(&text, "\"}," COGLET "}");
    assert_true(text.n > COG_LARGE && text.n < COG_PLACE_HEALTH);
    cog_place_open(&pl, text.p, NULL);
    cog_place_pass(&pl, 300);
    assert_non_null(strstr(pl.at.trail.p, log.p));
    assert_int_equal(pl.at.health, PEER_READY);
    pl.server.health = "{\"status\":\"STARTING\"}";
    cog_place_pass(&pl, 10000); /* and it goes on being asked */
    assert_int_equal(pl.at.health, PEER_SICK);
    cog_place_close(&pl);

    /* All may be taken down on any turn of it. */
    for (int turns = 1; turns < 20; turns++) {
        cog_place_open(&pl, NULL, NULL);
        pl.server.health = text.p;
        last_turn = (struct last_turn){
            .loop = pl.loop, .left = turns, .closes = turns % 2 == 0, .peer = &pl.at.peer
        };
        loop_after_turn(pl.loop, on_turn, &last_turn);
        cog_place_pass(&pl, 300);
        loop_after_turn(pl.loop, NULL, NULL);
        cog_place_close(&pl);
    }
}

static void test_shutdown(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    peer_shutdown(&pl.at.peer);
    peer_shutdown(&pl.at.peer);
    peer_close(&pl.at.peer); /* at once: the request still goes out */
    cog_place_pass(&pl, 1);
    assert_string_equal(pl.server.requests.p, "shutdown\n");
    cog_place_close(&pl);
}

static void test_closed_inside_its_event(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, NULL, NULL);
    pl.at.closes = true;
    pl.server.health = READY;
    cog_place_run(&pl, RUN_LONG);
    cog_place_pass(&pl, 10000);
    assert_string_equal(pl.at.trail.p, "ready;");
    assert_false(pl.w.has_ended);
    assert_null(pl.at.peer.impl);
    cog_place_close(&pl);
}

static void test_adopted_with_a_busy_worker(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, NULL, NULL);
    cog_place_join(&pl);
    pl.server.health = UNHEALTHY("healthcheck timed out");
    cog_place_pass(&pl, 1000);
    assert_string_equal(pl.at.trail.p, "ready;");
    assert_string_equal(pl.server.requests.p, "join\n");
    cog_place_close(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_polls_fast_then_slowly),
        cmocka_unit_test(test_asks_whoever_prints),
        cmocka_unit_test(test_setup_failures),
        cmocka_unit_test(test_worker_is_gone),
        cmocka_unit_test(test_busy_worker_is_not_sick),
        cmocka_unit_test(test_own_check_fails_for_a_while),
        cmocka_unit_test(test_hanging_health),
        cmocka_unit_test(test_refused_after_ready),
        cmocka_unit_test(test_began_anew),
        cmocka_unit_test(test_lost_slot_by_health),
        cmocka_unit_test(test_nonsense_is_borne),
        cmocka_unit_test(test_endless_health),
        cmocka_unit_test(test_large_health),
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_closed_inside_its_event),
        cmocka_unit_test(test_adopted_with_a_busy_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
