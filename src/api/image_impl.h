/* SPDX-License-Identifier: Apache-2.0 */
/* Images on their way to versions: image.c (those that the container engine has),
 * registry_manifest.c (those that are pushed), image_record.c (what both end with). */
#pragma once

#include "api/api.h"
#include "core/image.h"

/* What was asked for, and what was found; all of it lives as long as the request. */
struct pushed {
    const char *image;
    struct str model_yaml;  /* brought with it; p == NULL: nothing */
    struct str owner, name; /* of the model */
    const struct api_account *account;
    const char *hardware; /* for a new model */
    bool is_public;
    struct image_facts facts;
    void (*done)(struct http_request *r, const struct pushed *x, bool existed);
};

/* The smallest that an image can run on; NULL: there is none. */
const struct sku *image_hardware(const struct hardware *h);
/* Records it; `done` comes with what was recorded, or the refusal was answered. */
void image_record(struct http_request *r, struct pushed *x);
