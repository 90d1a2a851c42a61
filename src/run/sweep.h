/* SPDX-License-Identifier: Apache-2.0 */
/* Erases what is older than it may be. */
#pragma once

#include "core/option.h"
#include "loop/loop.h"
#include "store/store.h"

struct sweep;

/* Begins at once. */
struct sweep *sweep_new(struct loop *l, struct store *s, const struct options *o) NODISCARD;
void sweep_stop(struct sweep *w); /* before the store is closed */
void sweep_free(struct sweep *w); /* after that; NULL is fine */
