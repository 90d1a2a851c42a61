/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

static void a_version_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_version_get, get, .owner = STR("alice"), .name = STR("priv"), .id = str_of(a_hash(1)));
    struct version_row *v = &get.row;

    seed_models(f);
    assert_run(f, get, STORE_VERSION_GET, STATUS_OK);
    assert_string_equal(v->seq, an_id('v', 3));
    assert_string_equal(v->id, a_hash(1));
    assert_string_equal(v->model_id, an_id('m', 2));
    assert_string_equal(v->owner_id, an_id('a', 1));
    assert_string_equal(v->owner, "alice");
    assert_string_equal(v->model, "priv");
    assert_false(v->model_is_public);
    assert_string_equal(v->model_hardware, "cpu");
    assert_string_equal(v->cog_version, "0.23.1");
    assert_string_equal(v->kind, "folder");
    assert_true(str_is(v->schema, "{\"openapi\":\"3.0.2\"}"));
    assert_true(str_is(v->config, "{}"));
    assert_int_equal(strncmp(v->path, "versions/", 9), 0);
    assert_int_equal(v->created_at, 3000);
}

static void the_same_content_gives_the_same_version(void **state)
{
    struct fixture *f = *state;
    OP(store_version_create, again);
    OP(store_version_create, lost);
    OP(store_model_get, get, .owner = STR("alice"), .name = STR("pub"));

    seed_models(f);
    again.in = (struct version_row){ .seq = an_id('v', 9),
                                     .id = a_hash(1),
                                     .model_id = an_id('m', 1),
                                     .cog_version = "",
                                     .kind = "folder",
                                     .path = "other" };
    assert_run(f, again, STORE_VERSION_CREATE, STATUS_OK);
    assert_true(again.existed);
    assert_run(f, get, STORE_MODEL_GET, STATUS_OK);
    assert_string_equal(get.row.latest_version, a_hash(1)); /* once more */
    lost.in = again.in;
    lost.in.model_id = an_id('m', 99);
    assert_run(f, lost, STORE_VERSION_CREATE, STATUS_NOT_FOUND);
}

static void find(struct fixture *f, const char *owner, const char *name, const char *id, int viewer,
                 const char *expected)
{
    OP(store_version_get, get, .owner = str_of(owner), .name = str_of(name), .id = str_of(id),
       .viewer_id = viewer ? an_id('a', viewer) : NULL);

    assert_run(f, get, STORE_VERSION_GET, expected ? STATUS_OK : STATUS_NOT_FOUND);
    if (expected)
        assert_string_equal(get.row.seq, expected);
}

static void versions_are_found_by_model(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    find(f, "alice", "pub", a_hash(1), 2, an_id('v', 1));
    find(f, "alice", "pub", "", 2, an_id('v', 2)); /* the latest */
    find(f, "alice", "priv", a_hash(1), 2, NULL);
    find(f, "alice", "priv", "", 2, NULL);
    find(f, "alice", "priv", "", 1, an_id('v', 3));
    find(f, "alice", "pub", a_hash(9), 1, NULL);
    find(f, "alice", "none", a_hash(1), 1, NULL);
}

static void a_bare_id_means_ones_own_first_then_the_oldest_public(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    find(f, NULL, NULL, a_hash(1), 2, an_id('v', 4)); /* bob's own, though younger */
    find(f, NULL, NULL, a_hash(1), 3, an_id('v', 1));
    find(f, NULL, NULL, a_hash(1), 0, an_id('v', 1));
    find(f, NULL, NULL, a_hash(9), 0, NULL);
    add_version(f, 5, 2, 5); /* only in alice's private model */
    find(f, NULL, NULL, a_hash(5), 2, NULL);
    find(f, NULL, NULL, a_hash(5), 1, an_id('v', 5));
}

static void content_is_found_whoever_has_it(void **state)
{
    struct fixture *f = *state;
    OP(store_version_find, found, .id = a_hash(5));
    OP(store_version_find, none, .id = a_hash(9));

    seed_models(f);
    add_version(f, 5, 2, 5);
    assert_run(f, found, STORE_VERSION_FIND, STATUS_OK);
    assert_int_equal(strncmp(found.row.path, "versions/", 9), 0);
    assert_run(f, none, STORE_VERSION_FIND, STATUS_NOT_FOUND);
}

static void page(struct fixture *f, int after, int before, const char *expected, bool previous,
                 bool next)
{
    OP(store_version_list, list, .owner = STR("alice"), .name = STR("priv"));
    char got[64] = "";

    list.page = (struct page_query){ .after = after ? an_id('v', after) : NULL,
                                     .before = before ? an_id('v', before) : NULL,
                                     .limit = 2 };
    assert_run(f, list, STORE_VERSION_LIST, STATUS_OK);
    for (size_t i = 0, n = 0; i < list.n; i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%d ",
                              (int)(list.rows[i].created_at / 1000));
    assert_string_equal(got, expected);
    assert_int_equal(list.info.has_previous, previous);
    assert_int_equal(list.info.has_next, next);
}

