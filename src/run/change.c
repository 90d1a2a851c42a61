/* SPDX-License-Identifier: Apache-2.0 */
#include "run/change.h"

#include "run/fleet.h"
#include "store/build.h"

static void tell(const struct pool *p, const struct change *c)
{
    struct change_listener *l = p->fleet->listener;
    struct change whole = *c;

    if (!l)
        return;
    whole.pool = p;
    if (!whole.owner_id)
        whole.owner_id = p->owner_id;
    l->changed(l, &whole);
}

void tell_pool(const struct pool *p)
{
    tell(p, &(struct change){ .kind = CHANGE_POOL });
}

void tell_prediction(const struct prediction *p, const char *status)
{
    tell(p->lane->pool, &(struct change){ .kind = CHANGE_PREDICTION,
                                          .owner_id = p->row.account_id,
                                          .id = p->id,
                                          .state = status });
}

void tell_progress(const struct prediction *p)
{
    tell(p->lane->pool,
         &(struct change){ .kind = CHANGE_PROGRESS, .owner_id = p->row.account_id, .id = p->id });
}

void tell_instance(const struct instance *in, const char *state)
{
    tell(in->lane->pool, &(struct change){ .kind = CHANGE_INSTANCE, .id = in->id, .state = state });
}

void tell_log(const struct instance *in)
{
    tell(in->lane->pool, &(struct change){ .kind = CHANGE_LOG, .id = in->id });
}

void tell_release(const struct pool *p, int64_t number, const char *state)
{
    tell(p, &(struct change){ .kind = CHANGE_RELEASE, .number = number, .state = state });
}

void tell_decision(const struct pool *p)
{
    tell(p, &(struct change){ .kind = CHANGE_DECISION });
}

void tell_build(struct change_listener *l, const struct build_row *row)
{
    if (l)
        l->changed(l, &(struct change){ .kind = CHANGE_BUILD,
                                        .owner_id = row->account_id,
                                        .id = row->id,
                                        .state = row->status,
                                        .build = row });
}
