/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "core/option_impl.h"

/* The only file there is, and where. */
static const char *file_path, *file_text;

static char *read_file(const char *path, bool must_exist, struct error *err)
{
    if (file_path && strcmp(path, file_path) == 0)
        return xstrdup(file_text);
    if (must_exist)
        FAIL(err, STATUS_NOT_FOUND, "%s: no such file", path);
    return NULL;
}

static enum status read_with(struct options *o, const char *const *args, const char *const *env,
                             struct error *err)
{
    *err = (struct error){ 0 };
    return options_read(o, args, env, read_file, err);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static int no_file(void **state)
{
    (void)state;
    file_path = file_text = NULL;
    return 0;
}

static void defaults_are_valid(void **state)
{
    struct options o;
    struct error err;

    (void)state;
    assert_int_equal(read_with(&o, LIST(), LIST("PATH=/bin"), &err), STATUS_OK);
    assert_string_equal(o.listen, "127.0.0.1:8080");
    assert_string_equal(o.data, "./data");
    assert_string_equal(o.config, "");
    assert_int_equal(o.idle_timeout, 60000);
    assert_int_equal(o.run_timeout, 1800000);
    assert_int_equal(o.max_logs, 1048576);
    assert_int_equal(o.max_output, 100000000);
    assert_int_equal(o.surge, 1);
    assert_false(o.keep_instances);
    assert_true(o.cpu_overcommit == 4.0);
    assert_null(o.file);
    options_deinit(&o);
}

static void later_sources_win(void **state)
{
    struct options o;
    struct error err;

    (void)state;
    file_path = "./data/berth.yaml";
    file_text = "idle_timeout: 1m30s\nsetup_timeout: 20\nsurge: 3\ncpu_overcommit: "
                "1.5\nkeep_instances: true\n"
                "hardware: [{sku: x}]\nmax_logs:\n";
    assert_int_equal(read_with(&o, LIST("--surge", "5", "--listen=0.0.0.0:80"),
                               LIST("BERTH_SETUP_TIMEOUT=30s", "BERTH_SURGE=4", "BERTH_MAX_QUEUE="),
                               &err),
                     STATUS_OK);
    assert_int_equal(o.idle_timeout, 90000);
    assert_int_equal(o.setup_timeout, 30000);
    assert_int_equal(o.surge, 5);
    assert_string_equal(o.listen, "0.0.0.0:80");
    assert_true(o.cpu_overcommit == 1.5);
    assert_true(o.keep_instances);
    assert_int_equal(o.max_queue, 100000);
    assert_int_equal(o.max_logs, 1048576);
    assert_int_equal(json_get(o.file, "hardware")->n, 1);
    options_deinit(&o);
}

static void the_file_lies_where_it_is_said(void **state)
{
    struct options o;
    struct error err;

    (void)state;
    file_path = "/srv/berth.yaml";
    file_text = "surge: 7\n";
    assert_int_equal(read_with(&o, LIST("--data", "/srv"), LIST(), &err), STATUS_OK);
    assert_int_equal(o.surge, 7);
    options_deinit(&o);
    assert_int_equal(read_with(&o, LIST(), LIST("BERTH_DATA=/srv"), &err), STATUS_OK);
    assert_int_equal(o.surge, 7);
    assert_string_equal(o.data, "/srv");
    options_deinit(&o);
    assert_int_equal(read_with(&o, LIST(), LIST("BERTH_CONFIG=/srv/berth.yaml"), &err), STATUS_OK);
    assert_int_equal(o.surge, 7);
    options_deinit(&o);
    assert_int_equal(read_with(&o, LIST("--config=/nowhere"), LIST(), &err), STATUS_NOT_FOUND);
    assert_string_equal(err.text, "/nowhere: no such file");
    file_text = "# nothing but a comment\n";
    assert_int_equal(read_with(&o, LIST("--data", "/srv"), LIST(), &err), STATUS_OK);
    assert_int_equal(o.surge, 1);
    options_deinit(&o);
}

static void booleans_have_three_forms(void **state)
{
    struct options o;
    struct error err;

    (void)state;
    assert_int_equal(
        read_with(&o, LIST("--keep-instances", "--no-enable-fake", "--input-private-targets=yes"),
                  LIST("BERTH_ENABLE_FAKE=1"), &err),
        STATUS_OK);
    assert_true(o.keep_instances);
    assert_false(o.enable_fake);
    assert_true(o.input_private_targets);
    options_deinit(&o);
    assert_int_equal(read_with(&o, LIST("--keep-instances", "--no-keep-instances"), LIST(), &err),
                     STATUS_OK);
    assert_false(o.keep_instances);
    options_deinit(&o);
}

static void foreign_variables_pass(void **state)
{
    struct options o;
    struct error err;

    (void)state;
    assert_int_equal(read_with(&o, LIST(),
                               LIST("BERTH_URL=http://x", "BERTH_TOKEN=t", "BERTH_TEST_ANYTHING=1",
                                    "BERTHA=2", "no equals sign"),
                               &err),
                     STATUS_OK);
    options_deinit(&o);
}

static void errors_say_what_would_be_right(void **state)
{
    static const struct {
        const char *flag, *variable, *file, *text;
    } rows[] = {
        { "--idle-timout=5", NULL, NULL,
          "there is no option --idle-timout; did you mean --idle-timeout?" },
        { "--colour=red", NULL, NULL, "there is no option --colour" },
        { "serve", NULL, NULL, "unexpected argument \"serve\": options begin with --" },
        { "--", NULL, NULL, "unexpected argument \"--\": options begin with --" },
        { "--surge", NULL, NULL, "--surge needs a value" },
        { "--surge=many", NULL, NULL, "--surge: \"many\" is not a whole number" },
        { "--surge=101", NULL, NULL, "--surge: 101 is out of range: 0 to 100" },
        { "--surge=-1", NULL, NULL, "--surge: -1 is out of range: 0 to 100" },
        { "--no-surge", NULL, NULL,
          "--no-surge: only options that are true or false have a --no- form, and it takes no "
          "value" },
        { "--idle-timeout=soon", NULL, NULL,
          "--idle-timeout: \"soon\" is not a duration such as 30s, 5m or 1h30m" },
        { "--max-logs=1", NULL, NULL, "--max-logs: 1 is out of range: 1 KiB to 1 GiB" },
        { "--max-logs=big", NULL, NULL,
          "--max-logs: \"big\" is not a size such as 2GB, 512MiB or 1000" },
        { "--keep-instances=maybe", NULL, NULL,
          "--keep-instances: \"maybe\" is not true or false" },
        { "--log-level=loud", NULL, NULL,
          "--log-level: \"loud\" is not one of debug, info, warning and error" },
        { "--log-format=xml", NULL, NULL,
          "--log-format: \"xml\" is not one of auto, text and json" },
        { "--listen=8080", NULL, NULL, "--listen: \"8080\" is neither HOST:PORT nor unix:PATH" },
        { "--listen=::1:80", NULL, NULL,
          "--listen: \"::1:80\" is neither HOST:PORT nor unix:PATH" },
        { "--listen=localhost:99999", NULL, NULL,
          "--listen: \"localhost:99999\" is neither HOST:PORT nor unix:PATH" },
        { "--listen=127.0.0.1:80,", NULL, NULL,
          "--listen: \"\" is neither HOST:PORT nor unix:PATH" },
        { "--listen-mode=0888", NULL, NULL,
          "--listen-mode: \"0888\" is not a mode such as 0600 or 0660" },
        { "--listen-mode=0066", NULL, NULL, "--listen-mode: \"0066\" is not a mode" },
        { "--internal-listen=unix:/x", NULL, NULL,
          "--internal-listen: \"unix:/x\" is not HOST:PORT" },
        { "--public-url=example.org", NULL, NULL,
          "--public-url: \"example.org\" is not http:// or https:// and a host, without a path" },
        { "--trusted-proxies=10.0.0.0/8,proxy", NULL, NULL,
          "--trusted-proxies: \"proxy\" is neither an address, nor a network such as 10.0.0.0/8, "
          "nor "
          "unix" },
        { "--cpu-overcommit=nan", NULL, NULL, "--cpu-overcommit: " },
        { NULL, "BERTH_IDLE_TIMEOUTS=3", NULL,
          "the environment variable BERTH_IDLE_TIMEOUTS names no option; did you mean "
          "idle_timeout?" },
        { NULL, "BERTH_surge=3", NULL, "the environment variable BERTH_surge names no option" },
        { NULL, "BERTH_SURGE=x", NULL, "BERTH_SURGE: \"x\" is not a whole number" },
        { NULL, NULL, "surgee: 1",
          "./data/berth.yaml: surgee: there is no such option; did you mean surge?" },
        { NULL, NULL, "hardwear: []",
          "./data/berth.yaml: hardwear: there is no such option; did you mean hardware?" },
        { NULL, NULL, "surge: [1]", "./data/berth.yaml: surge: must be a single value" },
        { NULL, NULL, "surge: x", "./data/berth.yaml: surge: \"x\" is not a whole number" },
        { NULL, NULL, "config: y",
          "./data/berth.yaml: config: a configuration file cannot name another one" },
        { NULL, NULL, "- a", "./data/berth.yaml: must hold keys and values" },
        { NULL, NULL, "a: [", "./data/berth.yaml" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct options o;
        struct error err;
        enum status st;

        file_path = rows[i].file ? "./data/berth.yaml" : NULL;
        file_text = rows[i].file;
        st = read_with(&o, LIST(rows[i].flag), LIST(rows[i].variable), &err);
        assert_int_equal(st, STATUS_INVALID);
        assert_int_equal(
            options_read(&o, LIST(rows[i].flag), LIST(rows[i].variable), read_file, NULL),
            STATUS_INVALID);
        if (strncmp(err.text, rows[i].text, strlen(rows[i].text)) != 0)
            fail_msg("row %zu: \"%s\" instead of \"%s\"", i, err.text, rows[i].text);
    }
}

static void every_default_is_in_its_range(void **state)
{
    struct arena a = { 0 };
    struct options o;
    struct error err;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];

        assert_int_equal(option_parse(&a, r, str_of(r->preset), (char *)&o + r->offset, &err),
                         STATUS_OK);
        assert_true(r->low <= r->high);
        assert_true(strlen(r->help) > 10);
        assert_true(r->help[strlen(r->help) - 1] != '.');
    }
    arena_deinit(&a);
}