static void pages_go_both_ways(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    for (int i = 5; i <= 8; i++)
        add_version(f, i, 2, i);
    page(f, 0, 0, "8 7 ", false, true);
    page(f, 7, 0, "6 5 ", true, true);
    page(f, 5, 0, "3 ", true, false);
    page(f, 3, 0, "", false, false);
    page(f, 0, 3, "6 5 ", true, true);
    page(f, 0, 6, "8 7 ", false, true);
    page(f, 0, 7, "8 ", false, true);
}

static void a_hidden_models_versions_are_not_listed(void **state)
{
    struct fixture *f = *state;
    OP(store_version_list, list, .owner = STR("alice"), .name = STR("priv"),
       .viewer_id = an_id('a', 2), .page = { .limit = 5 });

    seed_models(f);
    assert_run(f, list, STORE_VERSION_LIST, STATUS_NOT_FOUND);
}

static enum status delete_as(struct fixture *f, const char *name, int hash, int viewer,
                             bool *out_unused)
{
    OP(store_version_delete, gone, .owner = STR("alice"), .name = str_of(name),
       .id = str_of(a_hash(hash)), .viewer_id = an_id('a', viewer));
    enum status s = run_op(f, gone, STORE_VERSION_DELETE);

    if (s == STATUS_OK) {
        assert_int_equal(strncmp(gone.path, "versions/", 9), 0);
        *out_unused = gone.content_unused;
    }
    return s;
}

static void end_prediction(struct fixture *f, int n)
{
    OP(store_prediction_end, end, .id = an_id('p', n), .attempt = -1,
       .status = PREDICTION_SUCCEEDED, .completed_at = 1);

    assert_run(f, end, STORE_PREDICTION_END, STATUS_OK);
}

static void a_version_that_is_in_use_stays(void **state)
{
    struct fixture *f = *state;
    OP(store_model_update, hide, .owner = STR("alice"), .name = STR("pub"),
       .set = MODEL_VISIBILITY);
    bool unused = false;

    seed_deployment(f);
    assert_int_equal(delete_as(f, "pub", 1, 2, &unused), STATUS_FORBIDDEN);
    assert_int_equal(delete_as(f, "priv", 1, 2, &unused), STATUS_NOT_FOUND);
    assert_int_equal(delete_as(f, "priv", 9, 1, &unused), STATUS_NOT_FOUND);
    assert_int_equal(delete_as(f, "pub", 1, 1, &unused), STATUS_UNPROCESSABLE); /* public */
    assert_run(f, hide, STORE_MODEL_UPDATE, STATUS_OK);
    assert_int_equal(delete_as(f, "pub", 1, 1, &unused), STATUS_UNPROCESSABLE); /* released */
    add_prediction(f, 1, 1, false, 2);
    assert_int_equal(delete_as(f, "priv", 1, 1, &unused), STATUS_UNPROCESSABLE); /* open */
    end_prediction(f, 1);
    add_prediction(f, 2, 2, false, 2);
    end_prediction(f, 2);
    assert_int_equal(delete_as(f, "priv", 1, 1, &unused), STATUS_UNPROCESSABLE); /* others' */
}

static void a_deleted_version_takes_its_predictions_along(void **state)
{
    struct fixture *f = *state;
    OP(store_model_update, example, .owner = STR("alice"), .name = STR("priv"),
       .set = MODEL_DEFAULT_EXAMPLE);
    OP(store_prediction_get, prediction, .id = an_id('p', 1));
    OP(store_model_get, model, .owner = STR("alice"), .name = STR("priv"));
    bool unused = true;

    seed_models(f);
    add_version(f, 5, 2, 5);
    add_prediction(f, 1, 1, false, 2);
    end_prediction(f, 1);
    example.in = (struct model_row){ .default_example = an_id('p', 1) };
    assert_run(f, example, STORE_MODEL_UPDATE, STATUS_OK);
    assert_int_equal(delete_as(f, "priv", 1, 1, &unused), STATUS_OK);
    assert_false(unused); /* alice/pub and bob/pub have the content too */
    assert_run(f, prediction, STORE_PREDICTION_GET, STATUS_NOT_FOUND);
    assert_run(f, model, STORE_MODEL_GET, STATUS_OK);
    assert_null(model.row.default_example);
    assert_string_equal(model.row.latest_version, a_hash(5));
    assert_int_equal(delete_as(f, "priv", 5, 1, &unused), STATUS_OK);
    assert_true(unused);
    assert_run(f, model, STORE_MODEL_GET, STATUS_OK);
    assert_null(model.row.latest_version);
    assert_int_equal(model.row.latest_version_created_at, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_version_is_kept_whole),
        TEST(the_same_content_gives_the_same_version),
        TEST(versions_are_found_by_model),
        TEST(a_bare_id_means_ones_own_first_then_the_oldest_public),
        TEST(content_is_found_whoever_has_it),
        TEST(pages_go_both_ways),
        TEST(a_hidden_models_versions_are_not_listed),
        TEST(a_version_that_is_in_use_stays),
        TEST(a_deleted_version_takes_its_predictions_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
