/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

static void a_model_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_model_create, create);
    OP(store_model_get, get, .owner = STR("bob"), .name = STR("full"));
    struct model_row *m = &get.row;

    seed_models(f);
    create.in = (struct model_row){ .id = an_id('m', 9),
                                    .owner_id = an_id('a', 2),
                                    .name = "full",
                                    .is_public = true,
                                    .description = "d",
                                    .readme = "r",
                                    .github_url = "g",
                                    .paper_url = "p",
                                    .license_url = "l",
                                    .weights_url = "w",
                                    .cover_image_url = "c",
                                    .hardware = "gpu-t4",
                                    .created_at = 42,
                                    .default_example = "x" };
    assert_run(f, create, STORE_MODEL_CREATE, STATUS_OK);
    assert_run(f, get, STORE_MODEL_GET, STATUS_OK);
    assert_string_equal(m->id, an_id('m', 9));
    assert_string_equal(m->owner_id, an_id('a', 2));
    assert_string_equal(m->owner, "bob");
    assert_string_equal(m->name, "full");
    assert_true(m->is_public);
    assert_string_equal(m->description, "d");
    assert_string_equal(m->readme, "r");
    assert_string_equal(m->github_url, "g");
    assert_string_equal(m->paper_url, "p");
    assert_string_equal(m->license_url, "l");
    assert_string_equal(m->weights_url, "w");
    assert_string_equal(m->cover_image_url, "c");
    assert_string_equal(m->hardware, "gpu-t4");
    assert_int_equal(m->created_at, 42);
    assert_string_equal(m->default_example, "x");
    assert_int_equal(m->run_count, 0);
    assert_null(m->latest_version);
    assert_int_equal(m->latest_version_created_at, 0);
    assert_null(get.latest.id);
}

static void a_taken_name_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    OP(store_model_create, create);

    seed_models(f);
    create.in = (struct model_row){
        .id = an_id('m', 9), .owner_id = an_id('a', 1), .name = "priv", .hardware = "cpu"
    };
    assert_run(f, create, STORE_MODEL_CREATE, STATUS_CONFLICT);
    assert_string_equal(create.op.error.text, "A model with that name and owner already exists.");
}

static enum status get_as(struct fixture *f, const char *owner, const char *name,
                          const char *viewer)
{
    OP(store_model_get, get, .owner = str_of(owner), .name = str_of(name), .viewer_id = viewer);

    return run_op(f, get, STORE_MODEL_GET);
}

static void a_private_model_is_hidden_from_others(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    assert_int_equal(get_as(f, "alice", "pub", an_id('a', 2)), STATUS_OK);
    assert_int_equal(get_as(f, "alice", "priv", an_id('a', 2)), STATUS_NOT_FOUND);
    assert_int_equal(get_as(f, "alice", "priv", an_id('a', 1)), STATUS_OK);
    assert_int_equal(get_as(f, "alice", "priv", NULL), STATUS_OK);
    assert_int_equal(get_as(f, "alice", "none", NULL), STATUS_NOT_FOUND);
    assert_int_equal(get_as(f, "nobody", "pub", NULL), STATUS_NOT_FOUND);
}

static void a_model_shows_its_latest_version(void **state)
{
    struct fixture *f = *state;
    OP(store_model_get, get, .owner = STR("alice"), .name = STR("pub"));

    seed_models(f);
    assert_run(f, get, STORE_MODEL_GET, STATUS_OK);
    assert_string_equal(get.row.latest_version, a_hash(2));
    assert_int_equal(get.row.latest_version_created_at, 2000);
    assert_string_equal(get.latest.id, a_hash(2));
    assert_true(str_is(get.latest.schema, "{\"openapi\":\"3.0.2\"}"));
    assert_string_equal(get.latest.model, "pub");
}

/* Walks through all pages forward, then back, and writes both ways as "a,b|c,d". */
struct walk {
    enum model_sort sort;
    bool ascending;
    const char *viewer, *search, *owner;
    int limit;
};

static void add_page(char *text, size_t size, const struct store_model_list *list)
{
    size_t n = strlen(text);

    if (n > 0)
        n += (size_t)snprintf(text + n, size - n, "|");
    for (size_t i = 0; i < list->n; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? "," : "", list->rows[i].name);
}

