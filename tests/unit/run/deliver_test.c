/* SPDX-License-Identifier: Apache-2.0 */
/* What receivers of webhooks get and when, however they answer. */
#include "place.h"

#include "receiver.h"

#include "base/mem.h"
#include "loop/loop_impl.h"
#include "store/webhook.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALL = WEBHOOK_START | WEBHOOK_OUTPUT | WEBHOOK_LOGS | WEBHOOK_COMPLETED };

#define URL  "https://a.example/hook"
#define WORK "{\"ms\":4000,\"pieces\":[1,2,3,4,5,6,7,8,9],\"logs\":\"hi\\n\"}"

static struct loop *the_loop;
static int n_elsewhere; /* bodies that were written as work for another thread */

static void render(struct buf *out, const struct prediction_row *row)
{
    n_elsewhere += the_loop && the_loop->n_work > 0;
    buf_addf(out, "%s %s %.*s", row->id, prediction_status_text(row->status), STR_ARG(row->output));
    buf_addc(out, '\0');
    out->n--;
}

static struct place *begin(struct http_client *c)
{
    struct place *p;

    receiver_init(c);
    p = place_new(&(struct place_spec){ .client = c, .render = render });
    receiver_attach(c, p->loop);
    place_deploy(p, "d", 3, "cpu", 1, 4);
    place_run(p, 1000);
    return p;
}

static void end(struct place *p, struct http_client *c)
{
    place_free(p);
    assert_int_equal(c->n_open, 0);
    receiver_deinit(c);
}

static bool says(const struct delivery *d, const char *word)
{
    return strstr(d->body, word) != NULL;
}

static bool is_about(const struct delivery *d, const struct job *j)
{
    return strncmp(d->body, j->id, strlen(j->id)) == 0;
}

static void list(struct place *p, const struct job *j, struct store_webhook_list *out)
{
    struct store_prediction_get get = { .id = j->id };
    char account[ID_SIZE];

    assert_int_equal(store_run(p->store, &get.op, &STORE_PREDICTION_GET), STATUS_OK);
    (void)snprintf(account, sizeof(account), "%s", get.row.account_id);
    store_op_deinit(&get.op);
    *out = (struct store_webhook_list){ .prediction_id = j->id, .account_id = account };
    assert_int_equal(store_run(p->store, &out->op, &STORE_WEBHOOK_LIST), STATUS_OK);
}

/* Start at once, then output and logs at most every half a second, the end last and once. */
static void order_and_throttle(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *j = place_ask_hook(p, "d", WORK, URL, ALL);
    struct store_webhook_list told;
    int64_t before = 0;

    (void)state;
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_in_range(c.n, 8, 11);
    for (int i = 0; i < c.n; i++) {
        struct delivery *d = receiver_got(&c, i);

        assert_string_equal(d->url, URL);
        assert_int_equal(says(d, "succeeded"), i == c.n - 1);
        assert_int_equal(says(d, "processing"), i < c.n - 1);
        if (i > 1 && i < c.n - 1)
            assert_true(d->at >= before + 500);
        before = d->at;
        for (int k = 0; k < i; k++)
            assert_string_not_equal(receiver_got(&c, k)->id, d->id);
    }
    assert_true(says(receiver_got(&c, c.n - 1), "[1,2,3,4,5,6,7,8,9]"));
    list(p, j, &told);
    assert_int_equal(told.n, c.n);
    for (size_t i = 0; i < told.n; i++) {
        assert_in_range(told.rows[i].n, 1, told.n);
        assert_int_equal(told.rows[i].state, WEBHOOK_DELIVERED);
        assert_string_equal(told.rows[i].id, receiver_got(&c, (int)i)->id + 4);
    }
    assert_int_equal(told.rows[0].event, WEBHOOK_START);
    assert_int_equal(told.rows[told.n - 1].event, WEBHOOK_COMPLETED);
    store_op_deinit(&told.op);
    end(p, &c);
}

