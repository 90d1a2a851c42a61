/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a YAML 1.2 document (libfyaml) into the same tree as JSON, so that configuration, cog.yaml
 * and request bodies are looked at with one set of accessors. */
#pragma once

#include "base/json.h"

/* Plain scalars become null, true/false, numbers or text by YAML's core schema; quoted ones are
 * text. Aliases are resolved within limits; a key that stands twice in one mapping, merge keys,
 * more than one document, .inf and .nan, and tags other than the core ones are refused. A number
 * keeps the characters of the source in `text` (python_version: 3.10 stays "3.10"), unless JSON has
 * no such form (0x1f, +1, .5). The values' spans are JSON text that stands for them, in the arena,
 * and can be passed on as such. `name` stands at the head of error texts: "cog.yaml: line 3, column
 * 5: ...". Status INVALID, TOO_LARGE. */
enum status yaml_parse(struct arena *a, struct str source, const char *name, struct json **out_root,
                       struct error *err) NODISCARD;
