/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/cog/cog_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_str(struct str s, const char *z)
{
    if (!str_is(s, z))
        fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
}

static void test_prefixes_are_taken_off(void **state)
{
    static const char *const rows[][2] = {
        { "Prediction failed: Prediction failed: ValueError: boom", "ValueError: boom" },
        { "Prediction failed: Async prediction failed: KeyError: 'a'", "KeyError: 'a'" },
        { "Prediction failed: Generator iteration error: ValueError: boom at 1",
          "ValueError: boom at 1" },
        { "boom", "boom" },
        { "Input validation error: 404 Client Error", "Input validation error: 404 Client Error" },
        { "Prediction failed: ", "Prediction failed:" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_str(cog_error_clean(str_of(rows[i][0])), rows[i][1]);
    assert_str(
        cog_setup_error(STR("worker setup failed: worker setup failed (slot 1f-2): Setup failed: "
                            "setup failed: ValueError: no weights")),
        "ValueError: no weights");
    assert_str(
        cog_setup_error(STR("worker setup failed: worker setup failed (slot 1f-2): Setup failed: "
                            "failed to load predictor: ModuleNotFoundError: No module named 'x'")),
        "failed to load predictor: ModuleNotFoundError: No module named 'x'");
    assert_str(cog_setup_error(STR("worker setup timed out")), "worker setup timed out");
    assert_str(cog_setup_error(STR("worker setup failed (slot 1")), "worker setup failed (slot 1");
}

static void test_faults(void **state)
{
    (void)state;
    assert_int_equal(cog_error_fault(STR("Worker crashed")), FAULT_CRASH);
    assert_int_equal(cog_error_fault(STR("RuntimeError: Worker crashed")), FAULT_NONE);
    assert_int_equal(cog_error_fault(STR("Failed to send request: Broken pipe")), FAULT_IDLE);
    assert_int_equal(cog_error_fault(STR("Failed to create output dir: Permission denied")),
                     FAULT_SLOT);
    assert_int_equal(
        cog_error_fault(STR("Prediction failed for an unknown reason. It might have run out "
                            "of memory? (exitcode -9)")),
        FAULT_CRASH);
    assert_int_equal(cog_error_fault(STR("boom")), FAULT_NONE);
}

static void test_refusals(void **state)
{
    static const char *const rows[][2] = {
        { "{\"detail\":[{\"loc\":[\"body\",\"input\",\"n\"],\"msg\":\"Field required\"},"
          "{\"loc\":[\"body\",\"input\",\"ls/1\"],\"msg\":\"no\"}]}",
          "input.n: Field required; input.ls/1: no" },
        { "{\"detail\":\"Already running a prediction\"}", "Already running a prediction" },
        { "{\"error\":\"At capacity - all prediction slots busy\",\"status\":\"failed\"}",
          "At capacity - all prediction slots busy" },
        { "Failed to deserialize the JSON body\n", "Failed to deserialize the JSON body" },
        { "{}", "the model server answered 422" },
        { "", "the model server answered 422" },
        { "[1]", "[1]" },
        { "{\"detail\":[1,{\"loc\":3},{\"msg\":\"x\"}]}", "x" },
    };
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(cog_refusal(&a, 422, str_of(rows[i][0])), rows[i][1]);
    arena_deinit(&a);
}

static void test_setup_log(void **state)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    cog_setup_log(
        STR("[coglet::worker] starting\n[coglet::setup] loading\n[coglet::setup] [1/2] half\nmore\n"
            "[coglet::server] ready\nmore of that\n[coglet::setup] \n"),
        &out);
    assert_string_equal(out.p, "loading\n[1/2] half\nmore\n\n");
    buf_clear(&out);
    cog_setup_log(STR("plain\n[not a target\n"), &out);
    assert_string_equal(out.p, "plain\n[not a target\n");
    buf_deinit(&out);
}

static void test_log_lines(void **state)
{
    struct arena a;
    bool is_runtime;

    (void)state;
    arena_init(&a);
#define LINE(z) cog_log_line(NULL, &a, STR(z), &is_runtime)
    assert_str(LINE("{\"timestamp\":\"t\",\"level\":\"INFO\",\"fields\":{\"message\":\"hi\\n\","
                    "\"source\":\"Stdout\"},"
                    "\"target\":\"coglet::setup\"}"),
               "hi");
    assert_false(is_runtime);
    assert_null(LINE("{\"fields\":{\"message\":\"tok\",\"prediction_id\":\"p\"},\"target\":"
                     "\"coglet::prediction\"}")
                    .p);
    assert_false(is_runtime);
    assert_null(LINE("{\"fields\":{\"message\":\"Listening\"},\"target\":\"coglet::server\"}").p);
    assert_true(is_runtime);
    assert_null(
        LINE("{\"logger\":\"cog\",\"timestamp\":\"t\",\"severity\":\"INFO\",\"message\":\"m\"}").p);
    assert_true(is_runtime);
    assert_str(LINE("Traceback (most recent call last):"), "Traceback (most recent call last):");
    assert_false(is_runtime);
    assert_str(LINE("{\"loss\":1}"), "{\"loss\":1}");
    assert_str(LINE("{broken"), "{broken");
#undef LINE
    arena_deinit(&a);
}

static enum status read_final(struct protocol *pr, struct arena *a, struct str body,
                              bool output_is_array, struct run_result *out, struct error *err)
{
    struct json *said;

    if (json_parse(a, body, &COG_JSON, &said, err) != STATUS_OK)
        return STATUS_INVALID;
    return cog_read_final(pr, a, said, output_is_array, out, err);
}

static void test_final(void **state)
{
    struct cog_protocol cog = { .timing = cog_timing_default };
    struct protocol *pr = &cog.base;
    struct arena a;
    struct run_result r;
    struct error err;
    const struct {
        const char *body;
        bool is_array;
        enum prediction_status status;
        const char *output;
    } rows[] = {
        { "{\"status\":\"succeeded\",\"output\":[ 1 ]}", true, PREDICTION_SUCCEEDED, "[ 1 ]" },
        { "{\"status\":\"succeeded\",\"output\":null}", false, PREDICTION_SUCCEEDED, "null" },
        { "{\"status\":\"canceled\",\"output\":[\"x\"]}", false, PREDICTION_CANCELED, "\"x\"" },
        { "{\"status\":\"canceled\",\"output\":[\"x\"]}", true, PREDICTION_CANCELED, "[\"x\"]" },
        { "{\"status\":\"canceled\",\"output\":[ [1, [2]]\n]}", false, PREDICTION_CANCELED,
          "[1, [2]]" },
        { "{\"status\":\"failed\",\"output\":[],\"error\":\"e\"}", true, PREDICTION_FAILED, NULL },
        { "{\"status\":\"failed\",\"output\":null,\"logs\":null,\"metrics\":null}", true,
          PREDICTION_FAILED, NULL },
    };

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(read_final(pr, &a, str_of(rows[i].body), rows[i].is_array, &r, &err),
                         STATUS_OK);
        assert_int_equal(r.status, rows[i].status);
        if (rows[i].output)
            assert_str(r.output, rows[i].output);
        else
            assert_null(r.output.p);
    }
    assert_string_equal(r.error, "The model failed without saying why");
    assert_int_equal(
        read_final(pr, &a,
                   STR("{\"status\":\"succeeded\",\"logs\":\"l\",\"metrics\":{\"predict_time\":1.5,"
                       "\"n\":2},\"extra\":1}"),
                   false, &r, &err),
        STATUS_OK);
    assert_true(r.predict_time == 1.5);
    assert_str(r.metrics, "{\"predict_time\":1.5,\"n\":2}");
    assert_str(r.logs, "l");
    assert_int_equal(read_final(pr, &a, STR("{\"status\":\"processing\"}"), false, &r, &err),
                     STATUS_INVALID);
    assert_int_equal(read_final(pr, &a, STR("nonsense"), false, &r, &err), STATUS_INVALID);
    assert_int_equal(read_final(pr, &a, STR("[]"), false, &r, &err), STATUS_INVALID);
    arena_deinit(&a);
}

static void test_what_is_said_has_limits(void **state)
{
    struct cog_protocol cog = { .timing = cog_timing_default };
    struct run_result r;
    struct arena a;

    (void)state;
    arena_init(&a);
    cog.timing.limits = (struct cog_limits){ .max_error = 5, .max_metrics = 20 };
    assert_int_equal(read_final(&cog.base, &a,
                                STR("{\"status\":\"failed\",\"error\":\"abcd\\u00e4xyz\","
                                    "\"metrics\":{\"predict_time\":1.5}}"),
                                false, &r, NULL),
                     STATUS_OK);
    assert_string_equal(r.error, "abcd ... [the rest is cut off: max_error is 5 B]");
    assert_str(r.metrics, "{\"predict_time\":1.5}");
    assert_int_equal(read_final(&cog.base, &a,
                                STR("{\"status\":\"failed\",\"error\":\"abcde\","
                                    "\"metrics\":{\"predict_time\":1.55}}"),
                                false, &r, NULL),
                     STATUS_OK);
    assert_string_equal(r.error, "abcde");
    assert_null(r.metrics.p);
    assert_true(r.predict_time < 0);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes_are_taken_off),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_setup_log),
        cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_final),
        cmocka_unit_test(test_what_is_said_has_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
