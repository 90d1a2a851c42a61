/* SPDX-License-Identifier: Apache-2.0 */
/* How a deployment rolls out, in bodies and answers; and the canary that goes on. */
#pragma once

#include "api/api.h"

/* The member "rollout": its text when it is there and valid; else NULL, and a problem for what is
 * not right. */
const char *body_rollout(struct http_request *r, struct problems *p);
/* The members "rollout" and "canary" of a deployment, where one is set, and where there is one.
 * `stored`: the deployment's settings; `p` may be NULL. */
void show_rollout(struct json_writer *w, const struct pool *p, const char *stored);
void deployment_promote(struct http_request *r);
void deployment_halt(struct http_request *r);
/* Whether a release is the one of the canary that goes on. */
bool canary_is_of(const struct pool *p, int64_t release);
