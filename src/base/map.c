/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; at most three quarters full. The hash is seeded once for
 * each process, so that nobody can choose keys that collide. */
#include "base/map.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

static char gone[1];
#define MAP_GONE gone

static uint64_t hash_key[2];

static const uint64_t *seed(void)
{
    if (!hash_key[0] && getrandom(hash_key, sizeof(hash_key), 0) != (ssize_t)sizeof(hash_key))
        abort();
    hash_key[0] |= 1;
    return hash_key;
}

void map_set_seed(uint64_t n)
{
    assert(!hash_key[0]);
    hash_key[0] = n | 1;
    hash_key[1] = n;
}

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash with one round for each word and three at the end. */
static uint64_t hash_of(struct str key)
{
    const uint64_t *k = seed();
    uint64_t v[4] = { k[0] ^ 0x736f6d6570736575U, k[1] ^ 0x646f72616e646f6dU,
                      k[0] ^ 0x6c7967656e657261U, k[1] ^ 0x7465646279746573U };
    uint64_t word;
    size_t at = 0;

    for (; key.n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, key.p + at, sizeof(word));
        v[3] ^= word;
        mix(v);
        v[0] ^= word;
    }
    word = (uint64_t)key.n << 56;
    for (size_t i = 0; at + i < key.n; i++)
        word |= (uint64_t)(unsigned char)key.p[at + i] << (8 * i);
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void map_deinit(struct map *m)
{
    for (size_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].key && m->slots[i].key != MAP_GONE)
            free(m->slots[i].key);
    free(m->slots);
    map_init(m);
}

static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
    if (m->n_slots == 0)
        return NULL;
    for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
        struct map_slot *s = &m->slots[i];

        if (!s->key)
            return NULL;
        if (s->key != MAP_GONE && s->hash == hash && str_eq(str_make(s->key, s->n), key))
            return s;
    }
}

static void grow(struct map *m)
{
    struct map_slot *old = m->slots;
    size_t n_old = m->n_slots;

    m->n_slots = m->n * 2 < 8 ? 16 : n_old;
    while (m->n_slots * 3 / 4 <= m->n + 1 || m->n_slots < m->n * 2)
        m->n_slots *= 2;
    m->slots = xcalloc(m->n_slots, sizeof(*m->slots));
    m->n_used = m->n;
    for (size_t i = 0; i < n_old; i++) {
        size_t at;

        if (!old[i].key || old[i].key == MAP_GONE)
            continue;
        at = old[i].hash & (m->n_slots - 1);
        while (m->slots[at].key)
            at = (at + 1) & (m->n_slots - 1);
        m->slots[at] = old[i];
    }
    free(old);
}

void *map_get(const struct map *m, struct str key)
{
    struct map_slot *s = find(m, key, hash_of(key));

    return s ? s->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = hash_of(key);
    struct map_slot *s = find(m, key, hash);
    size_t at;

    if (s) {
        void *was = s->value;

        s->value = value;
        return was;
    }
    if (m->n_slots == 0 || m->n_used + 1 > m->n_slots * 3 / 4)
        grow(m);
    at = hash & (m->n_slots - 1);
    while (m->slots[at].key)
        at = (at + 1) & (m->n_slots - 1);
    m->slots[at] = (struct map_slot){
        .key = str_dup(key),
        .value = value,
        .n = key.n,
        .hash = hash,
    };
    m->n++;
    m->n_used++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot *s = find(m, key, hash_of(key));
    void *was;

    if (!s)
        return NULL;
    was = s->value;
    free(s->key);
    s->key = MAP_GONE;
    s->value = NULL;
    m->n--;
    return was;
}

bool map_next(const struct map *m, size_t *at, struct str *out_key, void **out_value)
{
    for (; *at < m->n_slots; (*at)++) {
        struct map_slot *s = &m->slots[*at];

        if (!s->key || s->key == MAP_GONE)
            continue;
        if (out_key)
            *out_key = str_make(s->key, s->n);
        if (out_value)
            *out_value = s->value;
        (*at)++;
        return true;
    }
    return false;
}
