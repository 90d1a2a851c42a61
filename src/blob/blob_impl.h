/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of blob/ and by nobody else. */
#pragma once

#include "blob/blob.h"

struct blobs {
    struct loop *loop;
    char *folder; /* <data>/blobs */
    size_t n_busy;
    bool is_stopping;
    bool is_held;
    struct list kept; /* removals that wait for the end of the hold */
    void (*idle)(void *arg);
    void *idle_arg;
    struct deferred when_idle;
};

/* Work that blobs_stop() waits for. */
void blobs_work(struct blobs *b, struct work *w, void (*run)(struct work *),
                void (*done)(struct work *));
void blobs_worked(struct blobs *b); /* first in `done` */

/* Forgets removals that wait for the end of a hold: their blobs are strays for the next start. */
void blobs_drop_kept(struct blobs *b);

/* Paths; `out` is cleared. */
void blob_path(const struct blobs *b, const char *id, struct buf *out);
void blob_parent(struct buf *path); /* cuts the last segment off */
void blob_part_path(const struct blobs *b, const char *id, struct buf *out);

/* From here on for work threads. */
enum status blob_create(const struct blobs *b, const char *id, int *out_fd,
                        struct error *err) NODISCARD;
enum status blob_append(int fd, struct str bytes, struct error *err) NODISCARD;
/* Makes it durable and visible. The descriptor is the caller's to close. */
enum status blob_publish(const struct blobs *b, const char *id, int fd,
                         struct error *err) NODISCARD;
enum status blob_open(const struct blobs *b, const char *id, int *out_fd,
                      struct error *err) NODISCARD;
enum status blob_errno(struct error *err, int code, const char *what);
