/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols that answer on the connection that asked, on the virtual clock. */
#include "model_server.h"
#include "protocol/openai/openai.h"
#include "protocol/plain/plain_impl.h"
#include "watch.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LARGEST = 100, MOST_HEALTH = 1000000 };

struct place {
    struct loop *loop;
    struct http_client *client;
    struct model_server server;
    struct protocol *protocol;
    struct peer_watch at;
    struct watch w;
};

static void pass(struct place *pl, int64_t ms)
{
    loop_run_until(pl->loop, loop_now_ms(pl->loop) + ms);
}

static void place_open(struct place *pl, bool is_openai, const char *model, const char *output)
{
    const struct version_http http = {
        .health = "/health-check", .path = "/v1/chat/completions", .model = model, .output = output
    };
    const struct peer_spec spec = { .url = "http://127.0.0.1:1", .slots = 1, .http = &http };

    static const struct plain_limits limits = { .max_health = MOST_HEALTH, .max_error = 400 };

    *pl = (struct place){ .loop = loop_new_virtual(0, 1) };
    pl->client = http_client_new(pl->loop);
    server_init(&pl->server, pl->loop);
    pl->protocol = is_openai ? openai_protocol_new(pl->loop, pl->client, &limits)
                             : plain_protocol_new(pl->loop, pl->client, &limits);
    pl->at.loop = pl->w.loop = pl->loop;
    buf_init(&pl->at.trail, BUF_UNBOUNDED);
    buf_adds(&pl->at.trail, "");
    peer_open(pl->protocol, &pl->at.peer, &spec, &peer_watch_events);
}

static void place_end(struct place *pl, bool is_open)
{
    if (is_open)
        peer_close(&pl->at.peer);
    pass(pl, 10000);
    http_client_free(pl->client);
    protocol_free(pl->protocol);
    server_deinit(&pl->server);
    watch_deinit(&pl->w);
    buf_deinit(&pl->at.trail);
    loop_free(pl->loop);
}

static void place_close(struct place *pl)
{
    place_end(pl, true);
}

static void place_ready(struct place *pl, bool is_openai, const char *output)
{
    place_open(pl, is_openai, is_openai ? "m" : NULL, output);
    pl->server.health = "{}";
    pass(pl, 100);
    assert_string_equal(pl->at.trail.p, "ready;");
}

/* The next request is answered so; status 200 without a body is a stream. */
static void next_answer(struct place *pl, int status, const char *body)
{
    pl->server.creates[pl->server.n_creates] = (struct answer){ status, body };
}

static void start(struct place *pl, const char *input, bool is_array)
{
    const struct run_spec spec = {
        .id = "p", .input = str_of(input), .max_output = LARGEST, .output_is_array = is_array
    };

    watch_start(&pl->w, &pl->at.peer, &spec);
}

static void assert_trail(struct place *pl, const char *text)
{
    assert_string_equal(pl->w.trail.p, text);
}

static void ready_after_loading(void **state)
{
    struct place pl;

    (void)state;
    place_open(&pl, false, NULL, NULL);
    pass(&pl, 60000);
    assert_string_equal(pl.at.trail.p, "");
    pl.server.health = "{}";
    pass(&pl, 300);
    assert_string_equal(pl.at.trail.p, "ready;");
    pl.server.health = NULL;
    pass(&pl, 6000);
    assert_string_equal(pl.at.trail.p, "ready;sick the model server does not answer any more;");
    start(&pl, "{}", false);
    pass(&pl, 10);
    assert_trail(&pl, "never-ran err=the model server takes no predictions any more");
    place_close(&pl);
}

static void a_health_that_says_too_much(void **state)
{
    char *large = malloc(MOST_HEALTH + 2);
    struct place pl;

    (void)state;
    assert_non_null(large);
    memset(large, ' ', MOST_HEALTH + 1);
    large[MOST_HEALTH + 1] = '\0';
    place_open(&pl, false, NULL, NULL);
    pl.server.health = large;
    pass(&pl, 1000);
    assert_string_equal(pl.at.trail.p,
                        "failed the model server's answer to its health check is larger than 1 MB "
                        "(max_health). Let it answer less, or name another path under `health` in "
                        "model.yaml;");
    place_close(&pl);
    free(large);
}

