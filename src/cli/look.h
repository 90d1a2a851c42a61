/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share that show what the server answers. */
#pragma once

#include "cli/cli.h"

/* One call whose answer is shown: as it came with --json, else by `show` (NULL: not at all). The
 * exit status. */
int look_call(const struct given *g, const struct remote *r, const char *method, const char *path,
              struct str body, void (*show)(const struct json *v));
/* A member ("a.b": one of one) as text: a string's own, anything else as JSON; p NULL where it is
 * absent or null. */
struct str look_text(const struct json *v, const char *key);
