/* SPDX-License-Identifier: Apache-2.0 */
/* The validation itself: which rule comes before which, what stops at the first problem, what is
 * reported twice and which branch of a failed anyOf is explained follow the Go library
 * gojsonschema, whose messages Replicate's clients know. There a score tells how well a value fits
 * a branch: each check that was passed counts one, each problem costs one.
 *
 * A schema comes from whoever pushed the model and an input from anybody, so the work has a budget
 * in proportion to the input's size, and recursion has a depth. */
#include "core/input_check.h"

#include "base/mem.h"

enum {
    MAX_DEPTH = 1000,
    BASE_STEPS = 2000000,
    STEPS_OF_BYTE = 4,
};

static void check_node(struct check *c, const struct schema_node *n, const struct json *v,
                       const struct path *at, struct tally *t);

void check_init(struct check *c, struct arena *a, const struct json *value)
{
    *c = (struct check){ .arena = a, .steps = BASE_STEPS };
    if (value)
        c->steps += STEPS_OF_BYTE * value->span.n;
}

static struct tally try_node(struct check *c, const struct schema_node *n, const struct json *v,
                             const struct path *at)
{
    struct tally t = { 0 };

    c->trials++;
    check_node(c, n, v, at, &t);
    c->trials--;
    return t;
}

/* Reports what the branch that fits best has to say. */
static void explain(struct check *c, const struct schema_node *best, const struct json *v,
                    const struct path *at, struct tally *t)
{
    if (best)
        check_node(c, best, v, at, t);
}

static void check_any_of(struct check *c, const struct schema_node *n, const struct json *v,
                         const struct path *at, struct tally *t)
{
    const struct schema_node *best = NULL;
    int64_t best_score = 0;

    for (size_t i = 0; i < n->any_of.n; i++) {
        struct tally branch = try_node(c, n->any_of.at[i], v, at);

        if (branch.problems == 0)
            return;
        if (!best || branch.score > best_score) {
            best = n->any_of.at[i];
            best_score = branch.score;
        }
    }
    problem(c, t, at, "number_any_of", "Must validate at least one schema (anyOf)");
    explain(c, best, v, at, t);
}

static void check_one_of(struct check *c, const struct schema_node *n, const struct json *v,
                         const struct path *at, struct tally *t)
{
    const struct schema_node *best = NULL;
    int64_t best_score = 0;
    size_t valid = 0;

    for (size_t i = 0; i < n->one_of.n; i++) {
        struct tally branch = try_node(c, n->one_of.at[i], v, at);

        if (branch.problems == 0) {
            valid++;
        } else if (valid == 0 && (!best || branch.score > best_score)) {
            best = n->one_of.at[i];
            best_score = branch.score;
        }
    }
    if (valid == 1)
        return;
    problem(c, t, at, "number_one_of", "Must validate one and only one schema (oneOf)");
    if (valid == 0)
        explain(c, best, v, at, t);
}

static void check_combinations(struct check *c, const struct schema_node *n, const struct json *v,
                               const struct path *at, struct tally *t)
{
    size_t before;

    if (n->any_of.n > 0)
        check_any_of(c, n, v, at, t);
    if (n->one_of.n > 0)
        check_one_of(c, n, v, at, t);
    before = t->problems;
    for (size_t i = 0; i < n->all_of.n; i++)
        check_node(c, n->all_of.at[i], v, at, t);
    if (t->problems != before)
        problem(c, t, at, "number_all_of", "Must validate all the schemas (allOf)");
    if (n->negated && try_node(c, n->negated, v, at).problems == 0)
        problem(c, t, at, "number_not", "Must not validate the schema (not)");
    t->score++;
}

static void check_array(struct check *c, const struct schema_node *n, const struct json *v,
                        const struct path *at, struct tally *t)
{
    size_t index = 0;

    if (n->items) {
        json_each (v, element) {
            struct path here = { .up = at, .index = index++ };

            check_node(c, n->items, element, &here, t);
        }
    }
    check_length(c, n, v, at, t);
    t->score++;
}

