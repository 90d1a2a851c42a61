/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

static void get(struct fixture *f, int n, struct store_prediction_get *op)
{
    op->id = an_id('p', n);
    assert_run(f, *op, STORE_PREDICTION_GET, STATUS_OK);
}

static void a_prediction_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_create, create);
    OP(store_prediction_get, op);
    OP(store_deployment_get, deployment, .owner = STR("alice"), .name = STR("dep"));
    const struct prediction_row *p = &op.row;

    seed_deployment(f);
    create.in = a_prediction(7, 1, true, 1);
    create.in.source = "web";
    create.in.deadline = 99;
    create.in.webhook = "https://example.com/hook";
    create.in.webhook_events = WEBHOOK_START | WEBHOOK_COMPLETED;
    create.in.has_webhook_filter = true;
    create.in.stream_secret = "s";
    create.in.output = STR("");
    assert_run(f, create, STORE_PREDICTION_CREATE, STATUS_OK);
    get(f, 7, &op);
    assert_string_equal(p->account_id, an_id('a', 1));
    assert_string_equal(p->deployment_id, an_id('d', 1));
    assert_string_equal(p->deployment, "dep");
    assert_int_equal(p->release, 1);
    assert_string_equal(p->model_id, an_id('m', 1));
    assert_string_equal(p->model_owner, "alice");
    assert_string_equal(p->model_name, "pub");
    assert_string_equal(p->version, a_hash(1));
    assert_int_equal(p->status, PREDICTION_STARTING);
    assert_string_equal(p->source, "web");
    assert_true(str_is(p->input, "{\"text\":\"hi\"}"));
    assert_non_null(p->output.p); /* empty, not missing */
    assert_int_equal(p->output.n, 0);
    assert_null(p->logs.p);
    assert_null(p->metrics.p);
    assert_null(p->error);
    assert_true(p->predict_time < 0);
    assert_int_equal(p->created_at, 7000);
    assert_int_equal(p->started_at, 0);
    assert_int_equal(p->completed_at, 0);
    assert_int_equal(p->deadline, 99);
    assert_int_equal(p->attempt, 0);
    assert_null(p->instance_id);
    assert_false(p->started_long);
    assert_string_equal(p->webhook, "https://example.com/hook");
    assert_int_equal(p->webhook_events, WEBHOOK_START | WEBHOOK_COMPLETED);
    assert_true(p->has_webhook_filter);
    assert_string_equal(p->base_url, "http://localhost:8080");
    assert_string_equal(p->stream_secret, "s");
    assert_false(p->data_removed);
    assert_false(p->cancel_requested);
    assert_run(f, deployment, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(deployment.row.last_used_at, 7000);
}

static enum status create(struct fixture *f, struct prediction_row p)
{
    OP(store_prediction_create, op, .in = p);

    return run_op(f, op, STORE_PREDICTION_CREATE);
}

static void what_a_prediction_needs_is_checked(void **state)
{
    struct fixture *f = *state;
    struct prediction_row no_version, no_deployment;
    OP(store_deployment_get, deployment, .owner = STR("alice"), .name = STR("dep"));

    seed_deployment(f);
    assert_int_equal(create(f, a_prediction(7, 1, true, 1)), STATUS_OK);
    assert_int_equal(create(f, a_prediction(7, 1, true, 1)), STATUS_CONFLICT);
    no_version = a_prediction(8, 1, true, 1);
    no_version.version = a_hash(9);
    assert_int_equal(create(f, no_version), STATUS_NOT_FOUND);
    no_deployment = a_prediction(9, 1, true, 1);
    no_deployment.deployment_id = an_id('d', 9);
    assert_int_equal(create(f, no_deployment), STATUS_NOT_FOUND);
    /* The failed ones did not touch the deployment. */
    assert_run(f, deployment, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(deployment.row.last_used_at, 7000);
}

static void only_its_account_sees_a_prediction(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_get, own, .id = an_id('p', 1), .account_id = an_id('a', 1));
    OP(store_prediction_get, other, .id = an_id('p', 1), .account_id = an_id('a', 2));
    OP(store_prediction_get, none, .id = an_id('p', 2));

    seed_models(f);
    add_prediction(f, 1, 1, false, 1);
    assert_run(f, own, STORE_PREDICTION_GET, STATUS_OK);
    assert_null(own.row.deployment);
    assert_run(f, other, STORE_PREDICTION_GET, STATUS_NOT_FOUND);
    assert_run(f, none, STORE_PREDICTION_GET, STATUS_NOT_FOUND);
}

