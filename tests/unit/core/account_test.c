/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/account.h"

static void types_have_names(void **state)
{
    enum account_type t = ACCOUNT_USER;

    (void)state;
    assert_string_equal(account_type_name(ACCOUNT_USER), "user");
    assert_string_equal(account_type_name(ACCOUNT_ORGANIZATION), "organization");
    assert_true(account_type_parse(STR("organization"), &t));
    assert_int_equal(t, ACCOUNT_ORGANIZATION);
    assert_true(account_type_parse(STR("user"), &t));
    assert_int_equal(t, ACCOUNT_USER);
    assert_false(account_type_parse(STR("User"), &t));
    assert_false(account_type_parse(STR(""), &t));
}

static void account_names(void **state)
{
    static const char *const good[] = { "acme",
                                        "a",
                                        "0",
                                        "some-org",
                                        "stability-ai",
                                        "a-b-c",
                                        "abcdefghijklmnopqrstuvwxyz0123456789abc" };
    static const char *const bad[] = { "",
                                       "-a",
                                       "a-",
                                       "a--b",
                                       "A",
                                       "a_b",
                                       "a.b",
                                       "a b",
                                       "\xc3\xa9",
                                       "a/b",
                                       "abcdefghijklmnopqrstuvwxyz0123456789abcd" };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(account_name_ok(str_of(good[i]), &err));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err.text[0] = '\0';
        assert_false(account_name_ok(str_of(bad[i]), &err));
        assert_int_equal(err.status, STATUS_INVALID);
        assert_non_null(strstr(err.text, "1 to 39"));
    }
    assert_false(account_name_ok(STR_NULL, NULL));
}

static void first_segments_are_reserved(void **state)
{
    static const char *const names[] = { "v1",          "v2",      "openai",   "cog",
                                         "p",           "account", "models",   "deployments",
                                         "predictions", "files",   "hardware", "trainings",
                                         "session",     "metrics" };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_false(account_name_ok(str_of(names[i]), &err));
        assert_non_null(strstr(err.text, "reserved"));
    }
    assert_true(account_name_ok(STR("models-inc"), &err));
}

static void object_names(void **state)
{
    static const char *const good[] = {
        "my-app-image-generator",
        "flux-1.1-pro",
        "a",
        "9",
        "a_b",
        "a..b",
        "x234567890123456789012345678901234567890123456789012345678901234"
    };
    static const char *const bad[] = {
        "",    "-a",       "a-",
        ".a",  "a.",       "_a",
        "A",   "a b",      "a/b",
        "a:b", "\xc3\xbc", "x2345678901234567890123456789012345678901234567890123456789012345"
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(object_name_ok(str_of(good[i]), "deployment", &err));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(object_name_ok(str_of(bad[i]), "deployment", &err));
        assert_non_null(strstr(err.text, "a deployment name"));
    }
}

static void model_references(void **state)
{
    static const struct {
        const char *ref, *owner, *name, *version; /* owner NULL: refused */
    } rows[] = {
        { "acme/painter", "acme", "painter", NULL },
        { "acme/painter:abc", "acme", "painter", "abc" },
        { "acme/painter:a:b", "acme", "painter", "a:b" },
        { "acme/painter:", NULL, NULL, NULL },
        { "acme/", NULL, NULL, NULL },
        { "/painter", NULL, NULL, NULL },
        { "acme", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
        { "acme/a/b", NULL, NULL, NULL },
        { "acme/:v", NULL, NULL, NULL },
        { "ac:me/painter", NULL, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct str owner, name, version;
        bool ok = model_ref_split(str_of(rows[i].ref), &owner, &name, &version);

        assert_int_equal(ok, rows[i].owner != NULL);
        if (!ok)
            continue;
        assert_true(str_is(owner, rows[i].owner));
        assert_true(str_is(name, rows[i].name));
        if (rows[i].version)
            assert_true(str_is(version, rows[i].version));
        else
            assert_null(version.p);
    }
    assert_false(
        model_ref_split(STR_NULL, &(struct str){ 0 }, &(struct str){ 0 }, &(struct str){ 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(account_names),
        cmocka_unit_test(first_segments_are_reserved),
        cmocka_unit_test(object_names),
        cmocka_unit_test(model_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
