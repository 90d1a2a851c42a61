/* SPDX-License-Identifier: Apache-2.0 */
/* "did you mean": the known word that is nearest to a mistyped one. */
#pragma once

#include "base/str.h"

/* NULL when none is near. `names` ends with NULL; letter case, '-' and '_' make no difference. */
const char *suggest(struct str word, const char *const *names);
