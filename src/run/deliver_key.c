/* SPDX-License-Identifier: Apache-2.0 */
/* What messages are signed with, kept in memory for as long as nobody changes a key. */
#include "run/deliver_impl.h"

#include "base/mem.h"

#include <stdlib.h>

enum { MOST = 1000 };

static void key_free(struct key_pair *k)
{
    arena_deinit(&k->arena);
    free(k);
}

const struct key_pair *keys_find(struct deliveries *d, const char *account_id)
{
    return map_get(&d->keys, str_of(account_id));
}

void keys_keep(struct deliveries *d, const struct store_account_secret *read, uint64_t epoch)
{
    struct key_pair *k;

    if (epoch != d->key_epoch || !read->webhook_secret)
        return;
    if (d->keys.n >= MOST)
        keys_free(d);
    k = xnew(struct key_pair);
    k->key = arena_copy(&k->arena, str_of(read->webhook_secret));
    k->old = read->old ? arena_copy(&k->arena, str_of(read->old)) : NULL;
    k->old_until = read->old_until;
    k = map_put(&d->keys, str_of(read->account_id), k);
    if (k)
        key_free(k);
}

void keys_free(struct deliveries *d)
{
    struct key_pair *k;

    for (size_t at = 0; map_next(&d->keys, &at, NULL, (void **)&k);)
        key_free(k);
    map_deinit(&d->keys);
    map_init(&d->keys);
}

void deliveries_forget_keys(struct deliveries *d)
{
    d->key_epoch++;
    keys_free(d);
}
