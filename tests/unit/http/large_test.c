/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies that are read on another thread: the same answers, in order, and nothing is used
 * after its client has gone. */
#include "serving.h"

#define H "Host: h\r\n"

enum { N = 100000 }; /* elements of a large body, two bytes each */

static struct serving s;
static sem_t keeping, gone, go, counted;
static size_t n_counted;

static void on_echo(struct http_request *r)
{
    char text[64];

    snprintf(text, sizeof(text), "%zu values, %zu bytes", json_get(r->json, "a")->n, r->body.n);
    http_respond(r, 200, "text/plain", str_of(text));
}

/* What a machine says: of any shape, and its memory is for the taking. */
static void on_shallow(struct http_request *r)
{
    const struct json *a = json_get(r->json, "a");
    struct buf *memory = http_body_memory(r);
    struct buf mine = *memory;
    char text[64];

    *memory = (struct buf){ 0 };
    snprintf(text, sizeof(text), "%zu values, %s kept, %c", a->n, a->child ? "all" : "none",
             mine.p[a->span.p - mine.p]);
    buf_deinit(&mine);
    http_respond(r, 200, "text/plain", str_of(text));
}

struct keep {
    struct work work;
    struct http_kept *kept;
    const struct json *json;
    struct http_request *r;
};

static void on_gone(struct http_request *r)
{
    struct keep *k = r->context;

    k->r = NULL;
    sem_post(&gone);
}

static void count_work(struct work *w)
{
    struct keep *k = container_of(w, struct keep, work);

    sem_wait(&go);
    json_each (json_get(k->json, "a"), e)
        n_counted += e->span.p[0] == '7' ? 1 : 0;
}

static void on_counted(struct work *w)
{
    struct keep *k = container_of(w, struct keep, work);

    http_release(k->kept);
    if (k->r)
        http_respond_empty(k->r, 204);
    free(k);
    sem_post(&counted);
}

static void on_keep(struct http_request *r)
{
    struct keep *k = xnew(struct keep);

    k->kept = http_keep(r);
    k->json = r->json;
    k->r = r;
    r->context = k;
    r->on_gone = on_gone;
    work_start(r->loop, &k->work, count_work, on_counted);
    sem_post(&keeping);
}

static const struct http_route routes[] = {
    { .method = "POST", .path = "/echo", .handler = on_echo, .flags = HTTP_OPEN | HTTP_BODY_JSON },
    { .method = "POST", .path = "/keep", .handler = on_keep, .flags = HTTP_OPEN | HTTP_BODY_JSON },
    { .method = "POST",
      .path = "/shallow",
      .handler = on_shallow,
      .flags = HTTP_OPEN | HTTP_BODY_JSON | HTTP_BODY_SHALLOW },
};

static int setup(void **state)
{
    (void)state;
    s = (struct serving){ .config = { .routes = routes, .n_routes = ARRAY_SIZE(routes) },
                          .grace_ms = 60000 };
    sem_init(&keeping, 0, 0);
    sem_init(&gone, 0, 0);
    sem_init(&go, 0, 0);
    sem_init(&counted, 0, 0);
    n_counted = 0;
    serving_start(&s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    serving_stop(&s);
    return 0;
}

/* {"a":[7,7,...]} and what stands behind it. */
static struct buf large(const char *path, const char *end)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf all = BUF_INIT(BUF_UNBOUNDED);

    buf_adds(&body, "{\"a\":\n[7");
    for (int i = 1; i < N; i++)
        buf_adds(&body, ",7");
    buf_adds(&body, end);
    buf_addf(&all, "POST %s HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n%.*s", path, body.n,
             STR_ARG(buf_str(&body)));
    return all;
}

static void a_large_body_is_read_and_those_behind_it_wait(void **state)
{
    struct buf first CLEANUP(buf_deinit) = large("/echo", "]}");
    struct buf next = large("/echo", "]}");
    int fd = dial(&s);
    struct reply r;

    (void)state;
    buf_add_str(&first, buf_str(&next));
    buf_deinit(&next);
    buf_adds(&first, "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\n{\"a\":[1]}");
    assert_true(try_say(fd, first.p, first.n));
    for (int i = 0; i < 3; i++) {
        hear_reply(fd, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body.p, i < 2 ? "100000 values, 200008 bytes" : "1 values, 9 bytes");
        reply_free(&r);
    }
    close(fd);
}

static void what_is_wrong_with_one_is_said(void **state)
{
    static const struct {
        const char *end, *says;
    } rows[] = {
        { "}", "The body is not valid JSON: line 2, column 200001: expected ',' or ']'" },
        { "],\"b\":1,\"b\":2}", "The key \\\"b\\\" is given more than once." },
        { ",[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
          "[[[["
          "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
          "nested deeper than 128 levels" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf text CLEANUP(buf_deinit) = large("/echo", rows[i].end);
        int fd = dial(&s);
        struct reply r;

        assert_true(try_say(fd, text.p, text.n));
        hear_reply(fd, &r);
        assert_int_equal(r.status, 400);
        assert_has(&r.body, rows[i].says);
        reply_free(&r);
        close(fd);
    }
}

/* However many values it has, and though a key comes twice. */
static void one_of_a_machine_is_read_as_deep_as_there_is_room(void **state)
{
    static const struct {
        const char *end, *says;
    } rows[] = {
        { "],\"b\":1,\"b\":2}", "100000 values, none kept, [" },
        { "],\"b\":[[[[[[]]]]]]}", "100000 values, none kept, [" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf text CLEANUP(buf_deinit) = large("/shallow", rows[i].end);
        int fd = dial(&s);
        struct reply r;

        assert_true(try_say(fd, text.p, text.n));
        hear_reply(fd, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body.p, rows[i].says);
        reply_free(&r);
        close(fd);
    }
}

/* At whatever moment of the reading they go. */
static void clients_that_go_meanwhile(void **state)
{
    struct linger at_once = { .l_onoff = 1 };
    struct buf text CLEANUP(buf_deinit) = large("/echo", "]}");

    (void)state;
    for (int i = 0; i < 20; i++) {
        int fd = dial(&s);

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        assert_true(try_say(fd, text.p, text.n));
        close(fd);
    }
}

static void what_is_kept_outlives_its_request(void **state)
{
    struct linger at_once = { .l_onoff = 1 };
    struct buf text CLEANUP(buf_deinit) = large("/keep", "]}");
    int fd = dial(&s);

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    assert_true(try_say(fd, text.p, text.n));
    await(&keeping);
    close(fd);
    await(&gone);
    sem_post(&go);
    await(&counted);
    assert_int_equal(n_counted, N);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_large_body_is_read_and_those_behind_it_wait),
        TEST(what_is_wrong_with_one_is_said),
        TEST(one_of_a_machine_is_read_as_deep_as_there_is_room),
        TEST(clients_that_go_meanwhile),
        TEST(what_is_kept_outlives_its_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
