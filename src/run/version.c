/* SPDX-License-Identifier: Apache-2.0 */
/* Versions in use: parsed once, shared by all lanes that run them, dropped with the last one. */
#include "base/mem.h"
#include "run/fleet.h"

#include <assert.h>
#include <stdlib.h>

static char *version_key(struct arena *a, const char *model_id, const char *id, bool trains)
{
    return arena_printf(a, "%s/%s%s", model_id, id, trains ? "/train" : "");
}

static void version_free(struct version *v)
{
    input_schema_free(v->schema);
    input_schema_free(v->output_schema);
    free(v->id);
    free(v->model_id);
    free(v->owner_id);
    free(v->owner);
    free(v->model);
    free(v->path);
    arena_deinit(&v->arena);
    free(v);
}

static enum status version_parse(struct version *v, const struct version_row *row,
                                 struct error *err)
{
    enum status s;

    v->schema_text = str_of(arena_copy(&v->arena, row->schema));
    s = input_schema_new(v->schema_text, v->trains ? "TrainingInput" : "Input", &v->schema, err);
    if (s == STATUS_OK)
        s = input_schema_new(v->schema_text, v->trains ? "TrainingOutput" : "Output",
                             &v->output_schema, err);
    if (s != STATUS_OK)
        return s;
    if (!v->trains) /* a training's output is one object or file */
        v->output = output_facts(v->schema_text);
    s = version_config_parse(&v->arena, str_of(arena_copy(&v->arena, row->config)), &v->config,
                             err);
    if (v->trains)
        v->config.concurrency = 1;
    return s;
}

enum status version_use(struct fleet *f, const struct version_row *row, struct version **out,
                        struct error *err)
{
    char key[128];
    struct version *v;
    enum status s;

    snprintf(key, sizeof(key), "%s/%s%s", row->model_id, row->id, row->trains ? "/train" : "");
    v = map_get(&f->versions, str_of(key));
    if (v) {
        *out = version_ref(v);
        return STATUS_OK;
    }
    v = xnew(struct version);
    v->id = xstrdup(row->id);
    v->model_id = xstrdup(row->model_id);
    v->owner_id = xstrdup(row->owner_id);
    v->owner = xstrdup(row->owner);
    v->model = xstrdup(row->model);
    v->path = xstrdup(row->path);
    v->is_public = row->model_is_public;
    v->is_image = row->kind && strcmp(row->kind, VERSION_IMAGE) == 0;
    v->trains = row->trains;
    v->refs = 1;
    s = version_parse(v, row, err);
    if (s != STATUS_OK) {
        error_context(err, "version %s of %s/%s", row->id, row->owner, row->model);
        version_free(v);
        return s;
    }
    map_put(&f->versions, str_of(key), v);
    *out = v;
    return STATUS_OK;
}

struct driver *fleet_driver(const struct fleet *f, const struct version *v)
{
    return v->is_image ? f->images : f->driver;
}

bool version_checks_output(const struct version *v)
{
    return strcmp(v->config.dialect, "plain") == 0 && v->output.is_typed;
}

struct protocol *fleet_protocol(const struct fleet *f, const struct version *v)
{
    if (f->openai && strcmp(v->config.dialect, "openai") == 0)
        return f->openai;
    if (f->plain && strcmp(v->config.dialect, "plain") == 0)
        return f->plain;
    return f->protocol;
}

struct version *version_ref(struct version *v)
{
    v->refs++;
    return v;
}

void version_unref(struct fleet *f, struct version *v)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };

    if (!v)
        return;
    assert(v->refs > 0);
    if (--v->refs > 0)
        return;
    map_remove(&f->versions, str_of(version_key(&a, v->model_id, v->id, v->trains)));
    version_free(v);
}

void version_measured(struct version *v, int64_t service_ms)
{
    v->service_ms[v->at_service] = (int32_t)MIN(service_ms, INT32_MAX);
    v->at_service = (v->at_service + 1) % (int)ARRAY_SIZE(v->service_ms);
    if (v->n_service < (int)ARRAY_SIZE(v->service_ms))
        v->n_service++;
}

int64_t version_p99_ms(const struct version *v)
{
    /* Of at most a hundred values the 99th percentile is the largest but one, or the largest. */
    int32_t largest = -1, second = -1;

    for (int i = 0; i < v->n_service; i++) {
        if (v->service_ms[i] > largest) {
            second = largest;
            largest = v->service_ms[i];
        } else if (v->service_ms[i] > second) {
            second = v->service_ms[i];
        }
    }
    return v->n_service == (int)ARRAY_SIZE(v->service_ms) ? second : largest;
}
