/* SPDX-License-Identifier: Apache-2.0 */
/* Both trees are walked together. The path of where we are is one buffer, which each level cuts
 * back to what it found. */
#include "core/shadow_compare.h"

#include "base/map.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
    FEW_MEMBERS = 16, /* of an object: found by looking at each */
    CONTEXT = 24,     /* bytes that are shown before the first that differs */
};

struct walk {
    const struct shadow_rules *rules;
    struct shadow_verdict *out;
    struct buf path;
};

static const char *const KINDS[SHADOW_KINDS] = {
    [SHADOW_STATUS] = "status",   [SHADOW_INPUT] = "input",   [SHADOW_TYPE] = "type",
    [SHADOW_TEXT] = "text",       [SHADOW_NUMBER] = "number", [SHADOW_FILE] = "file",
    [SHADOW_MISSING] = "missing", [SHADOW_ADDED] = "added",
};

const char *shadow_kind_name(enum shadow_kind k)
{
    return KINDS[k];
}

/* --- what is told --- */

/* As much of it as there is room for, from `from` on, in whole characters. */
static void shorten(struct str s, size_t from, char out[SHADOW_VALUE_SIZE])
{
    static const char dots[] = "…";
    size_t room = SHADOW_VALUE_SIZE - 1 - 2 * (sizeof(dots) - 1), n;
    bool has_head, has_tail;

    if (s.n < SHADOW_VALUE_SIZE)
        from = 0;
    from = MIN(from, s.n);
    while (from < s.n && ((unsigned char)s.p[from] & 0xc0) == 0x80)
        from++;
    has_head = from > 0;
    s = str_make(s.p + from, s.n - from);
    n = s.n < SHADOW_VALUE_SIZE - (has_head ? sizeof(dots) - 1 : 0) ? s.n : utf8_prefix(s, room);
    has_tail = n < s.n;
    (void)snprintf(out, SHADOW_VALUE_SIZE, "%s%.*s%s", has_head ? dots : "", (int)n, s.p ? s.p : "",
                   has_tail ? dots : "");
}

static struct str shown(const struct json *v)
{
    if (!v)
        return STR("");
    return json_is(v, JSON_STRING) ? v->text : v->span;
}

/* The first one is told in full: where, and what stood there. */
static struct shadow_difference *differs(struct walk *w, enum shadow_kind kind)
{
    struct shadow_difference *d = &w->out->first;
    struct str path = buf_str(&w->path);

    w->out->kinds |= 1U << kind;
    if (w->out->n++ > 0)
        return NULL;
    *d = (struct shadow_difference){ .kind = kind };
    (void)snprintf(d->path, sizeof(d->path), "%.*s", (int)utf8_prefix(path, SHADOW_PATH_SIZE - 1),
                   path.p);
    return d;
}

static void differ_in_text(struct walk *w, enum shadow_kind kind, struct str before,
                           struct str after)
{
    struct shadow_difference *d = differs(w, kind);
    size_t same = 0;

    if (!d)
        return;
    while (same < before.n && same < after.n && before.p[same] == after.p[same])
        same++;
    same -= MIN(same, (size_t)CONTEXT);
    shorten(before, same, d->before);
    shorten(after, same, d->after);
}

static size_t path_add(struct walk *w, struct str name)
{
    size_t was = w->path.n;

    buf_addc(&w->path, '.');
    buf_add_str(&w->path, name);
    return was;
}

static size_t path_add_index(struct walk *w, size_t at)
{
    size_t was = w->path.n;

    buf_addf(&w->path, ".%zu", at);
    return was;
}

static void path_cut(struct walk *w, size_t n)
{
    w->path.n = n;
    w->path.p[n] = '\0';
    w->path.failed = false; /* deeper ones had no room; this one had */
}

/* --- values --- */

static bool is_file(const struct walk *w, bool is_new, const struct json *v,
                    char out[SHADOW_HASH_SIZE])
{
    return w->rules->file && json_is(v, JSON_STRING) &&
           w->rules->file(w->rules->arg, is_new, v->text, out);
}

static void show_hash(char out[SHADOW_VALUE_SIZE], const char hash[SHADOW_HASH_SIZE],
                      const struct json *v, bool is_of_file)
{
    if (is_of_file)
        (void)snprintf(out, SHADOW_VALUE_SIZE, "sha256:%s", hash);
    else
        shorten(shown(v), 0, out);
}

/* True: at least one of them is a file, and that is said. */
static bool compare_files(struct walk *w, const struct json *before, const struct json *after)
{
    char old[SHADOW_HASH_SIZE] = "", new[SHADOW_HASH_SIZE] = "";
    bool is_old = is_file(w, false, before, old), is_new = is_file(w, true, after, new);
    struct shadow_difference *d;

    if (!is_old && !is_new)
        return false;
    if (is_old && is_new && strcmp(old, new) == 0)
        return true;
    d = differs(w, SHADOW_FILE);
    if (d) {
        show_hash(d->before, old, before, is_old);
        show_hash(d->after, new, after, is_new);
    }
    return true;
}

static bool are_near(const struct shadow_rules *r, const struct json *before,
                     const struct json *after)
{
    double a, b, most;

    if (str_eq(before->text, after->text))
        return true;
    if (!json_to_double(before, &a) || !json_to_double(after, &b))
        return false;
    most = fmax(r->absolute, r->relative * fmax(fabs(a), fabs(b)));
    /* Whole numbers beyond what a double can tell apart are not the same for that. */
    return a == b ? json_equal(before, after) || most >= 1 : fabs(a - b) <= most;
}

