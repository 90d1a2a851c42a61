/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "store/budget.h"

static void a_deployment_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_get, get, .owner = STR("alice"), .name = STR("dep"));
    struct deployment_row *d = &get.row;

    seed_deployment(f);
    assert_run(f, get, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_string_equal(d->id, an_id('d', 1));
    assert_string_equal(d->owner_id, an_id('a', 1));
    assert_string_equal(d->owner, "alice");
    assert_string_equal(d->name, "dep");
    assert_int_equal(d->created_at, 5000);
    assert_int_equal(d->last_used_at, 0);
    assert_string_equal(d->settings, "{}");
    assert_int_equal(d->release.number, 1);
    assert_string_equal(d->release.model_owner, "alice");
    assert_string_equal(d->release.model_name, "pub");
    assert_string_equal(d->release.version, a_hash(1));
    assert_string_equal(d->release.hardware, "cpu");
    assert_int_equal(d->release.min_instances, 0);
    assert_int_equal(d->release.max_instances, 5);
    assert_int_equal(d->release.created_at, 5000);
    assert_string_equal(d->release.created_by.username, "alice");
    assert_int_equal(d->release.ready_at, 0);
    assert_int_equal(d->release.failed_at, 0);
    assert_null(d->release.failure);
}

static struct deployment_row a_deployment(int n, const char *name, int owner,
                                          const char *model_owner, const char *model, int hash)
{
    return (struct deployment_row){
        .id = an_id('d', n),
        .owner_id = an_id('a', owner),
        .name = name,
        .created_at = 9,
        .release = { .model_owner = model_owner,
                     .model_name = model,
                     .version = a_hash(hash),
                     .hardware = "cpu",
                     .min_instances = 1,
                     .max_instances = 2,
                     .created_at = 9,
                     .created_by = { .id = an_id('a', owner) } },
    };
}

static enum status create(struct fixture *f, struct deployment_row d, bool *out_bad_model)
{
    OP(store_deployment_create, op, .in = d);
    enum status s = run_op(f, op, STORE_DEPLOYMENT_CREATE);

    *out_bad_model = op.bad_model;
    if (s == STATUS_OK) {
        assert_string_equal(op.row.name, d.name);
        assert_int_equal(op.row.release.number, 1);
        assert_string_equal(op.row.settings, "{}");
        assert_string_equal(op.used.id, d.release.version);
    }
    return s;
}

static void what_a_deployment_needs_is_checked(void **state)
{
    struct fixture *f = *state;
    bool bad_model = false;

    seed_deployment(f);
    assert_int_equal(create(f, a_deployment(2, "dep", 1, "alice", "pub", 1), &bad_model),
                     STATUS_CONFLICT);
    assert_int_equal(create(f, a_deployment(2, "x", 1, "alice", "none", 1), &bad_model),
                     STATUS_UNPROCESSABLE);
    assert_true(bad_model);
    assert_int_equal(create(f, a_deployment(2, "x", 2, "alice", "priv", 1), &bad_model),
                     STATUS_UNPROCESSABLE); /* hidden from bob */
    assert_true(bad_model);
    assert_int_equal(create(f, a_deployment(2, "x", 1, "alice", "pub", 9), &bad_model),
                     STATUS_UNPROCESSABLE);
    assert_false(bad_model);
    assert_int_equal(create(f, a_deployment(2, "dep", 2, "alice", "pub", 1), &bad_model),
                     STATUS_OK);
    assert_int_equal(create(f, a_deployment(3, "own", 1, "alice", "priv", 1), &bad_model),
                     STATUS_OK);
}

static void only_the_owner_sees_a_deployment(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_get, own, .owner = STR("alice"), .name = STR("dep"),
       .viewer_id = an_id('a', 1));
    OP(store_deployment_get, other, .owner = STR("alice"), .name = STR("dep"),
       .viewer_id = an_id('a', 2));
    OP(store_deployment_get, none, .owner = STR("alice"), .name = STR("x"));

    seed_deployment(f);
    assert_run(f, own, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_run(f, other, STORE_DEPLOYMENT_GET, STATUS_NOT_FOUND);
    assert_run(f, none, STORE_DEPLOYMENT_GET, STATUS_NOT_FOUND);
}

