/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of what the server answers. Router, documents and tests read it. */
#include "api/api.h"

const struct http_route API_ROUTES[] = {
#define ROUTE(m, p, h, f, n, s)                                                                    \
    {                                                                                              \
        .method = (m), .path = (p), .handler = (h), .flags = (f), .name = (n), .summary = (s)      \
    }
    ROUTE("GET", "/v1/account", account_show, HTTP_BODY_NONE, "account.get",
          "Get the authenticated account"),
    ROUTE("GET", "/v1/hardware", hardware_list, HTTP_BODY_NONE, "hardware.list",
          "List available hardware for models"),

    ROUTE("GET", "/v1/models", model_list, HTTP_BODY_NONE, "models.list", "List public models"),
    ROUTE("QUERY", "/v1/models", model_search, HTTP_BODY_TEXT, "models.search",
          "Search public models"),
    ROUTE("POST", "/v1/models", model_create, HTTP_BODY_JSON, "models.create", "Create a model"),
    ROUTE("GET", "/v1/models/{owner}/{name}", model_show, HTTP_BODY_NONE, "models.get",
          "Get a model"),
    ROUTE("PATCH", "/v1/models/{owner}/{name}", model_update, HTTP_BODY_JSON, "models.update",
          "Update metadata for a model"),
    ROUTE("DELETE", "/v1/models/{owner}/{name}", model_delete, HTTP_BODY_NONE, "models.delete",
          "Delete a model"),
    ROUTE("GET", "/v1/models/{owner}/{name}/readme", model_readme, HTTP_BODY_NONE,
          "models.readme.get", "Get a model's README"),
    ROUTE("GET", "/v1/models/{owner}/{name}/examples", model_examples, HTTP_BODY_NONE,
          "models.examples.list", "List examples for a model"),
    ROUTE("PUT", "/v1/models/{owner}/{name}/examples/{id}", example_add, HTTP_BODY_NONE,
          "models.examples.add", "Make a prediction an example of your model"),
    ROUTE("DELETE", "/v1/models/{owner}/{name}/examples/{id}", example_remove, HTTP_BODY_NONE,
          "models.examples.remove", "Take an example away from your model"),
    ROUTE("POST", "/v1/models/{owner}/{name}/predictions", prediction_make_model, HTTP_BODY_JSON,
          "models.predictions.create", "Create a prediction with a model's latest version"),

    ROUTE("GET", "/v1/models/{owner}/{name}/versions", version_list, HTTP_BODY_NONE,
          "models.versions.list", "List model versions"),
    ROUTE("POST", "/v1/models/{owner}/{name}/versions", version_push, HTTP_BODY_STREAM,
          "models.versions.push",
          "Push a folder with a cog.yaml (a gzip tar) as a new version; answers 202 with a build"),
    ROUTE("GET", "/v1/models/{owner}/{name}/versions/{id}", version_show, HTTP_BODY_NONE,
          "models.versions.get", "Get a model version"),
    ROUTE("DELETE", "/v1/models/{owner}/{name}/versions/{id}", version_delete, HTTP_BODY_NONE,
          "models.versions.delete", "Delete a model version"),
    ROUTE("GET", "/v1/builds/{id}", build_show, HTTP_BODY_NONE, "builds.get",
          "Get the state of a build"),
    ROUTE("GET", "/v1/builds/{id}/log", build_log, HTTP_BODY_NONE, "builds.log",
          "Read a build's log; with ?follow=1 until the build ends"),

    ROUTE("GET", "/v1/deployments", deployment_list, HTTP_BODY_NONE, "deployments.list",
          "List deployments"),
    ROUTE("POST", "/v1/deployments", deployment_create, HTTP_BODY_JSON, "deployments.create",
          "Create a deployment"),
    ROUTE("GET", "/v1/deployments/{owner}/{name}", deployment_show, HTTP_BODY_NONE,
          "deployments.get", "Get a deployment"),
    ROUTE("PATCH", "/v1/deployments/{owner}/{name}", deployment_update, HTTP_BODY_JSON,
          "deployments.update", "Update a deployment"),
    ROUTE("DELETE", "/v1/deployments/{owner}/{name}", deployment_delete, HTTP_BODY_NONE,
          "deployments.delete", "Delete a deployment"),
    ROUTE("POST", "/v1/deployments/{owner}/{name}/predictions", prediction_make_deployment,
          HTTP_BODY_JSON, "deployments.predictions.create",
          "Create a prediction using a deployment"),
    ROUTE("POST", "/v1/deployments/{owner}/{name}/enable", deployment_enable, HTTP_BODY_NONE,
          "deployments.enable", "Let a failed release try again"),
    ROUTE("POST", "/v1/deployments/{owner}/{name}/rollback", deployment_rollback, HTTP_BODY_TEXT,
          "deployments.rollback", "Go back to an older release: a new one with what that one had"),
    ROUTE("GET", "/v1/deployments/{owner}/{name}/instances/{id}/log", deployment_instance_log,
          HTTP_BODY_NONE, "deployments.instances.log",
          "What an instance said while it got ready, also when it has ended"),
    ROUTE("GET", "/v1/deployments/{owner}/{name}/instances", deployment_instances, HTTP_BODY_NONE,
          "deployments.instances.list", "List a deployment's instances, and what it waits for"),
    ROUTE("GET", "/v1/deployments/{owner}/{name}/releases", deployment_releases, HTTP_BODY_NONE,
          "deployments.releases.list", "List a deployment's releases"),

    ROUTE("GET", "/v1/predictions", prediction_list, HTTP_BODY_NONE, "predictions.list",
          "List predictions"),
    ROUTE("POST", "/v1/predictions", prediction_make, HTTP_BODY_JSON, "predictions.create",
          "Create a prediction"),
    ROUTE("GET", "/v1/predictions/{id}", prediction_show, HTTP_BODY_NONE, "predictions.get",
          "Get a prediction"),
    ROUTE("DELETE", "/v1/predictions/{id}", prediction_remove, HTTP_BODY_NONE, "predictions.delete",
          "Erase the input, output and logs of an ended prediction"),
    ROUTE("POST", "/v1/predictions/{id}/cancel", prediction_stop, HTTP_BODY_NONE,
          "predictions.cancel", "Cancel a prediction"),

    ROUTE("POST", "/v1/models/{owner}/{name}/versions/{id}/trainings", training_make,
          HTTP_BODY_JSON, "trainings.create", "Create a training"),
    ROUTE("GET", "/v1/trainings", training_list, HTTP_BODY_NONE, "trainings.list",
          "List trainings"),
    ROUTE("GET", "/v1/trainings/{id}", prediction_show, HTTP_BODY_NONE, "trainings.get",
          "Get a training"),
    ROUTE("POST", "/v1/trainings/{id}/cancel", prediction_stop, HTTP_BODY_NONE, "trainings.cancel",
          "Cancel a training"),

    ROUTE("GET", "/v1/predictions/{id}/webhooks", webhook_list, HTTP_BODY_NONE,
          "predictions.webhooks.list",
          "List the messages to a prediction's webhook, with each attempt"),
    ROUTE("POST", "/v1/predictions/{id}/webhooks/{n}/resend", webhook_resend, HTTP_BODY_NONE,
          "predictions.webhooks.resend", "Send the message of a prediction's end again"),
    ROUTE("GET", "/v1/webhooks/default/secret", webhook_key_show, HTTP_BODY_NONE,
          "webhooks.default.secret.get", "Get the signing secret for the default webhook"),
    ROUTE("POST", "/v1/webhooks/default/secret", webhook_key_rotate, HTTP_BODY_NONE,
          "webhooks.default.secret.rotate",
          "Make a new signing secret; for a day the one before it signs too"),

    ROUTE("GET", "/v1/streams/{secret}", stream_show, HTTP_OPEN | HTTP_BODY_NONE, "streams.get",
          "Follow a prediction's output as server-sent events; the address is its own key"),

    ROUTE("GET", "/v1/capacity", capacity_show, HTTP_BODY_NONE, "capacity.get",
          "What the machine has, and who holds it"),
    ROUTE("GET", "/v1/collections", collection_list, HTTP_BODY_NONE, "collections.list",
          "List collections of models"),
    ROUTE("GET", "/v1/collections/{slug}", collection_show, HTTP_BODY_NONE, "collections.get",
          "Get a collection of models"),
    ROUTE("GET", "/v1/search", search_show, HTTP_OPEN | HTTP_BODY_NONE, "search",
          "Search models and collections"),
    ROUTE("POST", "/openai/v1/chat/completions", openai_chat, HTTP_BODY_TEXT,
          "openai.chat.completions.create", "OpenAI's form: a chat with a deployment's model"),
    ROUTE("POST", "/openai/v1/completions", openai_completion, HTTP_BODY_TEXT,
          "openai.completions.create", "OpenAI's form: a text that a deployment's model completes"),
    ROUTE("GET", "/openai/v1/models", openai_models, HTTP_BODY_NONE, "openai.models.list",
          "OpenAI's form: your deployments"),
    ROUTE("GET", "/openai/v1/models/{owner}/{name}", openai_model, HTTP_BODY_NONE,
          "openai.models.get", "OpenAI's form: one of your deployments"),
    ROUTE("GET", "/v1/openapi.json", openapi_show, HTTP_OPEN | HTTP_BODY_NONE, "openapi",
          "This document"),
    ROUTE("GET", "/healthz", health_show, HTTP_OPEN | HTTP_BODY_NONE | HTTP_HIDDEN, "health",
          "Whether the server works"),
};
const size_t API_N_ROUTES = ARRAY_SIZE(API_ROUTES);

