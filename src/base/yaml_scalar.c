/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml_scalar.h"

#include "base/json_number.h"

#include <stdlib.h>

static bool is_one_of(struct str s, const char *const *words)
{
    for (; *words; words++)
        if (str_is(s, *words))
            return true;
    return false;
}

static size_t count_digits(struct str s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
        n++;
    return n;
}

/* 0o17 and 0x1f; false when it is neither, or too large. */
static bool based_number(struct str s, uint64_t *out)
{
    char digits[32];
    char *end;
    bool octal = str_starts(s, "0o");

    if ((!octal && !str_starts(s, "0x")) || s.n < 3 || s.n > 24 || s.p[2] == '-' || s.p[2] == '+')
        return false;
    memcpy(digits, s.p + 2, s.n - 2);
    digits[s.n - 2] = '\0';
    if (strspn(digits, octal ? "01234567" : "0123456789abcdefABCDEF") != s.n - 2 ||
        s.n - 2 > (octal ? 21 : 16))
        return false;
    *out = strtoull(digits, &end, octal ? 8 : 16);
    return true;
}

/* A decimal number of the core schema: digits before or behind the dot will do. */
static bool is_decimal(struct str s)
{
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    size_t before = count_digits(s, at), behind = 0, n;

    at += before;
    if (at < s.n && s.p[at] == '.') {
        behind = count_digits(s, at + 1);
        at += 1 + behind;
    }
    if (before + behind == 0)
        return false;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
            at++;
        n = count_digits(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == s.n;
}

/* Where JSON writes a number in another way than YAML (+1, 007, .5, 1.), it is put into JSON's. */
static void write_decimal(struct json_writer *w, struct str s)
{
    bool is_integer;
    size_t at = 0;

    if (json_number_scan(s, &is_integer) == s.n) {
        json_raw(w, s);
        return;
    }
    json_raw(w, s.p[0] == '-' ? STR("-") : STR(""));
    if (s.p[0] == '-' || s.p[0] == '+')
        at++;
    while (at + 1 < s.n && s.p[at] == '0' && s.p[at + 1] >= '0' && s.p[at + 1] <= '9')
        at++;
    if (s.p[at] == '.')
        buf_addc(w->out, '0');
    for (; at < s.n; at++) {
        if (s.p[at] == '.' && count_digits(s, at + 1) == 0)
            continue;
        buf_addc(w->out, s.p[at]);
    }
}

static bool is_infinite(struct str s)
{
    static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };

    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_make(s.p + 1, s.n - 1);
    return is_one_of(s, words);
}

bool yaml_write_plain(struct json_writer *w, struct str s)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    uint64_t number;

    if (is_infinite(s))
        return false;
    if (is_one_of(s, nulls)) {
        json_null(w);
    } else if (is_one_of(s, trues) || is_one_of(s, falses)) {
        json_bool(w, (s.p[0] | 0x20) == 't');
    } else if (is_decimal(s)) {
        write_decimal(w, s);
    } else if (based_number(s, &number)) {
        json_raw(w, STR(""));
        buf_addf(w->out, "%llu", (unsigned long long)number);
    } else {
        json_string(w, s);
    }
    return true;
}
