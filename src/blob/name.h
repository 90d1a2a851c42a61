/* SPDX-License-Identifier: Apache-2.0 */
/* Names and types of files. */
#pragma once

#include "base/buf.h"

enum { FILE_NAME_MAX = 255 };

/* The last segment of what a client calls a file, without what a file system or a header would
 * choke on: at most 255 bytes of UTF-8, never empty (`otherwise` then). `out` is cleared. */
void file_name_clean(struct str given, const char *otherwise, struct buf *out);

/* ".png" for "image/png" (parameters are ignored); "" when there is no usual one. */
const char *type_extension(struct str content_type);
/* "image/png" for "a.PNG"; NULL when it is not known. */
const char *type_of_name(struct str name);
/* What can stand in a Content-Type field: "type/subtype" with parameters, at most 255 visible
 * bytes. */
bool content_type_valid(struct str type);
/* A browser may show it in place: image (but SVG, which can hold scripts, is as safe as its
 * sandbox), audio, video. */
bool content_type_is_media(struct str type);

/* The parts of a "data:" address. False when it is none, or malformed. `payload` is still encoded.
 */
struct data_uri {
    struct str type; /* "text/plain;charset=US-ASCII" when it names none */
    bool is_base64;
    struct str payload;
};
bool data_uri_split(struct str uri, struct data_uri *out);
bool data_uri_decode(const struct data_uri *u, struct buf *out); /* false: malformed */

/* Unforgeable text of 52 characters for `subject`: what it names can be had by whoever holds the
 * text. `purpose` keeps the uses of one key apart. */
enum { SIGNATURE_LEN = 52 };
void url_sign(struct str key, const char *purpose, const char *subject,
              char out[SIGNATURE_LEN + 1]);
bool url_signature_ok(struct str key, const char *purpose, const char *subject, struct str given);
