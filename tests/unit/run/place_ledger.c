/* SPDX-License-Identifier: Apache-2.0 */
/* What the ledger of a place holds, against what its instances and predictions say. */
#include "place.h"

#include "store/instance.h"
#include "store/ledger.h"

int64_t place_lifetimes(struct place *p, const char *pool_id, bool *out_all)
{
    struct store_instance_ended op = { .pool_id = pool_id, .limit = 100 };
    int64_t ms = 0;

    PLACE_RUN(p, STORE_INSTANCE_ENDED, op);
    for (size_t i = 0; i < op.n; i++) {
        const struct instance_row *row = &op.rows[i];

        if (row->metered_ms != row->ended_at - row->created_at)
            fail_msg("instance %s lived %lld ms, and the ledger has %lld of them", row->id,
                     (long long)(row->ended_at - row->created_at), (long long)row->metered_ms);
        ms += row->metered_ms;
    }
    if (out_all)
        *out_all = op.n < 100;
    store_op_deinit(&op.op);
    return ms;
}

static void check_pool(struct place *p, const char *pool_id, const struct ledger_sum *sum)
{
    bool all = false;
    int64_t lived = place_lifetimes(p, pool_id, &all);

    if (all && lived != ledger_sum_ms(sum))
        fail_msg("the instances of %s lived %lld ms, and the ledger has %lld", pool_id,
                 (long long)lived, (long long)ledger_sum_ms(sum));
}

/* Rows of one pool follow each other by day only: they are put together. */
static __int128 check_pools(struct place *p, const struct store_ledger_read *read)
{
    __int128 active = 0;

    for (size_t i = 0; i < read->n; i++) {
        struct ledger_sum sum = { 0 };
        bool first = true;

        for (size_t k = 0; k < i; k++)
            first = first && strcmp(read->rows[k].pool_id, read->rows[i].pool_id) != 0;
        for (size_t k = i; first && k < read->n; k++)
            if (strcmp(read->rows[k].pool_id, read->rows[i].pool_id) == 0)
                ledger_sum_add(&sum, read->rows[k].piece.kind, read->rows[k].piece.price_nano,
                               read->rows[k].piece.ms);
        if (first)
            check_pool(p, read->rows[i].pool_id, &sum);
        active += sum.amount[LEDGER_ACTIVE];
    }
    return active;
}

void place_check_ledger(struct place *p)
{
    struct store_ledger_read read = { .account_id = place_id('a', 1),
                                      .to = (int64_t)1 << 60,
                                      .unit_ms = LEDGER_DAY_MS };
    __int128 active, charged = 0;
    struct job *j;

    PLACE_RUN(p, STORE_LEDGER_READ, read);
    active = check_pools(p, &read);
    store_op_deinit(&read.op);
    list_each (&p->jobs, j, struct job, node) {
        struct store_prediction_get get;

        if (j->refused != STATUS_OK)
            continue;
        job_stored(j, &get);
        charged += get.row.cost;
        store_op_deinit(&get.op);
    }
    if (charged != active)
        fail_msg("predictions were charged %lld, and their instances %lld", (long long)charged,
                 (long long)active);
}
