/* SPDX-License-Identifier: Apache-2.0 */
/* Where a waiting prediction stands, and when its turn may come. */
#include "run/fleet.h"

enum { MOST_COUNTED = 1000 };

/* Their numbers in the queue tell it, unless some have left from its middle: then they are counted.
 */
int prediction_queue_position(const struct prediction *p)
{
    const struct list *head;
    int n = 1;

    if (!p->is_queued)
        return 0;
    head = &p->lane->queue;
    if (p->lane->n_gaps == 0)
        return (int)(p->queue_at - container_of(head->next, struct prediction, node)->queue_at + 1);
    for (const struct list *at = p->node.prev; at != head; at = at->prev)
        if (++n > MOST_COUNTED)
            return 0;
    return n;
}

static int64_t mean_service_ms(const struct version *v)
{
    int64_t sum = 0;

    for (int i = 0; i < v->n_service; i++)
        sum += v->service_ms[i];
    return v->n_service ? sum / v->n_service : -1;
}

int64_t prediction_queue_start(const struct prediction *p, int position, int64_t now)
{
    int64_t mean = mean_service_ms(p->lane->version), slots = 0, free = 0, rounds;
    struct instance *in;

    list_each (&p->lane->instances, in, struct instance, node) {
        if (in->state != INSTANCE_READY)
            continue;
        slots += p->lane->version->config.concurrency;
        free += MAX(p->lane->version->config.concurrency - in->in_flight, 0);
    }
    if (position == 0 || slots == 0 || mean < 0)
        return 0;
    if (position <= free)
        return now;
    rounds = (position - free + slots - 1) / slots;
    return now + rounds * mean;
}
