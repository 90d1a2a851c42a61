/* SPDX-License-Identifier: Apache-2.0 */
/* A model's schema and a client's input: what is taken can be rewritten for the instance, masked
 * for the store and looked through for files, and all of these are JSON again. The schema's
 * document, then a line "--", then the input. */
#include "fuzz.h"

#include "core/input.h"

static struct json *must_parse(struct arena *a, struct str text)
{
    static const struct json_limits limits = { .max_depth = JSON_DEPTH_MOST };
    struct json *root = NULL;
    struct error err;

    FUZZ_CHECK(json_parse(a, text, &limits, &root, &err) == STATUS_OK, "%s: %.*s", err.text,
               STR_ARG(text));
    return root;
}

static void check_rewritten(const struct input_schema *s, struct arena *a, const struct json *input)
{
    struct buf normal CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf masked CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf same CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct input_uri *uris;
    struct str *with;
    size_t n;

    input_normalize(s, input, &normal);
    FUZZ_CHECK(json_is(must_parse(a, buf_str(&normal)), JSON_OBJECT));
    if (input_mask(s, input, &masked))
        FUZZ_CHECK(input_has_secrets(s) && must_parse(a, buf_str(&masked)));
    else
        FUZZ_CHECK(masked.n == 0);
    n = input_uris(s, a, input, true, &uris);
    with = arena_array(a, struct str, n + 1);
    input_replace(input, uris, with, n, &same);
    FUZZ_CHECK(str_eq(buf_str(&same), input->span), "%.*s", STR_ARG(buf_str(&same)));
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(json_is(uris[i].value, JSON_STRING));
        with[i] = STR("\"x\"");
    }
    buf_clear(&same);
    input_replace(input, uris, with, n, &same);
    must_parse(a, buf_str(&same));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str rest = fuzz_text(p, n), document = fuzz_part(&rest);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct input_schema *s = NULL;
    struct input_problem *problem;
    struct json *input;
    struct error err;
    size_t n_problems = 0;

    if (input_schema_new(document, "Input", &s, &err) != STATUS_OK)
        return 0;
    (void)output_facts(document);
    if (json_parse(&a, rest, NULL, &input, &err) == STATUS_OK && json_is(input, JSON_OBJECT)) {
        problem = input_validate(s, &a, input);
        for (const struct input_problem *q = problem; q; q = q->next) {
            FUZZ_CHECK(q->type && q->field && q->description);
            n_problems++;
        }
        FUZZ_CHECK(n_problems <= 100);
        (void)input_accepts(s, input);
        if (!problem)
            check_rewritten(s, &a, input);
    }
    input_schema_free(s);
    return 0;
}
