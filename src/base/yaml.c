/* SPDX-License-Identifier: Apache-2.0 */
/* The events of libfyaml are written down as JSON text, which our own reader then makes the tree
 * of. So a YAML document and a JSON one are the same to whoever looks at them, spans included;
 * aliases are copies of text that was written before, which bounds what they can grow to by the
 * maximum of one buffer; and nothing recurses. */
#include "base/yaml.h"

#include "base/map.h"
#include "base/utf8.h"
#include "base/yaml_scalar.h"

#include <libfyaml.h>

enum { DEPTH_MOST = 128, VALUES_MOST = 1000000, TEXT_MOST = 16 << 20, GROWTH = 16, SPARE = 65536 };

struct anchor {
    size_t start, end; /* of its value in the JSON text */
};

struct level {
    bool is_mapping, wants_key;
    size_t start;  /* of the collection in the JSON text */
    char *anchor;  /* its name, or NULL */
    size_t serial; /* tells the keys of one mapping from those of another */
};

struct yaml_reader {
    struct arena *arena;
    const char *name;
    struct error *err;
    struct buf json;
    struct json_writer w;
    struct level *levels; /* DEPTH_MOST */
    size_t depth, n_mappings, n_documents;
    struct map anchors; /* name: struct anchor in the arena */
    struct map keys;    /* serial of the mapping and key */
};

static void yaml_reader_deinit(struct yaml_reader *r)
{
    buf_deinit(&r->json);
    map_deinit(&r->anchors);
    map_deinit(&r->keys);
}

#define REFUSE(r, status, event, ...)                                                              \
    refuse((r), (status), (event), arena_printf((r)->arena, __VA_ARGS__))

static enum status refuse(struct yaml_reader *r, enum status status, struct fy_event *event,
                          const char *what)
{
    const struct fy_mark *mark = event ? fy_event_start_mark(event) : NULL;

    if (!mark)
        return FAIL(r->err, status, "%s: %s", r->name, what);
    return FAIL(r->err, status, "%s: line %d, column %d: %s", r->name, mark->line + 1,
                mark->column + 1, what);
}

static struct str token_text(struct fy_token *token)
{
    size_t n = 0;
    const char *p = token ? fy_token_get_text(token, &n) : NULL;

    return p ? str_make(p, n) : STR("");
}

/* Where the value that is about to be written will begin: behind its comma. */
static size_t next_start(const struct yaml_reader *r)
{
    return r->json.n + (r->w.comma ? 1 : 0);
}

static void set_anchor(struct yaml_reader *r, struct str name, size_t start)
{
    struct anchor *anchor = arena_new(r->arena, struct anchor);

    anchor->start = start;
    anchor->end = r->json.n;
    map_put(&r->anchors, name, anchor);
}

static enum status write_plain(struct yaml_reader *r, struct fy_event *event, struct str s)
{
    if (!yaml_write_plain(&r->w, s))
        return REFUSE(r, STATUS_INVALID, event, "a number must be finite");
    return STATUS_OK;
}

/* Tags say what a value is meant to be. Those of the core schema are kept to: what a tag promises
 * must be what is found. */
static enum status write_tagged(struct yaml_reader *r, struct fy_event *event, struct str tag,
                                struct str s)
{
    static const struct {
        const char *tag;
        const char *firsts; /* of the JSON text */
    } core[] = {
        { "tag:yaml.org,2002:null", "n" },
        { "tag:yaml.org,2002:bool", "tf" },
        { "tag:yaml.org,2002:int", "-0123456789" },
        { "tag:yaml.org,2002:float", "-0123456789" },
    };
    size_t start = next_start(r);
    enum status status;

    if (str_is(tag, "tag:yaml.org,2002:str") || str_is(tag, "!")) {
        json_string(&r->w, s);
        return STATUS_OK;
    }
    for (size_t i = 0; i < ARRAY_SIZE(core); i++) {
        if (!str_is(tag, core[i].tag))
            continue;
        status = write_plain(r, event, s);
        if (status)
            return status;
        if (!r->json.failed && !strchr(core[i].firsts, r->json.p[start]))
            break;
        return STATUS_OK;
    }
    return REFUSE(r, STATUS_INVALID, event, "the tag %.*s does not fit here", STR_ARG(tag));
}

static enum status write_key(struct yaml_reader *r, struct fy_event *event, bool plain,
                             struct str key)
{
    struct level *level = &r->levels[r->depth - 1];
    CLEANUP(buf_deinit) struct buf unique = BUF_INIT(BUF_UNBOUNDED);