static void check_required(struct check *c, const struct schema_node *n, const struct path *at,
                           const struct json *const *found, struct tally *t)
{
    for (size_t i = 0; i < n->n_required; i++) {
        const struct schema_property *p = n->required[i];

        if (found[p->index])
            t->score++;
        else
            problem_of_name(c, t, at, "required", "", p->name, " is required");
    }
}

/* Members that no property describes. */
static void check_others(struct check *c, const struct schema_node *n, const struct json *v,
                         const struct path *at, struct tally *t)
{
    json_each (v, member) {
        const struct schema_property *p = map_get(&n->by_name, member->key);
        struct path here = { .up = at, .name = member->key };

        if (p && p->node)
            continue;
        if (n->no_additional)
            problem_of_name(c, t, at, "additional_property_not_allowed", "Additional property ",
                            member->key, " is not allowed");
        else if (n->additional)
            check_node(c, n->additional, member, &here, t);
    }
}

static void check_object(struct check *c, const struct schema_node *n, const struct json *v,
                         const struct path *at, struct tally *t)
{
    /* Not of the arena: an array can hold millions of small objects. */
    const struct json **found CLEANUP(mem_free) = xcalloc(n->n_properties + 1, sizeof(*found));

    c->steps -= MIN(c->steps, n->n_properties);
    json_each (v, member) {
        const struct schema_property *p = map_get(&n->by_name, member->key);

        if (p)
            found[p->index] = member; /* of repeated ones the last */
    }
    check_required(c, n, at, found, t);
    if (n->no_additional || n->additional)
        check_others(c, n, v, at, t);
    t->score++;
    check_common(c, n, v, at, t);
    for (size_t i = 0; i < n->n_properties; i++) {
        const struct schema_property *p = &n->properties[i];
        struct path here = { .up = at, .name = p->name };

        if (p->node && found[i])
            check_node(c, p->node, found[i], &here, t);
    }
}

/* Everything that depends on the value's type. */
static void check_rules(struct check *c, const struct schema_node *n, const struct json *v,
                        const struct path *at, struct tally *t)
{
    check_combinations(c, n, v, at, t);
    switch (v->type) {
    case JSON_NUMBER:
        check_number(c, n, v, at, t);
        check_common(c, n, v, at, t);
        return;
    case JSON_STRING:
        check_common(c, n, v, at, t);
        check_string(c, n, v, at, t);
        return;
    case JSON_ARRAY:
        check_array(c, n, v, at, t);
        check_common(c, n, v, at, t);
        return;
    case JSON_OBJECT:
        check_object(c, n, v, at, t);
        return;
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        check_common(c, n, v, at, t);
        return;
    }
}

/* False when the budget or the depth is used up. */
static bool may_go_on(struct check *c, const struct path *at, struct tally *t)
{
    if (c->steps == 0)
        give_up(c, t, at, "The input takes too long to check against the schema");
    else if (c->depth >= MAX_DEPTH)
        give_up(c, t, at, "The schema refers to itself without end");
    if (c->gave_up) {
        t->problems++;
        return false;
    }
    c->steps--;
    return true;
}

static void check_node(struct check *c, const struct schema_node *n, const struct json *v,
                       const struct path *at, struct tally *t)
{
    const char *given;

    if (!may_go_on(c, at, t))
        return;
    if (n->is_nullable && v->type == JSON_NULL && !c->is_literal) {
        t->score++;
        return;
    }
    c->depth++;
    if (n->is_false) {
        problem(c, t, at, "false", "False always fails validation");
    } else if (n->ref) {
        check_node(c, n->ref, v, at, t);
    } else if (!type_fits(n, v, &given)) {
        problem(c, t, at, "invalid_type", "Invalid type. Expected: %s, given: %s", n->types_text,
                given);
    } else {
        check_rules(c, n, v, at, t);
        t->score++;
    }
    c->depth--;
}

bool check_value(struct check *c, const struct schema_node *node, const struct json *v)
{
    const struct path root = { 0 };
    struct tally t = { 0 };

    check_node(c, node, v, &root, &t);
    return t.problems == 0;
}

bool check_try(struct check *c, const struct schema_node *node, const struct json *v)
{
    bool ok;

    c->trials++;
    ok = check_value(c, node, v);
    c->trials--;
    return ok;
}
