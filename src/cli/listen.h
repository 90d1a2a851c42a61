/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction's stream of output, read while something else is waited for. */
#pragma once

#include "http/client.h"
#include "http/sse.h"

struct listening {
    struct loop *loop;
    struct http_client *client;
    struct http_call call;
    struct sse_reader reader;
    struct timer timer;
    bool is_open;
    /* A piece of the output, and its number from 0; a further attempt begins anew. */
    void (*piece)(struct listening *l, uint64_t number, struct str text);
};

/* One that cannot be opened, or breaks off, is silent. */
void listening_open(struct listening *l, const char *url,
                    void (*piece)(struct listening *l, uint64_t number, struct str text));
/* Listens for so long; returns before when the stream has ended. */
void listening_wait(struct listening *l, int64_t ms);
void listening_close(struct listening *l); /* a zeroed one is fine */
