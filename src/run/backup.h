/* SPDX-License-Identifier: Apache-2.0 */
/* A moment of the server that can be copied while it works: a copy of the database, and a hold on
 * all files that it names. Whoever makes the backup then copies the data folder in its own time. */
#pragma once

#include "core/option.h"
#include "run/build.h"
#include "run/file.h"
#include "run/fleet.h"

struct backups;

struct backups_config {
    const struct options *options;
    const char *data;
    struct store *store;
    struct files *files;
    struct builds *builds;
    struct fleet *fleet;
};

/* Removes what an earlier server left in <data>/backups. */
struct backups *backups_new(struct loop *l, const struct backups_config *c);
/* No hold is left after. What is under way ends with the store. */
void backups_stop(struct backups *b);
void backups_free(struct backups *b); /* after store_close(); NULL is fine */

struct backup_info {
    const char *id;
    const char *database; /* path of the copy, relative to the data folder */
    int64_t held_until;   /* wall ms */
};

/* From the copy on no file goes away until backup_end(), or until `backup_hold` has passed. `done`
 * comes once, with `info` where err is NULL (valid until it returns); a refusal comes from inside.
 * CONFLICT while another one is held, DISK_FULL where the copy has no room. */
void backup_begin(struct backups *b,
                  void (*done)(void *arg, const struct backup_info *info, const struct error *err),
                  void *arg);
/* Ends the hold and removes the copy; `id` may be "current". NOT_FOUND where there is no such
 * backup any more. */
enum status backup_end(struct backups *b, struct str id, struct error *err) NODISCARD;
/* From inside `done`: nobody wants it any more. */
void backup_abandon(struct backups *b);