struct want {
    const char *rows;
    bool previous, next;
};

static void assert_page(struct fixture *f, struct store_prediction_list *list, struct want want)
{
    char got[128] = "";

    list->account_id = an_id('a', 1);
    assert_run(f, *list, STORE_PREDICTION_LIST, STATUS_OK);
    for (size_t i = 0, n = 0; i < list->n; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%d ",
                              (int)(list->rows[i].created_at / 1000));
    assert_string_equal(got, want.rows);
    assert_int_equal(list->info.has_previous, want.previous);
    assert_int_equal(list->info.has_next, want.next);
}

#define PAGE(f, wanted, ...)                                                                       \
    do {                                                                                           \
        OP(store_prediction_list, list_, __VA_ARGS__);                                             \
        assert_page(f, &list_, (struct want)wanted);                                               \
    } while (0)
#define WANT(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void seed_pages(struct fixture *f)
{
    seed_models(f);
    for (int i = 1; i <= 7; i++) {
        struct prediction_row p = a_prediction(i, 1, false, 1);

        p.source = i % 2 == 0 ? "web" : "api";
        assert_int_equal(create(f, p), STATUS_OK);
        p.id = an_id('q', i); /* another account's in between */
        p.account_id = an_id('a', 2);
        assert_int_equal(create(f, p), STATUS_OK);
    }
}

static void pages_go_both_ways(void **state)
{
    struct fixture *f = *state;

    seed_pages(f);
    PAGE(f, WANT("7 6 5 ", false, true), .page = { .limit = 3 });
    PAGE(f, WANT("4 3 2 ", true, true), .page = { .after = an_id('p', 5), .limit = 3 });
    PAGE(f, WANT("1 ", true, false), .page = { .after = an_id('p', 2), .limit = 3 });
    PAGE(f, WANT("4 3 2 ", true, true), .page = { .before = an_id('p', 1), .limit = 3 });
    PAGE(f, WANT("7 6 5 ", false, true), .page = { .before = an_id('p', 4), .limit = 3 });
    PAGE(f, WANT("7 6 ", false, true), .page = { .before = an_id('p', 5), .limit = 3 });
    PAGE(f, WANT("", false, false), .page = { .before = an_id('p', 7), .limit = 3 });
    PAGE(f, WANT("7 6 5 4 3 2 1 ", false, false), .page = { .limit = 7 });
}

static void pages_keep_to_their_filter(void **state)
{
    struct fixture *f = *state;

    seed_pages(f);
    PAGE(f, WANT("6 5 ", false, true), .page = { .limit = 2 }, .created_after = 3000,
         .created_before = 7000);
    PAGE(f, WANT("4 3 ", true, false), .page = { .after = an_id('p', 5), .limit = 2 },
         .created_after = 3000, .created_before = 7000);
    PAGE(f, WANT("6 5 ", false, true), .page = { .before = an_id('p', 4), .limit = 2 },
         .created_after = 3000, .created_before = 7000);
    PAGE(f, WANT("5 4 3 ", false, false), .page = { .limit = 9 }, .created_after = 2001,
         .created_before = 5001);
    PAGE(f, WANT("6 4 ", false, true), .page = { .limit = 2 }, .only_web = true);
    PAGE(f, WANT("2 ", true, false), .page = { .after = an_id('p', 4), .limit = 2 },
         .only_web = true);
    PAGE(f, WANT("6 4 ", false, true), .page = { .before = an_id('p', 2), .limit = 2 },
         .only_web = true);
}

static void a_cursor_outlives_its_prediction(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_list, bad, .account_id = an_id('a', 1),
       .page = { .after = "?", .limit = 3 });

    seed_pages(f);
    /* A valid id that is not there: its own time counts, which is before all of these or after
     * them. */
    PAGE(f, WANT("", false, false), .page = { .after = "00000000000000000000000000", .limit = 3 });
    PAGE(f, WANT("7 6 5 ", false, true),
         .page = { .after = "01zzzzzzzzzzzzzzzzzzzzzzzz", .limit = 3 });
    assert_run(f, bad, STORE_PREDICTION_LIST, STATUS_INVALID);
}

