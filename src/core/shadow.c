/* SPDX-License-Identifier: Apache-2.0 */
#include "core/shadow.h"

#include "base/compiler.h"

#include <stdio.h>

static const char *const DROPS[SHADOW_DROPS] = {
    [SHADOW_DROP_BUSY] = "busy",           [SHADOW_DROP_NOT_READY] = "not_ready",
    [SHADOW_DROP_TOO_LARGE] = "too_large", [SHADOW_DROP_CANCELED] = "canceled",
    [SHADOW_DROP_LOST] = "lost",
};

const char *shadow_drop_name(enum shadow_drop d)
{
    return DROPS[d];
}

void shadow_begin(struct shadow_report *r, int64_t release, int64_t base)
{
    memset(r, 0, sizeof(*r));
    r->release = release;
    r->base = base;
}

static void forget_values(struct shadow_example *e)
{
    e->first.before[0] = e->first.after[0] = '\0';
}

void shadow_count(struct shadow_report *r, const struct shadow_verdict *v, bool new_failed,
                  const struct shadow_example *how)
{
    struct shadow_example *e = &r->examples[r->next];

    r->failed += new_failed;
    r->same += v->kinds == 0;
    r->differ += v->kinds != 0;
    for (int k = 0; k < SHADOW_KINDS; k++)
        r->kinds[k] += (v->kinds >> k) & 1;
    if (v->kinds == 0)
        return;
    *e = *how;
    e->n = v->n;
    e->first = v->first;
    if (e->is_masked || e->is_erased)
        forget_values(e);
    r->next = (r->next + 1) % SHADOW_EXAMPLES;
    r->n_examples = MIN(r->n_examples + 1, (size_t)SHADOW_EXAMPLES);
}

int64_t shadow_dropped(const struct shadow_report *r)
{
    int64_t n = 0;

    for (int i = 0; i < SHADOW_DROPS; i++)
        n += r->dropped[i];
    return n;
}

static bool has_values(const struct shadow_example *e)
{
    return !e->is_masked && !e->is_erased;
}

bool shadow_erase(struct shadow_report *r, int64_t before, const char *prediction)
{
    bool any = false;

    for (size_t i = 0; i < r->n_examples; i++) {
        struct shadow_example *e = &r->examples[i];

        if (!has_values(e) ||
            (e->at > before && !(prediction && strcmp(e->prediction, prediction) == 0)))
            continue;
        e->is_erased = any = true;
        forget_values(e);
    }
    return any;
}

int64_t shadow_oldest(const struct shadow_report *r)
{
    int64_t oldest = 0;

    for (size_t i = 0; i < r->n_examples; i++)
        if (has_values(&r->examples[i]) && (!oldest || r->examples[i].at < oldest))
            oldest = r->examples[i].at;
    return oldest;
}

const struct shadow_example *shadow_example(const struct shadow_report *r, size_t i)
{
    if (i >= r->n_examples)
        return NULL;
    return &r->examples[(r->next + SHADOW_EXAMPLES - 1 - i) % SHADOW_EXAMPLES];
}

/* --- over a restart --- */

static void write_counts(struct json_writer *w, const char *key, const int64_t *n,
                         const char *const *names, size_t count)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < count; i++)
        json_member_int(w, names[i], n[i]);
    json_end_object(w);
}

static const char *const *kind_names(void)
{
    static const char *names[SHADOW_KINDS];

    for (int k = 0; k < SHADOW_KINDS; k++)
        names[k] = shadow_kind_name((enum shadow_kind)k);
    return names;
}

static void write_example(struct json_writer *w, const struct shadow_example *e)
{
    json_begin_object(w);
    json_member_string(w, "prediction", e->prediction);
    json_member_int(w, "at", e->at);
    json_member_bool(w, "masked", e->is_masked);
    json_member_bool(w, "erased", e->is_erased);
    json_member_double(w, "old_seconds", e->old_seconds);
    json_member_double(w, "new_seconds", e->new_seconds);
    json_member_int(w, "n", (int64_t)e->n);
    json_member_string(w, "kind", shadow_kind_name(e->first.kind));
    json_member_string(w, "path", e->first.path);
    json_member_string(w, "before", e->first.before);
    json_member_string(w, "after", e->first.after);
    json_end_object(w);
}

