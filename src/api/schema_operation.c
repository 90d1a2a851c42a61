/* SPDX-License-Identifier: Apache-2.0 */
/* What each operation of the route table takes and gives. One that is missing here is documented
 * without schemas. */
#include "api/openapi.h"

#include "base/compiler.h"

#define J OPENAPI_JSON

/* clang-format off */
static const char SORT[] = J({"name": "sort_by", "in": "query", "schema": {
    "enum": ["latest_version_created_at", "model_created_at"], "default": "latest_version_created_at"}},
    {"name": "sort_direction", "in": "query", "schema": {"enum": ["asc", "desc"], "default": "desc"}});
static const char NAMED[] = J({"name": "name", "in": "query", "schema": {"type": "string"},
    "description": "owner/name: only this one"});
static const char DURING[] = J({"name": "from", "in": "query", "schema": {"type": "string"},
    "description": "A day or a time; without it the six days before"},
    {"name": "to", "in": "query", "schema": {"type": "string"}, "description": "Exclusive; without it now"});
static const char BETWEEN[] = J({"name": "created_after", "in": "query", "schema": {
    "type": "string", "anyOf": [{"format": "date-time"}, {"maxLength": 0}]}, "description": "Inclusive"},
    {"name": "created_before", "in": "query", "schema": {
    "type": "string", "anyOf": [{"format": "date-time"}, {"maxLength": 0}]}, "description": "Exclusive"},
    {"name": "source", "in": "query", "schema": {"enum": ["web"]}},
    {"name": "deployment", "in": "query", "schema": {"type": "string"}, "description": "owner/name"});
static const char MAKING[] = J({"name": "Prefer", "in": "header", "schema": {"type": "string"},
    "example": "wait=5", "description": "wait, or wait=n: how many seconds, at most 60; anything else is ignored"},
    {"name": "Cancel-After", "in": "header", "schema": {"type": "string", "minLength": 1}, "example": "90s",
     "description": "A duration from the creation on, 5 seconds or more: 30, 90s, 5m, 1h30m45s"});
static const char PUSHING[] = J({"name": "visibility", "in": "query", "schema": {"enum": ["public", "private"]},
     "description": "Of the model, where it is new"},
    {"name": "hardware", "in": "query", "schema": {"$ref": "#/components/schemas/SKU"},
     "description": "Of the model, where it is new"});
static const char FOLLOW[] = J({"name": "follow", "in": "query", "schema": {"enum": ["1"]}});
static const char SEARCH[] = J({"name": "query", "in": "query", "required": true,
     "schema": {"type": "string", "minLength": 1}},
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50, "default": 20}});

