/* SPDX-License-Identifier: Apache-2.0 */
/* Runs operations in transactions: many writes in one, each undone alone when it fails. Internal to
 * store/. */
#pragma once

#include "store/engine.h"
#include "store/store.h"

/* Runs the operations of the list (at least one, all writes) in one transaction and commits it.
 * Each gets its own status; when the commit fails, all get that. Returns whether something was
 * committed. */
bool group_write(const struct engine *e, struct db *db, struct list *ops);

/* Runs one read on one snapshot of the database. */
void group_read(const struct engine *e, struct db *db, struct store_op *op);
