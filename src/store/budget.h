/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "core/budget.h"
#include "store/store.h"

struct budget_row {
    const char *id; /* of the deployment; of the account itself for all of it */
    const char *account_id;
    struct budget_terms terms;
    const char *webhook; /* NULL: none */
    enum budget_level told_level;
    int64_t told_period;
};

/* What the ledger holds from the beginning of an hour on, in 10^-12 of the unit of money. */
struct store_budget_spent {
    struct store_op op;
    const char *id;
    bool is_account;
    int64_t from;
    __int128 spent; /* out */
};
extern const struct store_op_type STORE_BUDGET_SPENT;

/* Sets it (or removes it), and says what was spent at that moment: nothing that is written later is
 * in it. */
struct store_budget_put {
    struct store_budget_spent spent; /* `op` is in it; `id` and `is_account` are given there */
    struct budget_row in;
    bool remove;
};
extern const struct store_op_type STORE_BUDGET_PUT;

struct store_budget_told {
    struct store_op op;
    const char *id;
    struct budget_terms
        terms; /* what was told is of these: nothing where there are others by now */
    enum budget_level level;
    int64_t period;
};
extern const struct store_op_type STORE_BUDGET_TOLD;

struct store_budget_list {
    struct store_op op;
    struct budget_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_BUDGET_LIST;
