/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions, and how inputs are rewritten for the instance and for the store. */
#include "core/input_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    MAX_SCHEMA_VALUES = 200000,
    MAX_HOPS = 64, /* through references and combinations, to find what describes a value */
};

/* Spans point into the source, so that the arena must own a copy. */
static enum status read_document(struct arena *a, struct str openapi, struct json **out,
                                 struct error *err)
{
    struct json_limits limits = { .max_values = MAX_SCHEMA_VALUES };
    struct str copy = str_make(arena_copy(a, openapi), openapi.n);
    enum status st = json_parse(a, copy, &limits, out, err);

    if (st && err)
        error_context(err, "OpenAPI schema");
    return st;
}

enum status input_schema_new(struct str openapi, const char *component, struct input_schema **out,
                             struct error *err)
{
    struct input_schema *s = xnew(struct input_schema);
    struct json *document = NULL;
    const struct json *source;
    enum status st;

    arena_init(&s->arena);
    if (openapi.n > 0) {
        st = read_document(&s->arena, openapi, &document, err);
        if (st) {
            input_schema_free(s);
            return st;
        }
    }
    source = json_get(json_path(document, "components.schemas"), component);
    if (source)
        s->root = schema_compile(s, document, source);
    *out = s;
    return STATUS_OK;
}

void input_schema_free(struct input_schema *s)
{
    if (!s)
        return;
    for (struct schema_node *n = s->nodes; n; n = n->chain) {
        pcre2_code_free(n->pattern);
        map_deinit(&n->by_name);
    }
    arena_deinit(&s->arena);
    free(s);
}

struct input_problem *input_validate(const struct input_schema *s, struct arena *a,
                                     const struct json *input)
{
    struct check c;

    if (!s->root)
        return NULL;
    check_init(&c, a, input);
    check_value(&c, s->root, input);
    return c.first;
}

static bool describes(const struct schema_node *n, const struct json *v)
{
    switch (v->type) {
    case JSON_OBJECT:
        return n->n_properties > 0 || n->additional;
    case JSON_ARRAY:
        return n->items != NULL;
    case JSON_NUMBER:
        return n->types != 0;
    default:
        return false;
    }
}

/* The node whose own keywords describe the value: through references, through all of allOf, and
 * through that branch of anyOf or oneOf that the value fits. NULL: none. */
static const struct schema_node *describer(struct check *c, const struct schema_node *n,
                                           const struct json *v, int hops)
{
    const struct node_list *choices[] = { &n->any_of, &n->one_of };
    const struct schema_node *found = NULL;

    if (hops == 0 || c->steps == 0)
        return NULL;
    c->steps--;
    if (n->ref)
        return describer(c, n->ref, v, hops - 1);
    if (describes(n, v))
        return n;
    for (size_t i = 0; !found && i < n->all_of.n; i++)
        found = describer(c, n->all_of.at[i], v, hops - 1);
    for (size_t k = 0; !found && k < ARRAY_SIZE(choices); k++) {
        for (size_t i = 0; i < choices[k]->n; i++) {
            if (check_try(c, choices[k]->at[i], v)) {
                found = describer(c, choices[k]->at[i], v, hops - 1);
                break;
            }
        }
    }
    return found;
}

static void rewrite(struct check *c, const struct schema_node *n, const struct json *v,
                    struct buf *out);

static void rewrite_number(const struct schema_node *n, const struct json *v, struct buf *out)
{
    bool wants_integer = (n->types & TYPE_INTEGER) && !(n->types & TYPE_NUMBER);
    int64_t i;
    uint64_t u;

    if (wants_integer && json_to_i64(v, &i))
        buf_addf(out, "%" PRId64, i);
    else if (wants_integer && json_to_u64(v, &u))
        buf_addf(out, "%" PRIu64, u);
    else
        buf_add_str(out, v->span);
}

