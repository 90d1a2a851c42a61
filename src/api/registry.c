/* SPDX-License-Identifier: Apache-2.0 */
#include "api/registry.h"

#include "api/registry_impl.h"
#include "api/session.h"
#include "base/encode.h"
#include "base/mem.h"
#include "core/image.h"

#include <stdlib.h>

enum { MAX_AUTHORIZATION = 1024, MAX_UPLOAD_ID = 128 };

/* --- who asks --- */

bool registry_is(const struct http_request *r)
{
    return str_starts(r->path, "/v2/") || str_is(r->path, "/v2");
}

static struct api_token *find_token(struct api *a, struct str token)
{
    char whole[TOKEN_LEN + 1];
    struct api_token *t = api_token_find(a, token);

    if (t || token.n + 3 != TOKEN_LEN)
        return t;
    snprintf(whole, sizeof(whole), "r8_%.*s", STR_ARG(token));
    return api_token_find(a, str_of(whole));
}

/* "name:token": the name has to be the one of the token's account, so that nobody pushes as
 * somebody else by mistake. */
static struct api_token *enter_basic(struct api *a, struct str text)
{
    struct buf plain CLEANUP(buf_deinit) = BUF_INIT(MAX_AUTHORIZATION);
    struct api_token *t;
    struct str rest, name;

    if (text.n > MAX_AUTHORIZATION || !base64_decode(text, &plain))
        return NULL;
    rest = buf_str(&plain);
    if (!str_split(&rest, ':', &name) || !rest.p)
        return NULL;
    t = find_token(a, rest);
    return t && str_is(name, t->account->info.username) ? t : NULL;
}

struct api_token *registry_enter(struct http_request *r)
{
    struct str given = http_header(r, "authorization"), rest = str_trim(given), scheme;
    struct api_token *t = NULL;

    if (given.p && str_split(&rest, ' ', &scheme) && rest.p) {
        rest = str_trim(rest);
        if (str_ieq(scheme, STR("basic")))
            t = enter_basic(api_of(r), rest);
        else if (str_ieq(scheme, STR("bearer")) || str_ieq(scheme, STR("token")))
            t = find_token(api_of(r), rest);
    }
    if (t)
        return t;
    http_set_header(r, "WWW-Authenticate", "Basic realm=\"Berth\"");
    http_problem(r, 401, NULL,
                 given.p ? "This account's name and token do not belong together, or the token is "
                           "none: `docker login` asks for both."
                         : "Sign in first: `docker login` with the account's name, and a token of "
                           "it as the password.");
    return NULL;
}

/* --- refusals --- */

static const char *code_of(const struct http_request *r, int status)
{
    const char *name = r->route ? r->route->name : "";
    bool is_manifest = strstr(name, "manifests"), is_upload = strstr(name, "uploads");

    switch (status) {
    case 401:
        return "UNAUTHORIZED";
    case 403:
        return "DENIED";
    case 400:
        return is_manifest ? "MANIFEST_INVALID" : "DIGEST_INVALID";
    case 404:
        return is_manifest            ? "MANIFEST_UNKNOWN"
               : is_upload            ? "BLOB_UPLOAD_UNKNOWN"
               : strstr(name, "blob") ? "BLOB_UNKNOWN"
                                      : "NAME_UNKNOWN";
    case 413:
        return "SIZE_INVALID";
    case 429:
        return "TOOMANYREQUESTS";
    default:
        return status < 500 ? "UNSUPPORTED" : "UNAVAILABLE";
    }
}

bool registry_refuse(struct http_request *r, int status, struct str detail)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 10);
    struct json_writer w;

    if (!registry_is(r))
        return false;
    if (status == 404 && !r->route)
        detail = STR("There is nothing here: an image is HOST/OWNER/NAME, with one slash between "
                     "the account and the model.");
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_key(&w, "errors");
    json_begin_array(&w);
    json_begin_object(&w);
    json_member_string(&w, "code", code_of(r, status));
    json_member_string(&w, "message", arena_copy(r->arena, detail));
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    http_set_header(r, "Docker-Distribution-Api-Version", "registry/2.0");
    http_respond(r, status, "application/json", buf_str(&body));
    return true;
}

/* --- what is asked for --- */

/* A registry's names are narrower than a model's: what it would refuse is refused here. */
static bool name_ok(struct http_request *r, struct str *name)
{
    struct error err;

    *name = str_of(arena_copy(r->arena, *name));
    return object_name_ok(*name, "model", &err) && !strstr(name->p, "..");
}

bool registry_repository(struct http_request *r, char out[160])
{
    struct str owner = http_param(r, "owner"), name = http_param(r, "name");
    const struct account *me = &account_of(r)->info;

    if (!api_of(r)->registry) {
        http_problem(r, 404, NULL,
                     "This server has no registry: its option `registry` names none.");
        return false;
    }
    if (!str_is(owner, me->username)) {
        http_problem(r, 403, NULL, "%.*s is not yours: images go to, and come from, %s/MODEL only.",
                     (int)MIN(owner.n, (size_t)60), owner.p, me->username);
        return false;
    }
    if (!name_ok(r, &name)) {
        http_problem(r, 404, NULL, "\"%.80s\" cannot be the name of a model.", name.p);
        return false;
    }
    snprintf(out, 160, "/v2/%s/%s", me->username, name.p);
    return true;
}

/* The path's last part, where it is what the route expects: a digest, a digest or a tag, or the
 * name that the registry gave an upload. */
