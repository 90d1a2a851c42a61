/* SPDX-License-Identifier: Apache-2.0 */
/* Users (and groups of the same number) that are handed out to instances, one each, from a range
 * that nothing else on the machine may use. Several servers may share a range: who has one
 * holds a lock on it in /run/berth, where that can be made. */
#pragma once

#include "base/status.h"

#include <stdint.h>

struct uids;

/* "FIRST-LAST"; INVALID names the text and what would be right. `owner` (the data folder) decides
 * where in the range one begins. */
enum status uids_new(const char *range, const char *owner, struct uids **out,
                     struct error *err) NODISCARD;
void uids_free(struct uids *u); /* NULL: nothing */
/* BUSY: all are taken. */
enum status uids_take(struct uids *u, uint32_t *out, struct error *err) NODISCARD;
/* One that was given before a restart and is still in use. */
void uids_take_again(struct uids *u, uint32_t uid);
/* Nothing runs as it any more, and no file is its own. 0: nothing. */
void uids_give(struct uids *u, uint32_t uid);
/* A note of the user in the folder that it works in (the file `uid`): it says whom that belongs to,
 * as long as it is there. */
enum status uids_note(int dirfd, uint32_t uid, struct error *err) NODISCARD;
uint32_t uids_noted(int dirfd); /* 0: none */
/* Whether it lies in the range, taken or not. */
bool uids_has(const struct uids *u, uint32_t uid);
