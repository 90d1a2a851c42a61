/* SPDX-License-Identifier: Apache-2.0 */
/* cog.yaml, and lines of requirements: what is taken has nothing that an installer or a shell could
 * take for something else. Behind a line "--" stands a file of requirements. */
#include "fuzz.h"

#include "base/utf8.h"
#include "base/yaml.h"
#include "run/cogyaml.h"

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
    while (rest.p && str_split(&rest, '\n', &line)) {
        const char *problem = requirement_problem(line);
        struct str name = requirement_name(&a, line);

        FUZZ_CHECK(problem || !memchr(line.p, '\r', line.n), "%.*s", STR_ARG(line));
        for (size_t i = 0; !problem && i < name.n; i++)
            FUZZ_CHECK((unsigned char)name.p[i] > 0x20, "%.*s", STR_ARG(line));
    }
    return 0;
}