    if (plain && str_is(key, "<<"))
        return REFUSE(r, STATUS_INVALID, event, "merge keys (<<) are not supported");
    buf_addf(&unique, "%zu:", level->serial);
    buf_add_str(&unique, key);
    if (map_put(&r->keys, buf_str(&unique), r))
        return REFUSE(r, STATUS_INVALID, event, "the key '%.*s' stands here twice",
                      (int)utf8_prefix(key, 100), key.p);
    json_key_str(&r->w, key);
    level->wants_key = false;
    return STATUS_OK;
}

/* A value of the innermost collection is complete. */
static void value_done(struct yaml_reader *r)
{
    if (r->depth > 0 && r->levels[r->depth - 1].is_mapping)
        r->levels[r->depth - 1].wants_key = true;
}

static bool wants_key(const struct yaml_reader *r)
{
    return r->depth > 0 && r->levels[r->depth - 1].wants_key;
}

static enum status on_scalar(struct yaml_reader *r, struct fy_event *event)
{
    struct fy_token *value = fy_event_get_token(event), *tag = fy_event_get_tag_token(event);
    struct fy_token *anchor = fy_event_get_anchor_token(event);
    bool plain = !value || fy_token_scalar_style(value) == FYSS_PLAIN;
    struct str text = token_text(value);
    size_t start = next_start(r);
    enum status status;

    if (wants_key(r)) {
        if (anchor || (tag && !str_is(token_text(tag), "tag:yaml.org,2002:str")))
            return REFUSE(r, STATUS_INVALID, event, "a key takes neither anchor nor tag");
        return write_key(r, event, plain && !tag, text);
    }
    if (tag)
        status = write_tagged(r, event, token_text(tag), text);
    else if (plain)
        status = write_plain(r, event, text);
    else
        status = (json_string(&r->w, text), STATUS_OK);
    if (status)
        return status;
    if (anchor)
        set_anchor(r, token_text(anchor), start);
    value_done(r);
    return STATUS_OK;
}

static enum status on_alias(struct yaml_reader *r, struct fy_event *event)
{
    struct str name = token_text(fy_event_get_token(event));
    const struct anchor *anchor = map_get(&r->anchors, name);
    size_t n;
    char *at;

    if (wants_key(r))
        return REFUSE(r, STATUS_INVALID, event, "an alias cannot be a key");
    if (!anchor)
        return REFUSE(r, STATUS_INVALID, event,
                      "no value stands before this under the anchor '%.*s'",
                      (int)utf8_prefix(name, 100), name.p);
    n = anchor->end - anchor->start;
    json_raw(&r->w, STR(""));
    at = buf_reserve(&r->json, n);
    if (at) {
        memcpy(at, r->json.p + anchor->start, n);
        buf_commit(&r->json, n);
    }
    value_done(r);
    return STATUS_OK;
}

static enum status on_start(struct yaml_reader *r, struct fy_event *event, bool is_mapping)
{
    struct fy_token *tag = fy_event_get_tag_token(event);
    struct fy_token *anchor = fy_event_get_anchor_token(event);
    struct level *level;

