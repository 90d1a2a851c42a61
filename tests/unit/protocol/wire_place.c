/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_place.h"

#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { GUARD_MS = 60000 };

static struct wire_place *the_place;

/* --- the receiver of webhooks: one request a connection is enough
 * ---------------------------------------------- */

struct hook {
    uv_tcp_t tcp;
    uv_write_t write;
    struct buf in;
    struct list node;
};

static void on_hook_closed(uv_handle_t *h)
{
    struct hook *k = container_of((uv_tcp_t *)(void *)h, struct hook, tcp);

    list_remove(&k->node);
    buf_deinit(&k->in);
    free(k);
    loop_stop(the_place->loop);
}

static void on_hook_written(uv_write_t *w, int status)
{
    (void)w;
    (void)status;
}

static void take_hook(struct wire_place *pl, struct str path, struct str body)
{
    struct error err;

    pl->n_hooks++;
    for (int i = 0; i < MAX_RUNS; i++) {
        struct wire_run *r = &pl->runs[i];

        if (!r->is_open || !str_ends(path, r->id))
            continue;
        if (!r->w.run.impl || !pl->is_open) /* ended, or released */
            break;
        assert_int_equal(watch_told(&r->w.run, body, &err), STATUS_OK);
        loop_stop(pl->loop);
        return;
    }
    pl->n_stray++;
    buf_clear(&pl->stray);
    buf_add_str(&pl->stray, body);
    loop_stop(pl->loop);
}

/* Answers every whole request that is there. */
static void serve_hook(struct hook *k)
{
    static char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    uv_buf_t out = uv_buf_init(answer, sizeof(answer) - 1);
    char *end = strstr(k->in.p, "\r\n\r\n"), *length, *path_end;
    size_t n_head, n_body;

    if (!end)
        return;
    n_head = (size_t)(end + 4 - k->in.p);
    length = strcasestr(k->in.p, "content-length:");
    n_body = length ? strtoul(length + 15, NULL, 10) : 0;
    if (k->in.n < n_head + n_body)
        return;
    path_end = strchr(k->in.p + 5, ' ');
    take_hook(the_place, str_make(k->in.p + 5, (size_t)(path_end - k->in.p - 5)),
              str_make(k->in.p + n_head, n_body));
    buf_shift(&k->in, n_head + n_body);
    uv_write(&k->write, (uv_stream_t *)(void *)&k->tcp, &out, 1, on_hook_written);
    uv_close((uv_handle_t *)(void *)&k->tcp, on_hook_closed);
}

static void on_hook_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct hook *k = container_of((uv_tcp_t *)(void *)h, struct hook, tcp);

    (void)suggested;
    *out = uv_buf_init(buf_reserve(&k->in, 65536), 65536);
}

static void on_hook_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct hook *k = container_of((uv_tcp_t *)(void *)s, struct hook, tcp);

    (void)b;
    if (n > 0) {
        buf_commit(&k->in, (size_t)n);
        serve_hook(k);
    } else if (n < 0 && !uv_is_closing((uv_handle_t *)(void *)&k->tcp)) {
        uv_close((uv_handle_t *)(void *)&k->tcp, on_hook_closed);
    }
}

static void on_hook(uv_stream_t *listener, int status)
{
    struct hook *k = xnew(struct hook);

    assert_int_equal(status, 0);
    buf_init(&k->in, BUF_UNBOUNDED);
    list_push(&the_place->open_hooks, &k->node);
    uv_tcp_init(listener->loop, &k->tcp);
    uv_accept(listener, (uv_stream_t *)(void *)&k->tcp);
    uv_read_start((uv_stream_t *)(void *)&k->tcp, on_hook_alloc, on_hook_read);
}

static void listen_for_hooks(struct wire_place *pl)
{
    struct sockaddr_in a;
    int n = sizeof(a);

    uv_tcp_init(loop_uv(pl->loop), &pl->hooks);
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_bind(&pl->hooks, (const struct sockaddr *)(const void *)&a, 0);
    assert_int_equal(uv_listen((uv_stream_t *)(void *)&pl->hooks, 16, on_hook), 0);
    uv_tcp_getsockname(&pl->hooks, (struct sockaddr *)(void *)&a, &n);
    buf_addf(&pl->internal_url, "http://127.0.0.1:%d/_i/cap", (int)ntohs(a.sin_port));
}

/* --- the model server
 * -------------------------------------------------------------------------------------------- */

static void on_line(struct child *c, struct str line, bool is_stderr)
{
    struct wire_place *pl = container_of(c, struct wire_place, child);
    char *text = str_dup(line), *at;

    (void)is_stderr;
    buf_addf(&pl->stderr_text, "%s\n", text);
    at = strstr(text, "127.0.0.1:");
    if (!pl->url.n && at && (strstr(text, "listening") || strstr(text, "Starting coglet server"))) {
        buf_addf(&pl->url, "http://127.0.0.1:%d", (int)strtol(at + 10, NULL, 10));
        loop_stop(pl->loop);
    }
    free(text);
}

static void on_exited(struct child *c, int code, int signal, bool timed_out)
{
    struct wire_place *pl = container_of(c, struct wire_place, child);

    (void)code;
    (void)signal;
    (void)timed_out;
    pl->child_is_gone = true;
    loop_stop(pl->loop);
}

static const struct child_events child_events = { on_line, on_exited };

static void on_guard(struct timer *t)
{
    struct wire_place *pl = container_of(t, struct wire_place, guard);

    (void)pl;
    loop_stop(t->loop);
}

