/* SPDX-License-Identifier: Apache-2.0 */
/* The health of a model server, as GET /health-check tells it.
 *
 * What it says is taken with care: READY and BUSY do not say how many slots are free; a worker that
 * holds Python's lock makes the check time out although its prediction is fine; a worker that died
 * leaves a server behind that answers for ever; a slot can be lost while everything seems well.
 * FAILED and SICK are final: nothing is asked any more after them. */
#include "protocol/cog/cog_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    MAX_FAILURES = 3,
    REPROBE_MS = 100,
    PRINTED_MS = 5, /* between two looks, where it prints */
    SETUP_LOG_MAX = 1 << 20,
};

static void start_probe(struct cog_peer *cp);

static bool is_final(const struct cog_peer *cp)
{
    return cp->health == PEER_FAILED || cp->health == PEER_SICK;
}

static void on_tell(struct deferred *d)
{
    struct cog_peer *cp = container_of(d, struct cog_peer, tell);
    bool with_log = cp->has_setup_log && cp->health != PEER_SICK;

    cp->peer->events->health(cp->peer, cp->health, cp->text,
                             with_log ? buf_str(&cp->setup_log) : STR_NULL);
}

static void set_health(struct cog_peer *cp, enum peer_health h, struct str text)
{
    cp->health = h;
    free(cp->text);
    cp->text = text.p ? str_dup(text) : NULL;
    deferred_call(&cp->tell);
}

void cog_peer_sick(struct cog_peer *cp, const char *text, bool worker_is_gone)
{
    struct cog_run *cr;

    if (!cp->peer || is_final(cp))
        return;
    timer_stop(&cp->probe_timer);
    set_health(cp, PEER_SICK, str_of(text));
    list_each (&cp->runs, cr, struct cog_run, node)
        cog_run_peer_sick(cr, worker_is_gone);
}

static void fail(struct cog_peer *cp, struct str text)
{
    struct cog_run *cr;

    timer_stop(&cp->probe_timer);
    set_health(cp, PEER_FAILED, text);
    list_each (&cp->runs, cr, struct cog_run, node)
        cog_run_peer_sick(cr, false);
}

void cog_peer_full(struct cog_peer *cp)
{
    int64_t now = cog_now(cp);

    if (cp->n_accepted > 0) {
        cp->full_since_ms = -1;
        return;
    }
    if (cp->full_since_ms < 0) {
        cp->full_since_ms = now;
        /* The usual distance would tell too late. */
        timer_start(&cp->probe_timer,
                    MIN(cp->cog->timing.lost_slot_ms / 4, cp->cog->timing.probe_ready_ms));
    } else if (now - cp->full_since_ms > cp->cog->timing.lost_slot_ms) {
        cog_peer_sick(cp, "the model server has lost a slot: it is busy while nothing runs", false);
    }
}

static enum cog_dialect dialect_of(const struct json *root)
{
    return json_path(root, "version.coglet") ? COG_COGLET : COG_LEGACY;
}

/* What is kept of a setup's log. */
static void make_setup_log(enum cog_dialect dialect, struct str log, struct buf *out)
{
    struct buf clean CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct cog_logs kept;

    if (dialect == COG_COGLET) {
        cog_setup_log(log, &clean);
        log = buf_str(&clean);
    }
    cog_logs_init(&kept, out, SETUP_LOG_MAX);
    cog_logs_add(&kept, log);
    cog_logs_settle(&kept);
}

static void keep_setup_log(struct cog_peer *cp, struct str log)
{
    cp->has_setup_log = true;
    if (!cp->reading) {
        make_setup_log(cp->dialect, log, &cp->setup_log);
        return;
    }
    buf_deinit(&cp->setup_log);
    cp->setup_log = cp->reading->extra;
    cp->reading->extra = (struct buf){ 0 };
}

/* Setup is over. */
static void set_ready(struct cog_peer *cp, const struct json *root)
{
    struct str logs = json_to_str(json_path(root, "setup.logs"));

    if (cp->health != PEER_STARTING)
        return;
    if (logs.n)
        keep_setup_log(cp, logs);
    set_health(cp, PEER_READY, STR_NULL);
}

/* The last line that says something: in the older server's setup log that is the exception. */
static struct str last_line(struct str text)
{
    struct str line, last = STR_NULL;

    while (str_split(&text, '\n', &line)) {
        if (str_trim(line).n)
            last = str_trim(line);
    }
    return last;
}

static void on_setup_failed(struct cog_peer *cp, const struct json *root)
{
    struct str logs = json_to_str(json_path(root, "setup.logs")), text = STR_NULL;

    /* coglet's log of a failed setup is nothing but the error sentence; what the model printed
     * before is on the server's standard error only. */
    if (logs.n && cp->dialect == COG_COGLET) {
        text = cog_setup_error(logs);
    } else if (logs.n) {
        text = last_line(logs);
        keep_setup_log(cp, logs);
    }
    fail(cp, text.n ? text : STR("The model's setup failed without saying why"));
}

