/* SPDX-License-Identifier: Apache-2.0 */
/* The reader is one loop over a stack of open containers: nesting costs heap and not stack. */
#include "base/json.h"

#include "base/json_number.h"
#include "base/utf8.h"

#include <stdarg.h>

enum { FRAMES_FIRST = 16 };

/* What may come next. */
enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COMMA_OR_END };

struct frame {
    struct json *container;
    struct json **tail;   /* where the next child is hung */
    struct json *passing; /* one for all children on this level that are not kept */
};

struct reader {
    struct arena *arena;
    const char *begin, *p, *end;
    struct frame *frames;
    unsigned depth, n_frames, max_depth, keep_depth;
    size_t n_values, max_values;
    struct str key; /* of the member whose value comes next */
    enum expect expect;
    struct error *err;
};

/* Columns count characters, from one. */
PRINTF(4, 5)
static enum status refuse(struct reader *r, enum status st, const char *at, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    char what[160];
    va_list ap;

    for (const char *p = r->begin; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            column++;
        }
    }
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return FAIL(r->err, st, "line %zu, column %zu: %s%s", line, column, what,
                at == r->end ? ", but the text ends" : "");
}

static void skip_space(struct reader *r)
{
    const char *p = r->p;

    while (p < r->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    r->p = p;
}

static bool at_char(const struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

/* The first byte at or after p that is a quote, a backslash, a control character or not ASCII.
 * Eight bytes are tested at once: in each, a subtraction borrows into the high bit exactly for what
 * we look for (a borrow into the next byte happens only behind a hit, where nobody looks). */
static const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101U, high = 0x8080808080808080U;

    while ((size_t)(end - p) >= sizeof(uint64_t)) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        if (((w - ones * 0x20) | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones) | w) & high)
            break;
        p += sizeof(w);
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80)
            break;
    }
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The code unit of an escape whose four digits begin at p; negative when they are not there. */
static int32_t read_unit(const char *p, const char *end)
{
    int32_t unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Decodes the escape at *p (at its backslash) to *out and moves both on. */
static enum status read_unicode(struct reader *r, const char **p, const char *end, char **out)
{
    int32_t unit = read_unit(*p + 2, end), low;
    uint32_t code;

    if (unit < 0)
        return refuse(r, STATUS_INVALID, *p, "expected four hexadecimal digits after \\u");
    code = (uint32_t)unit;
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return refuse(r, STATUS_INVALID, *p, "the second half of a surrogate pair stands alone");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        low = end - *p >= 12 && (*p)[6] == '\\' && (*p)[7] == 'u' ? read_unit(*p + 8, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(r, STATUS_INVALID, *p, "the first half of a surrogate pair stands alone");
        code = 0x10000U + ((code - 0xd800U) << 10) + ((uint32_t)low - 0xdc00U);
        *p += 6;
    }
    *p += 6;
    *out += utf8_encode(code, *out);
    return STATUS_OK;
}

static enum status decode(struct reader *r, const char *p, const char *end, struct str *out_text)
{
    char *text = arena_alloc(r->arena, (size_t)(end - p));
    char *at = text;

    while (p < end) {
        static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        const char *next = memchr(p, '\\', (size_t)(end - p));
        const char *letter;
        size_t n = (size_t)((next ? next : end) - p);

        memcpy(at, p, n);
        at += n;
        p += n;
        if (!next)
            break;
        if (p[1] == 'u') {
            enum status status = read_unicode(r, &p, end, &at);

            if (status)
                return status;
            continue;
        }
        letter = memchr(letters, p[1], sizeof(letters) - 1);
        if (!letter)
            return refuse(r, STATUS_INVALID, p, "no such escape in a string");
        *at++ = meant[letter - letters];
        p += 2;
    }
    *out_text = str_make(text, (size_t)(at - text));
    return STATUS_OK;
}

/* At the opening quote; ends behind the closing one. */
static enum status read_string(struct reader *r, struct str *out_text)
{
    const char *start = r->p + 1, *p = start;
    bool escapes = false;

    for (;;) {
        size_t n;

        p = skip_plain(p, r->end);
        if (p == r->end)
            return refuse(r, STATUS_INVALID, p, "expected '\"' at the end of a string");
        if (*p == '"')
            break;
        if (*p == '\\') {
            escapes = true;
            if (r->end - p < 2)
                return refuse(r, STATUS_INVALID, r->end, "expected '\"' at the end of a string");
            p++;
            /* A character beyond ASCII is looked at by the next round, and refused below. */
            p += (unsigned char)*p < 0x80 ? 1 : 0;
            continue;
        }
        n = utf8_run(p, (size_t)(r->end - p));
        if (n == 0)
            return refuse(r, STATUS_INVALID, p,
                          (unsigned char)*p < 0x20
                              ? "a control character in a string must be escaped"
                              : "the text is not valid UTF-8");
        p += n;
    }
    r->p = p + 1;
    if (escapes)
        return decode(r, start, p, out_text);
    *out_text = str_make(start, (size_t)(p - start));
    return STATUS_OK;
}

static enum status read_number(struct reader *r, struct json *v)
{
    struct str rest = str_make(r->p, (size_t)(r->end - r->p));
    size_t n = json_number_scan(rest, &v->is_integer);
    const char *p = r->p;

    if (n == 0) {
        p += *p == '-' ? 1 : 0;
        if (r->end - p >= 2 && p[0] == '0' && p[1] >= '0' && p[1] <= '9')
            return refuse(r, STATUS_INVALID, p, "a number does not begin with a zero");
        while (p < r->end && memchr("0123456789.eE+-", *p, 15) &&
               (p == r->p || (p[-1] != '.' && p[-1] != '-' && p[-1] != '+') ||
                (*p >= '0' && *p <= '9')))
            p++;
        return refuse(r, STATUS_INVALID, p, "expected a digit in a number");
    }
    v->type = JSON_NUMBER;
    v->text = str_make(r->p, n);
    r->p += n;
    return STATUS_OK;
}

static enum status read_word(struct reader *r, struct json *v)
{
    static const struct {
        const char *text;
        size_t n;
        enum json_type type;
    } words[] = { { "null", 4, JSON_NULL }, { "false", 5, JSON_FALSE }, { "true", 4, JSON_TRUE } };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if ((size_t)(r->end - r->p) < words[i].n || memcmp(r->p, words[i].text, words[i].n) != 0)
            continue;
        v->type = words[i].type;
        r->p += words[i].n;
        return STATUS_OK;
    }
    return refuse(r, STATUS_INVALID, r->p, "expected a value");
}

