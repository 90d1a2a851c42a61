/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of output on the virtual clock: what readers get, when, and what one of them can cost. */
#include "../run/place.h"

#include "listener.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS "{\"ms\":4000,\"pieces\":[\"a\",\"b\",3,{\"c\":[4]}]}"

struct scene {
    struct place *place;
    struct api api;
};

static void connect_api(struct scene *s)
{
    s->api = (struct api){
        .loop = s->place->loop,
        .store = s->place->store,
        .fleet = &s->place->fleet,
        .options = &s->place->options,
    };
    list_init(&s->api.streams);
    map_init(&s->api.replays);
}

static int setup(void **state)
{
    static struct scene s;

    s.place = place_new(NULL);
    connect_api(&s);
    place_deploy(s.place, "d", 5, "cpu", 1, 2);
    place_run(s.place, 1000);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    assert_true(list_empty(&s->api.streams));
    assert_int_equal(s->api.replays.n, 0);
    map_deinit(&s->api.replays);
    place_free(s->place);
    return 0;
}

/* A copy: the prediction goes. */
static const char *secret_of(struct job *j)
{
    static char ring[8][80];
    static unsigned at;
    char *out = ring[at++ % ARRAY_SIZE(ring)];

    place_run(j->place, 0);
    assert_non_null(job_live(j)->row.stream_secret);
    (void)snprintf(out, sizeof(ring[0]), "%s", job_live(j)->row.stream_secret);
    return out;
}

static int count(const struct listener *rd, const char *what)
{
    char *text = str_dup(buf_str(&rd->got));
    int n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    free(text);
    return n;
}

static void assert_got(const struct listener *rd, const char *expected)
{
    char *text = str_dup(buf_str(&rd->got));

    assert_string_equal(text, expected);
    free(text);
}

/* All events of WORDS, from a number on. */
static void whole(char *out, size_t size, int64_t created_at, int from)
{
    static const char *const data[] = { "a", "b", "3", "{\"c\":[4]}", "{}" };
    size_t n = (size_t)snprintf(out, size, ": hi\n\n");

    for (int i = from; i < 5; i++)
        n +=
            (size_t)snprintf(out + n, size - n, "event: %s\nid: %lld:%d\ndata: %s\n\n",
                             i < 4 ? "output" : "done", (long long)(created_at / 1000), i, data[i]);
}

