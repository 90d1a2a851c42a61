/* SPDX-License-Identifier: Apache-2.0 */
/* cog.yaml, key by key, and what it is refused for; requirements; the choice of an interpreter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/cogyaml.h"

#include "run/build_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void all_keys(void **state)
{
    static const char text[] = "build:\n"
                               "  gpu: true\n"
                               "  cuda: \"12.1\"\n"
                               "  cudnn: 8\n"
                               "  python_version: 3.10\n"
                               "  python_requirements: requirements.txt\n"
                               "  python_packages:\n"
                               "    - pillow==10.0\n"
                               "  system_packages: [ffmpeg, libgl1]\n"
                               "  run: []\n"
                               "  sdk_version: 0.23.1\n"
                               "image: r8.im/a/b\n"
                               "predict: predict.py:Predictor\n"
                               "train: train.py:train\n"
                               "concurrency:\n"
                               "  max: 4\n"
                               "environment:\n"
                               "  - MODE=fast=1\n"
                               "weights: []\n";
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct cog_yaml c;
    struct error err;

    (void)state;
    if (cog_yaml_read(&a, str_of(text), &c, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    assert_true(c.gpu);
    assert_string_equal(c.python_version, "3.10");
    assert_string_equal(c.requirements_file, "requirements.txt");
    assert_string_equal(c.packages[0], "pillow==10.0");
    assert_null(c.packages[1]);
    assert_string_equal(c.system_packages[1], "libgl1");
    assert_null(c.system_packages[2]);
    assert_string_equal(c.predict_ref, "predict.py:Predictor");
    assert_string_equal(c.train_ref, "train.py:train");
    assert_int_equal(c.concurrency, 4);
    assert_string_equal(c.environment[0], "MODE=fast=1");
    assert_null(c.environment[1]);
}

static void as_little_as_may_be(void **state)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct cog_yaml c;
    struct error err;

    (void)state;
    assert_int_equal(cog_yaml_read(&a, STR("run: \"run.py:Runner\"\n"), &c, &err), STATUS_OK);
    assert_string_equal(c.predict_ref, "run.py:Runner");
    assert_null(c.train_ref);
    assert_null(c.python_version);
    assert_null(c.requirements_file);
    assert_null(c.packages[0]);
    assert_null(c.system_packages[0]);
    assert_null(c.environment[0]);
    assert_false(c.gpu);
    assert_int_equal(c.concurrency, 0);
    assert_int_equal(cog_yaml_read(&a, STR("train: train.py\nbuild:\n"), &c, &err), STATUS_OK);
    assert_null(c.predict_ref);
}

static void refusals(void **state)
{
#define P "predict: p.py:P\n"
    static const struct {
        const char *text;
        const char *words[3]; /* all of them stand in the message */
    } rows[] = {
        { "", { "cog.yaml" } },
        { "- a\n", { "it must hold keys", "array" } },
        { "predict: [", { "cog.yaml", "line" } },
        { P "predcit: x\n", { "predcit", "not a key", "predict" } },
        { "build:\n  gpu: true\n", { "neither run, predict nor train" } },
        { P "run: r.py:R\n", { "run and predict are both given" } },
        { "predict: [a]\n", { "predict must be text" } },
        { "predict: predict:Predictor\n",
          { "predict is \"predict:Predictor\"", "predict.py:Predictor" } },
        { "predict: /etc/p.py:P\n", { "/etc/p.py" } },
        { "predict: ../p.py:P\n", { "../p.py" } },
        { "train: train\npredict: p.py:P\n", { "train is \"train\"" } },
        { P "build: 3\n", { "build must hold keys" } },
        { P "build:\n  gpus: 1\n", { "build.gpus", "not a key" } },
        { P "build:\n  gpu: maybe\n", { "build.gpu must be true or false" } },
        { P "build:\n  python_version: [3]\n", { "build.python_version must be text" } },
        { P "build:\n  python_packages: pillow\n", { "build.python_packages must be a list" } },
        { P "build:\n  python_packages: [1]\n",
          { "build.python_packages must hold text only", "item 1" } },
        { P "build:\n  system_packages: {a: b}\n", { "build.system_packages must be a list" } },
        { P "build:\n  run:\n    - make\n", { "build.run cannot be used", "no image is built" } },
        { P "build:\n  pre_install:\n    - make\n", { "build.pre_install cannot be used" } },
        { P "concurrency: 3\n", { "concurrency must hold keys" } },
        { P "concurrency:\n  max: 0\n", { "concurrency.max", "1 to 999" } },
        { P "concurrency:\n  max: many\n", { "concurrency.max", "1 to 999" } },
        { P "concurrency:\n  maximum: 2\n", { "concurrency.maximum", "not a key" } },
        { P "environment:\n  A: b\n", { "environment must be a list" } },
        { P "environment:\n  - A\n", { "environment has \"A\"", "NAME=value" } },
        { P "environment:\n  - =x\n", { "NAME=value" } },
        { P "environment:\n  - PATH=/evil\n", { "may not set PATH" } },
        { P "environment:\n  - CUDA_VISIBLE_DEVICES=0\n", { "may not set CUDA_VISIBLE_DEVICES" } },
        { P "weights:\n  - source: x\n", { "weights cannot be used", "setup" } },
    };
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct cog_yaml c;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = { 0 };
        enum status s = cog_yaml_read(&a, str_of(rows[i].text), &c, &err);

        for (size_t k = 0; k < 3 && rows[i].words[k]; k++)
            if (s != STATUS_INVALID || !strstr(err.text, rows[i].words[k]))
                fail_msg("%s gives %s: \"%s\", without \"%s\"", rows[i].text, status_name(s),
                         err.text, rows[i].words[k]);
    }
}