static void the_model_is_asked_for(void **state)
{
    struct place pl;

    (void)state;
    place_open(&pl, true, NULL, NULL);
    pl.server.health = "{}";
    next_answer(&pl, 200, "{\"data\":[{\"id\":\"big/one\"},{\"id\":\"other\"}]}");
    pass(&pl, 100);
    assert_string_equal(pl.at.trail.p, "ready;");
    next_answer(&pl, 200, "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}");
    start(&pl, "{\"prompt\":\"a\",\"seed\":1}", true);
    pass(&pl, 10);
    assert_trail(&pl, "accepted done succeeded out=[\"hi\"]");
    assert_string_equal(
        pl.server.last_body.p,
        "{\"model\":\"big/one\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
        "\"seed\":1,\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    place_close(&pl);
    place_open(&pl, true, NULL, NULL);
    pl.server.health = "{}";
    next_answer(&pl, 404, "{}");
    pass(&pl, 100);
    assert_non_null(strstr(pl.at.trail.p, "failed The model server names no model"));
    place_close(&pl);
}

static void a_chat_as_events(void **state)
{
    struct place pl;

    (void)state;
    place_ready(&pl, true, NULL);
    next_answer(&pl, 200, NULL);
    start(&pl,
          "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"prompt\":\"b\",\"top_p\":1}",
          true);
    pass(&pl, 10);
    assert_string_equal(
        pl.server.last_body.p,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_p\":1,"
        "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    server_send(&pl.server,
                "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}"
                "}]}\n\n");
    server_send(&pl.server, "data: {\"choices\":[{\"delta\":{\"content\":\"x\\ny\"}}]}\n\n");
    pass(&pl, 10);
    assert_trail(&pl, "accepted piece:\"x\\ny\" ");
    server_send(&pl.server, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    server_send(&pl.server, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                            "\"completion_tokens\":1}}\n\ndata: [DONE]\n\n");
    assert_trail(&pl, "accepted piece:\"x\\ny\" done succeeded out=[\"x\\ny\"] "
                      "m={\"input_token_count\":3,\"output_token_count\":1}");
    place_close(&pl); /* the stream is still open: it is closed */
}

static void a_stream_that_says_no_end(void **state)
{
    struct place pl;

    (void)state;
    place_ready(&pl, true, NULL);
    next_answer(&pl, 200, NULL);
    start(&pl, "{\"prompt\":\"a\"}", true);
    pass(&pl, 10);
    server_send(&pl.server, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n");
    server_end(&pl.server);
    pass(&pl, 100); /* the server is well */
    assert_non_null(strstr(pl.w.trail.p, "done failed out=[\"x\"] err=The model server closed"));
    place_close(&pl);

    place_ready(&pl, true, NULL);
    next_answer(&pl, 200, NULL);
    start(&pl, "{\"prompt\":\"a\"}", true);
    pass(&pl, 10);
    pl.server.health = ""; /* it hangs, or its end is on its way */
    server_break(&pl.server);
    pass(&pl, 2000);
    assert_trail(&pl, "accepted ");
    pass(&pl, 2000);
    assert_non_null(strstr(pl.w.trail.p, "lost err=The connection"));
    place_close(&pl);
}

static void refusals(void **state)
{
    static const struct {
        int status;
        const char *body, *trail;
    } rows[] = {
        { 400, "{\"error\":{\"message\":\"too long\",\"code\":400}}",
          "done failed err=too long (the model server answered 400)" },
        { 422, "{\"detail\":[{\"msg\":\"odd\"}]}",
          "done failed err=odd (the model server answered 422)" },
        { 500, "{}", "done failed err=The model server answered 500." },
        { 404, "<html>", "done failed err=The model server answered 404." },
        { 500, "no idea\n", "done failed err=no idea\n (the model server answered 500)" },
        { 503, "{\"error\":\"loading\"}", "never-ran err=loading (the model server answered 503)" },
        { 429, "{}", "never-ran err=The model server answered 429." },
        { 0, "refused", "never-ran err=the model server does not answer" },
        { 200, "{\"error\":{\"message\":\"no\"}}", "accepted done failed err=no" },
        { 200, "nonsense",
          "accepted done failed err=The model server's answer is neither a stream nor JSON" },
    };
    struct place pl;

    (void)state;
    place_ready(&pl, true, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        next_answer(&pl, rows[i].status, rows[i].body);
        start(&pl, "{\"prompt\":\"a\"}", true);
        pass(&pl, 1000);
        assert_trail(&pl, rows[i].trail);
    }
    start(&pl, "{\"seed\":1}", true);
    pass(&pl, 10);
    assert_trail(&pl, "done failed err=The input has neither messages nor a prompt; give one of "
                      "them.");
    place_close(&pl);
}

static void a_long_reason_is_cut(void **state)
{
    char body[700];
    struct place pl;

    (void)state;
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    place_ready(&pl, true, NULL);
    next_answer(&pl, 500, body);
    start(&pl, "{\"prompt\":\"a\"}", true);
    pass(&pl, 10);
    assert_non_null(strstr(pl.w.trail.p, "xxx ... [the rest is cut off: max_error is 400 B]"));
    place_close(&pl);
}

static void plain_answers(void **state)
{
    static const struct {
        const char *output, *body;
        bool is_array;
        const char *trail;
    } rows[] = {
        { NULL, "{\"a\": [1]}", false, "accepted done succeeded out={\"a\": [1]}" },
        { "a.1.b", "{\"a\":[0,{\"b\":\"x\"}]}", false, "accepted done succeeded out=\"x\"" },
        { "a.b", "{\"a\":[]}", false,
          "accepted done failed err=The model server's answer has nothing at a.b, where model.yaml "
          "says under output.from that its output is" },
        { NULL, "1", true, "accepted done succeeded out=[1]" },
        { NULL, "[1]", true, "accepted done succeeded out=[1]" },
        { NULL, "{", false,
          "accepted done failed err=The model server's answer is not JSON that can be read: line "
          "1, "
          "column 2: expected a key in double quotes or '}', but the text ends" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place pl;

        place_ready(&pl, false, rows[i].output);
        next_answer(&pl, 200, rows[i].body);
        start(&pl, "{\"x\":1}", rows[i].is_array);
        pass(&pl, 10);
        assert_trail(&pl, rows[i].trail);
        assert_string_equal(pl.server.last_body.p, "{\"x\":1}");
        place_close(&pl);
    }
}

/* Events without the output are passed over, unless they all are such. */
static void events_without_the_output(void **state)
{
    static const struct {
        const char *first, *trail;
    } rows[] = {
        { "data: {\"a\":\"x\"}\n\n", "accepted piece:\"x\" done succeeded out=[\"x\"]" },
        { "data: \"x\"\n\n",
          "accepted done failed err=No event of the model server's answer has anything at a, where "
          "model.yaml says under output.from that its output is" },
        { ": nothing\n\n", "accepted done failed err=No event" },
        { NULL, "accepted done succeeded out=[]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place pl;

        place_ready(&pl, false, "a");
        next_answer(&pl, 200, NULL);
        start(&pl, "{}", true);
        pass(&pl, 10);
        if (rows[i].first) {
            server_send(&pl.server, rows[i].first);
            server_send(&pl.server, "data: {\"b\":1}\n\n");
        }
        server_send(&pl.server, "data: [DONE]\n\n");
        pass(&pl, 10);
        assert_true(str_starts(str_of(pl.w.trail.p), rows[i].trail));
        place_close(&pl);
    }
}

static void answers_of_all_types(void **state)
{
    static const struct {
        const char *type, *body, *output;
    } rows[] = {
        { "text/plain", "a \"b\"", "\"a \\\"b\\\"\"" },
        { "application/problem+json", "[1]", "[1]" },
        { "image/png", "hi", "\"data:image/png;base64,aGk=\"" },
        { "", "hi", "\"data:application/octet-stream;base64,aGk=\"" },
        { "x/\",\"y\":\"", "hi", "\"data:application/octet-stream;base64,aGk=\"" },
        { "image/png", "", "null" },
    };
    const struct plain_peer pp = { .output = NULL };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct plain_answer got = { .output = BUF_INIT(BUF_UNBOUNDED) };
        struct error err;

        assert_int_equal(
            plain_kind.answer(&pp, str_of(rows[i].type), str_of(rows[i].body), &got, &err),
            STATUS_OK);
        assert_string_equal(got.output.p, rows[i].output);
        plain_answer_deinit(&got);
    }
}

static void plain_events(void **state)
{
    struct place pl;

    (void)state;
    place_ready(&pl, false, "t");
    next_answer(&pl, 200, NULL);
    start(&pl, "{}", true);
    pass(&pl, 10);
    server_send(&pl.server, "data: {\"t\":1}\n\ndata: {\"u\":1}\n\ndata: two words\n\n");
    server_end(&pl.server);
    assert_trail(&pl, "accepted piece:1 piece:\"two words\" done succeeded out=[1,\"two words\"]");
    next_answer(&pl, 200, NULL);
    start(&pl, "{}", true);
    pass(&pl, 10);
    server_event(&pl.server, "error", "{\"message\":\"tired\"}");
    assert_trail(&pl, "accepted done failed err=tired");
    pass(&pl, 10);
    next_answer(&pl, 200, NULL);
    start(&pl, "{}", true);
    pass(&pl, 10);
    server_end(&pl.server);
    assert_trail(&pl, "accepted done succeeded out=[]");
    place_close(&pl);
}

static void more_than_may_be(void **state)
{
    char body[LARGEST + 20], event[LARGEST + 40];
    struct place pl;

    (void)state;
    place_ready(&pl, false, NULL);
    memset(body, '1', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    next_answer(&pl, 200, body);
    start(&pl, "{}", false);
    pass(&pl, 10);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The output is larger than the limit of"));
    assert_non_null(strstr(pl.w.trail.p, "max_output"));
    next_answer(&pl, 200, NULL);
    start(&pl, "{}", true);
    pass(&pl, 10);
    (void)snprintf(event, sizeof(event), "data: %.60s\n\n", body);
    server_send(&pl.server, event);
    server_send(&pl.server, event);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The output is larger than the limit of"));
    place_close(&pl);
}

static void accepted_when_silent(void **state)
{
    struct place pl;

    (void)state;
    place_ready(&pl, false, NULL);
    pl.w.with_time = true;
    next_answer(&pl, -2, NULL);
    start(&pl, "{}", false);
    assert_true(run_is_unsent(&pl.w.run));
    pass(&pl, 60000);
    assert_false(run_is_unsent(&pl.w.run));
    assert_trail(&pl, "accepted@200 ");
    run_cancel(&pl.w.run);
    run_cancel(&pl.w.run);
    assert_trail(&pl, "accepted@200 ");
    pass(&pl, 10);
    assert_trail(&pl, "accepted@200 done@60100 canceled");
    assert_int_equal(pl.at.peer.in_flight, 0);
    place_close(&pl);
}

static void joins_are_forgotten(void **state)
{
    const struct run_spec spec = { .id = "p", .way = RUN_LONG, .join = true };
    struct place pl;

    (void)state;
    place_ready(&pl, false, NULL);
    assert_true(protocol_ends_with_us(pl.protocol));
    watch_start(&pl.w, &pl.at.peer, &spec);
    assert_false(run_is_unsent(&pl.w.run));
    pass(&pl, 10);
    assert_non_null(strstr(pl.w.trail.p, "forgotten err=The result was lost"));
    assert_int_equal(pl.server.n_creates, 0);
    place_close(&pl);
}

/* In each of a run's events the caller cancels, lets go, or closes the peer. */
static void callers_do_as_they_like(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        for (int at = 1; at <= 3; at++) {
            struct place pl;

            place_ready(&pl, true, NULL);
            next_answer(&pl, 200, NULL);
            pl.w.cancel_at = what == 0 ? at : 0;
            pl.w.release_at = what == 1 && at < 3 ? at : 0;
            pl.w.close_at = what == 2 && at < 3 ? at : 0;
            start(&pl, "{\"prompt\":\"a\"}", true);
            pass(&pl, 10);
            for (int i = 0; i < 3 && pl.server.stream; i++)
                server_send(&pl.server,
                            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n");
            pass(&pl, 10);
            place_end(&pl, !pl.w.close_at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_after_loading),
        cmocka_unit_test(the_model_is_asked_for),
        cmocka_unit_test(a_chat_as_events),
        cmocka_unit_test(a_stream_that_says_no_end),
        cmocka_unit_test(a_health_that_says_too_much),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(plain_answers),
        cmocka_unit_test(events_without_the_output),
        cmocka_unit_test(answers_of_all_types),
        cmocka_unit_test(plain_events),
        cmocka_unit_test(more_than_may_be),
        cmocka_unit_test(accepted_when_silent),
        cmocka_unit_test(joins_are_forgotten),
        cmocka_unit_test(callers_do_as_they_like),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
