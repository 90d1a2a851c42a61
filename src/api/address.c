/* SPDX-License-Identifier: Apache-2.0 */
/* What callers without a token may do is counted for each address. */
#include "api/api.h"

#include "base/mem.h"

#include <stdlib.h>

enum { MAX_ADDRESSES = 10000 }; /* that are remembered */

void api_addresses_free(struct map *buckets)
{
    void *bucket;

    for (size_t at = 0; map_next(buckets, &at, NULL, &bucket);)
        free(bucket);
    map_deinit(buckets);
}

/* Those that have waited long enough are as good as never seen. */
static void forget(struct map *buckets)
{
    if (buckets->n < MAX_ADDRESSES)
        return;
    api_addresses_free(buckets);
    map_init(buckets);
}

bool api_address_may(struct map *buckets, const struct http_request *r, int64_t per_minute,
                     bool costs)
{
    int64_t now = loop_now_ms(api_of(r)->loop);
    struct bucket *b = map_get(buckets, r->peer);

    if (per_minute == 0 || (!b && !costs))
        return true;
    if (!b) {
        forget(buckets);
        b = xnew(struct bucket);
        b->level = (double)per_minute;
        b->at_ms = now;
        map_put(buckets, r->peer, b);
    }
    bucket_refill(b, per_minute, now);
    if (b->level < 1)
        return false;
    b->level -= costs;
    return true;
}
