/* SPDX-License-Identifier: Apache-2.0 */
/* One program of a build, in surroundings like an instance's: a user of its own where we are root,
 * a mount and an ipc namespace, limits. Its outputs are ours.
 *
 * `berth init --box SERVER FOLDER` reads FOLDER/spec.json, makes home, tmp and coglet in FOLDER and
 * runs the program in it. It exits as the program does, after everything that this left behind;
 * with 127 and a sentence where it cannot be run, with 1 and a sentence where it went over its
 * limits. It ends all at SIGTERM, and when its parent, the process SERVER, is gone: what went on
 * writing into an environment would be in the way of the next server's build of the same. */
#pragma once

#include <sys/types.h>

int box_main(pid_t server, const char *folder);
