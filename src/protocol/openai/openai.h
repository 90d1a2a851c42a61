/* SPDX-License-Identifier: Apache-2.0 */
/* Model servers that speak as OpenAI's do (vLLM, SGLang, llama.cpp's and others): chat completions
 * and completions, streamed. */
#pragma once

#include "protocol/plain/plain.h"

struct protocol *openai_protocol_new(struct loop *l, struct http_client *client,
                                     const struct plain_limits *limits) NODISCARD;