/* 1 s, 2 s, 4 s ..., each a fifth more or less, always the same message, until retry_for. */
static void backing_off_and_giving_up(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct store_webhook_list told;
    struct job *j;
    int64_t wait = 1000;

    (void)state;
    p->options.webhook_retry_for = 100000;
    c.manner = (struct manner){ .status = 500 };
    j = place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 3600000);
    assert_in_range(c.n, 6, 8); /* 1 + 2 + 4 + 8 + 16 + 32 is less, and twice that more */
    for (int i = 1; i < c.n; i++, wait *= 2) {
        int64_t gap = receiver_got(&c, i)->at - receiver_got(&c, i - 1)->at;

        assert_in_range(gap, wait * 8 / 10, wait * 12 / 10 + 60);
        assert_string_equal(receiver_got(&c, i)->id, receiver_got(&c, 0)->id);
    }
    list(p, j, &told);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.rows[0].state, WEBHOOK_FAILED);
    assert_int_equal(told.rows[0].n_tries, c.n);
    for (size_t i = 0; i < told.rows[0].n_tries; i++) {
        assert_int_equal(told.rows[0].tries[i].number, i + 1);
        assert_int_equal(told.rows[0].tries[i].status, 500);
        assert_true(told.rows[0].tries[i].at <= told.rows[0].until);
    }
    store_op_deinit(&told.op);
    end(p, &c);
}

static void progress_is_told_once(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *j;

    (void)state;
    c.manner = (struct manner){ .status = 500 };
    j = place_ask_hook(p, "d", "{\"ms\":700,\"pieces\":[1]}", URL, WEBHOOK_OUTPUT);
    place_run(p, 600000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(c.n, 1);
    end(p, &c);
}

static struct manner hangs_but_for_the_end(struct http_client *c, const struct delivery *d)
{
    (void)c;
    return says(d, "succeeded") ? (struct manner){ .status = 200 }
                                : (struct manner){ .hangs = true };
}

/* The end waits for a message of progress that hangs, and nothing comes after it. */
static void the_end_is_last(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *j;

    (void)state;
    c.choose = hangs_but_for_the_end;
    j = place_ask_hook(p, "d", WORK, URL, ALL);
    place_run(p, 9000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(c.n, 1); /* until webhook_timeout, 10 s */
    place_run(p, 60000);
    assert_int_equal(c.n, 2);
    assert_true(says(receiver_got(&c, 1), "succeeded"));
    end(p, &c);
}

static struct manner a_hangs(struct http_client *c, const struct delivery *d)
{
    (void)c;
    return strstr(d->url, "//a.") ? (struct manner){ .hangs = true }
                                  : (struct manner){ .status = 204 };
}

static void a_receiver_has_its_places(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    int n = 0;

    (void)state;
    p->options.webhook_concurrency = 3;
    c.choose = a_hangs;
    for (int i = 0; i < 20; i++)
        place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 2000);
    assert_int_equal(c.n, 3);
    for (int i = 0; i < 20; i++)
        place_ask_hook(p, "d", "{}", "https://b.example/", WEBHOOK_COMPLETED);
    place_run(p, 1000);
    assert_int_equal(c.n, 23);
    assert_in_range(c.most_open, 3, 6);
    c.choose = NULL;
    place_run(p, 60000);
    assert_in_range(c.n, 43, 60);
    for (int i = 0; i < c.n; i++)
        n += strstr(receiver_got(&c, i)->url, "//a.") != NULL;
    assert_true(n >= 23); /* three of them twice */
    end(p, &c);
}

static int count_about(struct http_client *c, const struct job *j, const char *word)
{
    int n = 0;

    for (int i = 0; i < c->n; i++)
        n += is_about(receiver_got(c, i), j) && says(receiver_got(c, i), word);
    return n;
}

/* Dead for a minute with 200 predictions to tell: few attempts, and all is told afterwards. */
static void a_dead_receiver_costs_little(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *jobs[200];
    int ends = 0, n_dead;

    (void)state;
    c.manner = (struct manner){ .status = 0 };
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = place_ask_hook(p, "d", "{\"ms\":400,\"pieces\":[1,2]}", URL, WEBHOOK_DEFAULT);
    place_run(p, 60000);
    for (int i = 0; i < c.n; i++)
        ends += says(receiver_got(&c, i), "succeeded");
    assert_in_range(c.n - ends, 1, 5 + 61); /* progress */
    assert_in_range(ends, 200, 5 + 60 * 20);
    n_dead = c.n;
    c.manner.status = 200;
    place_run(p, 70000); /* each at its own time, 64 s at most by now */
    assert_in_range(c.n - n_dead, 200, 200);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        assert_true(count_about(&c, jobs[i], "succeeded") >= 1);
    end(p, &c);
}

/* Progress alone: its receiver is remembered as a bad one from one prediction to the next. */
static void progress_to_a_dead_receiver(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *last;
    int n;

    (void)state;
    c.manner = (struct manner){ .status = 503 };
    for (int i = 0; i < 100; i++)
        place_ask_hook(p, "d", "{\"ms\":100,\"pieces\":[1]}", URL, WEBHOOK_OUTPUT);
    place_run(p, 20000);
    assert_in_range(c.n, 6, 5 + 4 + 20);
    n = c.n;
    c.manner.status = 200;
    last = place_ask_hook(p, "d", WORK, URL, WEBHOOK_OUTPUT);
    place_run(p, 20000);
    assert_job(last, PREDICTION_SUCCEEDED);
    assert_in_range(c.n - n, 5, 9); /* at full speed again */
    end(p, &c);
}

static void over_a_restart(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct store_webhook_list told;
    struct job *j, *hanging;

    (void)state;
    c.manner = (struct manner){ .status = 500 };
    j = place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 2500);
    assert_int_equal(c.n, 2);
    c.manner = (struct manner){ .hangs = true };
    hanging = place_ask_hook(p, "d", "{}", "https://b.example/", WEBHOOK_COMPLETED);
    place_run(p, 200);
    assert_int_equal(c.n_open, 1); /* it is cut off, and made once more */
    place_restart(p);
    c.manner = (struct manner){ .status = 200 };
    place_run(p, 10000);
    assert_int_equal(c.n, 5);
    assert_int_equal(count_about(&c, j, "succeeded"), 3);
    assert_int_equal(count_about(&c, hanging, "succeeded"), 2);
    list(p, j, &told);
    assert_int_equal(told.rows[0].n_tries, 3);
    assert_int_equal(told.rows[0].state, WEBHOOK_DELIVERED);
    for (int i = 0; i < c.n; i++)
        if (is_about(receiver_got(&c, i), j))
            assert_string_equal(receiver_got(&c, i)->id + 4, told.rows[0].id);
    store_op_deinit(&told.op);
    end(p, &c);
}

