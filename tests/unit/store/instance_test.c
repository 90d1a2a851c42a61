/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

static void add_instance(struct fixture *f, int n)
{
    OP(store_instance_create, create);

    create.in = (struct instance_row){ .id = an_id('x', n),
                                       .pool_id = an_id('d', 1),
                                       .pool_is_model = n == 2,
                                       .version_id = a_hash(1),
                                       .version_model_id = an_id('m', 1),
                                       .hardware = "gpu-t4",
                                       .driver = "process",
                                       .capability = "cap",
                                       .gpus = n == 1 ? "0,1" : NULL,
                                       .created_at = n,
                                       .release = 4 };
    assert_run(f, create, STORE_INSTANCE_CREATE, STATUS_OK);
}

static void instances_are_found_until_they_end(void **state)
{
    struct fixture *f = *state;
    OP(store_instance_update, launched,
       .in = { .id = an_id('x', 1), .handle = STR("{\"pid\":1}") });
    OP(store_instance_update, ready, .in = { .id = an_id('x', 1), .ready_at = 5 });
    OP(store_instance_update, ended,
       .in = { .id = an_id('x', 2), .ended_at = 6, .end_reason = "idle", .setup_log = STR("log") });
    OP(store_instance_update, none, .in = { .id = an_id('x', 9), .ready_at = 5 });
    OP(store_instance_open, open);
    const struct instance_row *i = NULL;

    add_instance(f, 1);
    add_instance(f, 2);
    assert_run(f, launched, STORE_INSTANCE_UPDATE, STATUS_OK);
    assert_run(f, ready, STORE_INSTANCE_UPDATE, STATUS_OK);
    assert_run(f, ended, STORE_INSTANCE_UPDATE, STATUS_OK);
    assert_run(f, none, STORE_INSTANCE_UPDATE, STATUS_NOT_FOUND);
    assert_run(f, open, STORE_INSTANCE_OPEN, STATUS_OK);
    assert_int_equal(open.n, 1);
    i = &open.rows[0];
    assert_string_equal(i->id, an_id('x', 1));
    assert_string_equal(i->pool_id, an_id('d', 1));
    assert_false(i->pool_is_model);
    assert_string_equal(i->version_id, a_hash(1));
    assert_string_equal(i->version_model_id, an_id('m', 1));
    assert_string_equal(i->hardware, "gpu-t4");
    assert_string_equal(i->driver, "process");
    assert_string_equal(i->capability, "cap");
    assert_string_equal(i->gpus, "0,1");
    assert_int_equal(i->release, 4);
    assert_int_equal(i->created_at, 1);
    assert_int_equal(i->ready_at, 5);
    assert_int_equal(i->ended_at, 0);
    assert_null(i->end_reason);
    assert_true(str_is(i->handle, "{\"pid\":1}"));
    assert_null(i->setup_log.p);
}

/* Behind the record of its end nobody counts it again. */
static void an_end_waits_for_the_ledger(void **state)
{
    struct fixture *f = *state;
    struct ledger_counted counted = { .instance_id = an_id('x', 1), .ms = 400 };
    OP(store_instance_update, ended, .in = { .id = an_id('x', 1), .ended_at = 6 });
    OP(store_instance_update, none, .in = { .id = an_id('x', 9), .ended_at = 6 });
    OP(store_ledger_add, add, .batch = { .counted = &counted, .n_counted = 1 });
    OP(store_instance_open, open);

    ended.in.metered_ms = none.in.metered_ms = 800;
    add_instance(f, 1);
    assert_run(f, none, STORE_INSTANCE_UPDATE, STATUS_NOT_FOUND);
    assert_run(f, add, STORE_LEDGER_ADD, STATUS_OK);
    assert_run(f, ended, STORE_INSTANCE_UPDATE, STATUS_CONFLICT);
    assert_run(f, open, STORE_INSTANCE_OPEN, STATUS_OK);
    assert_int_equal(open.n, 1);
    assert_run(f, add, STORE_LEDGER_ADD, STATUS_OK);
    assert_run(f, ended, STORE_INSTANCE_UPDATE, STATUS_OK);
    assert_run(f, open, STORE_INSTANCE_OPEN, STATUS_OK);
    assert_int_equal(open.n, 0);
}

static void end_instance(struct fixture *f, int n, int64_t at)
{
    OP(store_instance_update, end, .in = { .id = an_id('x', n), .ended_at = at });
    OP(store_instance_get, get, .id = an_id('x', n), .pool_id = an_id('d', 1));

    assert_run(f, end, STORE_INSTANCE_UPDATE, STATUS_OK);
    assert_run(f, get, STORE_INSTANCE_GET, STATUS_OK);
}

/* One that outlived a hundred others is the last that ended; so is each that ends while the clock,
 * and with it their ids, goes back. */
static void the_last_that_ended_are_kept(void **state)
{
    struct fixture *f = *state;
    OP(store_instance_ended, ended, .pool_id = an_id('d', 1), .limit = 1000);

    add_instance(f, 500);
    for (int n = 1; n <= 150; n++) {
        add_instance(f, n);
        end_instance(f, n, n);
    }
    end_instance(f, 500, 1000);
    assert_run(f, ended, STORE_INSTANCE_ENDED, STATUS_OK);
    assert_int_equal(ended.n, 100);
    assert_string_equal(ended.rows[0].id, an_id('x', 500));
    for (int n = 1; n < 100; n++)
        assert_string_equal(ended.rows[n].id, an_id('x', 151 - n));
    for (int n = 300; n > 150; n--) {
        add_instance(f, n);
        end_instance(f, n, n - 150);
    }
    assert_run(f, ended, STORE_INSTANCE_ENDED, STATUS_OK);
    assert_int_equal(ended.n, 100);
    for (int n = 0; n < 100; n++)
        assert_string_equal(ended.rows[n].id, an_id('x', 151 + n));
}