static void rewrite_array(struct check *c, const struct schema_node *n, const struct json *v,
                          struct buf *out)
{
    buf_addc(out, '[');
    json_each (v, element) {
        if (element != v->child)
            buf_addc(out, ',');
        rewrite(c, n->items, element, out);
    }
    buf_addc(out, ']');
}

static void rewrite_object(struct check *c, const struct schema_node *n, const struct json *v,
                           struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    buf_addc(out, '{');
    json_each (v, member) {
        const struct schema_property *p = map_get(&n->by_name, member->key);

        if (member != v->child)
            buf_addc(out, ',');
        json_writer_init(&w, out);
        json_string(&w, member->key);
        buf_addc(out, ':');
        rewrite(c, p && p->node ? p->node : n->additional, member, out);
    }
    buf_addc(out, '}');
}

/* Writes the value as it is, but 3.0 as 3 wherever the schema asks for an integer. */
static void rewrite(struct check *c, const struct schema_node *n, const struct json *v,
                    struct buf *out)
{
    const struct schema_node *by = NULL;

    if (n && (n->facts & HAS_INTEGER))
        by = describer(c, n, v, MAX_HOPS);
    if (!by)
        buf_add_str(out, v->span);
    else if (v->type == JSON_NUMBER)
        rewrite_number(by, v, out);
    else if (v->type == JSON_ARRAY)
        rewrite_array(c, by, v, out);
    else
        rewrite_object(c, by, v, out);
}

/* Where null stands for "nothing given": it is let in, but the schema itself (instances know
 * nothing of "nullable") does not want it. */
static bool is_no_value(struct check *c, const struct schema_node *n, const struct json *v)
{
    bool ok;

    if (!n || v->type != JSON_NULL)
        return false;
    c->is_literal = true;
    ok = check_try(c, n, v);
    c->is_literal = false;
    return !ok;
}

/* Notes which member of the input each property takes; yields the node that describes the members.
 */
static const struct schema_node *find_members(struct check *c, const struct schema_node *n,
                                              const struct json *input,
                                              const struct json ***out_members)
{
    const struct schema_node *by = describer(c, n, input, MAX_HOPS);

    for (int hops = 0; hops < MAX_HOPS && n->ref; hops++)
        n = n->ref;
    if (!by)
        by = n;
    *out_members = xcalloc(by->n_properties + 1, sizeof(**out_members));
    json_each (input, member) {
        const struct schema_property *p = map_get(&by->by_name, member->key);

        if (p)
            (*out_members)[p->index] = member;
    }
    return by;
}

static void write_member(struct json_writer *w, struct check *c, const struct schema_node *n,
                         struct str name, const struct json *v)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(w->out->max);

    rewrite(c, n, v, &text);
    if (text.failed)
        w->out->failed = true;
    json_key_str(w, name);
    json_raw(w, buf_str(&text));
}

void input_normalize(const struct input_schema *s, const struct json *input, struct buf *out)
{
    const struct json **members CLEANUP(mem_free) = NULL;
    const struct schema_node *by;
    struct json_writer w;
    struct check c;

    if (!s->root || !json_is(input, JSON_OBJECT)) {
        buf_add_str(out, input->span);
        return;
    }
    check_init(&c, NULL, input);
    by = find_members(&c, s->root, input, &members);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_each (input, member) {
        const struct schema_property *p = map_get(&by->by_name, member->key);
        bool is_known = p && p->node;

        if (is_known && members[p->index] != member)
            continue; /* a repeated key: the last one counts */
        if (!is_known && by->has_properties && !by->has_additional)
            continue;
        if (is_known && !p->is_required && is_no_value(&c, p->node, member)) {
            members[p->index] = NULL;
            continue;
        }
        write_member(&w, &c, is_known ? p->node : by->additional, member->key, member);
    }
    for (size_t i = 0; i < by->n_properties; i++) {
        const struct schema_property *p = &by->properties[i];

        if (!members[i] && p->preset && !is_no_value(&c, p->node, p->preset))
            write_member(&w, &c, p->node, p->name, p->preset);
    }
    json_end_object(&w);
}
