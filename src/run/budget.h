/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets: what was spent in the present day or month is compared every few seconds with what may
 * be. At a share of it, and at the limit, a webhook is told; at the limit nothing boots or begins,
 * idle instances stop, what runs finishes, and the queue stays until the next period or a higher
 * limit. */
#pragma once

#include "core/budget.h"
#include "core/ledger.h"
#include "store/budget.h"

struct budgets;
struct deliveries;
struct fleet;
struct http_client;
struct options;
struct pool;

struct budget {
    char *id, *account_id;
    bool is_account;
    struct budget_terms terms;
    char *webhook; /* NULL: none */
    enum budget_level level;
    int64_t period; /* its beginning */
    __int128 spent; /* up to the last look */
};

/* After the fleet was loaded, and before anything runs: reads what there is, and what was spent. */
enum status budgets_new(struct fleet *f, struct http_client *c, struct budgets **out,
                        struct error *err) NODISCARD;
void budgets_stop(struct budgets *b);
void budgets_free(struct budgets *b); /* after the store and the HTTP client */

/* By the id of a deployment or account; up to date. NULL: none. */
const struct budget *budget_find(struct fleet *f, const char *id);
/* Before a budget is written: what instances spent is on its way to the store. The mark of what is
 * counted from now on goes to budget_set(), with what the store had. */
__int128 budget_mark(struct fleet *f, const char *id);
void budget_set(struct fleet *f, const struct budget_row *row, __int128 mark, __int128 spent);
void budget_remove(struct fleet *f, const char *id);

/* Instances of a pool spent something. */
void budget_spend(struct pool *p, int64_t price_nano, int64_t ms);
/* Why a pool may spend nothing more; false when it may. */
bool budget_holds(const struct pool *p, char out[200]);
