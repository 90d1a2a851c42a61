/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain server's answer becomes: JSON as it is, text as text, anything else as the bytes of
 * a file (a data address, from which the fleet makes one). */
#include "base/encode.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "protocol/plain/plain_impl.h"

enum { SHOWN_MAX = 2000 };

void plain_answer_deinit(struct plain_answer *x)
{
    free(x->error);
    buf_deinit(&x->output);
    buf_deinit(&x->metrics);
}

const struct json *plain_find(const struct json *v, const char *dotted)
{
    struct str rest = str_of(dotted), part;
    uint64_t index;

    while (v && str_split(&rest, '.', &part)) {
        const struct json *found = NULL;

        if (json_is(v, JSON_OBJECT)) {
            found = json_get_str(v, part);
        } else if (json_is(v, JSON_ARRAY) && str_to_u64(part, &index) && index < v->n) {
            found = v->child;
            while (index--)
                found = found->next;
        }
        v = found;
    }
    return v;
}

struct str plain_error_text(const struct json *root)
{
    static const char *const places[] = { "error.message", "error", "detail", "message",
                                          "detail.0.msg" };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct str text = json_to_str(plain_find(root, places[i]));

        if (text.n)
            return text;
    }
    return STR_NULL;
}

const char *plain_refusal(struct arena *a, int status, struct str body)
{
    struct json *root = NULL;
    struct str text = STR_NULL;

    if (json_parse(a, body, NULL, &root, NULL) == STATUS_OK)
        text = plain_error_text(root);
    else if (body.n <= SHOWN_MAX && utf8_valid(body) && !str_starts(body, "<"))
        text = str_trim(body);
    if (text.n)
        return arena_printf(a, "%.*s (the model server answered %d)",
                            (int)MIN(text.n, (size_t)SHOWN_MAX), text.p, status);
    return arena_printf(a, "The model server answered %d.", status);
}

static enum status plain_request(const struct plain_peer *pp, struct str input, struct buf *out,
                                 struct error *err)
{
    (void)pp;
    (void)err;
    buf_add_str(out, input);
    return STATUS_OK;
}

static bool is_json(struct str type)
{
    return str_is(type, "application/json") || str_ends(type, "+json");
}

/* Of an answer: where its output stands, and no deeper (but for errors). */
static struct json_limits limits_of(const struct plain_peer *pp)
{
    struct str rest = str_of(pp->output), part;
    struct json_limits limits = { .keep_depth = 0, .max_values = 1 << 20 };

    while (rest.p && str_split(&rest, '.', &part))
        limits.keep_depth++;
    limits.keep_depth = MAX(limits.keep_depth, 3U);
    return limits;
}

static enum status take_json(const struct plain_peer *pp, struct str body, struct plain_answer *out,
                             struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const struct json_limits limits = limits_of(pp);
    struct json *root = NULL;
    const struct json *v;
    struct error why;

    if (json_parse(&a, body, &limits, &root, &why) != STATUS_OK)
        return FAIL(err, STATUS_INVALID,
                    "The model server's answer is not JSON that can be read: %.300s", why.text);
    v = pp->output ? plain_find(root, pp->output) : root;
    if (!v)
        return FAIL(err, STATUS_INVALID,
                    "The model server's answer has nothing at %.200s, where model.yaml says under "
                    "output.from that its output is",
                    pp->output);
    buf_add_str(&out->output, v->span);
    return STATUS_OK;
}

/* What may stand in an address: another would end it, or the JSON text around it. */
static bool is_media_type(struct str type)
{
    static const char taken[] = "abcdefghijklmnopqrstuvwxyz0123456789/.+-_";

    for (size_t i = 0; i < type.n; i++)
        if (!type.p[i] || !strchr(taken, type.p[i]))
            return false;
    return type.n > 0;
}

static enum status plain_answer(const struct plain_peer *pp, struct str type, struct str body,
                                struct plain_answer *out, struct error *err)
{
    struct json_writer w;

    if (is_json(type))
        return take_json(pp, body, out, err);
    json_writer_init(&w, &out->output);
    if (!body.n) {
        json_null(&w);
    } else if (str_starts(type, "text/")) {
        json_string(&w, body);
    } else {
        if (!is_media_type(type))
            type = STR("application/octet-stream");
        buf_addf(&out->output, "\"data:%.*s;base64,", STR_ARG(type));
        base64_add(&out->output, body.p, body.n);
        buf_adds(&out->output, "\"");
    }
    return STATUS_OK;
}

static bool plain_event(struct plain_run *pr, const struct sse_event *e)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    const struct json_limits limits = limits_of(pr->peer);
    struct json *root = NULL;
    const struct json *v = NULL;
    struct json_writer w;
    struct error err;
    enum status st = json_parse(&a, e->data, &limits, &root, &err);

    if (str_is(e->data, "[DONE]"))
        return false;
    if (st == STATUS_TOO_LARGE) {
        plain_run_failed(pr, str_of(err.text));
        return true;
    }
    if (str_is(e->name, "error")) {
        struct str said = plain_error_text(root);

        if (!said.p)
            said = json_is(root, JSON_STRING) ? root->text : e->data;
        plain_run_failed(pr, said);
        return true;
    }
    if (st == STATUS_OK) {
        v = pr->peer->output ? plain_find(root, pr->peer->output) : root;
        if (v)
            plain_run_piece(pr, v->span);
        else
            pr->was_elsewhere = true; /* of another kind, if there are others */
        return true;
    }
    json_writer_init(&w, &text);
    json_string(&w, e->data);
    plain_run_piece(pr, buf_str(&text));
    return true;
}

const struct plain_kind plain_kind = {
    .name = "plain",
    .request = plain_request,
    .answer = plain_answer,
    .event = plain_event,
};
