/* SPDX-License-Identifier: Apache-2.0 */
#include "core/webhook.h"

#include "base/encode.h"

#include <stdio.h>

enum { KEY_SIZE = 24, FIRST_MS = 1000, LONGEST_MS = 15 * 60 * 1000, DOUBLINGS = 20 };

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Where the authority of a URL ends. */
static size_t authority_length(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#' && s.p[n] != '\\')
        n++;
    return n;
}

static bool has_port(struct str host)
{
    for (size_t i = host.n; i > 0 && host.p[i - 1] != ']'; i--)
        if (host.p[i - 1] == ':')
            return true;
    return false;
}

bool webhook_origin(struct str url, char out[WEBHOOK_ORIGIN_SIZE])
{
    bool is_https = url.n > 8 && str_ieq(str_make(url.p, 8), STR("https://"));
    bool is_http = url.n > 7 && str_ieq(str_make(url.p, 7), STR("http://"));
    struct str host;
    int n;

    if (!is_https && !is_http)
        return false;
    host = str_make(url.p + (is_https ? 8 : 7), url.n - (is_https ? 8 : 7));
    host.n = authority_length(host);
    for (size_t i = host.n; i > 0; i--) {
        if (host.p[i - 1] == '@') {
            host = str_make(host.p + i, host.n - i);
            break;
        }
    }
    if (host.n == 0 || host.n > 255 || host.p[0] == ':')
        return false;
    for (size_t i = 0; i < host.n; i++)
        if ((unsigned char)host.p[i] <= ' ' || (unsigned char)host.p[i] >= 0x7f)
            return false;
    n = snprintf(out, WEBHOOK_ORIGIN_SIZE, "%s://%.*s%s", is_https ? "https" : "http",
                 STR_ARG(host),
                 has_port(host) ? ""
                 : is_https     ? ":443"
                                : ":80");
    for (int i = 0; i < n; i++)
        out[i] = to_lower(out[i]);
    return true;
}

void webhook_secret_make(struct rand *r, char out[WEBHOOK_SECRET_SIZE])
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(WEBHOOK_SECRET_SIZE);
    unsigned char key[KEY_SIZE]; /* 32 characters of base64, without padding */

    rand_bytes(r, key, sizeof(key));
    base64_add(&text, key, sizeof(key));
    snprintf(out, WEBHOOK_SECRET_SIZE, "whsec_%.*s", STR_ARG(buf_str(&text)));
}

bool webhook_sign(const char *secret, const char *id, int64_t timestamp, struct str body,
                  struct buf *out)
{
    struct buf key CLEANUP(buf_deinit) = BUF_INIT(256);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct str given = str_of(secret);
    unsigned char mac[SHA256_SIZE];

    if (!str_starts(given, "whsec_") || !base64_decode(str_make(given.p + 6, given.n - 6), &key) ||
        key.n == 0)
        return false;
    buf_addf(&text, "%s.%lld.", id, (long long)timestamp);
    buf_add_str(&text, body);
    hmac_sha256(buf_str(&key), buf_str(&text), mac);
    buf_adds(out, out->n ? " v1," : "v1,");
    base64_add(out, mac, sizeof(mac));
    return true;
}

int64_t webhook_backoff_ms(int64_t attempts, struct rand *r)
{
    int64_t doublings = MIN(MAX(attempts - 1, 0), (int64_t)DOUBLINGS);
    int64_t ms = MIN((int64_t)FIRST_MS << doublings, (int64_t)LONGEST_MS);

    return ms - ms / 5 + (int64_t)rand_below(r, (uint64_t)(ms * 2 / 5 + 1));
}
