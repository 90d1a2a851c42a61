/* SPDX-License-Identifier: Apache-2.0 */
/* A version's Input schema: the subset of JSON Schema that model schemas use, with Replicate's
 * error words.
 *
 * Supported: type (integers may be written 3.0), enum and const, also through $ref, allOf, anyOf,
 * oneOf, not; minimum, maximum (+ exclusive, both forms), multipleOf, minLength, maxLength (code
 * points), pattern (PCRE2, unanchored, with match and depth limits; one that does not compile is
 * skipped), items, minItems, maxItems, uniqueItems, properties, required, additionalProperties,
 * nullable, format uri (http, https and data only). Unknown keywords are ignored. */
#pragma once

#include "base/json.h"

struct input_schema;

/* `openapi` is the version's whole OpenAPI document; `component` "Input" or "TrainingInput". A
 * document without it gives a schema that takes everything. The text is copied. INVALID when it is
 * not JSON. */
enum status input_schema_new(struct str openapi, const char *component, struct input_schema **out,
                             struct error *err) NODISCARD;
void input_schema_free(struct input_schema *s);

struct input_problem {
    const char *type;        /* "required", "invalid_type", "number_lte", ... */
    const char *field;       /* "input", "input.steps", "input.images.0" */
    const char *description; /* "Must be less than or equal to 8" */
    struct input_problem *next;
};

/* NULL: `input` (an object) is fine. All problems, at most 100; in the arena. In rare cases the
 * type is "internal": the schema is recursive without end, or checking would cost far more than the
 * input's size warrants. */
struct input_problem *input_validate(const struct input_schema *s, struct arena *a,
                                     const struct json *input);

/* The copy that an instance gets: unknown keys dropped (unless additionalProperties is there and
 * not false), nulls dropped that only "nullable" lets in (instances do not know that word), every
 * missing default filled in, 3.0 written as 3 where an integer is asked for. `input` is valid.
 * out->failed when its maximum is too small. */
void input_normalize(const struct input_schema *s, const struct json *input, struct buf *out);

/* The copy that is stored and shown: secrets (x-cog-secret, format password) become "**********";
 * unchanged bytes otherwise. Returns false when there was none, and `out` is left empty: the span
 * itself serves. `out` must have room for the span and 12 bytes for each secret. */
bool input_mask(const struct input_schema *s, const struct json *input, struct buf *out);
bool input_has_secrets(const struct input_schema *s);

/* A string that is, or may be, the address of a file. */
struct input_uri {
    const struct json *value;
    struct str field; /* key of the member of the root that it stands in; p == NULL: the root is no
                         object */
    bool is_loose;    /* nothing says that it is an address, but that it begins with "data:" */
};

/* All strings whose schema has format uri and, where `loose`, data addresses of which the schema
 * says nothing; in the order of the source, in the arena. */
size_t input_uris(const struct input_schema *s, struct arena *a, const struct json *v, bool loose,
                  struct input_uri **out);
bool input_has_uris(const struct input_schema *s);
/* Writes the span of `v` with some of its values replaced by JSON texts; with[i].p == NULL leaves
 * uris[i] as it is. */
void input_replace(const struct json *v, const struct input_uri *uris, const struct str *with,
                   size_t n, struct buf *out);
bool input_accepts(const struct input_schema *s, const struct json *v);

/* Facts of the Output component. */
struct output_facts {
    bool is_iterator;     /* x-cog-array-type: iterator */
    bool concatenates;    /* x-cog-array-display: concatenate */
    bool has_files;       /* format: uri somewhere */
    bool files_listed;    /* an array or iterator whose items are files */
    bool is_array;        /* type: array (an iterator included) */
    bool supports_stream; /* x-cog-streaming on POST /predictions */
    bool is_typed;        /* it says more than that it is an array */
};
struct output_facts output_facts(struct str openapi);
