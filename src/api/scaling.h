/* SPDX-License-Identifier: Apache-2.0 */
/* Scaling in bodies and answers of deployments; its decisions and its simulator. */
#pragma once

#include "api/api.h"

/* The member "scaling": its text when it is there and valid, for the hardware it is to run on
 * (NULL: not known). NULL, and a problem for what is not right. */
const char *body_scaling(struct http_request *r, struct problems *p, const struct sku *sku);
/* A new deployment's `settings`, of what body_scaling() and body_rollout() gave; kept in `op`. */
const char *settings_stored(struct store_op *op, const char *scaling, const char *rollout);
/* What holds, defaults included. */
void show_scaling(struct json_writer *w, const struct options *o, const char *stored,
                  int64_t min_instances);

void deployment_decisions(struct http_request *r);
void deployment_simulate(struct http_request *r);
