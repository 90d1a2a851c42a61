/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the tree of nodes of a schema. Each schema object becomes one node, whoever refers to it,
 * so that recursive schemas are cycles of the tree. The work goes through a list of nodes still to
 * be filled instead of through recursion: a chain of a hundred thousand references costs memory,
 * not stack. */
#include "core/input_impl.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_SLOW_REFS = 1000,     /* references to somewhere else than components.schemas */
    MAX_POINTER = 4096,       /* bytes of a reference */
    MAX_CHOICES_TEXT = 65536, /* of an enumeration in a message */
    MAX_PASSES = 64,          /* see spread_facts() */
};

struct compiler {
    struct input_schema *schema;
    const struct json *document;
    struct map components; /* of components.schemas, by name */
    int slow_refs;
    struct map nodes;          /* by address of the source */
    struct schema_node **todo; /* next one to fill, through `chain` */
};

static const struct {
    const char *name;
    unsigned bit;
} types[] = {
    { "null", TYPE_NULL },     { "boolean", TYPE_BOOLEAN }, { "integer", TYPE_INTEGER },
    { "number", TYPE_NUMBER }, { "string", TYPE_STRING },   { "array", TYPE_ARRAY },
    { "object", TYPE_OBJECT },
};

const struct json *schema_resolve(const struct json *document, struct str ref)
{
    struct buf pointer CLEANUP(buf_deinit) = BUF_INIT(MAX_POINTER);
    struct buf name CLEANUP(buf_deinit) = BUF_INIT(MAX_POINTER);
    const struct json *v = document;
    struct str rest, part;

    if (ref.n == 0 || ref.p[0] != '#' || !percent_decode(str_make(ref.p + 1, ref.n - 1), &pointer))
        return NULL;
    rest = buf_str(&pointer);
    if (rest.n == 0)
        return document;
    if (rest.p[0] != '/')
        return NULL;
    rest = str_make(rest.p + 1, rest.n - 1);
    while (v && str_split(&rest, '/', &part)) {
        uint64_t index;

        buf_clear(&name);
        for (size_t i = 0; i < part.n; i++) {
            bool escaped = part.p[i] == '~' && i + 1 < part.n &&
                           (part.p[i + 1] == '0' || part.p[i + 1] == '1');

            buf_addc(&name, escaped ? (part.p[i + 1] == '1' ? '/' : '~') : part.p[i]);
            i += escaped ? 1 : 0;
        }
        if (json_is(v, JSON_OBJECT)) {
            v = json_get_str(v, buf_str(&name));
        } else if (json_is(v, JSON_ARRAY) && str_to_u64(buf_str(&name), &index) && index < v->n) {
            for (v = v->child; index > 0; index--)
                v = v->next;
        } else {
            v = NULL;
        }
    }
    return v;
}

/* Nearly all references name a component; looking each up from the top would take quadratic time.
 */
static const struct json *resolve(struct compiler *c, struct str ref)
{
    static const char prefix[] = "#/components/schemas/";
    const struct json *found;

    if (str_starts(ref, prefix)) {
        found = map_get(&c->components,
                        str_make(ref.p + sizeof(prefix) - 1, ref.n - sizeof(prefix) + 1));
        if (found)
            return found;
    }
    return c->slow_refs++ < MAX_SLOW_REFS ? schema_resolve(c->document, ref) : NULL;
}

/* Names with characters that a reference has to escape are left to the slow way. */
static void index_components(struct compiler *c)
{
    const struct json *components = json_path(c->document, "components.schemas");

    json_each (components, v) {
        if (!memchr(v->key.p, '/', v->key.n) && !memchr(v->key.p, '~', v->key.n) &&
            !memchr(v->key.p, '%', v->key.n))
            map_put(&c->components, v->key, v);
    }
}

/* The node of a schema, to be filled later. NULL when the value is no schema. */
static struct schema_node *node_of(struct compiler *c, const struct json *source)
{
    struct str key = str_make((const char *)&source, sizeof(source));
    struct schema_node *node;

    if (!json_is(source, JSON_OBJECT) && !json_is(source, JSON_TRUE) &&
        !json_is(source, JSON_FALSE))
        return NULL;
    node = map_get(&c->nodes, key);
    if (node)
        return node;
    node = arena_new(&c->schema->arena, struct schema_node);
    node->source = source;
    node->min_length = node->max_length = node->min_items = node->max_items = -1;
    map_put(&c->nodes, key, node);
    *c->todo = node;
    c->todo = &node->chain;
    return node;
}

static struct node_list list_of(struct compiler *c, const struct json *source)
{
    struct node_list list = { 0 };

    if (!json_is(source, JSON_ARRAY))
        return list;
    list.at = arena_array(&c->schema->arena, struct schema_node *, source->n + 1);
    json_each (source, v) {
        struct schema_node *node = node_of(c, v);

        if (node)
            list.at[list.n++] = node;
    }
    return list;
}

