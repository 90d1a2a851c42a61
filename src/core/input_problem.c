/* SPDX-License-Identifier: Apache-2.0 */
/* How problems are noted: where, and in which words. Whatever a client can make long is cut. */
#include "core/input_check.h"

#include "base/utf8.h"

enum {
    MAX_PROBLEMS = 100,
    MAX_NAME = 200, /* bytes of a key in a message */
    MAX_FIELD = 4096,
};

static void add_name(struct buf *out, struct str name)
{
    size_t n = utf8_prefix(name, MAX_NAME);

    buf_add(out, name.p, n);
    if (n < name.n)
        buf_adds(out, "...");
}

static void add_path(struct buf *out, const struct path *at)
{
    if (!at->up)
        return;
    add_path(out, at->up);
    if (at->up->up)
        buf_addc(out, '.');
    if (at->name.p)
        add_name(out, at->name);
    else
        buf_addf(out, "%zu", at->index);
}

bool is_recording(const struct check *c)
{
    return c->arena && c->trials == 0 && !c->gave_up && c->n_problems < MAX_PROBLEMS;
}

const char *place(struct check *c, const struct path *at)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_FIELD);

    if (!is_recording(c))
        return "";
    if (!at->up)
        return "input";
    add_path(&text, at);
    return arena_copy(c->arena, buf_str(&text));
}

void problem(struct check *c, struct tally *t, const struct path *at, const char *type,
             const char *fmt, ...)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct input_problem *p;
    va_list ap;

    t->problems++;
    t->score -= 2;
    if (!is_recording(c))
        return;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    p = arena_new(c->arena, struct input_problem);
    p->type = type;
    p->field = at->up ? arena_printf(c->arena, "input.%s", place(c, at)) : "input";
    p->description = arena_copy(c->arena, buf_str(&text));
    if (c->last)
        c->last->next = p;
    else
        c->first = p;
    c->last = p;
    c->n_problems++;
}

void problem_of_name(struct check *c, struct tally *t, const struct path *at, const char *type,
                     const char *before, struct str name, const char *after)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_NAME + 8);

    add_name(&text, name);
    problem(c, t, at, type, "%s%s%s", before, text.p ? text.p : "", after);
}

void give_up(struct check *c, struct tally *t, const struct path *at, const char *why)
{
    unsigned trials = c->trials;

    if (c->gave_up)
        return;
    c->trials = 0;
    problem(c, t, at, "internal", "%s", why);
    c->trials = trials;
    c->gave_up = true;
}
