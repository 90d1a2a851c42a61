/* SPDX-License-Identifier: Apache-2.0 */
/* The option table as rows, for the files option*.c. */
#pragma once

#include "core/option.h"

struct option_row {
    const char *group, *name;
    enum option_type type;
    double low, high;
    const char *preset, *help;
    size_t offset; /* in struct options */
};

extern const struct option_row option_rows[];
extern const size_t n_option_rows;

/* idle-timeout, BERTH_IDLE_TIMEOUT */
const char *option_flag(struct arena *a, const char *name);
const char *option_variable(struct arena *a, const char *name);

/* Reads a value into the member it belongs to; texts are copied. The error does not name the
 * option. */
enum status option_parse(struct arena *a, const struct option_row *r, struct str value,
                         void *out_member, struct error *err) NODISCARD;
/* "1s to 24h"; "" where there is no range. */
void option_range(const struct option_row *r, char *out, size_t size);
