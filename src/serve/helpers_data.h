/* SPDX-License-Identifier: Apache-2.0 */
/* Made by tools/embed at build time. */
#pragma once

#include <stddef.h>

extern const unsigned char HELPER_COG_SCHEMA[];
extern const size_t HELPER_COG_SCHEMA_SIZE;
extern const unsigned char HELPER_SITECUSTOMIZE[];
extern const size_t HELPER_SITECUSTOMIZE_SIZE;
