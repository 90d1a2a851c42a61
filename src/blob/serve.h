/* SPDX-License-Identifier: Apache-2.0 */
/* A blob as the answer to a GET or HEAD: ranges (RFC 9110, one range), If-None-Match and If-Range,
 * bounded memory, and the header fields that keep what strangers stored from doing harm in a
 * browser. */
#pragma once

#include "blob/blob.h"
#include "http/server.h"

struct blob_answer {
    const char *id;
    struct str name;         /* for Content-Disposition; UTF-8 */
    struct str content_type; /* p == NULL: application/octet-stream */
    int64_t size;
    struct str etag;      /* without quotes */
    bool is_attachment;   /* always; else only what is neither image, audio nor video */
    bool for_all_origins; /* pages of any origin may read it: its address is secret, and no cookie
                             counts */
};

/* Whether an If-None-Match is "*", or a list of quoted tags (weak ones too) with this one. */
bool tag_is_listed(struct str list, struct str etag);

/* Answers, now or later. The texts need to live during the call only. */
void blob_serve(struct blobs *b, struct http_request *r, const struct blob_answer *a);
