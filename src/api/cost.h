/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts and times of the ledger as the API shows them. */
#pragma once

#include "core/ledger.h"
#include "http/server.h"

/* A member that is an amount: a JSON number, exact. */
void show_amount(struct json_writer *w, const char *key, __int128 amount);
/* Members `seconds`, `cost` and `kinds`. */
void show_sum(struct json_writer *w, const struct ledger_sum *s);

/* The query's `from` and `to`, widened to whole hours (of long ago: days); false: 400 was answered.
 * Without them, the last seven days. */
struct cost_time {
    int64_t from, to;
};
bool cost_time_read(struct http_request *r, struct cost_time *out);

void deployment_cost(struct http_request *r);
void account_cost(struct http_request *r);
