/* SPDX-License-Identifier: Apache-2.0 */
/* From OpenAI's parameters to a model's own: by the names that its Input schema has. */
#include "api/openai.h"

enum { MAX_PROMPT = 64 << 20 };

/* What one parameter is called by models; the first name that the schema has is taken. */
static const struct {
    const char *given;
    const char *names[5];
} PARAMETERS[] = {
    { "max_completion_tokens",
      { "max_tokens", "max_new_tokens", "max_completion_tokens", "max_output_tokens" } },
    { "max_tokens",
      { "max_tokens", "max_new_tokens", "max_completion_tokens", "max_output_tokens" } },
    { "temperature", { "temperature" } },
    { "top_p", { "top_p" } },
    { "seed", { "seed" } },
    { "frequency_penalty", { "frequency_penalty" } },
    { "presence_penalty", { "presence_penalty" } },
    { "stop", { "stop_sequences", "stop" } },
};

/* Keys that mean something to us, and are never the model's own. */
static const char *const OURS[] = { "model",          "messages", "prompt", "stream",
                                    "stream_options", "n",        "user" };

static bool has(const struct openai_request *q, const char *name)
{
    return json_get(q->properties, name) != NULL;
}

static bool is_list(const struct openai_request *q, const char *name)
{
    return str_is(json_to_str(json_get(json_get(q->properties, name), "type")), "array");
}

/* Keys that change what is answered: refused rather than dropped, where they ask for something and
 * the model has no input of that name. */
static const struct {
    const char *key, *harmless; /* the value that asks for nothing beside null, false and empty */
    const char *instead;
} UNMET[] = {
    { "tools", NULL, "say in the prompt what the model may ask for" },
    { "functions", NULL, "say in the prompt what the model may ask for" },
    { "response_format", "{\"type\":\"text\"}", "ask for the form in the prompt" },
    { "logprobs", NULL, "leave it out" },
    { "top_logprobs", "0", "leave it out" },
    { "echo", NULL, "put the prompt before the answer yourself" },
    { "suffix", NULL, "leave it out" },
    { "best_of", "1", "leave it out" },
    { "audio", NULL, "leave it out" },
};

static bool asks_for_nothing(const struct json *v, const char *harmless)
{
    bool yes;

    if (!v || json_is(v, JSON_NULL) || (harmless && str_is(v->span, harmless)))
        return true;
    if (json_to_bool(v, &yes))
        return !yes;
    if (json_is(v, JSON_STRING))
        return v->text.n == 0;
    return (json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) && v->n == 0;
}

static bool is_met(struct http_request *r, const struct openai_request *q)
{
    for (size_t i = 0; i < ARRAY_SIZE(UNMET); i++) {
        const struct json *v = json_get(q->body, UNMET[i].key);

        if (has(q, UNMET[i].key) || asks_for_nothing(v, UNMET[i].harmless))
            continue;
        if (str_is(json_to_str(json_get(v, "type")), "text"))
            continue; /* a response_format of text, however it is written */
        openai_problem(r, 400, "invalid_request_error", UNMET[i].key, "unsupported_parameter",
                       "The model of %s has no input \"%s\": %s.", q->model, UNMET[i].key,
                       UNMET[i].instead);
        return false;
    }
    return true;
}

/* A message's content: text, or parts of which the texts count. */
static bool add_content(struct http_request *r, const struct json *message, struct buf *out)
{
    struct json *content = json_get(message, "content");

    if (json_is(content, JSON_STRING))
        return buf_add_str(out, content->text);
    if (!content || json_is(content, JSON_NULL))
        return true;
    if (!json_is(content, JSON_ARRAY)) {
        openai_problem(r, 400, "invalid_request_error", "messages", NULL,
                       "The content of a message must be text or an array of parts.");
        return false;
    }
    json_each (content, part) {
        if (str_is(json_to_str(json_get(part, "type")), "text"))
            buf_add_str(out, json_to_str(json_get(part, "text")));
    }
    return true;
}

static bool refuse_part(struct http_request *r, const char *why)
{
    openai_problem(r, 400, "invalid_request_error", "messages", "unsupported_content", "%s", why);
    return false;
}

