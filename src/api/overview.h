/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments as a list shows them: what is live, without the store. */
#pragma once

#include "api/api.h"

/* "disabled", "failed", "active", "idle", "waiting" (for capacity), "setting up", "offline";
 * "deleted". */
const char *pool_state(const struct pool *p);
/* What the machine lacks for an instance that it is to have; NULL: nothing. Good until the loop
 * goes on. */
const char *pool_waits_for(const struct pool *p);
/* Members "instances" (how many in each state) and "queue". */
void show_pool_instances(struct json_writer *w, const struct pool *p);

void deployment_overview(struct http_request *r);
