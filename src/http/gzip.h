/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the server: answers compressed for clients that ask for it. */
#pragma once

#include "base/buf.h"

struct gzip;
struct http_server;

enum {
    GZIP_LEAST = 1 << 10,  /* shorter bodies go as they are */
    GZIP_SLICE = 32 << 10, /* so much at once: a third of a millisecond */
};

bool gzip_asked(struct str accept_encoding);
/* Whether a body is worth it; then the answer depends on what the client asks for. */
bool gzip_fits(const char *type, struct str body);

/* At once, for at most GZIP_SLICE bytes; false when it came out no smaller. */
bool gzip_now(struct http_server *s, struct str body, struct buf *out);
void gzip_deinit(struct http_server *s);

/* Unpacks what was compressed beforehand into `size` bytes; false when it is not so long. */
bool gzip_unpack(struct str zipped, size_t size, struct buf *out);

/* An answer on its way. The body is taken from its owner (NULL: copied), the type must live on.
 * NULL for want of memory. */
struct gzip *gzip_new(int status, const char *type, struct str body, struct buf *owner);
bool gzip_step(struct gzip *g); /* one slice; false: that was the last */
bool gzip_is_smaller(const struct gzip *g);
struct buf *gzip_body(struct gzip *g); /* compressed, or as it was where that is no larger */
int gzip_status(const struct gzip *g);
const char *gzip_type(const struct gzip *g);
void gzip_free(struct gzip *g);