/* Each piece at the moment it is there; the same again afterwards, to the byte. */
static void pieces_come_as_they_are_made(void **state)
{
    struct scene *s = *state;
    struct job *j = place_ask(s->place, "d", WORDS);
    const char *secret = secret_of(j);
    struct listener live = { 0 }, late = { 0 }, after = { 0 };
    char expected[1000];

    whole(expected, sizeof(expected), job_live(j)->row.created_at, 0);
    listener_open(&live, &s->api, secret, NULL);
    assert_int_equal(live.status, 200);
    assert_got(&live, ": hi\n\n");
    place_run(s->place, 790);
    assert_int_equal(count(&live, "event: "), 0);
    place_run(s->place, 20);
    assert_int_equal(count(&live, "event: "), 1);
    place_run(s->place, 800);
    assert_int_equal(count(&live, "event: "), 2);
    listener_open(&late, &s->api, secret, NULL);
    assert_int_equal(count(&late, "event: "), 2);
    place_run(s->place, 5000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_true(live.is_ended && late.is_ended);
    assert_got(&live, expected);
    assert_got(&late, expected);
    listener_open(&after, &s->api, secret, NULL);
    place_run(s->place, 0);
    assert_true(after.is_ended);
    assert_got(&after, expected);
    listener_deinit(&live);
    listener_deinit(&late);
    listener_deinit(&after);
}

static void a_comment_every_15_seconds(void **state)
{
    struct scene *s = *state;
    struct job *j = place_ask(s->place, "d", "{\"ms\":100000,\"pieces\":[1]}");
    struct listener rd = { 0 }, lazy = { .is_lazy = true };

    listener_open(&rd, &s->api, secret_of(j), NULL);
    listener_open(&lazy, &s->api, secret_of(j), NULL);
    place_run(s->place, 14990);
    assert_int_equal(count(&rd, ": still here\n\n"), 0);
    place_run(s->place, 20);
    assert_int_equal(count(&rd, ": still here\n\n"), 1);
    place_run(s->place, 75000);
    assert_int_equal(count(&rd, ": still here\n\n"), 6);
    assert_int_equal(count(&lazy, ": still here\n\n"), 0); /* it has not even taken "hi" */
    place_run(s->place, 20000);
    assert_true(rd.is_ended);
    place_run(s->place, 60000);
    assert_int_equal(count(&rd, ": still here\n\n"), 6);
    listener_take(&lazy);
    assert_true(lazy.is_ended);
    listener_deinit(&rd);
    listener_deinit(&lazy);
}

static void resuming(void **state)
{
    static const char *const nonsense[] = { "x", ":", "1:1", "99999999999999999999:0", "" };
    struct scene *s = *state;
    struct job *j = place_ask(s->place, "d", WORDS);
    const char *secret = secret_of(j);
    int64_t created_at = job_live(j)->row.created_at;
    struct listener rd = { 0 };
    char expected[1000], last[64];

    (void)snprintf(last, sizeof(last), "%lld:1", (long long)(created_at / 1000));
    place_run(s->place, 1000);
    listener_open(&rd, &s->api, secret,
                  last); /* what it had is still to come, and not told again */
    place_run(s->place, 5000);
    whole(expected, sizeof(expected), created_at, 2);
    assert_got(&rd, expected);
    listener_deinit(&rd);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(last, sizeof(last), "%lld:%d", (long long)(created_at / 1000), i);
        whole(expected, sizeof(expected), created_at, i + 1);
        listener_open(&rd, &s->api, secret, last);
        place_run(s->place, 0);
        assert_true(rd.is_ended);
        assert_got(&rd, expected);
        listener_deinit(&rd);
    }
    for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
        whole(expected, sizeof(expected), created_at, 0);
        listener_open(&rd, &s->api, secret, nonsense[i]);
        place_run(s->place, 0);
        assert_got(&rd, expected);
        listener_deinit(&rd);
    }
}

/* 2 MB in 200 pieces. */
static char *big_input(void)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    buf_adds(&b, "{\"ms\":2000,\"pieces\":[");
    for (int i = 0; i < 200; i++)
        buf_addf(&b, "%s\"%03d%010000d\"", i ? "," : "", i, 0);
    buf_adds(&b, "]}");
    return buf_take(&b);
}

