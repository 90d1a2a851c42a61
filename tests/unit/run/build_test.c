/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes and builds on a real loop. The whole build needs uv (BERTH_TEST_UV, or on PATH) and its
 * package index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "yard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what fails --- */

static void builds_that_fail(void **state)
{
    static const char *const no_yaml[] = { "predict.py", "x = 1\n", NULL };
    static const char *const bad_key[] = { "cog.yaml", "predict: p.py:P\nbiuld: 1\n", NULL };
    static const char *const bad_need[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: r.txt\n", "r.txt",
        "pillow\n--index-url https://x\n", NULL
    };
    static const char *const no_file[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: r.txt\n", NULL
    };
    static const char *const outside[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: ../log\n", NULL
    };
    static const char *const bad_path[] = { "../cog.yaml", "predict: p.py:P\n", NULL };
    static const char *const no_wheel[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_packages: [./w/x-1-py3-none-any.whl]\n", NULL
    };
    static const char *const link_wheel[] = {
        "cog.yaml",
        "predict: p.py:P\nbuild:\n  python_packages: [./x-1-py3-none-any.whl]\n",
        "other.txt",
        "bytes",
        "x-1-py3-none-any.whl",
        "-> other.txt",
        NULL
    };
    static const char *const not_json[] = { "cog.yaml", "predict: p.py:P\n",
                                            ".cog/openapi_schema.json", "{", NULL };
    static const char *const no_input[] = { "cog.yaml", "predict: p.py:P\n",
                                            ".cog/openapi_schema.json",
                                            "{\"components\":{\"schemas\":{}}}", NULL };
    static const struct {
        const char *const *files;
        const char *word;
    } rows[] = {
        { no_yaml, "no cog.yaml" },        { bad_key, "biuld is not a key" },
        { bad_need, "r.txt, line 2" },     { no_file, "not in the folder" },
        { outside, "inside the folder" },  { bad_path, "(..)" },
        { no_wheel, "the wheel ./w/x-1" }, { link_wheel, "the wheel ./x-1" },
        { not_json, "is not JSON" },       { no_input, "no components.schemas.Input" },
    };
    struct yard *y = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        yard_build(y, rows[i].files);
        assert_string_equal(y->row.status, "failed");
        if (!strstr(y->row.error, rows[i].word))
            fail_msg("\"%s\", without \"%s\"", y->row.error, rows[i].word);
        assert_non_null(strstr(y->log.p, rows[i].word)); /* the log says it too */
        assert_null(y->row.version);
        yard_assert_swept(y);
    }
}

static void a_push_that_is_too_large(void **state)
{
    struct yard *y = *state;

    y->options.max_push = 10;
    yard_begin(y);
    push_write(y->push, STR("12345678"), yard_on_written, y);
    loop_run(y->loop);
    assert_false(y->has_error);
    push_write(y->push, STR("12345678"), yard_on_written, y);
    loop_run(y->loop);
    assert_true(y->has_error);
    assert_int_equal(y->error.status, STATUS_TOO_LARGE);
    assert_non_null(strstr(y->error.text, "max_push"));
    push_abort(y->push);
}

