/* SPDX-License-Identifier: Apache-2.0 */
/* How much may be spent in a day or a month. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct budget_terms {
    int64_t amount_nano;  /* billionths of the unit of money */
    bool is_monthly;      /* else daily */
    int64_t warn_percent; /* of the amount; 1 to 100 */
};

/* The numbers are in the database. */
enum budget_level { BUDGET_OK, BUDGET_WARNED, BUDGET_REACHED };

const char *budget_level_name(enum budget_level l);
/* `spent` is in 10^-12 of the unit of money. */
enum budget_level budget_level_of(const struct budget_terms *t, __int128 spent);
/* The beginning (UTC, wall ms) of the day or month that a time is in, and of the next one. */
int64_t budget_period_start(const struct budget_terms *t, int64_t now);
int64_t budget_period_end(const struct budget_terms *t, int64_t now);
