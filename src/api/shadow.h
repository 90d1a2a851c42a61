/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment's shadow has told. */
#pragma once

#include "api/api.h"

struct shadow_report;

/* The members "copied", "same", "differ", "failed" and "dropped". */
void show_shadow_counts(struct json_writer *w, const struct shadow_report *r);
void deployment_shadow(struct http_request *r);
