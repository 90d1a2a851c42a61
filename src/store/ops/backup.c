/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include "store/ops/rows.h"

static enum status copy(struct db *db, struct store_op *base)
{
    const struct store_copy *op = container_of(base, struct store_copy, op);

    return db->ops->copy(db, op->path, &base->error);
}

const struct store_op_type STORE_COPY = {
    .name = "copy",
    .exec = copy,
};