/* What progress told is in the store a second later, without waiting for the end. */
static void notes_are_written(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct job *j = place_ask_hook(p, "d", "{\"ms\":60000,\"pieces\":[1]}", URL, ALL);
    struct store_webhook_list told;

    (void)state;
    place_run(p, 2000);
    list(p, j, &told);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.rows[0].event, WEBHOOK_START);
    assert_int_equal(told.rows[0].n_tries, 1);
    store_op_deinit(&told.op);
    end(p, &c);
}

static void keys_are_kept_until_they_change(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct store_account_rotate rotate = { .fresh = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
    struct store_prediction_get get;
    struct job *j;

    (void)state;
    j = place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 1000);
    assert_int_equal(c.n, 1);
    assert_null(strchr(receiver_got(&c, 0)->signature, ' '));
    job_stored(j, &get);
    rotate.account_id = get.row.account_id;
    rotate.old_until = loop_wall_ms(p->loop) + 60000;
    assert_int_equal(store_run(p->store, &rotate.op, &STORE_ACCOUNT_ROTATE), STATUS_OK);
    deliveries_forget_keys(p->deliveries);
    place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 1000);
    assert_non_null(strchr(receiver_got(&c, 1)->signature, ' '));
    place_run(p, 61000);
    place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 1000);
    assert_int_equal(c.n, 3);
    assert_null(strchr(receiver_got(&c, 2)->signature, ' '));
    store_op_deinit(&rotate.op);
    store_op_deinit(&get.op);
    end(p, &c);
}

/* A message that is asked for again while it is on its way goes out once more after that. */
static void again_while_it_is_sent(void **state)
{
    struct http_client c;
    struct place *p = begin(&c);
    struct store_webhook_resend again = { .n = 1 };
    struct store_prediction_get get;
    struct job *j;

    (void)state;
    c.manner = (struct manner){ .status = 200, .ms = 5000 };
    j = place_ask_hook(p, "d", "{}", URL, WEBHOOK_COMPLETED);
    place_run(p, 1000);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.n_open, 1);
    job_stored(j, &get);
    again.prediction_id = j->id;
    again.account_id = get.row.account_id;
    again.now = loop_wall_ms(p->loop);
    again.until = again.now + 60000;
    assert_int_equal(store_run(p->store, &again.op, &STORE_WEBHOOK_RESEND), STATUS_OK);
    deliveries_wake(p->deliveries, again.target);
    place_run(p, 30000);
    assert_int_equal(c.n, 2);
    assert_string_equal(receiver_got(&c, 1)->id, receiver_got(&c, 0)->id);
    store_op_deinit(&again.op);
    store_op_deinit(&get.op);
    end(p, &c);
}

