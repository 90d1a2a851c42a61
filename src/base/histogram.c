/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <assert.h>

void histogram_init(struct histogram *h, const double *bounds, size_t n)
{
    assert(n <= HISTOGRAM_MAX);
    *h = (struct histogram){ .bounds = bounds, .n = n };
}

void histogram_observe(struct histogram *h, double value)
{
    size_t i = 0;

    while (i < h->n && value > h->bounds[i])
        i++;
    h->counts[i]++;
    h->sum += value;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= h->n; i++)
        n += h->counts[i];
    return n;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    assert(h->bounds == from->bounds && h->n == from->n);
    for (size_t i = 0; i <= h->n; i++)
        h->counts[i] += from->counts[i];
    h->sum += from->sum;
}