static void on_unhealthy(struct cog_peer *cp, const struct json *root)
{
    struct str text = json_to_str(json_get(root, "user_healthcheck_error"));
    int64_t now = cog_now(cp);
    char *why;

    if (!text.n)
        text = STR("the model says that it is not healthy");
    why = str_dup(text);
    if (str_starts(text, "Healthcheck error:") || strstr(why, "Worker crashed")) {
        if (cp->health == PEER_STARTING)
            fail(cp, STR("The model's process ended by itself"));
        else
            cog_peer_sick(cp, "the model's process ended by itself", true);
        free(why);
        return;
    }
    /* The model's own check failed, or the worker was too busy to answer it: while something runs
     * that is no reason to end it; and if it ran before we came, setup is over. */
    if (cp->n_accepted > 0)
        set_ready(cp, root);
    cp->n_unhealthy++;
    if (cp->n_accepted > 0 || cp->unhealthy_since_ms < 0)
        cp->unhealthy_since_ms = now;
    else if (cp->n_unhealthy >= MAX_FAILURES &&
             now - cp->unhealthy_since_ms >= cp->cog->timing.unhealthy_ms) {
        if (cp->health == PEER_STARTING)
            fail(cp, text);
        else
            cog_peer_sick(cp, why, false);
    }
    free(why);
}

static void learn_dialect(struct cog_peer *cp, const struct json *root)
{
    struct cog_run *cr;

    if (cp->dialect != COG_UNKNOWN)
        return;
    cp->dialect = dialect_of(root);
    list_each (&cp->runs, cr, struct cog_run, node)
        cog_run_peer_known(cr);
}

static void on_free(struct cog_peer *cp, const struct json *root)
{
    struct cog_run *cr;

    cp->full_since_ms = -1;
    set_ready(cp, root);
    if (cp->slots > 1) /* one free slot among several says nothing about a run */
        return;
    list_each (&cp->runs, cr, struct cog_run, node)
        cog_run_peer_ready(cr);
}

static void on_busy(struct cog_peer *cp, const struct json *root)
{
    struct cog_run *cr;

    set_ready(cp, root);
    list_each (&cp->runs, cr, struct cog_run, node)
        cr->ready_since_ms = -1;
    cog_peer_full(cp);
}

/* The server answered `root`. Words that are not known change nothing. */
static void read_health(struct cog_peer *cp, const struct json *root)
{
    struct str status = json_to_str(json_get(root, "status"));

    cp->n_failures = 0;
    if (!status.p)
        return;
    learn_dialect(cp, root);
    if (!str_is(status, "UNHEALTHY")) {
        cp->n_unhealthy = 0;
        cp->unhealthy_since_ms = -1;
    }
    if (str_is(status, "READY"))
        on_free(cp, root);
    else if (str_is(status, "BUSY"))
        on_busy(cp, root);
    else if (str_is(status, "SETUP_FAILED"))
        on_setup_failed(cp, root);
    else if (str_is(status, "UNHEALTHY"))
        on_unhealthy(cp, root);
    else if (str_is(status, "DEFUNCT") && cp->health == PEER_STARTING)
        fail(cp, STR("The model's process ended by itself"));
    else if (str_is(status, "DEFUNCT"))
        cog_peer_sick(cp, "the model's process ended by itself", true);
    else if (str_is(status, "STARTING") && cp->health == PEER_READY)
        cog_peer_sick(cp, "the model server began anew", false);
}

/* It would be as large the next time, and each time cost what others wait for. */
static void on_too_large(struct cog_peer *cp)
{
    char limit[TIME_TEXT_SIZE];
    char *text;

    size_format((int64_t)cp->cog->timing.limits.max_health, limit);
    text =
        xasprintf("the model server's answer to its health check is too large: with what setup() "
                  "printed it may have %s (max_health), and its header fields "
                  "max_answer_head. Let setup() print less, or have the limit raised",
                  limit);
    if (cp->health == PEER_STARTING)
        fail(cp, str_of(text));
    else
        cog_peer_sick(cp, text, false);
    free(text);
}

/* Nobody answered, or nothing that can be read. Before it was ready that is how every server
 * begins. */
static void on_no_answer(struct cog_peer *cp, enum status st)
{
    if (st == STATUS_TOO_LARGE) {
        on_too_large(cp);
        return;
    }
    if (cp->health != PEER_READY)
        return;
    cp->n_failures++;
    if (st == STATUS_UNREACHABLE || st == STATUS_BROKEN) {
        if (cp->n_failures >= 2)
            cog_peer_sick(cp, "the model server does not answer any more", false);
    } else if (cp->n_failures >= MAX_FAILURES && cp->n_accepted == 0) {
        cog_peer_sick(cp, "the model server does not answer its health check", false);
    }
}