#define GET(operation, form, schema) { .name = operation, .status = 200, .shape = OPENAPI_##form, .answer = schema }
#define SEND(operation, body, code, form, schema)                                                                    \
    { .name = operation, .request = body, .status = code, .shape = OPENAPI_##form, .answer = schema }
#define GONE(operation, code) { .name = operation, .status = code, .shape = OPENAPI_EMPTY }
#define TEXT(operation, parameters)                                                                                  \
    { .name = operation, .query = parameters, .status = 200, .shape = OPENAPI_OTHER, .type = "text/plain" }

const struct openapi_operation OPENAPI_OPERATIONS[] = {
    GET("openapi", ONE, "Document"),
    GET("account.get", ONE, "Account"),
    GET("account.tokens.list", WHOLE, "Token"),
    SEND("account.tokens.create", "TokenCreate", 201, ONE, "TokenCreated"),
    GONE("account.tokens.delete", 204),
    GET("hardware.list", LIST, "Hardware"),
    GET("capacity.get", ONE, "Capacity"),
    GET("collections.list", PAGE, "Collection"),
    GET("collections.get", ONE, "CollectionWithModels"),
    { .name = "search", .query = SEARCH, .status = 200, .shape = OPENAPI_ONE, .answer = "SearchResult" },

    { .name = "models.list", .query = SORT, .status = 200, .shape = OPENAPI_PAGE, .answer = "Model" },
    { .name = "models.search", .query = SORT, .takes = "text/plain", .status = 200, .shape = OPENAPI_PAGE,
      .answer = "Model" },
    SEND("models.create", "ModelCreate", 201, ONE, "Model"),
    GET("models.get", ONE, "Model"),
    SEND("models.update", "ModelUpdate", 200, ONE, "Model"),
    GONE("models.delete", 204),
    TEXT("models.readme.get", NULL),
    GET("models.examples.list", PAGE, "Prediction"),
    GONE("models.examples.add", 204),
    GONE("models.examples.remove", 204),
    GET("models.versions.list", PAGE, "Version"),
    GET("models.versions.get", ONE, "Version"),
    GONE("models.versions.delete", 202),
    { .name = "models.versions.push", .query = PUSHING, .takes = "application/gzip", .status = 202,
      .shape = OPENAPI_ONE, .answer = "Build" },
    GET("builds.get", ONE, "Build"),
    TEXT("builds.log", FOLLOW),

    GET("deployments.list", PAGE, "Deployment"),
    { .name = "deployments.overview", .query = NAMED, .status = 200, .shape = OPENAPI_PAGE,
      .answer = "DeploymentOverview" },
    SEND("deployments.create", "DeploymentCreate", 200, ONE, "Deployment"),
    GET("deployments.get", ONE, "Deployment"),
    SEND("deployments.update", "DeploymentUpdate", 200, ONE, "Deployment"),
    GONE("deployments.delete", 204),
    GET("deployments.enable", ONE, "Deployment"),
    GET("deployments.promote", ONE, "Deployment"),
    GET("deployments.halt", ONE, "Deployment"),
    GET("deployments.shadow", ONE, "Shadow"),
    { .name = "deployments.rollback", .request = "DeploymentRollback", .status = 200, .shape = OPENAPI_ONE,
      .answer = "Deployment", .body_is_optional = true },
    GET("deployments.instances.list", ONE, "Instances"),
    TEXT("deployments.instances.log", NULL),
    GET("deployments.releases.list", ONE, "Releases"),
    GET("deployments.decisions.list", PAGE, "Decision"),
    { .name = "deployments.simulate", .request = "SimulationCreate", .status = 200, .shape = OPENAPI_ONE,
      .answer = "Simulation", .body_is_optional = true },
    { .name = "deployments.cost", .query = DURING, .status = 200, .shape = OPENAPI_ONE, .answer = "DeploymentCost" },
    GET("deployments.metrics", ONE, "DeploymentMetrics"),
    GET("deployments.budget.get", ONE, "Budget"),
    SEND("deployments.budget.put", "BudgetPut", 200, ONE, "Budget"),
    GONE("deployments.budget.delete", 204),
    GET("account.budget.get", ONE, "Budget"),
    SEND("account.budget.put", "BudgetPut", 200, ONE, "Budget"),
    GONE("account.budget.delete", 204),
    SEND("deployments.estimate", "EstimateCreate", 200, ONE, "Estimate"),
    TEXT("metrics", NULL),
    { .name = "account.cost", .query = DURING, .status = 200, .shape = OPENAPI_ONE, .answer = "AccountCost" },

    { .name = "predictions.create", .query = MAKING, .request = "PredictionCreate", .status = 201,
      .shape = OPENAPI_ONE, .answer = "Prediction" },
    { .name = "models.predictions.create", .query = MAKING, .request = "PredictionCreateHere", .status = 201,
      .shape = OPENAPI_ONE, .answer = "Prediction" },
    { .name = "deployments.predictions.create", .query = MAKING, .request = "PredictionCreateHere", .status = 201,
      .shape = OPENAPI_ONE, .answer = "Prediction" },
    { .name = "predictions.list", .query = BETWEEN, .status = 200, .shape = OPENAPI_PAGE, .answer = "Prediction" },
    GET("predictions.get", ONE, "Prediction"),
    GET("predictions.cancel", ONE, "Prediction"),
    GONE("predictions.delete", 204),
    GET("predictions.webhooks.list", WHOLE, "WebhookMessage"),
    GONE("predictions.webhooks.resend", 202),
    { .name = "streams.get", .status = 200, .shape = OPENAPI_OTHER, .type = "text/event-stream" },
    { .name = "streams.files.get", .status = 200, .shape = OPENAPI_OTHER, .type = "text/event-stream" },
    { .name = "outputs.get", .status = 200, .shape = OPENAPI_OTHER, .type = "*/*" },

    { .name = "trainings.create", .request = "TrainingCreate", .status = 201, .shape = OPENAPI_ONE,
      .answer = "Prediction" },
    GET("trainings.list", PAGE, "Prediction"),
    GET("trainings.get", ONE, "Prediction"),
    GET("trainings.cancel", ONE, "Prediction"),

    GET("files.list", PAGE, "File"),
    { .name = "files.create", .request = "FileCreate", .takes = "multipart/form-data", .status = 201, .shape = OPENAPI_ONE, .answer = "File" },
    GET("files.get", ONE, "File"),
    GONE("files.delete", 204),
    { .name = "files.download", .status = 200, .shape = OPENAPI_OTHER, .type = "*/*", .query =
      J({"name": "owner", "in": "query", "required": true, "schema": {"type": "string"}},
        {"name": "expiry", "in": "query", "required": true, "schema": {"type": "integer"}},
        {"name": "signature", "in": "query", "required": true, "schema": {"type": "string"}}) },
    GET("files.secret.get", ONE, "FilesSecret"),
    GET("webhooks.default.secret.get", ONE, "WebhookSecret"),
    GET("webhooks.default.secret.rotate", ONE, "WebhookSecret"),

    { .name = "openai.chat.completions.create", .request = "ChatCompletionCreate", .status = 200,
      .shape = OPENAPI_ONE, .answer = "ChatCompletion", .also = "text/event-stream" },
    { .name = "openai.completions.create", .request = "CompletionCreate", .status = 200, .shape = OPENAPI_ONE,
      .answer = "Completion", .also = "text/event-stream" },
    GET("openai.models.list", ONE, "OpenAIModels"),
    GET("openai.models.get", ONE, "OpenAIModel"),
    GET("openai.models.retrieve", ONE, "OpenAIModel"),
};
/* clang-format on */
const size_t OPENAPI_N_OPERATIONS = ARRAY_SIZE(OPENAPI_OPERATIONS);
