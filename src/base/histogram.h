/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of values below fixed bounds, as Prometheus has them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_MAX = 24 };

struct histogram {
    const double *bounds;               /* rising; a value equal to a bound counts as below it */
    size_t n;                           /* of them, at most HISTOGRAM_MAX */
    uint64_t counts[HISTOGRAM_MAX + 1]; /* of each step alone; the last one is above all bounds */
    double sum;
};

void histogram_init(struct histogram *h, const double *bounds, size_t n);
void histogram_observe(struct histogram *h, double value);
uint64_t histogram_count(const struct histogram *h);
/* Adds the values of one with the same bounds. */
void histogram_merge(struct histogram *h, const struct histogram *from);
