/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock may be set while the server runs, by an hour or by years. Decisions compare times
 * of it; what they compare moves with it, so that nothing waits for an hour to come back, and
 * nothing that just began is taken for an hour old. What was recorded stays as it was. */
#pragma once

struct fleet;

/* Before decisions, and before times are noted that it moves: they would be moved once more. */
void clock_look(struct fleet *f);
