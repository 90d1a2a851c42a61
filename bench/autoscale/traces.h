/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic to compare on: two real hours, and four that are made with a fixed seed. */
#pragma once

#include "core/scale/simulate.h"

struct trace {
    const char *name;
    struct scale_arrival *rows;
    size_t n;
    int64_t until; /* ms */
    double service_s;
};

/* TIMESTAMP, ContextTokens, GeneratedTokens; false when the file cannot be read. */
bool trace_azure(const char *path, const char *name, struct trace *out);
void trace_made(const char *name, struct trace *out); /* poisson, bursty, daily, spike */
void trace_free(struct trace *t);