static void requirements(void **state)
{
    static const char *const fine[] = {
        "",
        "  ",
        "# note: see git+https://x",
        "pillow",
        "pillow==10.0.1",
        "torch>=2,<3 ; python_version < \"3.12\"",
        "PyYAML[libyaml]~=6.0",
        "numpy  # ask a@b.c",
        "./wheels/mine-1.0-py3-none-any.whl",
        "x==1 --hash=sha256:abc",
        "x\t==1 # for M\xc3\xbcller",
    };
    static const struct {
        const char *line, *word;
    } refused[] = {
        { "-r other.txt", "options" },
        { "--index-url https://evil", "options" },
        { "-e .", "options" },
        { "git+https://host/x", "version control" },
        { "https://host/x.whl", "links" },
        { "x @ https://host/x.whl", "links" },
        { "x@file:///etc", "links" },
        { "x@./local", "links" },
        { "x @ ./local", "links" },
        { "file:///etc/x", "links" },
        { "./local", "paths" },
        { "../x.whl", "paths" },
        { "./../x.whl", "paths" },
        { "/srv/x.whl", "paths" },
        { "~/x", "paths" },
        { "x.tar.gz", "paths" },
        { "x.zip", "paths" },
        { "${HOME}/x", "variables" },
        { "x \\", "go on" },
        { "x\v--index-url y", "control" },
        { "x\f-r y", "control" },
        { "x\r-r y", "control" },
        { "x\x1c-r y", "control" },
        { "x\x7f", "control" },
        { "x # \x1e-r y", "control" },
        { "# \x1d-r y", "control" },
        { "x # \xc2\x85-r y", "separators" },
        { "x # \xe2\x80\xa8-r y", "separators" },
        { "x # \xe2\x80\xa9-r y", "separators" },
        { "./a.whl\v-r y.whl", "control" },
        { "./a.whl\xe2\x80\xa8-r y.whl", "separators" },
        { "\xef\xbb\xbf-r y", "ASCII" },
        { "\xc2\xa0-r y", "ASCII" },
        { "# \xff", "UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        if (requirement_problem(str_of(fine[i])))
            fail_msg("%s: %s", fine[i], requirement_problem(str_of(fine[i])));
    assert_null(requirement_problem(STR_NULL));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        const char *problem = requirement_problem(str_of(refused[i].line));

        if (!problem || !strstr(problem, refused[i].word))
            fail_msg("%s: %s", refused[i].line, problem ? problem : "fine");
    }
}

static void requirement_names(void **state)
{
    static const struct {
        const char *line, *name;
    } rows[] = {
        { "PyYAML[x]>=1", "pyyaml" }, { "  a_b.c==1", "a-b-c" }, { "x", "x" }, { "", "" },
        { "cog ; x", "cog" },
    };
    struct arena a CLEANUP(arena_deinit) = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_true(str_is(requirement_name(&a, str_of(rows[i].line)), rows[i].name));
}

/* A PATH of our own, with interpreters that are empty files. */
static void interpreters(void **state)
{
    char dir[] = "/tmp/berth-python-XXXXXX", path[256], found[256], version[32], want[16];
    char *before = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    struct error err;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/python3.14", dir);
    f = fopen(path, "w");
    /* What answers is an interpreter; what is only named like one (a version manager's shim) is
     * not. */
    assert_true(f && fputs("#!/bin/sh\nexit 127\n", f) >= 0 && fclose(f) == 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(setenv("PATH", dir, 1), 0);
    assert_int_equal(python_find("3.14", true, found, version, &err), STATUS_INVALID);
    f = fopen(path, "w");
    assert_true(f && fputs("#!/bin/sh\nexit 0\n", f) >= 0 && fclose(f) == 0);
    assert_int_equal(python_find("3.14", true, path, version, &err), STATUS_OK);
    assert_string_equal(version, "3.14");
    assert_int_equal(python_find("3.14.2", true, path, version, &err), STATUS_OK);
    assert_int_equal(python_find(NULL, false, path, version, &err), STATUS_OK);
    assert_int_equal(python_find("3.99", false, path, version, &err), STATUS_OK);
    assert_string_equal(version, "3.14");
    assert_int_equal(python_find("3.99", true, path, version, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "the nearest is 3.14"));
    assert_int_equal(python_find("2.7", false, path, version, &err), STATUS_INVALID);
    assert_int_equal(python_find("3.x", false, path, version, &err), STATUS_INVALID);
    (void)snprintf(want, sizeof(want), "3");
    assert_int_equal(python_find(want, false, path, version, &err), STATUS_OK);
    if (before)
        assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
    (void)snprintf(path, sizeof(path), "%s/python3.14", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys),          cmocka_unit_test(as_little_as_may_be),
        cmocka_unit_test(refusals),          cmocka_unit_test(requirements),
        cmocka_unit_test(requirement_names), cmocka_unit_test(interpreters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
