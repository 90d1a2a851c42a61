/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the `hardware` list of the configuration. */
#include "core/hardware.h"

#include "base/clock.h"
#include "core/account.h"
#include "core/decimal.h"
#include "core/suggest.h"

#include <inttypes.h>

/* What an instance of a row that says nothing may use. */
#define DEFAULT_DISK 20000000000
enum { DEFAULT_PROCESSES = 4096, DEFAULT_OPEN_FILES = 65536 };

enum { PRICE_SCALE = 9, CPU_SCALE = 3, MAX_TEXT = 200 };

static const char *const keys[] = { "sku",        "name",     "price",      "cpus", "memory",
                                    "gpus",       "gpu_kind", "gpu_memory", "disk", "processes",
                                    "open_files", "runtimes", NULL };

static const struct sku defaults[] = {
    { .sku = "cpu-small",
      .name = "CPU (Small)",
      .price_nano = 25000,
      .cpus_milli = 1000,
      .memory = 2000000000,
      .disk = DEFAULT_DISK,
      .processes = DEFAULT_PROCESSES,
      .open_files = DEFAULT_OPEN_FILES,
      .is_process = true },
    { .sku = "cpu",
      .name = "CPU",
      .price_nano = 100000,
      .cpus_milli = 4000,
      .memory = 8000000000,
      .disk = DEFAULT_DISK,
      .processes = DEFAULT_PROCESSES,
      .open_files = DEFAULT_OPEN_FILES,
      .is_process = true },
};

/* One row being read, and how to name it in errors. */
struct row {
    struct arena *arena;
    const struct json *json;
    const char *label; /* "hardware[2] (gpu-t4)" */
};

static bool is_absent(const struct json *v)
{
    return !v || json_is(v, JSON_NULL);
}

static enum status read_text(const struct row *r, const char *key, const char **out,
                             struct error *err)
{
    const struct json *v = json_get(r->json, key);

    if (is_absent(v))
        return STATUS_OK;
    if (!json_is(v, JSON_STRING) || v->text.n == 0 || v->text.n > MAX_TEXT ||
        memchr(v->text.p, '\0', v->text.n))
        return FAIL(err, STATUS_INVALID, "%s: %s must be text of 1 to %d bytes", r->label, key,
                    MAX_TEXT);
    *out = arena_copy(r->arena, v->text);
    return STATUS_OK;
}

/* A decimal number, as a number or as text, in units of 10^-scale. */
static enum status read_decimal(const struct row *r, const char *key, int scale, int64_t low,
                                int64_t high, int64_t *out, struct error *err)
{
    const struct json *v = json_get(r->json, key);
    char low_text[48], high_text[48];
    struct decimal d;

    if (is_absent(v))
        return STATUS_OK;
    if ((json_is(v, JSON_NUMBER) || json_is(v, JSON_STRING)) && decimal_parse(v->text, &d) &&
        decimal_scale(&d, scale, out) && *out >= low && *out <= high)
        return STATUS_OK;
    decimal_format(low, scale, low_text);
    decimal_format(high, scale, high_text);
    if (scale > 0)
        return FAIL(err, STATUS_INVALID,
                    "%s: %s must be a number from %s to %s with at most %d decimals", r->label, key,
                    low_text, high_text, scale);
    return FAIL(err, STATUS_INVALID, "%s: %s must be a whole number from %s to %s", r->label, key,
                low_text, high_text);
}

static enum status read_size(const struct row *r, const char *key, int64_t *out, struct error *err)
{
    const struct json *v = json_get(r->json, key);

    if (is_absent(v))
        return STATUS_OK;
    if ((json_is(v, JSON_NUMBER) || json_is(v, JSON_STRING)) && size_parse(v->text, out) &&
        *out > 0 && *out <= (int64_t)1 << 60)
        return STATUS_OK;
    return FAIL(err, STATUS_INVALID, "%s: %s must be a size like 2GB or 512MiB", r->label, key);
}

static enum status read_runtime(const struct row *r, const struct json *v, struct sku *out,
                                struct error *err)
{
    struct str s = json_to_str(v);

    if (str_is(s, "process"))
        out->is_process = true;
    else if (str_is(s, "docker"))
        out->is_docker = true;
    else
        return FAIL(err, STATUS_INVALID, "%s: runtimes may hold process and docker, not %.*s",
                    r->label, s.p ? (int)MIN(s.n, (size_t)40) : 14, s.p ? s.p : "something else");
    return STATUS_OK;
}

static enum status read_runtimes(const struct row *r, struct sku *out, struct error *err)
{
    const struct json *v = json_get(r->json, "runtimes");
    enum status st = STATUS_OK;

    if (json_is(v, JSON_STRING))
        return read_runtime(r, v, out, err);
    if (!is_absent(v) && (!json_is(v, JSON_ARRAY) || v->n == 0))
        return FAIL(err, STATUS_INVALID, "%s: runtimes must be a list of process and docker",
                    r->label);
    if (json_is(v, JSON_ARRAY)) {
        json_each (v, entry) {
            st = read_runtime(r, entry, out, err);
            if (st)
                return st;
        }
    }
    out->is_process |= !out->is_docker;
    return st;
}