static void add_type(struct schema_node *node, struct str name, struct buf *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (str_is(name, types[i].name) && !(node->types & types[i].bit)) {
            node->types |= types[i].bit;
            buf_addf(text, "%s%s", text->n > 0 ? "," : "", types[i].name);
        }
    }
}

static void fill_types(struct compiler *c, struct schema_node *node)
{
    const struct json *type = json_get(node->source, "type");
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(256);

    if (json_is(type, JSON_STRING))
        add_type(node, type->text, &text);
    else if (json_is(type, JSON_ARRAY))
        json_each (type, v)
            add_type(node, json_to_str(v), &text);
    node->types_text = (node->types & (node->types - 1)) != 0
                           ? arena_printf(&c->schema->arena, "[%s]", buf_str(&text).p)
                           : arena_copy(&c->schema->arena, buf_str(&text));
    if (node->types & TYPE_INTEGER && !(node->types & TYPE_NUMBER))
        node->facts |= HAS_INTEGER;
}

/* A bound may be a number that excludes itself, or a flag beside the number of the including one.
 */
static void fill_bound(const struct json *source, const char *key, const char *exclusive_key,
                       struct number_limit *including, struct number_limit *excluding)
{
    const struct json *exclusive = json_get(source, exclusive_key);

    number_limit_set(json_is(exclusive, JSON_TRUE) ? excluding : including, json_get(source, key));
    number_limit_set(excluding, exclusive);
}

static int64_t count_of(const struct json *v)
{
    int64_t n;

    return json_to_i64(v, &n) && n >= 0 ? n : -1;
}

static const char *text_of(struct compiler *c, const struct json *v, bool each)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_CHOICES_TEXT);

    if (!each) {
        message_value(&text, v);
    } else {
        json_each (v, choice) {
            if (choice != v->child)
                buf_adds(&text, ", ");
            message_value(&text, choice);
        }
    }
    if (text.failed) {
        struct str whole = buf_str(&text);

        return arena_printf(&c->schema->arena, "%.*s...",
                            (int)utf8_prefix(whole, MAX_CHOICES_TEXT / 2), whole.p);
    }
    return arena_copy(&c->schema->arena, buf_str(&text));
}

static void fill_values(struct compiler *c, struct schema_node *node)
{
    const struct json *s = node->source;
    const struct json *choices = json_get(s, "enum"), *pattern = json_get(s, "pattern");
    const struct json *multiple = json_get(s, "multipleOf"), *format = json_get(s, "format");

    fill_bound(s, "minimum", "exclusiveMinimum", &node->minimum, &node->above);
    fill_bound(s, "maximum", "exclusiveMaximum", &node->maximum, &node->below);
    number_limit_set(&node->multiple_of, multiple);
    node->multiple_of.is_set = node->multiple_of.value > 0;
    node->min_length = count_of(json_get(s, "minLength"));
    node->max_length = count_of(json_get(s, "maxLength"));
    node->min_items = count_of(json_get(s, "minItems"));
    node->max_items = count_of(json_get(s, "maxItems"));
    node->is_unique = json_is(json_get(s, "uniqueItems"), JSON_TRUE);
    node->is_uri = format && str_is(json_to_str(format), "uri");
    if (json_is(choices, JSON_ARRAY) && choices->n > 0) {
        node->choices = choices;
        node->choices_text = text_of(c, choices, true);
    }
    node->constant = json_get(s, "const");
    if (node->constant)
        node->constant_text = text_of(c, node->constant, false);
    if (json_is(pattern, JSON_STRING)) {
        node->pattern = pattern_compile(pattern->text);
        node->pattern_text = arena_copy(&c->schema->arena, pattern->text);
    }
}

static struct schema_property *property_of(struct schema_node *node, struct str name)
{
    struct schema_property *p = map_get(&node->by_name, name);

    if (p)
        return p;
    p = &node->properties[node->n_properties];
    *p = (struct schema_property){ .name = name, .index = node->n_properties++ };
    map_put(&node->by_name, name, p);
    return p;
}

