/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: tokens, the gate before each handler, and the limits of an account. */
#include "api/api.h"
#include "api/events.h"
#include "api/openai.h"
#include "api/registry.h"
#include "api/session.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { USE_STEP_MS = 60000 }; /* a token's last use is kept to this */

static void account_free(struct api_account *x)
{
    char *texts[] = {
        (char *)(uintptr_t)x->info.id,         (char *)(uintptr_t)x->info.username,
        (char *)(uintptr_t)x->info.name,       (char *)(uintptr_t)x->info.github_url,
        (char *)(uintptr_t)x->info.avatar_url,
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    free(x);
}

struct api_account *api_account_add(struct api *a, const struct account *info)
{
    struct api_account *x = xnew(struct api_account);

    x->info = (struct account){
        .id = xstrdup(info->id),
        .type = info->type,
        .username = xstrdup(info->username),
        .name = xstrdup(info->name ? info->name : info->username),
        .github_url = xstrdup(info->github_url),
        .avatar_url = xstrdup(info->avatar_url),
        .created_at = info->created_at,
    };
    x->predictions.level = (double)a->options->rate_limit_predictions;
    x->requests.level = (double)a->options->rate_limit_requests;
    x->predictions.at_ms = x->requests.at_ms = loop_now_ms(a->loop);
    map_put(&a->accounts, str_of(x->info.id), x);
    map_put(&a->by_name, str_of(x->info.username), x);
    return x;
}

void api_token_add(struct api *a, const struct token_row *row)
{
    struct api_account *x = map_get(&a->accounts, str_of(row->account_id));
    struct api_token *t;

    if (!x)
        return;
    t = xnew(struct api_token);
    snprintf(t->id, sizeof(t->id), "%s", row->id);
    memcpy(t->hash, row->hash, sizeof(t->hash));
    t->account = x;
    t->used_at = row->last_used_at;
    free(map_put(&a->tokens, str_make((const char *)t->hash, sizeof(t->hash)), t));
}

void api_token_remove(struct api *a, const unsigned char hash[32])
{
    free(map_remove(&a->tokens, str_make((const char *)hash, 32)));
    events_look(a);
}

/* Only the hash is looked up, under a key that nobody outside knows: what the time of a look-up
 * could tell is of no use. The hashes are then compared in constant time all the same. */
struct api_token *api_token_find(struct api *a, struct str token)
{
    unsigned char hash[SHA256_SIZE];
    struct api_token *t;

    if (token.n == 0 || token.n > 200)
        return NULL;
    sha256(token, hash);
    t = map_get(&a->tokens, str_make((const char *)hash, sizeof(hash)));
    return t && bytes_equal_constant_time(t->hash, hash, sizeof(hash)) ? t : NULL;
}

struct api_token *api_token_given(struct api *a, struct str authorization)
{
    struct str rest = str_trim(authorization), scheme;

    if (!str_split(&rest, ' ', &scheme) || !rest.p)
        return NULL;
    if (!str_ieq(scheme, STR("bearer")) && !str_ieq(scheme, STR("token")))
        return NULL;
    return api_token_find(a, str_trim(rest));
}

static void refuse_token(struct http_request *r, const char *detail)
{
    http_set_header(r, "WWW-Authenticate", "Bearer");
    if (openai_is(r)) {
        openai_problem(r, 401, "invalid_request_error", NULL, "invalid_api_key", "%s", detail);
        return;
    }
    http_problem(r, 401, "Unauthenticated", "%s", detail);
}

void bucket_refill(struct bucket *b, int64_t per_minute, int64_t now_ms)
{
    b->level += (double)(now_ms - b->at_ms) * (double)per_minute / 60000.0;
    b->level = MIN(b->level, (double)per_minute);
    b->at_ms = now_ms;
}

/* False: the answer 429 has been given. */
static bool take(struct http_request *r, bool creates_prediction)
{
    struct api *a = api_of(r);
    struct api_account *x = account_of(r);
    struct bucket *b = creates_prediction ? &x->predictions : &x->requests;
    int64_t limit =
        creates_prediction ? a->options->rate_limit_predictions : a->options->rate_limit_requests;
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1024);
    char text[32];
    int wait_s;

    if (limit == 0)
        return true;
    bucket_refill(b, limit, loop_now_ms(a->loop));
    if (b->level >= 1) {
        b->level -= 1;
        snprintf(text, sizeof(text), "%lld", (long long)b->level);
        http_set_header(r, "ratelimit-remaining", text);
        http_set_header(r, "ratelimit-reset", "1");
        return true;
    }
    wait_s = (int)((1 - b->level) * 60.0 / (double)limit) + 1;
    snprintf(text, sizeof(text), "%d", wait_s);
    http_set_header(r, "Retry-After", text);
    http_set_header(r, "ratelimit-remaining", "0");
    http_set_header(r, "ratelimit-reset", text);
    if (openai_is(r)) {
        openai_problem(r, 429, "rate_limit_error", NULL, "rate_limit_exceeded",
                       "Request was throttled. Your rate limit resets in ~%ds.", wait_s);
        return false;
    }
    buf_addf(
        &body,
        "{\"detail\":\"Request was throttled. Your rate limit resets in ~%ds.\",\"status\":429,"
        "\"retry_after\":%d}",
        wait_s, wait_s);
    http_respond(r, 429, "application/problem+json", buf_str(&body));
    return false;
}