static void an_instance_is_created_once(void **state)
{
    struct fixture *f = *state;
    OP(store_instance_create, again);

    add_instance(f, 1);
    again.in = (struct instance_row){ .id = an_id('x', 1),
                                      .pool_id = "p",
                                      .version_id = "v",
                                      .version_model_id = "m",
                                      .hardware = "h",
                                      .driver = "d",
                                      .capability = "c" };
    assert_run(f, again, STORE_INSTANCE_CREATE, STATUS_CONFLICT);
}

static void put(struct fixture *f, const char *name, const char *value)
{
    OP(store_setting_put, op, .name = name, .value = value);

    assert_run(f, op, STORE_SETTING_PUT, STATUS_OK);
}

static void settings_are_put_replaced_and_removed(void **state)
{
    static const char *const values[] = { "8081", "8082", NULL };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        OP(store_setting_get, get, .name = "internal_port");

        put(f, "internal_port", values[i]);
        assert_run(f, get, STORE_SETTING_GET, STATUS_OK);
        if (values[i])
            assert_string_equal(get.value, values[i]);
        else
            assert_null(get.value);
    }
}

static void add_build(struct fixture *f, int n, const char *status)
{
    OP(store_build_create, create);

    create.in = (struct build_row){ .id = an_id('b', n),
                                    .account_id = an_id('a', 1),
                                    .model_id = an_id('m', 1),
                                    .status = status,
                                    .created_at = n };
    assert_run(f, create, STORE_BUILD_CREATE, STATUS_OK);
}

static void a_build_goes_its_way(void **state)
{
    struct fixture *f = *state;
    OP(store_build_update, update);
    OP(store_build_update, none, .in = { .id = an_id('b', 9), .status = "failed" });
    OP(store_build_get, own, .id = an_id('b', 1), .account_id = an_id('a', 1));
    OP(store_build_get, other, .id = an_id('b', 1), .account_id = an_id('a', 2));
    OP(store_build_create, lost);

    seed_models(f);
    add_build(f, 1, "queued");
    update.in = (struct build_row){ .id = an_id('b', 1),
                                    .status = "succeeded",
                                    .step = "registering",
                                    .error = NULL,
                                    .version = a_hash(1),
                                    .started_at = 5,
                                    .completed_at = 6 };
    assert_run(f, update, STORE_BUILD_UPDATE, STATUS_OK);
    assert_run(f, none, STORE_BUILD_UPDATE, STATUS_NOT_FOUND);
    assert_run(f, own, STORE_BUILD_GET, STATUS_OK);
    assert_string_equal(own.row.account_id, an_id('a', 1));
    assert_string_equal(own.row.model_id, an_id('m', 1));
    assert_string_equal(own.row.model_owner, "alice");
    assert_string_equal(own.row.model_name, "pub");
    assert_string_equal(own.row.status, "succeeded");
    assert_string_equal(own.row.step, "registering");
    assert_null(own.row.error);
    assert_string_equal(own.row.version, a_hash(1));
    assert_int_equal(own.row.created_at, 1);
    assert_int_equal(own.row.started_at, 5);
    assert_int_equal(own.row.completed_at, 6);
    assert_run(f, other, STORE_BUILD_GET, STATUS_NOT_FOUND);
    lost.in = (struct build_row){ .id = an_id('b', 2),
                                  .account_id = an_id('a', 1),
                                  .model_id = an_id('m', 9),
                                  .status = "queued" };
    assert_run(f, lost, STORE_BUILD_CREATE, STATUS_NOT_FOUND);
}

static void builds_of_a_stopped_server_have_failed(void **state)
{
    static const char *const expected[] = { "failed", "failed", "succeeded" };
    struct fixture *f = *state;
    OP(store_build_sweep, sweep, .now = 77);

    seed_models(f);
    add_build(f, 1, "queued");
    add_build(f, 2, "building");
    add_build(f, 3, "succeeded");
    assert_run(f, sweep, STORE_BUILD_SWEEP, STATUS_OK);
    assert_int_equal(sweep.n, 2);
    for (int i = 1; i <= 3; i++) {
        OP(store_build_get, get, .id = an_id('b', i));

        assert_run(f, get, STORE_BUILD_GET, STATUS_OK);
        assert_string_equal(get.row.status, expected[i - 1]);
        if (i < 3)
            assert_string_equal(get.row.error, "the server stopped during the build; push again");
        assert_int_equal(get.row.completed_at, i < 3 ? 77 : 0);
    }
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(instances_are_found_until_they_end),     TEST(an_end_waits_for_the_ledger),
        TEST(the_last_that_ended_are_kept),           TEST(an_instance_is_created_once),
        TEST(settings_are_put_replaced_and_removed),  TEST(a_build_goes_its_way),
        TEST(builds_of_a_stopped_server_have_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
