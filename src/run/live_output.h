/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a prediction gives out one after the other: each is stored and recorded while the
 * prediction goes on, and told with its address then, in the order in which they came.
 *
 * Where that fails (the disk is full) nothing more is told until the end, which stores what is
 * left. */
#pragma once

#include "run/fleet.h"

struct live_output;

/* A run begins: where its output is a list of files, they are told in this way from now on.
 * Harmless when they are already. */
void live_output_open(struct prediction *p);
/* At start, for one that is to be joined: what an earlier server told keeps its address. */
void live_output_load(struct prediction *p);
/* What the attempt told is void. */
void live_output_close(struct prediction *p);

/* Pieces came (p->run.pieces). prediction_progressed() follows for each lot that is stored. */
void live_output_more(struct prediction *p);
/* The run is over, its pieces go: what was not told of them is kept for the end. */
void live_output_keep(struct prediction *p);
/* As JSON, "a,b,c": what was told so far. */
struct str live_output_told(const struct live_output *l);
/* After live_output_keep(): what was told, and what was not, as one array; nothing where there is
 * none. */
void live_output_whole(const struct prediction *p, struct buf *out);
/* The files that have their address, none of them used; NULL: there are none. */
struct output_told *live_output_files(struct prediction *p);
bool live_output_has_files(const struct prediction *p);
/* Something is being stored: true, and `idle` comes once when it is. */
bool live_output_wait(struct prediction *p, void (*idle)(void *arg), void *arg);
