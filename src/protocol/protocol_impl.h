/* SPDX-License-Identifier: Apache-2.0 */
/* For implementors of protocols. */
#pragma once

#include "protocol/protocol.h"

struct protocol_ops {
    const char *name;
    void (*free)(struct protocol *pr);
    void (*open)(struct peer *p, const struct peer_spec *spec);
    void (*close)(struct peer *p);
    void (*shutdown)(struct peer *p);
    void (*printed)(struct peer *p); /* NULL: it says nothing */
    void (*start)(struct run *r, const struct run_spec *spec);
    void (*cancel)(struct run *r);
    void (*release)(struct run *r);
    bool (*is_unsent)(const struct run *r); /* NULL: never */
    enum status (*webhook)(struct run *r, const struct json *said, struct buf *memory,
                           struct error *err); /* NULL: takes none */
    enum status (*read_final)(struct protocol *pr, struct arena *a, const struct json *said,
                              bool output_is_array, struct run_result *out,
                              struct error *err); /* NULL: never */
    struct str (*log_line)(struct protocol *pr, struct arena *a, struct str line,
                           bool *is_runtime); /* NULL: text as it is */
    bool ends_with_us; /* runs end with our connection, whatever their way; none can be joined */
} DESIGNATED;

struct protocol {
    const struct protocol_ops *ops;
    struct loop *loop;
};

/* Every protocol ends a run through this: takes it off the peer, calls `ended` and frees the run's
 * buffers. The run may be gone when it returns. */
void run_finish(struct run *r, const struct run_result *result);
/* Likewise for a run that ends without a word (peer_close). */
void run_forget(struct run *r);
