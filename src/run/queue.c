/* SPDX-License-Identifier: Apache-2.0 */
/* Where a waiting prediction stands, and when its turn may come. */
#include "run/fleet.h"

enum { MOST_COUNTED = 1000 };

int prediction_queue_position(const struct prediction *p)
{
    const struct list *head;
    int n;

    if (!p->is_queued)
        return 0;
    n = queue_position(&p->lane->line, p->queue_at);
    if (n > 0)
        return n;
    head = &p->lane->queue;
    n = 1;
    for (const struct list *at = p->node.prev; at != head; at = at->prev)
        if (++n > MOST_COUNTED)
            return 0;
    return n;
}

int64_t prediction_queue_start(const struct prediction *p, int position, int64_t now)
{
    const struct version *v = p->lane->version;
    int64_t slots = 0, free = 0;
    struct instance *in;

    list_each (&p->lane->instances, in, struct instance, node) {
        if (in->state != INSTANCE_READY)
            continue;
        slots += v->config.concurrency;
        free += MAX(v->config.concurrency - in->in_flight, 0);
    }
    return queue_start(position, slots, free, queue_pace(v->service_ms, v->n_service), now);
}
