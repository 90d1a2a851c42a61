/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses in inputs: what they name, and where a redirect leads. */
#pragma once

#include "base/arena.h"
#include "base/id.h"

enum input_url_kind { INPUT_URL_OTHER, INPUT_URL_FILE, INPUT_URL_OUTPUT };

struct input_url {
    enum input_url_kind kind; /* by its path only */
    bool is_ours;             /* it begins with `base` */
    struct str key;           /* id or secret */
};

/* "<anything>/v1/files/<id>[/download?...]" and "<anything>/v1/outputs/<secret>/<name>" */
struct input_url input_url_read(struct str url, const char *base);
/* The last segment of the path, decoded; empty when there is none. */
struct str input_url_name(struct arena *a, struct str url);
/* Without query and fragment, of bounded length: for messages. */
const char *input_url_shown(struct arena *a, struct str url);
/* `location` as seen from `url`; NULL when it is none that we follow. */
const char *input_url_join(struct arena *a, struct str url, struct str location);