static void compare(struct walk *w, const struct json *before, const struct json *after);

static void compare_members(struct walk *w, const struct json *before, const struct json *after)
{
    struct map by_key = { 0 };
    bool is_large = after->n > FEW_MEMBERS || before->n > FEW_MEMBERS;
    size_t at;

    for (int turn = 0; turn < 2; turn++) {
        const struct json *from = turn ? after : before, *to = turn ? before : after;

        map_init(&by_key);
        for (struct json *m = is_large ? to->child : NULL; m; m = m->next)
            map_put(&by_key, m->key, m);
        json_each (from, m) {
            const struct json *other =
                is_large ? map_get(&by_key, m->key) : json_get_str(to, m->key);

            if (turn && other)
                continue;
            at = path_add(w, m->key);
            if (other)
                compare(w, m, other);
            else
                differ_in_text(w, turn ? SHADOW_ADDED : SHADOW_MISSING, shown(turn ? NULL : m),
                               shown(turn ? m : NULL));
            path_cut(w, at);
        }
        map_deinit(&by_key);
    }
}

static void compare_elements(struct walk *w, const struct json *before, const struct json *after)
{
    const struct json *a = before->child, *b = after->child;

    for (size_t i = 0; a || b; i++) {
        size_t at = path_add_index(w, i);

        if (a && b)
            compare(w, a, b);
        else
            differ_in_text(w, a ? SHADOW_MISSING : SHADOW_ADDED, shown(a), shown(b));
        path_cut(w, at);
        a = a ? a->next : NULL;
        b = b ? b->next : NULL;
    }
}

static bool is_boolean(const struct json *v)
{
    return json_is(v, JSON_TRUE) || json_is(v, JSON_FALSE);
}

static void compare(struct walk *w, const struct json *before, const struct json *after)
{
    if (compare_files(w, before, after))
        return;
    if (is_boolean(before) && is_boolean(after)) {
        if (before->type != after->type)
            differ_in_text(w, SHADOW_TEXT, before->span, after->span);
        return;
    }
    if (before->type != after->type) {
        differ_in_text(w, SHADOW_TYPE, shown(before), shown(after));
        return;
    }
    switch (before->type) {
    case JSON_NUMBER:
        if (!are_near(w->rules, before, after))
            differ_in_text(w, SHADOW_NUMBER, before->text, after->text);
        break;
    case JSON_STRING:
        if (!str_eq(before->text, after->text))
            differ_in_text(w, SHADOW_TEXT, before->text, after->text);
        break;
    case JSON_ARRAY:
        compare_elements(w, before, after);
        break;
    case JSON_OBJECT:
        compare_members(w, before, after);
        break;
    default:
        break;
    }
}

/* --- the whole --- */

/* What a list of texts says when it is read as one; false: it is none, or holds files. */
static bool join(const struct walk *w, bool is_new, const struct json *v, struct buf *out)
{
    char hash[SHADOW_HASH_SIZE];

    if (!json_is(v, JSON_ARRAY))
        return false;
    json_each (v, piece) {
        if (!json_is(piece, JSON_STRING) || is_file(w, is_new, piece, hash))
            return false;
        buf_add_str(out, piece->text);
    }
    return true;
}

static void compare_values(struct walk *w, const struct json *before, const struct json *after)
{
    static const struct json nothing = { .type = JSON_NULL, .span = { .p = "null", .n = 4 } };
    struct buf old CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf new CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    before = before ? before : &nothing;
    after = after ? after : &nothing;
    if (!w->rules->joins || !join(w, false, before, &old) || !join(w, true, after, &new))
        compare(w, before, after);
    else if (!str_eq(buf_str(&old), buf_str(&new)))
        differ_in_text(w, SHADOW_TEXT, buf_str(&old), buf_str(&new));
}

static struct str how_it_ended(const struct shadow_answer *a, struct buf *out)
{
    buf_adds(out, a->failed ? "failed" : "succeeded");
    if (a->failed && a->error)
        buf_addf(out, ": %.*s", (int)utf8_prefix(str_of(a->error), SHADOW_VALUE_SIZE), a->error);
    return buf_str(out);
}

void shadow_compare(const struct shadow_answer *before, const struct shadow_answer *after,
                    const struct shadow_rules *rules, struct shadow_verdict *out)
{
    struct buf old CLEANUP(buf_deinit) = BUF_INIT(4 * SHADOW_VALUE_SIZE);
    struct buf new CLEANUP(buf_deinit) = BUF_INIT(4 * SHADOW_VALUE_SIZE);
    struct walk w = { .rules = rules, .out = out, .path = BUF_INIT(SHADOW_PATH_SIZE) };

    *out = (struct shadow_verdict){ 0 };
    if (before->failed != after->failed) {
        buf_adds(&w.path, "status");
        differ_in_text(&w, SHADOW_STATUS, how_it_ended(before, &old), how_it_ended(after, &new));
    } else if (!before->failed) {
        buf_adds(&w.path, "output");
        compare_values(&w, before->value, after->value);
    }
    buf_deinit(&w.path);
}

void shadow_refused(struct shadow_verdict *out, const char *field, const char *why)
{
    *out = (struct shadow_verdict){ .kinds = 1U << SHADOW_INPUT, .n = 1 };
    out->first.kind = SHADOW_INPUT;
    (void)snprintf(out->first.path, SHADOW_PATH_SIZE, "%s", field);
    shorten(str_of(why), 0, out->first.after);
}
