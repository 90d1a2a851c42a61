/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of files: a folder on the local disk, data/blobs/<aa>/<bb>/<id>. Who owns a blob, its name
 * and its type are kept elsewhere (the store); here are bytes under an id only.
 *
 * Everything that touches the disk happens on work threads; a piece at a time is in memory. A blob
 * becomes visible whole, by a rename after its bytes are in stable storage, or never: what was left
 * unfinished is removed at the next start. */
#pragma once

#include "base/buf.h"
#include "base/encode.h"
#include "base/status.h"
#include "loop/loop.h"

enum { BLOB_PIECE = 64 * 1024 }; /* bytes that are read at once */

struct blobs;

/* What there is to know of bytes. */
struct blob_facts {
    int64_t size;
    unsigned char sha256[SHA256_SIZE];
    unsigned char md5[MD5_SIZE];
};

/* Makes <data>/blobs when it is missing; removes what earlier writers left unfinished. */
enum status blobs_open(struct loop *l, const char *data, struct blobs **out,
                       struct error *err) NODISCARD;
/* `idle` comes when no work is under way (at once on the next turn when there is none). Nothing is
 * started after. */
void blobs_stop(struct blobs *b, void (*idle)(void *arg), void *arg);
void blobs_free(struct blobs *b); /* idle, and no writer or reader is open; NULL is fine */

/* --- writing --- */

struct blob_writer;
/* err == NULL: it is done. */
typedef void (*blob_done)(void *arg, const struct error *err);

/* `id` is of lower-case letters and digits, at least 4 of them, and new. Past `max` bytes the write
 * is TOO_LARGE. */
struct blob_writer *blob_writer_new(struct blobs *b, const char *id, int64_t max) NODISCARD;
/* Copies the piece. One write at a time. After a failure only abort is allowed. */
void blob_write(struct blob_writer *w, struct str piece, blob_done done, void *arg);
/* The blob is in stable storage; `facts` are valid until `done` returns. The writer is freed, after
 * a failure too. */
void blob_finish(struct blob_writer *w,
                 void (*done)(void *arg, const struct blob_facts *facts, const struct error *err),
                 void *arg);
/* Leaves nothing behind. Allowed at any time, also while a write is under way: its `done` does not
 * come then. */
void blob_abort(struct blob_writer *w);

/* All at once, for callers that are on a work thread themselves: the same promises. */
enum status blob_put(struct blobs *b, const char *id, struct str bytes, struct blob_facts *out,
                     struct error *err) NODISCARD;
enum status blob_get(struct blobs *b, const char *id, struct buf *out, struct error *err) NODISCARD;

/* --- reading and removing --- */

struct blob_reader;

struct blob_reader *blob_reader_new(struct blobs *b, const char *id, int64_t offset,
                                    int64_t length) NODISCARD;
/* `piece` has at most BLOB_PIECE bytes and is valid during the call; n == 0 after the last one.
 * NOT_FOUND where there is no such blob; BROKEN where it is shorter than was asked for. One read at
 * a time. */
void blob_read(struct blob_reader *r,
               void (*done)(void *arg, struct str piece, const struct error *err), void *arg);
/* At any time; `done` of a read under way does not come then. */
void blob_reader_close(struct blob_reader *r);

/* Removes blobs; those that are not there are no failure. The ids are copied. `done` (may be NULL)
 * comes once. */
void blobs_remove(struct blobs *b, const char *const *ids, size_t n, blob_done done, void *arg);
/* While blobs are held (for a backup), those that are removed stay on the disk, and `done` of
 * blobs_remove() comes at once. They go when the hold ends, or at the next start, as strays. */
void blobs_hold(struct blobs *b, bool is_held);
/* All blobs whose id is smaller than `before` (ids begin with their time). `done` comes once; the
 * ids are valid until it returns. Long where there are many; for the start. */
void blobs_list(struct blobs *b, const char *before,
                void (*done)(void *arg, const char *const *ids, size_t n), void *arg);
