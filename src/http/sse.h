/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (WHATWG HTML, "text/event-stream"): a reader fed with arbitrary pieces, and a
 * writer. */
#pragma once

#include "base/buf.h"

struct sse_event {
    struct str name; /* "message" when the stream named none */
    struct str data; /* lines joined by newlines */
    struct str id;   /* last event id, p == NULL when none was ever sent */
};

struct sse_reader {
    struct buf line, name, data, id;
    struct buf rest; /* what came while it was held */
    bool has_id, has_data, skip_lf, at_start, failed;
    bool in_data; /* the value of a data line goes on */
    bool is_held;
    void (*event)(struct sse_reader *r, const struct sse_event *e);
};

/* max_event bounds one event's bytes. */
void sse_reader_init(struct sse_reader *r, size_t max_event,
                     void (*event)(struct sse_reader *r, const struct sse_event *e));
void sse_reader_deinit(struct sse_reader *r);
/* False when an event passed the limit; the reader is dead then. */
bool sse_reader_feed(struct sse_reader *r, struct str piece);
/* From within `event`: its data's bytes become the caller's; the event's text points into them. */
void sse_reader_take_data(struct sse_reader *r, struct buf *out);
/* From within `event`: no other comes until sse_reader_go_on(). What is fed meanwhile is kept, so
 * that whoever feeds should wait as well; it is given back, to be fed again. */
void sse_reader_hold(struct sse_reader *r);
void sse_reader_go_on(struct sse_reader *r, struct buf *out_rest);

/* Any of name, id may be p == NULL. */
void sse_write(struct buf *out, struct str name, struct str id, struct str data);
void sse_comment(struct buf *out, const char *text);
