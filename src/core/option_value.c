/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in an option: types, ranges, and the forms of those that are text. */
#include "base/clock.h"
#include "base/network.h"
#include "core/option_impl.h"

#include <inttypes.h>
#include <stdio.h>

const char *option_flag(struct arena *a, const char *name)
{
    char *flag = arena_copy(a, str_of(name));

    for (char *p = flag; *p; p++)
        *p = *p == '_' ? '-' : *p;
    return flag;
}

const char *option_variable(struct arena *a, const char *name)
{
    char *variable = arena_printf(a, "BERTH_%s", name);

    for (char *p = variable + 6; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    return variable;
}

/* Limits are whole binary units; rounded to decimal ones they would not be what is checked. */
static void format_size(int64_t bytes, char out[TIME_TEXT_SIZE])
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;

    for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_SIZE(units); unit++)
        bytes /= 1024;
    snprintf(out, TIME_TEXT_SIZE, "%" PRId64 " %s", bytes, units[unit]);
}

static void bound(const struct option_row *r, double v, char out[TIME_TEXT_SIZE])
{
    switch (r->type) {
    case OPTION_DURATION:
        duration_format((int64_t)v, out);
        return;
    case OPTION_SIZE:
        format_size((int64_t)v, out);
        return;
    case OPTION_INT:
    case OPTION_DOUBLE:
    case OPTION_STRING:
    case OPTION_BOOL:
        snprintf(out, TIME_TEXT_SIZE, "%.10g", v);
        return;
    }
}

void option_range(const struct option_row *r, char *out, size_t size)
{
    char low[TIME_TEXT_SIZE], high[TIME_TEXT_SIZE];

    out[0] = '\0';
    if (r->type == OPTION_STRING || r->type == OPTION_BOOL)
        return;
    bound(r, r->low, low);
    bound(r, r->high, high);
    snprintf(out, size, "%s to %s", low, high);
}

static bool is_one_of(struct str s, const char *const *words)
{
    for (; *words; words++)
        if (str_is(s, *words))
            return true;
    return false;
}

static bool parse_bool(struct str s, bool *out)
{
    static const char *const yes[] = { "true", "yes", "on", "1", NULL };
    static const char *const no[] = { "false", "no", "off", "0", NULL };

    *out = is_one_of(s, yes);
    return *out || is_one_of(s, no);
}

/* HOST:PORT, [IPV6]:PORT or unix:PATH */
static bool is_address(struct str s, bool may_be_unix)
{
    const char *colon = s.n > 0 ? memrchr(s.p, ':', s.n) : NULL;
    struct str host;
    int64_t port;

    if (str_starts(s, "unix:"))
        return may_be_unix && s.n > 5;
    if (!colon)
        return false;
    host = str_make(s.p, (size_t)(colon - s.p));
    if (!str_to_i64(str_make(colon + 1, s.n - host.n - 1), &port) || port < 0 || port > 65535)
        return false;
    if (host.n > 2 && host.p[0] == '[')
        return host.p[host.n - 1] == ']';
    return host.n > 0 && !memchr(host.p, ':', host.n);
}

/* A scheme and a host, with neither path nor query. */
static bool is_base_url(struct str s)
{
    size_t scheme = str_starts(s, "https://") ? 8 : str_starts(s, "http://") ? 7 : 0;

    if (scheme == 0 || s.n == scheme)
        return false;
    for (size_t i = scheme; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || strchr("/?#@\\", s.p[i]))
            return false;
    return true;
}

static enum status check_addresses(struct str list, struct error *err)
{
    struct str part;

    do {
        if (!str_split(&list, ',', &part))
            part = STR("");
        part = str_trim(part);
        if (!is_address(part, true))
            return FAIL(err, STATUS_INVALID, "\"%.*s\" is neither HOST:PORT nor unix:PATH",
                        (int)MIN(part.n, (size_t)100), part.p);
    } while (list.p);
    return STATUS_OK;
}

static enum status check_origins(struct str list, struct error *err)
{
    struct str part;

    while (list.n > 0 && str_split(&list, ',', &part)) {
        part = str_trim(part);
        if (!str_is(part, "*") && !is_base_url(part))
            return FAIL(err, STATUS_INVALID,
                        "\"%.*s\" is neither * nor http:// or https:// and a host, without a path",
                        (int)MIN(part.n, (size_t)100), part.p);
    }
    return STATUS_OK;
}

