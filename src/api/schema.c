/* SPDX-License-Identifier: Apache-2.0 */
/* The schemas of the OpenAPI document: each text is JSON as it stands. */
#include "api/openapi.h"

#include "base/compiler.h"

#define J OPENAPI_JSON

/* clang-format off */
const struct openapi_schema OPENAPI_SCHEMAS[] = {
    { "Problem", J({"type": "object", "description": "RFC 9457", "required": ["detail"], "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string"}, "retry_after": {"type": "integer"},
        "errors": {"type": "array", "items": {"type": "object", "required": ["detail"], "properties": {
            "pointer": {"type": "string"}, "detail": {"type": "string"}}}},
        "invalid_fields": {"type": "array", "items": {"type": "object", "required": ["type", "field", "description"],
            "properties": {"type": {"type": "string"}, "field": {"type": "string"},
                           "description": {"type": "string"}}}}}}) },
    { "Account", J({"type": "object", "required": ["type", "username", "name", "github_url"], "properties": {
        "type": {"enum": ["user", "organization"]}, "username": {"type": "string"}, "name": {"type": "string"},
        "avatar_url": {"type": ["string", "null"], "format": "uri"},
        "github_url": {"type": ["string", "null"], "format": "uri"}}}) },
    { "DeploymentOverview", J({"type": "object", "required": ["owner", "name", "model", "version", "hardware",
        "min_instances", "max_instances", "release", "state", "failure", "held", "waits_for", "instances", "queue",
        "last_used_at", "hour", "cost_today"], "properties": {
        "owner": {"type": "string"}, "name": {"type": "string"}, "model": {"type": "string"},
        "version": {"type": "string"}, "hardware": {"$ref": "#/components/schemas/SKU"},
        "min_instances": {"type": "integer"}, "max_instances": {"type": "integer"}, "release": {"type": "integer"},
        "state": {"enum": ["disabled", "failed", "active", "idle", "setting up", "offline"]},
        "failure": {"type": ["string", "null"]}, "held": {"type": ["string", "null"]},
        "waits_for": {"type": ["string", "null"]},
        "instances": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        "queue": {"type": "integer", "minimum": 0}, "last_used_at": {"type": ["string", "null"], "format": "date-time"},
        "hour": {"type": "object", "required": ["step_seconds", "requests", "wait_p95", "total", "failed", "p95"],
            "properties": {"step_seconds": {"type": "integer"},
            "requests": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "wait_p95": {"type": "array", "items": {"type": ["number", "null"]}},
            "total": {"type": "integer"}, "failed": {"type": "integer"}, "p95": {"type": ["number", "null"]}}},
        "cost_today": {"type": "number", "minimum": 0}}}) },
    { "Token", J({"type": "object", "required": ["id", "name", "hint", "created_at", "last_used_at", "current"],
        "properties": {"id": {"type": "string"}, "name": {"type": ["string", "null"]}, "hint": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "last_used_at": {"type": ["string", "null"], "format": "date-time"}, "current": {"type": "boolean"}}}) },
    { "TokenCreate", J({"type": "object", "additionalProperties": false, "properties": {
        "name": {"type": ["string", "null"], "maxLength": 256}}}) },
    { "TokenCreated", J({"type": "object", "required": ["id", "token"], "properties": {"id": {"type": "string"},
        "token": {"type": "string", "description": "Shown this once"}}}) },
    { "Hardware", J({"type": "object", "required": ["name", "sku"], "properties": {
        "name": {"type": "string"}, "sku": {"type": "string"}}}) },
    { "Collection", J({"type": "object", "required": ["name", "slug", "description"], "properties": {
        "name": {"type": "string"}, "slug": {"type": "string"}, "description": {"type": "string"}}}) },
    { "CollectionWithModels", J({"type": "object",
        "required": ["name", "slug", "description", "full_description", "models"], "properties": {
        "name": {"type": "string"}, "slug": {"type": "string"}, "description": {"type": "string"},
        "full_description": {"type": ["string", "null"], "description": "Markdown"},
        "models": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}}) },
    { "SearchResult", J({"type": "object", "required": ["query", "models", "collections", "pages"], "properties": {
        "query": {"type": "string"},
        "models": {"type": "array", "items": {"type": "object", "required": ["model", "metadata"], "properties": {
            "model": {"$ref": "#/components/schemas/Model"},
            "metadata": {"type": "object", "required": ["generated_description", "tags", "score"], "properties": {
                "generated_description": {"type": ["string", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}}, "score": {"type": ["number", "null"]}}}}}},
        "collections": {"type": "array", "items": {"type": "object", "required": ["name", "slug", "description"],
            "properties": {"name": {"type": "string"}, "slug": {"type": "string"},
            "description": {"type": "string"},
            "models": {"type": ["array", "null"], "items": {"type": "string"}}}}},
        "pages": {"type": "array", "items": {"type": "object", "required": ["name", "href"], "properties": {
            "name": {"type": "string"}, "href": {"type": "string"}}}}}}) },
    { "Model", J({"type": "object", "required": ["url", "owner", "name", "description", "visibility", "github_url",
        "paper_url", "license_url", "run_count", "cover_image_url", "default_example", "latest_version",
        "is_official", "created_at"], "properties": {
        "url": {"type": "string", "format": "uri"}, "owner": {"type": "string"}, "name": {"type": "string"},
        "description": {"type": ["string", "null"]}, "visibility": {"enum": ["public", "private"]},
        "github_url": {"type": ["string", "null"]}, "paper_url": {"type": ["string", "null"]},
        "license_url": {"type": ["string", "null"]}, "cover_image_url": {"type": ["string", "null"]},
        "run_count": {"type": "integer", "minimum": 0},
        "default_example": {"oneOf": [{"$ref": "#/components/schemas/Prediction"}, {"type": "null"}]},
        "latest_version": {"oneOf": [{"$ref": "#/components/schemas/Version"}, {"type": "null"}]},
        "is_official": {"type": "boolean"}, "created_at": {"type": "string", "format": "date-time"}}}) },
    { "Link", J({"description": "An http or https address; an empty text is none",
        "type": ["string", "null"], "pattern": "^(https?://.*)?$"}) },
    { "ModelCreate", J({"type": "object", "required": ["owner", "name", "visibility", "hardware"],
        "additionalProperties": false, "properties": {
        "owner": {"type": "string", "description": "The account of the token"},
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"},
        "visibility": {"enum": ["public", "private"]}, "hardware": {"$ref": "#/components/schemas/SKU"},
        "description": {"type": ["string", "null"]}, "github_url": {"$ref": "#/components/schemas/Link"},
        "paper_url": {"$ref": "#/components/schemas/Link"},
        "license_url": {"$ref": "#/components/schemas/Link"},
        "cover_image_url": {"$ref": "#/components/schemas/Link"}}}) },
    { "ModelUpdate", J({"type": "object", "additionalProperties": false, "properties": {
        "description": {"type": ["string", "null"]}, "readme": {"type": ["string", "null"]},
        "github_url": {"$ref": "#/components/schemas/Link"},
        "paper_url": {"$ref": "#/components/schemas/Link"},
        "weights_url": {"$ref": "#/components/schemas/Link"},
        "license_url": {"$ref": "#/components/schemas/Link"},
        "cover_image_url": {"$ref": "#/components/schemas/Link"},
        "hardware": {"$ref": "#/components/schemas/SKU"}, "visibility": {"enum": ["public", "private"]}}}) },
    { "Version", J({"type": "object", "required": ["id", "created_at", "cog_version", "openapi_schema"],
        "properties": {"id": {"type": "string"}, "created_at": {"type": "string", "format": "date-time"},
        "cog_version": {"type": "string"}, "openapi_schema": {"type": "object"}}}) },
    { "Build", J({"type": "object", "required": ["id", "model", "status", "step", "error", "version", "created_at",
        "started_at", "completed_at", "urls"], "properties": {
        "id": {"type": "string"}, "model": {"type": "string"}, "status": {"type": "string"},
        "step": {"type": ["string", "null"]}, "error": {"type": ["string", "null"]},
        "version": {"type": ["string", "null"]}, "created_at": {"type": ["string", "null"], "format": "date-time"},
        "started_at": {"type": ["string", "null"], "format": "date-time"},
        "completed_at": {"type": ["string", "null"], "format": "date-time"},
        "urls": {"type": "object", "properties": {"get": {"type": "string"}, "log": {"type": "string"}}}}}) },
    { "Release", J({"type": "object", "required": ["number", "model", "version", "created_at", "created_by",
        "configuration"], "properties": {
        "number": {"type": "integer", "minimum": 1}, "model": {"type": "string"}, "version": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "created_by": {"$ref": "#/components/schemas/Account"},
        "configuration": {"type": "object", "required": ["hardware", "min_instances", "max_instances"],
            "properties": {"hardware": {"type": "string"}, "min_instances": {"type": "integer", "minimum": 0},
                           "max_instances": {"type": "integer", "minimum": 0}}}}}) },
    { "Deployment", J({"type": "object", "required": ["owner", "name", "current_release"], "properties": {
        "owner": {"type": "string"}, "name": {"type": "string"},
        "current_release": {"$ref": "#/components/schemas/Release"},
        "scaling": {"$ref": "#/components/schemas/Scaling"}}}) },
    { "Duration", J({"description": "Seconds, or text such as 90s, 5m, 1m30s; at most 7 days", "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 604800}, {"type": "string", "pattern": "^[1-9][0-9]{0,3}[sm]$"}]}) },
    { "Scaling", J({"type": "object", "additionalProperties": false, "properties": {
        "target_wait": {"anyOf": [{"$ref": "#/components/schemas/Duration"}, {"type": "null"}]},
        "keep_alive": {"anyOf": [{"$ref": "#/components/schemas/Duration"}, {"enum": ["auto", null]}]},
        "max_queue": {"type": ["integer", "null"], "minimum": 1, "maximum": 100000000},
        "max_cost_per_hour": {"type": ["number", "null"], "exclusiveMinimum": 0,
                              "description": "What the instances may cost in an hour, in the prices' currency"},
        "weight": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000,
                   "description": "Against others where the machine has too little for all"},
        "schedule": {"type": ["array", "null"], "description": "Minimums by the hour, in UTC",
            "items": {"type": "object", "required": ["from", "to", "min_instances"], "additionalProperties": false,
            "properties": {
            "days": {"type": ["array", "null"], "minItems": 1,
                     "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
            "from": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
            "to": {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"},
            "min_instances": {"type": "integer", "minimum": 0, "maximum": 10000}}}}}}) },
    { "DeploymentCreate", J({"type": "object", "required": ["name", "model", "version", "hardware", "min_instances",
        "max_instances"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"},
        "model": {"type": "string", "pattern": "^[^/:]+/[^/:]+$"},
        "version": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "hardware": {"$ref": "#/components/schemas/SKU"},
        "min_instances": {"type": "integer", "minimum": 0}, "max_instances": {"type": "integer", "minimum": 0},
        "scaling": {"$ref": "#/components/schemas/Scaling"}}}) },
    { "DeploymentUpdate", J({"type": "object", "additionalProperties": false, "properties": {
        "version": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "hardware": {"anyOf": [{"$ref": "#/components/schemas/SKU"}, {"type": "null"}]},
        "min_instances": {"type": ["integer", "null"], "minimum": 0},
        "max_instances": {"type": ["integer", "null"], "minimum": 0},
        "scaling": {"$ref": "#/components/schemas/Scaling"},
        "model": {"type": ["string", "null"], "description": "As it is: a deployment keeps its model"}}}) },
    { "DeploymentRollback", J({"type": "object", "additionalProperties": false, "properties": {
        "release": {"type": ["integer", "null"], "minimum": 1,
                    "description": "Number of a release; without it, the one before the current one"}}}) },
    { "Instances", J({"type": "object", "required": ["results", "waiting_predictions", "waits_for"], "properties": {
        "results": {"type": "array", "items": {"type": "object", "required": ["id", "state", "version", "hardware"],
            "properties": {"id": {"type": "string"}, "state": {"type": "string"}, "version": {"type": "string"},
            "hardware": {"type": "string"}, "predictions": {"type": "integer"},
            "created_at": {"type": ["string", "null"]}, "ready_at": {"type": ["string", "null"]},
            "setup_log": {"type": "string"}}}},
        "ended": {"type": "array", "description": "The last that ended", "items": {"type": "object"}},
        "waiting_predictions": {"type": "integer"}, "waits_for": {"type": ["string", "null"]}}}) },
    { "Decision", J({"type": "object",
        "required": ["id", "at", "instances_before", "instances_after", "cause", "sentence", "inputs"], "properties": {
        "id": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
        "instances_before": {"type": "integer"}, "instances_after": {"type": "integer"},
        "cause": {"type": "string"}, "sentence": {"type": "string", "description": "The decision in words"},
        "inputs": {"type": "object", "description": "What was known then"}}}) },
    { "SimulationCreate", J({"type": "object", "additionalProperties": false, "properties": {
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 3650, "default": 7},
        "min_instances": {"type": ["integer", "null"], "minimum": 0},
        "max_instances": {"type": ["integer", "null"], "minimum": 1},
        "target_wait": {"anyOf": [{"$ref": "#/components/schemas/Duration"}, {"type": "null"}]},
        "keep_alive": {"anyOf": [{"$ref": "#/components/schemas/Duration"}, {"enum": ["auto", null]}]},
        "boot_seconds": {"type": ["number", "null"], "minimum": 0, "maximum": 86400}}}) },
    { "Simulation", J({"type": "object", "required": ["predictions", "boot_seconds", "settings", "recommendation"],
        "properties": {"predictions": {"type": "integer", "description": "How many were replayed"},
        "boot_seconds": {"type": "number"}, "recommendation": {"type": "string"},
        "settings": {"type": "array", "items": {"type": "object", "required": ["min_instances", "max_instances",
            "target_wait", "keep_alive", "present", "recommended", "instance_hours", "boots", "p50", "p95", "p99",
            "over_target", "cost"], "properties": {
            "min_instances": {"type": "integer"}, "max_instances": {"type": "integer"},
            "target_wait": {"type": "number"}, "keep_alive": {"type": ["number", "string"]},
            "present": {"type": "boolean"}, "recommended": {"type": "boolean"},
            "instance_hours": {"type": "number"}, "boots": {"type": "integer"},
            "p50": {"type": "number"}, "p95": {"type": "number"}, "p99": {"type": "number"},
            "over_target": {"type": "number", "description": "Share that waited longer than target_wait"},
            "cost": {"type": "number"}}}}}}) },
    { "Releases", J({"type": "object", "required": ["results"], "properties": {
        "results": {"type": "array", "items": {"type": "object", "required": ["release", "change", "state"], "properties": {
            "release": {"$ref": "#/components/schemas/Release"},
            "change": {"type": ["object", "null"], "description": "By key; null for the first release",
                "additionalProperties": {"type": "object", "required": ["from", "to"]}}, "state": {"enum": ["new", "ready", "failed"]},
            "ready_at": {"type": ["string", "null"]}, "failed_at": {"type": ["string", "null"]},
            "failure": {"type": ["string", "null"]}}}}}}) },
    { "DeploymentMetrics", J({"type": "object", "required": ["now", "hours", "day"], "properties": {
        "now": {"type": "string", "format": "date-time"},
        "hours": {"$ref": "#/components/schemas/MetricSteps"},
        "day": {"$ref": "#/components/schemas/MetricSteps"}}}) },
    { "MetricSteps", J({"type": "object", "required": ["step_seconds", "steps"], "properties": {
        "step_seconds": {"type": "integer"}, "steps": {"type": "array", "items": {"type": "object",
            "required": ["start", "created", "succeeded", "failed", "canceled", "aborted", "throughput", "error_rate",
                "latency", "wait", "run", "queue", "instances", "boots", "failed_boots", "cold_starts", "cost"]}}}}) },
    { "BudgetPut", J({"type": "object", "required": ["amount"], "additionalProperties": false, "properties": {
        "amount": {"type": "number", "minimum": 0, "maximum": 1000000000},
        "period": {"enum": ["day", "month", null], "default": "month"},
        "warn_at": {"type": "number", "minimum": 0.01, "maximum": 1, "multipleOf": 0.01, "default": 0.8},
        "webhook": {"$ref": "#/components/schemas/Webhook"}}}) },
    { "Budget", J({"type": "object", "required": ["amount", "period", "warn_at", "webhook", "state", "spent",
        "period_start", "period_end"], "properties": {
        "amount": {"type": "number"}, "period": {"enum": ["day", "month"]}, "warn_at": {"type": "number"},
        "webhook": {"type": ["string", "null"]}, "state": {"enum": ["ok", "warned", "reached"]},
        "spent": {"type": "number"}, "period_start": {"type": "string", "format": "date-time"},
        "period_end": {"type": "string", "format": "date-time"}}}) },
    { "EstimateCreate", J({"type": "object", "required": ["hardware", "min_instances", "max_instances"],
        "additionalProperties": false, "properties": {
        "hardware": {"type": "string"}, "min_instances": {"type": "integer", "minimum": 0},
        "max_instances": {"type": "integer", "minimum": 0},
        "deployment": {"type": ["string", "null"], "description": "Whose last week is taken"}}}) },
    { "Estimate", J({"type": "object", "required": ["hardware", "price", "per_hour", "last_week"], "properties": {
        "hardware": {"type": "string"}, "price": {"type": "number", "description": "Per second and instance"},
        "per_hour": {"type": "object", "required": ["minimum", "maximum"], "properties": {
            "minimum": {"type": "number"}, "maximum": {"type": "number"}}},
        "last_week": {"type": ["object", "null"], "required": ["seconds", "cost"], "properties": {
            "seconds": {"type": "number"}, "cost": {"type": "number"}}}}}) },
    { "CostKinds", J({"type": "object", "required": ["setup", "active", "idle", "drain", "failed"],
        "additionalProperties": {"type": "object", "required": ["seconds", "cost"], "properties": {
            "seconds": {"type": "number"}, "cost": {"type": "number"}}}}) },
    { "DeploymentCost", J({"type": "object", "required": ["from", "to", "seconds", "cost", "kinds", "days", "releases",
        "hardware"], "properties": {
        "from": {"type": "string", "format": "date-time"}, "to": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number"}, "cost": {"type": "number"},
        "kinds": {"$ref": "#/components/schemas/CostKinds"},
        "days": {"type": "array", "items": {"type": "object", "required": ["date", "seconds", "cost", "kinds"]}},
        "releases": {"type": "array", "items": {"type": "object", "required": ["release", "seconds", "cost", "kinds"]}},
        "hardware": {"type": "array", "items": {"type": "object",
            "required": ["sku", "price", "seconds", "cost", "kinds"]}}}}) },
    { "AccountCost", J({"type": "object", "required": ["from", "to", "seconds", "cost", "kinds", "days", "deployments",
        "hardware"], "properties": {
        "from": {"type": "string", "format": "date-time"}, "to": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number"}, "cost": {"type": "number"},
        "kinds": {"$ref": "#/components/schemas/CostKinds"},
        "days": {"type": "array", "items": {"type": "object",
            "required": ["date", "seconds", "cost", "kinds", "deployments"]}},
        "deployments": {"type": "array", "items": {"type": "object",
            "required": ["type", "owner", "name", "seconds", "cost", "kinds"]}},
        "hardware": {"type": "array", "items": {"type": "object",
            "required": ["sku", "price", "seconds", "cost", "kinds"]}}}}) },
    { "Prediction", J({"type": "object", "required": ["id", "model", "version", "input", "logs", "output",
        "data_removed", "error", "source", "status", "created_at", "urls"], "properties": {
        "id": {"type": "string"}, "model": {"type": "string"}, "version": {"type": "string"},
        "deployment": {"type": "string"}, "input": {"type": ["object", "null"]},
        "logs": {"type": ["string", "null"]}, "output": {}, "data_removed": {"type": "boolean"},
        "error": {"type": ["string", "null"]}, "source": {"enum": ["api", "web"]},
        "status": {"enum": ["starting", "processing", "succeeded", "failed", "canceled", "aborted"]},
        "created_at": {"type": "string", "format": "date-time"},
        "started_at": {"type": ["string", "null"], "format": "date-time"},
        "completed_at": {"type": ["string", "null"], "format": "date-time"},
        "deadline": {"type": "string", "format": "date-time"}, "metrics": {"type": "object"},
        "cost": {"type": "number", "description": "Of the time in which instances ran it; once it has ended"},
        "instance": {"type": "string", "description": "That ran it last; once it has begun"},
        "queue": {"type": "object", "description": "While it waits", "properties": {
            "position": {"type": "integer", "minimum": 1},
            "estimated_start_at": {"type": ["string", "null"], "format": "date-time"}}},
        "urls": {"type": "object", "required": ["get", "cancel", "web"], "properties": {
            "get": {"type": "string", "format": "uri"}, "cancel": {"type": "string", "format": "uri"},
            "web": {"type": "string", "format": "uri"}, "stream": {"type": "string", "format": "uri"}}},
        "webhook": {"type": "string"},
        "webhook_events_filter": {"type": "array", "items": {
            "enum": ["start", "output", "logs", "completed"]}}}}) },
    { "Webhook", J({"description": "An https address (http too where the server allows it); an empty text is none",
        "type": ["string", "null"], "anyOf": [{"format": "uri"}, {"maxLength": 0}]}) },
    { "PredictionCreate", J({"type": "object", "required": ["version", "input"], "additionalProperties": false,
        "properties": {"version": {"type": "string",
            "pattern": "^([0-9a-f]{64}|[^/:]+/[^/:]+(:[0-9a-f]{64})?)$", "description": "64 hexadecimal digits, owner/name:version, or owner/name for its latest"},
        "input": {"type": "object"}, "webhook": {"$ref": "#/components/schemas/Webhook"},
        "webhook_completed": {"deprecated": true}, "stream": {"deprecated": true},
        "webhook_events_filter": {"type": ["array", "null"], "items": {
            "enum": ["start", "output", "logs", "completed"]}}}}) },
    { "PredictionCreateHere", J({"type": "object", "required": ["input"], "additionalProperties": false,
        "properties": {"input": {"type": "object"}, "webhook": {"$ref": "#/components/schemas/Webhook"},
        "webhook_completed": {"deprecated": true}, "stream": {"deprecated": true},
        "webhook_events_filter": {"type": ["array", "null"], "items": {
            "enum": ["start", "output", "logs", "completed"]}}}}) },
    { "TrainingCreate", J({"type": "object", "required": ["destination", "input"], "additionalProperties": false,
        "properties": {"destination": {"type": "string", "pattern": "^[^/:]+/[^/:]+$"},
        "input": {"type": "object"}, "version": {"type": "string"},
        "webhook": {"$ref": "#/components/schemas/Webhook"},
        "webhook_completed": {"deprecated": true}, "stream": {"deprecated": true},
        "webhook_events_filter": {"type": ["array", "null"], "items": {
            "enum": ["start", "output", "logs", "completed"]}}}}) },
    { "File", J({"type": "object", "required": ["id", "name", "content_type", "size", "etag", "checksums", "metadata",
        "created_at", "expires_at", "urls"], "properties": {
        "id": {"type": "string"}, "name": {"type": "string"}, "content_type": {"type": "string"},
        "size": {"type": "integer"}, "etag": {"type": "string"}, "checksums": {"type": "object"},
        "metadata": {"type": "object"}, "created_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "urls": {"type": "object", "required": ["get"], "properties": {"get": {"type": "string"}}}}}) },
    { "FileCreate", J({"type": "object", "required": ["content"], "properties": {
        "content": {"type": "string", "format": "binary"}, "filename": {"type": "string"},
        "type": {"description": "A media type"},
        "metadata": {"description": "A JSON object; or a field metadata[key] for each member"}}}) },
    { "FilesSecret", J({"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}) },
    { "WebhookMessage", J({"type": "object", "required": ["n", "id", "event", "url", "status", "created_at",
        "next_attempt_at", "attempts"], "properties": {
        "n": {"type": "integer", "minimum": 1}, "id": {"type": "string", "description": "The webhook-id"},
        "event": {"enum": ["start", "output", "logs", "completed"]}, "url": {"type": "string", "format": "uri"},
        "status": {"enum": ["pending", "delivered", "failed"]},
        "created_at": {"type": "string", "format": "date-time"},
        "next_attempt_at": {"type": ["string", "null"], "format": "date-time"},
        "attempts": {"type": "array", "items": {"type": "object",
            "required": ["number", "at", "seconds", "response_status", "error"], "properties": {
            "number": {"type": "integer", "minimum": 1}, "at": {"type": "string", "format": "date-time"},
            "seconds": {"type": "number", "minimum": 0}, "response_status": {"type": ["integer", "null"]},
            "error": {"type": ["string", "null"]}}}}}}) },
    { "WebhookSecret", J({"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}) },
    { "Capacity", J({"type": "object", "required": ["machine", "pools", "hardware", "isolation", "not_enforced"], "properties": {
        "isolation": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "hardware": {"type": "array", "items": {"type": "object", "required": ["sku", "name", "price",
            "price_per_hour", "cpus", "memory_bytes", "gpus", "gpu_memory_bytes", "runtimes", "available"]}},
        "machine": {"type": "object"}, "pools": {"type": "array", "items": {
            "type": "object", "required": ["owner", "name", "hardware", "instances", "waits_for", "waiting_predictions",
            "waiting_since", "weight", "held_by"], "properties": {
            "owner": {"type": ["string", "null"], "description": "null: another account's"},
            "name": {"type": ["string", "null"]}, "hardware": {"type": "string"},
            "instances": {"type": "integer", "minimum": 0},
            "waits_for": {"type": ["string", "null"], "description": "What the machine lacks for its next instance"},
            "waiting_predictions": {"type": "integer", "minimum": 0},
            "waiting_since": {"type": ["string", "null"], "format": "date-time"},
            "weight": {"type": "integer", "minimum": 1},
            "held_by": {"type": "array", "description": "Who has something of that", "items": {"type": "object",
                "required": ["owner", "name", "hardware", "instances"], "properties": {
                "owner": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
                "hardware": {"type": "string"}, "instances": {"type": "integer", "minimum": 1}}}}}}},
        "not_enforced": {"type": "array", "items": {"type": "string"}}}}) },
    { "Document", J({"type": "object", "required": ["openapi", "info", "paths"]}) },
    { "ChatCompletionCreate", J({"type": "object", "required": ["model", "messages"], "properties": {
        "model": {"type": "string", "description": "A deployment as owner/name"},
        "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role"], "properties": {
            "role": {"type": "string"}, "content": {}}}},
        "stream": {"type": ["boolean", "null"]}, "max_tokens": {"type": ["integer", "null"], "minimum": 1},
        "temperature": {"type": ["number", "null"]}, "top_p": {"type": ["number", "null"]}}}) },
    { "CompletionCreate", J({"type": "object", "required": ["model", "prompt"], "properties": {
        "model": {"type": "string", "description": "A deployment as owner/name"},
        "prompt": {"type": ["string", "array"]},
        "stream": {"type": ["boolean", "null"]}, "max_tokens": {"type": ["integer", "null"], "minimum": 1},
        "temperature": {"type": ["number", "null"]}, "top_p": {"type": ["number", "null"]}}}) },
    { "ChatCompletion", J({"type": "object", "required": ["id", "object", "created", "model", "choices"],
        "properties": {"id": {"type": "string"}, "object": {"const": "chat.completion"},
        "created": {"type": "integer"}, "model": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "object"}}, "usage": {"type": ["object", "null"]}}}) },
    { "Completion", J({"type": "object", "required": ["id", "object", "created", "model", "choices"],
        "properties": {"id": {"type": "string"}, "object": {"const": "text_completion"},
        "created": {"type": "integer"}, "model": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "object"}}, "usage": {"type": ["object", "null"]}}}) },
    { "OpenAIError", J({"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
        "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"},
        "type": {"type": "string"}, "param": {"type": ["string", "null"]},
        "code": {"type": ["string", "null"]}}}}}) },
    { "OpenAIModels", J({"type": "object", "required": ["object", "data"], "properties": {
        "object": {"const": "list"}, "data": {"type": "array", "items": {
            "$ref": "#/components/schemas/OpenAIModel"}}}}) },
    { "OpenAIModel", J({"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {
        "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
        "owned_by": {"type": "string"}}}) },
};
/* clang-format on */
const size_t OPENAPI_N_SCHEMAS = ARRAY_SIZE(OPENAPI_SCHEMAS);
