/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "core/shadow.h"

#include <string.h>

/* A text that begins with "file:" is one whose hash is what follows. */
static bool hash(void *arg, bool is_new, struct str text, char out[SHADOW_HASH_SIZE])
{
    (void)arg;
    (void)is_new;
    if (!str_starts(text, "file:"))
        return false;
    (void)snprintf(out, SHADOW_HASH_SIZE, "%.*s", (int)text.n - 5, text.p + 5);
    return true;
}

static struct shadow_verdict compare(const char *old, const char *new, bool joins)
{
    struct shadow_rules rules = {
        .relative = 0.001, .absolute = 0.01, .joins = joins, .file = hash
    };
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct shadow_verdict v;
    struct json *before = NULL, *after = NULL;
    struct error err;

    if (old)
        assert_int_equal(json_parse(&a, str_of(old), NULL, &before, &err), STATUS_OK);
    if (new)
        assert_int_equal(json_parse(&a, str_of(new), NULL, &after, &err), STATUS_OK);
    shadow_compare(&(struct shadow_answer){ .value = before },
                   &(struct shadow_answer){ .value = after }, &rules, &v);
    return v;
}

static void answers(void **state)
{
    static const struct {
        const char *old, *new;
        bool joins;
        size_t n;
        enum shadow_kind kind;
        const char *path, *before, *after;
    } rows[] = {
        { "\"a\"", "\"a\"" },
        { "\"a\"", "\"b\"", false, 1, SHADOW_TEXT, "output", "a", "b" },
        { "\"a\\u0062\"", "\"ab\"" },
        { NULL, NULL },
        { NULL, "null" },
        { NULL, "1", false, 1, SHADOW_TYPE, "output", "null", "1" },
        { "true", "true" },
        { "true", "false", false, 1, SHADOW_TEXT, "output", "true", "false" },
        { "1", "\"1\"", false, 1, SHADOW_TYPE, "output", "1", "1" },
        /* Numbers: 0.01 apart, or a thousandth of the larger one. */
        { "1", "1.0" },
        { "1.0", "1.0099" },
        { "1.0", "1.0101", false, 1, SHADOW_NUMBER, "output", "1.0", "1.0101" },
        { "1000", "1000.99" },
        { "1000", "1002", false, 1, SHADOW_NUMBER, "output", "1000", "1002" },
        { "-1000", "-1000.5" },
        { "-1", "1", false, 1, SHADOW_NUMBER, "output", "-1", "1" },
        { "1e999", "1e999" },
        { "1e999", "1", false, 1, SHADOW_NUMBER, "output", "1e999", "1" },
        /* By path, without regard to the order of members. */
        { "{\"a\":1,\"b\":[1,\"x\"]}", "{\"b\":[1.001,\"x\"],\"a\":1}" },
        { "{\"a\":{\"b\":[0,\"x\"]}}", "{\"a\":{\"b\":[0,\"y\"]}}", false, 1, SHADOW_TEXT,
          "output.a.b.1", "x", "y" },
        { "{\"a\":1,\"b\":2}", "{\"a\":1}", false, 1, SHADOW_MISSING, "output.b", "2", "" },
        { "{\"a\":1}", "{\"a\":1,\"b\":\"c\"}", false, 1, SHADOW_ADDED, "output.b", "", "c" },
        { "[1,2,3]", "[1]", false, 2, SHADOW_MISSING, "output.1", "2", "" },
        { "[1]", "[2,{}]", false, 2, SHADOW_NUMBER, "output.0", "1", "2" },
        /* Files, by what they hold. */
        { "\"file:aa\"", "\"file:aa\"" },
        { "\"file:aa\"", "\"file:bb\"", false, 1, SHADOW_FILE, "output", "sha256:aa", "sha256:bb" },
        { "[\"file:aa\"]", "[\"aa\"]", false, 1, SHADOW_FILE, "output.0", "sha256:aa", "aa" },
        { "[\"file:aa\"]", "[]", false, 1, SHADOW_MISSING, "output.0", "file:aa", "" },
        /* What was streamed, by what it says. */
        { "[\"a\",\"bc\"]", "[\"ab\",\"c\"]", true },
        { "[\"a\",\"bc\"]", "[\"ab\",\"c\"]", false, 2, SHADOW_TEXT, "output.0", "a", "ab" },
        { "[\"a\",\"bc\"]", "[\"abd\"]", true, 1, SHADOW_TEXT, "output", "abc", "abd" },
        { "[\"a\",1]", "[\"a\",2]", true, 1, SHADOW_NUMBER, "output.1", "1", "2" },
        { "[\"file:a\",\"file:b\"]", "[\"file:a\",\"file:c\"]", true, 1, SHADOW_FILE, "output.1",
          "sha256:b", "sha256:c" },
        { "[]", "[]", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct shadow_verdict v = compare(rows[i].old, rows[i].new, rows[i].joins);

        if (v.n != rows[i].n || (v.n > 0) != (v.kinds != 0))
            fail_msg("row %zu: %zu differences, of kinds %x", i, v.n, v.kinds);
        if (v.n == 0)
            continue;
        if (v.first.kind != rows[i].kind || strcmp(v.first.path, rows[i].path) != 0 ||
            strcmp(v.first.before, rows[i].before) != 0 ||
            strcmp(v.first.after, rows[i].after) != 0)
            fail_msg("row %zu: %s at %s: \"%s\", \"%s\"", i, shadow_kind_name(v.first.kind),
                     v.first.path, v.first.before, v.first.after);
    }
}

static void ends(void **state)
{
    struct shadow_rules rules = { 0 };
    struct shadow_answer well = { 0 }, bad = { .failed = true, .error = "too hot" };
    struct shadow_answer other = { .failed = true };
    struct shadow_verdict v;

    (void)state;
    shadow_compare(&well, &bad, &rules, &v);
    assert_int_equal(v.kinds, 1U << SHADOW_STATUS);
    assert_string_equal(v.first.path, "status");
    assert_string_equal(v.first.before, "succeeded");
    assert_string_equal(v.first.after, "failed: too hot");
    shadow_compare(&bad, &well, &rules, &v);
    assert_string_equal(v.first.before, "failed: too hot");
    shadow_compare(&bad, &other, &rules, &v);
    assert_int_equal(v.kinds, 0);
    shadow_refused(&v, "input.steps", "Must be less than or equal to 8");
    assert_int_equal(v.kinds, 1U << SHADOW_INPUT);
    assert_string_equal(v.first.path, "input.steps");
}

/* Long values are shown around the place where they begin to differ, in whole characters. */
static void long_values(void **state)
{
    struct buf old CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf new CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct shadow_verdict v;

    (void)state;
    for (int at = 0; at < 60; at++) {
        buf_clear(&old);
        buf_clear(&new);
        buf_addc(&old, '"');
        buf_addc(&new, '"');
        for (int i = 0; i < 300; i++) {
            buf_adds(&old, i == at * 5 ? "ä" : "é");
            buf_adds(&new, i == at * 5 ? "ö" : "é");
        }
        buf_adds(&old, "\"");
        buf_adds(&new, "x\"");
        v = compare(old.p, new.p, false);
        assert_int_equal(v.n, 1);
        assert_non_null(strstr(v.first.before, "ä"));
        assert_non_null(strstr(v.first.after, "ö"));
        assert_true(strlen(v.first.before) < SHADOW_VALUE_SIZE);
        assert_true(utf8_valid(str_of(v.first.before)));
        assert_true(utf8_valid(str_of(v.first.after)));
    }
}

/* Many members are found, and paths that are too long do no harm to those that follow. */
static void large_ones(void **state)
{
    struct buf old CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf new CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct shadow_verdict v;

    (void)state;
    buf_adds(&old, "{");
    buf_adds(&new, "{");
    for (int i = 0; i < 20000; i++) {
        buf_addf(&old, "\"k%d\":%d,", i, i);
        buf_addf(&new, "\"k%d\":%d,", 19999 - i, 19999 - i);
    }
    for (int i = 0; i < 3; i++) {
        buf_addf(&old, "\"%0300d\":{\"a\":\"b\"},", i);
        buf_addf(&new, "\"%0300d\":{\"a\":\"%s\"},", i, i == 1 ? "c" : "b");
    }
    buf_adds(&old, "\"last\":1}");
    buf_adds(&new, "\"other\":1}");
    v = compare(old.p, new.p, false);
    assert_int_equal(v.n, 3);
    assert_int_equal(v.kinds, 1U << SHADOW_TEXT | 1U << SHADOW_MISSING | 1U << SHADOW_ADDED);
    assert_string_equal(v.first.before, "b");
}

static void add(struct shadow_report *r, const char *id, int64_t at, const char *new, bool masked)
{
    struct shadow_verdict v = compare("\"old\"", new, false);
    struct shadow_example how = { .at = at, .is_masked = masked, .new_seconds = -1 };

    (void)snprintf(how.prediction, sizeof(how.prediction), "%s", id);
    r->copied++;
    shadow_count(r, &v, false, &how);
}

static void reports(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(100000),
                 again CLEANUP(buf_deinit) = BUF_INIT(100000);
    static struct shadow_report r, back;
    char id[16];

    (void)state;
    shadow_begin(&r, 7, 5);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        add(&r, id, 1000 + i, i % 3 ? "\"new\"" : "\"old\"", i == 29);
    }
    add(&r, "last", 2000, "\"\\\"quoted\\\"\"", false);
    r.dropped[SHADOW_DROP_BUSY] = 3;
    r.dropped[SHADOW_DROP_LOST] = 1;
    assert_int_equal(shadow_dropped(&r), 4);
    assert_int_equal(r.same, 10);
    assert_int_equal(r.differ, 21);
    assert_int_equal(r.kinds[SHADOW_TEXT], 21);
    assert_string_equal(shadow_example(&r, 0)->prediction, "last");
    assert_string_equal(shadow_example(&r, 1)->prediction, "p29");
    assert_string_equal(shadow_example(&r, 1)->first.after, "");
    assert_string_equal(shadow_example(&r, 2)->first.after, "new");
    assert_non_null(shadow_example(&r, 19));
    assert_null(shadow_example(&r, 20));
    assert_int_equal(shadow_oldest(&r), 1002); /* p1 has made room */

    shadow_write(&r, &b);
    assert_true(shadow_read(&back, buf_str(&b)));
    shadow_write(&back, &again);
    assert_string_equal(b.p, again.p);
    assert_string_equal(shadow_example(&back, 0)->prediction, "last");
    assert_string_equal(shadow_example(&back, 0)->first.after, "\"quoted\"");
    add(&back, "next", 3000, "\"new\"", false);
    assert_string_equal(shadow_example(&back, 0)->prediction, "next");

    assert_true(shadow_erase(&r, 1010, NULL));
    assert_false(shadow_erase(&r, 1010, NULL));
    assert_int_equal(shadow_oldest(&r), 1011);
    assert_string_equal(shadow_example(&r, 0)->first.before, "old");
    assert_true(shadow_erase(&r, 0, "last"));
    assert_string_equal(shadow_example(&r, 0)->first.before, "");
    assert_string_equal(shadow_example(&r, 0)->first.path, "output");
    assert_false(shadow_erase(&r, 0, "p29")); /* it never had values */
    assert_false(shadow_read(&back, STR("{\"release\":1}")));
    assert_int_equal(back.release, 0);
    assert_int_equal(back.n_examples, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),    cmocka_unit_test(ends),    cmocka_unit_test(long_values),
        cmocka_unit_test(large_ones), cmocka_unit_test(reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