static void page(struct fixture *f, int owner, const char *after, const char *before,
                 const char *expected, bool previous, bool next)
{
    OP(store_deployment_list, list, .owner_id = owner ? an_id('a', owner) : NULL,
       .page = { .after = after, .before = before, .limit = 2 });
    char got[64] = "";

    assert_run(f, list, STORE_DEPLOYMENT_LIST, STATUS_OK);
    for (size_t i = 0, n = 0; i < list.n; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s ", list.rows[i].name);
    assert_string_equal(got, expected);
    assert_int_equal(list.info.has_previous, previous);
    assert_int_equal(list.info.has_next, next);
}

static void pages_go_both_ways(void **state)
{
    static const char *const names[] = { "", "dep", "d2", "d3", "d4", "d5" };
    struct fixture *f = *state;
    bool bad_model = false;

    seed_deployment(f);
    for (int i = 2; i <= 5; i++)
        assert_int_equal(create(f, a_deployment(i, names[i], 1, "alice", "pub", 1), &bad_model),
                         STATUS_OK);
    assert_int_equal(create(f, a_deployment(6, "bobs", 2, "bob", "pub", 1), &bad_model), STATUS_OK);
    page(f, 1, NULL, NULL, "d5 d4 ", false, true);
    page(f, 1, an_id('d', 4), NULL, "d3 d2 ", true, true);
    page(f, 1, an_id('d', 2), NULL, "dep ", true, false);
    page(f, 1, NULL, an_id('d', 1), "d3 d2 ", true, true);
    page(f, 1, NULL, an_id('d', 3), "d5 d4 ", false, true);
    page(f, 0, NULL, NULL, "bobs d5 ", false, true);
    page(f, 0, an_id('d', 2), NULL, "dep ", true, false);
    page(f, 3, NULL, NULL, "", false, false);
}

static void an_update_makes_a_release_where_something_differs(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_update, same, .owner = STR("alice"), .name = STR("dep"),
       .version = a_hash(1), .hardware = "cpu", .min_instances = 0, .max_instances = 5, .now = 6000,
       .author_id = an_id('a', 1));
    OP(store_deployment_update, more, .owner = STR("alice"), .name = STR("dep"),
       .version = a_hash(2), .min_instances = -1, .max_instances = 7, .now = 7000,
       .author_id = an_id('a', 3));
    OP(store_release_list, list, .deployment_id = an_id('d', 1));

    seed_deployment(f);
    assert_run(f, same, STORE_DEPLOYMENT_UPDATE, STATUS_OK);
    assert_false(same.changed);
    assert_int_equal(same.row.release.number, 1);
    assert_string_equal(same.used.id, a_hash(1));
    assert_run(f, more, STORE_DEPLOYMENT_UPDATE, STATUS_OK);
    assert_true(more.changed);
    assert_int_equal(more.row.release.number, 2);
    assert_string_equal(more.row.release.version, a_hash(2));
    assert_string_equal(more.row.release.hardware, "cpu");
    assert_int_equal(more.row.release.min_instances, 0);
    assert_int_equal(more.row.release.max_instances, 7);
    assert_int_equal(more.row.release.created_at, 7000);
    assert_string_equal(more.row.release.created_by.username, "acme");
    assert_int_equal(more.row.release.created_by.type, ACCOUNT_ORGANIZATION);
    assert_string_equal(more.used.id, a_hash(2));
    assert_run(f, list, STORE_RELEASE_LIST, STATUS_OK);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.rows[0].number, 2);
    assert_int_equal(list.rows[1].number, 1);
    assert_string_equal(list.rows[1].version, a_hash(1));
}

static void a_wrong_update_changes_nothing(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_update, version, .owner = STR("alice"), .name = STR("dep"),
       .version = a_hash(9), .min_instances = -1, .max_instances = -1, .author_id = an_id('a', 1));
    OP(store_deployment_update, bounds, .owner = STR("alice"), .name = STR("dep"),
       .min_instances = 6, .max_instances = -1, .author_id = an_id('a', 1));
    OP(store_deployment_update, other, .owner = STR("alice"), .name = STR("dep"),
       .viewer_id = an_id('a', 2), .min_instances = 1, .max_instances = -1);
    OP(store_deployment_get, get, .owner = STR("alice"), .name = STR("dep"));

    seed_deployment(f);
    assert_run(f, version, STORE_DEPLOYMENT_UPDATE, STATUS_UNPROCESSABLE);
    assert_true(version.bad_version);
    assert_run(f, bounds, STORE_DEPLOYMENT_UPDATE, STATUS_UNPROCESSABLE);
    assert_true(bounds.bad_bounds);
    assert_false(bounds.bad_version);
    assert_run(f, other, STORE_DEPLOYMENT_UPDATE, STATUS_NOT_FOUND);
    assert_run(f, get, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(get.row.release.number, 1);
}