/* Three octal digits, with or without a zero ahead; the owner may always connect. */
static bool is_mode(struct str s)
{
    if (s.n == 4 && s.p[0] == '0')
        s = str_make(s.p + 1, 3);
    if (s.n != 3 || (s.p[0] & '6') != '6')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '7')
            return false;
    return true;
}

static enum status check_networks(struct str v, struct error *err)
{
    struct networks list;
    enum status st = networks_parse(v, &list, err);

    if (st == STATUS_OK)
        networks_deinit(&list);
    return st;
}

static enum status check_text(const struct option_row *r, struct str v, struct error *err)
{
    static const char *const levels[] = { "debug", "info", "warning", "error", NULL };
    static const char *const networks[] = { "host", "isolated", NULL };
    static const char *const formats[] = { "auto", "text", "json", NULL };
    struct str name = str_of(r->name);

    if (memchr(v.p, '\0', v.n))
        return FAIL(err, STATUS_INVALID, "the text holds a zero byte");
    if (str_is(name, "log_level") && !is_one_of(v, levels))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not one of debug, info, warning and error",
                    (int)MIN(v.n, (size_t)60), v.p);
    if (str_is(name, "log_format") && !is_one_of(v, formats))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not one of auto, text and json",
                    (int)MIN(v.n, (size_t)60), v.p);
    if (str_is(name, "instance_network") && !is_one_of(v, networks))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not one of host and isolated",
                    (int)MIN(v.n, (size_t)60), v.p);
    if (str_is(name, "listen"))
        return check_addresses(v, err);
    if (str_is(name, "listen_mode") && !is_mode(v))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not a mode such as 0600 or 0660",
                    (int)MIN(v.n, (size_t)60), v.p);
    if (str_is(name, "internal_listen") && !is_address(v, false))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not HOST:PORT", (int)MIN(v.n, (size_t)100),
                    v.p);
    if (str_is(name, "cors_origins"))
        return check_origins(v, err);
    if (str_is(name, "trusted_proxies"))
        return check_networks(v, err);
    if (str_is(name, "data") && v.n == 0)
        return FAIL(err, STATUS_INVALID, "the data folder needs a name");
    if (str_is(name, "public_url") && v.n > 0 && !is_base_url(v))
        return FAIL(err, STATUS_INVALID,
                    "\"%.*s\" is not http:// or https:// and a host, without a path",
                    (int)MIN(v.n, (size_t)100), v.p);
    return STATUS_OK;
}

static bool parse_number(const struct option_row *r, struct str v, int64_t *out_int,
                         double *out_double)
{
    bool ok = false;

    switch (r->type) {
    case OPTION_INT:
        ok = str_to_i64(v, out_int);
        break;
    case OPTION_DURATION:
        ok = duration_parse(v, out_int);
        break;
    case OPTION_SIZE:
        ok = size_parse(v, out_int);
        break;
    case OPTION_DOUBLE:
        return str_to_double(v, out_double);
    case OPTION_STRING:
    case OPTION_BOOL:
        break;
    }
    *out_double = (double)*out_int;
    return ok;
}

enum status option_parse(struct arena *a, const struct option_row *r, struct str value,
                         void *out_member, struct error *err)
{
    static const char *const kinds[] = {
        [OPTION_STRING] = "text",
        [OPTION_INT] = "a whole number",
        [OPTION_DOUBLE] = "a number",
        [OPTION_BOOL] = "true or false",
        [OPTION_DURATION] = "a duration such as 30s, 5m or 1h30m",
        [OPTION_SIZE] = "a size such as 2GB, 512MiB or 1000",
    };
    struct str v = r->type == OPTION_STRING ? value : str_trim(value);
    int shown = (int)MIN(v.n, (size_t)60);
    char range[2 * TIME_TEXT_SIZE + 8];
    int64_t whole = 0;
    double number = 0;
    enum status st;

    if (r->type == OPTION_STRING) {
        st = check_text(r, v, err);
        if (!st)
            *(const char **)out_member = arena_copy(a, v);
        return st;
    }
    if (r->type == OPTION_BOOL) {
        if (parse_bool(v, out_member))
            return STATUS_OK;
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not %s", shown, v.p, kinds[r->type]);
    }
    if (!parse_number(r, v, &whole, &number))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" is not %s", shown, v.p, kinds[r->type]);
    option_range(r, range, sizeof(range));
    if (!(number >= r->low && number <= r->high))
        return FAIL(err, STATUS_INVALID, "%.*s is out of range: %s", shown, v.p, range);
    if (r->type == OPTION_DOUBLE)
        *(double *)out_member = number;
    else
        *(int64_t *)out_member = whole;
    return STATUS_OK;
}