static void one_page(struct fixture *f, const struct walk *w, const char *after, const char *before,
                     struct store_model_list *list)
{
    list->page = (struct page_query){ .after = after, .before = before, .limit = w->limit };
    list->sort = w->sort;
    list->ascending = w->ascending;
    list->viewer_id = w->viewer;
    list->search = w->search;
    list->owner = str_of(w->owner);
    assert_run(f, *list, STORE_MODEL_LIST, STATUS_OK);
}

static void assert_pages(struct fixture *f, struct walk w, const char *forward, const char *back)
{
    char there[256] = "", home[256] = "", cursor[64] = "", first[64] = "";
    bool more = true;

    for (int i = 0; more; i++) {
        OP(store_model_list, list);

        one_page(f, &w, i ? cursor : NULL, NULL, &list);
        assert_int_equal(list.info.has_previous, i > 0);
        add_page(there, sizeof(there), &list);
        more = list.info.has_next;
        if (list.n > 0) {
            (void)snprintf(cursor, sizeof(cursor), "%s", list.cursors[list.n - 1]);
            (void)snprintf(first, sizeof(first), "%s", list.cursors[0]);
        }
    }
    assert_string_equal(there, forward);
    for (more = strchr(forward, '|') != NULL; more;) {
        OP(store_model_list, list);

        one_page(f, &w, NULL, first, &list);
        assert_true(list.info.has_next);
        add_page(home, sizeof(home), &list);
        more = list.info.has_previous;
        (void)snprintf(first, sizeof(first), "%s", list.cursors[0]);
    }
    assert_string_equal(home, back);
}

/* Models a, b, c, d, e of alice, created in this order; b is private, d and e have no version, and
 * c's version is older than a's. */
static void seed_list(struct fixture *f)
{
    seed_accounts(f);
    add_model(f, 1, 1, "a", true, 1000);
    add_model(f, 2, 1, "b", false, 2000);
    add_model(f, 3, 1, "c", true, 3000);
    add_model(f, 4, 1, "d", true, 3000);
    add_model(f, 5, 2, "e", true, 4000);
    add_version(f, 7, 3, 1);
    add_version(f, 8, 1, 1);
    add_version(f, 9, 2, 1);
}

static void pages_by_creation(void **state)
{
    struct fixture *f = *state;

    seed_list(f);
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .limit = 2 }, "e,d|c,b|a", "c,b|e,d");
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .ascending = true, .limit = 2 }, "a,b|c,d|e",
                 "c,d|a,b");
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .limit = 5 }, "e,d,c,b,a", "");
}

static void pages_by_latest_version_with_none_last(void **state)
{
    struct fixture *f = *state;

    seed_list(f);
    assert_pages(f, (struct walk){ MODEL_SORT_VERSION, .limit = 2 }, "b,a|c,e|d", "c,e|b,a");
    assert_pages(f, (struct walk){ MODEL_SORT_VERSION, .ascending = true, .limit = 2 }, "c,a|b,d|e",
                 "b,d|c,a");
}

static void pages_show_what_the_viewer_may_see(void **state)
{
    struct fixture *f = *state;

    seed_list(f);
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .viewer = an_id('a', 2), .limit = 2 },
                 "e,d|c,a", "e,d");
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .viewer = an_id('a', 1), .limit = 9 },
                 "e,d,c,b,a", "");
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .owner = "bob", .limit = 9 }, "e", "");
    assert_pages(f, (struct walk){ MODEL_SORT_CREATED, .owner = "nobody", .limit = 9 }, "", "");
}

static void search_wants_every_word_somewhere(void **state)
{
    struct fixture *f = *state;
    OP(store_model_update, update, .owner = STR("alice"), .name = STR("c"),
       .set = MODEL_DESCRIPTION | MODEL_README);
    OP(store_model_update, other, .owner = STR("bob"), .name = STR("e"), .set = MODEL_DESCRIPTION);

    seed_list(f);
    update.in = (struct model_row){ .description = "Makes Pictures", .readme = "of cats" };
    other.in = (struct model_row){ .description = "pictures" };
    assert_run(f, update, STORE_MODEL_UPDATE, STATUS_OK);
    assert_run(f, other, STORE_MODEL_UPDATE, STATUS_OK);
    assert_pages(f, (struct walk){ .search = " pictures  CATS ", .limit = 3 }, "c", "");
    assert_pages(f, (struct walk){ .search = "pictures", .limit = 1 }, "c|e", "c");
    assert_pages(f, (struct walk){ .search = "bob pict", .limit = 3 }, "e", "");
    assert_pages(f, (struct walk){ .search = "dogs", .limit = 3 }, "", "");
    assert_pages(f, (struct walk){ .search = " ", .limit = 9 }, "b,a,c,e,d", "");
}

