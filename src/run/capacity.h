/* SPDX-License-Identifier: Apache-2.0 */
/* What all pools want of one machine: who waits for room, who may take it, and who gives up a
 * place. core/capacity decides; this asks it whenever something changes and carries it out. */
#pragma once

#include "run/fleet.h"

void capacity_init(struct fleet *f);
void capacity_deinit(struct fleet *f);
/* Asks for a decision soon; many calls are one. Nothing happens while nobody lacks anything. */
void capacity_wake(struct fleet *f);

/* Room came free: whoever lacks some asks for it at once. */
void capacity_freed(struct fleet *f);

/* Whether a lane may boot one now. BUSY with what it waits for: the machine lacks something, or
 * somebody else comes first. */
enum status capacity_ask(struct lane *l, struct error *err) NODISCARD;
/* It was refused, for that reason; or it has got what it needs. */
void capacity_lacks(struct lane *l, const struct error *err);
void capacity_served(struct lane *l);
/* Whether it needs an instance and there was no room for it. */
bool capacity_is_lacking(const struct lane *l);

/* Lanes with something of what this one lacks, each but its own; NULL-terminated, allocated in a.
 */
struct lane **capacity_holders(const struct lane *l, struct arena *a);
/* In words for its owner: what it waits for, and who has it; NULL: it waits for nothing. */
const char *capacity_reason(const struct lane *l, struct arena *a);
