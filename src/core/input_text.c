/* SPDX-License-Identifier: Apache-2.0 */
#include "core/input_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* long double holds every integer of 64 bits, signed or not, so that seeds compare exactly. */
long double number_of(struct str number)
{
    char small[128];
    char *copy CLEANUP(mem_free) = NULL;

    if (number.n < sizeof(small)) {
        memcpy(small, number.p, number.n);
        small[number.n] = '\0';
        return strtold(small, NULL);
    }
    copy = str_dup(number);
    return strtold(copy, NULL);
}

void number_limit_set(struct number_limit *limit, const struct json *v)
{
    struct decimal d;

    if (!json_is(v, JSON_NUMBER) || !decimal_parse(v->text, &d))
        return;
    limit->is_set = true;
    limit->exact = d;
    limit->value = number_of(v->text);
    snprintf(limit->text, sizeof(limit->text), "%.10Lg", limit->value);
}

static void message_string(struct buf *out, struct str s)
{
    static const char plain[] = "\b\f\n\r\t\"\\", escaped[] = "bfnrt\"\\";

    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char *at = c ? strchr(plain, c) : NULL;

        if (at)
            buf_addf(out, "\\%c", escaped[at - plain]);
        else if (c < 0x20 || c == '<' || c == '>' || c == '&')
            buf_addf(out, "\\u%04x", c);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

static void message_number(struct buf *out, const struct json *v)
{
    int64_t i;
    uint64_t u;
    double d;
    char text[40];

    if (json_to_i64(v, &i)) {
        buf_addf(out, "%" PRId64, i);
        return;
    }
    if (json_to_u64(v, &u)) {
        buf_addf(out, "%" PRIu64, u);
        return;
    }
    if (!json_to_double(v, &d)) {
        buf_add_str(out, v->text);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    buf_adds(out, text);
}

void message_value(struct buf *out, const struct json *v)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"
    };

    switch (v->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        buf_adds(out, words[v->type]);
        return;
    case JSON_NUMBER:
        message_number(out, v);
        return;
    case JSON_STRING:
        message_string(out, v->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    buf_addc(out, v->type == JSON_ARRAY ? '[' : '{');
    json_each (v, child) {
        if (child != v->child)
            buf_addc(out, ',');
        if (v->type == JSON_OBJECT) {
            message_string(out, child->key);
            buf_addc(out, ':');
        }
        message_value(out, child);
    }
    buf_addc(out, v->type == JSON_ARRAY ? ']' : '}');
}