static enum status open_container(struct reader *r, struct json *v, enum json_type type)
{
    struct frame *f;

    if (r->depth >= r->max_depth)
        return refuse(r, STATUS_TOO_LARGE, r->p, "nested deeper than %u levels", r->max_depth);
    if (r->depth == r->n_frames) {
        unsigned n = r->n_frames ? r->n_frames * 2 : FRAMES_FIRST;
        struct frame *frames = arena_array(r->arena, struct frame, n);

        if (r->n_frames)
            memcpy(frames, r->frames, sizeof(*frames) * r->n_frames);
        r->frames = frames;
        r->n_frames = n;
    }
    f = &r->frames[r->depth++];
    f->container = v;
    f->tail = &v->child;
    v->type = type;
    r->p++;
    r->expect = type == JSON_OBJECT ? KEY_OR_END : VALUE_OR_END;
    return STATUS_OK;
}

static void close_container(struct reader *r)
{
    struct json *v = r->frames[--r->depth].container;

    r->p++;
    v->span.n = (size_t)(r->p - v->span.p);
    r->expect = COMMA_OR_END;
}

/* The value that begins here, hung into its container. */
static enum status new_value(struct reader *r, struct json **out_value)
{
    struct frame *f = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
    bool is_kept = r->depth <= r->keep_depth;
    struct json *v = is_kept || !f ? NULL : f->passing;

