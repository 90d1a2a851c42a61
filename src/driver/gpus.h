/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs of this machine. */
#pragma once

#include "core/hardware.h"

#include <sys/types.h>

/* Adds those that nvidia-smi lists or, where it lists none, those of the kernel's amdgpu driver, in
 * the order in which ROCm counts them; `sys` is "/sys". Starts a program and waits for it: for the
 * start of the server only. */
void gpus_find(const char *sys, struct inventory *out);

/* The groups that may open AMD's devices below `dev` ("/dev"): the owners of kfd and of
 * dri/render*, but for root's. Each once; returns how many. NVIDIA's are open to all. */
size_t gpus_groups(const char *dev, gid_t *out, size_t max);
