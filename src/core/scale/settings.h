/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment wants of its scaling beside minimum and maximum. It makes no release. */
#pragma once

#include "core/scale/schedule.h"

enum {
    SCALE_NOT_SET = -2,
    SCALE_MOST_WEIGHT = 1000,
    SCALE_TARGET_WARM_MS = 10000, /* by default, where the minimum is 1 or more */
    SCALE_TARGET_COLD_MS = 30000, /* and where it is 0 */
};

struct scale_settings {
    int64_t target_wait_ms; /* SCALE_NOT_SET: by the minimum */
    int64_t keep_alive_ms;  /* SCALE_KEEP_AUTO, or SCALE_NOT_SET: as the server has it */
    int64_t max_queue;      /* SCALE_NOT_SET: the server's */
    int64_t max_cost_nano;  /* for an hour, in billionths; SCALE_NOT_SET: no limit */
    int64_t weight;         /* when the machine has too little for all; SCALE_NOT_SET: 1 */
    struct scale_schedule schedule;
};

void scale_settings_init(struct scale_settings *s);
/* Hears what is wrong with a member (`key` is a constant; NULL: the object itself). */
typedef void (*scale_fault)(void *arg, const char *key, const struct error *err);
/* Changes what the object's members name; null takes one back. Durations are seconds, or texts as
 * "1m30s". INVALID when there was any fault, each of which was told; then nothing has changed. */
enum status scale_settings_change(struct scale_settings *s, const struct json *object,
                                  scale_fault fault, void *arg) NODISCARD;
/* The members that are set, as scale_settings_change() takes them. */
void scale_settings_write(const struct scale_settings *s, struct json_writer *w);
/* From what is stored (`settings` of the deployment: {"scaling": {...}, ...}); what is not valid
 * counts as not set. */
void scale_settings_load(struct scale_settings *s, struct str stored);

int64_t scale_target_ms(const struct scale_settings *s, int64_t min_instances);
/* Instances that may run at `price_nano` a second and instance: `max`, or fewer. */
int64_t scale_affordable(const struct scale_settings *s, int64_t max, int64_t price_nano);
