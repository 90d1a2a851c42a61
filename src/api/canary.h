/* SPDX-License-Identifier: Apache-2.0 */
/* How a deployment rolls out, in bodies and answers; and the canary that goes on. */
#pragma once

#include "api/api.h"

/* The member "rollout": its text when it is there and valid; else NULL, and a problem for what is
 * not right. */
const char *body_rollout(struct http_request *r, struct problems *p);
struct canary_live;

/* The members "rollout" and "canary" or "shadow" of a deployment, where one is set, and where there
 * is one.
 * `stored`: the deployment's settings; `p` may be NULL. */
void show_rollout(struct json_writer *w, const struct pool *p, const char *stored);
void deployment_promote(struct http_request *r);
void deployment_halt(struct http_request *r);
/* The members that say how it goes. */
void show_canary(struct json_writer *w, const struct canary_live *live);
/* "canary" or "shadow": what a release is while that goes on; NULL: neither. */
const char *canary_state_of(const struct pool *p, int64_t release);