static enum status check_keys(const struct row *r, struct error *err)
{
    json_each (r->json, member) {
        int n = (int)MIN(member->key.n, (size_t)40);
        const char *near;
        bool known = false;

        for (size_t i = 0; keys[i]; i++)
            known |= str_is(member->key, keys[i]);
        if (known && json_get_str(r->json, member->key) == member)
            continue;
        if (known)
            return FAIL(err, STATUS_INVALID, "%s: the key %.*s stands there twice", r->label, n,
                        member->key.p);
        near = suggest(member->key, keys);
        return FAIL(err, STATUS_INVALID, "%s: unknown key \"%.*s\"%s%s%s", r->label, n,
                    member->key.p, near ? "; did you mean " : "", near ? near : "",
                    near ? "?" : "");
    }
    return STATUS_OK;
}

static enum status check_required(const struct row *r, struct error *err)
{
    static const char *const required[] = { "cpus", "memory" };

    for (size_t i = 0; i < ARRAY_SIZE(required); i++)
        if (is_absent(json_get(r->json, required[i])))
            return FAIL(err, STATUS_INVALID, "%s: %s is missing", r->label, required[i]);
    if (json_get(r->json, "gpus"))
        return STATUS_OK;
    if (json_get(r->json, "gpu_kind") || json_get(r->json, "gpu_memory"))
        return FAIL(err, STATUS_INVALID, "%s: gpu_kind and gpu_memory need gpus", r->label);
    return STATUS_OK;
}

static enum status read_sku(const struct row *r, struct sku *out, struct error *err)
{
    enum status st = check_keys(r, err);

    if (!st)
        st = check_required(r, err);
    if (!st)
        st = read_text(r, "name", &out->name, err);
    if (!st)
        st = read_decimal(r, "price", PRICE_SCALE, 0, 1000000000000000, &out->price_nano, err);
    if (!st)
        st = read_decimal(r, "cpus", CPU_SCALE, 10, 100000000, &out->cpus_milli, err);
    if (!st)
        st = read_size(r, "memory", &out->memory, err);
    if (!st)
        st = read_decimal(r, "gpus", 0, 0, MAX_GPUS, &out->gpus, err);
    if (!st)
        st = read_text(r, "gpu_kind", &out->gpu_kind, err);
    if (!st)
        st = read_size(r, "gpu_memory", &out->gpu_memory, err);
    if (!st)
        st = read_size(r, "disk", &out->disk, err);
    if (!st)
        st = read_decimal(r, "processes", 0, 16, 4194304, &out->processes, err);
    if (!st)
        st = read_decimal(r, "open_files", 0, 64, 1048576, &out->open_files, err);
    if (!st)
        st = read_runtimes(r, out, err);
    return st;
}

static enum status read_row(struct arena *a, const struct json *v, size_t index, struct hardware *h,
                            struct error *err)
{
    struct row r = { .arena = a, .json = v, .label = arena_printf(a, "hardware[%zu]", index) };
    struct sku sku = { .disk = DEFAULT_DISK,
                       .processes = DEFAULT_PROCESSES,
                       .open_files = DEFAULT_OPEN_FILES };
    struct str id = json_to_str(json_get(v, "sku"));
    enum status st;

    if (!json_is(v, JSON_OBJECT))
        return FAIL(err, STATUS_INVALID, "%s: must hold keys such as sku, price, cpus and memory",
                    r.label);
    if (!id.p)
        return FAIL(err, STATUS_INVALID, "%s: sku is missing, or not text", r.label);
    if (!object_name_ok(id, "sku", err)) {
        if (err)
            error_context(err, "%s", r.label);
        return STATUS_INVALID;
    }
    sku.sku = sku.name = arena_copy(a, id);
    r.label = arena_printf(a, "hardware[%zu] (%s)", index, sku.sku);
    if (hardware_find(h, id))
        return FAIL(err, STATUS_INVALID, "%s: another row has the same sku", r.label);
    st = read_sku(&r, &sku, err);
    if (!st)
        h->skus[h->n_skus++] = sku;
    return st;
}

enum status hardware_parse(struct arena *a, const struct json *list, struct hardware *out,
                           struct error *err)
{
    struct hardware h = { .cpu_overcommit = 4, .memory_overcommit = 2 };
    size_t index = 0;

    if (is_absent(list)) {
        h.skus = arena_array(a, struct sku, ARRAY_SIZE(defaults));
        memcpy(h.skus, defaults, sizeof(defaults));
        h.n_skus = ARRAY_SIZE(defaults);
        *out = h;
        return STATUS_OK;
    }
    if (!json_is(list, JSON_ARRAY) || list->n == 0)
        return FAIL(err, STATUS_INVALID, "hardware: must be a list of SKUs");
    if (list->n > MAX_SKUS)
        return FAIL(err, STATUS_INVALID, "hardware: more than %d SKUs", MAX_SKUS);
    h.skus = arena_array(a, struct sku, list->n);
    json_each (list, v) {
        enum status st = read_row(a, v, index++, &h, err);

        if (st)
            return st;
    }
    *out = h;
    return STATUS_OK;
}
