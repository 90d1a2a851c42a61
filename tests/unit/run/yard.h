/* SPDX-License-Identifier: Apache-2.0 */
/* Where builds are tested: a data folder, a store with one model, a real loop. */
#pragma once

#include "run/build_impl.h"

#include "store/account.h"

#define MODEL   "0100000001000000000000000m"
#define ACCOUNT "0100000001000000000000000a"

/* Turns of the loop after which a test that waits has failed. */
enum { MANY_TURNS = 12000 };

struct yard {
    char dir[64], helper[1024];
    struct loop *loop;
    struct store *store;
    struct options options;
    struct id_gen ids;
    struct builds *builds;
    struct push *push;
    struct timer timer; /* nothing here may take for ever */
    struct build_watcher watcher;
    struct buf packed, log;
    char id[ID_SIZE];
    struct error error;
    bool has_error, is_over;
    struct build_row row; /* of the ended build; its texts in op's arena */
    struct store_build_get op;
};

int yard_setup(void **state);
int yard_teardown(void **state);

/* Pairs of name and text ("-> target" for a link), NULL ends: packed into y->packed. */
void yard_pack(struct yard *y, const char *const *files);

/* --- a push by hand --- */
void yard_begin(struct yard *y);
void yard_on_written(void *arg, const struct error *err);
void yard_finish(struct yard *y);

/* --- builds --- */
/* Pushes a folder; the build lives when it returns, its id is y->id. */
struct build *yard_start(struct yard *y, const char *const *files);
/* Pushes and waits for the end: then the row is in y->row and the log in y->log. */
void yard_build(struct yard *y, const char *const *files);
void yard_turn(struct yard *y);
void yard_wait_state(struct yard *y, const struct build *b, enum build_state at);
void yard_wait_end(struct yard *y, const char *id);
void yard_read_row(struct yard *y, const char *id);

/* --- the data folder --- */
bool yard_is_there(struct yard *y, const char *name);
void yard_assert_swept(struct yard *y);
int yard_count_in(struct yard *y, const char *folder);
void yard_make_folder(struct yard *y, const char *name);
void yard_make_file(struct yard *y, const char *name, const char *text, mode_t mode);
