/* SPDX-License-Identifier: Apache-2.0 */
/* cog.yaml, model.yaml, and lines of requirements: what is taken has nothing that an installer or a
 * shell could take for something else. Behind a line "--" stands a file of requirements. */
#include "fuzz.h"

#include "base/utf8.h"
#include "base/yaml.h"
#include "run/cogyaml.h"
#include "run/modelyaml.h"

/* libfyaml 0.7.12 itself loses some memory over documents that break off inside of a quoted text.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

/* YAML gives JSON's tree; its spans are JSON. */
static void check_yaml(struct arena *a, struct str text)
{
    static const struct json_limits limits = { .max_depth = JSON_DEPTH_MOST };
    struct json *root = NULL, *again;
    struct error err;

    if (yaml_parse(a, text, "cog.yaml", &root, &err) != STATUS_OK) {
        FUZZ_CHECK(str_starts(str_of(err.text), "cog.yaml"), "%s", err.text);
        return;
    }
    FUZZ_CHECK(json_parse(a, root->span, &limits, &again, &err) == STATUS_OK, "%s: %.*s", err.text,
               STR_ARG(root->span));
    FUZZ_CHECK(json_equal(root, again), "%.*s", STR_ARG(root->span));
}

static void check_lists(const struct cog_yaml *y)
{
    /* Packages are looked at line by line when the build writes them down, as below. */
    for (const char *const *s = y->environment; s && *s; s++)
        FUZZ_CHECK(strchr(*s, '=') && **s != '=', "%s", *s);
}

/* What is taken makes a schema that is one, and a configuration that reads back the same. */
static void check_model(struct arena *a, struct str text)
{
    struct buf kept CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct version_config config, again;
    struct error err = { 0 };
    struct model_yaml m;
    struct cog_yaml y;
    struct json *root;

    if (model_yaml_read(a, text, MODEL_YAML_FOLDER, &m, &y, &err) != STATUS_OK) {
        FUZZ_CHECK(str_starts(str_of(err.text), "model.yaml") && utf8_valid(str_of(err.text)), "%s",
                   err.text);
        return;
    }
    check_lists(&y);
    FUZZ_CHECK(json_parse(a, m.schema, NULL, &root, &err) == STATUS_OK, "%s", err.text);
    FUZZ_CHECK(m.http.health[0] == '/' && m.http.path[0] == '/' && m.http.command[0], "%s %s",
               m.http.health, m.http.path);
    config = (struct version_config){ .dialect = m.protocol, .http = m.http, .concurrency = 1 };
    version_config_write(&config, &kept);
    FUZZ_CHECK(version_config_parse(a, buf_str(&kept), &again, &err) == STATUS_OK, "%s", err.text);
    FUZZ_CHECK(strcmp(again.http.path, m.http.path) == 0 && again.http.port == m.http.port, "%s",
               kept.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str rest = fuzz_text(p, n), text = fuzz_part(&rest), line;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct cog_yaml y;
    struct error err = { 0 };

    check_yaml(&a, text);
    if (cog_yaml_read(&a, text, &y, &err) == STATUS_OK)
        check_lists(&y);
    else
        FUZZ_CHECK(err.text[0] && utf8_valid(str_of(err.text)), "%s", err.text);
    check_model(&a, text);
    while (rest.p && str_split(&rest, '\n', &line)) {
        const char *problem = requirement_problem(line);
        struct str name = requirement_name(&a, line);

        FUZZ_CHECK(problem || !memchr(line.p, '\r', line.n), "%.*s", STR_ARG(line));
        for (size_t i = 0; !problem && i < name.n; i++)
            FUZZ_CHECK((unsigned char)name.p[i] > 0x20, "%.*s", STR_ARG(line));
    }
    return 0;
}
