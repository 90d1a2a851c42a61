/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    int http;
    bool retry;
    const char *text;
};

static const struct row rows[] = {
#define X(name, http, retry, text) { #name, http, retry, text },
    STATUS_TABLE(X)
#undef X
};

_Static_assert(ARRAY_SIZE(rows) == STATUS_COUNT, "one row for each status");

const char *status_name(enum status s)
{
    return rows[s].name;
}

const char *status_text(enum status s)
{
    return rows[s].text;
}

int status_http(enum status s)
{
    return rows[s].http;
}

bool status_retryable(enum status s)
{
    return rows[s].retry;
}

/* Texts go into JSON. What was cut off, here or by a precision in the format, may have ended inside
 * of a character, and a name of a file may be in none that we know: what is no UTF-8 is left out.
 */
static void keep_whole_characters(char *text)
{
    size_t n = strlen(text), to = 0, len;
    uint32_t code;

    for (size_t at = 0; at < n; at += MAX(len, 1)) {
        len = (unsigned char)text[at] < 0x80 ? 1 : utf8_char(text + at, n - at, &code);
        memmove(text + to, text + at, len);
        to += len;
    }
    text[to] = '\0';
}

enum status error_set(struct error *err, enum status st, const char *where, const char *fmt, ...)
{
    char text[sizeof(err->text)]; /* the arguments may be parts of err->text itself */
    const char *slash = strrchr(where, '/');
    va_list ap;

    if (!err)
        return st;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    keep_whole_characters(text);
    err->status = st;
    err->where = slash ? slash + 1 : where;
    memcpy(err->text, text, strlen(text) + 1);
    return st;
}

void error_context(struct error *err, const char *fmt, ...)
{
    char head[sizeof(err->text)];
    va_list ap;
    size_t n, m;

    if (!err)
        return;
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);
    n = strlen(head);
    m = strlen(err->text);
    if (n + 2 >= sizeof(err->text))
        n = sizeof(err->text) - 3;
    if (m > sizeof(err->text) - n - 3)
        m = sizeof(err->text) - n - 3;
    memmove(err->text + n + 2, err->text, m);
    err->text[n + 2 + m] = '\0';
    memcpy(err->text, head, n);
    memcpy(err->text + n, ": ", 2);
    keep_whole_characters(err->text);
}