static void a_page_ends_early_when_it_grows_large(void **state)
{
    struct fixture *f = *state;

    seed_pages(f); /* 13 bytes of input each */
    PAGE(f, WANT("7 6 ", false, true), .page = { .limit = 5 }, .max_bytes = 20);
    PAGE(f, WANT("5 ", true, true), .page = { .after = an_id('p', 6), .limit = 5 }, .max_bytes = 1);
    PAGE(f, WANT("4 3 ", true, true), .page = { .before = an_id('p', 2), .limit = 5 },
         .max_bytes = 20);
}

static enum status start(struct fixture *f, int n, int64_t attempt)
{
    OP(store_prediction_start, op, .id = an_id('p', n), .attempt = attempt,
       .instance_id = an_id('x', 1), .started_long = true, .started_at = 8000 + attempt);

    return run_op(f, op, STORE_PREDICTION_START);
}

static enum status progress(struct fixture *f, int n, int64_t attempt, const char *output,
                            const char *logs, bool cancel)
{
    OP(store_prediction_progress, op, .id = an_id('p', n), .attempt = attempt,
       .output = str_of(output), .logs = str_of(logs), .cancel_requested = cancel);

    return run_op(f, op, STORE_PREDICTION_PROGRESS);
}

static enum status end(struct fixture *f, int n, int64_t attempt, enum prediction_status status)
{
    OP(store_prediction_end, op, .id = an_id('p', n), .attempt = attempt, .status = status,
       .output = STR("[\"x\"]"), .logs = STR("done\n"), .metrics = STR("{\"n\":1}"),
       .error = status == PREDICTION_FAILED ? "boom" : NULL, .predict_time = 1.25,
       .completed_at = 9000);

    return run_op(f, op, STORE_PREDICTION_END);
}

static enum status requeue(struct fixture *f, int n, int64_t attempt, bool not_counted)
{
    OP(store_prediction_requeue, op, .id = an_id('p', n), .attempt = attempt,
       .not_counted = not_counted);

    return run_op(f, op, STORE_PREDICTION_REQUEUE);
}

static void a_prediction_runs_to_its_end(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_get, running);
    OP(store_prediction_get, ended);
    OP(store_model_get, model, .owner = STR("alice"), .name = STR("pub"));

    seed_models(f);
    add_prediction(f, 1, 2, false, 1);
    assert_int_equal(start(f, 1, 1), STATUS_OK);
    assert_int_equal(progress(f, 1, 1, "[]", NULL, false), STATUS_OK);
    assert_int_equal(progress(f, 1, 1, NULL, "hello\n", true), STATUS_OK);
    assert_int_equal(progress(f, 1, 1, NULL, NULL, false), STATUS_OK);
    get(f, 1, &running);
    assert_int_equal(running.row.status, PREDICTION_PROCESSING);
    assert_int_equal(running.row.attempt, 1);
    assert_string_equal(running.row.instance_id, an_id('x', 1));
    assert_true(running.row.started_long);
    assert_int_equal(running.row.started_at, 8001);
    assert_true(str_is(running.row.output, "[]"));
    assert_true(str_is(running.row.logs, "hello\n"));
    assert_true(running.row.cancel_requested);
    assert_int_equal(end(f, 1, 1, PREDICTION_FAILED), STATUS_OK);
    get(f, 1, &ended);
    assert_int_equal(ended.row.status, PREDICTION_FAILED);
    assert_true(str_is(ended.row.output, "[\"x\"]"));
    assert_true(str_is(ended.row.logs, "done\n"));
    assert_true(str_is(ended.row.metrics, "{\"n\":1}"));
    assert_string_equal(ended.row.error, "boom");
    assert_true(ended.row.predict_time == 1.25);
    assert_int_equal(ended.row.completed_at, 9000);
    assert_run(f, model, STORE_MODEL_GET, STATUS_OK);
    assert_int_equal(model.row.run_count, 1);
}

