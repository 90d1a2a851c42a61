/* SPDX-License-Identifier: Apache-2.0 */
#include "store/session.h"

#include "support.h"

enum { LIFETIME = 100 };

static void add_token(struct fixture *f, int n, int account)
{
    OP(store_token_create, create);

    create.in = (struct token_row){
        .id = an_id('t', n), .account_id = an_id('a', account), .hint = "r8_Abc", .created_at = n
    };
    memset(create.in.hash, n, sizeof(create.in.hash));
    assert_run(f, create, STORE_TOKEN_CREATE, STATUS_OK);
}

static void sign_in(struct fixture *f, int session, int token, int account, int64_t at)
{
    OP(store_session_put, put);

    put.row = (struct session_row){ .account_id = an_id('a', account),
                                    .token_id = an_id('t', token),
                                    .created_at = at,
                                    .expires_at = at + LIFETIME };
    memset(put.row.hash, session, sizeof(put.row.hash));
    assert_run(f, put, STORE_SESSION_PUT, STATUS_OK);
}

static void assert_good(struct fixture *f, int64_t now, const char *sessions, const char *tokens)
{
    OP(store_session_list, list, .now = now);

    assert_run(f, list, STORE_SESSION_LIST, STATUS_OK);
    assert_int_equal(list.n, strlen(sessions));
    for (size_t i = 0; i < list.n; i++) {
        assert_int_equal(list.rows[i].hash[31], sessions[i] - '0');
        assert_int_equal(list.rows[i].token_hash[31], tokens[i] - '0');
    }
}

static void setup(struct fixture *f)
{
    seed_accounts(f);
    add_token(f, 1, 1);
    add_token(f, 2, 2);
    add_token(f, 3, 1);
    sign_in(f, 1, 1, 1, 10);
    sign_in(f, 1, 2, 2, 20);
    sign_in(f, 2, 3, 1, 30);
}

static void they_are_listed_while_they_are_good(void **state)
{
    struct fixture *f = *state;
    OP(store_token_revoke, revoke, .id = an_id('t', 1), .now = 40);

    setup(f);
    assert_good(f, 40, "112", "123");
    assert_good(f, 10 + LIFETIME, "12", "23");
    sign_in(f, 1, 3, 1, 40); /* once more, with another token */
    assert_good(f, 40, "121", "233");
    sign_in(f, 1, 1, 1, 50);
    assert_run(f, revoke, STORE_TOKEN_REVOKE, STATUS_OK);
    assert_good(f, 50, "12", "23");
    sign_in(f, 2, 3, 1, 20 + LIFETIME); /* what has expired goes */
    assert_good(f, 0, "2", "3");
}

static void one_account_or_all_sign_out(void **state)
{
    struct fixture *f = *state;
    OP(store_session_end, one, .account_id = an_id('a', 1));
    OP(store_session_end, all);

    setup(f);
    memset(one.hash, 1, sizeof(one.hash));
    assert_run(f, one, STORE_SESSION_END, STATUS_OK);
    assert_good(f, 40, "12", "23");
    memset(all.hash, 2, sizeof(all.hash));
    assert_run(f, all, STORE_SESSION_END, STATUS_OK);
    assert_run(f, all, STORE_SESSION_END, STATUS_OK);
    assert_good(f, 40, "1", "2");
}

static void a_tokens_last_use_never_goes_back(void **state)
{
    struct fixture *f = *state;
    OP(store_token_use, late, .id = an_id('t', 2), .now = 70);
    OP(store_token_use, early, .id = an_id('t', 2), .now = 60);
    OP(store_token_list, list, .account_id = an_id('a', 2));

    setup(f);
    assert_run(f, late, STORE_TOKEN_USE, STATUS_OK);
    assert_run(f, early, STORE_TOKEN_USE, STATUS_OK);
    assert_run(f, list, STORE_TOKEN_LIST, STATUS_OK);
    assert_int_equal(list.rows[0].last_used_at, 70);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_are_listed_while_they_are_good),
        TEST(one_account_or_all_sign_out),
        TEST(a_tokens_last_use_never_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
