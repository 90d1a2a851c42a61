/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that more than one aggregate reads; each in the order of its column fragment in the .sql
 * files. Internal to store/. */
#pragma once

#include "store/deployment.h"
#include "store/file.h"
#include "store/ledger.h"
#include "store/model.h"
#include "store/ops/reader.h"
#include "store/prediction.h"
#include "store/webhook.h"

void read_account(struct reader *r, struct account *out);
void read_version(struct reader *r, struct version_row *out); /* {version_columns} */
void read_model(struct reader *r, struct model_row *out,
                struct version_row *out_latest);                         /* {model_columns} */
void read_prediction(struct reader *r, struct prediction_row *out);      /* {prediction_columns} */
void read_prediction_data(struct reader *r, struct prediction_row *out); /* input, output, logs */
/* Both, as a page reads them: its key, and how many bytes the data takes. */
struct page_key read_listed_prediction(struct reader *r, struct prediction_row *out,
                                       size_t *out_bytes);
/* Reads m->example, where it has one. */
enum status find_example(struct db *db, struct store_op *op, struct model_row *m) NODISCARD;
void read_release(struct reader *r, struct release_row *out); /* {release_columns} */

/* Whether `viewer` (NULL: everybody's) may change what `owner_id` owns: OK, FORBIDDEN where it may
 * be seen, else NOT_FOUND. */
enum status check_owner(const char *viewer_id, const char *owner_id, bool is_public,
                        struct error *err);
bool is_owner(const char *viewer_id, const char *owner_id); /* viewer NULL: yes */

/* Inserts it, unless the model has it, and makes it the model's latest. */
enum status put_version(struct db *db, const struct version_row *in, bool *out_existed,
                        struct error *err) NODISCARD;
/* The version `id` of a model by name, as the viewer may see it; an empty id asks for the latest.
 * NOT_FOUND. */
enum status find_version(struct db *db, struct store_op *op, struct str owner, struct str name,
                         struct str id, const char *viewer_id, struct version_row *out) NODISCARD;
enum status find_model(struct db *db, struct store_op *op, struct str owner, struct str name,
                       const char *viewer_id, struct model_row *out,
                       struct version_row *out_latest) NODISCARD;
/* A message to the prediction's webhook. NOT_FOUND when that prediction is gone. */
enum status add_webhook(struct db *db, const struct webhook_row *row, const char *target,
                        struct error *err) NODISCARD;
/* See STORE_WEBHOOK_NOTES. */
enum status add_webhook_notes(struct db *db, const struct webhook_note *notes, size_t n,
                              struct error *err) NODISCARD;
/* The version of a model by its id. NOT_FOUND. */
enum status find_version_of_model(struct db *db, struct store_op *op, const char *model_id,
                                  const char *id, struct version_row *out) NODISCARD;
/* Adds a batch, in the transaction of the caller. */
enum status ledger_write(struct db *db, const struct ledger_batch *b, struct error *err) NODISCARD;
enum status file_insert(struct db *db, const struct file_row *f, struct error *err) NODISCARD;
