/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen.h"

enum { MAX_EVENT = 256 << 20 };

static void on_event(struct sse_reader *r, const struct sse_event *e)
{
    struct listening *l = container_of(r, struct listening, reader);
    struct str id = e->id, seconds;
    uint64_t number;

    if (str_is(e->name, "output") && id.p && str_split(&id, ':', &seconds) &&
        str_to_u64(id, &number))
        l->piece(l, number, e->data);
}

static bool on_data(struct http_call *c, struct str piece)
{
    struct listening *l = container_of(c, struct listening, call);

    if (c->status == 200 && !sse_reader_feed(&l->reader, piece))
        http_call_cancel(c);
    return true;
}

static void on_done(struct http_call *c, const struct error *err)
{
    struct listening *l = container_of(c, struct listening, call);

    (void)err;
    l->is_open = false;
    loop_stop(l->loop);
}

static void on_timer(struct timer *t)
{
    loop_stop(t->loop);
}

void listening_open(struct listening *l, const char *url,
                    void (*piece)(struct listening *l, uint64_t number, struct str text))
{
    static const struct http_call_events events = { .data = on_data, .done = on_done };
    static const char *const headers[] = { "Accept: text/event-stream", NULL };

    *l = (struct listening){ .loop = loop_new_real(), .piece = piece, .is_open = true };
    l->client = http_client_new(l->loop);
    timer_init(l->loop, &l->timer, on_timer);
    sse_reader_init(&l->reader, MAX_EVENT, on_event);
    http_call_start(l->client, &l->call,
                    &(struct http_call_spec){ .method = "GET", .url = url, .headers = headers },
                    &events);
}

void listening_wait(struct listening *l, int64_t ms)
{
    timer_start(&l->timer, ms);
    loop_run(l->loop);
    timer_stop(&l->timer);
}

void listening_close(struct listening *l)
{
    if (!l->loop)
        return;
    http_client_free(l->client);
    http_call_deinit(&l->call);
    sse_reader_deinit(&l->reader);
    loop_free(l->loop);
    *l = (struct listening){ 0 };
}
