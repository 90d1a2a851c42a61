/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a model server: what they mean, and what of them is for a reader. */
#include "protocol/cog/cog_impl.h"

#include <ctype.h>

static bool strip(struct str *s, const char *prefix)
{
    if (!str_starts(*s, prefix))
        return false;
    s->p += strlen(prefix);
    s->n -= strlen(prefix);
    return true;
}

struct str cog_trim_space(struct str s)
{
    while (s.n > 0 && isspace((unsigned char)s.p[0]))
        s = str_make(s.p + 1, s.n - 1);
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str cog_error_clean(struct str text)
{
    struct str s = cog_trim_space(text);

    while (strip(&s, "Prediction failed:") || strip(&s, "Async prediction failed:") ||
           strip(&s, "Generator iteration error:") || strip(&s, "Async generator iteration error:"))
        s = cog_trim_space(s);
    return s.n > 0 ? s : cog_trim_space(text);
}

enum cog_fault cog_error_fault(struct str cleaned)
{
    /* A model cannot say these itself: its exceptions come with the name of their class before the
     * text. The last but one is the older server's. */
    if (str_starts(cleaned, "Worker crashed"))
        return FAULT_CRASH;
    if (str_starts(cleaned, "Failed to send request"))
        return FAULT_IDLE;
    if (str_starts(cleaned,
                   "Prediction failed for an unknown reason. It might have run out of memory?"))
        return FAULT_CRASH;
    if (str_starts(cleaned, "Failed to create output dir"))
        return FAULT_SLOT;
    return FAULT_NONE;
}

/* "worker setup failed (slot 6f...): x" gives x. */
static bool strip_slot(struct str *s)
{
    const char *end;

    if (!str_starts(*s, "worker setup failed (slot "))
        return false;
    end = memchr(s->p, ')', s->n);
    if (!end)
        return false;
    *s = str_make(end + 1, s->n - (size_t)(end + 1 - s->p));
    strip(s, ":");
    return true;
}

struct str cog_setup_error(struct str text)
{
    struct str s = cog_trim_space(text);

    while (strip_slot(&s) || strip(&s, "worker setup failed:") || strip(&s, "Setup failed:") ||
           strip(&s, "setup failed:"))
        s = cog_trim_space(s);
    return s.n > 0 ? s : cog_trim_space(text);
}

/* One entry of a validation error: "input.steps: Field required". */
static void add_problem(struct buf *out, const struct json *problem)
{
    struct str msg = json_to_str(json_get(problem, "msg"));
    bool first = true;

    if (!msg.p)
        return;
    if (out->n)
        buf_adds(out, "; ");
    json_each (json_get(problem, "loc"), part) {
        struct str s = part->text;

        if (!s.p || str_is(s, "body") || str_is(s, "__root__"))
            continue;
        buf_addf(out, "%s%.*s", first ? "" : ".", STR_ARG(s));
        first = false;
    }
    if (!first)
        buf_adds(out, ": ");
    buf_add_str(out, msg);
}

const char *cog_refusal(struct arena *a, int status, struct str body)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json *root = NULL, *detail;

    if (json_parse(a, body, NULL, &root, NULL) == STATUS_OK && json_is(root, JSON_OBJECT)) {
        detail = json_get(root, "detail") ? json_get(root, "detail") : json_get(root, "error");
        if (json_is(detail, JSON_STRING))
            buf_add_str(&text, detail->text);
        json_each (json_is(detail, JSON_ARRAY) ? detail : NULL, problem)
            add_problem(&text, problem);
    } else {
        body = cog_trim_space(body);
        if (body.n <= 2048)
            buf_add_str(&text, body);
    }
    if (text.n)
        return arena_copy(a, buf_str(&text));
    return arena_printf(a, "the model server answered %d", status);
}

/* "[coglet::setup] text" gives the target and leaves the text; p == NULL when the line has none. */
static struct str take_target(struct str *line)
{
    struct str target;
    size_t i = 1;

    if (line->n < 4 || line->p[0] != '[')
        return STR_NULL;
    while (i < line->n &&
           (isalnum((unsigned char)line->p[i]) || line->p[i] == '_' || line->p[i] == ':'))
        i++;
    if (i == 1 || i + 1 >= line->n || line->p[i] != ']' || line->p[i + 1] != ' ')
        return STR_NULL;
    target = str_make(line->p + 1, i - 1);
    *line = str_make(line->p + i + 2, line->n - i - 2);
    return target;
}

void cog_setup_log(struct str log, struct buf *out)
{
    struct str line;
    bool wanted = true; /* a line without a target goes on with the one before */

    while (str_split(&log, '\n', &line)) {
        struct str target = take_target(&line);

        if (target.p)
            wanted = str_is(target, "coglet::setup") || str_is(target, "coglet::user");
        if (!wanted || (!log.p && !line.n))
            continue;
        buf_add_str(out, line);
        buf_addc(out, '\n');
    }
}

static struct str without_newline(struct str s)
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

struct str cog_log_line(struct protocol *pr, struct arena *a, struct str line, bool *is_runtime)
{
    struct json *root = NULL;
    struct str target, message;

    (void)pr;
    *is_runtime = false;
    if (!str_starts(line, "{") || json_parse(a, line, NULL, &root, NULL) != STATUS_OK)
        return line;
    target = json_to_str(json_get(root, "target"));
    message = json_to_str(json_path(root, "fields.message"));
    if (target.p && message.p) {
        if (str_is(target, "coglet::setup") || str_is(target, "coglet::user"))
            return without_newline(message);
        *is_runtime = !str_is(target, "coglet::prediction");
        return STR_NULL;
    }
    /* The older server's own lines, among which the model's stand as they were printed. */
    if (json_get(root, "logger") && json_get(root, "severity") && json_get(root, "timestamp")) {
        *is_runtime = true;
        return STR_NULL;
    }
    return line;
}
