/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list. A node that stands in no list points at itself. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>

struct list {
    struct list *prev, *next;
};

#define LIST_INIT(l) ((struct list){ .prev = &(l), .next = &(l) })

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push(struct list *l, struct list *node) /* at the end */
{
    list_insert_before(l, node);
}

static inline void list_push_front(struct list *l, struct list *node)
{
    list_insert_before(l->next, node);
}

static inline void list_remove(struct list *node) /* harmless when it stands in no list */
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_first(const struct list *l) /* NULL when empty */
{
    return list_empty(l) ? NULL : l->next;
}

static inline size_t list_length(const struct list *l)
{
    size_t n = 0;

    for (const struct list *at = l->next; at != l; at = at->next)
        n++;
    return n;
}

/* Walks the list; the current element may be removed in the body. */
#define list_each(l, var, type, member)                                                            \
    for (struct list *node_##var = (l)->next, *next_##var = node_##var->next;                      \
         node_##var != (l) && ((var) = container_of(node_##var, type, member), true);              \
         node_##var = next_##var, next_##var = node_##var->next)