static void a_bad_cursor_is_invalid(void **state)
{
    static const char *const bad[] = { "", "x", "12", "x-01h", "-", "9999999999999999999999-a" };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        OP(store_model_list, list, .page = { .after = bad[i], .limit = 1 });

        assert_run(f, list, STORE_MODEL_LIST, STATUS_INVALID);
    }
}

static void an_update_sets_what_is_named(void **state)
{
    struct fixture *f = *state;
    OP(store_model_update, update, .owner = STR("alice"), .name = STR("pub"),
       .viewer_id = an_id('a', 1), .set = MODEL_DESCRIPTION | MODEL_VISIBILITY | MODEL_HARDWARE);
    OP(store_model_update, clear, .owner = STR("alice"), .name = STR("pub"),
       .viewer_id = an_id('a', 1), .set = MODEL_DESCRIPTION | MODEL_README);

    seed_models(f);
    update.in =
        (struct model_row){ .description = "new", .readme = "ignored", .hardware = "gpu-t4" };
    assert_run(f, update, STORE_MODEL_UPDATE, STATUS_OK);
    assert_string_equal(update.row.description, "new");
    assert_null(update.row.readme);
    assert_false(update.row.is_public);
    assert_string_equal(update.row.hardware, "gpu-t4");
    assert_string_equal(update.latest.id, a_hash(2));
    clear.in = (struct model_row){ .readme = "text" };
    assert_run(f, clear, STORE_MODEL_UPDATE, STATUS_OK);
    assert_null(clear.row.description);
    assert_string_equal(clear.row.readme, "text");
    assert_string_equal(clear.row.hardware, "gpu-t4");
    assert_int_equal(get_as(f, "alice", "pub", an_id('a', 2)), STATUS_NOT_FOUND);
}

static void only_the_owner_updates(void **state)
{
    struct fixture *f = *state;
    OP(store_model_update, seen, .owner = STR("alice"), .name = STR("pub"),
       .viewer_id = an_id('a', 2), .set = MODEL_DESCRIPTION);
    OP(store_model_update, hidden, .owner = STR("alice"), .name = STR("priv"),
       .viewer_id = an_id('a', 2), .set = MODEL_DESCRIPTION);

    seed_models(f);
    assert_run(f, seen, STORE_MODEL_UPDATE, STATUS_FORBIDDEN);
    assert_run(f, hidden, STORE_MODEL_UPDATE, STATUS_NOT_FOUND);
}

static enum status delete_as(struct fixture *f, const char *owner, const char *name, int viewer)
{
    OP(store_model_delete, gone, .owner = str_of(owner), .name = str_of(name),
       .viewer_id = an_id('a', viewer));
    enum status s = run_op(f, gone, STORE_MODEL_DELETE);

    if (s == STATUS_OK)
        assert_string_equal(gone.model_id, an_id('m', 9));
    return s;
}

static void a_private_model_without_versions_can_be_deleted(void **state)
{
    struct fixture *f = *state;

    seed_models(f);
    add_model(f, 9, 1, "empty", false, 9000);
    add_model(f, 10, 1, "shown", true, 9000);
    assert_int_equal(delete_as(f, "alice", "none", 1), STATUS_NOT_FOUND);
    assert_int_equal(delete_as(f, "alice", "priv", 2), STATUS_NOT_FOUND);
    assert_int_equal(delete_as(f, "alice", "shown", 2), STATUS_FORBIDDEN);
    assert_int_equal(delete_as(f, "alice", "shown", 1), STATUS_UNPROCESSABLE);
    assert_int_equal(delete_as(f, "alice", "priv", 1), STATUS_UNPROCESSABLE);
    assert_int_equal(delete_as(f, "alice", "empty", 1), STATUS_OK);
    assert_int_equal(delete_as(f, "alice", "empty", 1), STATUS_NOT_FOUND);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_is_kept_whole),
        TEST(a_taken_name_is_a_conflict),
        TEST(a_private_model_is_hidden_from_others),
        TEST(a_model_shows_its_latest_version),
        TEST(pages_by_creation),
        TEST(pages_by_latest_version_with_none_last),
        TEST(pages_show_what_the_viewer_may_see),
        TEST(search_wants_every_word_somewhere),
        TEST(a_bad_cursor_is_invalid),
        TEST(an_update_sets_what_is_named),
        TEST(only_the_owner_updates),
        TEST(a_private_model_without_versions_can_be_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
