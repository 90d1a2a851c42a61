/* SPDX-License-Identifier: Apache-2.0 */
/* One prediction of the past in 24 bytes, and traffic from tables of others. */
#pragma once

#include "base/status.h"
#include "core/scale/simulate.h"

struct scale_record {
    int64_t at;         /* when it was made, ms */
    int32_t wait_ms;    /* until it was given to an instance */
    int32_t service_ms; /* until that was done with it */
    uint32_t release;
    uint16_t slots;  /* of the instance */
    uint16_t status; /* enum prediction_status */
};
enum { SCALE_RECORD_SIZE = 24 };

void scale_record_write(const struct scale_record *r, struct buf *out);
/* The i-th of packed records. */
void scale_record_read(struct str packed, size_t i, struct scale_record *out);

/* Arrivals in order from packed records made at `from` or later. Allocated; free() it. */
struct scale_arrival *scale_traffic(struct str packed, int64_t from, size_t *out_n);

/* A table with the arrival and the service time in seconds, separated by a comma, semicolon or tab,
 * for each prediction; lines that do not begin with a number at the top are its head. INVALID names
 * the line. */
enum status scale_traffic_table(struct str text, size_t most, struct scale_arrival **out,
                                size_t *out_n, struct error *err) NODISCARD;