static void a_terminal_prediction_never_changes(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_rebind, rebind, .id = an_id('p', 1), .release = 2);
    OP(store_prediction_get, ended);
    OP(store_model_get, model, .owner = STR("alice"), .name = STR("pub"));

    seed_models(f);
    add_prediction(f, 1, 1, false, 1);
    assert_int_equal(end(f, 1, -1, PREDICTION_CANCELED), STATUS_OK); /* from the queue */
    for (int s = PREDICTION_SUCCEEDED; s < PREDICTION_STATUS_COUNT; s++) {
        assert_int_equal(end(f, 1, -1, (enum prediction_status)s), STATUS_CONFLICT);
        assert_int_equal(end(f, 1, 0, (enum prediction_status)s), STATUS_CONFLICT);
    }
    assert_int_equal(start(f, 1, 1), STATUS_CONFLICT);
    assert_int_equal(progress(f, 1, 0, "1", "2", true), STATUS_CONFLICT);
    assert_int_equal(requeue(f, 1, 0, false), STATUS_CONFLICT);
    assert_run(f, rebind, STORE_PREDICTION_REBIND, STATUS_CONFLICT);
    get(f, 1, &ended);
    assert_int_equal(ended.row.status, PREDICTION_CANCELED);
    assert_int_equal(ended.row.attempt, 0);
    assert_false(ended.row.cancel_requested);
    assert_int_equal(ended.row.release, 0);
    assert_run(f, model, STORE_MODEL_GET, STATUS_OK);
    assert_int_equal(model.row.run_count, 1); /* counted once */
}

static void attempts_are_fenced(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_get, again);

    seed_models(f);
    add_prediction(f, 1, 1, false, 1);
    assert_int_equal(start(f, 1, 2), STATUS_CONFLICT);
    assert_int_equal(start(f, 1, 0), STATUS_CONFLICT);
    assert_int_equal(requeue(f, 1, 0, true), STATUS_CONFLICT); /* never started */
    assert_int_equal(start(f, 1, 1), STATUS_OK);
    assert_int_equal(start(f, 1, 1), STATUS_CONFLICT);
    assert_int_equal(progress(f, 1, 1, "1", NULL, false), STATUS_OK);
    assert_int_equal(requeue(f, 1, 1, false), STATUS_OK);
    get(f, 1, &again);
    assert_int_equal(again.row.status, PREDICTION_PROCESSING);
    assert_int_equal(again.row.attempt, 1);
    assert_null(again.row.instance_id);
    assert_false(again.row.started_long);
    assert_null(again.row.output.p);
    assert_int_equal(start(f, 1, 2), STATUS_OK);
    assert_int_equal(progress(f, 1, 1, "late", NULL, false), STATUS_CONFLICT);
    assert_int_equal(end(f, 1, 1, PREDICTION_SUCCEEDED), STATUS_CONFLICT);
    assert_int_equal(requeue(f, 1, 1, false), STATUS_CONFLICT);
    assert_int_equal(end(f, 1, 2, PREDICTION_SUCCEEDED), STATUS_OK);
    get(f, 1, &again);
    assert_int_equal(again.row.started_at, 8001); /* of the first attempt */
    assert_int_equal(end(f, 9, -1, PREDICTION_SUCCEEDED), STATUS_NOT_FOUND);
    assert_int_equal(start(f, 9, 1), STATUS_NOT_FOUND);
}

static void an_attempt_that_never_ran_is_not_counted(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    add_prediction(f, 1, 1, false, 1);
    assert_int_equal(start(f, 1, 1), STATUS_OK);
    assert_int_equal(requeue(f, 1, 1, true), STATUS_OK);
    assert_int_equal(requeue(f, 1, 1, true), STATUS_CONFLICT);
    assert_int_equal(start(f, 1, 1), STATUS_OK);
}

static void a_waiting_prediction_can_be_bound_anew(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_rebind, release, .id = an_id('p', 1), .release = 3);
    OP(store_prediction_rebind, version, .id = an_id('p', 1), .release = 4, .version = a_hash(2));
    OP(store_prediction_rebind, none, .id = an_id('p', 1), .release = 5, .version = a_hash(9));
    OP(store_prediction_rebind, running, .id = an_id('p', 1), .release = 6, .version = a_hash(1));
    OP(store_prediction_get, first);
    OP(store_prediction_get, last);

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    assert_run(f, release, STORE_PREDICTION_REBIND, STATUS_OK);
    get(f, 1, &first);
    assert_int_equal(first.row.release, 3);
    assert_string_equal(first.row.version, a_hash(1));
    assert_run(f, version, STORE_PREDICTION_REBIND, STATUS_OK);
    assert_run(f, none, STORE_PREDICTION_REBIND, STATUS_UNPROCESSABLE);
    assert_int_equal(start(f, 1, 1), STATUS_OK);
    assert_run(f, running, STORE_PREDICTION_REBIND, STATUS_CONFLICT);
    get(f, 1, &last);
    assert_int_equal(last.row.release, 4);
    assert_string_equal(last.row.version, a_hash(2));
}

