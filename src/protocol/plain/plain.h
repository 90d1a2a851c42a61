/* SPDX-License-Identifier: Apache-2.0 */
/* Model servers that are not Cog's, and answer a prediction on the connection that asked for it:
 * one POST with JSON, and an answer in one piece or as events. A prediction ends when its
 * connection does; nothing of it can be joined again. */
#pragma once

#include "http/client.h"
#include "protocol/protocol.h"

/* Bytes of what a model server may say. */
struct plain_limits {
    size_t max_health; /* one answer to a health check; a server that answers more is ended */
    size_t max_error;  /* why a prediction failed; the rest is cut off */
};

/* The input is the body of the request, the answer is the output: JSON, text, events
 * (text/event-stream), or the bytes of a file. */
struct protocol *plain_protocol_new(struct loop *l, struct http_client *client,
                                    const struct plain_limits *limits) NODISCARD;
