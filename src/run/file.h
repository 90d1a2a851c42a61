/* SPDX-License-Identifier: Apache-2.0 */
/* Files as the whole program uses them: blobs with their rows in the store, swept when they expire.
 *
 * input_file.c brings what inputs refer to near to the instance, output_file.c turns what outputs
 * hold into files. */
#pragma once

#include "base/id.h"
#include "blob/blob.h"
#include "core/option.h"
#include "http/client.h"
#include "store/file.h"

struct files {
    struct loop *loop;
    struct store *store;
    struct blobs *blobs;
    struct http_client *client;
    const struct options *options;
    struct str key; /* signs addresses */
    struct id_gen ids;
    struct timer sweep;
    bool is_sweeping, again, is_stopping;
    struct list inputs; /* struct input_files that are held */
    size_t n_held;
    void (*idle)(void *arg);
    void *idle_arg;
};

struct files_config {
    struct store *store;
    struct http_client *client;
    const struct options *options;
    const char *data;
    const unsigned char *key; /* of SEAL_KEY_SIZE bytes */
};

enum status files_new(struct loop *l, const struct files_config *c, struct files **out,
                      struct error *err) NODISCARD;
/* Gives up what is fetched, starts no sweep any more; `idle` when nothing is under way. */
void files_stop(struct files *f, void (*idle)(void *arg), void *arg);
void files_free(struct files *f); /* NULL is fine */
/* Something may have expired just now. */
void files_wake(struct files *f);

/* Fills in what is known of the bytes; the texts live in the arena. */
void file_row_fill(struct file_row *row, struct arena *a, const struct blob_facts *facts);

/* The account's own secret for signed downloads, in the form that is shown. */
enum { FILES_SECRET_SIZE = 64 };
void files_account_secret(const struct files *f, const char *account_id,
                          char out[FILES_SECRET_SIZE]);

/* --- inside run/ --- */

/* Something is under way that files_stop() waits for, until it is over. */
void files_hold(struct files *f);
void files_release(struct files *f);
/* "<base>/v1/outputs/<secret>/<name>" */
void file_output_url(struct buf *out, const char *base, const struct file_row *row);