/* One who does not read has at most so much in memory, and gets the rest when it reads again. */
static void a_slow_reader(void **state)
{
    struct scene *s = *state;
    char *input = big_input();
    struct job *j = place_ask(s->place, "d", input);
    struct listener lazy = { .is_lazy = true }, quick = { 0 };

    listener_open(&lazy, &s->api, secret_of(j), NULL);
    listener_open(&quick, &s->api, secret_of(j), NULL);
    place_run(s->place, 5000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(count(&quick, "event: "), 201);
    assert_true(quick.is_ended);
    assert_in_range(lazy.most_pending, 100000, 300000);
    for (int i = 0; i < 100 && !lazy.is_ended; i++) {
        listener_take(&lazy);
        place_run(s->place, 10);
    }
    assert_in_range(lazy.most_pending, 100000, 300000);
    assert_true(lazy.is_ended);
    assert_int_equal(lazy.got.n, quick.got.n);
    assert_memory_equal(lazy.got.p, quick.got.p, quick.got.n);
    listener_deinit(&lazy);
    listener_deinit(&quick);
    free(input);
}

/* Readers that go, at every point, take nobody with them. */
static void readers_that_leave(void **state)
{
    struct scene *s = *state;
    struct job *j = place_ask(s->place, "d", WORDS);
    const char *secret = secret_of(j);
    struct listener waiting = { 0 }, reading = { 0 }, behind = { .is_lazy = true }, stays = { 0 };

    listener_open(&waiting, &s->api, secret, NULL);
    listener_open(&reading, &s->api, secret, NULL);
    listener_open(&stays, &s->api, secret, NULL);
    listener_leave(&waiting);
    place_run(s->place, 2000);
    listener_leave(&reading);
    place_run(s->place, 5000);
    assert_true(waiting.is_gone && reading.is_gone && stays.is_ended);
    assert_int_equal(count(&reading, "event: "), 2);
    assert_int_equal(count(&stays, "event: "), 5);
    listener_open(&behind, &s->api, secret, NULL);
    listener_leave(&behind);
    place_run(s->place, 0);
    listener_deinit(&waiting);
    listener_deinit(&reading);
    listener_deinit(&behind);
    listener_deinit(&stays);
}

static void a_failure_and_a_cancel(void **state)
{
    struct scene *s = *state;
    struct job *bad = place_ask(s->place, "d", "{\"ms\":10,\"fail\":\"no such word\"}");
    struct job *stopped = place_ask(s->place, "d", "{\"ms\":60000,\"pieces\":[1]}");
    struct listener one = { 0 }, two = { 0 };

    listener_open(&one, &s->api, secret_of(bad), NULL);
    listener_open(&two, &s->api, secret_of(stopped), NULL);
    place_run(s->place, 1000);
    prediction_cancel(job_live(stopped));
    place_run(s->place, 1000);
    assert_true(one.is_ended && two.is_ended);
    assert_int_equal(count(&one, "event: error\n"), 1);
    assert_int_equal(count(&one, "data: {\"detail\":\"no such word\"}\n"), 1);
    assert_int_equal(count(&one, "data: {\"reason\":\"error\"}\n"), 1);
    assert_int_equal(count(&two, "data: {\"reason\":\"canceled\"}\n"), 1);
    listener_deinit(&one);
    listener_deinit(&two);
}

/* What a lost attempt had said is void: the next one begins anew, under other ids. */
static void another_attempt(void **state)
{
    struct scene *s = *state;
    struct job *j =
        place_ask(s->place, "d", "{\"ms\":1000,\"pieces\":[1,2],\"verdict\":\"lost\",\"times\":1}");
    struct listener rd = { 0 };
    char second[64];

    listener_open(&rd, &s->api, secret_of(j), NULL);
    (void)snprintf(second, sizeof(second), "id: %lld:0\n",
                   (long long)(job_live(j)->row.created_at / 1000 + 1));
    place_run(s->place, 60000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(count(&rd, "event: output\n"), 4);
    assert_int_equal(count(&rd, second), 1);
    assert_true(rd.is_ended);
    listener_deinit(&rd);
}

/* The server goes and comes back; the run went on: each event comes once. */
static void over_a_restart(void **state)
{
    struct scene *s = *state;
    struct job *j = place_ask(s->place, "d", WORDS);
    const char *secret = secret_of(j);
    int64_t created_at = job_live(j)->row.created_at;
    struct listener before = { 0 }, resumed = { 0 }, anew = { 0 };
    char expected[1000], last[64];

    listener_open(&before, &s->api, secret, NULL);
    place_run(s->place, 2000);
    assert_int_equal(count(&before, "event: "), 2);
    api_end_streams(&s->api);
    assert_true(before.is_ended);
    place_restart(s->place);
    connect_api(s);
    (void)snprintf(last, sizeof(last), "%lld:1", (long long)(created_at / 1000));
    listener_open(&resumed, &s->api, secret, last);
    listener_open(&anew, &s->api, secret, NULL);
    place_run(s->place, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    whole(expected, sizeof(expected), created_at, 2);
    assert_got(&resumed, expected);
    whole(expected, sizeof(expected), created_at, 0);
    assert_got(&anew, expected);
    listener_deinit(&before);
    listener_deinit(&resumed);
    listener_deinit(&anew);
}

static void what_is_not_there(void **state)
{
    struct scene *s = *state;
    struct listener none = { 0 }, head = { .request = { .is_head = true } };
    struct job *j = place_ask(s->place, "d", WORDS);

    listener_open(&none, &s->api, "nosuchsecret", NULL);
    listener_open(&head, &s->api, secret_of(j), NULL);
    place_run(s->place, 0);
    assert_int_equal(none.status, 404);
    assert_int_equal(head.status, 200);
    assert_true(head.is_ended);
    assert_int_equal(head.got.n, 0);
    listener_deinit(&none);
    listener_deinit(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_come_as_they_are_made, setup, teardown),
        cmocka_unit_test_setup_teardown(a_comment_every_15_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(resuming, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_that_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_and_a_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(another_attempt, setup, teardown),
        cmocka_unit_test_setup_teardown(over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
