/* SPDX-License-Identifier: Apache-2.0 */
/* What instances cost: each of their milliseconds is of one kind and has one price. Pure: values
 * and a time.
 *
 * Everything is a whole number. A price is in billionths of the unit of money for one second, so
 * that an amount, milliseconds times price, is in 10^-12 of the unit and never rounded; sums of
 * amounts have 128 bits. The time in which predictions ran is divided among them to the
 * millisecond; all else belongs to the release. Thus predictions, releases, deployments, accounts
 * and days add up to the same total to the last digit. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are in the database. */
#define LEDGER_KIND_TABLE(X)                                                                       \
    X(SETUP, "setup")   /* from the decision to boot until it is ready */                          \
    X(ACTIVE, "active") /* at least one prediction runs */                                         \
    X(IDLE, "idle")     /* ready, and nothing runs */                                              \
    X(DRAIN, "drain")   /* told to end, and nothing runs */                                        \
    X(FAILED, "failed") /* all of a boot that did not come to be ready */

enum ledger_kind {
#define X(name, text) LEDGER_##name,
    LEDGER_KIND_TABLE(X)
#undef X
        LEDGER_KINDS
};
const char *ledger_kind_name(enum ledger_kind k);

enum { LEDGER_HOUR_MS = 3600 * 1000, LEDGER_DAY_MS = 24 * LEDGER_HOUR_MS };

/* The beginning of the hour or day (UTC) that a time is in. */
int64_t ledger_floor(int64_t wall_ms, int64_t unit_ms);

/* The beginning of the first day whose hours are kept by an option ledger_hours of `keep_ms`; those
 * before it may be put together into days. */
int64_t ledger_first_hour(int64_t now, int64_t keep_ms);

/* Milliseconds of one hour that are alike. */
struct ledger_piece {
    int64_t hour; /* its beginning, UTC ms since 1970 */
    int64_t price_nano;
    enum ledger_kind kind;
    int64_t ms;
};

/* Pieces that are alike are one. Zeroed is empty. */
struct ledger_tally {
    struct ledger_piece *pieces;
    size_t n, room;
};

void ledger_tally_add(struct ledger_tally *t, const struct ledger_piece *p);
/* The time from `from` to `to` (wall ms), cut where hours end. */
void ledger_tally_span(struct ledger_tally *t, int64_t from, int64_t to, enum ledger_kind kind,
                       int64_t price_nano);
/* Moves everything; `from` is empty afterwards. */
void ledger_tally_move(struct ledger_tally *to, struct ledger_tally *from);
int64_t ledger_tally_ms(const struct ledger_tally *t);
__int128 ledger_tally_amount(const struct ledger_tally *t);
void ledger_tally_deinit(struct ledger_tally *t);

/* One instance's time. Between its beginning and `at` every millisecond was counted once. */
struct ledger_meter {
    int64_t at; /* monotonic ms */
    int64_t price_nano;
    int64_t counted_ms; /* in all */
    unsigned turn;      /* who gets the milliseconds that do not divide */
};

/* Counts the time since `at`, which ends at `now` (monotonic) and `wall`: as active, divided among
 * the tallies of the n predictions that ran all the while, or, with n == 0, as `kind` into `own`. A
 * clock that went backwards counts nothing. */
void ledger_meter_count(struct ledger_meter *m, int64_t now, int64_t wall, enum ledger_kind kind,
                        struct ledger_tally *own, struct ledger_tally *const *shares, size_t n);

/* Sums by kind. */
struct ledger_sum {
    int64_t ms[LEDGER_KINDS];
    __int128 amount[LEDGER_KINDS];
};

void ledger_sum_add(struct ledger_sum *s, enum ledger_kind kind, int64_t price_nano, int64_t ms);
int64_t ledger_sum_ms(const struct ledger_sum *s);
__int128 ledger_sum_amount(const struct ledger_sum *s);

/* What n instances cost that run for so long. */
__int128 ledger_price_of(int64_t price_nano, int64_t n, int64_t ms);

/* An amount as a decimal number, exactly: "0.0125". */
enum { LEDGER_TEXT = 64 };
void ledger_format(__int128 amount, char out[LEDGER_TEXT]);