static void fill_object(struct compiler *c, struct schema_node *node)
{
    const struct json *properties = json_get(node->source, "properties");
    const struct json *required = json_get(node->source, "required");
    const struct json *additional = json_get(node->source, "additionalProperties");
    size_t n_properties = json_is(properties, JSON_OBJECT) ? properties->n : 0;
    size_t n_required = json_is(required, JSON_ARRAY) ? required->n : 0;

    node->has_properties = json_is(properties, JSON_OBJECT);
    node->no_additional = json_is(additional, JSON_FALSE);
    node->has_additional = json_is(additional, JSON_TRUE) || json_is(additional, JSON_OBJECT);
    node->additional = json_is(additional, JSON_OBJECT) ? node_of(c, additional) : NULL;
    node->properties =
        arena_array(&c->schema->arena, struct schema_property, n_properties + n_required + 1);
    node->required = arena_array(&c->schema->arena, struct schema_property *, n_required + 1);
    if (n_properties > 0) {
        json_each (properties, v) {
            struct schema_property *p = property_of(node, v->key);

            p->node = node_of(c, v);
            p->preset = json_get(v, "default");
        }
    }
    if (n_required > 0) {
        json_each (required, v) {
            if (!json_is(v, JSON_STRING))
                continue;
            node->required[node->n_required] = property_of(node, v->text);
            node->required[node->n_required++]->is_required = true;
        }
    }
}

/* Of which values the schema says nothing at all: those of `{}`, and members or elements that it
 * does not mention. */
static bool is_loose(const struct schema_node *n)
{
    bool says_more = n->types || n->is_uri || n->choices || n->constant || n->has_properties ||
                     n->items || n->additional || n->all_of.n || n->any_of.n || n->one_of.n;
    bool open_object =
        (n->types & TYPE_OBJECT) && !n->additional && (!n->has_properties || n->has_additional);
    bool open_array = (n->types & TYPE_ARRAY) && !n->items;

    return !says_more || open_object || open_array;
}

static void fill(struct compiler *c, struct schema_node *node)
{
    const struct json *s = node->source;
    struct str ref = json_to_str(json_get(s, "$ref"));

    node->is_false = s->type == JSON_FALSE;
    if (s->type != JSON_OBJECT)
        return;
    node->is_nullable = json_is(json_get(s, "nullable"), JSON_TRUE);
    if (str_is(json_to_str(json_get(s, "format")), "password") ||
        json_is(json_get(s, "x-cog-secret"), JSON_TRUE))
        node->facts |= IS_SECRET | HAS_SECRET;
    /* What else stands beside a reference does not count; one that leads nowhere demands nothing.
     */
    if (ref.p) {
        node->ref = node_of(c, resolve(c, ref));
        return;
    }
    fill_types(c, node);
    fill_values(c, node);
    fill_object(c, node);
    node->items = node_of(c, json_get(s, "items"));
    node->negated = node_of(c, json_get(s, "not"));
    node->all_of = list_of(c, json_get(s, "allOf"));
    node->any_of = list_of(c, json_get(s, "anyOf"));
    node->one_of = list_of(c, json_get(s, "oneOf"));
    node->facts |= node->is_uri ? HAS_URI : 0;
    node->facts |= is_loose(node) ? HAS_LOOSE : 0;
}

static unsigned facts_of_list(const struct node_list *l)
{
    unsigned facts = 0;

    for (size_t i = 0; i < l->n; i++)
        facts |= l->at[i]->facts;
    return facts;
}

static unsigned facts_below(const struct schema_node *n)
{
    unsigned facts = (n->items ? n->items->facts : 0) | (n->additional ? n->additional->facts : 0);

    for (size_t i = 0; i < n->n_properties; i++)
        facts |= n->properties[i].node ? n->properties[i].node->facts : 0;
    return facts & ~(unsigned)IS_SECRET;
}

/* Facts travel upwards until nothing changes. Nodes stand behind those that first named them, so
 * that walking from the last to the first carries a fact all the way up at once; only cycles need
 * further passes. */
static void spread_facts(struct input_schema *s)
{
    struct schema_node **all CLEANUP(mem_free) = NULL;
    size_t count = 0, at = 0;
    bool changed = true;

    for (struct schema_node *n = s->nodes; n; n = n->chain)
        count++;
    all = xcalloc(count + 1, sizeof(*all));
    for (struct schema_node *n = s->nodes; n; n = n->chain)
        all[at++] = n;
    for (int pass = 0; changed && pass < MAX_PASSES; pass++) {
        changed = false;
        for (size_t i = count; i-- > 0;) {
            struct schema_node *n = all[i];
            unsigned facts = n->facts | (n->ref ? n->ref->facts : 0) | facts_of_list(&n->all_of) |
                             facts_of_list(&n->any_of) | facts_of_list(&n->one_of) | facts_below(n);

            changed |= facts != n->facts;
            n->facts = facts;
        }
    }
}

struct schema_node *schema_compile(struct input_schema *s, const struct json *document,
                                   const struct json *source)
{
    struct compiler c = { .schema = s, .document = document, .todo = &s->nodes };
    struct schema_node *root;

    map_init(&c.nodes);
    map_init(&c.components);
    index_components(&c);
    root = node_of(&c, source);
    for (struct schema_node *n = s->nodes; n; n = n->chain)
        fill(&c, n);
    map_deinit(&c.nodes);
    map_deinit(&c.components);
    spread_facts(s);
    return root;
}
