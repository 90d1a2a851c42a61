/* SPDX-License-Identifier: Apache-2.0 */
/* A live prediction, as its own files see it: prediction.c (its beginning and who watches it),
 * prediction_run.c (one attempt), prediction_end.c (its ends). */
#pragma once

#include "run/fleet.h"
#include "run/input_plan.h"

enum {
    KEEP_INPUT = 64 * 1024,    /* larger inputs are read from the store when they are needed */
    FLUSH_MS = 1000,           /* progress goes to the store at most so often */
    SHORT_RUN_MS = 2000,       /* runs that are this quick may be started the short way */
    REFUSED_RETRY_MS = 100,    /* an instance did not take it: not again in the same moment */
    STREAM_SECRET_LEN = 52,    /* 256 bits */
    KEY_MS = 24 * 3600 * 1000, /* how long a request can be repeated under its key */
    SILENT_END_MS = 3000, /* how long the driver has to tell what became of a run that broke off */
};

/* The write of an attempt's number. */
struct start_op {
    struct store_prediction_start op;
    struct prediction *p;
};
/* A short run may end before the writer came to the number of its attempt: then the end holds it
 * too, and one write is enough. */
void prediction_join_start(struct prediction *p, struct store_prediction_end *end);

/* Its end, or its return to the queue, waits to be written, and will not be by this server. */
void prediction_end_forget(struct prediction *p);

void prediction_drop_text(char **p);
/* It is not found among the live ones any more. */
void prediction_unlist(struct prediction *p);
/* Tells all watchers. */
void prediction_tell(struct prediction *p, struct str piece, struct str log_piece);
/* Tells all watchers, and has it written down in a while. */
void prediction_progressed(struct prediction *p, struct str piece, struct str log_piece);
/* Off its instance, whose slot is free then. */
void prediction_detach(struct prediction *p);
/* The output that these pieces are: in brackets, where it is an array. */
void prediction_whole(const struct prediction *p, struct str pieces, struct buf *out);
void prediction_ask_to_end(struct prediction *p);
void prediction_store_progress(struct prediction *p, bool with_text);
void prediction_on_timer(struct timer *t);
void prediction_on_flush(struct timer *t);
void prediction_on_deadline(struct timer *t);

/* prepare.c: the input for its instance. */
/* What was kept when its files were sought serves: nothing has to be read again. */
bool prediction_has_text(const struct prediction *p);
/* Puts the addresses for its instance into the plan (NULL: what was kept), whose text is taken. */
void prediction_fill(struct prediction *p, struct input_plan *plan);
