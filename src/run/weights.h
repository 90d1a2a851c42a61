/* SPDX-License-Identifier: Apache-2.0 */
/* The files in the data folder that trained versions have as their weights. */
#pragma once

#include "run/fleet.h"

/* Of a version's configuration: such files begin like this, addresses do not. */
#define WEIGHTS_FOLDER "weights/"

/* A version that had them is gone, or was never made: the file goes where no other one has it. NULL
 * and addresses are fine. */
void weights_release(struct fleet *f, const char *weights);
/* While they are held (for a backup) none goes; what nobody has then goes at the next start. */
void weights_hold(struct fleet *f, bool is_held);
/* At start, before trainings go on: files that no version has. */
enum status weights_sweep(struct fleet *f, struct error *err) NODISCARD;