static void groups_stand_together_and_names_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_option_rows; i++) {
        for (size_t k = i + 1; k < n_option_rows; k++) {
            assert_string_not_equal(option_rows[i].name, option_rows[k].name);
            if (strcmp(option_rows[i].group, option_rows[k].group) == 0)
                assert_string_equal(option_rows[k - 1].group, option_rows[k].group);
        }
    }
}

static void help_and_page_name_every_option(void **state)
{
    struct buf help = BUF_INIT(BUF_UNBOUNDED), page = BUF_INIT(BUF_UNBOUNDED);
    struct arena a = { 0 };

    (void)state;
    arena_init(&a);
    options_help(&help);
    options_markdown(&page);
    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];
        const char *flag = option_flag(&a, r->name);

        assert_non_null(strstr(help.p, flag));
        assert_non_null(strstr(page.p, arena_printf(&a, "| `%s` | `--%s` | `%s` |", r->name, flag,
                                                    option_variable(&a, r->name))));
    }
    assert_non_null(strstr(help.p, "Server:\n  --listen=TEXT\n        address"));
    assert_non_null(strstr(help.p, "\n  --[no-]keep-instances\n"));
    for (const char *line = help.p; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        assert_true(strcspn(line, "\n") <= 78);
    buf_deinit(&help);
    buf_deinit(&page);
    arena_deinit(&a);
}

