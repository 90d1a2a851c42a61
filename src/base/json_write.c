/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){ .out = out };
}

/* Before each value; a value that follows a key or an opening bracket takes no comma. */
static void separate(struct json_writer *w)
{
    if (w->comma)
        buf_addc(w->out, ',');
    w->comma = true;
}

static void begin(struct json_writer *w, char bracket)
{
    separate(w);
    buf_addc(w->out, bracket);
    w->comma = false;
}

static void end(struct json_writer *w, char bracket)
{
    buf_addc(w->out, bracket);
    w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = memchr(plain, c, sizeof(plain) - 1);

    if (at) {
        buf_addc(out, '\\');
        buf_addc(out, letters[at - plain]);
    } else {
        buf_addf(out, "\\u%04x", (unsigned)c);
    }
}

/* How many bytes from the front stand for themselves in a string; eight are looked at together. */
static size_t plain_run(const char *p, size_t n)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    size_t at = 0;

    for (; n - at >= 8; at += 8) {
        uint64_t v, quote, slash;

        memcpy(&v, p + at, sizeof(v));
        quote = v ^ ones * '"';
        slash = v ^ ones * '\\';
        /* The high bit of a byte is set where it is 0x80 or more, below 0x20, or one of the two. A
         * byte above a hit may be taken for one too: then the loop below looks again. */
        if ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & high)
            break;
    }
    while (at < n && (unsigned char)p[at] >= 0x20 && (unsigned char)p[at] < 0x80 && p[at] != '"' &&
           p[at] != '\\')
        at++;
    return at;
}

/* Nearly all strings need no escapes: those are copied in one piece, with what stands behind. */
static bool add_plain(struct buf *out, struct str s, const char *behind)
{
    size_t n = strlen(behind);
    char *at;

    if (plain_run(s.p, s.n) != s.n)
        return false;
    at = buf_reserve(out, s.n + 1 + n);
    if (!at)
        return true;
    *at++ = '"';
    if (s.n)
        memcpy(at, s.p, s.n);
    memcpy(at + s.n, behind, n);
    buf_commit(out, s.n + 1 + n);
    return true;
}

static void add_string(struct buf *out, struct str s)
{
    size_t at = 0;

    if (add_plain(out, s, "\""))
        return;
    buf_addc(out, '"');
    while (at < s.n) {
        size_t n = at;
        unsigned char c = 0;

        while (n < s.n) {
            c = (unsigned char)s.p[n];
            if (c >= 0x80) {
                size_t run = utf8_run(s.p + n, s.n - n);

                if (run == 0)
                    break;
                n += run;
            } else if (c < 0x20 || c == '"' || c == '\\') {
                break;
            } else {
                n++;
            }
        }
        buf_add(out, s.p + at, n - at);
        at = n;
        if (at == s.n)
            break;
        if (c >= 0x80)
            buf_adds(out, "\xef\xbf\xbd");
        else
            add_escape(out, c);
        at++;
    }
    buf_addc(out, '"');
}

void json_key_str(struct json_writer *w, struct str key)
{
    separate(w);
    if (!add_plain(w->out, key, "\":")) {
        add_string(w->out, key);
        buf_addc(w->out, ':');
    }
    w->comma = false;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_of(key));
}

static void word(struct json_writer *w, const char *text)
{
    separate(w);
    buf_adds(w->out, text);
}

void json_null(struct json_writer *w)
{
    word(w, "null");
}

void json_bool(struct json_writer *w, bool v)
{
    word(w, v ? "true" : "false");
}

void json_int(struct json_writer *w, int64_t v)
{
    char text[24], *at = text + sizeof(text);
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    separate(w);
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (v < 0)
        *--at = '-';
    buf_add(w->out, at, (size_t)(text + sizeof(text) - at));
}

/* C writes at least two digits of exponent and its plus sign: "1e+20", "1e-07". */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    char *from, *to;

    if (!e)
        return;
    to = e + 1;
    from = to + 1;
    if (*to == '-')
        to++;
    while (*from == '0' && from[1] != '\0')
        from++;
    memmove(to, from, strlen(from) + 1);
}

static void add_micro(struct json_writer *w, int64_t micro)
{
    char text[24], *at = text + sizeof(text);
    int digits = 6;

    for (; digits > 0 && micro % 10 == 0; digits--)
        micro /= 10;
    for (int i = 0; i < digits; i++, micro /= 10)
        *--at = (char)('0' + micro % 10);
    if (digits)
        *--at = '.';
    do
        *--at = (char)('0' + micro % 10);
    while (micro /= 10);
    separate(w);
    buf_add(w->out, at, (size_t)(text + sizeof(text) - at));
}

void json_double(struct json_writer *w, double v)
{
    char text[40];
    /* Seconds with up to six decimals, as times mostly are: the same digits, found by integers. */
    double scaled = v * 1e6;
    int64_t micro = scaled >= 1000 && scaled < 1e14 ? (int64_t)(scaled + 0.5) : 0;
    /* 15 digits always survive, so that fewer are found by cutting zeros, except below the normal
     * range. */
    int digits = fpclassify(v) == FP_SUBNORMAL ? 1 : 15;

    if (!isfinite(v)) {
        json_null(w);
        return;
    }
    if (micro > 0 && (double)micro / 1e6 == v) {
        add_micro(w, micro);
        return;
    }
    if (v == 0 && !signbit(v)) {
        word(w, "0");
        return;
    }
    do
        snprintf(text, sizeof(text), "%.*g", digits, v);
    while (digits++ < 17 && strtod(text, NULL) != v);
    shorten_exponent(text);
    word(w, text);
}

void json_string(struct json_writer *w, struct str s)
{
    separate(w);
    add_string(w->out, s);
}

void json_stringz(struct json_writer *w, const char *z)
{
    if (z)
        json_string(w, str_of(z));
    else
        json_null(w);
}

void json_raw(struct json_writer *w, struct str already_json)
{
    separate(w);
    buf_add_str(w->out, already_json);
}

void json_member_string(struct json_writer *w, const char *key, const char *z)
{
    json_key(w, key);
    json_stringz(w, z);
}

void json_member_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    if (s.p)
        json_string(w, s);
    else
        json_null(w);
}

void json_member_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

void json_member_double(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_double(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

void json_member_list(struct json_writer *w, const char *key, const char *const *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (; list && *list; list++)
        json_stringz(w, *list);
    json_end_array(w);
}

void json_member_null(struct json_writer *w, const char *key)
{
    json_key(w, key);
    json_null(w);
}

void json_member_raw(struct json_writer *w, const char *key, struct str already_json)
{
    json_key(w, key);
    if (already_json.p)
        json_raw(w, already_json);
    else
        json_null(w);
}

void json_value(struct json_writer *w, const struct json *v)
{
    if (!v) {
        json_null(w);
        return;
    }
    switch (v->type) {
    case JSON_NULL:
        json_null(w);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        json_bool(w, v->type == JSON_TRUE);
        break;
    case JSON_NUMBER:
        json_raw(w, v->text);
        break;
    case JSON_STRING:
        json_string(w, v->text);
        break;
    case JSON_ARRAY:
        json_begin_array(w);
        json_each (v, element)
            json_value(w, element);
        json_end_array(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w);
        json_each (v, member) {
            json_key_str(w, member->key);
            json_value(w, member);
        }
        json_end_object(w);
        break;
    }
}