static void open_predictions_are_the_queue(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_open, open);

    seed_deployment(f);
    add_prediction(f, 3, 1, true, 1);
    add_prediction(f, 1, 2, false, 3);
    add_prediction(f, 2, 1, false, 1);
    assert_int_equal(end(f, 2, -1, PREDICTION_ABORTED), STATUS_OK);
    assert_int_equal(start(f, 3, 1), STATUS_OK);
    assert_run(f, open, STORE_PREDICTION_OPEN, STATUS_OK);
    assert_int_equal(open.n, 2);
    assert_string_equal(open.rows[0].id, an_id('p', 1));
    assert_string_equal(open.rows[0].model_owner, "bob");
    assert_null(open.rows[0].input.p);
    assert_string_equal(open.rows[1].id, an_id('p', 3));
    assert_string_equal(open.rows[1].deployment_id, an_id('d', 1));
    assert_string_equal(open.rows[1].instance_id, an_id('x', 1));
    assert_int_equal(open.rows[1].status, PREDICTION_PROCESSING);
}

static void those_of_a_deployment_are_listed(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_create, other);
    OP(store_prediction_create, own);
    OP(store_prediction_create, web);
    OP(store_prediction_list, all, .account_id = an_id('a', 1), .deployment_id = an_id('d', 1),
       .page = { .limit = 10 });
    OP(store_prediction_list, by_page, .account_id = an_id('a', 1), .deployment_id = an_id('d', 1),
       .page = { .limit = 10 }, .only_web = true);
    OP(store_prediction_list, back, .account_id = an_id('a', 1), .deployment_id = an_id('d', 1),
       .page = { .limit = 10, .before = an_id('p', 8) });
    OP(store_prediction_list, none, .account_id = an_id('a', 2), .deployment_id = an_id('d', 1),
       .page = { .limit = 10 });

    seed_deployment(f);
    other.in = a_prediction(7, 1, false, 1);
    own.in = a_prediction(8, 1, true, 1);
    web.in = a_prediction(9, 1, true, 1);
    web.in.source = "web";
    assert_run(f, other, STORE_PREDICTION_CREATE, STATUS_OK);
    assert_run(f, own, STORE_PREDICTION_CREATE, STATUS_OK);
    assert_run(f, web, STORE_PREDICTION_CREATE, STATUS_OK);
    assert_run(f, all, STORE_PREDICTION_LIST, STATUS_OK);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.rows[0].id, an_id('p', 9));
    assert_string_equal(all.rows[1].id, an_id('p', 8));
    assert_run(f, by_page, STORE_PREDICTION_LIST, STATUS_OK);
    assert_int_equal(by_page.n, 1);
    assert_run(f, back, STORE_PREDICTION_LIST, STATUS_OK);
    assert_int_equal(back.n, 1);
    assert_string_equal(back.rows[0].id, an_id('p', 9));
    assert_run(f, none, STORE_PREDICTION_LIST, STATUS_OK);
    assert_int_equal(none.n, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_of_a_deployment_are_listed),
        TEST(a_prediction_is_kept_whole),
        TEST(what_a_prediction_needs_is_checked),
        TEST(only_its_account_sees_a_prediction),
        TEST(pages_go_both_ways),
        TEST(pages_keep_to_their_filter),
        TEST(a_cursor_outlives_its_prediction),
        TEST(a_page_ends_early_when_it_grows_large),
        TEST(a_prediction_runs_to_its_end),
        TEST(a_terminal_prediction_never_changes),
        TEST(attempts_are_fenced),
        TEST(an_attempt_that_never_ran_is_not_counted),
        TEST(a_waiting_prediction_can_be_bound_anew),
        TEST(open_predictions_are_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