void wire_turn(struct wire_place *pl, const char *what)
{
    if (!timer_armed(&pl->guard))
        fail_msg("waited too long for: %s\n%s\npeer: %s\nrun: %s", what, pl->stderr_text.p,
                 pl->at.trail.p, pl->runs[0].w.trail.p ? pl->runs[0].w.trail.p : "");
    loop_run(pl->loop);
}

/* A test that fails leaves by a jump: its server must not stay behind. */
static int left_pid;

static void kill_what_is_left(void)
{
    if (left_pid > 0)
        kill(-left_pid, SIGKILL);
    left_pid = 0;
}

void wire_init(struct wire_place *pl)
{
    static bool is_registered;

    kill_what_is_left();
    if (!is_registered)
        is_registered = atexit(kill_what_is_left) == 0;
    *pl = (struct wire_place){ .timing = cog_timing_default };
    the_place = pl;
    pl->loop = loop_new_real();
    pl->client = http_client_new(pl->loop);
    list_init(&pl->open_hooks);
    buf_init(&pl->url, BUF_UNBOUNDED);
    buf_init(&pl->internal_url, BUF_UNBOUNDED);
    buf_init(&pl->stderr_text, BUF_UNBOUNDED);
    buf_init(&pl->stray, BUF_UNBOUNDED);
    buf_init(&pl->at.trail, BUF_UNBOUNDED);
    buf_adds(&pl->stderr_text, "");
    buf_adds(&pl->at.trail, "");
    pl->at.loop = pl->loop;
    pl->at.stops_loop = true;
    pl->spec = (struct peer_spec){ .slots = 1, .streams = true };
    timer_init(pl->loop, &pl->guard, on_guard);
    timer_start(&pl->guard, GUARD_MS);
    listen_for_hooks(pl);
    pl->protocol = NULL;
}

void wire_spawn(struct wire_place *pl, const char *const *args, const char *const *env,
                const char *cwd)
{
    struct child_spec spec = { .file = args[0], .args = args, .env = env, .cwd = cwd };
    struct error err;

    if (child_start(pl->loop, &pl->child, &spec, &child_events, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    pl->child_is_up = true;
    left_pid = pl->child.pid;
    WIRE_WAIT(pl, pl->url.n > 0 || pl->child_is_gone);
    if (!pl->url.n)
        fail_msg("%s", pl->stderr_text.p);
}

void wire_mock(struct wire_place *pl, const char *script_json)
{
    static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1",
                                       "PYTHONDONTWRITEBYTECODE=1", NULL };
    char path[] = "/tmp/berth-script-XXXXXX";
    int fd = mkstemp(path);
    const char *const args[] = {
        "python3", BERTH_SOURCE "/tests/mock/instance.py", "--port", "0", "--script", path, NULL
    };

    assert_true(fd >= 0);
    assert_int_equal(write(fd, script_json, strlen(script_json)), (ssize_t)strlen(script_json));
    close(fd);
    wire_spawn(pl, args, env, "/");
    unlink(path);
}

void wire_open(struct wire_place *pl)
{
    if (!pl->protocol)
        pl->protocol = cog_protocol_new_timed(pl->loop, pl->client, &pl->timing);
    pl->spec.url = pl->url.p;
    pl->spec.internal_url = pl->internal_url.p;
    pl->at.health = PEER_STARTING;
    pl->is_open = true;
    peer_open(pl->protocol, &pl->at.peer, &pl->spec, &peer_watch_events);
    WIRE_WAIT(pl, pl->at.health != PEER_STARTING);
}

void wire_close(struct wire_place *pl)
{
    peer_close(&pl->at.peer);
    pl->is_open = false;
}

static void on_listener_closed(uv_handle_t *h)
{
    h->data = NULL;
    loop_stop(the_place->loop);
}

static void close_hooks(struct wire_place *pl)
{
    struct hook *k;

    pl->hooks.data = pl;
    uv_close((uv_handle_t *)(void *)&pl->hooks, on_listener_closed);
    list_each (&pl->open_hooks, k, struct hook, node)
        if (!uv_is_closing((uv_handle_t *)(void *)&k->tcp))
            uv_close((uv_handle_t *)(void *)&k->tcp, on_hook_closed);
    WIRE_WAIT(pl, list_empty(&pl->open_hooks) && !pl->hooks.data);
}

void wire_deinit(struct wire_place *pl)
{
    if (pl->is_open)
        wire_close(pl);
    if (pl->child_is_up && !pl->child_is_gone)
        child_kill(&pl->child, SIGKILL);
    WIRE_WAIT(pl, !pl->child_is_up || pl->child_is_gone);
    left_pid = 0;
    close_hooks(pl);
    http_client_free(pl->client);
    protocol_free(pl->protocol);
    work_finish(pl->loop); /* a large event may still be given back on another thread */
    timer_stop(&pl->guard);
    for (int i = 0; i < MAX_RUNS; i++)
        watch_deinit(&pl->runs[i].w);
    buf_deinit(&pl->url);
    buf_deinit(&pl->internal_url);
    buf_deinit(&pl->stderr_text);
    buf_deinit(&pl->stray);
    buf_deinit(&pl->at.trail);
    loop_free(pl->loop);
}

struct watch *wire_run(struct wire_place *pl, int i, const struct run_spec *spec)
{
    struct run_spec s = *spec;
    struct wire_run *r = &pl->runs[i];

    if (s.id)
        snprintf(r->id, sizeof(r->id), "%s", s.id);
    else
        snprintf(r->id, sizeof(r->id), "wire%d", pl->n_ids++);
    s.id = r->id;
    if (!s.max_output)
        s.max_output = 100000000;
    r->is_open = true;
    r->w.stops_loop = true;
    watch_start(&r->w, &pl->at.peer, &s);
    return &r->w;
}
