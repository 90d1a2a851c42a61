/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

static void accounts_are_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_account_create, create);
    OP(store_account_list, list);
    OP(store_account_secret, secret, .account_id = an_id('a', 9));

    seed_accounts(f);
    create.in = (struct account){ .id = an_id('a', 9),
                                  .type = ACCOUNT_ORGANIZATION,
                                  .username = "zed",
                                  .name = "Zed GmbH",
                                  .github_url = "https://github.com/zed",
                                  .avatar_url = "https://example.com/z.png",
                                  .created_at = 77 };
    create.webhook_secret = "whsec_abc";
    assert_run(f, create, STORE_ACCOUNT_CREATE, STATUS_OK);
    assert_run(f, list, STORE_ACCOUNT_LIST, STATUS_OK);
    assert_int_equal(list.n, 4);
    assert_string_equal(list.rows[0].username, "acme");
    assert_int_equal(list.rows[0].type, ACCOUNT_ORGANIZATION);
    assert_null(list.rows[0].github_url);
    assert_string_equal(list.rows[3].id, an_id('a', 9));
    assert_int_equal(list.rows[3].type, ACCOUNT_ORGANIZATION);
    assert_string_equal(list.rows[3].name, "Zed GmbH");
    assert_string_equal(list.rows[3].github_url, "https://github.com/zed");
    assert_string_equal(list.rows[3].avatar_url, "https://example.com/z.png");
    assert_int_equal(list.rows[3].created_at, 77);
    assert_run(f, secret, STORE_ACCOUNT_SECRET, STATUS_OK);
    assert_string_equal(secret.webhook_secret, "whsec_abc");
}

static void a_taken_name_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    OP(store_account_create, create);

    seed_accounts(f);
    create.in = (struct account){ .id = an_id('a', 9), .username = "bob", .name = "x" };
    assert_run(f, create, STORE_ACCOUNT_CREATE, STATUS_CONFLICT);
    assert_string_equal(create.op.error.text, "the account name bob is taken");
}

static void an_unknown_account_has_no_secret(void **state)
{
    struct fixture *f = *state;
    OP(store_account_secret, secret, .account_id = an_id('a', 9));

    assert_run(f, secret, STORE_ACCOUNT_SECRET, STATUS_NOT_FOUND);
}

static enum status add_token(struct fixture *f, int n, int account)
{
    OP(store_token_create, create);

    create.in = (struct token_row){ .id = an_id('t', n),
                                    .account_id = an_id('a', account),
                                    .hint = "r8_Abc",
                                    .label = n == 1 ? "laptop" : NULL,
                                    .created_at = n };
    memset(create.in.hash, n, sizeof(create.in.hash));
    return run_op(f, create, STORE_TOKEN_CREATE);
}

static void tokens_are_listed_for_all_or_one(void **state)
{
    struct fixture *f = *state;
    OP(store_token_list, all);
    OP(store_token_list, one, .account_id = an_id('a', 2));
    unsigned char hash[32];

    seed_accounts(f);
    assert_int_equal(add_token(f, 1, 1), STATUS_OK);
    assert_int_equal(add_token(f, 2, 2), STATUS_OK);
    assert_int_equal(add_token(f, 3, 1), STATUS_OK);
    assert_int_equal(add_token(f, 3, 1), STATUS_CONFLICT);
    assert_run(f, all, STORE_TOKEN_LIST, STATUS_OK);
    assert_int_equal(all.n, 3);
    assert_string_equal(all.rows[0].label, "laptop");
    assert_string_equal(all.rows[0].hint, "r8_Abc");
    assert_run(f, one, STORE_TOKEN_LIST, STATUS_OK);
    assert_int_equal(one.n, 1);
    memset(hash, 2, sizeof(hash));
    assert_memory_equal(one.rows[0].hash, hash, sizeof(hash));
    assert_null(one.rows[0].label);
    assert_string_equal(one.rows[0].account_id, an_id('a', 2));
}

static void a_token_is_revoked_once_and_by_its_account(void **state)
{
    struct fixture *f = *state;
    OP(store_token_revoke, others, .id = an_id('t', 1), .account_id = an_id('a', 2), .now = 5);
    OP(store_token_revoke, own, .id = an_id('t', 1), .account_id = an_id('a', 1), .now = 5);
    OP(store_token_revoke, again, .id = an_id('t', 1), .now = 6);
    OP(store_token_revoke, admin, .id = an_id('t', 2), .now = 6);
    OP(store_token_revoke, none, .id = an_id('t', 9), .now = 6);
    OP(store_token_list, all);
    unsigned char hash[32];

    seed_accounts(f);
    assert_int_equal(add_token(f, 1, 1), STATUS_OK);
    assert_int_equal(add_token(f, 2, 1), STATUS_OK);
    assert_run(f, others, STORE_TOKEN_REVOKE, STATUS_NOT_FOUND);
    assert_run(f, own, STORE_TOKEN_REVOKE, STATUS_OK);
    memset(hash, 1, sizeof(hash));
    assert_memory_equal(own.hash, hash, sizeof(hash));
    assert_run(f, again, STORE_TOKEN_REVOKE, STATUS_NOT_FOUND);
    assert_run(f, admin, STORE_TOKEN_REVOKE, STATUS_OK);
    assert_run(f, none, STORE_TOKEN_REVOKE, STATUS_NOT_FOUND);
    assert_run(f, all, STORE_TOKEN_LIST, STATUS_OK);
    assert_int_equal(all.n, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(accounts_are_kept_whole),
        TEST(a_taken_name_is_a_conflict),
        TEST(an_unknown_account_has_no_secret),
        TEST(tokens_are_listed_for_all_or_one),
        TEST(a_token_is_revoked_once_and_by_its_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