/* False: the answer 507 has been given. */
static bool has_room(struct http_request *r)
{
    const struct disk *d = api_of(r)->disk;

    if (!(r->route->flags & HTTP_TAKES_ROOM) || !disk_is_low(api_of(r)->disk))
        return true;
    http_set_header(r, "Retry-After", "10");
    if (openai_is(r))
        openai_problem(r, 507, "server_error", NULL, "insufficient_storage",
                       "The server's disk is nearly full: nothing new is accepted.");
    else
        http_problem(
            r, 507, NULL,
            "The server's disk is nearly full (%lld bytes are free, and disk_reserve is "
            "%lld): nothing new is accepted until there is room. What was accepted goes on.",
            (long long)d->free, (long long)d->reserve);
    return false;
}

static void on_use_noted(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("a token's last use could not be stored", LOG_ERR(&op->error));
    api_op_drop(op);
}

static void note_use(struct api *a, struct api_token *t)
{
    int64_t now = loop_wall_ms(a->loop);
    struct store_token_use *op;

    if (now - t->used_at < USE_STEP_MS)
        return;
    t->used_at = now;
    op = api_op_new(sizeof(*op));
    op->id = store_keep(&op->op, str_of(t->id));
    op->now = now;
    store_start(a->store, &op->op, &STORE_TOKEN_USE, on_use_noted);
}

struct api_token *api_token_of(const struct http_request *r)
{
    struct str given = http_header(r, "authorization");

    return given.p ? api_token_given(api_of(r), given) : session_token(r);
}

bool api_gate(struct http_request *r)
{
    struct str given = http_header(r, "authorization");
    struct api_token *token;

    if (r->route->flags & HTTP_OPEN)
        return true;
    if (registry_is(r)) {
        token = registry_enter(r);
        if (!token)
            return false;
    } else if (!given.p && session_is(r)) {
        token = session_enter(r);
        if (!token)
            return false;
    } else if (!given.p) {
        refuse_token(r, "You did not pass an authentication token");
        return false;
    } else {
        token = api_token_given(api_of(r), given);
    }
    if (!token) {
        refuse_token(r, "You did not pass a valid authentication token");
        return false;
    }
    r->account = token->account;
    note_use(api_of(r), token);
    if (!has_room(r))
        return false;
    if (strstr(r->route->name, "predictions.create") ||
        strstr(r->route->name, "completions.create"))
        return take(r, true);
    return take(r, false);
}

void api_observe(struct http_request *r, int status, int64_t took_ms, uint64_t bytes_out)
{
    struct api_account *x = r->account;

    http_metrics_observe(&api_of(r)->http, r, status, took_ms);
    log_debug("request", LOG_S("request", r->id), LOG_S("method", r->method ? r->method : ""),
              LOG_S("route", r->route ? r->route->path : ""), LOG_I("status", status),
              LOG_I("ms", took_ms), LOG_I("bytes", bytes_out), LOG_STR("peer", r->peer),
              LOG_S("account", x ? x->info.username : ""));
}

static enum status load_accounts(struct api *a, struct error *err)
{
    struct store_account_list op = { 0 };
    enum status s = store_run(a->store, &op.op, &STORE_ACCOUNT_LIST);

    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        api_account_add(a, &op.rows[i]);
    store_op_deinit(&op.op);
    return s;
}

enum status api_init(struct api *a, struct loop *l, struct store *st, struct fleet *f,
                     struct builds *b, const struct options *o, struct error *err)
{
    struct store_token_list op = { 0 };
    enum status s;

    *a = (struct api){
        .loop = l,
        .store = st,
        .fleet = f,
        .builds = b,
        .hardware = f->hardware,
        .options = o,
        .started_at = loop_wall_ms(l),
    };
    http_metrics_init(&a->http);
    list_init(&a->waits);
    list_init(&a->streams);
    events_init(a);
    map_init(&a->replays);
    map_init(&a->accounts);
    map_init(&a->by_name);
    map_init(&a->tokens);
    map_init(&a->sessions);
    map_init(&a->sign_ins);
    map_init(&a->searches);
    s = load_accounts(a, err);
    if (s == STATUS_OK)
        s = registry_new(l, o, &a->registry, err);
    if (s != STATUS_OK)
        return s;
    s = store_run(st, &op.op, &STORE_TOKEN_LIST);
    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        api_token_add(a, &op.rows[i]);
    store_op_deinit(&op.op);
    return s ? s : sessions_load(a, err);
}

void api_deinit(struct api *a)
{
    void *value;

    for (size_t at = 0; map_next(&a->tokens, &at, NULL, &value);)
        free(value);
    for (size_t at = 0; map_next(&a->accounts, &at, NULL, &value);)
        account_free(value);
    a->fleet->listener = NULL;
    registry_free(a->registry);
    sessions_free(a);
    api_addresses_free(&a->searches);
    map_deinit(&a->replays);
    map_deinit(&a->tokens);
    map_deinit(&a->by_name);
    map_deinit(&a->accounts);
}