static enum status delete_at(struct fixture *f, int64_t now, int viewer)
{
    OP(store_deployment_delete, gone, .owner = STR("alice"), .name = STR("dep"),
       .viewer_id = an_id('a', viewer), .now = now, .quiet_ms = 900000);
    enum status s = run_op(f, gone, STORE_DEPLOYMENT_DELETE);

    if (s == STATUS_OK)
        assert_string_equal(gone.id, an_id('d', 1));
    return s;
}

static void an_unused_deployment_goes_at_once(void **state)
{
    struct fixture *f = *state;

    seed_deployment(f);
    assert_int_equal(delete_at(f, 5001, 2), STATUS_NOT_FOUND);
    assert_int_equal(delete_at(f, 5001, 1), STATUS_OK);
    assert_int_equal(delete_at(f, 5001, 1), STATUS_NOT_FOUND);
}

static void its_budget_goes_with_it(void **state)
{
    struct fixture *f = *state;
    OP(store_budget_list, list);
    OP(store_budget_list, after);
    struct store_budget_put own = { .spent = { .id = an_id('d', 1) } };
    struct store_budget_put all = { .spent = { .id = an_id('a', 1), .is_account = true } };

    seed_deployment(f);
    own.in.account_id = all.in.account_id = an_id('a', 1);
    assert_int_equal(store_run(f->store, &own.spent.op, &STORE_BUDGET_PUT), STATUS_OK);
    assert_int_equal(store_run(f->store, &all.spent.op, &STORE_BUDGET_PUT), STATUS_OK);
    store_op_deinit(&own.spent.op);
    store_op_deinit(&all.spent.op);
    assert_run(f, list, STORE_BUDGET_LIST, STATUS_OK);
    assert_int_equal(list.n, 2);
    assert_int_equal(delete_at(f, 5001, 1), STATUS_OK);
    assert_run(f, after, STORE_BUDGET_LIST, STATUS_OK);
    assert_int_equal(after.n, 1);
    assert_string_equal(after.rows[0].id, an_id('a', 1));
}

/* A message that was under way when the terms changed tells nothing of the new ones. */
static void what_was_told_is_of_its_terms(void **state)
{
    struct fixture *f = *state;
    struct store_budget_put put = { .spent = { .id = an_id('d', 1) } };

    seed_deployment(f);
    put.in = (struct budget_row){ .account_id = an_id('a', 1), .terms = { .amount_nano = 7 } };
    assert_int_equal(store_run(f->store, &put.spent.op, &STORE_BUDGET_PUT), STATUS_OK);
    store_op_deinit(&put.spent.op);
    for (int64_t amount = 5; amount <= 7; amount += 2) {
        OP(store_budget_told, told, .id = an_id('d', 1), .terms = { .amount_nano = amount },
           .level = BUDGET_REACHED, .period = 1);
        OP(store_budget_list, list);

        assert_run(f, told, STORE_BUDGET_TOLD, STATUS_OK);
        assert_run(f, list, STORE_BUDGET_LIST, STATUS_OK);
        assert_int_equal(list.rows[0].told_level, amount == 7 ? BUDGET_REACHED : BUDGET_OK);
    }
}

static void a_used_deployment_must_be_disabled_and_quiet(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_update, disable, .owner = STR("alice"), .name = STR("dep"),
       .max_instances = 0, .now = 8000, .author_id = an_id('a', 1));
    OP(store_prediction_end, end, .id = an_id('p', 7), .status = PREDICTION_CANCELED);
    OP(store_prediction_get, get, .id = an_id('p', 7));

    seed_deployment(f);
    add_prediction(f, 7, 1, true, 1);
    assert_int_equal(delete_at(f, 10000000, 1), STATUS_UNPROCESSABLE); /* not disabled */
    assert_run(f, disable, STORE_DEPLOYMENT_UPDATE, STATUS_OK);
    assert_int_equal(delete_at(f, 10000000, 1), STATUS_UNPROCESSABLE); /* a prediction is open */
    assert_run(f, end, STORE_PREDICTION_END, STATUS_OK);
    assert_int_equal(delete_at(f, 7000 + 899999, 1),
                     STATUS_UNPROCESSABLE); /* used a short time ago */
    assert_int_equal(delete_at(f, 7000 + 900000, 1), STATUS_OK);
    assert_run(f, get, STORE_PREDICTION_GET, STATUS_OK);
    assert_null(get.row.deployment_id);
    assert_string_equal(get.row.deployment, "dep");
}

