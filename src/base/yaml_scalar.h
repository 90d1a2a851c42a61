/* SPDX-License-Identifier: Apache-2.0 */
/* What a YAML scalar without quotes and tag means. For base/yaml only. */
#pragma once

#include "base/json.h"

/* Writes what the core schema makes of it; false when JSON has no such value (.inf, .nan). */
bool yaml_write_plain(struct json_writer *w, struct str s);
