/* SPDX-License-Identifier: Apache-2.0 */
/* Cog's HTTP protocol in both its dialects: coglet (SDK 0.17 and later) and the older Python
 * server. Which one a server speaks is learnt from its health check. */
#pragma once

#include "http/client.h"
#include "protocol/protocol.h"

/* `max_health`: bytes of an answer to a health check; a server that answers more is ended. The HTTP
 * client goes before the protocol when both are freed: calls that are still closing then
 * end with it. */
struct protocol *cog_protocol_new(struct loop *l, struct http_client *client,
                                  size_t max_health) NODISCARD;
