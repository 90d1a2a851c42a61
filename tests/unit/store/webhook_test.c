/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: a message is there if and only if its prediction has ended. */
#include "support.h"

#include "store/webhook.h"

static void end(struct fixture *f, int n, enum status expected)
{
    OP(store_prediction_end, op, .id = an_id('p', n), .attempt = -1, .status = PREDICTION_SUCCEEDED,
       .completed_at = 1000 * n, .webhook_id = an_id('w', n), .webhook_target = "https://a:443",
       .webhook_until = 90000);

    assert_run(f, op, STORE_PREDICTION_END, expected);
}

static size_t due(struct fixture *f, int64_t now, int64_t *out_next)
{
    OP(store_webhook_due, op, .target = "https://a:443", .now = now, .limit = 10);

    assert_run(f, op, STORE_WEBHOOK_DUE, STATUS_OK);
    *out_next = op.next_at;
    for (size_t i = 1; i < op.n; i++)
        assert_true(op.rows[i - 1].next_at <= op.rows[i].next_at);
    return op.n;
}

static enum status attempted(struct fixture *f, int n, int64_t number, enum webhook_state state,
                             int64_t next_at)
{
    OP(store_webhook_attempt, op, .id = an_id('w', n), .until = 90000, .state = state,
       .next_at = next_at,
       .attempt = { .number = number,
                    .at = 5,
                    .took_ms = 6,
                    .status = 500,
                    .error = state == WEBHOOK_DELIVERED ? NULL : "no" });

    return run_op(f, op, STORE_WEBHOOK_ATTEMPT);
}

static struct webhook_note a_note(int prediction, int n, const char *error)
{
    return (struct webhook_note){
        .id = an_id('x', n),
        .prediction_id = an_id('p', prediction),
        .target = "https://a:443",
        .event = WEBHOOK_START,
        .created_at = 3,
        .attempt = { .number = 1, .at = 5, .took_ms = 6, .status = 500, .error = error },
    };
}

static void noted(struct fixture *f, int prediction, int n, const char *error)
{
    const struct webhook_note note = a_note(prediction, n, error);
    OP(store_webhook_notes, op, .rows = &note, .n = 1);

    assert_run(f, op, STORE_WEBHOOK_NOTES, STATUS_OK);
}

static void the_end_and_its_message_are_one(void **state)
{
    struct fixture *f = *state;
    OP(store_webhook_targets, none);
    OP(store_webhook_targets, one);
    int64_t next;

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    assert_run(f, none, STORE_WEBHOOK_TARGETS, STATUS_OK);
    assert_int_equal(none.n, 0);
    end(f, 1, STATUS_OK);
    end(f, 1, STATUS_CONFLICT); /* a second end leaves no second message */
    assert_run(f, one, STORE_WEBHOOK_TARGETS, STATUS_OK);
    assert_int_equal(one.n, 1);
    assert_string_equal(one.rows[0], "https://a:443");
    assert_int_equal(due(f, 999, &next), 0);
    assert_int_equal(next, 1000);
    assert_int_equal(due(f, 1000, &next), 1);
    assert_int_equal(next, 0);
}

static void attempts_move_it(void **state)
{
    struct fixture *f = *state;
    OP(store_webhook_list, list, .prediction_id = an_id('p', 1), .account_id = an_id('a', 1));
    OP(store_webhook_list, other, .prediction_id = an_id('p', 1), .account_id = an_id('a', 2));
    int64_t next;

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    noted(f, 1, 1, "no");
    end(f, 1, STATUS_OK);
    assert_int_equal(attempted(f, 1, 1, WEBHOOK_PENDING, 7000), STATUS_OK);
    assert_int_equal(due(f, 6999, &next), 0);
    assert_int_equal(next, 7000);
    assert_int_equal(attempted(f, 1, 2, WEBHOOK_DELIVERED, 0), STATUS_OK);
    assert_int_equal(due(f, 99999, &next), 0);
    assert_int_equal(next, 0);
    assert_int_equal(attempted(f, 2, 1, WEBHOOK_DELIVERED, 0), STATUS_NOT_FOUND);
    noted(f, 2, 2, NULL); /* of a prediction that is gone */
    assert_run(f, list, STORE_WEBHOOK_LIST, STATUS_OK);
    assert_int_equal(list.n, 2);
    for (size_t i = 0; i < list.n; i++) {
        bool is_end = list.rows[i].event == WEBHOOK_COMPLETED;

        assert_int_equal(list.rows[i].n, is_end ? 2 : 1);
        assert_int_equal(list.rows[i].n_tries, is_end ? 2 : 1);
        assert_int_equal(list.rows[i].state, is_end ? WEBHOOK_DELIVERED : WEBHOOK_FAILED);
        assert_string_equal(list.rows[i].tries[0].error, "no");
        assert_int_equal(list.rows[i].tries[0].status, 500);
    }
    assert_run(f, other, STORE_WEBHOOK_LIST, STATUS_NOT_FOUND);
}

