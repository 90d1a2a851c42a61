/* SPDX-License-Identifier: Apache-2.0 */
/* Cog's HTTP protocol in both its dialects: coglet (SDK 0.17 and later) and the older Python
 * server. Which one a server speaks is learnt from its health check. */
#pragma once

#include "http/client.h"
#include "protocol/protocol.h"

/* Bytes of what a model server may say. */
struct cog_limits {
    size_t max_health;  /* one answer to a health check, with all that setup printed; a server that
                           answers more is ended */
    size_t max_error;   /* why a prediction failed; the rest is cut off */
    size_t max_metrics; /* of a prediction; more are not kept */
};

/* The HTTP client goes before the protocol when both are freed: calls that are still closing then
 * end with it. */
struct protocol *cog_protocol_new(struct loop *l, struct http_client *client,
                                  const struct cog_limits *limits) NODISCARD;
