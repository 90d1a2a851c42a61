/* SPDX-License-Identifier: Apache-2.0 */
/* The dashboard: one page for every address that people visit, and its files. It is a client of
 * the public API like any other; only its sign-in (api/session.h) is a way of its own. */
#pragma once

#include "http/server.h"

/* One file, as tools/embed-web made it. */
struct page_file {
    const char *name; /* "index.html", "app-1A2B3C4D.js" */
    const char *type;
    const char *tag; /* of its content, without quotes */
    const char *gzip;
    size_t n, plain_size;
} DESIGNATED;

extern const struct page_file PAGE_FILES[]; /* by name; ends with one that has none */

/* For http_config.divert: whoever's Accept names text/html, and who has no token with it, is a
 * person with a browser, and gets the page at every address that belongs neither to a program
 * (/v1, /openai, /metrics …) nor to the page's own files. */
const struct http_route *page_divert(const struct http_request *r, struct str path);
/* Whether an Accept names text/html. */
bool page_is_accepted(struct str accept);

void page_asset(struct http_request *r);
