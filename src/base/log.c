/* SPDX-License-Identifier: Apache-2.0 */
/* One line is one write(), so that lines of several threads and processes do not mix. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#include <errno.h>
#include <unistd.h>

/* Longer values are cut: a log line is no place for a document. */
enum { VALUE_MOST = 4096, LINE_MOST = 1 << 20 };

static struct {
    enum log_level least;
    bool json;
    int fd;
} config = { .least = LOG_INFO, .json = false, .fd = STDERR_FILENO };

static _Thread_local const char *about;

static const struct {
    const char *json, *text;
} levels[] = {
    [LOG_DEBUG] = { "debug", "DEBUG" },
    [LOG_INFO] = { "info", "INFO " },
    [LOG_WARNING] = { "warning", "WARN " },
    [LOG_ERROR] = { "error", "ERROR" },
};

void log_setup(enum log_level least, enum log_format format, int fd)
{
    config.least = least;
    config.fd = fd;
    config.json = format == LOG_JSON || (format == LOG_AUTO && !isatty(fd));
}

bool log_level_parse(struct str s, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (str_is(s, levels[i].json)) {
            *out = (enum log_level)i;
            return true;
        }
    }
    if (!str_is(s, "warn"))
        return false;
    *out = LOG_WARNING;
    return true;
}

void log_about(const char *request)
{
    about = request;
}

/* The text may come from a peer: whatever a terminal could take as a command is spelled out. */
static void add_visible(struct buf *out, struct str s)
{
    size_t at = 0;

    while (at < s.n) {
        uint32_t code = 0;
        size_t n = utf8_char(s.p + at, s.n - at, &code);

        if (n == 0)
            buf_addf(out, "\\x%02x", (unsigned)(unsigned char)s.p[at]);
        else if (code == '\n')
            buf_adds(out, "\\n");
        else if (code == '\r')
            buf_adds(out, "\\r");
        else if (code == '\t')
            buf_adds(out, "\\t");
        else if (code == '"' || code == '\\')
            buf_addf(out, "\\%c", (char)code);
        else if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            buf_addf(out, "\\x%02x", (unsigned)code);
        else if (code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
                 (code >= 0x2066 && code <= 0x2069))
            buf_addf(out, "\\u%04x", (unsigned)code);
        else
            buf_add(out, s.p + at, n);
        at += n ? n : 1;
    }
}

static bool needs_quotes(struct str s)
{
    if (s.n == 0)
        return true;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || strchr("\"\\=\x7f", s.p[i]))
            return true;
    return !utf8_valid(s);
}

static void add_text_value(struct buf *out, struct str s)
{
    bool quotes;

    if (!s.p) {
        buf_adds(out, "null");
        return;
    }
    quotes = needs_quotes(s);
    if (quotes)
        buf_addc(out, '"');
    add_visible(out, s);
    if (quotes)
        buf_addc(out, '"');
}

static struct str cut(struct str s)
{
    s.n = utf8_prefix(s, VALUE_MOST);
    return s;
}

static void add_number(struct buf *out, const struct log_field *f)
{
    struct json_writer w;

    json_writer_init(&w, out);
    if (f->type == LOG_FIELD_INT)
        json_int(&w, f->i);
    else
        json_double(&w, f->d);
}

/* The request that lines are about, where a line does not name one. */
static const char *unnamed_request(const struct log_field *fields)
{
    for (; about && fields && fields->key; fields++)
        if (strcmp(fields->key, "request") == 0)
            return NULL;
    return about;
}

static void write_text(struct buf *out, enum log_level level, const char *time, const char *text,
                       const struct log_field *fields)
{
    const char *request = unnamed_request(fields);

    buf_addf(out, "%s %s ", time, levels[level].text);
    add_visible(out, cut(str_of(text)));
    for (; fields && fields->key; fields++) {
        buf_addf(out, " %s=", fields->key);
        if (fields->type == LOG_FIELD_STR)
            add_text_value(out, cut(fields->s));
        else
            add_number(out, fields);
    }
    if (request) {
        buf_adds(out, " request=");
        add_text_value(out, str_of(request));
    }
}

static void write_json(struct buf *out, enum log_level level, const char *time, const char *text,
                       const struct log_field *fields)
{
    const char *request = unnamed_request(fields);
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "time", time);
    json_member_string(&w, "level", levels[level].json);
    json_member_str(&w, "message", cut(str_of(text)));
    for (; fields && fields->key; fields++) {
        if (fields->type == LOG_FIELD_STR)
            json_member_str(&w, fields->key, cut(fields->s));
        else if (fields->type == LOG_FIELD_INT)
            json_member_int(&w, fields->key, fields->i);
        else
            json_member_double(&w, fields->key, fields->d);
    }
    if (request)
        json_member_string(&w, "request", request);
    json_end_object(&w);
}

static void write_line(const struct buf *line)
{
    size_t done = 0;

    while (done < line->n) {
        ssize_t n = write(config.fd, line->p + done, line->n - done);

        if (n < 0 && errno == EINTR)
            continue;
        /* There is nobody left to tell. */
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

void log_emit(enum log_level level, const char *text, const struct log_field *fields)
{
    CLEANUP(buf_deinit) struct buf line = BUF_INIT(LINE_MOST);
    char time[TIME_TEXT_SIZE];
    int saved = errno;

    if (level < config.least)
        return;
    time_format(clock_wall_ms(), time);
    if (config.json)
        write_json(&line, level, time, text, fields);
    else
        write_text(&line, level, time, text, fields);
    buf_addc(&line, '\n');
    write_line(&line);
    errno = saved;
}