/* The lines of the example that are commented out name options that exist, with their defaults. */
static void the_example_is_true(void **state)
{
    const char *root = getenv("BERTH_TEST_SOURCE");
    struct arena a = { 0 };
    struct buf text = BUF_INIT(1000000), lines = BUF_INIT(1000000);
    struct options o, defaults;
    struct error err;
    struct str rest, line;
    size_t n = 0;
    FILE *f;

    (void)state;
    if (!root) {
        print_message("skipped: BERTH_TEST_SOURCE does not say where the sources are\n");
        skip();
    }
    arena_init(&a);
    f = fopen(arena_printf(&a, "%s/examples/berth.yaml", root), "r");
    assert_non_null(f);
    buf_commit(&text, fread(buf_reserve(&text, 100000), 1, 100000, f));
    fclose(f);
    assert_int_equal(read_with(&defaults, LIST(), LIST(), &err), STATUS_OK);
    for (rest = buf_str(&text); str_split(&rest, '\n', &line);) {
        size_t word = line.n > 2 ? strspn(line.p + 2, "abcdefghijklmnopqrstuvwxyz_") : 0;

        if (str_starts(line, "# ") && word > 0 &&
            str_starts(str_make(line.p + 2 + word, line.n - 2 - word), ": ")) {
            buf_addf(&lines, "%.*s\n", (int)line.n - 2, line.p + 2);
            n++;
        }
    }
    assert_true(n > 3);
    file_path = "./data/berth.yaml";
    file_text = lines.p;
    if (read_with(&o, LIST(), LIST(), &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n_option_rows; i++)
        if (option_rows[i].type != OPTION_STRING && option_rows[i].type != OPTION_BOOL)
            assert_memory_equal((char *)&o + option_rows[i].offset,
                                (char *)&defaults + option_rows[i].offset, 8);
    options_deinit(&o);
    options_deinit(&defaults);
    buf_deinit(&text);
    buf_deinit(&lines);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_valid, no_file),
        cmocka_unit_test_setup(later_sources_win, no_file),
        cmocka_unit_test_setup(the_file_lies_where_it_is_said, no_file),
        cmocka_unit_test_setup(booleans_have_three_forms, no_file),
        cmocka_unit_test_setup(foreign_variables_pass, no_file),
        cmocka_unit_test_setup(errors_say_what_would_be_right, no_file),
        cmocka_unit_test_setup(the_example_is_true, no_file),
        cmocka_unit_test(every_default_is_in_its_range),
        cmocka_unit_test(groups_stand_together_and_names_once),
        cmocka_unit_test(help_and_page_name_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
