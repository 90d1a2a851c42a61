/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which decisions of scaling are recorded (the option record_decisions). */
#pragma once

#include "run/fleet.h"

struct record;

/* Nothing (*out NULL) where the option is not set. */
enum status record_open(struct fleet *f, struct record **out, struct error *err) NODISCARD;
void record_close(struct record *r); /* after the fleet; NULL is fine */