void shadow_write(const struct shadow_report *r, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "release", r->release);
    json_member_int(&w, "base", r->base);
    json_member_int(&w, "copied", r->copied);
    json_member_int(&w, "same", r->same);
    json_member_int(&w, "differ", r->differ);
    json_member_int(&w, "failed", r->failed);
    write_counts(&w, "dropped", r->dropped, DROPS, SHADOW_DROPS);
    write_counts(&w, "kinds", r->kinds, kind_names(), SHADOW_KINDS);
    json_key(&w, "examples");
    json_begin_array(&w);
    for (size_t i = r->n_examples; i > 0; i--) /* oldest first: they are counted again so */
        write_example(&w, shadow_example(r, i - 1));
    json_end_array(&w);
    json_end_object(&w);
}

static bool read_counts(const struct json *v, int64_t *n, const char *const *names, size_t count)
{
    bool ok = json_is(v, JSON_OBJECT);

    for (size_t i = 0; ok && i < count; i++)
        ok = json_to_i64(json_get(v, names[i]), &n[i]);
    return ok;
}

static void copy_text(const struct json *v, const char *key, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", STR_ARG(json_to_str(json_get(v, key))));
}

static bool read_example(const struct json *v, struct shadow_example *e)
{
    int64_t n = 0;
    bool ok = json_to_i64(json_get(v, "at"), &e->at) && json_to_i64(json_get(v, "n"), &n) &&
              json_to_bool(json_get(v, "masked"), &e->is_masked) &&
              json_to_bool(json_get(v, "erased"), &e->is_erased) &&
              json_to_double(json_get(v, "old_seconds"), &e->old_seconds) &&
              json_to_double(json_get(v, "new_seconds"), &e->new_seconds);

    e->n = (size_t)MAX(n, 0);
    for (int k = 0; k < SHADOW_KINDS; k++)
        if (str_is(json_to_str(json_get(v, "kind")), shadow_kind_name((enum shadow_kind)k)))
            e->first.kind = (enum shadow_kind)k;
    copy_text(v, "prediction", e->prediction, sizeof(e->prediction));
    copy_text(v, "path", e->first.path, sizeof(e->first.path));
    copy_text(v, "before", e->first.before, sizeof(e->first.before));
    copy_text(v, "after", e->first.after, sizeof(e->first.after));
    return ok;
}

bool shadow_read(struct shadow_report *r, struct str stored)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct error err;
    struct json *v;
    bool ok;

    shadow_begin(r, 0, 0);
    if (json_parse(&a, stored, NULL, &v, &err) != STATUS_OK)
        return false;
    ok = json_to_i64(json_get(v, "release"), &r->release) &&
         json_to_i64(json_get(v, "base"), &r->base) &&
         json_to_i64(json_get(v, "copied"), &r->copied) &&
         json_to_i64(json_get(v, "same"), &r->same) &&
         json_to_i64(json_get(v, "differ"), &r->differ) &&
         json_to_i64(json_get(v, "failed"), &r->failed) &&
         read_counts(json_get(v, "dropped"), r->dropped, DROPS, SHADOW_DROPS) &&
         read_counts(json_get(v, "kinds"), r->kinds, kind_names(), SHADOW_KINDS);
    json_each (json_get(v, "examples"), e) {
        ok = ok && read_example(e, &r->examples[r->next]);
        r->next = (r->next + 1) % SHADOW_EXAMPLES;
        r->n_examples = MIN(r->n_examples + 1, (size_t)SHADOW_EXAMPLES);
    }
    if (!ok)
        shadow_begin(r, 0, 0);
    return ok;
}
