/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/hist.h"

#include "base/compiler.h"

int scale_hist_bucket(int64_t ms)
{
    uint64_t v = ms < 1 ? 4 : (uint64_t)ms << 2;
    int octave = 61 - __builtin_clzll(v);
    int at = octave * 4 + (int)((v >> octave) & 3);

    return MIN(at, SCALE_HIST_BUCKETS - 1);
}

int64_t scale_hist_edge(int bucket)
{
    return ((int64_t)(4 + (bucket & 3)) << (bucket >> 2)) >> 2;
}

static void fade(struct scale_hist *h)
{
    h->total = 0;
    for (int i = 0; i < SCALE_HIST_BUCKETS; i++) {
        h->counts[i] /= 2;
        h->total += h->counts[i];
    }
}

void scale_hist_add(struct scale_hist *h, int64_t ms)
{
    if (h->total >= SCALE_HIST_MOST * SCALE_HIST_WEIGHT)
        fade(h);
    h->counts[scale_hist_bucket(ms)] += SCALE_HIST_WEIGHT;
    h->total += SCALE_HIST_WEIGHT;
    if (h->n < SCALE_HIST_MOST)
        h->n++;
    h->mean_ms += ((double)ms - h->mean_ms) / h->n;
}

int64_t scale_hist_quantile(const struct scale_hist *h, double q)
{
    double rest = q * h->total;

    if (h->total == 0)
        return -1;
    for (int i = 0; i < SCALE_HIST_BUCKETS; i++) {
        int64_t low = scale_hist_edge(i), high = scale_hist_edge(i + 1);

        if (h->counts[i] > 0 && rest <= h->counts[i]) {
            if (h->mean_ms >= (double)low && h->mean_ms < (double)high)
                return (int64_t)(h->mean_ms + 0.5); /* nearer than the bucket's width tells */
            return low + (int64_t)((double)(high - low) * rest / h->counts[i]);
        }
        rest -= h->counts[i];
    }
    return scale_hist_edge(SCALE_HIST_BUCKETS);
}
