/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings: each has an instance of its own, and one that succeeded has one version, for good. */
#include "sim.h"

#include "base/hash.h"
#include "store/training.h"

/* An instance has seen its training when it has seen one. */
void sim_check_trains(struct sim *s, const struct instance *in)
{
    const struct prediction *p;
    intptr_t is, was;

    if (!in->lane->version->trains || list_empty(&in->runs))
        return;
    p = container_of(list_first(&in->runs), struct prediction, run_node);
    is = (intptr_t)(hash_bytes(HASH_INIT, str_of(p->id)) | 1);
    was = (intptr_t)map_get(&s->trained, str_of(in->id));
    if (was && was != is)
        fail_msg("instance %s trains %s, and has trained before", in->id, p->id);
    if (!was)
        map_put(&s->trained, str_of(in->id), (void *)is);
}

/* What a training that succeeded has come to, as the store has it. */
void sim_check_trained(struct sim *s, struct sim_job *j, const struct prediction_row *row,
                       bool must_be)
{
    struct str id = str_of(row->trained_version);
    struct store_version_get get = { .owner = STR("alice"), .name = STR("m") };

    if (row->training_failure)
        fail_msg("training %s made no version: %s", row->id, row->training_failure);
    if (!id.p && (j->has_version || must_be))
        fail_msg("training %s succeeded, and has no version", row->id);
    if (!id.p || j->has_version)
        return;
    j->has_version = true;
    get.id = str_make(id.p + strlen("alice/m:"), id.n - strlen("alice/m:"));
    PLACE_RUN(s->p, STORE_VERSION_GET, get);
    if (!memmem(get.row.config.p, get.row.config.n, "weights.example", 15))
        fail_msg("the version of training %s has no weights: %.*s", row->id,
                 STR_ARG(get.row.config));
    store_op_deinit(&get.op);
}

void sim_check_trainings(struct sim *s)
{
    struct store_training_unfinished op = { 0 };

    PLACE_RUN(s->p, STORE_TRAINING_UNFINISHED, op);
    if (op.n > 0 || s->p->fleet.n_keeping > 0)
        fail_msg("%zu trainings succeeded, and nobody makes their versions (%d are made)", op.n,
                 s->p->fleet.n_keeping);
    store_op_deinit(&op.op);
}