    if (wants_key(r))
        return REFUSE(r, STATUS_INVALID, event, "a key must be text");
    if (tag &&
        !str_is(token_text(tag), is_mapping ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq"))
        return REFUSE(r, STATUS_INVALID, event, "the tag %.*s does not fit here",
                      STR_ARG(token_text(tag)));
    if (r->depth == DEPTH_MOST)
        return REFUSE(r, STATUS_TOO_LARGE, event, "nested deeper than %d levels", DEPTH_MOST);
    level = &r->levels[r->depth++];
    *level = (struct level){ .is_mapping = is_mapping,
                             .wants_key = is_mapping,
                             .start = next_start(r),
                             .serial = r->n_mappings++ };
    if (anchor) {
        level->anchor = arena_copy(r->arena, token_text(anchor));
        /* From here on the name means this collection, which is not there before its end. */
        map_remove(&r->anchors, token_text(anchor));
    }
    if (is_mapping)
        json_begin_object(&r->w);
    else
        json_begin_array(&r->w);
    return STATUS_OK;
}

static void on_end(struct yaml_reader *r)
{
    struct level *level = &r->levels[--r->depth];

    if (level->is_mapping)
        json_end_object(&r->w);
    else
        json_end_array(&r->w);
    if (level->anchor)
        set_anchor(r, str_of(level->anchor), level->start);
    value_done(r);
}

static enum status on_event(struct yaml_reader *r, struct fy_event *event)
{
    enum status status = STATUS_OK;

    switch (event->type) {
    case FYET_SCALAR:
        status = on_scalar(r, event);
        break;
    case FYET_ALIAS:
        status = on_alias(r, event);
        break;
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        status = on_start(r, event, event->type == FYET_MAPPING_START);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        on_end(r);
        break;
    case FYET_DOCUMENT_START:
        if (r->n_documents++ > 0)
            status = REFUSE(r, STATUS_INVALID, event, "expected one document");
        break;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
    if (status == STATUS_OK && r->json.failed)
        status = REFUSE(r, STATUS_TOO_LARGE, event, "the document grows too large");
    return status;
}

static void no_output(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)n;
}

static struct fy_diag *make_diag(void)
{
    struct fy_diag_cfg config;
    struct fy_diag *diag;

    fy_diag_cfg_default(&config);
    config.fp = NULL;
    config.output_fn = no_output;
    diag = fy_diag_create(&config);
    if (diag)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

static enum status syntax_error(struct yaml_reader *r, struct fy_diag *diag)
{
    void *at = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &at);

    if (!e || !e->msg)
        return FAIL(r->err, STATUS_INVALID, "%s: not valid YAML", r->name);
    return FAIL(r->err, STATUS_INVALID, "%s: line %d, column %d: %s", r->name, e->line, e->column,
                e->msg);
}

static enum status read_events(struct yaml_reader *r, struct fy_parser *parser,
                               struct fy_diag *diag)
{
    enum status status = STATUS_OK;
    bool ended = false;

    while (status == STATUS_OK && !ended) {
        struct fy_event *event = fy_parser_parse(parser);

        if (!event)
            break;
        ended = event->type == FYET_STREAM_END;
        status = on_event(r, event);
        fy_parser_event_free(parser, event);
    }
    if (status == STATUS_OK && (!ended || fy_parser_get_stream_error(parser)))
        status = syntax_error(r, diag);
    return status;
}

static enum status to_json(struct yaml_reader *r, struct str source)
{
    struct fy_diag *diag = make_diag();
    const struct fy_parse_cfg config = { .flags = FYPCF_QUIET, .diag = diag };
    struct fy_parser *parser = diag ? fy_parser_create(&config) : NULL;
    enum status status;

    if (!parser || fy_parser_set_string(parser, source.p, source.n) != 0)
        status = FAIL(r->err, STATUS_BROKEN, "%s: cannot start the YAML reader", r->name);
    else
        status = read_events(r, parser, diag);
    if (parser)
        fy_parser_destroy(parser);
    if (diag)
        fy_diag_destroy(diag);
    return status;
}

enum status yaml_parse(struct arena *a, struct str source, const char *name, struct json **out_root,
                       struct error *err)
{
    CLEANUP(yaml_reader_deinit) struct yaml_reader r = { .arena = a, .name = name, .err = err };
    const struct json_limits limits = { .max_depth = DEPTH_MOST, .max_values = VALUES_MOST };
    struct str json;
    enum status status;

    *out_root = NULL;
    if (source.n > TEXT_MOST)
        return FAIL(err, STATUS_TOO_LARGE, "%s: larger than %d MiB", name, TEXT_MOST >> 20);
    if (!utf8_valid(source))
        return FAIL(err, STATUS_INVALID, "%s: the text is not valid UTF-8", name);
    if (source.n > 0 && memchr(source.p, '\0', source.n))
        return FAIL(err, STATUS_INVALID, "%s: the text has a NUL character", name);
    buf_init(&r.json, MIN(source.n * GROWTH + SPARE, (size_t)TEXT_MOST));
    json_writer_init(&r.w, &r.json);
    r.levels = arena_array(a, struct level, DEPTH_MOST);
    if (source.n > 0) {
        status = to_json(&r, source);
        if (status)
            return status;
    }
    json = r.json.n ? buf_str(&r.json) : STR("null");
    json = str_make(arena_copy(a, json), json.n);
    status = json_parse(a, json, &limits, out_root, err);
    /* A position in the JSON text means nothing to the reader of the message. */
    if (status)
        return FAIL(err, status, "%s: too many values, or nested too deep by aliases", name);
    return STATUS_OK;
}
