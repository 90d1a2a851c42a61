/* SPDX-License-Identifier: Apache-2.0 */
/* Files over HTTP, as the handlers of api/ share them. */
#pragma once

#include "api/api.h"
#include "blob/serve.h"

void show_file(struct json_writer *w, const struct file_row *f, const char *base);
/* Answers with the bytes. */
void file_send(struct http_request *r, const struct file_row *f, bool for_all_origins);
void file_not_found(struct http_request *r);
