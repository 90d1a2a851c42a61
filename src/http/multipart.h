/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data (RFC 7578), read as it arrives: whatever the pieces are cut into, the events
 * are the same. What a part holds is never kept here; only the head of a part is, and it has a
 * limit. */
#pragma once

#include "base/buf.h"
#include "base/status.h"

enum {
    MULTIPART_MAX_BOUNDARY = 200,   /* RFC 2046 says 70 */
    MULTIPART_MAX_HEAD = 16 * 1024, /* of one part */
    MULTIPART_MAX_PARTS = 1000,
};

/* Decoded; p == NULL: not given. Valid during the event. */
struct multipart_part {
    struct str name;
    struct str filename;
    struct str content_type;
};

struct multipart;

/* A part begins, its bytes come, it ends. False stops the reader with what is put into *err. */
struct multipart_events {
    bool (*begin)(struct multipart *m, const struct multipart_part *part, struct error *err);
    bool (*data)(struct multipart *m, struct str piece, struct error *err);
    bool (*end)(struct multipart *m, struct error *err);
};

struct multipart {
    const struct multipart_events *events;
    void *user;
    struct buf delimiter; /* CR LF "--" boundary */
    size_t matched;       /* bytes of it that may be one */
    int state;
    int n_parts;
    bool is_fresh; /* the CR LF that counts as matched was not there */
    bool at_cr;    /* on a boundary's line: its CR was there */
    struct buf head;
};

/* `content_type` is the request's; MEDIA_TYPE when it is not multipart/form-data, INVALID
 * without a boundary. */
enum status multipart_init(struct multipart *m, struct str content_type,
                           const struct multipart_events *events, void *user,
                           struct error *err) NODISCARD;
void multipart_deinit(struct multipart *m);
/* INVALID for what is malformed, TOO_LARGE past a limit, else what an event said. Not to be fed any
 * more then. */
enum status multipart_feed(struct multipart *m, struct str piece, struct error *err) NODISCARD;
/* All has come: INVALID when the last boundary was missing. */
enum status multipart_finish(struct multipart *m, struct error *err) NODISCARD;

/* The value of a parameter of a header field such as `form-data; name="a"; filename*=UTF-8''b`,
 * decoded the way browsers encode it. False: it is not there. */
bool header_parameter(struct str field, const char *name, struct buf *out);