/* One part that is no text: an image goes to the input of that name, once. */
static bool take_part(struct http_request *r, const struct openai_request *q,
                      const struct json *part, struct str *out_image)
{
    struct str type = json_to_str(json_get(part, "type"));
    struct str url = json_to_str(json_path(part, "image_url.url"));

    if (str_is(type, "text"))
        return true;
    if (!str_is(type, "image_url") || !has(q, "image"))
        return refuse_part(
            r, arena_printf(r->arena,
                            "The model of %s takes no part of type \"%.*s\": leave it out, or use "
                            "a deployment that takes it.",
                            q->model, (int)MIN(type.n, (size_t)40), type.p ? type.p : ""));
    if (out_image->p)
        return refuse_part(r, "The model takes one image; there are several in messages.");
    if (!url.p)
        return refuse_part(r, "A part of type image_url must have its address at image_url.url.");
    *out_image = url;
    return true;
}

/* A model that takes messages gets them as they are. */
static bool take_parts(struct http_request *r, const struct openai_request *q,
                       const struct json *messages, struct str *out_image)
{
    json_each (messages, m) {
        const struct json *content = json_get(m, "content");

        json_each (json_is(content, JSON_ARRAY) ? content : NULL, part)
            if (!take_part(r, q, part, out_image))
                return false;
    }
    return true;
}

static bool is_system(const struct json *m)
{
    struct str role = json_to_str(json_get(m, "role"));

    return str_is(role, "system") || str_is(role, "developer");
}

static const char *speaker(const struct json *m)
{
    return str_is(json_to_str(json_get(m, "role")), "assistant") ? "Assistant" : "User";
}

/* One user's message stands as it is; a conversation is written out with who said what. */
static bool write_prompt(struct http_request *r, const struct openai_request *q,
                         struct json_writer *w)
{
    struct json *messages = json_get(q->body, "messages");
    struct buf system CLEANUP(buf_deinit) = BUF_INIT(MAX_PROMPT);
    struct buf prompt CLEANUP(buf_deinit) = BUF_INIT(MAX_PROMPT);
    size_t said = 0;
    bool alone;

    json_each (messages, m)
        said += !is_system(m);
    alone = said == 1;
    json_each (messages, m) {
        struct buf *to = is_system(m) ? &system : &prompt;

        if (to->n)
            buf_addc(to, '\n');
        if (to == &prompt && !alone)
            buf_addf(to, "%s: ", speaker(m));
        if (!add_content(r, m, to))
            return false;
    }
    if (!alone)
        buf_adds(&prompt, "\nAssistant:");
    if (system.n && has(q, "system_prompt")) {
        json_member_str(w, "system_prompt", buf_str(&system));
    } else if (system.n) {
        buf_adds(&system, "\n\n");
        buf_add_str(&system, buf_str(&prompt));
        json_member_str(w, "prompt", buf_str(&system));
        return true;
    }
    json_member_str(w, "prompt", buf_str(&prompt));
    return true;
}

static bool write_chat(struct http_request *r, const struct openai_request *q,
                       struct json_writer *w)
{
    struct json *messages = json_get(q->body, "messages");
    struct str image = STR_NULL;

    if (!json_is(messages, JSON_ARRAY) || messages->n == 0) {
        openai_problem(r, 400, "invalid_request_error", "messages", NULL,
                       "messages must be an array with at least one message.");
        return false;
    }
    json_each (messages, m) {
        if (!json_to_str(json_get(m, "role")).p) {
            openai_problem(r, 400, "invalid_request_error", "messages", NULL,
                           "A message must have a role.");
            return false;
        }
    }
    if (!has(q, "messages")) {
        if (!take_parts(r, q, messages, &image))
            return false;
        if (image.p)
            json_member_str(w, "image", image);
        return write_prompt(r, q, w);
    }
    if (is_list(q, "messages"))
        json_member_raw(w, "messages", messages->span);
    else
        json_member_str(w, "messages",
                        messages->span); /* a model that takes them as one text of JSON */
    return true;
}