static const char *last_part(struct http_request *r, bool *out_ok)
{
    struct str digest = http_param(r, "digest"), upload = http_param(r, "upload");
    struct str reference = http_param(r, "reference");

    *out_ok = true;
    if (digest.p) {
        *out_ok = image_digest_ok(digest);
        return arena_printf(r->arena, "/blobs/%.*s", STR_ARG(digest));
    }
    if (reference.p) {
        *out_ok = image_digest_ok(reference) || image_tag_ok(reference);
        return arena_printf(r->arena, "/manifests/%.*s", STR_ARG(reference));
    }
    if (upload.p) {
        *out_ok = upload.n <= MAX_UPLOAD_ID && image_tag_ok(upload);
        return arena_printf(r->arena, "/blobs/uploads/%.*s", STR_ARG(upload));
    }
    return str_ends(r->path, "/list") ? "/tags/list" : "/blobs/uploads/";
}

static bool find_path(struct http_request *r, char out[400])
{
    const char *last;
    char repository[160];
    bool ok;

    if (!registry_repository(r, repository))
        return false;
    last = last_part(r, &ok);
    if (!ok)
        http_problem(r, 404, NULL,
                     "There is nothing by that name: it must be sha256: and 64 hex digits%s.",
                     http_param(r, "reference").p ? ", or a tag" : "");
    else
        snprintf(out, 400, "%s%s", repository, last);
    return ok;
}

/* --- routes --- */

void registry_base(struct http_request *r)
{
    if (!api_of(r)->registry) {
        http_problem(r, 404, NULL,
                     "This server has no registry: its option `registry` names none.");
        return;
    }
    http_set_header(r, "Docker-Distribution-Api-Version", "registry/2.0");
    http_respond(r, 200, "application/json", STR("{}"));
}

void registry_read(struct http_request *r)
{
    char path[400];

    if (find_path(r, path))
        registry_pass(r, r->is_head ? "HEAD" : r->method, path, r->query);
}

/* Of what begins an upload, only what is known to be harmless: a mount makes a blob of another
 * repository one of this, and that must be the account's own. Without it the blob is uploaded, as
 * clients are ready to do. */
static struct str begin_query(struct http_request *r)
{
    struct str from = http_query(r, "from"), mount = http_query(r, "mount");
    struct str digest = http_query(r, "digest"), owner;

    if (image_digest_ok(digest))
        return str_of(arena_printf(r->arena, "digest=%.*s", STR_ARG(digest)));
    if (from.p && image_digest_ok(mount) && str_split(&from, '/', &owner) && from.p &&
        str_is(owner, account_of(r)->info.username) && name_ok(r, &from))
        return str_of(arena_printf(r->arena, "mount=%.*s&from=%.*s%%2F%.*s", STR_ARG(mount),
                                   STR_ARG(owner), STR_ARG(from)));
    return STR("");
}

void registry_upload(struct http_request *r)
{
    bool begins = strcmp(r->method, "POST") == 0;
    char path[400];

    if (find_path(r, path))
        registry_pass(r, r->method, path, begins ? begin_query(r) : r->query);
}

/* --- cog login --- */

void cog_token_address(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "url", arena_printf(r->arena, "%s/account", api_base(r)));
    json_end_object(&w);
    api_answer(r, 200, &body);
}

/* The form's member `token`. */
static struct str form_token(struct http_request *r)
{
    struct buf plain = BUF_INIT(MAX_AUTHORIZATION);
    struct str rest = r->body, pair, name;

    while (str_split(&rest, '&', &pair)) {
        if (!str_split(&pair, '=', &name) || !str_is(name, "token") || !pair.p)
            continue;
        if (percent_decode(pair, &plain))
            pair = str_of(arena_copy(r->arena, buf_str(&plain)));
        buf_deinit(&plain);
        return str_trim(pair);
    }
    return STR_NULL;
}

void cog_token_verify(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct api_token *t;
    struct json_writer w;

    if (!session_may_guess(r, false)) {
        (void)session_refuse_guessing(r);
        return;
    }
    t = find_token(api_of(r), form_token(r));
    if (!t) {
        (void)session_may_guess(r, true);
        http_problem(r, 404, NULL, "There is no such token.");
        return;
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "username", t->account->info.username);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

/* --- the registry itself --- */

enum status registry_new(struct loop *l, const struct options *o, struct registry **out,
                         struct error *err)
{
    struct str url = str_of(o->registry);
    struct registry *g;
    const char *host;

    *out = NULL;
    if (!url.n)
        return STATUS_OK;
    host = strstr(o->registry, "://");
    host = host ? host + 3 : "";
    if (!(str_starts(url, "http://") || str_starts(url, "https://")) || !*host ||
        strpbrk(host, "/?#@ "))
        return FAIL(err, STATUS_INVALID,
                    "registry is \"%.150s\"; it must be the address of a registry without a path, "
                    "such as http://127.0.0.1:5000",
                    o->registry);
    g = xnew(struct registry);
    g->loop = l;
    g->client = http_client_new(l);
    g->url = xstrdup(o->registry);
    g->host = g->url + (host - o->registry);
    g->max_layer = o->registry_max_layer;
    list_init(&g->open);
    *out = g;
    return STATUS_OK;
}

void registry_free(struct registry *g)
{
    struct registry_open *x;

    if (!g)
        return;
    http_client_free(g->client); /* what is open ends without a word */
    list_each (&g->open, x, struct registry_open, node)
        x->free(x);
    free(g->url);
    free(g);
}