    if (is_kept && r->max_values && r->n_values == r->max_values)
        return refuse(r, STATUS_TOO_LARGE, r->p, "more than %zu values", r->max_values);
    r->n_values += is_kept;
    if (v)
        *v = (struct json){ 0 };
    else
        v = arena_new(r->arena, struct json);
    v->span.p = r->p;
    v->key = r->key;
    r->key = STR_NULL;
    *out_value = v;
    if (!f)
        return STATUS_OK;
    f->container->n++;
    if (!is_kept) {
        f->passing = v;
        return STATUS_OK;
    }
    *f->tail = v;
    f->tail = &v->next;
    return STATUS_OK;
}

static enum status read_value(struct reader *r, struct json **out_value)
{
    enum status status = new_value(r, out_value);
    struct json *v = *out_value;

    if (status)
        return status;
    if (at_char(r, '{'))
        return open_container(r, v, JSON_OBJECT);
    if (at_char(r, '['))
        return open_container(r, v, JSON_ARRAY);
    r->expect = COMMA_OR_END;
    if (at_char(r, '"')) {
        v->type = JSON_STRING;
        status = read_string(r, &v->text);
    } else if (r->p < r->end && (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'))) {
        status = read_number(r, v);
    } else {
        status = read_word(r, v);
    }
    v->span.n = (size_t)(r->p - v->span.p);
    return status;
}

static enum status read_key(struct reader *r)
{
    enum status status;

    if (!at_char(r, '"'))
        return refuse(r, STATUS_INVALID, r->p,
                      r->expect == KEY_OR_END ? "expected a key in double quotes or '}'"
                                              : "expected a key in double quotes");
    status = read_string(r, &r->key);
    if (status)
        return status;
    skip_space(r);
    if (!at_char(r, ':'))
        return refuse(r, STATUS_INVALID, r->p, "expected ':' after a key");
    r->p++;
    r->expect = VALUE;
    return STATUS_OK;
}

static enum status read_comma_or_end(struct reader *r)
{
    bool in_object = r->frames[r->depth - 1].container->type == JSON_OBJECT;

    if (at_char(r, ',')) {
        r->p++;
        r->expect = in_object ? KEY : VALUE;
        return STATUS_OK;
    }
    if (at_char(r, in_object ? '}' : ']')) {
        close_container(r);
        return STATUS_OK;
    }
    return refuse(r, STATUS_INVALID, r->p,
                  in_object ? "expected ',' or '}' after a member"
                            : "expected ',' or ']' after an element");
}

static enum status read_document(struct reader *r, struct json **out_root)
{
    enum status status = STATUS_OK;
    struct json *v;

    skip_space(r);
    status = read_value(r, out_root);
    while (status == STATUS_OK && r->depth > 0) {
        skip_space(r);
        if ((r->expect == VALUE_OR_END && at_char(r, ']')) ||
            (r->expect == KEY_OR_END && at_char(r, '}')))
            close_container(r);
        else if (r->expect == VALUE || r->expect == VALUE_OR_END)
            status = read_value(r, &v);
        else if (r->expect == KEY || r->expect == KEY_OR_END)
            status = read_key(r);
        else
            status = read_comma_or_end(r);
    }
    if (status)
        return status;
    skip_space(r);
    if (r->p < r->end)
        return refuse(r, STATUS_INVALID, r->p, "expected nothing after the value");
    return STATUS_OK;
}

enum status json_parse(struct arena *a, struct str source, const struct json_limits *limits,
                       struct json **out_root, struct error *err)
{
    struct reader r = {
        .arena = a, .err = err, .max_depth = JSON_DEPTH, .keep_depth = JSON_DEPTH_MOST
    };
    struct json *root = NULL;
    enum status status;

    r.begin = r.p = source.p ? source.p : "";
    r.end = r.begin + source.n;
    if (limits) {
        if (limits->max_depth)
            r.max_depth = MIN(limits->max_depth, (unsigned)JSON_DEPTH_MOST);
        r.max_values = limits->max_values;
        if (limits->keep_depth)
            r.keep_depth = limits->keep_depth;
    }
    status = read_document(&r, &root);
    *out_root = status ? NULL : root;
    return status;
}