static struct manner any(struct http_client *c, const struct delivery *d)
{
    static const struct manner some[] = {
        { .status = 200, .ms = 3 }, { .status = 500, .ms = 40 },
        { .status = 302 },          { .status = 0 },
        { .hangs = true },          { .status = 204, .ms = 900 },
    };

    (void)d;
    return some[rand_below(loop_rand(c->loop), ARRAY_SIZE(some))];
}

/* Whatever receivers do: each end arrives in the end, under one id, and nothing comes after it. */
/* Is not written on the loop, and is the same as one that is. */
static void large_messages(void **state)
{
    enum { PIECE = 100000 };
    struct http_client c;
    struct place *p = begin(&c);
    struct buf script CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct store_webhook_list told;
    struct job *small, *j;

    (void)state;
    the_loop = p->loop;
    n_elsewhere = 0;
    small = place_ask_hook(p, "d", WORK, URL, ALL);
    place_run(p, 10000);
    assert_job(small, PREDICTION_SUCCEEDED);
    assert_int_equal(n_elsewhere, 0);

    buf_adds(&script, "{\"ms\":4000,\"pieces\":[1,\"");
    memset(buf_reserve(&script, PIECE), 'x', PIECE);
    buf_commit(&script, PIECE);
    buf_adds(&script, "\",3,4]}");
    buf_addc(&script, '\0');
    c.n = 0;
    j = place_ask_hook(p, "d", script.p, URL, ALL);
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    list(p, j, &told);
    assert_true(told.n >= 3);
    assert_int_equal(n_elsewhere, told.n); /* the input is large from the start */
    for (size_t i = 0; i < told.n; i++)
        assert_int_equal(told.rows[i].state, WEBHOOK_DELIVERED);
    store_op_deinit(&told.op);
    the_loop = NULL;
    end(p, &c);

    /* Whoever goes meanwhile hears nothing. */
    for (int ms = 0; ms < 8; ms++) {
        p = begin(&c);
        (void)place_ask_hook(p, "d", script.p, URL, ALL);
        place_run(p, 995 + ms);
        end(p, &c);
    }
}

static void receivers_at_random(void **state)
{
    static const char *const urls[] = { URL, "https://b.example/1", "https://b.example/2" };
    struct http_client c;
    struct place *p = begin(&c);
    struct job *jobs[120];

    (void)state;
    c.choose = any;
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        jobs[i] = place_ask_hook(p, "d", "{\"ms\":900,\"pieces\":[1,2,3],\"logs\":\"x\\n\"}",
                                 urls[i % 3], i % 2 ? ALL : WEBHOOK_DEFAULT);
        place_run(p, 200);
        if (i % 40 == 30)
            place_restart(p);
    }
    place_run(p, 60000);
    c.choose = NULL;
    place_run(p, 600000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        const char *id = NULL;

        for (int k = 0; k < c.n; k++) {
            const struct delivery *d = receiver_got(&c, k);

            if (!is_about(d, jobs[i]))
                continue;
            if (says(d, "succeeded")) {
                assert_true(!id || strcmp(id, d->id) == 0);
                id = d->id;
            } else {
                assert_null(id);
            }
        }
        assert_non_null(id);
    }
    end(p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_throttle),
        cmocka_unit_test(backing_off_and_giving_up),
        cmocka_unit_test(progress_is_told_once),
        cmocka_unit_test(the_end_is_last),
        cmocka_unit_test(a_receiver_has_its_places),
        cmocka_unit_test(a_dead_receiver_costs_little),
        cmocka_unit_test(progress_to_a_dead_receiver),
        cmocka_unit_test(over_a_restart),
        cmocka_unit_test(notes_are_written),
        cmocka_unit_test(keys_are_kept_until_they_change),
        cmocka_unit_test(again_while_it_is_sent),
        cmocka_unit_test(large_messages),
        cmocka_unit_test(receivers_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