static bool write_completion(struct http_request *r, const struct openai_request *q,
                             struct json_writer *w)
{
    struct json *prompt = json_get(q->body, "prompt");
    struct buf messages CLEANUP(buf_deinit) = BUF_INIT(MAX_PROMPT);
    struct json_writer m;

    if (json_is(prompt, JSON_ARRAY) && prompt->n == 1)
        prompt = prompt->child;
    if (!json_is(prompt, JSON_STRING)) {
        openai_problem(r, 400, "invalid_request_error", "prompt", NULL,
                       "prompt must be a string, or an array of one string.");
        return false;
    }
    if (has(q, "prompt")) {
        json_member_str(w, "prompt", prompt->text);
        return true;
    }
    json_writer_init(&m, &messages);
    json_begin_array(&m);
    json_begin_object(&m);
    json_member_string(&m, "role", "user");
    json_member_str(&m, "content", prompt->text);
    json_end_object(&m);
    json_end_array(&m);
    if (is_list(q, "messages"))
        json_member_raw(w, "messages", buf_str(&messages));
    else
        json_member_str(w, "messages", buf_str(&messages));
    return true;
}

/* `stop` is one text or several; so is what models take. */
static void write_stop(const struct openai_request *q, struct json_writer *w, const char *name,
                       const struct json *v)
{
    struct buf joined CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);

    if (is_list(q, name) && json_is(v, JSON_ARRAY)) {
        json_member_raw(w, name, v->span);
    } else if (is_list(q, name)) {
        json_key(w, name);
        json_begin_array(w);
        json_raw(w, v->span);
        json_end_array(w);
    } else if (json_is(v, JSON_STRING)) {
        json_member_raw(w, name, v->span);
    } else {
        json_each (v, one) {
            buf_adds(&joined, joined.n ? "," : "");
            buf_add_str(&joined, json_to_str(one));
        }
        json_member_str(w, name, buf_str(&joined));
    }
}

static const char *name_for(const struct openai_request *q, size_t parameter)
{
    for (size_t i = 0; i < ARRAY_SIZE(PARAMETERS[0].names) && PARAMETERS[parameter].names[i]; i++)
        if (has(q, PARAMETERS[parameter].names[i]))
            return PARAMETERS[parameter].names[i];
    return NULL;
}

static bool is_known(struct str key)
{
    for (size_t i = 0; i < ARRAY_SIZE(OURS); i++)
        if (str_is(key, OURS[i]))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(PARAMETERS); i++)
        if (str_is(key, PARAMETERS[i].given))
            return true;
    return false;
}

static void write_parameters(const struct openai_request *q, struct json_writer *w)
{
    bool has_limit = false;

    for (size_t i = 0; i < ARRAY_SIZE(PARAMETERS); i++) {
        struct json *v = json_get(q->body, PARAMETERS[i].given);
        const char *name = name_for(q, i);
        bool is_limit = i < 2;

        if (!v || json_is(v, JSON_NULL) || !name || (is_limit && has_limit))
            continue;
        has_limit = has_limit || is_limit;
        if (strcmp(PARAMETERS[i].given, "stop") == 0)
            write_stop(q, w, name, v);
        else
            json_member_raw(w, name, v->span);
    }
    /* What OpenAI does not know, but the model does (`extra_body` of their clients). */
    json_each (q->body, v) {
        if (is_known(v->key) || !json_get_str(q->properties, v->key))
            continue;
        json_key_str(w, v->key);
        json_raw(w, v->span);
    }
}

bool openai_map_input(struct http_request *r, const struct openai_request *q, struct buf *out)
{
    struct json_writer w;

    if (!has(q, "prompt") && !has(q, "messages")) {
        openai_problem(r, 400, "invalid_request_error", "model", "model_not_supported",
                       "The model of %s takes neither a prompt nor messages.", q->model);
        return false;
    }
    if (!is_met(r, q))
        return false;
    json_writer_init(&w, out);
    json_begin_object(&w);
    if (!(q->is_chat ? write_chat(r, q, &w) : write_completion(r, q, &w)))
        return false;
    write_parameters(q, &w);
    json_end_object(&w);
    return true;
}
