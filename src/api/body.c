/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of management calls: members by type and size, with a problem for each that is not right.
 */
#include "api/api.h"
#include "base/utf8.h"

bool body_is_object(struct http_request *r)
{
    struct problems p;

    if (json_is(r->json, JSON_OBJECT))
        return true;
    problems_init(&p, r);
    problems_add(&p, NULL, "The body must be a JSON object, not %s.", json_type_name(r->json));
    problems_send(&p);
    return false;
}

void body_only(struct http_request *r, struct problems *p, const char *const *keys)
{
    struct buf list CLEANUP(buf_deinit) = BUF_INIT(1024);

    for (const char *const *k = keys; *k; k++)
        buf_addf(&list, "%s%s", list.n ? ", " : "", *k);
    json_each (r->json, v) {
        const char *const *k = keys;

        while (*k && !str_is(v->key, *k))
            k++;
        if (p->n >= API_MAX_PROBLEMS)
            break;
        if (!*k)
            problems_add(p, api_shown_key(r, v->key),
                         "This key is not known here. Known keys are: %.*s.",
                         STR_ARG(buf_str(&list)));
    }
}

const char *body_text(struct http_request *r, struct problems *p, const char *key, bool required,
                      size_t max)
{
    struct json *v = json_get(r->json, key);

    if (!v || json_is(v, JSON_NULL)) {
        if (required)
            problems_add(p, key, "This field is required.");
        return NULL;
    }
    if (!json_is(v, JSON_STRING)) {
        problems_add(p, key, "This must be a string, not %s.", json_type_name(v));
        return NULL;
    }
    if (memchr(v->text.p, '\0', v->text.n)) {
        problems_add(p, key, "This must not contain a NUL character.");
        return NULL;
    }
    if (v->text.n > max) {
        problems_add(p, key, "This is too long: it has %zu bytes, and %zu is the limit.", v->text.n,
                     max);
        return NULL;
    }
    return arena_copy(r->arena, v->text);
}

const char *body_url(struct http_request *r, struct problems *p, const char *key)
{
    const char *z = body_text(r, p, key, false, MAX_URL);

    if (!z || !*z)
        return NULL;
    if (!str_starts(str_of(z), "https://") && !str_starts(str_of(z), "http://")) {
        problems_add(p, key, "\"%.100s\" is not a URL: it must begin with https:// or http://.", z);
        return NULL;
    }
    return z;
}

int64_t body_int(struct http_request *r, struct problems *p, const char *key, bool required,
                 int64_t low, int64_t high)
{
    struct json *v = json_get(r->json, key);
    int64_t n;

    if (!v || json_is(v, JSON_NULL)) {
        if (required)
            problems_add(p, key, "This field is required.");
        return -1;
    }
    if (!json_is(v, JSON_NUMBER)) {
        problems_add(p, key, "This must be an integer, not %s.", json_type_name(v));
        return -1;
    }
    if (!json_to_i64(v, &n)) {
        problems_add(p, key, "%.*s is not an integer.", (int)MIN(v->span.n, (size_t)60), v->span.p);
        return -1;
    }
    if (n < low || n > high) {
        problems_add(p, key, "%lld is out of range: this must be from %lld to %lld.", (long long)n,
                     (long long)low, (long long)high);
        return -1;
    }
    return n;
}

bool sku_find(const struct api *a, struct str name, const struct sku **out, struct buf *out_why)
{
    *out = hardware_find(a->hardware, name);
    if (*out)
        return true;
    buf_addf(out_why,
             "%.*s is not a valid hardware SKU. Your options are: ", (int)utf8_prefix(name, 100),
             name.p);
    hardware_names(a->hardware, out_why);
    buf_addc(out_why, '.');
    return false;
}

const struct sku *body_sku(struct http_request *r, struct problems *p, bool required)
{
    struct buf why CLEANUP(buf_deinit) = BUF_INIT(16 << 10);
    const char *name = body_text(r, p, "hardware", required, MAX_NAME);
    const struct sku *sku = NULL;

    if (name && !sku_find(api_of(r), str_of(name), &sku, &why))
        problems_add(p, "hardware", "%.*s", STR_ARG(buf_str(&why)));
    return sku;
}
