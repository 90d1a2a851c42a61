/* SPDX-License-Identifier: Apache-2.0 */
/* A protocol without a server: runs exist on the loop's clock only, scripted by their input. The
 * keys read from the input object, all optional: "ms" (service time), "output" (any JSON; default
 * the input itself), "pieces" (array: streamed evenly over the time), "logs" (text), "fail" (error
 * text), "verdict" ("never_ran", "lost", "crashed"), "ignore_cancel" (true), "times" (the verdict
 * holds for the first so many attempts only), "metrics" (object), "clock" (true: the output is the
 * wall clock in microseconds at which the run began), "unheard" (true: the first attempt never
 * reaches the server). */
#pragma once

#include "protocol/protocol.h"

struct fake_protocol_script {
    int64_t ready_after_ms; /* from peer_open */
    int setup_fails;        /* the first so many peers end in PEER_FAILED */
    int64_t sick_after_ms;  /* 0: never */
    bool forgets;           /* keeps no record of a run that is done: memory stays bounded */
} DESIGNATED;

struct protocol *fake_protocol_new(struct loop *l,
                                   const struct fake_protocol_script *script) NODISCARD;
/* How many runs of this prediction id were ever accepted. */
int fake_protocol_runs(struct protocol *pr, const char *prediction_id);