/* What progress told is written with the end, before its message. */
static void notes_come_with_the_end(void **state)
{
    struct fixture *f = *state;
    const struct webhook_note notes[] = { a_note(1, 1, NULL), a_note(1, 2, "no") };
    OP(store_prediction_end, op, .id = an_id('p', 1), .attempt = -1, .status = PREDICTION_SUCCEEDED,
       .completed_at = 1000, .webhook_id = an_id('x', 3), .webhook_target = "https://a:443",
       .webhook_until = 90000, .notes = notes, .n_notes = ARRAY_SIZE(notes));
    OP(store_prediction_end, again, .id = an_id('p', 1), .attempt = -1,
       .status = PREDICTION_SUCCEEDED, .completed_at = 1000, .notes = notes,
       .n_notes = ARRAY_SIZE(notes));
    OP(store_webhook_list, list, .prediction_id = an_id('p', 1), .account_id = an_id('a', 1));

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    assert_run(f, op, STORE_PREDICTION_END, STATUS_OK);
    assert_run(f, again, STORE_PREDICTION_END, STATUS_CONFLICT);
    assert_run(f, list, STORE_WEBHOOK_LIST, STATUS_OK);
    assert_int_equal(list.n, 3);
    for (size_t i = 0; i < list.n; i++) {
        assert_int_equal(list.rows[i].n, i + 1);
        assert_int_equal(list.rows[i].n_tries, i < 2 ? 1 : 0);
    }
    assert_int_equal(list.rows[0].state, WEBHOOK_DELIVERED);
    assert_int_equal(list.rows[1].state, WEBHOOK_FAILED);
    assert_int_equal(list.rows[2].state, WEBHOOK_PENDING);
}

static void resend(struct fixture *f, int account, int64_t n, enum status expected)
{
    OP(store_webhook_resend, op, .prediction_id = an_id('p', 1), .account_id = an_id('a', account),
       .n = n, .now = 20000, .until = 30000);

    assert_run(f, op, STORE_WEBHOOK_RESEND, expected);
    if (expected == STATUS_OK)
        assert_string_equal(op.target, "https://a:443");
}

static void only_the_end_is_sent_again(void **state)
{
    struct fixture *f = *state;
    int64_t next;

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    noted(f, 1, 1, NULL);
    end(f, 1, STATUS_OK);
    assert_int_equal(attempted(f, 1, 1, WEBHOOK_DELIVERED, 0), STATUS_OK);
    resend(f, 1, 1, STATUS_UNPROCESSABLE);
    resend(f, 1, 3, STATUS_NOT_FOUND);
    resend(f, 2, 2, STATUS_NOT_FOUND);
    assert_int_equal(due(f, 99999, &next), 0);
    resend(f, 1, 2, STATUS_OK);
    assert_int_equal(due(f, 19999, &next), 0);
    assert_int_equal(next, 20000);
    /* The end of an attempt that had begun before does not take that back. */
    assert_int_equal(attempted(f, 1, 2, WEBHOOK_DELIVERED, 0), STATUS_OK);
    assert_int_equal(due(f, 20000, &next), 1);
}

static void keys_rotate(void **state)
{
    struct fixture *f = *state;
    OP(store_account_rotate, rotate, .account_id = an_id('a', 1), .fresh = "whsec_new",
       .old_until = 77);
    OP(store_account_rotate, nobody, .account_id = an_id('a', 9), .fresh = "whsec_new");
    OP(store_account_secret, secret, .account_id = an_id('a', 1));

    seed_accounts(f);
    assert_run(f, rotate, STORE_ACCOUNT_ROTATE, STATUS_OK);
    assert_run(f, nobody, STORE_ACCOUNT_ROTATE, STATUS_NOT_FOUND);
    assert_run(f, secret, STORE_ACCOUNT_SECRET, STATUS_OK);
    assert_string_equal(secret.webhook_secret, "whsec_new");
    assert_string_equal(secret.old, "whsec_x");
    assert_int_equal(secret.old_until, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_and_its_message_are_one, memory_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(attempts_move_it, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(notes_come_with_the_end, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(only_the_end_is_sent_again, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(keys_rotate, memory_setup, store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
