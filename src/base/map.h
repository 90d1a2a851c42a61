/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from text to pointer. Keys are copied; values belong to the caller. */
#pragma once

#include "base/str.h"

struct map_slot {
    char *key; /* NULL: never used; MAP_GONE: removed */
    void *value;
    size_t n;
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t n_slots; /* zero or a power of two */
    size_t n;       /* live entries */
    size_t n_used;  /* live and removed ones */
};

/* Instead of a random one, so that a simulation meets the same order again; before the first map is
 * used. */
void map_set_seed(uint64_t seed);
void map_init(struct map *m);
void map_deinit(struct map *m); /* frees the keys only */

void *map_get(const struct map *m, struct str key); /* NULL when absent */
/* Both return the value that stood there, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key);

/* Walks all entries in no order: start with *at = 0. Entries may be removed while walking. */
bool map_next(const struct map *m, size_t *at, struct str *out_key, void **out_value);
