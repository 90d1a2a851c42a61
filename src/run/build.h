/* SPDX-License-Identifier: Apache-2.0 */
/* From a pushed folder to a version: unpack, read cog.yaml or model.yaml, make the environment,
 * write the schema, register.
 *
 * A build is a flow (unpacking -> reading -> resolving -> installing -> describing -> registering
 * -> done). Its packed source is streamed to disk as it arrives; a failing build keeps its log and
 * leaves nothing else behind. */
#pragma once

#include "base/id.h"
#include "base/map.h"
#include "core/option.h"
#include "driver/uids.h"
#include "loop/loop.h"
#include "store/build.h"
#include "store/store.h"

struct builds;
struct build;

struct builds_config {
    const struct options *options;
    const char *data; /* absolute data folder: builds/<id>/ (source.tar.gz, log), versions/<id>/,
                         envs/<key>/ */
    struct id_gen *ids;
    const char *helper;  /* absolute path of cog_schema.py */
    const char *self;    /* absolute path of berth; NULL: what builds run has no box, and outlives a
                            kill -9 of ours */
    struct uids *uids;   /* of which each build gets one; NULL: builds run as our own user */
    const char *home;    /* the server's user's, hidden from builds; NULL: none */
    const char *folders; /* that builds see beside their own (driver/folders.h); NULL: none */
};

struct builds *builds_new(struct loop *l, struct store *s, const struct builds_config *c) NODISCARD;
/* Kills what is under way (the next start marks it failed). */
void builds_free(struct builds *b);
/* Builds left by an earlier server become failed, their folders go, and those of versions without a
 * row. INVALID for a data folder whose path is too long. Before anything is listened on. */
enum status builds_load(struct builds *b, struct error *err) NODISCARD;

/* While held (for a backup), no version's folder goes; those that should go when the hold ends. */
void builds_hold(struct builds *b, bool is_held);
/* The row of a version is gone and no other has its content: its folder (relative to the data
 * folder) goes too, once `in_use` (NULL: it is not) says no: asked now and again, until
 * builds_free(). */
void builds_forget_version(struct builds *b, const char *path,
                           bool (*in_use)(void *arg, const char *path), void *arg);

/* Who is told when a build is queued, begins and ends; NULL: nobody. */
struct change_listener;
void builds_listen(struct builds *b, struct change_listener *l);

/* --- receiving --- */

/* The body of a push on its way to the disk. */
struct push;

/* Opens builds/<id>/source.tar.gz.part. */
enum status push_begin(struct builds *b, struct push **out, struct error *err) NODISCARD;
/* Writes a piece off the loop; `more` comes when the next may be given (back-pressure). TOO_LARGE
 * past max_push. */
void push_write(struct push *p, struct str piece, void (*more)(void *arg, const struct error *err),
                void *arg);
/* Gives it up: the file goes. */
void push_abort(struct push *p);

struct push_target {
    const char *account_id;
    const char *model_id, *model_owner, *model_name;
};
/* The body is complete: records the build (status queued) and starts it when its turn comes. `done`
 * comes with the stored row, or err. Takes the push. */
void push_finish(struct push *p, const struct push_target *t,
                 void (*done)(void *arg, const struct build_row *row, const struct error *err),
                 void *arg);

/* --- following --- */

/* A live build; NULL when it ended (its row and log file remain). */
struct build *build_find(struct builds *b, struct str id);
/* Path of a build's log file, relative to nothing (absolute); in `out`. */
void build_log_path(const struct builds *b, struct str id, struct buf *out);

struct build_watcher {
    struct list node;
    /* A line was added (with its newline), or ended == true: the build is over and the watcher is
     * out of the list. */
    void (*changed)(struct build_watcher *w, struct str text, bool ended);
};
void build_watch(struct build *b, struct build_watcher *w);
void build_watcher_remove(struct build_watcher *w);
