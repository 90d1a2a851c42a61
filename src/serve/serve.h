/* SPDX-License-Identifier: Apache-2.0 */
/* `berth serve`: builds the parts in order, runs the loop, takes them down in reverse. */
#pragma once

#include "base/status.h"
#include "core/hardware.h"
#include "core/option.h"

/* argv[0] is "serve". Returns the exit status. */
int serve_main(int argc, char **argv);

/* The machine: cpus and memory (or those of the cgroup we live in), GPUs as they are found or as
 * the configuration declares them (`gpus`: a list of name, memory and maker). */
enum status inventory_read(struct arena *a, const struct json *file, struct inventory *out,
                           struct error *err) NODISCARD;

/* The helper programs that travel inside the binary, written to <data>/lib. */
enum status helpers_write(const char *data, struct error *err) NODISCARD;