const struct http_route INTERNAL_ROUTES[] = {
    ROUTE("POST", "/_i/{capability}/webhook/{id}", internal_webhook, HTTP_OPEN | HTTP_BODY_TEXT,
          "internal.webhook", "The end of a prediction, told by its instance"),
};
const size_t INTERNAL_N_ROUTES = ARRAY_SIZE(INTERNAL_ROUTES);

const struct http_route ADMIN_ROUTES[] = {
    ROUTE("GET", "/accounts", admin_account_list, HTTP_OPEN | HTTP_BODY_NONE, "accounts.list",
          "List accounts"),
    ROUTE("POST", "/accounts", admin_account_create, HTTP_OPEN | HTTP_BODY_JSON, "accounts.create",
          "Create an account"),
    ROUTE("GET", "/tokens", admin_token_list, HTTP_OPEN | HTTP_BODY_NONE, "tokens.list",
          "List tokens, of all accounts or with ?account=NAME"),
    ROUTE("POST", "/tokens", admin_token_create, HTTP_OPEN | HTTP_BODY_JSON, "tokens.create",
          "Create a token for an account"),
    ROUTE("GET", "/collections", collection_list, HTTP_OPEN | HTTP_BODY_NONE, "collections.list",
          "List collections"),
    ROUTE("PUT", "/collections/{slug}", admin_collection_put, HTTP_OPEN | HTTP_BODY_JSON,
          "collections.put", "Make or change a collection"),
    ROUTE("DELETE", "/collections/{slug}", admin_collection_delete, HTTP_OPEN | HTTP_BODY_NONE,
          "collections.delete", "Delete a collection; its models stay"),
    ROUTE("DELETE", "/tokens/{id}", admin_token_revoke, HTTP_OPEN | HTTP_BODY_NONE, "tokens.revoke",
          "Revoke a token"),
};
const size_t ADMIN_N_ROUTES = ARRAY_SIZE(ADMIN_ROUTES);

void api_markdown(struct buf *out)
{
    buf_adds(out, "| method | path | operation | what it does |\n|---|---|---|---|\n");
    for (size_t i = 0; i < API_N_ROUTES; i++)
        buf_addf(out, "| %s | `%s` | %s | %s |\n", API_ROUTES[i].method, API_ROUTES[i].path,
                 API_ROUTES[i].name, API_ROUTES[i].summary);
}
