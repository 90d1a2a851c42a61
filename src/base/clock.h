/* SPDX-License-Identifier: Apache-2.0 */
/* Time as a value. Points in time are milliseconds since 1970 (UTC); durations carry their unit in
 * the name. The domain never asks for the time: it is passed in. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

int64_t clock_wall_ms(void);      /* only loop/, log and the supervisor call this */
int64_t clock_monotonic_ms(void); /* likewise */
int64_t clock_monotonic_ns(void);
int64_t clock_wall_us(void); /* for measurements */

/* RFC 3339, UTC, three digits of fraction: "2026-01-05T10:11:12.345Z". */
enum { TIME_TEXT_SIZE = 32 };
void time_format(int64_t ms, char out[TIME_TEXT_SIZE]);
/* RFC 3339 with any offset and fraction. */
bool time_parse(struct str s, int64_t *out_ms);

/* "30", "30s", "5m", "1h30m45s", "250ms", "2d"; a bare number is seconds. */
bool duration_parse(struct str s, int64_t *out_ms);
void duration_format(int64_t ms, char out[TIME_TEXT_SIZE]); /* "1h30m", "250ms" */

/* "2GB", "512MiB", "100k", "1000": decimal and binary units; a bare number is bytes. */
bool size_parse(struct str s, int64_t *out_bytes);
void size_format(int64_t bytes, char out[TIME_TEXT_SIZE]); /* "2 GB", "1.5 MB" */
