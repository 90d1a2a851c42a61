/* SPDX-License-Identifier: Apache-2.0 */
/* Between instance.c (how one gets ready) and instance_end.c (how it goes). */
#pragma once

#include "run/fleet.h"

#define SICK "sick" /* why_stop of one whose model server says that it is not well */

/* A change of the record in the store, to be filled in and started with instance_stored(). */
struct store_instance_update *instance_update(struct instance *in);
void instance_stored(struct store_op *op);

/* launch_events.ended */
void instance_ended(struct launch *l, const struct exit_info *how, const struct error *err);
