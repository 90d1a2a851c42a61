/* SPDX-License-Identifier: Apache-2.0 */
/* Follows a prediction until it ends: what it does goes to standard error, what it gives to
 * standard output. */
#include "cli/follow.h"

#include "base/clock.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 500, /* at status and logs, while the output comes by itself */
    AWAY_S = 60,   /* a server that went is asked again for so long */
    AWAY_MAX_S = 24 * 3600,
    AGAIN_MS = 1000, /* at least so often */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static void catch_interrupt(void)
{
    struct sigaction act = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };

    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
}

static void pause_ms(int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L };

    nanosleep(&t, NULL);
}

bool is_ended(struct str status)
{
    return str_is(status, "succeeded") || str_is(status, "failed") || str_is(status, "canceled") ||
           str_is(status, "aborted");
}

static void clear_line(struct following *f)
{
    if (f->has_spinner)
        fputs("\r\033[K", stderr);
    f->has_spinner = false;
}

static void show_status(struct following *f, struct str status, const struct json *p)
{
    static const char wheel[] = "|/-\\";
    int64_t position = 0;
    bool waits = json_to_i64(json_path(p, "queue.position"), &position) && position > 0;

    if (f->is_terminal && !is_ended(status)) {
        clear_line(f);
        fprintf(stderr, "%c %.*s", wheel[f->turn++ % 4], STR_ARG(status));
        if (waits)
            fprintf(stderr, " (number %lld in the queue)", (long long)position);
        f->has_spinner = true;
        return;
    }
    if (str_is(status, f->last_status))
        return;
    snprintf(f->last_status, sizeof(f->last_status), "%.*s", STR_ARG(status));
    clear_line(f);
    fprintf(stderr, "%.*s", STR_ARG(status));
    if (waits)
        fprintf(stderr, " (number %lld in the queue)", (long long)position);
    fputc('\n', stderr);
}

static void show_logs(struct following *f, struct str logs)
{
    if (logs.n <= f->logs_shown)
        return;
    clear_line(f);
    fwrite(logs.p + f->logs_shown, 1, logs.n - f->logs_shown, f->logs_to);
    fflush(f->logs_to);
    f->logs_shown = logs.n;
}

static void print_value(const struct json *v)
{
    struct str text = json_to_str(v);

    if (!text.p)
        text = v->span;
    fwrite(text.p, 1, text.n, stdout);
}

static void end_piece(struct following *f)
{
    if (!f->concatenates)
        fputc('\n', stdout);
    f->outputs_shown++;
}

/* The stream is quicker; what it does not tell is seen at the next look. */
static void on_piece(struct listening *l, uint64_t number, struct str text)
{
    struct following *f = container_of(l, struct following, listening);

    if (number != f->outputs_shown)
        return;
    clear_line(f);
    fwrite(text.p, 1, text.n, stdout);
    end_piece(f);
    fflush(stdout);
}

static void wait_for_more(struct following *f, const struct json *p, int ms)
{
    struct str url = json_to_str(json_path(p, "urls.stream"));
    char text[4096];

    if (f->shows_output && url.p && !f->listening.loop && url.n < sizeof(text)) {
        snprintf(text, sizeof(text), "%.*s", STR_ARG(url));
        listening_open(&f->listening, text, on_piece);
    }
    if (f->listening.is_open)
        listening_wait(&f->listening, LOOK_MS);
    else
        pause_ms(ms);
}

/* A list is shown as it grows; anything else once, at the end. */
static void show_output(struct following *f, const struct json *output, bool ended)
{
    size_t at = 0;

    if (json_is(output, JSON_ARRAY)) {
        json_each (output, v) {
            if (at++ < f->outputs_shown)
                continue;
            clear_line(f);
            print_value(v);
            end_piece(f);
        }
        if (ended && f->concatenates && f->outputs_shown)
            fputc('\n', stdout);
    } else if (ended && output && !json_is(output, JSON_NULL)) {
        clear_line(f);
        print_value(output);
        fputc('\n', stdout);
    }
    fflush(stdout);
}

static void ask_to_end(struct following *f)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);

    interrupted = 0;
    clear_line(f);
    fprintf(stderr, "Canceling; a second Ctrl-C leaves at once.\n");
    buf_addf(&path, "/v1/predictions/%s/cancel", f->id);
    (void)remote_call(f->remote, "POST", path.p, STR(""), "application/json", &a);
}

bool follow_read(struct following *f, const struct given *g)
{
    const char *text = given_flag(g, "--reconnect");
    uint64_t seconds = AWAY_S;

    if (text && (!str_to_u64(str_of(text), &seconds) || seconds > AWAY_MAX_S)) {
        fprintf(stderr, "berth: --reconnect is \"%s\"; it is a number of seconds from 0 to %d.\n",
                text, AWAY_MAX_S);
        return false;
    }
    f->away_ms = (int64_t)seconds * 1000;
    return true;
}

/* Behind a proxy a server that is being started anew is one of these. */
static bool is_away(const struct answer *a, bool was_answered)
{
    return !was_answered || a->status == 502 || a->status == 503 || a->status == 504;
}

/* One look. A server that went, to be started anew, is asked again for a while; both are said. */
static bool look(struct following *f, const char *path, struct answer *out)
{
    struct remote r = *f->remote;
    int64_t gone_at = 0, wait_ms = 50;

    for (;;) {
        if (!is_away(out, remote_try(&r, "GET", path, STR_NULL, NULL, out)))
            break;
        if (!f->was_answered || f->away_ms == 0 || interrupted)
            return false;
        answer_deinit(out);
        if (!gone_at) {
            clear_line(f);
            fprintf(stderr, "berth: it is asked again for %lld s (--reconnect)\n",
                    (long long)f->away_ms / 1000);
            listening_close(&f->listening); /* the stream is read from its beginning then */
            r.is_quiet = true;
            gone_at = clock_monotonic_ms();
        } else if (clock_monotonic_ms() - gone_at > f->away_ms) {
            fprintf(stderr, "berth: no answer for %lld s\n", (long long)f->away_ms / 1000);
            return false;
        }
        pause_ms((int)wait_ms);
        wait_ms = MIN(2 * wait_ms, (int64_t)AGAIN_MS);
    }
    if (gone_at)
        fprintf(stderr, "berth: the server answers again\n");
    f->was_answered = true;
    if (out->status < 400)
        return true;
    remote_explain(out);
    return false;
}

bool follow(struct following *f, struct answer *out)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    int wait_ms = 50;

    f->is_terminal = isatty(STDERR_FILENO);
    buf_addf(&path, "/v1/predictions/%s", f->id);
    if (f->cancels)
        catch_interrupt();
    for (;;) {
        struct answer a = { 0 };
        struct str status;
        bool ended;

        if (interrupted)
            ask_to_end(f);
        if (!look(f, path.p, &a)) {
            answer_deinit(&a);
            listening_close(&f->listening);
            return false;
        }
        status = json_to_str(json_get(a.json, "status"));
        ended = is_ended(status);
        if (f->logs_to)
            show_logs(f, json_to_str(json_get(a.json, "logs")));
        if (f->shows_output)
            show_output(f, json_get(a.json, "output"), ended);
        if (f->shows_status)
            show_status(f, status, a.json);
        if (ended) {
            clear_line(f);
            listening_close(&f->listening);
            *out = a;
            return true;
        }
        wait_for_more(f, a.json, wait_ms);
        answer_deinit(&a);
        wait_ms = MIN(wait_ms + wait_ms / 4, 500);
    }
}
