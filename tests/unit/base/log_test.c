/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int fd;
static char text[1 << 16];

static int setup(void **state)
{
    (void)state;
    fd = memfd_create("log", MFD_CLOEXEC);
    return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
    close(fd);
    return 0;
}

/* What was logged since the last call. */
static const char *lines(void)
{
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return text;
}

/* A line without its time, which must be there. */
static void assert_line(const char *expected)
{
    const char *line = lines();
    const char *space = strchr(line, ' ');
    int64_t ms;

    assert_non_null(space);
    assert_true(time_parse(str_make(line, (size_t)(space - line)), &ms));
    assert_string_equal(space + 1, expected);
}

static void text_lines_are_readable(void **state)
{
    (void)state;
    log_setup(LOG_DEBUG, LOG_TEXT, fd);
    log_info("prediction ended", LOG_S("prediction", "abc"), LOG_I("ms", 12), LOG_D("cost", 0.25));
    assert_line("INFO  prediction ended prediction=abc ms=12 cost=0.25\n");
    log_debug("quiet");
    assert_line("DEBUG quiet\n");
    log_warning("w", LOG_S("a", "two words"), LOG_S("b", ""), LOG_S("c", NULL), LOG_S("d", "x=y"),
                LOG_S("e", "say \"hi\""), LOG_S("f", "\xc3\xa4"));
    assert_line(
        "WARN  w a=\"two words\" b=\"\" c=null d=\"x=y\" e=\"say \\\"hi\\\"\" f=\xc3\xa4\n");
    log_error("e", LOG_STR("s", str_make("abcdef", 3)), LOG_I("i", INT64_MIN));
    assert_line("ERROR e s=abc i=-9223372036854775808\n");
}

static void what_a_terminal_would_obey_is_spelled_out(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_info("a\nb\x1b[31m", LOG_S("k", "\r\n\t\x1b]0;x\x07\x7f"),
             LOG_S("c1", "\xc2\x9b"
                         "31m"),
             LOG_S("bad", "\xff"), LOG_S("turn", "\xe2\x80\xae"), LOG_S("back", "\\"),
             LOG_STR("nul", str_make("a\0b", 3)));
    assert_line("INFO  a\\nb\\x1b[31m k=\"\\r\\n\\t\\x1b]0;x\\x07\\x7f\" c1=\\x9b31m bad=\"\\xff\" "
                "turn=\\u202e "
                "back=\"\\\\\" nul=\"a\\x00b\"\n");
}

static void json_lines_are_objects(void **state)
{
    struct arena arena;
    struct json *root;
    struct error err = { .text = "broke", .where = "file.c:1" };
    const char *line;
    int64_t i;
    double d;

    (void)state;
    arena_init(&arena);
    log_setup(LOG_INFO, LOG_JSON, fd);
    log_error("it\nbroke", LOG_ERR(&err), LOG_I("n", -5), LOG_D("d", 1.5), LOG_S("s", "\x1b\xff"),
              LOG_S("z", NULL));
    line = lines();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_int_equal(json_parse(&arena, str_of(line), NULL, &root, NULL), STATUS_OK);
    assert_true(time_parse(json_to_str(json_get(root, "time")), &i));
    assert_true(str_is(json_to_str(json_get(root, "level")), "error"));
    assert_true(str_is(json_to_str(json_get(root, "message")), "it\nbroke"));
    assert_true(str_is(json_to_str(json_get(root, "error")), "broke"));
    assert_true(str_is(json_to_str(json_get(root, "where")), "file.c:1"));
    assert_true(json_to_i64(json_get(root, "n"), &i) && i == -5);
    assert_true(json_to_double(json_get(root, "d"), &d) && d == 1.5);
    assert_true(str_is(json_to_str(json_get(root, "s")), "\x1b\xef\xbf\xbd"));
    assert_true(json_is(json_get(root, "z"), JSON_NULL));
    arena_deinit(&arena);
}

static void what_is_no_terminal_gets_json(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_AUTO, fd);
    log_info("x");
    assert_int_equal(lines()[0], '{');
}

static void lower_levels_are_silent(void **state)
{
    (void)state;
    log_setup(LOG_WARNING, LOG_TEXT, fd);
    log_info("no");
    log_debug("no");
    assert_string_equal(lines(), "");
    log_warning("yes");
    log_error("yes");
    lines();
    assert_non_null(strstr(text, "WARN  yes\n"));
    assert_non_null(strstr(text, "ERROR yes\n"));
}

static void long_values_are_cut_between_characters(void **state)
{
    enum { LONG = 100000 };
    char *value = malloc(LONG);

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < LONG; i += 2)
        memcpy(value + i, "\xc3\xa4", 2);
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_info("x", LOG_STR("v", str_make(value + 1, LONG - 1)), LOG_STR("w", str_make(value, LONG)));
    assert_true(strlen(lines()) < 40000);
    assert_non_null(strstr(text, " w=\xc3\xa4"));
    assert_string_equal(text + strlen(text) - 3, "\xc3\xa4\n");
    free(value);
}

static void levels_have_names(void **state)
{
    enum log_level level;

    (void)state;
    assert_true(log_level_parse(STR("debug"), &level) && level == LOG_DEBUG);
    assert_true(log_level_parse(STR("info"), &level) && level == LOG_INFO);
    assert_true(log_level_parse(STR("warning"), &level) && level == LOG_WARNING);
    assert_true(log_level_parse(STR("warn"), &level) && level == LOG_WARNING);
    assert_true(log_level_parse(STR("error"), &level) && level == LOG_ERROR);
    assert_false(log_level_parse(STR("loud"), &level));
    assert_false(log_level_parse(STR(""), &level));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void lines_name_the_request_they_are_about(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, fd);
    log_about("r1");
    log_info("begins", LOG_I("n", 1));
    assert_line("INFO  begins n=1 request=r1\n");
    log_info("plain");
    assert_line("INFO  plain request=r1\n");
    log_info("names it", LOG_S("request", "r2"));
    assert_line("INFO  names it request=r2\n");
    log_setup(LOG_INFO, LOG_JSON, fd);
    log_info("begins");
    assert_non_null(strstr(lines(), "\"message\":\"begins\",\"request\":\"r1\"}"));
    log_about(NULL);
    log_info("begins");
    assert_null(strstr(lines(), "request"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_lines_are_readable),
        TEST(lines_name_the_request_they_are_about),
        TEST(what_a_terminal_would_obey_is_spelled_out),
        TEST(json_lines_are_objects),
        TEST(what_is_no_terminal_gets_json),
        TEST(lower_levels_are_silent),
        TEST(long_values_are_cut_between_characters),
        TEST(levels_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
