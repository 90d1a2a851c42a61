/* SPDX-License-Identifier: Apache-2.0 */
#include "run/input_plan.h"

#include "base/mem.h"

#include <stdlib.h>

enum { DATA_KEPT = 64 * 1024 }; /* a data address up to this size is passed on as it is */

static void add_place(struct input_plan *plan, const struct input_uri *uri, bool is_data)
{
    struct input_place *place = &plan->places[plan->n++];
    struct str text = uri->value->text;

    place->at = plan->text.n;
    place->field =
        uri->field.p ? str_make(arena_copy(&plan->arena, uri->field), uri->field.n) : STR("input");
    if (is_data)
        place->data = str_dup(text);
    else
        place->url = str_make(arena_copy(&plan->arena, text), text.n);
}

/* Copies the normalised text without its files. */
static void cut_out(struct input_plan *plan, struct str normal, const struct input_uri *uris,
                    size_t n)
{
    const char *from = normal.p;

    plan->places = arena_array(&plan->arena, struct input_place, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct str span = uris[i].value->span;
        bool is_data = str_starts(uris[i].value->text, "data:");

        if (is_data && uris[i].value->text.n <= DATA_KEPT)
            continue;
        buf_add(&plan->text, from, (size_t)(span.p - from));
        add_place(plan, &uris[i], is_data);
        from = span.p + span.n;
    }
    buf_add(&plan->text, from, (size_t)(normal.p + normal.n - from));
}

void input_plan_make(struct input_plan *plan, const struct input_schema *schema, struct str input,
                     bool with_files)
{
    struct buf normal CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct input_uri *uris;
    struct json *v;
    size_t n;

    *plan = (struct input_plan){ .text = BUF_INIT(BUF_UNBOUNDED) };
    plan->status = json_parse(&a, input, NULL, &v, &plan->error);
    if (plan->status != STATUS_OK)
        return;
    input_normalize(schema, v, &normal);
    if (!with_files || !input_has_uris(schema)) {
        plan->text = normal;
        normal = (struct buf){ 0 };
        return;
    }
    arena_deinit(&a);
    plan->status = json_parse(&a, buf_str(&normal), NULL, &v, &plan->error);
    if (plan->status != STATUS_OK)
        return;
    n = input_uris(schema, &a, v, false, &uris);
    if (n > INPUT_FILES_MOST)
        plan->status = FAIL(&plan->error, STATUS_INVALID, "The input has more than %d files.",
                            INPUT_FILES_MOST);
    else
        cut_out(plan, buf_str(&normal), uris, n);
}

void input_plan_fill(const struct input_plan *plan, const struct str *with, struct buf *out)
{
    size_t from = 0;

    for (size_t i = 0; i < plan->n; i++) {
        buf_add(out, plan->text.p + from, plan->places[i].at - from);
        buf_add_str(out, with[i]);
        from = plan->places[i].at;
    }
    buf_add(out, plan->text.p + from, plan->text.n - from);
}

void input_plan_deinit(struct input_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++)
        free(plan->places[i].data);
    buf_deinit(&plan->text);
    arena_deinit(&plan->arena);
    *plan = (struct input_plan){ 0 };
}