static int64_t next_interval(struct cog_peer *cp)
{
    const struct cog_timing *t = &cp->cog->timing;

    if (cp->health == PEER_READY) {
        if (cp->n_failures > 0)
            return MIN((int64_t)REPROBE_MS, t->probe_ready_ms);
        if (cp->full_since_ms >= 0)
            return MIN(t->lost_slot_ms / 4, t->probe_ready_ms);
        return t->probe_ready_ms;
    }
    if (cp->has_printed)
        return MAX(cp->probed_ms + PRINTED_MS - cog_now(cp), 1);
    /* READY is seen at most a hundredth of the boot late: looking costs neither a short boot time
     * nor a long one work. */
    return MIN(MAX((cog_now(cp) - cp->began_ms) / 100, t->probe_first_ms), t->probe_max_ms);
}

/* There is an answer (`root`), or none that is of use. */
static void probe_over(struct cog_peer *cp, enum status st, const struct json *root)
{
    bool is_wanted = cp->peer && !is_final(cp);

    cp->probe_open = false;
    if (is_wanted && st)
        on_no_answer(cp, st);
    else if (is_wanted)
        read_health(cp, root);
    cp->reading = NULL;
    if (!cp->peer) {
        cog_peer_unref(cp);
        return;
    }
    if (is_final(cp))
        return;
    if (cp->probe_again) {
        cp->probe_again = false;
        start_probe(cp);
        return;
    }
    timer_start(&cp->probe_timer, next_interval(cp));
}

static void on_health_read(struct cog_reading *x)
{
    probe_over(x->owner, x->status == STATUS_OK ? STATUS_OK : STATUS_INVALID, x->root);
}

/* On another thread. */
static void read_setup_log(struct cog_reading *x)
{
    struct str logs = json_to_str(json_path(x->root, "setup.logs"));

    if (logs.n)
        make_setup_log(dialect_of(x->root), logs, &x->extra);
}

static void read_large(struct cog_peer *cp, struct buf *body)
{
    struct cog_reading *x = cog_reading_new(body, &COG_HEALTH_JSON, cp, on_health_read);

    buf_init(&x->extra, BUF_UNBOUNDED); /* struct cog_logs bounds it */
    x->also = cp->health == PEER_STARTING ? read_setup_log : NULL;
    cp->reading = x;
    cog_reading_begin(cp->cog->base.loop, x);
}

static void on_probe_done(struct http_call *c, const struct error *err)
{
    struct cog_peer *cp = container_of(c, struct cog_peer, probe);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    enum status st = err ? err->status : STATUS_OK;
    struct json *root = NULL;

    if (!st && c->status == 200 && c->body.n > COG_LARGE && cp->peer && !is_final(cp)) {
        read_large(cp, &c->body);
        return;
    }
    if (!st && (c->status != 200 ||
                json_parse(&a, buf_str(&c->body), &COG_HEALTH_JSON, &root, NULL) != STATUS_OK))
        st = STATUS_INVALID;
    probe_over(cp, st, root);
}

static const struct http_call_events probe_events = { .done = on_probe_done };

static void start_probe(struct cog_peer *cp)
{
    timer_stop(&cp->probe_timer);
    cp->probe_open = true;
    cp->probed_ms = cog_now(cp);
    cp->has_printed = false;
    http_call_start(cp->cog->client, &cp->probe,
                    &(struct http_call_spec){ .method = "GET",
                                              .url = cp->probe_url,
                                              .unix_socket = cp->unix_socket,
                                              .timeout_ms = cp->cog->timing.probe_timeout_ms,
                                              .max_body = cp->cog->timing.limits.max_health },
                    &probe_events);
}

static void on_probe_timer(struct timer *t)
{
    struct cog_peer *cp = container_of(t, struct cog_peer, probe_timer);

    if (!cp->probe_open)
        start_probe(cp);
}

void cog_probe_now(struct cog_peer *cp)
{
    if (!cp->peer || is_final(cp))
        return;
    if (cp->probe_open)
        cp->probe_again = true;
    else
        timer_start(&cp->probe_timer, 0);
}

/* A millisecond later: what it prints of its readiness comes in several lines, the last of them
 * when it is ready. */
void cog_probe_printed(struct peer *p)
{
    struct cog_peer *cp = p->impl;
    int64_t at;

    if (cp->health != PEER_STARTING)
        return;
    cp->has_printed = true;
    at = cog_now(cp) + next_interval(cp);
    if (timer_armed(&cp->probe_timer) && at < cp->probe_timer.due_ms)
        timer_start_at(&cp->probe_timer, at);
}

void cog_probe_init(struct cog_peer *cp)
{
    struct loop *l = cp->cog->base.loop;

    cp->health = PEER_STARTING;
    cp->began_ms = cog_now(cp);
    cp->unhealthy_since_ms = cp->full_since_ms = -1;
    cp->probe_url = xasprintf("%s/health-check", cp->url);
    buf_init(&cp->setup_log, BUF_UNBOUNDED); /* struct cog_logs bounds it */
    timer_init(l, &cp->probe_timer, on_probe_timer);
    deferred_init(l, &cp->tell, on_tell);
    start_probe(cp);
}

void cog_probe_deinit(struct cog_peer *cp)
{
    timer_stop(&cp->probe_timer);
    deferred_cancel(&cp->tell);
    if (cp->probe_open)
        http_call_cancel(&cp->probe);
}
