/* SPDX-License-Identifier: Apache-2.0 */
#include "core/budget.h"

#include "base/clock.h"
#include "core/ledger.h"

#include <stdio.h>
#include <string.h>

const char *budget_level_name(enum budget_level l)
{
    static const char *const names[] = {
        [BUDGET_OK] = "ok", [BUDGET_WARNED] = "warned", [BUDGET_REACHED] = "reached"
    };

    return names[l];
}

enum budget_level budget_level_of(const struct budget_terms *t, __int128 spent)
{
    __int128 amount = (__int128)t->amount_nano * 1000;

    if (spent >= amount)
        return BUDGET_REACHED;
    return spent * 100 >= amount * t->warn_percent ? BUDGET_WARNED : BUDGET_OK;
}

/* By its text, which knows the calendar. */
static int64_t month_start(int64_t now)
{
    char text[TIME_TEXT_SIZE], first[TIME_TEXT_SIZE];
    int64_t start = 0;

    time_format(now, text);
    snprintf(first, sizeof(first), "%.7s-01T00:00:00Z", text);
    return time_parse(str_of(first), &start) ? start : ledger_floor(now, LEDGER_DAY_MS);
}

int64_t budget_period_start(const struct budget_terms *t, int64_t now)
{
    return t->is_monthly ? month_start(now) : ledger_floor(now, LEDGER_DAY_MS);
}

int64_t budget_period_end(const struct budget_terms *t, int64_t now)
{
    int64_t start = budget_period_start(t, now);

    /* No month has more than 31 days, and none fewer than 28. */
    return t->is_monthly ? month_start(start + 32 * (int64_t)LEDGER_DAY_MS) : start + LEDGER_DAY_MS;
}
