/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of files in inputs and outputs. A value is an address where any branch of the schema
 * calls it so. */
#include "core/input_impl.h"

#include <stdlib.h>

enum { MAX_DEPTH = 500, BASE_STEPS = 1000000, STEPS_OF_BYTE = 4 };

struct search {
    struct buf found; /* struct input_uri, in no order */
    struct str field;
    unsigned wanted; /* facts that are looked for */
    size_t steps;
    unsigned depth; /* of recursion */
    unsigned level; /* in the value */
};

bool input_has_uris(const struct input_schema *s)
{
    return s->root && (s->root->facts & HAS_URI);
}

bool input_accepts(const struct input_schema *s, const struct json *v)
{
    struct check c;

    if (!s->root)
        return true;
    check_init(&c, NULL, v);
    return check_value(&c, s->root, v);
}

static void add(struct search *x, const struct json *v, bool is_loose)
{
    struct input_uri found = { .value = v, .field = x->field, .is_loose = is_loose };

    buf_add(&x->found, &found, sizeof(found));
}

static bool take_step(struct search *x)
{
    if (x->steps == 0 || x->depth >= MAX_DEPTH)
        return false;
    x->steps--;
    return true;
}

static void search_loose(struct search *x, const struct json *v)
{
    if (!(x->wanted & HAS_LOOSE) || !take_step(x))
        return;
    if (v->type == JSON_STRING && str_starts(v->text, "data:"))
        add(x, v, true);
    if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
        return;
    x->depth++;
    json_each (v, child)
        search_loose(x, child);
    x->depth--;
}

static void search(struct search *x, const struct schema_node *n, const struct json *v);

static void search_list(struct search *x, const struct node_list *l, const struct json *v)
{
    for (size_t i = 0; i < l->n; i++)
        search(x, l->at[i], v);
}

static void search_children(struct search *x, const struct schema_node *n, const struct json *v)
{
    bool is_open = v->type == JSON_ARRAY
                       ? !n->items
                       : !n->additional && (!n->has_properties || n->has_additional);

    json_each (v, child) {
        const struct schema_property *p = NULL;
        const struct schema_node *by = n->items;

        if (v->type == JSON_OBJECT) {
            p = map_get(&n->by_name, child->key);
            by = p && p->node ? p->node : n->additional;
        }
        if (x->level == 0 && v->type == JSON_OBJECT)
            x->field = child->key;
        x->level++;
        if (by)
            search(x, by, child);
        else if (is_open && n->types)
            search_loose(x, child);
        x->level--;
    }
}

static bool says_nothing(const struct schema_node *n)
{
    return (n->facts & HAS_LOOSE) && !n->ref && !n->types && !n->has_properties && !n->items &&
           !n->additional && !n->all_of.n && !n->any_of.n && !n->one_of.n;
}

static void search(struct search *x, const struct schema_node *n, const struct json *v)
{
    if (!n || !(n->facts & x->wanted) || !take_step(x))
        return;
    if (n->is_uri && v->type == JSON_STRING)
        add(x, v, false);
    if (says_nothing(n)) {
        search_loose(x, v);
        return;
    }
    x->depth++;
    search(x, n->ref, v);
    search_list(x, &n->all_of, v);
    search_list(x, &n->any_of, v);
    search_list(x, &n->one_of, v);
    if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
        search_children(x, n, v);
    x->depth--;
}

/* By place; of those at one place the certain one first. */
static int by_place(const void *a, const void *b)
{
    const struct input_uri *x = a, *y = b;

    if (x->value->span.p != y->value->span.p)
        return x->value->span.p < y->value->span.p ? -1 : 1;
    return (int)x->is_loose - (int)y->is_loose;
}

size_t input_uris(const struct input_schema *s, struct arena *a, const struct json *v, bool loose,
                  struct input_uri **out)
{
    struct search x = { .wanted = HAS_URI | (loose ? (unsigned)HAS_LOOSE : 0U),
                        .steps = BASE_STEPS + STEPS_OF_BYTE * v->span.n };
    struct input_uri *found;
    size_t n, kept = 0;

    buf_init(&x.found, BUF_UNBOUNDED);
    if (s->root)
        search(&x, s->root, v);
    else
        search_loose(&x, v);
    n = x.found.n / sizeof(*found);
    found = arena_array(a, struct input_uri, n + 1);
    if (n > 0)
        memcpy(found, x.found.p, n * sizeof(*found));
    buf_deinit(&x.found);
    if (n > 1)
        qsort(found, n, sizeof(*found), by_place);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || found[kept - 1].value != found[i].value)
            found[kept++] = found[i];
    *out = found;
    return kept;
}

void input_replace(const struct json *v, const struct input_uri *uris, const struct str *with,
                   size_t n, struct buf *out)
{
    const char *copied = v->span.p, *end = v->span.p + v->span.n;

    for (size_t i = 0; i < n; i++) {
        struct str span = uris[i].value->span;

        if (!with[i].p)
            continue;
        buf_add(out, copied, (size_t)(span.p - copied));
        buf_add_str(out, with[i]);
        copied = span.p + span.n;
    }
    buf_add(out, copied, (size_t)(end - copied));
}
