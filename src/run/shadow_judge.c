/* SPDX-License-Identifier: Apache-2.0 */
/* Both answers are compared. Files of the old one have become addresses of ours by then, whose
 * SHA-256 the store knows; those of the new one are data in it, and are hashed here. What is large
 * is looked through on another thread. */
#include "base/log.h"
#include "base/mem.h"
#include "blob/name.h"
#include "run/canary.h"
#include "run/input_url.h"
#include "run/shadow_impl.h"

#include <stdlib.h>

enum {
    INLINE_MOST = 64 * 1024, /* answers that are looked through on the loop, both together */
    FILES_MOST = 1000,       /* of the old answer; more are compared by their addresses */
};

struct judging {
    struct shadow_copy *copy;
    struct store_file_get get;
    struct work work;
    struct files *files; /* held; NULL: nothing was begun that has to be waited for */
    struct map hashes;   /* secret of an address -> char * of SHADOW_HASH_SIZE; NULL: not known */
    struct arena arena;
    struct str *secrets;
    size_t n_secrets, at;
    struct shadow_rules rules;
    struct shadow_verdict verdict;
};

static bool hash_data(struct str text, char out[SHADOW_HASH_SIZE])
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(SHADOW_HASH_SIZE);
    unsigned char hash[SHA256_SIZE];
    struct data_uri u;

    if (!str_starts(text, "data:") || !data_uri_split(text, &u) || !data_uri_decode(&u, &bytes))
        return false;
    sha256(buf_str(&bytes), hash);
    hex_add(&hex, hash, sizeof(hash));
    (void)snprintf(out, SHADOW_HASH_SIZE, "%.*s", STR_ARG(buf_str(&hex)));
    return true;
}

static bool file_hash(void *arg, bool is_new, struct str text, char out[SHADOW_HASH_SIZE])
{
    const struct judging *j = arg;
    const char *known;

    if (hash_data(text, out))
        return true;
    if (is_new || !str_starts(text, j->copy->base_url))
        return false;
    known = map_get(&j->hashes, input_url_read(text, j->copy->base_url).key);
    if (known)
        (void)snprintf(out, SHADOW_HASH_SIZE, "%s", known);
    return known != NULL;
}

static const struct json *parse(struct judging *j, const struct copy_answer *a)
{
    struct json_limits limits = { .max_depth = JSON_DEPTH_MOST };
    struct json *v;
    struct error err;

    if (!a->output.p || json_parse(&j->arena, a->output, &limits, &v, &err) != STATUS_OK)
        return NULL;
    return v;
}

static void look(struct judging *j)
{
    const struct shadow_copy *c = j->copy;
    struct shadow_answer old = { c->old.failed, c->old.error, parse(j, &c->old) };
    struct shadow_answer new = { c->new.failed, c->new.error, parse(j, &c->new) };

    shadow_compare(&old, &new, &j->rules, &j->verdict);
}

static void over(struct judging *j)
{
    struct files *files = j->files;

    shadow_judged(j->copy, &j->verdict);
    store_op_deinit(&j->get.op);
    map_deinit(&j->hashes);
    arena_deinit(&j->arena);
    free(j);
    if (files)
        files_release(files);
}

static void on_work(struct work *w)
{
    look(container_of(w, struct judging, work));
}

static void on_looked(struct work *w)
{
    over(container_of(w, struct judging, work));
}

static void compare(struct judging *j)
{
    size_t n = j->copy->old.output.n + j->copy->new.output.n;

    if (n <= INLINE_MOST || !j->files) {
        look(j);
        over(j);
        return;
    }
    work_start(j->files->loop, &j->work, on_work, on_looked);
}

static void next_secret(struct judging *j);

static void on_file(struct store_op *op)
{
    struct judging *j = container_of(op, struct judging, get.op);

    if (op->status == STATUS_OK && j->get.row.sha256)
        map_put(&j->hashes, j->secrets[j->at], arena_copy(&j->arena, str_of(j->get.row.sha256)));
    j->at++;
    store_op_deinit(op);
    j->get = (struct store_file_get){ 0 };
    next_secret(j);
}

static void next_secret(struct judging *j)
{
    struct fleet *f = j->copy->shadow->pool->fleet;

    if (j->at == j->n_secrets) {
        compare(j);
        return;
    }
    j->get.secret = arena_copy(&j->arena, j->secrets[j->at]);
    j->get.now = 1; /* one that expires meanwhile is what was answered all the same */
    store_start(f->store, &j->get.op, &STORE_FILE_GET, on_file);
}

/* All that begins as our addresses do; what is none of them has no secret. */
static void find_secrets(struct judging *j)
{
    const struct shadow_copy *c = j->copy;
    struct str rest = c->old.output;
    size_t n = strlen(c->base_url);
    const char *at;

    if (n == 0 || !rest.p)
        return;
    j->secrets = arena_array(&j->arena, struct str, FILES_MOST);
    while (j->n_secrets < FILES_MOST && (at = memmem(rest.p, rest.n, c->base_url, n)) != NULL) {
        const char *end = memchr(at, '"', rest.n - (size_t)(at - rest.p));
        struct input_url u;

        if (!end)
            return;
        u = input_url_read(str_make(at, (size_t)(end - at)), c->base_url);
        if (u.kind == INPUT_URL_OUTPUT)
            j->secrets[j->n_secrets++] = u.key;
        rest.n -= (size_t)(end - rest.p);
        rest.p = end;
    }
}

void shadow_judge(struct shadow_copy *c)
{
    const struct canary_terms *t = &c->shadow->pool->canary->terms;
    struct fleet *f = c->shadow->pool->fleet;
    struct judging *j = xnew(struct judging);

    j->copy = c;
    j->rules = (struct shadow_rules){
        .relative = (double)canary_term(t, SHADOW_RELATIVE) / 1e9,
        .absolute = (double)canary_term(t, SHADOW_ABSOLUTE) / 1e9,
        .joins = c->lane->version->output.is_iterator,
        .file = file_hash,
        .arg = j,
    };
    map_init(&j->hashes);
    j->files = f->files && !f->files->is_stopping ? f->files : NULL;
    if (j->files) {
        files_hold(j->files);
        find_secrets(j);
    }
    next_secret(j);
}