static void open_releases_are_the_current_and_those_waited_for(void **state)
{
    struct fixture *f = *state;

    seed_deployment(f);
    add_prediction(f, 7, 1, true, 1);
    for (int i = 0; i < 2; i++) {
        OP(store_deployment_update, more, .owner = STR("alice"), .name = STR("dep"),
           .min_instances = -1, .max_instances = 7 + i, .author_id = an_id('a', 1));

        assert_run(f, more, STORE_DEPLOYMENT_UPDATE, STATUS_OK);
    }
    for (int i = 0; i < 2; i++) {
        OP(store_release_list, list, .deployment_id = an_id('d', 1), .only_open = true);
        OP(store_prediction_end, end, .id = an_id('p', 7), .attempt = -1,
           .status = PREDICTION_FAILED);

        assert_run(f, list, STORE_RELEASE_LIST, STATUS_OK);
        assert_int_equal(list.n, i == 0 ? 2 : 1);
        assert_int_equal(list.rows[0].number, 3);
        assert_int_equal(list.rows[list.n - 1].number, i == 0 ? 1 : 3);
        assert_run(f, end, STORE_PREDICTION_END, i == 0 ? STATUS_OK : STATUS_CONFLICT);
    }
}

static enum status mark(struct fixture *f, int64_t number, int64_t now, const char *failure,
                        bool clear, int64_t epoch)
{
    OP(store_release_mark, op, .deployment_id = an_id('d', 1), .number = number, .now = now,
       .failure = failure, .clear = clear, .lease_epoch = epoch);

    return run_op(f, op, STORE_RELEASE_MARK);
}

static void assert_marks(struct fixture *f, int64_t ready, int64_t failed, const char *failure)
{
    OP(store_deployment_get, get, .owner = STR("alice"), .name = STR("dep"));

    assert_run(f, get, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(get.row.release.ready_at, ready);
    assert_int_equal(get.row.release.failed_at, failed);
    if (failure)
        assert_string_equal(get.row.release.failure, failure);
    else
        assert_null(get.row.release.failure);
}

static void releases_are_marked(void **state)
{
    struct fixture *f = *state;

    seed_deployment(f);
    assert_int_equal(mark(f, 1, 10, "no module named x", false, 0), STATUS_OK);
    assert_marks(f, 0, 10, "no module named x");
    assert_int_equal(mark(f, 1, 11, NULL, true, 0), STATUS_OK);
    assert_marks(f, 0, 0, NULL);
    assert_int_equal(mark(f, 1, 12, NULL, false, 0), STATUS_OK);
    assert_marks(f, 12, 0, NULL);
    assert_int_equal(mark(f, 1, 13, "later", false, 0), STATUS_OK);
    assert_marks(f, 12, 13, "later");
    assert_int_equal(mark(f, 2, 13, NULL, false, 0), STATUS_NOT_FOUND);
}

static void an_older_servers_marks_are_refused(void **state)
{
    struct fixture *f = *state;
    OP(store_lease_take, take);
    OP(store_lease_take, again);
    OP(store_deployment_get, get, .owner = STR("alice"), .name = STR("dep"));
    OP(store_deployment_get, young, .owner = STR("alice"), .name = STR("young"));
    bool bad_model = false;

    seed_deployment(f);
    assert_run(f, take, STORE_LEASE_TAKE, STATUS_OK);
    assert_int_equal(take.epoch, 1);
    assert_run(f, again, STORE_LEASE_TAKE, STATUS_OK);
    assert_int_equal(again.epoch, 2);
    assert_run(f, get, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(get.row.lease_epoch, 2);
    assert_int_equal(mark(f, 1, 10, NULL, false, 1), STATUS_CONFLICT);
    assert_marks(f, 0, 0, NULL);
    assert_int_equal(mark(f, 1, 10, NULL, false, 2), STATUS_OK);
    assert_int_equal(create(f, a_deployment(2, "young", 1, "alice", "pub", 1), &bad_model),
                     STATUS_OK);
    assert_run(f, young, STORE_DEPLOYMENT_GET, STATUS_OK);
    assert_int_equal(young.row.lease_epoch, 2);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deployment_is_kept_whole),
        TEST(what_a_deployment_needs_is_checked),
        TEST(only_the_owner_sees_a_deployment),
        TEST(pages_go_both_ways),
        TEST(an_update_makes_a_release_where_something_differs),
        TEST(a_wrong_update_changes_nothing),
        TEST(an_unused_deployment_goes_at_once),
        TEST(its_budget_goes_with_it),
        TEST(what_was_told_is_of_its_terms),
        TEST(a_used_deployment_must_be_disabled_and_quiet),
        TEST(open_releases_are_the_current_and_those_waited_for),
        TEST(releases_are_marked),
        TEST(an_older_servers_marks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
