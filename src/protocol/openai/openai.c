/* SPDX-License-Identifier: Apache-2.0 */
/* The input's names are OpenAI's own and go as they are; `prompt` and `system_prompt` become
 * messages for a chat. The answer is always asked for as a stream, so that a prediction's output
 * comes as it is made, and closing the connection ends the work. */
#include "protocol/openai/openai.h"

#include "base/mem.h"
#include "protocol/plain/plain_impl.h"

static bool is_chat(const struct plain_peer *pp)
{
    return str_ends(str_of(pp->url), "/chat/completions");
}

/* --- the request --- */

static void write_message(struct json_writer *w, const char *role, const struct json *content)
{
    json_begin_object(w);
    json_member_string(w, "role", role);
    json_member_raw(w, "content", content->span);
    json_end_object(w);
}

static void write_messages(struct json_writer *w, const struct json *input)
{
    const struct json *system = json_get(input, "system_prompt");
    struct str text = json_to_str(system);

    json_key(w, "messages");
    json_begin_array(w);
    if (text.n)
        write_message(w, "system", system);
    write_message(w, "user", json_get(input, "prompt"));
    json_end_array(w);
}

/* Of the members that the server is told by us, or not at all. */
static bool is_ours(struct str key, bool chat)
{
    static const char *const always[] = { "model", "stream", "stream_options", "system_prompt" };

    for (size_t i = 0; i < ARRAY_SIZE(always); i++)
        if (str_is(key, always[i]))
            return true;
    return str_is(key, chat ? "prompt" : "messages");
}

static enum status request(const struct plain_peer *pp, struct str text, struct buf *out,
                           struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    bool chat = is_chat(pp), has_messages;
    struct json *input = NULL;
    struct json_writer w;

    if (json_parse(&a, text, NULL, &input, err) != STATUS_OK)
        return STATUS_INVALID;
    has_messages =
        json_is(json_get(input, "messages"), JSON_ARRAY) && json_get(input, "messages")->n > 0;
    if (!(chat && has_messages) && !json_get(input, "prompt"))
        return FAIL(err, STATUS_INVALID,
                    chat ? "The input has neither messages nor a prompt; give one of them."
                         : "The input has no prompt; give one.");
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "model", pp->model);
    if (chat && !has_messages)
        write_messages(&w, input);
    json_each (input, v) {
        if (is_ours(v->key, chat) || (!has_messages && str_is(v->key, "messages")))
            continue;
        json_key_str(&w, v->key);
        json_raw(&w, v->span);
    }
    json_member_bool(&w, "stream", true);
    json_member_raw(&w, "stream_options", STR("{\"include_usage\":true}"));
    json_end_object(&w);
    return STATUS_OK;
}

/* --- the answer --- */

/* By the names that models of Cog use for the same. */
static void take_usage(const struct json *root, struct buf *out)
{
    const struct json *usage = json_get(root, "usage");
    int64_t in, made;
    struct json_writer w;

    if (!json_to_i64(json_get(usage, "prompt_tokens"), &in))
        return;
    if (!json_to_i64(json_get(usage, "completion_tokens"), &made))
        made = 0;
    buf_clear(out);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "input_token_count", in);
    json_member_int(&w, "output_token_count", made);
    json_end_object(&w);
}

static enum status answer(const struct plain_peer *pp, struct str type, struct str body,
                          struct plain_answer *out, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const struct json *content;
    struct json *root = NULL;

    (void)type;
    if (json_parse(&a, body, &PLAIN_JSON, &root, NULL) != STATUS_OK)
        return FAIL(err, STATUS_INVALID, "The model server's answer is neither a stream nor JSON");
    content = plain_find(root, is_chat(pp) ? "choices.0.message.content" : "choices.0.text");
    if (!content) {
        out->failed = true;
        out->error = str_dup(plain_error_text(root));
        return STATUS_OK;
    }
    take_usage(root, &out->metrics);
    if (json_is(content, JSON_STRING))
        buf_addf(&out->output, "[%.*s]", STR_ARG(content->span));
    return STATUS_OK;
}

static bool event(struct plain_run *pr, const struct sse_event *e)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const struct json *content;
    struct json *root = NULL;

    if (str_is(e->data, "[DONE]"))
        return false;
    if (json_parse(&a, e->data, &PLAIN_JSON, &root, NULL) != STATUS_OK)
        return true;
    if (json_get(root, "error") || str_is(e->name, "error") ||
        str_is(json_to_str(json_get(root, "object")), "error")) {
        plain_run_failed(pr, plain_error_text(root));
        return true;
    }
    take_usage(root, &pr->got.metrics);
    content = plain_find(root, is_chat(pr->peer) ? "choices.0.delta.content" : "choices.0.text");
    if (json_to_str(content).n)
        plain_run_piece(pr, content->span);
    return true;
}

static const struct plain_kind openai_kind = {
    .name = "openai",
    .asks_model = true,
    .request = request,
    .answer = answer,
    .event = event,
    .must_say_end = true,
};

struct protocol *openai_protocol_new(struct loop *l, struct http_client *client,
                                     const struct plain_limits *limits)
{
    return plain_new(l, client, &openai_kind, limits);
}
