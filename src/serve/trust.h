/* SPDX-License-Identifier: Apache-2.0 */
/* What instances are given of this machine, as the options say. */
#pragma once

#include "core/option.h"
#include "driver/uids.h"

/* *out is NULL where there are none to give: the option is off, or we are not root. */
enum status trust_uids(const struct options *o, const char *data, struct uids **out,
                       struct error *err) NODISCARD;
/* Whether instance_folders can be read: INVALID says what is wrong. */
enum status trust_folders(const char *folders, struct error *err) NODISCARD;
/* For http_config.refuses: whether it comes from a user of the range (`uids`, a struct uids): an
 * instance, or what a build runs. They have no business at the public port. A client that closed
 * before its connection was accepted is nobody's on kernels before 6.18. */
bool trust_refuses(void *uids, int fd);
/* The home of our user, to be hidden; NULL: none that should be. */
const char *trust_home(void);
/* Models that run as our own user cannot trace us, nor read our memory, our environment, or through
 * /proc the files that are hidden from them. */
void trust_nobody_to_look(void);