/* The client has gone: while a piece is being written, or between two of them. */
static void a_push_that_is_given_up(void **state)
{
    struct yard *y = *state;

    yard_begin(y);
    push_write(y->push, STR("12345678"), yard_on_written, y);
    assert_int_equal(yard_count_in(y, "builds"), 1);
    push_abort(y->push); /* while it is being written */
    for (int i = 0; i < MANY_TURNS && yard_count_in(y, "builds") > 0; i++)
        yard_turn(y);
    assert_int_equal(yard_count_in(y, "builds"), 0);
    yard_begin(y);
    push_write(y->push, STR("12345678"), yard_on_written, y);
    loop_run(y->loop);
    push_abort(y->push);
    assert_int_equal(yard_count_in(y, "builds"), 0);
    assert_false(y->has_error);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What a server that was killed left behind. */
static void the_start_sweeps(void **state)
{
    struct yard *y = *state;
    struct error err;

    yard_make_folder(y, "builds/one");
    yard_make_file(y, "builds/one/source.tar.gz.part", "x", 0600);
    yard_make_folder(y, "builds/two");
    yard_make_file(y, "builds/two/log", "x", 0600);
    yard_make_folder(y, "versions/" HEX64);
    yard_make_file(y, "versions/" HEX64 "/p.py", "x", 0444);
    yard_make_folder(y, "versions/removed-x");
    yard_make_folder(y, "versions/something");
    yard_make_folder(y, "envs/half");
    assert_int_equal(builds_load(y->builds, &err), STATUS_OK);
    assert_int_equal(yard_count_in(y, "builds"), 1);
    assert_true(yard_is_there(y, "builds/two/log"));
    assert_int_equal(yard_count_in(y, "versions"), 1);
    assert_int_equal(yard_count_in(y, "envs"), 0);
}

static void a_data_path_that_is_too_long(void **state)
{
    struct yard *y = *state;
    char path[402] = "/";
    struct builds *b;
    struct error err;

    memset(path + 1, 'x', 400);
    b = builds_new(y->loop, y->store,
                   &(struct builds_config){
                       .options = &y->options, .data = path, .ids = &y->ids, .helper = y->helper });
    assert_int_equal(builds_load(b, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "400"));
    builds_free(b);
}

static void digests_of_wheels(void **state)
{
    struct yard *y = *state;
    unsigned char sum[SHA256_SIZE], want[SHA256_SIZE];
    char path[256];

    yard_make_file(y, "x.whl", "bytes", 0644);
    (void)snprintf(path, sizeof(path), "%s/x.whl", y->dir);
    assert_int_equal(build_digest_wheel(path, sum), STATUS_OK);
    sha256(STR("bytes"), want);
    assert_memory_equal(sum, want, sizeof(sum));
    assert_int_equal(truncate(path, (256 << 20) + 1), 0);
    assert_int_equal(build_digest_wheel(path, sum), STATUS_INVALID);
    assert_int_equal(build_digest_wheel(y->dir, sum), STATUS_INVALID);
}

static void the_server_ends_in_the_middle(void **state)
{
    static const char *const files[] = { "cog.yaml", "predict: p.py:P\n", "p.py", "", NULL };
    struct yard *y = *state;

    yard_pack(y, files);
    yard_begin(y);
    push_write(y->push, buf_str(&y->packed), yard_on_written, y);
    loop_run(y->loop);
    yard_finish(y);
    assert_non_null(build_find(y->builds, str_of(y->id)));
    /* the rest is teardown's */
}

/* --- the whole --- */

static bool find_uv(char *out, size_t size)
{
    const char *said = getenv("BERTH_TEST_UV");
    struct str rest = str_of(getenv("PATH")), dir;

    if (said && *said) {
        (void)snprintf(out, size, "%s", said);
        return access(out, X_OK) == 0;
    }
    while (rest.p && str_split(&rest, ':', &dir)) {
        (void)snprintf(out, size, "%.*s/uv", STR_ARG(dir));
        if (access(out, X_OK) == 0)
            return true;
    }
    return false;
}

/* The yard's data folder has its own uv; false: there is none to be had. */
static bool bring_uv(struct yard *y)
{
    char uv[512], path[256];

    if (!find_uv(uv, sizeof(uv))) {
        (void)fprintf(stderr, "skipped: uv is neither BERTH_TEST_UV nor on PATH\n");
        return false;
    }
    (void)snprintf(path, sizeof(path), "%s/tools", y->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/tools/bin", y->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/tools/bin/uv", y->dir);
    assert_int_equal(symlink(uv, path), 0);
    return true;
}

/* Two that need the same environment: one makes it, the other waits until it has its mark. */
static void two_builds_at_once(void **state)
{
    static const char *const one[] = {
        "cog.yaml", "predict: p.py:P\n", "p.py",
        "from cog import BasePredictor\n\n\nclass P(BasePredictor):\n"
        "    def predict(self, n: int) -> int:\n        return n\n",
        NULL
    };
    static const char *const two[] = {
        "cog.yaml", "predict: p.py:P\n", "p.py",
        "from cog import BasePredictor\n\n\nclass P(BasePredictor):\n"
        "    def predict(self, m: int) -> int:\n        return m\n",
        NULL
    };
    const char *const *const folders[] = { one, two };
    struct yard *y = *state;
    char ids[2][ID_SIZE];

    y->options.build_parallel = 2;
    if (!bring_uv(y))
        skip();
    for (size_t i = 0; i < 2; i++) {
        yard_pack(y, folders[i]);
        yard_begin(y);
        push_write(y->push, buf_str(&y->packed), yard_on_written, y);
        loop_run(y->loop);
        yard_finish(y);
        memcpy(ids[i], y->id, ID_SIZE);
    }
    for (int i = 0; i < 6000 && (build_find(y->builds, str_of(ids[0])) ||
                                 build_find(y->builds, str_of(ids[1])));
         i++) {
        timer_start(&y->timer, 20);
        loop_run(y->loop);
    }
    for (size_t i = 0; i < 2; i++) {
        struct store_build_get op = { .id = ids[i] };

        assert_int_equal(store_run(y->store, &op.op, &STORE_BUILD_GET), STATUS_OK);
        if (strcmp(op.row.status, "succeeded") != 0)
            fail_msg("%s: %s", op.row.status, op.row.error ? op.row.error : "");
        store_op_deinit(&op.op);
    }
}

static void a_whole_build(void **state)
{
    static const char *const hello[] = {
        "cog.yaml", "build:\n  python_version: \"3.11\"\npredict: predict.py:Predictor\n",
        "predict.py",
        "from cog import BasePredictor, Input\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, text: str = Input(description=\"a word\")) -> str:\n"
        "        return \"hello \" + text\n",
        NULL
    };
    static const char *const other[] = {
        "cog.yaml", "predict: predict.py:Predictor\nbuild:\n  python_version: \"3.11\"\n",
        "predict.py",
        "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, n: int) -> int:\n        return n\n",
        NULL
    };
    struct yard *y = *state;
    struct store_version_find found = { 0 };
    char version[65];

    if (!bring_uv(y))
        skip();
    yard_build(y, hello);
    if (strcmp(y->row.status, "succeeded") != 0)
        fail_msg("%s\n%s", y->row.error, y->log.p);
    yard_assert_swept(y);
    (void)snprintf(version, sizeof(version), "%s", y->row.version);
    found.id = version;
    assert_int_equal(store_run(y->store, &found.op, &STORE_VERSION_FIND), STATUS_OK);
    assert_true(yard_is_there(y, found.row.path));
    assert_non_null(memmem(found.row.schema.p, found.row.schema.n, "a word", 6));
    store_op_deinit(&found.op);

    yard_build(y, hello); /* the same content is the same version, and its environment is there */
    assert_string_equal(y->row.status, "succeeded");
    assert_string_equal(y->row.version, version);
    buf_clear(&y->log);
    yard_build(y, other);
    assert_string_equal(y->row.status, "succeeded");
    assert_string_not_equal(y->row.version, version);
    assert_non_null(strstr(y->log.p, "is there already"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, yard_setup, yard_teardown)
    const struct CMUnitTest tests[] = {
        TEST(builds_that_fail),
        TEST(a_push_that_is_too_large),
        TEST(a_push_that_is_given_up),
        TEST(the_start_sweeps),
        TEST(a_data_path_that_is_too_long),
        TEST(digests_of_wheels),
        TEST(the_server_ends_in_the_middle),
        TEST(a_whole_build),
        TEST(two_builds_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
