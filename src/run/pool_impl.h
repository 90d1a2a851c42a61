/* SPDX-License-Identifier: Apache-2.0 */
/* Between pool.c (what there is) and reconcile.c (what should be). */
#pragma once

#include "run/fleet.h"

/* Once, before pool_wake(). */
void pool_reconcile_init(struct pool *p);
/* The release that new predictions are bound to; NULL: none can serve. */
struct release *pool_serving(struct pool *p);
/* The release whose instances are the deployment's: the current one, or the one that serves while
 * that has a share only, or was halted. */
struct release *pool_leading(const struct pool *p);
/* Cancels what waits and what runs: the pool is disabled, or goes. */
void pool_cancel_all(struct pool *p);
